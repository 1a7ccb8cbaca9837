// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_SNAPSHOT_H
#define DAEMON_SNAPSHOT_H

#include <stdint.h>

struct captures;
struct statistics;

/** What is counted: borrowed. */
struct snapshot_scope {
	const struct captures *captures;
	uint64_t started_ns; ///< CLOCK_REALTIME, when the daemon started
};

/**
 * Read all counters, the kernel's too, and sum them up. Touches no disk.
 *
 * @return the caller frees it with statistics_free(); its names are those of the captures' configuration. NULL: ENOMEM
 */
struct statistics *snapshot_take(const struct snapshot_scope *scope);

#endif
