// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fancap/block.h"
#include "tests/unit/blocks.h"

#define BLOCK_BYTES 4096u
#define SLOT_MIN 68u /* tpacket3_hdr, aligned, and sockaddr_ll */

/* Read every byte that a packet claims to have, for a sanitizer to object. */
static unsigned touch(const struct fancap_packet *packet)
{
	volatile unsigned sum = 0;

	for (uint32_t i = 0; i < packet->caplen; i++)
		sum += packet->data[i];
	return sum;
}

/* Walk to the end. @return how it ended; *ret_packets how many there were */
static int walk_all(struct fancap_walk *walk, const void *block, uint32_t size, unsigned *ret_packets)
{
	struct fancap_packet packet;
	int r = fancap_walk_start(walk, block, size);

	*ret_packets = 0;
	if (r < 0)
		return r;
	while ((r = fancap_walk_next(walk, &packet)) == 1) {
		++*ret_packets;
		touch(&packet);
	}
	return r;
}

static void walks_nothing_in_an_empty_block(void **state)
{
	struct test_block block;
	struct fancap_walk walk;
	unsigned n;

	(void)state;
	test_block_init(&block, BLOCK_BYTES, 0, 2, 7);
	assert_int_equal(fancap_block_packets(block.bytes), 0);
	assert_int_equal(fancap_block_sequence(block.bytes), 7);
	assert_int_equal(walk_all(&walk, block.bytes, block.size, &n), 0);
	assert_int_equal(n, 0);
	test_block_done(&block);
}

static void returns_every_field_of_a_packet(void **state)
{
	static const uint8_t frame[60] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x88, 0xB5, 99};
	const struct test_packet packet = {
		.data = frame, .caplen = sizeof(frame), .len = 1500, .type = PACKET_OTHERHOST,
		.time_ns = 1700000000123456789u, .vlan_tpid = 0x88A8, .vlan_tci = 0xE005,
		.status = TP_STATUS_CSUMNOTREADY,
	};
	struct fancap_packet got;
	struct fancap_walk walk;
	struct test_block block;

	(void)state;
	test_block_init(&block, BLOCK_BYTES, 0, 2, UINT64_C(1) << 40);
	assert_true(test_block_add(&block, &packet));
	assert_int_equal(fancap_block_sequence(block.bytes), UINT64_C(1) << 40);
	assert_int_equal(fancap_walk_start(&walk, block.bytes, block.size), 0);
	assert_int_equal(walk.left, 1);
	assert_int_equal(fancap_walk_next(&walk, &got), 1);
	assert_ptr_equal(got.data, block.bytes + 48 + 84);
	assert_int_equal(got.caplen, sizeof(frame));
	assert_memory_equal(got.data, frame, sizeof(frame));
	assert_int_equal(got.len, 1500);
	assert_int_equal(got.time_ns, 1700000000123456789u);
	assert_int_equal(got.mac_len, 14);
	assert_int_equal(got.vlan_tpid, 0x88A8);
	assert_int_equal(got.vlan_tci, 0xE005);
	assert_int_equal(got.type, PACKET_OTHERHOST);
	assert_true(got.status & TP_STATUS_CSUMNOTREADY);
	assert_int_equal(fancap_walk_next(&walk, &got), 0);
	assert_int_equal(fancap_walk_next(&walk, &got), 0);
	test_block_done(&block);
}

static void takes_a_tag_without_tpid_for_8021q(void **state)
{
	const struct test_packet packet = {.caplen = 60, .vlan_tpid = 1, .vlan_tci = 5};
	struct fancap_packet got;
	struct fancap_walk walk;
	struct test_block block;

	(void)state;
	test_block_init(&block, BLOCK_BYTES, 0, 0, 1);
	assert_true(test_block_add(&block, &packet));
	test_block_slot(&block, 0)->tp_status &= ~(uint32_t)TP_STATUS_VLAN_TPID_VALID;
	assert_int_equal(fancap_walk_start(&walk, block.bytes, block.size), 0);
	assert_int_equal(fancap_walk_next(&walk, &got), 1);
	assert_int_equal(got.vlan_tpid, 0x8100);
	assert_int_equal(got.vlan_tci, 5);
	test_block_done(&block);
}

