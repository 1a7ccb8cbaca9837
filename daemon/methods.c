// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/methods.h"
#include "daemon/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/messages.h"
#include "daemon/statistics.h"
#include "daemon/storage_status.h"
#include "varlink/interfaces.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))
#define PARAMETERS_MAX 2

/** A parameter that a method accepts. */
struct method_parameter {
	const char *name;
	json_type type;
	bool required;
};

/** A method: one row, and all there is to know of it. */
struct method {
	const char *name; ///< interface.Name
	enum access_level needs;
	void (*run)(const struct control_source *source, json_t *parameters, struct method_reply *ret_reply);
	/** Instead of run, where the answer may come later. @return whether it is there; if not, wait will get it */
	bool (*begin)(const struct control_source *source, json_t *parameters, struct method_wait *wait,
		      struct method_reply *ret_reply);
	struct method_parameter parameters[PARAMETERS_MAX];
};

/** An interface and its description. */
struct interface {
	const char *name;
	const char *description;
};

static const struct interface interfaces[] = {
	{ "org.varlink.service", varlink_org_varlink_service },
	{ FANCAP_INTERFACE, varlink_io_fancap },
};

static const char *const control_states[] = {
	[CONTROL_STARTING] = "starting",
	[CONTROL_RUNNING] = "running",
	[CONTROL_STOPPING] = "stopping",
};

static const struct interface *interface_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++)
		if (strlen(interfaces[i].name) == len && !memcmp(interfaces[i].name, name, len))
			return &interfaces[i];
	return NULL;
}

/* --- errors ------------------------------------------------------------------------------------ */

/* An error with one parameter; value is taken over. */
static void reply_error(struct method_reply *reply, const char *error, const char *key, json_t *value)
{
	json_decref(reply->parameters);
	reply->error = error;
	reply->parameters = json_pack("{s:o}", key, value);
}

static void reply_unavailable(struct method_reply *reply, const char *reason)
{
	reply_error(reply, FANCAP_ERROR_UNAVAILABLE, "reason", json_string(reason));
}

/* --- statistics as JSON -------------------------------------------------------------------------- */

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
				   "writer", w->io_uring ? "io_uring" : "pwrite",
				   "direct_io", w->has_file ? json_boolean(w->direct_io) : json_null());

	return with_counters(object, &w->counters);
}

/* null for what only a device has. */
static json_t *number_or_null(bool has, json_int_t number)
{
	return has ? json_integer(number) : json_null();
}

