// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <string.h>

#include "fancap/inplace.h"
#include "lib/pcapng_private.h"

/*
 * A block's bytes, from 0 to the plan's, are tiled: the statistics, then for each packet its front, its data, its back.
 *
 *     statistics | front data back | front data back | ... front data back
 *
 * A front is the EPB's header, and the MAC addresses and the tag when a tag is put back. A back reaches to the next
 * front, or to the plan's end: options and the trailing length. Data is nowhere written to.
 */

#define HEAD_BYTES FANCAP_INPLACE_HEAD_BYTES
#define FRONT_MAX (EPB_FIXED_BYTES + MAC_ADDRESSES_BYTES + VLAN_TAG_BYTES)
/* The kernel's slots leave some 60 bytes; the last packet's back is a page at most, and what it needs. */
#define BACK_MAX 8192u
/* While one packet is looked at, the headers of what comes this many later are fetched. */
#define FETCH_AHEAD 4u
#define GAP_BYTES 88u /* that the kernel leaves between two packets, about */

static uint32_t align_up(uint32_t n, uint32_t step)
{
	return (n + step - 1) & ~(step - 1);
}

static uint32_t data_end(const struct fancap_inplace_row *row)
{
	return row->offset + row->caplen;
}

/* --- plan ---------------------------------------------------------------------------------------------------------- */

/* A packet's row. Where a tag is put back, the packet begins where the addresses will be. */
static int plan_packet(struct fancap_inplace_row *row, const struct fancap_packet *packet, uint32_t offset,
		       uint32_t snaplen)
{
	uint32_t tag = pcapng_tag_fits(packet) ? VLAN_TAG_BYTES : 0;

	*row = (struct fancap_inplace_row){
		.time_ns = packet->time_ns,
		.offset = offset - tag,
		.caplen = packet->caplen + tag,
		.len = packet->len + tag,
		.flags = pcapng_epb_flags(packet->type),
	};
	if (row->offset % 4 != 0 || row->caplen > snaplen || row->caplen > row->len)
		return -EOPNOTSUPP;
	if (packet->vlan_tpid == 0)
		return 0;
	if (tag == 0)
		return -EOPNOTSUPP;
	row->vlan_tpid = packet->vlan_tpid;
	row->vlan_tci = packet->vlan_tci;
	memcpy(row->addresses, packet->data, MAC_ADDRESSES_BYTES);
	return 0;
}

/* Whether a packet's back may reach from its data to `end`. */
static bool back_fits(const struct fancap_inplace_row *row, uint32_t end, uint32_t least)
{
	uint32_t begin = align_up(data_end(row), 4);

	return end >= begin && end - begin >= least && end - data_end(row) <= BACK_MAX;
}

/* What a packet's back has to have room for: its direction, and the first one's dropcount, which is not known yet. */
static uint32_t least_back(uint32_t n)
{
	return EPB_FLAGS_BYTES + BLOCK_END_BYTES + (n == 0 ? EPB_DROPCOUNT_BYTES : 0);
}

/* Whether what stands before the packet has room for what goes there: the packet before, or the statistics. */
static bool fits_before(const struct fancap_inplace_row *rows, uint32_t n)
{
	uint32_t front = rows[n].offset - EPB_FIXED_BYTES;

	if (n == 0)
		return rows[n].offset >= EPB_FIXED_BYTES + FANCAP_PCAPNG_ISB_MAX && front <= HEAD_BYTES;
	return back_fits(&rows[n - 1], front, least_back(n - 1));
}

static int plan_end(struct fancap_inplace_plan *plan, const struct fancap_inplace_row *last, uint32_t block_bytes)
{
	uint32_t least = align_up(data_end(last), 4) + least_back(plan->packets - 1);

	plan->bytes = align_up(least, FANCAP_INPLACE_ALIGN);
	return plan->bytes <= block_bytes ? 0 : -EOPNOTSUPP;
}

int fancap_inplace_plan(const void *block, uint32_t block_bytes, uint32_t snaplen, struct fancap_inplace_row *rows,
			uint32_t capacity, struct fancap_inplace_plan *ret)
{
	struct fancap_inplace_plan plan = {.first_ns = UINT64_MAX};
	struct fancap_packet packet;
	struct fancap_walk walk;
	int r;

	if (fancap_walk_start(&walk, block, block_bytes) < 0)
		return -EBADMSG;
	if (walk.left == 0 || walk.left > capacity)
		return -EOPNOTSUPP;
	while ((r = fancap_walk_next(&walk, &packet)) > 0) {
		uint32_t n = plan.packets++;

		r = plan_packet(&rows[n], &packet, (uint32_t)(packet.data - (const uint8_t *)block), snaplen);
		if (r < 0)
			return r;
		if (!fits_before(rows, n))
			return -EOPNOTSUPP;
		if (packet.time_ns < plan.first_ns)
			plan.first_ns = packet.time_ns;
		if (packet.time_ns > plan.last_ns)
			plan.last_ns = packet.time_ns;
	}
	if (r == 0)
		r = plan_end(&plan, &rows[plan.packets - 1], block_bytes);
	if (r == 0)
		*ret = plan;
	return r;
}

