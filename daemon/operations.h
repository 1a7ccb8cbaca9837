// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_OPERATIONS_H
#define DAEMON_OPERATIONS_H

#include <stdbool.h>

#include "daemon/capture.h"
#include "daemon/child.h"
#include "daemon/control.h"

/* What the supervisor does to a running capture because somebody called a method. */

struct waiting;

/**
 * Close the gates of an interface, or open them again; of all if it is NULL. Those that are as they should be already stay so.
 *
 * @param ret_changed of how many it was changed
 * @return 0; -ENODEV no such interface; -errno with err: one cannot be opened, those before it are
 */
int operations_pause(const struct captures *captures, const char *interface, bool pause, unsigned *ret_changed,
		     struct fancap_error *err);

/**
 * Go over to another filter, until the next reload, and tell the workers.
 *
 * @param filter NULL or "": everything
 * @return 0; -ENODEV no such interface; -EINVAL it does not compile, or -errno: it is as before, err says why
 */
int operations_filter(const struct captures *captures, const char *interface, const char *filter,
		      struct fancap_error *err);

/**
 * Replace a worker of an interface's newest set. The job is over when the replacement records, and has its pid.
 *
 * @param restarts those under way
 * @return 0; -ENODEV no such interface; -ESRCH no such worker; -EAGAIN it waits for its interface; -ENOMEM
 */
int operations_restart(struct waiting **restarts, struct event_base *base, const struct captures *captures,
		       const char *interface, unsigned worker, unsigned limit_ms, struct control_job *job);

/** A worker records: see whose job is over. */
void operations_ready(struct waiting **restarts, const struct child *child);

#endif
