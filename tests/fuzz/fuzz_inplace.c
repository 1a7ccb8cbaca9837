// SPDX-License-Identifier: BSD-3-Clause
/* The input is a ring block, its last page filled up: plan it, rewrite it, and see that pcapng came out. */
#include <stdlib.h>
#include <string.h>

#include "fancap/inplace.h"
#include "tests/fuzz/fuzz.h"

#define PAGE FANCAP_INPLACE_ALIGN
#define SLOT_MIN 68u /* no slot takes less */

static void require(int truth)
{
	if (!truth)
		abort();
}

static void *take(size_t bytes)
{
	void *memory = malloc(bytes);

	require(memory != NULL);
	return memory;
}

static uint32_t word(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

/* Options from p to the trailing length at end: none, or a list that opt_endofopt ends there. */
static void check_options(const uint8_t *p, const uint8_t *end)
{
	while (p < end) {
		uint32_t option = word(p);

		p += 4 + ((option >> 16) + 3) / 4 * 4;
		require(p <= end && (option != 0) == (p < end));
	}
}

/* One block of the file. @return its length */
static uint32_t check_block(const uint8_t *p, uint32_t left, uint32_t type, uint32_t fixed)
{
	uint32_t length = word(p + 4);

	require(word(p) == type && length % 4 == 0 && length >= fixed + 4 && length <= left);
	require(word(p + length - 4) == length);
	check_options(p + fixed, p + length - 4);
	return length;
}

/* A packet is as it was before: behind the tag byte for byte, before it the addresses. */
static void check_data(const uint8_t *data, uint32_t caplen, const struct fancap_packet *packet)
{
	uint32_t tag = packet->vlan_tpid != 0 ? 4 : 0;

	require(caplen == packet->caplen + tag);
	if (tag != 0)
		require(memcmp(data, packet->data, 12) == 0);
	else
		require(memcmp(data, packet->data, caplen < 12 ? caplen : 12) == 0);
	if (caplen > 12 + tag)
		require(memcmp(data + 12 + tag, packet->data + 12, caplen - 12 - tag) == 0);
}

static void check_file(const uint8_t *file, uint32_t bytes, const uint8_t *source, uint32_t size)
{
	uint32_t at = check_block(file, bytes, 5, 20);
	struct fancap_packet packet;
	struct fancap_walk walk;

	require(fancap_walk_start(&walk, source, size) == 0);
	while (fancap_walk_next(&walk, &packet) == 1) {
		uint32_t caplen;

		require(bytes - at >= 32);
		caplen = word(file + at + 20);
		require(caplen <= word(file + at + 24) && caplen <= bytes - at - 32);
		check_data(file + at + 28, caplen, &packet);
		at += check_block(file + at, bytes - at, 6, 28 + (caplen + 3) / 4 * 4);
	}
	require(at == bytes && walk.left == 0);
}

static void rewrite(uint8_t *block, uint32_t size, const struct fancap_inplace_plan *plan,
		    const struct fancap_inplace_row *rows)
{
	const struct fancap_inplace_extra extra = {.dropcount = plan->packets % 2, .queue = 1};
	uint8_t *source = take(size), *head = take(FANCAP_INPLACE_HEAD_BYTES);

	require(plan->bytes <= size && plan->bytes % PAGE == 0 && plan->bytes != 0);
	memcpy(source, block, size);
	fancap_inplace_rewrite(block, plan, rows, &extra, head);
	require(memcmp(block, source, PAGE) == 0);
	require(memcmp(block + plan->bytes, source + plan->bytes, size - plan->bytes) == 0);
	memcpy(block, head, PAGE);
	check_file(block, plan->bytes, source, size);
	free(head);
	free(source);
}

static void plan(uint8_t *block, uint32_t size, uint32_t snaplen)
{
	uint32_t claimed = fancap_block_packets(block);
	uint32_t capacity = claimed < size / SLOT_MIN ? claimed : size / SLOT_MIN;
	struct fancap_inplace_row *rows = take(capacity * sizeof(*rows)); /* not one more than foretold */
	struct fancap_inplace_plan made;

	if (fancap_inplace_plan(block, size, snaplen, rows, capacity, &made) == 0) {
		require(made.packets == claimed);
		rewrite(block, size, &made, rows);
	}
	free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t pages = (size + PAGE - 1) / PAGE * PAGE;
	uint8_t *block;

	if (size < sizeof(struct tpacket_block_desc) || size > 1 << 20)
		return 0;
	block = take(pages);
	memcpy(block, data, size);
	memset(block + size, 0x5A, pages - size);
	plan(block, (uint32_t)pages, size % 2 != 0 ? 262144 : 100);
	free(block);
	return 0;
}
