// SPDX-License-Identifier: BSD-3-Clause
/* Writes the first inputs of the block fuzzer: seed_block DIR. Run by hand when the builder learns something new. */
#include <linux/if_packet.h>
#include <stdlib.h>

#include "tests/fuzz/seed.h"
#include "tests/unit/blocks.h"

static const char *dir;

static void save(struct test_block *block, const char *name)
{
	if (seed_save(dir, name, block->bytes, block->size) != 0)
		exit(1);
	test_block_done(block);
}

static struct test_block three_packets(void)
{
	const struct test_packet plain = {.caplen = 60, .time_ns = 1700000000123456789u};
	const struct test_packet tagged = {
		.caplen = 61, .vlan_tpid = 0x88A8, .vlan_tci = 0xE005, .type = PACKET_OUTGOING};
	const struct test_packet cut = {.caplen = 13, .len = 1500, .vlan_tpid = 0x8100, .vlan_tci = 1};
	struct test_block block;

	test_block_init(&block, 512, 0, 2, 1);
	test_block_add(&block, &plain);
	test_block_add(&block, &tagged);
	test_block_add(&block, &cut);
	return block;
}

int main(int argc, char **argv)
{
	struct test_packet packet = {.no_mac = true, .caplen = 20};
	struct test_block block;

	if (argc != 2)
		return 2;
	dir = argv[1];
	test_block_init(&block, 48, 0, 2, 1);
	save(&block, "empty");
	test_block_init(&block, 256, 24, 0, 1);
	test_block_add(&block, &packet);
	save(&block, "no-link-layer");
	test_block_init(&block, 512, 0, 2, 1);
	packet = (struct test_packet){.caplen = test_block_room(&block)};
	test_block_add(&block, &packet);
	save(&block, "filled");
	block = three_packets();
	save(&block, "three");
	block = three_packets();
	test_block_header(&block)->num_pkts = UINT32_MAX;
	save(&block, "too-many");
	block = three_packets();
	test_block_slot(&block, 1)->tp_next_offset = 8;
	save(&block, "next-overlaps");
	block = three_packets();
	test_block_slot(&block, 1)->tp_snaplen = UINT32_MAX - 83;
	save(&block, "snaplen-wraps");
	block = three_packets();
	test_block_header(&block)->blk_len = UINT32_MAX;
	save(&block, "length-max");
	return 0;
}
