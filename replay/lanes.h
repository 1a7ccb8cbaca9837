// SPDX-License-Identifier: BSD-3-Clause
#ifndef REPLAY_LANES_H
#define REPLAY_LANES_H

#include <stdint.h>

#include "fancap/error.h"
#include "replay/counts.h"
#include "replay/feed.h"
#include "replay/sender.h"

/**
 * Several threads that send from memory at top speed, each through a ring of its own. The packets between two addresses
 * are all in one lane, so they stay in order; those of different lanes overtake each other.
 */
struct lanes;

/**
 * Read all of a feed into memory and make the rings.
 *
 * @param loops passes over the packets, 0: until stopped
 * @return 0; -ENOMEM; as feed_next() and sender_open()
 */
int lanes_open(unsigned n, uint64_t loops, struct feed *feed, const struct sender_params *sender, struct lanes **ret,
	       struct fancap_error *err);
void lanes_close(struct lanes *lanes);

/** Begin to send. @return 0 or -errno */
int lanes_start(struct lanes *lanes, struct fancap_error *err);

/** Whether some are still sending; may be asked at any time, as may be the counts. */
bool lanes_running(struct lanes *lanes);

/** What has been sent so far, as of a moment ago; exact once none is running. */
void lanes_count(struct lanes *lanes, struct replay_counts *ret_counts, uint64_t *ret_unsent);

/** Wait for the end. @return 0; -EINTR asked to stop; -errno of the first lane that failed */
int lanes_join(struct lanes *lanes, struct fancap_error *err);

#endif
