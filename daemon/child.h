// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_CHILD_H
#define DAEMON_CHILD_H

#include "daemon/process.h"

struct child;
struct ring_set;

/** What a child's owner wants to know. */
struct child_owner {
	void (*ready)(struct child *child, void *arg);	///< it records
	void (*losing)(struct child *child, void *arg); ///< the kernel says it dropped packets of its ring
	void (*rotated)(struct child *child, void *arg); ///< it has finished its file, as told
	struct event_base *base;
	int mailbox_fd; ///< of the storage keeper, to post to
	void *arg;
};

/** A worker process as the supervisor sees it. */
struct child {
	struct process process;
	const struct child_owner *owner;
	struct ring_set *set;
	unsigned worker;
	uint64_t position; ///< in the ring, when the process began
	uint64_t restarts_before; ///< by an earlier fancapd
	uint64_t rotation_told; ///< number of the last rotation that is its as well
	uint64_t rotation_done; ///< number of the last one it has done
};

/** @param owner borrowed. @return 0 or -errno; process_done() in any case */
int child_init(struct child *child, const struct child_owner *owner, struct ring_set *set, unsigned worker);

/** One for each ring of a set; none is started. @return 0 or -errno: there are none then */
int children_open(struct ring_set *set, const struct child_owner *owner);

/** Free those that there are; one that still runs sees its channel closed. */
void children_close(struct ring_set *set);

/** Whether all have left as ordered, or have not been started. */
bool children_are_finished(const struct ring_set *set);

/** Start those that are finished. One that cannot be is tried again later. */
void children_start(struct ring_set *set);

/** Have the rings drained as far as the kernel has filled them, and leave. One that is not ready yet is ordered later. */
void children_drain(struct ring_set *set);

/** Whether all have said that they record. */
bool children_are_ready(const struct ring_set *set);

/** There is nothing in the rings that anybody wants: have them leave, and not be replaced. */
void children_dismiss(struct ring_set *set);

/** Have one record what the kernel says is in its ring, and leave. */
void child_drain(struct child *child);

/** The process has been waited for: take note, also of the block it died in. Its replacement is not started. */
void child_reaped(struct child *child, int status);

/** See whether the process gets on; if not, kill it. @return whether it does, or there is none to be expected to */
bool child_check(struct child *child);

/** Tell the process to record this many packets in all and leave. */
void child_stop(struct child *child, uint64_t packets);

/** Tell the process the settings of its set. */
void child_configure(struct child *child);

/** Tell the process to finish its file, for the rotation of this number; numbers only grow. */
void child_rotate(struct child *child, uint64_t rotation);

#endif
