// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_SNAPSHOT_H
#define DAEMON_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

/** What packets of mixed traffic measure, about: to judge rings by. */
#define SNAPSHOT_PACKET_BYTES 800u

struct captures;
struct control_interface;
struct control_worker;
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

/** Fill in *ret, all of it. @param interface its place in the snapshot, and in the captures */
void snapshot_interface(const struct snapshot_scope *scope, size_t interface, struct control_interface *ret);
void snapshot_worker(const struct snapshot_scope *scope, size_t interface, unsigned worker, struct control_worker *ret);

#endif
