// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_PRESENCE_H
#define DAEMON_PRESENCE_H

#include <stddef.h>

#include "daemon/capture.h"

struct event_base;

/** What is to be done about workers. */
struct presence_owner {
	void (*attached)(struct capture *capture, void *arg); ///< it has rings; perhaps nobody works on them yet
	void (*gone)(struct capture *capture, void *arg);     ///< its device is: the workers of its set are to drain the rings and leave
	void (*renamed)(struct capture *capture, void *arg);  ///< its settings have changed
	void *arg;
};

/**
 * Follows the devices that are captured from: up and down, their names, their counters; sees those that are deleted,
 * and attaches captures to those that come.
 *
 * A capture stays with its device for as long as that exists, whatever its name is changed to. Then the configured name
 * counts again.
 */
struct presence;

/** Begin to gather what the kernel says. @param owner copied. @return 0 or -errno; presence_close() ends it */
int presence_open(struct event_base *base, const struct presence_owner *owner, struct presence **ret,
		  struct fancap_error *err);

/** See to these captures from now on, and to those that are added to them, and to what happened since presence_open(). @return 0 or -errno */
int presence_start(struct presence *presence, struct captures *captures);

/** Leave things as they are from now on. */
void presence_stop(struct presence *presence);

/** To be called every second: asks for counters, and for what may have escaped us. */
void presence_second(struct presence *presence);

/** Look for a device for a capture that has none. */
void presence_look(struct presence *presence, const struct capture *capture);

/** NULL is fine. */
void presence_close(struct presence *presence);

#endif
