// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_WAITING_H
#define DAEMON_WAITING_H

#include "daemon/control.h"

struct event;
struct event_base;

/** A job that waits for something, but not for ever. The first member of what else is known of it, in one allocation. */
struct waiting {
	struct waiting *next, **list;
	struct control_job *job;
	struct event *limit;
	void (*drop)(struct waiting *waiting); ///< free what else belongs to it; NULL: nothing does
};

/**
 * Wait.
 *
 * @param waiting  from malloc(); freed when it is over, forgotten, or this fails
 * @param list     that it is put at the end of
 * @param limit_ms the job is over then, not in time
 * @return 0 or -ENOMEM
 */
int waiting_begin(struct waiting *waiting, struct waiting **list, struct event_base *base, unsigned limit_ms,
		  struct control_job *job);

/** It has come: the job is over. */
void waiting_over(struct waiting *waiting, const struct control_outcome *outcome);

/** The job's over() is not called any more. A job that is not in the list is fine. */
void waiting_forget(struct waiting **list, const struct control_job *job);

/** Forget all. */
void waiting_done(struct waiting **list);

#endif
