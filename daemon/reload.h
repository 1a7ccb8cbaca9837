// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_RELOAD_H
#define DAEMON_RELOAD_H

#include <stdbool.h>
#include <stddef.h>

struct captures;
struct child_owner;
struct config;
struct event_base;
struct ring_set;

enum reload_result {
	RELOAD_DONE,
	RELOAD_INVALID,	      ///< the configuration is wrong
	RELOAD_NEEDS_RESTART, ///< it is right, but asks for other users, directories or sockets
	RELOAD_UNAVAILABLE,   ///< not now: starting, stopping, out of memory, another one under way
};

/** How a reload went. */
struct reload_report {
	enum reload_result result;
	char *reasons; ///< why it was refused, one a line; owned, NULL: none, or no memory
};

void reload_report_done(struct reload_report *report);

/** Who sees to what a reload leaves. */
struct reload_owner {
	struct event_base *base;
	const char *path; ///< of the configuration
	struct captures *captures;
	const struct child_owner *children; ///< of workers to be
	/** Another configuration is in force, and the owner's; nothing refers to the one before any more. */
	void (*in_force)(struct config *config, void *arg);
	/** Nobody works on this set any more, and nobody will: it is to be retired. */
	void (*finished)(struct ring_set *set, void *arg);
	/** What took its time is over. @param report the callee ends it */
	void (*over)(struct reload_report *report, void *arg);
	void *arg;
};

/** Reads the configuration again and goes over to it, as often as it is told to. Embedded; all zero but for its owner. */
struct reload {
	struct reload_owner owner;
	struct reload_run *run; ///< the one under way; NULL: none
};

/**
 * Read the configuration again and go over to it: all of it, or, if any of it is wrong or cannot be had, none. Either is
 * logged.
 *
 * What needs other rings (workers, ring, fanout and the like) gets a new set of them beside the old one, which takes over at
 * one instant; that takes its time. Interfaces are added and removed. What takes a restart is refused.
 *
 * @param current    the configuration in force
 * @param ret_report set if it is over; ended with reload_report_done()
 * @return whether it is over; if not, over() will be called
 */
bool reload_begin(struct reload *reload, const struct config *current, struct reload_report *ret_report);

/**
 * At the start: let sets that are `coming` take over from those that an earlier fancapd left. Their workers record, and gates
 * are as after a start. @return 0 or -ENOMEM
 */
int reload_take_over(struct reload *reload);

/** A worker says that it records, or has died: see whether that was what a reload waited for. */
void reload_check(struct reload *reload);

/** What it relied on is no more: give up, if it has not been decided yet. @param why for its caller */
void reload_give_up(struct reload *reload, const char *why);

/** Forget the one under way; nobody is told. For the end. */
void reload_stop(struct reload *reload);

#endif
