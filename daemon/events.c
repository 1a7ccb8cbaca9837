// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/messages.h"

static const char *const kind_names[EVENT_KINDS] = {
	[EVENT_OTHER] = "other",
	[EVENT_STARTED] = "started",
	[EVENT_STOPPING] = "stopping",
	[EVENT_WORKER_DIED] = "worker_died",
	[EVENT_WORKER_DEGRADED] = "worker_degraded",
	[EVENT_WORKER_READY] = "worker_ready",
	[EVENT_KEEPER_DIED] = "keeper_died",
	[EVENT_LINK] = "link",
	[EVENT_LOSS] = "loss",
	[EVENT_DISK] = "disk",
	[EVENT_ROTATION] = "rotation",
	[EVENT_RETENTION] = "retention",
	[EVENT_RELOAD] = "reload",
	[EVENT_RELOAD_REFUSED] = "reload_refused",
	[EVENT_ACTED] = "acted",
};

/* What is not here is EVENT_OTHER. */
static const struct {
	const char *message_id;
	enum event_kind kind;
} kinds[] = {
	{MESSAGE_STARTED, EVENT_STARTED},
	{MESSAGE_STOPPING, EVENT_STOPPING},
	{MESSAGE_WORKER_DIED, EVENT_WORKER_DIED},
	{MESSAGE_WORKER_HUNG, EVENT_WORKER_DEGRADED},
	{MESSAGE_WORKER_DEGRADED, EVENT_WORKER_DEGRADED},
	{MESSAGE_WORKER_STARTED, EVENT_WORKER_READY},
	{MESSAGE_KEEPER_DIED, EVENT_KEEPER_DIED},
	{MESSAGE_LINK_DOWN, EVENT_LINK},
	{MESSAGE_LINK_UP, EVENT_LINK},
	{MESSAGE_LINK_MISSING, EVENT_LINK},
	{MESSAGE_LINK_BACK, EVENT_LINK},
	{MESSAGE_LINK_RENAMED, EVENT_LINK},
	{MESSAGE_PACKETS_DROPPED, EVENT_LOSS},
	{MESSAGE_WRITE_FAILED, EVENT_DISK},
	{MESSAGE_WRITE_RESUMED, EVENT_DISK},
	{MESSAGE_STORAGE_ERROR, EVENT_DISK},
	{MESSAGE_FILE_COMPLETE, EVENT_ROTATION},
	{MESSAGE_FILES_REMOVED, EVENT_RETENTION},
	{MESSAGE_RELOADED, EVENT_RELOAD},
	{MESSAGE_RELOAD_REFUSED, EVENT_RELOAD_REFUSED},
	{MESSAGE_CALLED, EVENT_ACTED},
};

struct remembered {
	struct occurrence what;
	char interface[16];
	char *text;
};

struct events {
	struct event *wake; /* whoever logs is in the middle of something: listeners are called by the loop */
	struct events_listener *listeners;
	uint64_t latest;
	struct remembered ring[EVENTS_MAX]; /* number n in n % EVENTS_MAX */
};

const char *event_kind_name(enum event_kind kind)
{
	return kind_names[kind];
}

static enum event_kind kind_of(const char *message_id)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].message_id, message_id) == 0)
			return kinds[i].kind;
	}
	return EVENT_OTHER;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct events *events = arg;

	(void)fd;
	(void)what;
	for (struct events_listener *at = events->listeners, *next; at != NULL; at = next) {
		next = at->next;
		at->happened(at);
	}
}

struct events *events_open(struct event_base *base)
{
	struct events *events = calloc(1, sizeof(*events));

	if (events == NULL)
		return NULL;
	events->wake = event_new(base, -1, 0, on_wake, events);
	if (events->wake != NULL)
		return events;
	free(events);
	return NULL;
}

void events_close(struct events *events)
{
	if (events == NULL)
		return;
	event_free(events->wake);
	for (size_t i = 0; i < EVENTS_MAX; i++)
		free(events->ring[i].text);
	free(events);
}

void events_note(const struct log_message *message, void *arg)
{
	struct events *events = arg;
	struct remembered *one;

	if (message->message_id == NULL)
		return;
	one = &events->ring[++events->latest % EVENTS_MAX];
	free(one->text);
	one->text = strdup(message->text);
	snprintf(one->interface, sizeof(one->interface), "%s",
		 message->context.interface != NULL ? message->context.interface : "");
	one->what = (struct occurrence){
		.number = events->latest,
		.time_ns = clock_realtime_ns(),
		.kind = kind_of(message->message_id),
		.level = message->level,
		.interface = one->interface[0] != '\0' ? one->interface : NULL,
		.worker = message->context.worker,
		.text = one->text != NULL ? one->text : "out of memory",
	};
	event_active(events->wake, 0, 0);
}

uint64_t events_latest(const struct events *events)
{
	return events->latest;
}

int events_read(const struct events *events, uint64_t number, struct occurrence *ret)
{
	uint64_t oldest = events->latest < EVENTS_MAX ? 1 : events->latest - EVENTS_MAX + 1;

	if (number > events->latest)
		return -ENOENT;
	*ret = events->ring[(number < oldest ? oldest : number) % EVENTS_MAX].what;
	return ret->number != 0 ? 0 : -ENOENT;
}

void events_listen(struct events *events, struct events_listener *listener)
{
	listener->next = events->listeners;
	events->listeners = listener;
	event_active(events->wake, 0, 0);
}

void events_leave(struct events *events, struct events_listener *listener)
{
	struct events_listener **at = &events->listeners;

	while (*at != listener)
		at = &(*at)->next;
	*at = listener->next;
}
