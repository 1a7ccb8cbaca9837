// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/methods_private.h"

#include <stdlib.h>
#include <syslog.h>

#include "daemon/events.h"

/** Somebody is told what happens. What he has no room for stays where it is remembered, as long as it is. */
struct events_stream {
	struct events_listener listener; /* its first member */
	struct method_wait *wait;
	uint64_t next; /* number of the next to tell */
};

static const char *priority_name(int level)
{
	switch (level) {
	case LOG_DEBUG:
	case LOG_INFO: return "info";
	case LOG_NOTICE: return "notice";
	case LOG_WARNING: return "warning";
	default: return "error";
	}
}

static json_t *occurrence_pack(const struct occurrence *what)
{
	return json_pack("{s:o, s:o, s:s, s:s, s:o, s:o, s:o}",
			 "number", varlink_count(what->number),
			 "time_ns", varlink_count(what->time_ns),
			 "kind", event_kind_name(what->kind),
			 "priority", priority_name(what->level),
			 "interface", what->interface ? varlink_text(what->interface) : json_null(),
			 "worker", method_number_or_null(what->worker >= 0, what->worker),
			 "text", varlink_text(what->text));
}

static void on_end(struct method_wait *wait)
{
	struct events_stream *stream = wait->stream;

	events_leave(wait->source->events, &stream->listener);
	free(stream);
}

/* When one cannot be made for want of memory, the next is tried: the numbers tell. */
static void tell(struct events_stream *stream)
{
	struct method_wait *wait = stream->wait;
	struct occurrence what;

	while (wait->takes(wait) && events_read(wait->source->events, stream->next, &what) == 0) {
		struct method_reply reply = { .parameters = occurrence_pack(&what), .continues = true };

		stream->next = what.number + 1;
		if (reply.parameters && !wait->answer(wait, &reply))
			return; /* and the stream is no more */
	}
}

static void on_happened(struct events_listener *listener)
{
	tell((struct events_stream *)listener);
}

static void on_room(struct method_wait *wait)
{
	tell(wait->stream);
}

bool methods_events(const struct control_source *source, json_t *parameters, struct method_wait *wait,
		    struct method_reply *ret_reply)
{
	json_int_t backlog = json_integer_value(json_object_get(parameters, "backlog")); /* 0 if there is none */
	struct events_stream *stream;
	uint64_t latest;

	if (backlog < 0 || backlog > EVENTS_MAX) {
		method_error(ret_reply, VARLINK_ERROR_INVALID_PARAMETER, "parameter", json_string("backlog"));
		return true;
	}
	if (!wait->more) {
		*ret_reply = (struct method_reply){ VARLINK_ERROR_EXPECTED_MORE, json_object(), false };
		return true;
	}
	stream = calloc(1, sizeof(*stream));
	if (!stream) {
		method_unavailable(ret_reply, "out of memory");
		return true;
	}
	latest = events_latest(source->events);
	stream->listener.happened = on_happened;
	stream->wait = wait;
	stream->next = latest + 1 - ((uint64_t)backlog < latest ? (uint64_t)backlog : latest);
	wait->stream = stream;
	wait->room = on_room;
	wait->end = on_end;
	events_listen(source->events, &stream->listener);
	return false;
}
