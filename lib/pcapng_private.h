// SPDX-License-Identifier: BSD-3-Clause
/* What packing and rewriting in place share: pcapng's numbers, how bytes are put, and what is said of a packet. */
#ifndef LIB_PCAPNG_PRIVATE_H
#define LIB_PCAPNG_PRIVATE_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fancap/pcapng.h"

enum block_type {
	BLOCK_SHB = 0x0A0D0D0A,
	BLOCK_IDB = 1,
	BLOCK_ISB = 5,
	BLOCK_EPB = 6,
};

enum option {
	OPT_ENDOFOPT = 0,
	/* Custom, binary, not to be copied: it is of no use in another file. */
	OPT_CUSTOM_NOCOPY = 19373,
	/* Codes from 0x8000 on mean nothing to other programs. */
	OPT_LOCAL_EMPTY = 0xFFFF,
	SHB_HARDWARE = 2,
	SHB_OS = 3,
	SHB_USERAPPL = 4,
	IF_NAME = 2,
	IF_DESCRIPTION = 3,
	IF_TSRESOL = 9,
	IF_FILTER = 11,
	IF_OS = 12,
	EPB_FLAGS = 2,
	EPB_DROPCOUNT = 4,
	EPB_PACKETID = 5,
	EPB_QUEUE = 6,
	ISB_STARTTIME = 2,
	ISB_ENDTIME = 3,
	ISB_IFRECV = 4,
	ISB_FILTERACCEPT = 6,
	ISB_OSDROP = 7,
	ISB_USRDELIV = 8,
};

#define MAC_ADDRESSES_BYTES 12u
#define VLAN_TAG_BYTES 4u
#define EPB_FIXED_BYTES 28u /* up to the packet data */
#define EPB_FLAGS_BYTES 8u
#define EPB_QUEUE_BYTES 8u
#define EPB_DROPCOUNT_BYTES 12u
#define EPB_PACKETID_BYTES 12u
#define LENGTH_BYTES 4u	/* at the end of every block */
#define BLOCK_END_BYTES (4u + LENGTH_BYTES) /* opt_endofopt first */
#define FILLER_PEN 32473u /* for examples and documents, RFC 5612: nobody's */

/* --- bytes --------------------------------------------------------------------------------------------------------- */

static inline uint8_t *put(uint8_t *p, const void *bytes, size_t n)
{
	memcpy(p, bytes, n);
	return p + n;
}

static inline uint8_t *put16(uint8_t *p, uint16_t value)
{
	return put(p, &value, sizeof(value));
}

static inline uint8_t *put32(uint8_t *p, uint32_t value)
{
	return put(p, &value, sizeof(value));
}

static inline uint8_t *put64(uint8_t *p, uint64_t value)
{
	return put(p, &value, sizeof(value));
}

/* Time stamps are two 32-bit halves, the high one first, whatever the byte order. */
static inline uint8_t *put_time(uint8_t *p, uint64_t time_ns)
{
	p = put32(p, (uint32_t)(time_ns >> 32));
	return put32(p, (uint32_t)time_ns);
}

static inline uint8_t *option_header(uint8_t *p, enum option code, size_t n)
{
	p = put16(p, (uint16_t)code);
	return put16(p, (uint16_t)n);
}

static inline uint8_t *option_u32(uint8_t *p, enum option code, uint32_t value)
{
	p = option_header(p, code, sizeof(value));
	return put32(p, value);
}

static inline uint8_t *option_u64(uint8_t *p, enum option code, uint64_t value)
{
	p = option_header(p, code, sizeof(value));
	return put64(p, value);
}

/* A gap between two packets in a ring asks for some ten zeros: too few to call for. */
static inline void put_zeros(uint8_t *p, size_t n)
{
	if (n < 8 || n > 16) {
		memset(p, 0, n);
		return;
	}
	put64(p, 0);
	put64(p + n - 8, 0);
}

/*
 * Fill n bytes, a multiple of 4 up to 65536, by one option that says nothing. Four are too few for a custom option, but
 * an empty one of local use fits. tshark, tcpdump and capinfos pass over both; editcap's copies are without them.
 */
static inline uint8_t *put_filler(uint8_t *p, size_t n)
{
	if (n == 0)
		return p;
	if (n == 4)
		return option_header(p, OPT_LOCAL_EMPTY, 0);
	p = option_header(p, OPT_CUSTOM_NOCOPY, n - 4);
	p = put32(p, FILLER_PEN);
	put_zeros(p, n - 8);
	return p + n - 8;
}

/* What stands before an Enhanced Packet Block's data, on interface 0. */
static inline uint8_t *put_epb_header(uint8_t *p, uint32_t length, uint64_t time_ns, uint32_t caplen, uint32_t len)
{
	p = put32(p, BLOCK_EPB);
	p = put32(p, length);
	p = put32(p, 0);
	p = put_time(p, time_ns);
	p = put32(p, caplen);
	return put32(p, len);
}

/* --- packets ------------------------------------------------------------------------------------------------------- */

/** epb_flags for an sll_pkttype: bits 0-1 direction, bits 2-4 kind of reception. */
static inline uint32_t pcapng_epb_flags(uint8_t type)
{
	enum { INBOUND = 1, OUTBOUND = 2 };
	enum { UNICAST = 1 << 2, MULTICAST = 2 << 2, BROADCAST = 3 << 2, PROMISCUOUS = 4 << 2 };
	static const uint8_t flags[] = {
		[PACKET_HOST] = INBOUND | UNICAST,
		[PACKET_BROADCAST] = INBOUND | BROADCAST,
		[PACKET_MULTICAST] = INBOUND | MULTICAST,
		[PACKET_OTHERHOST] = INBOUND | PROMISCUOUS,
		[PACKET_OUTGOING] = OUTBOUND,
	};

	return type < sizeof(flags) ? flags[type] : 0;
}

/** Bytes that the kernel took off the packet: a tag stands behind two MAC addresses only. */
static inline uint32_t pcapng_tag_bytes(const struct fancap_packet *packet)
{
	return packet->vlan_tpid != 0 && packet->mac_len >= MAC_ADDRESSES_BYTES ? VLAN_TAG_BYTES : 0;
}

/** Whether there is a tag to be put back. A packet cut before the tag's place stays as it is. */
static inline bool pcapng_tag_fits(const struct fancap_packet *packet)
{
	return pcapng_tag_bytes(packet) != 0 && packet->caplen >= MAC_ADDRESSES_BYTES;
}

/** A VLAN tag as on the wire. */
static inline uint8_t *put_tag(uint8_t *p, uint16_t tpid, uint16_t tci)
{
	p = put16(p, htons(tpid));
	return put16(p, htons(tci));
}

#endif
