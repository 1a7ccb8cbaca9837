// SPDX-License-Identifier: BSD-3-Clause
#ifndef REPLAY_SENDER_H
#define REPLAY_SENDER_H

#include <stdbool.h>

#include "fancap/error.h"
#include "fancap/link.h"
#include "replay/counts.h"
#include "replay/packet.h"

#define SENDER_NO_CARRIER "has no carrier: nothing is connected, or the other end is down"

/** A transmit ring that packets are put into, and the counts of what became of them. */
struct sender;

struct sender_params {
	const char *interface;
	struct fancap_link link;
	uint32_t packet_max;  ///< bytes
	bool qdisc;	      ///< through the queueing discipline, where taps on the interface see the packets
	const volatile int *stop; ///< not 0: do not wait any more
};

int sender_open(const struct sender_params *params, struct sender **ret, struct fancap_error *err);
void sender_close(struct sender *sender);

/**
 * Put a packet into the ring. It leaves with sender_flush(), or earlier: when enough have come together.
 * Waits for room while the interface takes no more. What has become too long for the interface meanwhile is skipped and
 * counted.
 *
 * @return 1 it is in the ring; 0 skipped; -EINTR asked to stop; -ENETDOWN; -errno
 */
int sender_put(struct sender *sender, const struct replay_packet *packet, struct replay_counts *counts,
	       struct fancap_error *err);

/**
 * Let what was put leave, as far as the interface takes it now, and count.
 *
 * @return 0; -ENETDOWN, also without carrier: it would never take any, or lose all; -errno
 */
int sender_flush(struct sender *sender, struct replay_counts *counts, struct fancap_error *err);

/** The interface's MTU (feed_mtu()): as it was, or the least seen since. */
uint32_t sender_mtu(const struct sender *sender);

/**
 * Wait until all has left; a second at most once asked to stop.
 *
 * @return 0; -ETIME not all of it; -ENETDOWN; -errno
 */
int sender_finish(struct sender *sender, struct replay_counts *counts, struct fancap_error *err);

#endif
