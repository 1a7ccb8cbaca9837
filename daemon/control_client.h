// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_CONTROL_CLIENT_H
#define DAEMON_CONTROL_CLIENT_H

#include <stdbool.h>

#include "daemon/access.h"
#include "daemon/control.h"

/** One connection: reads calls, answers them in order, keeps to the limits. Known to control.c only. */
struct control_client;

/** What clients have in common; owned by the control, outlives them. */
struct control_clients {
	struct event_base *base;
	struct control_limits limits;
	struct control_source source;
	struct access access;
	struct control_client *first;
	unsigned n_clients;
};

/**
 * Serve a connection until it ends by itself, or control_clients_done().
 *
 * @param fd non-blocking; taken over, even on failure
 * @return 0 or -ENOMEM
 */
int control_client_new(struct control_clients *clients, int fd);

/**
 * There are too many: drop the one that has been idle for longest; if none is, and the newcomer may act, one that may not.
 *
 * @return whether there was one
 */
bool control_clients_make_room(struct control_clients *clients, int newcomer);

/** Tell a connection that there are too many, and close it. Never blocks. */
void control_client_refuse(const struct control_clients *clients, int fd);

/** Drop all. */
void control_clients_done(struct control_clients *clients);

#endif
