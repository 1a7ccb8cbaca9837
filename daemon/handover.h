// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_HANDOVER_H
#define DAEMON_HANDOVER_H

#include <stddef.h>

struct event_base;
struct ring_set;

/**
 * Sets of rings take over from others, under traffic.
 *
 * Both sets of a pair see everything for a while. One instant decides, by the packets' time stamps: those before it are the old
 * set's, the rest the new one's; the workers skip what is not theirs. So no packet is in both, or in neither. For that both
 * sets have to see the same stamp: the kernel is told to stamp a packet once, before any socket.
 */
struct handover;

/** Who is to know. */
struct handover_owner {
	/** The instant has been decided: what follows cannot fail. The new sets are those that packets come to. */
	void (*decided)(void *arg);
	/** It is over: the gates of the old sets are closed, and their workers drain them. */
	void (*over)(void *arg);
	void *arg;
};

/** @param owner copied. @return NULL: no memory. handover_free() ends it */
struct handover *handover_new(struct event_base *base, const struct handover_owner *owner);

/**
 * Add a pair, and have both stamped alike from now on.
 *
 * @param to with its gate closed, and no worker yet. NULL: nobody takes over, the old set's gate is closed at the end
 * @return 0 or -errno: nothing has changed
 */
int handover_add(struct handover *handover, struct ring_set *from, struct ring_set *to);

/** Begin: all workers of the new sets record, and their gates are open. */
void handover_begin(struct handover *handover);

/** Leave all as it is; before the instant was decided: the old sets as they were. NULL is fine. */
void handover_free(struct handover *handover);

#endif
