// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_SYNCER_H
#define DAEMON_SYNCER_H

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct ledger;

/** What becomes of it; called from the event loop. */
struct syncer_owner {
	void (*synced)(void *arg);			       ///< a file was made safe
	void (*failed)(const char *path, int error, void *arg); ///< once for each file; error is an errno value
	void *arg;
};

/**
 * Makes files that workers are writing safe on the disk, every so often, if they have grown: what a power cut may cost is
 * what was written since. A disk that takes longer than the interval is at it all the time, no more.
 */
struct syncer;

/** @param ledgers borrowed, of the workers. @return 0 or -errno */
int syncer_new(struct event_base *base, struct ledger *const *ledgers, size_t n, const struct syncer_owner *owner,
	       struct syncer **ret);

/** How often; 0: never. */
void syncer_configure(struct syncer *syncer, uint32_t interval_ms);

/** Waits for a sync under way. NULL is fine. */
void syncer_free(struct syncer *syncer);

#endif
