// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_INPLACE_H
#define FANCAP_INPLACE_H

#include <stdint.h>

#include "fancap/pcapng.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A retired TPACKET_V3 block turned into pcapng where it lies: packet data stays in its place, and what the kernel left
 * around it (slot headers, padding) becomes block headers and options.
 *
 * In two steps. The plan is read from the block and changes nothing. The rewriting needs the plan only, not what it
 * overwrites, so that it may be stopped anywhere and be done again, by another process if the rows are in shared memory.
 *
 * The first FANCAP_INPLACE_HEAD_BYTES of the block in the ring are never written to: they hold the status word, which is
 * the kernel's, and the sequence number. What the file gets in their stead is made in a page of the caller's.
 *
 *     file:   | head: ISB, EPB, EPB ...            | the rest, from the ring: ... EPB, EPB + filler |
 *     block:  | left as it is                      | rewritten                                      |
 *
 * Packets carry epb_flags, the first epb_dropcount at a gap; epb_queue and epb_packetid as far as there is room.
 * Unused room is an option full of zeros: nothing gets into the file but packets and what is said of them.
 */

#define FANCAP_INPLACE_HEAD_BYTES 4096u
/** What is written is a multiple of this, padded by the last packet's filler: O_DIRECT asks for it. */
#define FANCAP_INPLACE_ALIGN 4096u

/** One packet of a plan. Of fixed layout: it lies in memory that processes share. */
struct fancap_inplace_row {
	uint64_t time_ns;
	uint32_t offset; ///< of the recorded data in the block, a tag put back included; a multiple of 4
	uint32_t caplen; ///< bytes recorded, a tag included
	uint32_t len;	 ///< bytes on the wire, a tag included
	uint16_t vlan_tci;
	uint16_t vlan_tpid; ///< 0: no tag is to be put back
	uint32_t flags;	    ///< epb_flags
	uint8_t addresses[12]; ///< the two MAC addresses of a packet whose tag is to be put back
};

/** What a block will become. */
struct fancap_inplace_plan {
	uint32_t packets;  ///< rows in use, >= 1
	uint32_t bytes;	   ///< to be written: a multiple of FANCAP_INPLACE_ALIGN, no more than the block has
	uint64_t first_ns; ///< earliest time stamp
	uint64_t last_ns;  ///< latest
};

/** What goes into the block beside its packets. Plain data: it may lie in shared memory. */
struct fancap_inplace_extra {
	struct fancap_pcapng_statistics statistics; ///< of the Interface Statistics Block before the first packet
	uint64_t dropcount;    ///< epb_dropcount of the first packet, 0: none
	uint64_t first_packetid; ///< epb_packetid of the first packet, counting up; unique per file at least
	uint32_t queue;	       ///< epb_queue: which worker
	uint32_t reserved;
};

/**
 * See whether a block can be rewritten in place, and how. Changes nothing but rows and ret. As strict as
 * fancap_walk_next(): whatever the block holds, neither this nor the rewriting reaches outside.
 *
 * Not for blocks of a SOCK_DGRAM socket, whose packets get a header that there is no place for.
 *
 * @param block    retired, 4096-byte aligned, block_bytes long (a multiple of 4096)
 * @param snaplen  packets longer than this (with their tag) have to be cut, so not in place
 * @param rows     at least capacity of them; on failure some may have been written to
 * @param ret      set only on success
 * @return 0; -EBADMSG the block makes no sense (packing it tells how many packets cannot be reached); -EOPNOTSUPP it must be
 *         packed instead: no packets, more than capacity, data not 4-byte aligned, no room for statistics, a header, a
 *         trailer or the first packet's dropcount, a gap that the kernel does not leave, a packet longer than snaplen or
 *         than it claims to have been, a tag to be put back without MAC addresses
 */
int fancap_inplace_plan(const void *block, uint32_t block_bytes, uint32_t snaplen, struct fancap_inplace_row *rows,
			uint32_t capacity, struct fancap_inplace_plan *ret);

/**
 * Do it. Idempotent: depends on plan, rows, extra, packet data and (for the head) the block's untouched first page.
 * Writes to the block from FANCAP_INPLACE_HEAD_BYTES to plan->bytes only. The plan is trusted: it has to be this block's.
 *
 * A tag that the kernel took off is put back by moving the two MAC addresses down, from their copy in the row.
 *
 * @param head FANCAP_INPLACE_HEAD_BYTES: what the file gets in place of the block's first page
 */
void fancap_inplace_rewrite(void *block, const struct fancap_inplace_plan *plan, const struct fancap_inplace_row *rows,
			    const struct fancap_inplace_extra *extra, void *head);

#ifdef __cplusplus
}
#endif

#endif
