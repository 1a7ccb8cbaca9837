// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/methods_private.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "daemon/statistics.h"
#include "varlink/interfaces.h"

/* doc/io.fancap.varlink says so too. */
#define INTERVAL_MIN_MS 100
#define INTERVAL_MAX_MS 3600000
#define INTERVAL_DEFAULT_MS 1000

static const struct {
	const char *name;
	size_t offset; ///< in struct statistics_counters, of a uint64_t
} counters[] = {
#define COUNTER(name) { #name, offsetof(struct statistics_counters, name) }
	COUNTER(packets_seen), COUNTER(packets_dropped), COUNTER(packets_delivered), COUNTER(packets_written),
	COUNTER(packets_discarded), COUNTER(packets_in_ring), COUNTER(bytes_written), COUNTER(ring_freezes),
	COUNTER(ring_rollovers), COUNTER(ring_rollovers_huge), COUNTER(ring_rollovers_failed), COUNTER(blocks_direct),
	COUNTER(blocks_staged), COUNTER(writes), COUNTER(write_ns), COUNTER(write_mean_ns), COUNTER(write_max_ns),
	COUNTER(worker_restarts),
#undef COUNTER
};

static uint64_t counter_value(const struct statistics_counters *c, size_t i)
{
	uint64_t value;

	memcpy(&value, (const char *)c + counters[i].offset, sizeof(value));
	return value;
}

/* Add the counters to an object, flat. @return 0 or -1 */
static int counters_pack_into(json_t *object, const struct statistics_counters *c)
{
	json_t *reasons = json_object();
	int r = 0;

	for (int i = 0; i < DISCARD_REASONS; i++)
		r |= json_object_set_new(reasons, discard_reason_name((enum discard_reason)i),
					 varlink_count(c->discarded_by_reason[i]));
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		r |= json_object_set_new(object, counters[i].name, varlink_count(counter_value(c, i)));
	return r | json_object_set_new(object, "discarded_by_reason", reasons);
}

/* object (taken over) with the counters added; NULL: no memory. */
static json_t *with_counters(json_t *object, const struct statistics_counters *c)
{
	if (object && counters_pack_into(object, c) == 0)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *worker_pack(const struct statistics_worker *w)
{
	json_t *object = json_pack("{s:I, s:s, s:o, s:o, s:I, s:I, s:I, s:s, s:o}",
				   "worker", (json_int_t)w->worker,
				   "state", worker_state_name(w->state),
				   "pid", w->pid > 0 ? json_integer(w->pid) : json_null(),
				   "cpu", w->cpu >= 0 ? json_integer(w->cpu) : json_null(),
				   "ring_blocks", (json_int_t)w->ring_blocks,
				   "ring_blocks_used", (json_int_t)w->ring_blocks_used,
				   "ring_blocks_used_max", (json_int_t)w->ring_blocks_used_max,
				   "writer", method_writer_name(w),
				   "direct_io", method_direct_io(w));

	return with_counters(object, &w->counters);
}

static json_t *nic_pack(const struct statistics_interface *iface)
{
	const struct link_counters *nic = &iface->nic;

	if (!iface->has_nic)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}",
			 "rx_packets", varlink_count(nic->rx_packets),
			 "rx_errors", varlink_count(nic->rx_errors),
			 "rx_dropped", varlink_count(nic->rx_dropped),
			 "rx_missed", varlink_count(nic->rx_missed),
			 "rx_fifo", varlink_count(nic->rx_fifo),
			 "rx_nohandler", varlink_count(nic->rx_nohandler));
}

static json_t *interface_pack(const struct statistics_interface *iface)
{
	json_t *workers = json_array();
	json_t *object;
	int r = 0;

	for (size_t i = 0; i < iface->n_workers; i++)
		r |= json_array_append_new(workers, worker_pack(&iface->workers[i]));

	object = json_pack("{s:o, s:o, s:s, s:o, s:o, s:s, s:o, s:o}",
			   "interface", varlink_text(iface->name),
			   "device", method_device_name(iface),
			   "state", interface_state_name(iface->state),
			   "ifindex", method_number_or_null(iface->device, iface->ifindex),
			   "fanout_id", method_number_or_null(iface->device, iface->fanout_id),
			   "fanout_mode", iface->fanout_mode,
			   "flow_balance", iface->flow_balance > 0 ? json_real(iface->flow_balance) : json_null(),
			   "nic", nic_pack(iface));
	object = with_counters(object, &iface->counters);
	r |= json_object_set_new(object, "workers", workers);
	if (r == 0)
		return object;
	json_decref(object);
	return NULL;
}

