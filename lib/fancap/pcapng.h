// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_PCAPNG_H
#define FANCAP_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fancap/block.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * pcapng as bytes: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng. Host byte order, one section, interface 0,
 * nanosecond time stamps. Writers put a whole block at dst and return its length in bytes, a multiple of 4; the caller
 * has made room for FANCAP_PCAPNG_*_MAX or fancap_pcapng_epb_bytes().
 */

/** Longest option text (bytes) that is written; the rest is cut off. */
#define FANCAP_PCAPNG_TEXT_MAX 4096u
#define FANCAP_PCAPNG_SHB_MAX (28u + 4u * (4u + FANCAP_PCAPNG_TEXT_MAX))
#define FANCAP_PCAPNG_IDB_MAX (20u + 4u * (4u + FANCAP_PCAPNG_TEXT_MAX) + 16u)
#define FANCAP_PCAPNG_ISB_MAX 100u
/** The longest that an Interface Statistics Block is padded to. */
#define FANCAP_PCAPNG_ISB_PADDED_MAX 65536u

/** What a file says of the machine and program that wrote it. Texts may be NULL. */
struct fancap_pcapng_section {
	const char *hardware;	 ///< shb_hardware
	const char *os;		 ///< shb_os
	const char *application; ///< shb_userappl
};

/** Section Header Block. */
size_t fancap_pcapng_shb(void *dst, const struct fancap_pcapng_section *section);

/** What a file says of its interface. Texts may be NULL. */
struct fancap_pcapng_interface {
	uint16_t linktype;	 ///< LINKTYPE_ value
	uint32_t snaplen;	 ///< bytes
	const char *name;	 ///< if_name
	const char *filter;	 ///< if_filter, a libpcap expression
	const char *os;		 ///< if_os
	const char *description; ///< if_description
};

/** Interface Description Block, with if_tsresol 9. */
size_t fancap_pcapng_idb(void *dst, const struct fancap_pcapng_interface *interface);

/** Bytes of a LINKTYPE_LINUX_SLL2 header, and with a VLAN tag behind it. */
#define FANCAP_PCAPNG_SLL2_BYTES 20u
#define FANCAP_PCAPNG_SLL2_MAX (FANCAP_PCAPNG_SLL2_BYTES + 4u)

/**
 * The link-layer header that a cooked packet is recorded with, made of what its socket said of it: LINKTYPE_LINUX_SLL2,
 * in network byte order.
 *
 * A VLAN tag that the kernel took off follows: the header's protocol is the TPID then, as on the wire.
 *
 * @param dst    at least FANCAP_PCAPNG_SLL2_MAX bytes
 * @param packet one with a link
 * @return bytes written: FANCAP_PCAPNG_SLL2_BYTES, or with a tag 4 more
 */
size_t fancap_pcapng_sll2(void *dst, const struct fancap_packet *packet);

/** Bytes that fancap_pcapng_epb() will write for this packet, at most this many of which are kept. */
size_t fancap_pcapng_epb_bytes(const struct fancap_packet *packet, uint32_t snaplen, uint64_t dropcount);

/**
 * Enhanced Packet Block, with epb_flags (direction and kind of reception) and, when not 0, epb_dropcount.
 *
 * A VLAN tag that the kernel took off is put back, with its TPID and full TCI: the packet is then 4 bytes longer than
 * in the ring. A cooked packet gets its LINKTYPE_LINUX_SLL2 header, which is what its interface's linktype has to say.
 * At most snaplen bytes are kept, all that was put back included; the original length says what there was.
 */
size_t fancap_pcapng_epb(void *dst, const struct fancap_packet *packet, uint32_t snaplen,
			 uint64_t dropcount);

/** Figures of an Interface Statistics Block, over the time from start to end. */
struct fancap_pcapng_statistics {
	uint64_t time_ns;   ///< of the figures, CLOCK_REALTIME as all times here
	uint64_t start_ns;  ///< isb_starttime
	uint64_t end_ns;    ///< isb_endtime
	uint64_t received;  ///< isb_ifrecv: reached the interface, whatever the filter says; when has_received
	uint64_t accepted;  ///< isb_filteraccept: passed the filter
	uint64_t dropped;   ///< isb_osdrop: of these, dropped by the kernel
	uint64_t delivered; ///< isb_usrdeliv: of these, recorded
	bool has_received;  ///< with a filter it is not known: the kernel does not count what a filter rejects
};

/** Interface Statistics Block. */
size_t fancap_pcapng_isb(void *dst, const struct fancap_pcapng_statistics *statistics);

/**
 * The same, filled up to a length by an option that says nothing.
 *
 * @param bytes of the block: a multiple of 4, from FANCAP_PCAPNG_ISB_MAX to FANCAP_PCAPNG_ISB_PADDED_MAX
 * @return bytes
 */
size_t fancap_pcapng_isb_padded(void *dst, size_t bytes, const struct fancap_pcapng_statistics *statistics);

#ifdef __cplusplus
}
#endif

#endif