static json_t *device_name_pack(const struct statistics_interface *iface)
{
	return iface->device ? varlink_text(iface->device) : json_null();
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
			   "device", device_name_pack(iface),
			   "state", interface_state_name(iface->state),
			   "ifindex", number_or_null(iface->device, iface->ifindex),
			   "fanout_id", number_or_null(iface->device, iface->fanout_id),
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

static const struct statistics_interface *statistics_find(const struct statistics *stats, const char *name)
{
	for (size_t i = 0; i < stats->n_interfaces; i++)
		if (!strcmp(stats->interfaces[i].name, name))
			return &stats->interfaces[i];
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

static void run_get_statistics(const struct control_source *source, json_t *parameters,
			       struct method_reply *ret_reply)
{
	const char *name = json_string_value(json_object_get(parameters, "interface"));
	const struct statistics_interface *only = NULL;
	struct statistics *stats = source->snapshot(source->arg);

	if (!stats) {
		reply_unavailable(ret_reply, "no statistics yet");
		return;
	}
	if (name)
		only = statistics_find(stats, name);
	if (name && !only)
		reply_error(ret_reply, FANCAP_ERROR_NO_SUCH_INTERFACE, "interface", json_string(name));
	else
		ret_reply->parameters = statistics_pack(stats, only);
	statistics_free(stats);
}

/* --- status as JSON ------------------------------------------------------------------------------ */

static size_t workers_running(const struct statistics_interface *iface)
{
	size_t n = 0;

	for (size_t i = 0; i < iface->n_workers; i++)
		n += iface->workers[i].state == WORKER_RUNNING;
	return n;
}

static json_t *interface_status_pack(const struct statistics_interface *iface)
{
	return json_pack("{s:o, s:o, s:s, s:o, s:I, s:I, s:o, s:o, s:o, s:o}",
			 "interface", varlink_text(iface->name),
			 "device", device_name_pack(iface),
			 "state", interface_state_name(iface->state),
			 "ifindex", number_or_null(iface->device, iface->ifindex),
			 "workers", (json_int_t)iface->n_workers,
			 "workers_running", (json_int_t)workers_running(iface),
			 "packets_seen", varlink_count(iface->counters.packets_seen),
			 "packets_dropped", varlink_count(iface->counters.packets_dropped),
			 "packets_written", varlink_count(iface->counters.packets_written),
			 "packets_discarded", varlink_count(iface->counters.packets_discarded));
}

/* The wall clock may have been set back: never negative. */
static uint64_t ns_since(uint64_t started_ns)
{
	uint64_t now_ns = clock_realtime_ns();

	return now_ns > started_ns ? now_ns - started_ns : 0;
}

static json_t *directories_pack(const struct control_status *status)
{
	const struct storage_status *storage = status->storage.status;
	json_t *array = json_array();
	int r = 0;

	for (size_t i = 0; i < storage->n_directories; i++)
		r |= json_array_append_new(array, json_pack("{s:o, s:o, s:o}",
			"path", varlink_text(status->storage.directories[i]),
			"total_bytes", varlink_count(storage->directories[i].total_bytes),
			"free_bytes", varlink_count(storage->directories[i].free_bytes)));
	if (r == 0)
		return array;
	json_decref(array);
	return NULL;
}

static json_t *storage_pack(const struct control_status *status)
{
	const struct storage_status *storage = status->storage.status;
	pid_t pid = status->storage.keeper_pid;

	return json_pack("{s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "keeper_pid", pid > 0 ? json_integer(pid) : json_null(),
			 "keeper_restarts", varlink_count(status->storage.keeper_restarts),
			 "scanned", storage->scanned != 0,
			 "files", varlink_count(storage->files),
			 "bytes", varlink_count(storage->bytes),
			 "oldest_ns", storage->oldest_ns > 0 ? varlink_count(storage->oldest_ns) : json_null(),
			 "active_bytes", varlink_count(storage->active_bytes),
			 "finished_files", varlink_count(storage->finished_files),
			 "recovered_files", varlink_count(storage->recovered_files),
			 "compressed_files", varlink_count(storage->compressed_files),
			 "removed_files", varlink_count(storage->removed_files),
			 "removed_bytes", varlink_count(storage->removed_bytes),
			 "synced_files", varlink_count(storage->synced_files),
			 "errors", varlink_count(storage->errors),
			 "last_error", storage->last_error[0] != '\0' ? varlink_text(storage->last_error) : json_null(),
			 "directories", directories_pack(status));
}

/* @param stats NULL: nothing is captured yet */
static json_t *status_pack(const struct control_status *status, const struct statistics *stats)
{
	const struct statistics_counters none = { 0 }, *total = stats ? &stats->total : &none;
	json_t *array = json_array();
	int r = 0;

	for (size_t i = 0; stats && i < stats->n_interfaces; i++)
		r |= json_array_append_new(array, interface_status_pack(&stats->interfaces[i]));
	if (r != 0) {
		json_decref(array);
		array = NULL;
	}
	return json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "version", status->version,
			 "state", control_states[status->state],
			 "pid", (json_int_t)status->pid,
			 "started_ns", varlink_count(status->started_ns),
			 "uptime_ns", varlink_count(ns_since(status->started_ns)),
			 "config", varlink_text(status->config_path),
			 "socket", varlink_text(status->socket_path),
			 "interfaces", array,
			 "storage", storage_pack(status),
			 "packets_seen", varlink_count(total->packets_seen),
			 "packets_dropped", varlink_count(total->packets_dropped),
			 "packets_written", varlink_count(total->packets_written),
			 "packets_discarded", varlink_count(total->packets_discarded));
}

static void run_get_status(const struct control_source *source, json_t *parameters,
			   struct method_reply *ret_reply)
{
	struct statistics *stats = source->snapshot(source->arg);
	struct control_status status;

	(void)parameters;
	source->status(source->arg, &status);
	ret_reply->parameters = status_pack(&status, stats);
	statistics_free(stats);
}

/* --- org.varlink.service --------------------------------------------------------------------------- */

static void run_get_info(const struct control_source *source, json_t *parameters,
			 struct method_reply *ret_reply)
{
	json_t *names = json_array();
	struct control_status status;

	(void)parameters;
	for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++)
		(void)json_array_append_new(names, json_string(interfaces[i].name));
	source->status(source->arg, &status);
	ret_reply->parameters = json_pack("{s:s, s:s, s:s, s:s, s:o}",
					  "vendor", "fancap",
					  "product", "fancapd",
					  "version", status.version,
					  "url", "",
					  "interfaces", names);
}

