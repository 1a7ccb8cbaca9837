// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "fancap/geometry.h"

/* The kernel counts blocks of a V3 ring in an unsigned short (struct tpacket_kbdq_core). */
#define BLOCKS_MAX 65535u

/* TPACKET3_HDRLEN, without its signed arithmetic. */
#define SLOT_HEADERS_BYTES                                                                         \
	((uint32_t)(((sizeof(struct tpacket3_hdr) + 15u) & ~15u) + sizeof(struct sockaddr_ll)))

/* TPACKET_HDRLEN and TPACKET2_HDRLEN, likewise. */
#define FRAME_HEADERS_BYTES(header)                                                                \
	((uint32_t)(((sizeof(header) + 15u) & ~15u) + sizeof(struct sockaddr_ll)))

/* The largest piece of memory that the kernel's kmalloc() gives: KMALLOC_MAX_SIZE with pages of 4 KiB. */
#define KMALLOC_MAX_BYTES (4u << 20)
/* A ring's table of blocks (struct pgv, a pointer each) is one such piece, ... */
#define FRAME_BLOCKS_MAX (KMALLOC_MAX_BYTES / (uint32_t)sizeof(void *))
/* ... and so is the map in which V1 and V2 keep one bit a frame (rx_owner_map, Linux 5.6). */
#define FRAMES_MAX (KMALLOC_MAX_BYTES * 8u)

/* GRO merges into frames of up to 64 KiB; beyond that only a snaplen asks for more. */
#define FRAME_USUAL_MAX (65536u + 22u)

/* So that whatever passes these limits can be mapped; map_bytes need not be asked about. */
_Static_assert(SIZE_MAX / 2 / FRAME_BLOCKS_MAX > INT_MAX, "fancap is for 64-bit machines");

static uint64_t round_up(uint64_t value, uint64_t step)
{
	return (value + step - 1) / step * step;
}

/* Of the multiples of step from min to max, both of which are ones, that next to value. */
static uint64_t round_near(uint64_t value, uint64_t step, uint64_t min, uint64_t max)
{
	uint64_t below = value / step * step;

	if (below < min)
		return min;
	return below < max && value - below >= step - step / 2 ? below + step : below;
}

/* Bytes of a block before its first slot: BLK_PLUS_PRIV() in the kernel. */
static uint32_t block_head_bytes(uint16_t priv_bytes)
{
	return (uint32_t)round_up(sizeof(struct tpacket_block_desc), 8) +
	       (uint32_t)round_up(priv_bytes, 8);
}

/*
 * From the start of a slot or frame to its network header, at most: netoff as tpacket_rcv() computes it, for a 16-byte
 * MAC header. Of cooked packets it is the same figure.
 */
static uint32_t head_bytes(uint32_t headers_bytes, uint16_t reserve_bytes)
{
	return (uint32_t)round_up(headers_bytes + 16, TPACKET_ALIGNMENT) + reserve_bytes;
}

static uint32_t slot_head_bytes(uint16_t reserve_bytes)
{
	return head_bytes(SLOT_HEADERS_BYTES, reserve_bytes);
}

/* tp_mac and tp_net are 16 bits wide: tpacket_rcv() drops every packet whose network header lies beyond. */
static int check_reserve(uint32_t headers_bytes, uint16_t reserve_bytes, struct fancap_error *err)
{
	if (head_bytes(headers_bytes, reserve_bytes) > UINT16_MAX) {
		fancap_error_set(err, "reserve of %u bytes puts packets where the kernel drops them: "
				 "at most %u bytes are allowed", reserve_bytes,
				 UINT16_MAX - head_bytes(headers_bytes, 0));
		return -EINVAL;
	}
	return 0;
}

static int check_block(uint32_t block_bytes, uint32_t page, struct fancap_error *err)
{
	uint32_t max = (uint32_t)INT_MAX / page * page;

	if (block_bytes == 0 || block_bytes > max) {
		fancap_error_set(err, "block size %u is out of range: %u to %u bytes are allowed", block_bytes,
				 page, max);
		return -EINVAL;
	}
	if (block_bytes % page != 0) {
		fancap_error_set(err, "block size %u is not a multiple of the page size %u: "
				 "the nearest that is, is %llu", block_bytes, page,
				 (unsigned long long)round_near(block_bytes, page, page, max));
		return -EINVAL;
	}
	return 0;
}