static void ignores_tag_fields_without_their_flag(void **state)
{
	const struct test_packet packet = {.caplen = 60, .vlan_tpid = 0x8100, .vlan_tci = 5};
	struct fancap_packet got;
	struct fancap_walk walk;
	struct test_block block;

	(void)state;
	test_block_init(&block, BLOCK_BYTES, 0, 0, 1);
	assert_true(test_block_add(&block, &packet));
	test_block_slot(&block, 0)->tp_status &= ~(uint32_t)TP_STATUS_VLAN_VALID;
	assert_int_equal(fancap_walk_start(&walk, block.bytes, block.size), 0);
	assert_int_equal(fancap_walk_next(&walk, &got), 1);
	assert_int_equal(got.vlan_tpid, 0);
	test_block_done(&block);
}

static void knows_a_packet_without_link_layer_header(void **state)
{
	const struct test_packet packet = {.caplen = 20, .no_mac = true};
	struct fancap_packet got;
	struct fancap_walk walk;
	struct test_block block;

	(void)state;
	test_block_init(&block, BLOCK_BYTES, 0, 0, 1);
	assert_true(test_block_add(&block, &packet));
	assert_int_equal(fancap_walk_start(&walk, block.bytes, block.size), 0);
	assert_int_equal(fancap_walk_next(&walk, &got), 1);
	assert_int_equal(got.mac_len, 0);
	assert_int_equal(got.caplen, 20);
	test_block_done(&block);
}

static void walks_many_packets_in_order(void **state)
{
	struct fancap_packet got;
	struct fancap_walk walk;
	struct test_block block;
	unsigned n = 0, i;

	(void)state;
	test_block_init(&block, 1 << 20, 24, 2, 1);
	for (;; n++) {
		struct test_packet packet = {.caplen = n % 1500, .time_ns = n};

		if (!test_block_add(&block, &packet))
			break;
	}
	assert_true(n > 1000);
	assert_int_equal(fancap_block_packets(block.bytes), n);
	assert_int_equal(fancap_walk_start(&walk, block.bytes, block.size), 0);
	for (i = 0; fancap_walk_next(&walk, &got) == 1; i++) {
		assert_int_equal(got.time_ns, i);
		assert_int_equal(got.caplen, i % 1500);
		assert_int_equal(walk.left, n - i - 1);
		touch(&got);
	}
	assert_int_equal(i, n);
	test_block_done(&block);
}

static void reaches_the_last_byte_of_a_full_block(void **state)
{
	struct test_packet packet = {.caplen = 100};
	struct fancap_packet got;
	struct fancap_walk walk;
	struct test_block block;

	(void)state;
	test_block_init(&block, BLOCK_BYTES, 0, 2, 1);
	assert_true(test_block_add(&block, &packet));
	packet.caplen = test_block_room(&block);
	assert_true(test_block_add(&block, &packet));
	assert_int_equal(test_block_header(&block)->blk_len, BLOCK_BYTES);
	assert_int_equal(fancap_walk_start(&walk, block.bytes, block.size), 0);
	assert_int_equal(fancap_walk_next(&walk, &got), 1);
	assert_int_equal(fancap_walk_next(&walk, &got), 1);
	assert_ptr_equal(got.data + got.caplen, block.bytes + block.size);
	touch(&got);
	assert_int_equal(fancap_walk_next(&walk, &got), 0);
	test_block_done(&block);
}

static void does_not_follow_the_last_next_offset(void **state)
{
	const struct test_packet packet = {.caplen = 100};
	struct fancap_walk walk;
	struct test_block block;
	unsigned n;

	(void)state;
	test_block_init(&block, BLOCK_BYTES, 0, 2, 1);
	for (int i = 0; i < 3; i++)
		assert_true(test_block_add(&block, &packet));
	assert_int_equal(test_block_slot(&block, 2)->tp_next_offset, 0);
	test_block_slot(&block, 2)->tp_next_offset = UINT32_MAX;
	assert_int_equal(walk_all(&walk, block.bytes, block.size, &n), 0);
	assert_int_equal(n, 3);
	test_block_done(&block);
}