/* --- rewriting ----------------------------------------------------------------------------------------------------- */

/* What there is to know of one packet. */
struct piece {
	const struct fancap_inplace_row *row;
	uint32_t front;	 ///< where its EPB begins
	uint32_t end;	 ///< and ends
	uint32_t queue;
	uint64_t packetid;
	uint64_t dropcount;
};

static uint32_t put_front(uint8_t *p, const struct piece *piece)
{
	const struct fancap_inplace_row *row = piece->row;

	p = put_epb_header(p, piece->end - piece->front, row->time_ns, row->caplen, row->len);
	if (row->vlan_tpid == 0)
		return EPB_FIXED_BYTES;
	p = put(p, row->addresses, MAC_ADDRESSES_BYTES);
	put_tag(p, row->vlan_tpid, row->vlan_tci);
	return FRONT_MAX;
}

/*
 * Options, those first that are missed most; what there is no room for is left out. The rest is a filler's, zeros: behind
 * the last packet there may be packets of a lap ago.
 */
static uint8_t *put_options(uint8_t *p, const uint8_t *end, const struct piece *piece)
{
	if (piece->dropcount != 0)
		p = option_u64(p, EPB_DROPCOUNT, piece->dropcount);
	p = option_u32(p, EPB_FLAGS, piece->row->flags);
	if (end - p >= (ptrdiff_t)EPB_QUEUE_BYTES)
		p = option_u32(p, EPB_QUEUE, piece->queue);
	if (end - p >= (ptrdiff_t)EPB_PACKETID_BYTES)
		p = option_u64(p, EPB_PACKETID, piece->packetid);
	return put_filler(p, (size_t)(end - p));
}

static uint32_t put_back(uint8_t *p, const struct piece *piece)
{
	uint32_t n = piece->end - data_end(piece->row);
	uint8_t *end = p + n;

	put32(p, 0); /* padding, of which there are 3 bytes at most; something follows in any case */
	p += -piece->row->caplen & 3u;
	p = put_options(p, end - BLOCK_END_BYTES, piece);
	p = option_header(p, OPT_ENDOFOPT, 0);
	put32(p, piece->end - piece->front);
	return n;
}

/* Put bytes at an offset of the block: what is in its first page goes to the head. */
static void store(uint8_t *block, uint8_t *head, uint32_t offset, const uint8_t *bytes, uint32_t n)
{
	uint32_t in_head = offset < HEAD_BYTES ? HEAD_BYTES - offset : 0;

	if (in_head > n)
		in_head = n;
	if (in_head > 0)
		memcpy(head + offset, bytes, in_head);
	if (in_head < n)
		memcpy(block + offset + in_head, bytes + in_head, n - in_head);
}

/* What will be written to before a packet. */
static void fetch_gap(const uint8_t *block, const struct fancap_inplace_row *row)
{
	__builtin_prefetch(block + row->offset - GAP_BYTES, 1);
	__builtin_prefetch(block + row->offset - 1, 1);
}

static struct piece piece_of(const struct fancap_inplace_plan *plan, const struct fancap_inplace_row *rows,
			     const struct fancap_inplace_extra *extra, uint32_t n)
{
	return (struct piece){
		.row = &rows[n],
		.front = rows[n].offset - EPB_FIXED_BYTES,
		.end = n + 1 < plan->packets ? rows[n + 1].offset - EPB_FIXED_BYTES : plan->bytes,
		.queue = extra->queue,
		.packetid = extra->first_packetid + n,
		.dropcount = n == 0 ? extra->dropcount : 0,
	};
}

void fancap_inplace_rewrite(void *block, const struct fancap_inplace_plan *plan, const struct fancap_inplace_row *rows,
			    const struct fancap_inplace_extra *extra, void *head)
{
	uint8_t front[FRONT_MAX], back[BACK_MAX];

	memcpy(head, block, HEAD_BYTES); /* for its packets' data; the rest is written over */
	fancap_pcapng_isb_padded(head, rows[0].offset - EPB_FIXED_BYTES, &extra->statistics);
	for (uint32_t n = 0; n < plan->packets; n++) {
		const struct piece piece = piece_of(plan, rows, extra, n);
		uint32_t end = data_end(piece.row);
		/* What begins in the first page may lie on both sides of its end: made here, and cut there. */
		bool cut = piece.front < HEAD_BYTES;
		uint32_t front_bytes, back_bytes;

		if (n + FETCH_AHEAD < plan->packets)
			fetch_gap(block, &rows[n + FETCH_AHEAD]);
		front_bytes = put_front(cut ? front : (uint8_t *)block + piece.front, &piece);
		back_bytes = put_back(cut ? back : (uint8_t *)block + end, &piece);
		if (cut) {
			store(block, head, piece.front, front, front_bytes);
			store(block, head, end, back, back_bytes);
		}
	}
}
