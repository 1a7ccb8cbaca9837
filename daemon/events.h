// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_EVENTS_H
#define DAEMON_EVENTS_H

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct log_message;

/** So many are remembered. */
#define EVENTS_MAX 256u

/** What happened. Names: event_kind_name(). */
enum event_kind {
	EVENT_OTHER,
	EVENT_STARTED,
	EVENT_STOPPING,
	EVENT_WORKER_DIED,
	EVENT_WORKER_DEGRADED, ///< it hangs, or dies again and again
	EVENT_WORKER_READY,    ///< a dead one was replaced
	EVENT_KEEPER_DIED,
	EVENT_LINK,
	EVENT_LOSS,
	EVENT_DISK, ///< fails, or works again
	EVENT_ROTATION,
	EVENT_RETENTION,
	EVENT_RELOAD,
	EVENT_RELOAD_REFUSED,
	EVENT_ACTED,
	EVENT_KINDS
};

const char *event_kind_name(enum event_kind kind);

/** Something that happened. */
struct occurrence {
	uint64_t number;  ///< from 1; one more for each
	uint64_t time_ns; ///< CLOCK_REALTIME
	enum event_kind kind;
	int level;	    ///< syslog priority
	const char *interface; ///< NULL: of none
	int worker;	    ///< -1: of none
	const char *text;
};

/** Somebody who wants to know that something happened. Embedded. */
struct events_listener {
	void (*happened)(struct events_listener *listener);
	struct events_listener *next;
};

/**
 * The last things that happened. A message with an id that the log gets is one (events_note() is its tap): what is logged
 * and what is told of are the same, whatever the log's level.
 */
struct events;

/** @return the caller ends it with events_close(); NULL: ENOMEM */
struct events *events_open(struct event_base *base);
void events_close(struct events *events);

/** A message was logged: it happened, if it has an id. A log_sink_fn; @param events a struct events */
void events_note(const struct log_message *message, void *events);

/** The number of the latest; 0: nothing has happened. */
uint64_t events_latest(const struct events *events);

/**
 * The first that is remembered from this number on.
 *
 * @param ret texts are borrowed until the next event loop's turn
 * @return 0, -ENOENT there is none
 */
int events_read(const struct events *events, uint64_t number, struct occurrence *ret);

/** Be told from the event loop: soon after now, and whenever something happened. A listener may leave from there. */
void events_listen(struct events *events, struct events_listener *listener);
void events_leave(struct events *events, struct events_listener *listener);

#endif