static void tells_a_block_retired_with_drops(void **state)
{
	struct test_block block;

	(void)state;
	test_block_init(&block, BLOCK_BYTES, 0, 0, 1);
	assert_false(fancap_block_losing(block.bytes));
	test_block_header(&block)->block_status |= TP_STATUS_LOSING;
	assert_true(fancap_block_losing(block.bytes));
	test_block_done(&block);
}

/* --- hostile blocks: three good packets, one thing wrong ------------------------------------------ */

#define CAPLEN 100u
#define MAC 84u /* tp_mac with a reserve of 2 */
#define SLOT 184u /* align8(MAC + CAPLEN) */
#define FIRST 48u

struct hostile {
	const char *name;
	void (*spoil)(struct test_block *block);
	unsigned packets; ///< good ones before it is noticed
	uint32_t left;
};

#define SPOIL(name, statement)                                                                     \
	static void name(struct test_block *block)                                                 \
	{                                                                                          \
		statement;                                                                         \
	}

SPOIL(first_in_header, test_block_header(block)->offset_to_first_pkt = 40)
SPOIL(first_zero, test_block_header(block)->offset_to_first_pkt = 0)
SPOIL(first_at_end, test_block_header(block)->offset_to_first_pkt = block->size)
SPOIL(first_near_end, test_block_header(block)->offset_to_first_pkt = block->size - 64)
SPOIL(first_far_outside, test_block_header(block)->offset_to_first_pkt = 0xFFFFFFF8)
SPOIL(first_unaligned, test_block_header(block)->offset_to_first_pkt += 4)
SPOIL(length_beyond, test_block_header(block)->blk_len = block->size + 1)
SPOIL(length_max, test_block_header(block)->blk_len = UINT32_MAX)
SPOIL(length_zero, test_block_header(block)->blk_len = 0)
SPOIL(length_cuts_slot_header, test_block_header(block)->blk_len = FIRST + 2 * SLOT + SLOT_MIN - 1)
SPOIL(length_cuts_data, test_block_header(block)->blk_len = FIRST + 2 * SLOT + MAC + CAPLEN - 1)
SPOIL(one_packet_too_many, test_block_header(block)->num_pkts = 4)
SPOIL(packets_max, test_block_header(block)->num_pkts = UINT32_MAX)
SPOIL(next_zero, test_block_slot(block, 1)->tp_next_offset = 0)
SPOIL(next_backwards, test_block_slot(block, 1)->tp_next_offset = (uint32_t) - (int)SLOT)
SPOIL(next_same_slot, test_block_slot(block, 1)->tp_next_offset = 8)
SPOIL(next_overlaps, test_block_slot(block, 1)->tp_next_offset = SLOT - 8)
SPOIL(next_beyond, test_block_slot(block, 1)->tp_next_offset = 2 * SLOT + 8)
SPOIL(next_at_end, test_block_slot(block, 1)->tp_next_offset = 2 * SLOT)
SPOIL(next_no_header, test_block_slot(block, 1)->tp_next_offset = 2 * SLOT - 64)
SPOIL(next_unaligned, test_block_slot(block, 1)->tp_next_offset += 4)
SPOIL(mac_zero, test_block_slot(block, 1)->tp_mac = 0)
SPOIL(mac_in_header, test_block_slot(block, 1)->tp_mac = SLOT_MIN - 1)
SPOIL(mac_beyond, test_block_slot(block, 2)->tp_mac = test_block_slot(block, 2)->tp_net = SLOT + 1)
SPOIL(mac_max, test_block_slot(block, 1)->tp_mac = test_block_slot(block, 1)->tp_net = UINT16_MAX)
SPOIL(net_before_mac, test_block_slot(block, 1)->tp_net = MAC - 1)
SPOIL(snaplen_one_more, test_block_slot(block, 2)->tp_snaplen = CAPLEN + 1)
SPOIL(snaplen_into_next, test_block_slot(block, 1)->tp_snaplen = CAPLEN + 1)
SPOIL(snaplen_max, test_block_slot(block, 1)->tp_snaplen = UINT32_MAX)
SPOIL(snaplen_wraps_to_zero, test_block_slot(block, 2)->tp_snaplen = (uint32_t) - (int)MAC)
SPOIL(snaplen_wraps, test_block_slot(block, 1)->tp_snaplen = (uint32_t) - (int)MAC + 8)
SPOIL(snaplen_sign, test_block_slot(block, 1)->tp_snaplen = 0x80000000)