static void run_get_interface_description(const struct control_source *source, json_t *parameters,
					  struct method_reply *ret_reply)
{
	const char *name = json_string_value(json_object_get(parameters, "interface"));
	const struct interface *interface = interface_find(name, strlen(name));

	(void)source;
	if (interface)
		ret_reply->parameters = json_pack("{s:s}", "description", interface->description);
	else
		reply_error(ret_reply, VARLINK_ERROR_INTERFACE_NOT_FOUND, "interface", json_string(name));
}

/* --- acting ---------------------------------------------------------------------------------------- */

static json_t *lines_pack(const char *text)
{
	json_t *array = json_array();

	for (size_t n; *text; text += n + (text[n] == '\n')) {
		char *line;

		n = strcspn(text, "\n");
		line = strndup(text, n);
		(void)json_array_append_new(array, line ? varlink_text(line) : NULL);
		free(line);
	}
	return array;
}

static void run_reload(const struct control_source *source, json_t *parameters, struct method_reply *ret_reply)
{
	struct reload_report report;
	const char *reasons;

	(void)parameters;
	source->reload(source->arg, &report);
	reasons = report.reasons ? report.reasons : "out of memory";
	switch (report.result) {
	case RELOAD_DONE:
		ret_reply->parameters = json_object();
		break;
	case RELOAD_INVALID:
		reply_error(ret_reply, FANCAP_ERROR_INVALID_CONFIGURATION, "errors", lines_pack(reasons));
		break;
	case RELOAD_NEEDS_RESTART:
		reply_error(ret_reply, FANCAP_ERROR_NEEDS_RESTART, "reason", varlink_text(reasons));
		break;
	case RELOAD_UNAVAILABLE:
		reply_unavailable(ret_reply, reasons);
		break;
	}
	reload_report_done(&report);
}

static void on_rotated(struct control_job *job, const struct control_outcome *outcome)
{
	struct method_wait *wait = (struct method_wait *)job; /* its first member */
	struct method_reply reply = { 0 };
	json_t *workers = json_integer(outcome->workers);

	if (outcome->in_time)
		reply.parameters = json_pack("{s:o}", "workers", workers);
	else
		reply_error(&reply, FANCAP_ERROR_TIMEOUT, "workers", workers);
	wait->answer(wait, &reply);
}

static bool begin_rotate(const struct control_source *source, json_t *parameters, struct method_wait *wait,
			 struct method_reply *ret_reply)
{
	const char *name = json_string_value(json_object_get(parameters, "interface"));
	int r;

	wait->job.over = on_rotated;
	r = source->rotate(source->arg, name, &wait->job);
	if (r == -ENODEV)
		reply_error(ret_reply, FANCAP_ERROR_NO_SUCH_INTERFACE, "interface", json_string(name));
	else if (r == -EAGAIN)
		reply_unavailable(ret_reply, "fancapd is starting or stopping");
	else if (r < 0)
		reply_unavailable(ret_reply, strerror(-r));
	return r < 0;
}

void methods_forget(const struct control_source *source, struct method_wait *wait)
{
	source->forget(source->arg, &wait->job);
}

/* --- calls ----------------------------------------------------------------------------------------- */

