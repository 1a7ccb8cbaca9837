// SPDX-License-Identifier: BSD-3-Clause
#ifndef REPLAY_FEED_H
#define REPLAY_FEED_H

#include <stdbool.h>
#include <stddef.h>

#include "fancap/error.h"
#include "fancap/link.h"
#include "replay/counts.h"
#include "replay/packet.h"

/** The packets that are to be sent: of several files, by time, those that fit the interface and pass the filter. */
struct feed;

struct feed_params {
	const char *const *paths; ///< kept: they live as long as the feed
	size_t n_paths;
	const char *filter; ///< libpcap expression or NULL; tags are where the file has them
	struct fancap_link link;
	const volatile int *stop; ///< looked at all the while: not 0 makes everything return -EINTR
};

/** Open the files. @return 0; -EINVAL the filter; as fancap_capfile_open() */
int feed_open(const struct feed_params *params, struct feed **ret, struct fancap_error *err);
void feed_close(struct feed *feed);

/**
 * Read all packets into memory, to be given from there. Their skips are counted when they are given.
 *
 * @return 0; -ENOMEM; as feed_next()
 */
int feed_preload(struct feed *feed, struct fancap_error *err);

/**
 * The next packet that is to be sent.
 *
 * @param counts the packets passed over on the way are added
 * @return as fancap_capfile_next(); -EINTR only when asked to stop
 */
int feed_next(struct feed *feed, struct replay_counts *counts, struct replay_packet *ret, struct fancap_error *err);

/** Whether feed_next() may have to wait for whoever writes a file, as merge_may_wait(). */
bool feed_may_wait(const struct feed *feed);

/** Begin again. @return as fancap_capfile_rewind() */
int feed_rewind(struct feed *feed, struct fancap_error *err);

/** Whether the interface takes such a packet, and if not why: SKIP_REASONS if it does. By itself for the tests. */
enum skip_reason feed_fit(const struct fancap_link *link, uint16_t linktype, const struct replay_packet *packet);

/**
 * The interface's MTU, as far as it is made use of: a packet leaves a transmit ring in so many pieces of memory at most
 * (MAX_SKB_FRAGS) that one of 64 KiB always goes, while lo and dummy may have any MTU.
 */
uint32_t feed_mtu(const struct fancap_link *link);

/** Bytes of the longest packet that feed_fit() lets through. */
uint32_t feed_packet_max(const struct fancap_link *link);

#endif
