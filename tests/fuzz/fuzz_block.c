// SPDX-License-Identifier: BSD-3-Clause
/* The input is a ring block: walk it, and write what it holds as pcapng. */
#include <stdlib.h>
#include <string.h>

#include "fancap/block.h"
#include "fancap/pcapng.h"
#include "tests/fuzz/fuzz.h"

#define SLOT_MIN 68u /* no slot takes less */

static void require(int truth)
{
	if (!truth)
		abort();
}

static void write_packet(const struct fancap_packet *packet, uint32_t snaplen, uint64_t dropcount)
{
	size_t bytes = fancap_pcapng_epb_bytes(packet, snaplen, dropcount);
	uint8_t *dst = malloc(bytes); /* not a byte more than foretold */

	require(dst != NULL && bytes % 4 == 0);
	require(fancap_pcapng_epb(dst, packet, snaplen, dropcount) == bytes);
	free(dst);
}

static void walk(const uint8_t *block, uint32_t size)
{
	uint32_t claimed = fancap_block_packets(block), n = 0;
	struct fancap_packet packet;
	struct fancap_walk w;

	if (fancap_walk_start(&w, block, size) < 0)
		return;
	while (fancap_walk_next(&w, &packet) == 1) {
		n++;
		require(packet.data >= block && packet.caplen <= size - (size_t)(packet.data - block));
		write_packet(&packet, 262144, n);
		write_packet(&packet, packet.len % 64, 0);
	}
	require(n + w.left == claimed && n <= size / SLOT_MIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *block;

	/* A ring's blocks are pages at least; ours need a header. */
	if (size < sizeof(struct tpacket_block_desc) || size > 1 << 20)
		return 0;
	block = malloc(size);
	require(block != NULL);
	memcpy(block, data, size);
	walk(block, (uint32_t)size);
	free(block);
	return 0;
}
