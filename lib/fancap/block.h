// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_BLOCK_H
#define FANCAP_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/if_packet.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One captured packet, where it lies in its block. */
struct fancap_packet {
	const uint8_t *data; ///< from the link-layer header on, as the kernel left it (VLAN tag perhaps taken off);
			     ///< when cooked, from the network header on
	uint32_t caplen;     ///< bytes at data
	uint32_t len;	     ///< bytes on the wire, less a tag that was taken off
	uint64_t time_ns;    ///< CLOCK_REALTIME
	uint32_t status;     ///< TP_STATUS_* flags
	uint32_t mac_len;    ///< bytes of link-layer header at data
	uint16_t vlan_tci;   ///< of the tag taken off, when vlan_tpid is not 0
	uint16_t vlan_tpid;  ///< 0: no tag was taken off
	uint8_t type;	     ///< sll_pkttype: PACKET_HOST ... PACKET_OUTGOING
	bool cooked;	     ///< of a SOCK_DGRAM socket: no link-layer header at data, link says what it said
	const struct sockaddr_ll *link; ///< protocol (network byte order), interface, device type, sender's address
};

/** A walk over the packets of one retired block. */
struct fancap_walk {
	const uint8_t *block;
	uint32_t limit;	 ///< bytes of the block that are in use
	uint32_t offset; ///< of the next slot
	uint32_t left;	 ///< packets not yet returned
	/* what is in the cache when it is come to */
	uint32_t step;	    ///< to the latest slot from the one before
	uint32_t surprises; ///< steps that were not like the one before
	uint32_t fetched;   ///< slots before this offset have been fetched
};

/**
 * Start a walk. Pure: looks at nothing but the block's bytes, so any memory will do.
 *
 * Every offset is checked against the block before it is followed; a block that makes no sense ends its walk with an
 * error and never leads outside.
 *
 * @param block at least block_bytes of readable memory, 8-byte aligned
 * @return 0, or -EBADMSG the header makes no sense (left is what it claims to hold)
 */
int fancap_walk_start(struct fancap_walk *walk, const void *block, uint32_t block_bytes);

/**
 * The next packet.
 *
 * A block does not say what kind of socket it is of: cooked is left false.
 *
 * @param ret set only on 1; points into the block
 * @return 1 a packet, 0 no more, -EBADMSG the slot makes no sense: left says how many packets cannot be reached
 */
int fancap_walk_next(struct fancap_walk *walk, struct fancap_packet *ret);

/** Bytes of a block that are in use, as it says itself. */
uint32_t fancap_block_bytes(const void *block);
/** How many packets a block says it holds; 0 is possible (a block may be retired empty). */
uint32_t fancap_block_packets(const void *block);
/** The block's place in the ring's life: 1 for the first block the kernel opened, one more for each after it. */
uint64_t fancap_block_sequence(const void *block);
/** Whether the kernel had dropped packets, not yet read from its statistics, when it retired the block. */
bool fancap_block_losing(const void *block);

#ifdef __cplusplus
}
#endif

#endif