static const struct method methods[] = {
	{ "org.varlink.service.GetInfo", ACCESS_READ, run_get_info, NULL, { { 0 } } },
	{ "org.varlink.service.GetInterfaceDescription", ACCESS_READ, run_get_interface_description, NULL,
	  { { "interface", JSON_STRING, true } } },
	{ "io.fancap.GetStatus", ACCESS_READ, run_get_status, NULL, { { 0 } } },
	{ "io.fancap.GetStatistics", ACCESS_READ, run_get_statistics, NULL, { { "interface", JSON_STRING, false } } },
	{ "io.fancap.Reload", ACCESS_ACT, run_reload, NULL, { { 0 } } },
	{ "io.fancap.Rotate", ACCESS_ACT, NULL, begin_rotate, { { "interface", JSON_STRING, false } } },
};

static const struct method *method_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (!strcmp(methods[i].name, name))
			return &methods[i];
	return NULL;
}

static const struct method_parameter *parameter_find(const struct method *method, const char *name)
{
	for (size_t i = 0; i < PARAMETERS_MAX && method->parameters[i].name; i++)
		if (!strcmp(method->parameters[i].name, name))
			return &method->parameters[i];
	return NULL;
}

/* The name of a parameter that is unknown, missing or of the wrong type; NULL: all is well. null is absent. */
static const char *invalid_parameter(const struct method *method, json_t *parameters)
{
	const char *name;
	json_t *value;

	json_object_foreach(parameters, name, value) {
		const struct method_parameter *known = parameter_find(method, name);

		if (!known || (!json_is_null(value) && json_typeof(value) != known->type))
			return name;
	}
	for (size_t i = 0; i < PARAMETERS_MAX && method->parameters[i].name; i++) {
		value = json_object_get(parameters, method->parameters[i].name);
		if (method->parameters[i].required && (!value || json_is_null(value)))
			return method->parameters[i].name;
	}
	return NULL;
}

/* Varlink asks for two errors here: is it the interface that we do not have, or the method? */
static void reply_not_found(const char *method, struct method_reply *ret_reply)
{
	const char *dot = strrchr(method, '.');
	size_t len = dot ? (size_t)(dot - method) : 0;

	if (interface_find(method, len))
		reply_error(ret_reply, VARLINK_ERROR_METHOD_NOT_FOUND, "method", json_string(method));
	else
		reply_error(ret_reply, VARLINK_ERROR_INTERFACE_NOT_FOUND, "interface",
			    json_stringn(method, len));
}

static void reply_denied(const struct method *method, struct method_reply *reply)
{
	reply->error = FANCAP_ERROR_PERMISSION_DENIED;
	reply->parameters = json_pack("{s:s, s:s}", "method", method->name, "needs", ACCESS_ADMIN_GROUP);
}

/* As JSON in ASCII: nothing in it can break the line, or control a terminal. */
static void log_call(const struct method *method, json_t *parameters, const struct access_caller *caller)
{
	char *text = json_dumps(parameters, JSON_ENSURE_ASCII);

	log_printf(LOG_NOTICE, MESSAGE_CALLED, NULL, "%s %.200s called by user %ld, process %ld", method->name,
		   text ? text : "", (long)caller->uid, (long)caller->pid);
	free(text);
}

bool methods_call(const struct control_source *source, const struct access_caller *caller,
		  const struct varlink_call *call, struct method_wait *wait, struct method_reply *ret_reply)
{
	const struct method *method = method_find(call->method);
	const char *invalid = method ? invalid_parameter(method, call->parameters) : NULL;

	*ret_reply = (struct method_reply){ 0 };
	if (!method) {
		reply_not_found(call->method, ret_reply);
		return true;
	}
	if (caller->level < method->needs) {
		reply_denied(method, ret_reply);
		return true;
	}
	/* No method of ours speaks anything but Varlink afterwards. */
	if (call->upgrade)
		invalid = "upgrade";
	if (invalid) {
		reply_error(ret_reply, VARLINK_ERROR_INVALID_PARAMETER, "parameter", json_string(invalid));
		return true;
	}
	if (method->needs == ACCESS_ACT)
		log_call(method, call->parameters, caller);
	if (method->begin)
		return method->begin(source, call->parameters, wait, ret_reply);
	method->run(source, call->parameters, ret_reply);
	return true;
}
