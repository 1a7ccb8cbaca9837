// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>

#include "fancap/block.h"
#include "lib/scout.h"

/* The sockaddr_ll of a slot stands behind its tpacket3_hdr, aligned as the kernel aligns it. */
#define SLL_OFFSET ((uint32_t)((sizeof(struct tpacket3_hdr) + 15u) & ~15u)) /* TPACKET_ALIGN */
#define SLOT_MIN (SLL_OFFSET + sizeof(struct sockaddr_ll))
#define SLOT_ALIGN 8u

#define FETCH_AHEAD 8u
#define SURPRISES_MAX 16u

#define TPID_8021Q 0x8100

static const struct tpacket_hdr_v1 *header(const void *block)
{
	return &((const struct tpacket_block_desc *)block)->hdr.bh1;
}

uint32_t fancap_block_bytes(const void *block)
{
	return header(block)->blk_len;
}

uint32_t fancap_block_packets(const void *block)
{
	return header(block)->num_pkts;
}

uint64_t fancap_block_sequence(const void *block)
{
	return header(block)->seq_num;
}

bool fancap_block_losing(const void *block)
{
	return (__atomic_load_n(&header(block)->block_status, __ATOMIC_RELAXED) & TP_STATUS_LOSING) != 0;
}

int fancap_walk_start(struct fancap_walk *walk, const void *block, uint32_t block_bytes)
{
	const struct tpacket_hdr_v1 *h = header(block);

	*walk = (struct fancap_walk){
		.block = block,
		.limit = h->blk_len,
		.offset = h->offset_to_first_pkt,
		.left = h->num_pkts,
	};
	if (walk->left == 0)
		return 0;
	if (h->blk_len > block_bytes || h->offset_to_first_pkt < sizeof(struct tpacket_block_desc)) {
		walk->limit = 0; /* whoever goes on all the same gets nowhere */
		return -EBADMSG;
	}
	return 0;
}

/* Whether a whole slot header lies at the walk's offset. */
static bool slot_fits(const struct fancap_walk *walk)
{
	return walk->offset % SLOT_ALIGN == 0 && walk->offset <= walk->limit &&
	       walk->limit - walk->offset >= SLOT_MIN;
}

/* Where a slot further on is, if all are of a size. */
static const uint8_t *later_slot(const struct fancap_walk *walk)
{
	uint64_t offset = walk->offset + (uint64_t)FETCH_AHEAD * walk->step;

	return walk->block + (offset < walk->limit ? offset : walk->offset);
}

static __attribute__((noinline)) void send_scouts(struct fancap_walk *walk)
{
	walk->surprises = 0;
	if (walk->left > 0 && slot_fits(walk))
		walk->fetched = scout_fetch(walk->block, walk->offset, walk->limit);
}

/*
 * Each slot tells where the next one is, so without a guess they come from memory one after the other. Packets of a size
 * often follow each other; where they do not, scouts are sent ahead.
 */
static inline void fetch_ahead(struct fancap_walk *walk, uint32_t step)
{
	const uint8_t *later;

	walk->offset += step;
	if (walk->offset < walk->fetched)
		return;
	if (step != walk->step && ++walk->surprises > SURPRISES_MAX)
		send_scouts(walk);
	walk->step = step;
	later = later_slot(walk);
	__builtin_prefetch(later);
	__builtin_prefetch(later + SLOT_MIN);
}

int fancap_walk_next(struct fancap_walk *walk, struct fancap_packet *ret)
{
	const uint8_t *slot = walk->block + walk->offset;
	const struct tpacket3_hdr *h = (const struct tpacket3_hdr *)slot;
	const struct sockaddr_ll *sll = (const struct sockaddr_ll *)(slot + SLL_OFFSET);
	uint32_t room;

	if (walk->left == 0)
		return 0;
	if (!slot_fits(walk))
		return -EBADMSG;
	room = walk->limit - walk->offset;
	if (h->tp_mac < SLOT_MIN || h->tp_mac > room || h->tp_snaplen > room - h->tp_mac ||
	    h->tp_net < h->tp_mac)
		return -EBADMSG;
	/* tp_next_offset is 0 on the last packet; anywhere else it must lead on, past this packet. */
	if (walk->left > 1 &&
	    (h->tp_next_offset < h->tp_mac + h->tp_snaplen || h->tp_next_offset > room))
		return -EBADMSG;

	*ret = (struct fancap_packet){
		.data = slot + h->tp_mac,
		.caplen = h->tp_snaplen,
		.len = h->tp_len,
		.time_ns = (uint64_t)h->tp_sec * 1000000000u + h->tp_nsec,
		.status = h->tp_status,
		.mac_len = (uint32_t)h->tp_net - h->tp_mac,
		.type = sll->sll_pkttype,
		.link = sll,
	};
	if (h->tp_status & TP_STATUS_VLAN_VALID) {
		ret->vlan_tci = (uint16_t)h->hv1.tp_vlan_tci;
		ret->vlan_tpid = TPID_8021Q;
		if (h->tp_status & TP_STATUS_VLAN_TPID_VALID)
			ret->vlan_tpid = h->hv1.tp_vlan_tpid;
	}
	walk->left--;
	fetch_ahead(walk, h->tp_next_offset);
	return 1;
}