/* A good slot, 4 bytes off: only its place is wrong. */
static void slot_shifted(struct test_block *block)
{
	struct tpacket3_hdr *slot = test_block_slot(block, 0);

	slot->tp_snaplen -= 8;
	slot->tp_next_offset -= 4;
	memmove(block->bytes + FIRST + 4, slot, SLOT - 8);
	test_block_header(block)->offset_to_first_pkt += 4;
}

#define ROW(spoil, packets, left)                                                                  \
	{                                                                                          \
		#spoil, spoil, packets, left                                                       \
	}

static const struct hostile hostiles[] = {
	ROW(first_in_header, 0, 3),
	ROW(first_zero, 0, 3),
	ROW(first_at_end, 0, 3),
	ROW(first_near_end, 0, 3),
	ROW(first_far_outside, 0, 3),
	ROW(first_unaligned, 0, 3),
	ROW(slot_shifted, 0, 3),
	ROW(length_beyond, 0, 3),
	ROW(length_max, 0, 3),
	ROW(length_zero, 0, 3),
	ROW(length_cuts_slot_header, 2, 1),
	ROW(length_cuts_data, 2, 1),
	ROW(one_packet_too_many, 2, 2),
	ROW(packets_max, 2, UINT32_MAX - 2),
	ROW(next_zero, 1, 2),
	ROW(next_backwards, 1, 2),
	ROW(next_same_slot, 1, 2),
	ROW(next_overlaps, 1, 2),
	ROW(next_beyond, 1, 2),
	ROW(next_at_end, 2, 1),
	ROW(next_no_header, 2, 1),
	ROW(next_unaligned, 2, 1),
	ROW(mac_zero, 1, 2),
	ROW(mac_in_header, 1, 2),
	ROW(mac_beyond, 2, 1),
	ROW(mac_max, 1, 2),
	ROW(net_before_mac, 1, 2),
	ROW(snaplen_one_more, 2, 1),
	ROW(snaplen_into_next, 1, 2),
	ROW(snaplen_max, 1, 2),
	ROW(snaplen_wraps_to_zero, 2, 1),
	ROW(snaplen_wraps, 1, 2),
	ROW(snaplen_sign, 1, 2),
};

/* The last packet ends where blk_len and the memory end: (84 + 100) is a multiple of 8. */
static void init_hostile(struct test_block *block)
{
	const struct test_packet packet = {.caplen = CAPLEN};

	test_block_init(block, FIRST + 3 * SLOT, 0, 2, 1);
	for (int i = 0; i < 3; i++)
		assert_true(test_block_add(block, &packet));
	assert_int_equal(block->next, block->size);
}

static void ends_a_hostile_walk(void **state)
{
	const struct hostile *hostile = *state;
	struct fancap_packet packet;
	struct fancap_walk walk;
	struct test_block block;
	unsigned n;

	init_hostile(&block);
	hostile->spoil(&block);
	assert_int_equal(walk_all(&walk, block.bytes, block.size, &n), -EBADMSG);
	assert_int_equal(n, hostile->packets);
	assert_int_equal(walk.left, hostile->left);
	/* Who goes on all the same is told the same again. */
	assert_int_equal(fancap_walk_next(&walk, &packet), -EBADMSG);
	assert_int_equal(walk.left, hostile->left);
	test_block_done(&block);
}

