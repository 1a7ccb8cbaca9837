// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_SNAPSHOT_H
#define DAEMON_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

struct capture;
struct child;
struct statistics;

/** What is counted: borrowed. */
struct snapshot_scope {
	struct capture *captures; ///< one per interface
	size_t n_captures;
	const struct child *children; ///< of all captures, in order
	uint64_t started_ns;	      ///< CLOCK_REALTIME, when the daemon started
};

/**
 * Read all counters, the kernel's too, and sum them up. Touches no disk.
 *
 * @return the caller frees it with statistics_free(); its names are those of the captures' configuration. NULL: ENOMEM
 */
struct statistics *snapshot_take(const struct snapshot_scope *scope);

#endif