/* V3 only. */
static int check_block_headers(const struct fancap_ring_params *p, uint32_t page, struct fancap_error *err)
{
	uint32_t min = block_head_bytes(p->priv_bytes) + SLOT_HEADERS_BYTES + p->reserve_bytes;

	if (p->block_bytes < min) {
		fancap_error_set(err, "block size %u cannot hold its own headers: %u private and %u "
				 "reserved bytes need at least %llu", p->block_bytes, p->priv_bytes,
				 p->reserve_bytes, (unsigned long long)round_up(min, page));
		return -EINVAL;
	}
	return 0;
}

/* Ours, not the kernel's, which would cut packets to what a block holds. */
static int check_snaplen(const struct fancap_ring_params *p, uint32_t page, struct fancap_error *err)
{
	uint32_t kept = p->snaplen < FRAME_USUAL_MAX ? p->snaplen : FRAME_USUAL_MAX;
	uint32_t head = block_head_bytes(p->priv_bytes) + slot_head_bytes(p->reserve_bytes);
	char alternative[64] = "";

	if (p->block_bytes >= head + kept)
		return 0;
	if (p->block_bytes > head)
		snprintf(alternative, sizeof(alternative), " or a snaplen of at most %u",
			 p->block_bytes - head);
	fancap_error_set(err, "block size %u cannot hold a packet of %u bytes, so packets would be cut "
			 "short of snaplen %u: use a block size of at least %llu%s",
			 p->block_bytes, kept, p->snaplen,
			 (unsigned long long)round_up(head + kept, page), alternative);
	return -EINVAL;
}

static int check_blocks(uint64_t size_bytes, uint32_t block_bytes, uint32_t max, uint32_t page,
			struct fancap_error *err)
{
	uint64_t blocks = size_bytes / block_bytes, larger = round_up(size_bytes / max + 1, page);
	char alternative[64] = "";

	if (blocks <= max)
		return 0;
	if (larger <= INT_MAX)
		snprintf(alternative, sizeof(alternative), " use blocks of at least %llu bytes, or",
			 (unsigned long long)larger);
	fancap_error_set(err, "ring of %llu blocks: the kernel handles at most %u;%s a ring size of "
			 "at most %llu is allowed", (unsigned long long)blocks, max, alternative,
			 (unsigned long long)block_bytes * max);
	return -EINVAL;
}

static int check_size(uint64_t size_bytes, uint32_t block_bytes, uint32_t max_blocks, uint32_t page,
		      struct fancap_error *err)
{
	if (size_bytes < block_bytes) {
		fancap_error_set(err, "ring size %llu is smaller than one block of %u bytes: "
				 "the least is %u", (unsigned long long)size_bytes, block_bytes,
				 block_bytes);
		return -EINVAL;
	}
	if (check_blocks(size_bytes, block_bytes, max_blocks, page, err) < 0)
		return -EINVAL;
	if (size_bytes % block_bytes != 0) {
		fancap_error_set(err, "ring size %llu is not a multiple of the block size %u: "
				 "the nearest that is, is %llu", (unsigned long long)size_bytes, block_bytes,
				 (unsigned long long)round_near(size_bytes, block_bytes, block_bytes,
								(uint64_t)block_bytes * max_blocks));
		return -EINVAL;
	}
	return 0;
}

int fancap_geometry_plan(const struct fancap_ring_params *params, struct fancap_geometry *ret,
			 struct fancap_error *err)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
	int r;

	if (params->snaplen == 0) {
		fancap_error_set(err, "snaplen 0 keeps nothing of a packet: the least is 1");
		return -EINVAL;
	}
	if (params->block_timeout_ms < 1 || params->block_timeout_ms > 60000) {
		fancap_error_set(err, "block timeout %u ms: 1 to 60000 ms are allowed",
				 params->block_timeout_ms);
		return -EINVAL;
	}
	r = check_reserve(SLOT_HEADERS_BYTES, params->reserve_bytes, err);
	if (r == 0)
		r = check_block(params->block_bytes, page, err);
	if (r == 0)
		r = check_block_headers(params, page, err);
	if (r == 0)
		r = check_snaplen(params, page, err);
	if (r == 0)
		r = check_size(params->size_bytes, params->block_bytes, BLOCKS_MAX, page, err);
	if (r < 0)
		return r;

	/*
	 * V3 packs packets of any length into a block, so frame size and count only have to be valid: a multiple of 16,
	 * headers + reserve at least, exact count. One frame a block is always all of that.
	 */
	*ret = (struct fancap_geometry){
		.req = {
			.tp_block_size = params->block_bytes,
			.tp_block_nr = (uint32_t)(params->size_bytes / params->block_bytes),
			.tp_frame_size = params->block_bytes,
			.tp_frame_nr = (uint32_t)(params->size_bytes / params->block_bytes),
			.tp_retire_blk_tov = params->block_timeout_ms,
			.tp_sizeof_priv = params->priv_bytes,
		},
		.reserve_bytes = params->reserve_bytes,
		.map_bytes = (size_t)params->size_bytes,
	};
	return 0;
}

