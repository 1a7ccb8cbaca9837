// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fancap/geometry_tx.h"

/*
 * A packet leaves the ring as page fragments, of which the kernel takes MAX_SKB_FRAGS (17): 68 KiB. Twice that leaves
 * room for custom offsets, which are 16 bits wide.
 */
#define PACKET_MAX 131072u

/* Blocks are this large unless a frame is larger or the ring smaller: few of them, and easily found in memory. */
#define BLOCK_USUAL_BYTES 65536u

/* tpacket_snd() adds up what it sent in an int, and returns that: one send of a full ring must not overflow it. */
#define RING_MAX_BYTES ((uint32_t)INT_MAX)

#define ALIGNMENT ((uint32_t)TPACKET_ALIGNMENT)

static uint32_t aligned(uint32_t n)
{
	return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* A packet begins right behind the header, where a receive ring has a sockaddr_ll: TPACKET_HDRLEN less that. */
static uint32_t data_offset(enum fancap_version version)
{
	switch (version) {
	case FANCAP_V1: return aligned(sizeof(struct tpacket_hdr));
	case FANCAP_V2: return aligned(sizeof(struct tpacket2_hdr));
	case FANCAP_V3: return aligned(sizeof(struct tpacket3_hdr));
	}
	return 0;
}

/* The kernel wants room for that sockaddr_ll all the same. */
static uint32_t frame_bytes(uint32_t offset, uint32_t data_max)
{
	uint32_t least = (uint32_t)sizeof(struct sockaddr_ll);

	return aligned(offset + (data_max < least ? least : data_max));
}

static int check(const struct fancap_ring_tx_params *params, struct fancap_error *err)
{
	if (data_offset(params->version) == 0) {
		fancap_error_set(err, "ring version %d: there are V1, V2 and V3", (int)params->version + 1);
		return -EINVAL;
	}
	if (params->packet_max < 1 || params->packet_max > PACKET_MAX) {
		fancap_error_set(err, "packets of up to %u bytes: 1 to %u are allowed", params->packet_max,
				 PACKET_MAX);
		return -EINVAL;
	}
	if (params->packets == 0) {
		fancap_error_set(err, "a transmit ring of no packets: the least is 1");
		return -EINVAL;
	}
	return 0;
}

static uint32_t power_of_two_from(uint32_t n)
{
	uint32_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

/* The kernel allocates a power of two of pages per block, so any other size would waste memory. */
static uint32_t block_bytes(uint32_t frame, uint32_t packets)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
	uint64_t all = (uint64_t)frame * packets;
	uint32_t wanted = all < BLOCK_USUAL_BYTES ? (uint32_t)all : BLOCK_USUAL_BYTES;

	if (wanted < frame)
		wanted = frame;
	return power_of_two_from(wanted < page ? page : wanted);
}

/* Frames as large as they can be with no fewer of them in the block: else a ring for one packet would hold many. */
static uint32_t frame_bytes_grown(uint32_t frame, uint32_t block, uint32_t packets)
{
	uint32_t frames = block / frame;

	if (frames > packets)
		frames = packets;
	return block / frames / ALIGNMENT * ALIGNMENT;
}

int fancap_geometry_tx_plan(const struct fancap_ring_tx_params *params, struct fancap_geometry_tx *ret,
			    struct fancap_error *err)
{
	uint32_t offset, frame, block, per_block;
	uint64_t blocks, max;
	int r = check(params, err);

	if (r < 0)
		return r;
	offset = data_offset(params->version);
	frame = frame_bytes(offset, params->head_bytes + params->packet_max);
	block = block_bytes(frame, params->packets);
	frame = frame_bytes_grown(frame, block, params->packets);
	per_block = block / frame;
	blocks = ((uint64_t)params->packets + per_block - 1) / per_block;
	max = RING_MAX_BYTES / block;
	if (blocks > max) {
		fancap_error_set(err, "a transmit ring of %u packets of up to %u bytes: at most %llu of them "
				 "are allowed", params->packets, params->packet_max,
				 (unsigned long long)max * per_block);
		return -EINVAL;
	}
	*ret = (struct fancap_geometry_tx){
		.req = {
			.tp_block_size = block,
			.tp_block_nr = (uint32_t)blocks,
			.tp_frame_size = frame,
			.tp_frame_nr = (uint32_t)blocks * per_block,
		},
		.frames_per_block = per_block,
		.data_offset = offset,
		.room = frame - offset,
		.map_bytes = (size_t)block * (size_t)blocks,
	};
	return 0;
}