static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* A word that is likely to sit on somebody's bound. */
static uint32_t random_word(uint64_t *seed, uint32_t old)
{
	static const uint32_t edges[] = {0, 1, 7, 8, 48, 67, 68, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF8,
					 UINT32_MAX};
	uint64_t r = random_next(seed);

	switch (r % 5) {
	case 0: return edges[(r >> 8) % N_ELEMENTS(edges)];
	case 1: return old + (uint32_t)((r >> 8) % 33) - 16;
	case 2: return (uint32_t)(r >> 8) % (FIRST + 3 * SLOT + 16);
	case 3: return old ^ (1u << ((r >> 8) % 32));
	default: return (uint32_t)(r >> 16);
	}
}

static void spoil_randomly(const struct test_block *block, uint64_t *seed)
{
	/* The block's header and the first words of each slot: everywhere that offsets are. */
	static const uint32_t areas[] = {0, FIRST, FIRST + SLOT, FIRST + 2 * SLOT};

	for (uint64_t i = random_next(seed) % 4 + 1; i > 0; i--) {
		uint64_t r = random_next(seed);
		uint8_t *at = block->bytes + areas[r % 4] + (r >> 8) % 12 * 4;
		uint32_t word;

		memcpy(&word, at, sizeof(word));
		word = random_word(seed, word);
		memcpy(at, &word, sizeof(word));
	}
}

static void survives_200000_random_mutations(void **state)
{
	uint64_t seed = 0x46414E434150; /* always the same run */
	unsigned good = 0, bad = 0, n;
	struct test_block block;
	struct fancap_walk walk;
	uint8_t *pristine;

	(void)state;
	init_hostile(&block);
	pristine = malloc(block.size);
	assert_non_null(pristine);
	memcpy(pristine, block.bytes, block.size);
	for (int i = 0; i < 200000; i++) {
		uint32_t claimed;
		int r;

		memcpy(block.bytes, pristine, block.size);
		spoil_randomly(&block, &seed);
		claimed = fancap_block_packets(block.bytes);
		r = walk_all(&walk, block.bytes, block.size, &n);
		assert_true(r == 0 || r == -EBADMSG);
		assert_int_equal((uint64_t)n + walk.left, claimed);
		assert_true(n <= block.size / SLOT_MIN);
		assert_true((r == 0) == (walk.left == 0));
		if (r == 0)
			good++;
		else
			bad++;
	}
	/* Neither all caught at the door nor all harmless. */
	assert_true(good > 10000 && bad > 10000);
	free(pristine);
	test_block_done(&block);
}

int main(void)
{
	static const struct CMUnitTest plain[] = {
		cmocka_unit_test(walks_nothing_in_an_empty_block),
		cmocka_unit_test(returns_every_field_of_a_packet),
		cmocka_unit_test(takes_a_tag_without_tpid_for_8021q),
		cmocka_unit_test(ignores_tag_fields_without_their_flag),
		cmocka_unit_test(knows_a_packet_without_link_layer_header),
		cmocka_unit_test(walks_many_packets_in_order),
		cmocka_unit_test(reaches_the_last_byte_of_a_full_block),
		cmocka_unit_test(does_not_follow_the_last_next_offset),
		cmocka_unit_test(tells_a_block_retired_with_drops),
		cmocka_unit_test(survives_200000_random_mutations),
	};
	struct CMUnitTest tests[N_ELEMENTS(plain) + N_ELEMENTS(hostiles)];

	memcpy(tests, plain, sizeof(plain));
	for (size_t i = 0; i < N_ELEMENTS(hostiles); i++)
		tests[N_ELEMENTS(plain) + i] = (struct CMUnitTest){
			.name = hostiles[i].name,
			.test_func = ends_a_hostile_walk,
			.initial_state = (void *)(uintptr_t)&hostiles[i],
		};
	return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
