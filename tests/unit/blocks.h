// SPDX-License-Identifier: BSD-3-Clause
/* Synthetic TPACKET_V3 blocks in plain memory, laid out as tpacket_rcv() lays them out: no socket, no root. */
#ifndef TESTS_BLOCKS_H
#define TESTS_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/if_packet.h>

/** A retired block, built packet by packet. */
struct test_block {
	uint8_t *bytes;	      ///< exactly size bytes from malloc, so that a sanitizer sees every step outside
	uint32_t size;
	uint32_t last;	      ///< offset of the last slot, 0 when there is none
	uint32_t next;	      ///< offset of the next slot
	uint16_t reserve;     ///< PACKET_RESERVE, as the socket would have it
};

/** A packet to add; what is left 0 is as for an untagged, whole Ethernet frame to this host. */
struct test_packet {
	const void *data;    ///< caplen bytes, or NULL: bytes that count up from 0
	uint32_t caplen;
	uint32_t len;	     ///< on the wire; 0: caplen
	uint64_t time_ns;
	uint32_t status;     ///< TP_STATUS_* besides USER and, with a tag, VLAN_VALID
	uint16_t vlan_tpid;  ///< not 0: a tag was taken off
	uint16_t vlan_tci;
	uint8_t type;	     ///< PACKET_HOST ...
	bool no_mac;	     ///< no link-layer header (tun)
};

/** Make an empty retired block: num_pkts 0. @param sequence seq_num, 1 for a ring's first block */
void test_block_init(struct test_block *block, uint32_t size, uint16_t priv_bytes, uint16_t reserve,
		     uint64_t sequence);
void test_block_done(struct test_block *block);

/** Append a packet. @return false when it does not fit: the block is as before */
bool test_block_add(struct test_block *block, const struct test_packet *packet);

/** The caplen of an Ethernet packet that fills the block to its last byte; 0 when not even a header fits. */
uint32_t test_block_room(const struct test_block *block);

/** The n-th slot, counted from 0, found by following tp_next_offset: for blocks not yet spoilt. */
struct tpacket3_hdr *test_block_slot(const struct test_block *block, unsigned n);

/** The block's header. */
struct tpacket_hdr_v1 *test_block_header(const struct test_block *block);

#endif
