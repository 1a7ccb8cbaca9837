// SPDX-License-Identifier: BSD-3-Clause
/*
 * Scouts: what they fetch is watched. They find nearly all headers of a block, whatever its packets' sizes, and whatever a
 * block has in it they read nothing beyond its end: there the block's memory ends.
 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "blocks.h"

static void watch(const uint8_t *line);

#define SCOUT_FETCH_LINE(p) watch(p)
#include "lib/scout.c"

#define BLOCK_BYTES (1u << 20)
#define LINE_BYTES 64u
#define FETCHES_MAX (2 * BLOCK_BYTES / HEADER_BYTES) /* a scout that only ever goes on makes fewer */

static uint8_t *block; ///< BLOCK_BYTES; nothing may be read behind them
static uint8_t fetched[BLOCK_BYTES / LINE_BYTES + 2];
static unsigned fetches;

static void watch(const uint8_t *line)
{
	fetched[(uintptr_t)(line - block) / LINE_BYTES] = 1;
	if (++fetches > FETCHES_MAX)
		fail_msg("scouts go round in circles");
}

static int setup(void **state)
{
	uint8_t *memory = mmap(NULL, BLOCK_BYTES + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	if (memory == MAP_FAILED)
		return -1;
	block = memory;
	return mprotect(memory + BLOCK_BYTES, 4096, PROT_NONE);
}

static int teardown(void **state)
{
	(void)state;
	return munmap(block, BLOCK_BYTES + 4096);
}

/* @return packets */
static uint32_t fill_block(uint32_t least, uint32_t most)
{
	struct test_block made;
	uint32_t packets = 0;

	test_block_init(&made, BLOCK_BYTES, 0, 2, 1);
	while (test_block_add(&made, &(struct test_packet){.caplen = least + (uint32_t)rand() % (most - least + 1),
							   .time_ns = UINT64_C(1700000000000000000)}))
		packets++;
	memcpy(block, made.bytes, BLOCK_BYTES);
	test_block_done(&made);
	return packets;
}

static uint32_t first_slot(void)
{
	return ((const struct tpacket_block_desc *)(const void *)block)->hdr.bh1.offset_to_first_pkt;
}

/* From a true header on, as a walker does. @return headers that were fetched */
static uint32_t fetch_block(void)
{
	uint32_t at = first_slot(), end = 0, n = 0;

	memset(fetched, 0, sizeof(fetched));
	fetches = 0;
	for (bool last = false; !last; last = header(block, at)->tp_next_offset == 0) {
		if (at >= end)
			end = scout_fetch(block, at, BLOCK_BYTES);
		n += fetched[at / LINE_BYTES];
		at += header(block, at)->tp_next_offset;
	}
	return n;
}

static void most_headers_are_fetched_whatever_the_sizes(void **state)
{
	static const struct {
		uint32_t least, most;
	} sizes[] = {{60, 60}, {60, 200}, {60, 1514}, {590, 590}, {1000, 1514}};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
		uint32_t packets = fill_block(sizes[i].least, sizes[i].most), n = fetch_block();

		if (n < packets * 95 / 100)
			fail_msg("%u to %u bytes: %u of %u", sizes[i].least, sizes[i].most, n, packets);
		/* Two lines each, and nearly none for nothing. */
		assert_in_range(fetches, 2 * n * 9 / 10, 2 * packets);
	}
}

/* What looks like a header within a packet leads nowhere in particular, and not outside. */
static void packets_full_of_headers_lead_nowhere(void **state)
{
	uint32_t packets = fill_block(600, 1514), at = first_slot();

	(void)state;
	for (uint32_t i = 0; i < packets; i++) {
		struct tpacket3_hdr bait = *header(block, at);

		bait.tp_snaplen = 16 + (uint32_t)rand() % 100000;
		bait.tp_next_offset = step_of(&bait);
		for (uint32_t k = 96; k + sizeof(bait) <= 600; k += sizeof(bait))
			memcpy(block + at + k, &bait, sizeof(bait));
		at += header(block, at)->tp_next_offset;
	}
	(void)fetch_block();
	assert_true(fetches > 0);
}

/*
 * Whoever sends packets knows all that a header looks like. One whose offset is the length of a header less than nothing would
 * lead back to the one before, for ever.
 */
static void no_header_leads_back(void **state)
{
	uint32_t packets = fill_block(1200, 1514), at = first_slot();

	(void)state;
	for (uint32_t i = 0; i < packets; i++) {
		struct tpacket3_hdr back = *header(block, at), on = back;

		back.tp_snaplen = 0u - HEADER_BYTES - back.tp_mac;
		back.tp_next_offset = step_of(&back);
		assert_int_equal(back.tp_next_offset, 0u - HEADER_BYTES);
		on.tp_next_offset = HEADER_BYTES;
		for (uint32_t k = 96; k + 2 * sizeof(on) <= 1200; k += 2 * sizeof(on)) {
			memcpy(block + at + k, &on, sizeof(on));
			memcpy(block + at + k + sizeof(on), &back, sizeof(back));
		}
		at += header(block, at)->tp_next_offset;
	}
	(void)fetch_block();
	assert_true(fetches > 0);
}

static void anything_at_all_is_read_to_its_end_only(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		(void)fill_block(60, 1514);
		for (unsigned i = 0; i < 2000; i++)
			memset(block + (unsigned)rand() % (BLOCK_BYTES - 8), rand(), 1 + (unsigned)rand() % 8);
		for (uint32_t at = 0; at + sizeof(struct tpacket3_hdr) <= BLOCK_BYTES; at += 8 * (1 + (unsigned)rand() % 9000)) {
			uint32_t end;

			fetches = 0;
			end = scout_fetch(block, at, BLOCK_BYTES);
			assert_true(end > at && end <= BLOCK_BYTES);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(most_headers_are_fetched_whatever_the_sizes),
		cmocka_unit_test(packets_full_of_headers_lead_nowhere),
		cmocka_unit_test(no_header_leads_back),
		cmocka_unit_test(anything_at_all_is_read_to_its_end_only),
	};

	return cmocka_run_group_tests_name("scout", tests, setup, teardown);
}
