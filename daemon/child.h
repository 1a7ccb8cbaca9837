// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_CHILD_H
#define DAEMON_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/capture.h"

struct event;
struct event_base;
struct child;

/** What a child's owner wants to know. */
struct child_owner {
	void (*ready)(struct child *child, void *arg);	///< it records
	void (*losing)(struct child *child, void *arg); ///< the kernel says it dropped packets of its ring
	struct event_base *base;
	void *arg;
};

/** A worker process as the supervisor sees it; replaced when it dies, with growing patience. */
struct child {
	const struct child_owner *owner;
	struct capture *capture;
	unsigned worker;
	pid_t pid; ///< 0: none
	int channel_fd;
	bool ready;
	bool ordered;  ///< to leave
	bool finished; ///< it left as ordered, or was never started
	uint64_t restarts;
	uint64_t started_ns; ///< CLOCK_MONOTONIC
	unsigned backoff_ms; ///< the next wait
	struct event *channel_event;
	struct event *restart_event;
};

/** @param owner borrowed. @return 0 or -errno; child_done() in any case */
int child_init(struct child *child, const struct child_owner *owner, struct capture *capture,
	       unsigned worker);

/** Fork the process. @return 0 or -errno */
int child_start(struct child *child);

/** The process has been waited for: take note, and of whether it finished. Its replacement is not started. */
void child_reaped(struct child *child, int status);

/** Start a replacement after a while. */
void child_restart_later(struct child *child);

/** Start the replacement now, if it was to be later; and any after it with the first backoff again. */
void child_hurry(struct child *child);

/** Tell the process to record this many packets in all and leave. */
void child_stop(struct child *child, uint64_t packets);

/** Tell the process the capture's settings. */
void child_configure(struct child *child);

/** Free what belongs to it; a process that still runs sees its channel closed. */
void child_done(struct child *child);

#endif
