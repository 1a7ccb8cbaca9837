// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_RX_H
#define FANCAP_RX_H

#include <stdbool.h>
#include <stdint.h>

#include "fancap/block.h"
#include "fancap/error.h"
#include "fancap/filter.h"
#include "fancap/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Which version: V3 packs packets of any length into blocks and hands over a block at a time, so it needs the least
 * memory and work a packet; but a packet may wait for its block's timeout. V1 and V2 hand over every packet at once, in
 * a frame as large as the largest packet that is to fit (or fetch what does not fit apart), and every one costs poll() and
 * the cache more. V2 is V1 with VLAN tags and nanoseconds.
 *
 * fancapd uses V3 only, and by blocks (ring.h, block.h) rather than through this interface: files are written in large
 * pieces, so latency is nothing to it, and a worker that dies is replaced at a block's edge.
 */

/** What a caller wants of a receive ring of any version. */
struct fancap_rx_params {
	const char *interface; ///< for messages
	int ifindex;	       ///< 0: every interface
	enum fancap_version version;
	enum fancap_socket_type type; ///< DGRAM: packets come without link-layer header, and are marked cooked
	uint64_t size_bytes;	      ///< of the ring: a multiple of block_bytes
	uint32_t block_bytes;	      ///< a multiple of the page size
	uint32_t snaplen;	      ///< bytes kept of a packet; a filter with the same spares the kernel work
	uint32_t block_timeout_ms;    ///< V3: greatest age of a block with packets in it, 1 to 60000
	uint32_t frame_bytes;	      ///< V1, V2: of a frame, headers included; 0: what snaplen takes
	uint16_t reserve_bytes;	      ///< before each packet's headers (PACKET_RESERVE)
	bool whole;		      ///< V1, V2: fetch packets larger than a frame whole (PACKET_COPY_THRESH)
	int copies_bytes;	      ///< whole: how much of them the kernel keeps (SO_RCVBUF); 0: its default
	bool promiscuous;	      ///< not with ifindex 0
	const struct fancap_filter *filter; ///< NULL: everything; may be freed after
};

/** A socket with a receive ring: one owner at a time. */
struct fancap_rx;

/**
 * Make the socket, its ring and its mapping, and start to receive.
 *
 * On an interface that is down this succeeds: packets come when it does.
 *
 * @param ret set only on success; fancap_rx_close() ends it
 * @return 0; -EINVAL no valid geometry; -errno; err names the step that failed
 */
int fancap_rx_open(const struct fancap_rx_params *params, struct fancap_rx **ret, struct fancap_error *err);

/** Close the socket; unmap and free all. NULL is fine. */
void fancap_rx_close(struct fancap_rx *rx);

/**
 * The next packet, in the order in which the kernel put them into the ring. Never blocks.
 *
 * The packet stays where it is until the next call for this ring, whichever: what it said before is void then. Packets
 * that were larger than their frame and were fetched whole have TP_STATUS_COPY in their status. TP_STATUS_LOSING says
 * that the kernel had dropped packets not yet read from its statistics.
 *
 * @param ret set only on 1
 * @return 1 a packet; 0 none ready; -ENETDOWN the interface is down, told once (the ring stays usable), or is gone: then
 *         nothing comes any more, even if its name comes back, and nothing but rtnetlink tells the one from the other;
 *         -EBADMSG the ring makes no sense here: what does not is skipped, the next call goes on behind it; -errno
 */
int fancap_rx_next(struct fancap_rx *rx, struct fancap_packet *ret);

/**
 * Hand the packet last returned back to the kernel. fancap_rx_next() does so by itself: this is for who waits or works
 * long between packets. V3: the block goes back with its last packet.
 */
void fancap_rx_done(struct fancap_rx *rx);

/**
 * The socket, for poll() with POLLIN once fancap_rx_next() has returned 0, and for fancap_stats_read() and
 * fancap_filter_attach(). Remains the ring's own.
 */
int fancap_rx_fd(const struct fancap_rx *rx);

#ifdef __cplusplus
}
#endif

#endif