/* --- rings of fixed frames ------------------------------------------------------------------------------------- */

static uint32_t frame_headers_bytes(enum fancap_version version)
{
	return version == FANCAP_V1 ? FRAME_HEADERS_BYTES(struct tpacket_hdr)
				    : FRAME_HEADERS_BYTES(struct tpacket2_hdr);
}

uint32_t fancap_geometry_frame_bytes(enum fancap_version version, uint32_t packet_bytes, uint16_t reserve_bytes)
{
	uint64_t bytes = (uint64_t)head_bytes(frame_headers_bytes(version), reserve_bytes) + packet_bytes;

	bytes = round_up(bytes, TPACKET_ALIGNMENT);
	return bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
}

static int check_frame(const struct fancap_frame_params *p, struct fancap_error *err)
{
	uint32_t headers = frame_headers_bytes(p->version) + p->reserve_bytes;
	uint64_t min = round_up(headers, TPACKET_ALIGNMENT);

	if (p->frame_bytes < headers) {
		fancap_error_set(err, "frame size %u cannot hold its own headers: with %u reserved bytes they "
				 "need at least %llu", p->frame_bytes, p->reserve_bytes, (unsigned long long)min);
		return -EINVAL;
	}
	if (p->frame_bytes > p->block_bytes) {
		fancap_error_set(err, "frame size %u is more than a block of %u bytes: frames do not straddle "
				 "blocks", p->frame_bytes, p->block_bytes);
		return -EINVAL;
	}
	if (p->frame_bytes % TPACKET_ALIGNMENT != 0) {
		fancap_error_set(err, "frame size %u is not a multiple of %u: the nearest that is, is %llu",
				 p->frame_bytes, TPACKET_ALIGNMENT,
				 (unsigned long long)round_near(p->frame_bytes, TPACKET_ALIGNMENT, min,
								p->block_bytes));
		return -EINVAL;
	}
	return 0;
}

static int check_frames(const struct fancap_frame_params *p, struct fancap_error *err)
{
	uint32_t per_block = p->block_bytes / p->frame_bytes;
	uint64_t frames = p->size_bytes / p->block_bytes * per_block;

	if (frames > FRAMES_MAX) {
		fancap_error_set(err, "ring of %llu frames: the kernel handles at most %u; a ring size of at "
				 "most %llu is allowed, or larger frames", (unsigned long long)frames,
				 FRAMES_MAX,
				 (unsigned long long)(FRAMES_MAX / per_block) * p->block_bytes);
		return -EINVAL;
	}
	return 0;
}

int fancap_geometry_frames(const struct fancap_frame_params *params, struct fancap_frame_geometry *ret,
			   struct fancap_error *err)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE), blocks, per_block;
	int r;

	if (params->version != FANCAP_V1 && params->version != FANCAP_V2) {
		fancap_error_set(err, "TPACKET_V%d has no frames of fixed size: V1 and V2 have",
				 (int)params->version + 1);
		return -EINVAL;
	}
	r = check_reserve(frame_headers_bytes(params->version), params->reserve_bytes, err);
	if (r == 0)
		r = check_block(params->block_bytes, page, err);
	if (r == 0)
		r = check_frame(params, err);
	if (r == 0)
		r = check_size(params->size_bytes, params->block_bytes, FRAME_BLOCKS_MAX, page, err);
	if (r == 0)
		r = check_frames(params, err);
	if (r < 0)
		return r;

	blocks = (uint32_t)(params->size_bytes / params->block_bytes);
	per_block = params->block_bytes / params->frame_bytes;
	*ret = (struct fancap_frame_geometry){
		.version = params->version,
		.req = {
			.tp_block_size = params->block_bytes,
			.tp_block_nr = blocks,
			.tp_frame_size = params->frame_bytes,
			.tp_frame_nr = blocks * per_block, /* exactly: the kernel computes it again */
		},
		.reserve_bytes = params->reserve_bytes,
		.map_bytes = (size_t)params->size_bytes,
	};
	return 0;
}
