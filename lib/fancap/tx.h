// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_TX_H
#define FANCAP_TX_H

#include <stdbool.h>
#include <stdint.h>

#include "fancap/error.h"
#include "fancap/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a caller wants of a transmit ring. */
struct fancap_tx_params {
	const char *interface; ///< for messages
	int ifindex;
	enum fancap_version version;
	enum fancap_socket_type type; ///< RAW: frames begin with the link-layer header; DGRAM: the kernel makes it
	uint16_t protocol;	      ///< ETH_P_ value of DGRAM packets; RAW: 0
	uint8_t address[8];	      ///< link-layer destination of DGRAM packets
	uint8_t address_bytes;
	uint32_t packet_max; ///< bytes of the largest packet: with the link-layer header for RAW, without for DGRAM
	uint32_t packets;    ///< how many fit in the ring at least
	bool custom_offset;  ///< PACKET_TX_HAS_OFF: each packet says where in its frame its data begins
	bool skip_wrong;     ///< a wrong frame is taken out, and send goes on; else it returns with an error
	bool packet_loss;    ///< PACKET_LOSS: the kernel itself skips wrong frames, without saying which
	bool copy;	     ///< RAW, no custom_offset: see below
	bool qdisc_bypass;   ///< PACKET_QDISC_BYPASS: straight to the driver; when that is full, -ENOBUFS
};

/*
 * Without `copy`, all of a packet but its link-layer header leaves the ring as page fragments. A virtual link (veth, tun)
 * hands no such pages on: it allocates others and copies. With `copy` (PACKET_VNET_HDR, whose hdr_len says how much to
 * copy) an ordinary packet is copied at once into the socket buffer, which is faster there (`make bench-replay`). The
 * kernel then does not compare lengths with the MTU, so the caller must.
 */

/** What became of a packet. */
enum fancap_tx_fate {
	FANCAP_TX_SENT,	   ///< handed over, and the kernel is done with it (without carrier it is lost all the same)
	FANCAP_TX_WRONG,   ///< not sent: longer than the MTU allows, shorter than a link-layer header, bad offset
	FANCAP_TX_UNKNOWN, ///< only with packet_loss: sent or skipped, in a send that skipped some
};

/** A transmit ring: one owner at a time. */
struct fancap_tx;

/** Make the socket, the ring and its mapping, bound to the interface; receives nothing. @return 0 or -errno */
int fancap_tx_open(const struct fancap_tx_params *params, struct fancap_tx **ret, struct fancap_error *err);

/** Close it; NULL is fine. Packets queued and not sent are lost, those on their way are not. */
void fancap_tx_close(struct fancap_tx *tx);

/** The socket, for poll(): POLLOUT says that a frame may have become free, not that one is. */
int fancap_tx_fd(const struct fancap_tx *tx);

/** How many packets the ring holds. */
uint32_t fancap_tx_packets(const struct fancap_tx *tx);

/**
 * The data area of the next frame, of packet_max bytes; the same until fancap_tx_queue() or fancap_tx_send().
 *
 * @return NULL: no frame is free, or one whose fate has not been asked for is in the way: fancap_tx_reap(), or wait
 */
void *fancap_tx_frame(struct fancap_tx *tx);

/**
 * Hand the frame that fancap_tx_frame() gave to the kernel; it leaves with the next fancap_tx_send().
 *
 * @param len    bytes of the packet; checked against the frame's own room only, so that the kernel has its say
 * @param offset where the data begins, counted from what fancap_tx_frame() gave (only with custom_offset, else 0)
 * @return 0; -EMSGSIZE does not fit the frame; -EINVAL an offset without custom_offset; -ENOBUFS there was no frame
 */
int fancap_tx_queue(struct fancap_tx *tx, uint32_t len, uint32_t offset);

/**
 * Send what is queued. Whatever is returned, packets stay queued until they are accepted or found wrong, and the next
 * call goes on with them.
 *
 * @param wait return when all of it has been sent (not only accepted) or the device takes no more, else at once
 *             (MSG_DONTWAIT)
 * @return bytes accepted; -EINVAL a wrong frame stopped it (without skip_wrong; frames before it are sent, the next
 *         call goes on behind it); nothing accepted and -EAGAIN too much is on its way, -ENOBUFS the device takes no
 *         more now (with qdisc_bypass also while it has no carrier: see fancap_link.carrier); -EINTR; -ENETDOWN interface down; -ENXIO interface gone for good; other -errno
 */
int fancap_tx_send(struct fancap_tx *tx, bool wait);

/**
 * What became of the oldest packet not yet asked for. Packets are told in the order in which they were queued.
 *
 * @return 1 ret_fate is set, 0 it is still on its way, or there is none
 */
int fancap_tx_reap(struct fancap_tx *tx, enum fancap_tx_fate *ret_fate);

/** How many packets are queued, on their way, or have a fate that was not asked for. */
uint32_t fancap_tx_pending(const struct fancap_tx *tx);

#ifdef __cplusplus
}
#endif

#endif
