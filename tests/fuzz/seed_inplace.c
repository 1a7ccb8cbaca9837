// SPDX-License-Identifier: BSD-3-Clause
/* Writes the first inputs of the in-place rewriter's fuzzer: seed_inplace DIR. Run by hand when there is a new case. */
#include <linux/if_packet.h>
#include <stdlib.h>

#include "tests/fuzz/seed.h"
#include "tests/unit/blocks.h"

#define BLOCK_BYTES 8192u

static const char *dir;

/* The used part of a block, or one byte less: an odd length stands for a large snaplen. */
static void save(struct test_block *block, const char *name)
{
	uint32_t bytes = (block->next < 48 ? 48 : block->next) | 1;

	if (bytes > block->size)
		bytes = block->size - 1;
	if (seed_save(dir, name, block->bytes, bytes) != 0)
		exit(1);
	test_block_done(block);
}

static struct test_block packets(unsigned n, uint32_t caplen, uint16_t tpid)
{
	const struct test_packet packet = {.caplen = caplen, .time_ns = 1700000000123456789u, .vlan_tpid = tpid};
	struct test_block block;

	test_block_init(&block, BLOCK_BYTES, 0, 2, 1);
	while (n-- > 0)
		test_block_add(&block, &packet);
	return block;
}

/* Three packets, of which the second is spoilt. */
static struct tpacket3_hdr *spoilt(struct test_block *block)
{
	*block = packets(3, 60, 0);
	return test_block_slot(block, 1);
}

int main(int argc, char **argv)
{
	struct test_block block;

	if (argc != 2)
		return 2;
	dir = argv[1];
	block = packets(1, 60, 0);
	save(&block, "one");
	block = packets(5, 61, 0x8100);
	save(&block, "tagged");
	block = packets(2, 2000, 0);
	save(&block, "two-pages");
	block = packets(1, 3952, 0);
	save(&block, "front-on-both-pages");
	block = packets(3, 3940, 0x88A8);
	save(&block, "back-on-both-pages");
	block = packets(1, BLOCK_BYTES - 132, 0);
	save(&block, "filled");
	block = packets(1, BLOCK_BYTES - 132 - 12, 0);
	save(&block, "no-room-for-dropcount");
	spoilt(&block)->tp_next_offset = 0x80000000;
	save(&block, "next-outside");
	spoilt(&block)->tp_mac = 65535;
	save(&block, "data-outside");
	spoilt(&block)->tp_len = 1;
	save(&block, "longer-than-it-was");
	spoilt(&block)->tp_snaplen = UINT32_MAX;
	save(&block, "snaplen-max");
	block = packets(3, 60, 0);
	test_block_header(&block)->offset_to_first_pkt = 5000;
	save(&block, "first-outside");
	return 0;
}
