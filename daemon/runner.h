// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_RUNNER_H
#define DAEMON_RUNNER_H

#include <stdbool.h>
#include <stddef.h>

struct event_base;

/** Something that blocks. Embedded in what it is about, which stays put until done() is called. */
struct job {
	void (*run)(struct job *job);  ///< in the runner's thread: touches nothing but the job
	void (*done)(struct job *job); ///< in the event loop; frees it
	struct job *next;	       ///< the runner's
};

/** A thread that does jobs one after the other, so that an event loop need not wait for a disk. */
struct runner;

enum runner_priority {
	RUNNER_NORMAL,
	RUNNER_IDLE, ///< what CPUs and disks have to spare
};

/**
 * Start one.
 *
 * @param name of the thread, 15 bytes at most
 * @return 0 or -errno
 */
int runner_new(struct event_base *base, const char *name, enum runner_priority priority, struct runner **ret);

/** Queue a job. Never blocks. */
void runner_add(struct runner *runner, struct job *job);

/** Jobs whose done() has not been called. */
size_t runner_pending(const struct runner *runner);

/** Wait for the job under way, then end; nothing else is run, and done() not called. NULL is fine. */
void runner_free(struct runner *runner);

#endif