/* @param only NULL: all interfaces */
static json_t *statistics_pack(const struct statistics *stats, const struct statistics_interface *only)
{
	json_t *array = json_array();
	json_t *total = with_counters(json_object(), only ? &only->counters : &stats->total);
	int r = 0;

	for (size_t i = 0; i < stats->n_interfaces; i++)
		if (!only || only == &stats->interfaces[i])
			r |= json_array_append_new(array, interface_pack(&stats->interfaces[i]));
	if (r != 0) {
		json_decref(array);
		array = NULL;
	}
	return json_pack("{s:o, s:o, s:o, s:o}",
			 "time_ns", varlink_count(stats->time_ns),
			 "started_ns", varlink_count(stats->started_ns),
			 "interfaces", array,
			 "total", total);
}

/* @param name NULL: of all */
static void answer(const struct control_source *source, const char *name, struct method_reply *ret_reply)
{
	const struct statistics_interface *only = NULL;
	struct statistics *stats = source->snapshot(source->arg);

	if (!stats) {
		method_unavailable(ret_reply, "no statistics yet");
		return;
	}
	if (name)
		only = method_interface_find(stats, name);
	if (name && !only)
		method_error(ret_reply, FANCAP_ERROR_NO_SUCH_INTERFACE, "interface", json_string(name));
	else
		ret_reply->parameters = statistics_pack(stats, only);
	statistics_free(stats);
}

/* --- as a stream --------------------------------------------------------------------------------- */

/** Somebody is told the statistics again and again. */
struct statistics_stream {
	struct method_wait *wait;
	struct event *timer;
	unsigned interval_ms;
	char *interface; ///< NULL: of all
};

static void stream_free(struct statistics_stream *stream)
{
	if (stream && stream->timer)
		event_free(stream->timer);
	if (stream)
		free(stream->interface);
	free(stream);
}

static void on_end(struct method_wait *wait)
{
	stream_free(wait->stream);
}

/* A caller who does not keep up gets none, and none is made. */
static void on_interval(evutil_socket_t fd, short what, void *arg)
{
	struct statistics_stream *stream = arg;
	const struct timeval interval = { .tv_sec = stream->interval_ms / 1000,
					  .tv_usec = (suseconds_t)(stream->interval_ms % 1000) * 1000 };
	struct method_wait *wait = stream->wait;
	struct method_reply reply = { 0 };

	(void)fd;
	(void)what;
	event_add(stream->timer, &interval);
	if (!wait->takes(wait))
		return;
	answer(wait->source, stream->interface, &reply);
	reply.continues = !reply.error && reply.parameters;
	if (!reply.continues)
		stream_free(stream);
	(void)wait->answer(wait, &reply);
}

/* The interface is one that there is. @return 0 or -ENOMEM */
static int stream_start(struct method_wait *wait, const char *interface, unsigned interval_ms)
{
	struct statistics_stream *stream = calloc(1, sizeof(*stream));
	const struct timeval now = { 0 };

	if (!stream)
		return -ENOMEM;
	stream->wait = wait;
	stream->interval_ms = interval_ms;
	stream->interface = interface ? strdup(interface) : NULL;
	stream->timer = evtimer_new(wait->base, on_interval, stream);
	if ((interface && !stream->interface) || !stream->timer || event_add(stream->timer, &now) < 0) {
		stream_free(stream);
		return -ENOMEM;
	}
	wait->stream = stream;
	wait->end = on_end;
	return 0;
}

bool methods_get_statistics(const struct control_source *source, json_t *parameters, struct method_wait *wait,
			    struct method_reply *ret_reply)
{
	const char *name = json_string_value(json_object_get(parameters, "interface"));
	json_t *given = json_object_get(parameters, "interval_ms");
	json_int_t interval_ms = given && !json_is_null(given) ? json_integer_value(given) : INTERVAL_DEFAULT_MS;

	if (interval_ms < INTERVAL_MIN_MS || interval_ms > INTERVAL_MAX_MS) {
		method_error(ret_reply, VARLINK_ERROR_INVALID_PARAMETER, "parameter", json_string("interval_ms"));
		return true;
	}
	/* Also to see whether a stream of these is possible. */
	answer(source, name, ret_reply);
	if (!wait->more || ret_reply->error || !ret_reply->parameters)
		return true;
	json_decref(ret_reply->parameters);
	*ret_reply = (struct method_reply){ 0 };
	if (stream_start(wait, name, (unsigned)interval_ms) == 0)
		return false;
	method_unavailable(ret_reply, "out of memory");
	return true;
}
