// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/methods_private.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"
#include "daemon/statistics.h"
#include "daemon/storage_status.h"
#include "varlink/interfaces.h"

static const char *const control_states[] = {
	[CONTROL_STARTING] = "starting",
	[CONTROL_RUNNING] = "running",
	[CONTROL_STOPPING] = "stopping",
};

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
			 "device", method_device_name(iface),
			 "state", interface_state_name(iface->state),
			 "ifindex", method_number_or_null(iface->device, iface->ifindex),
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
	double rate = status->storage.written_bytes_per_s;
	int64_t reach = status->storage.retain_seconds;

	return json_pack("{s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
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
			 "written_bytes_per_s", rate >= 0 ? json_real(rate) : json_null(),
			 "retain_seconds", method_number_or_null(reach >= 0, (json_int_t)reach),
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
	return json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "version", status->version,
			 "state", control_states[status->state],
			 "pid", (json_int_t)status->pid,
			 "started_ns", varlink_count(status->started_ns),
			 "uptime_ns", varlink_count(ns_since(status->started_ns)),
			 "config", varlink_text(status->config_path),
			 "socket", varlink_text(status->socket_path),
			 "log_level", method_log_level_name(status->log_level),
			 "interfaces", array,
			 "storage", storage_pack(status),
			 "packets_seen", varlink_count(total->packets_seen),
			 "packets_dropped", varlink_count(total->packets_dropped),
			 "packets_written", varlink_count(total->packets_written),
			 "packets_discarded", varlink_count(total->packets_discarded));
}

void methods_get_status(const struct control_source *source, json_t *parameters,
			   struct method_reply *ret_reply)
{
	struct statistics *stats = source->snapshot(source->arg);
	struct control_status status;

	(void)parameters;
	source->status(source->arg, &status);
	ret_reply->parameters = status_pack(&status, stats);
	statistics_free(stats);
}

/* --- interfaces and workers --------------------------------------------------------------------- */

static json_t *text_or_null(const char *text)
{
	return text && text[0] ? varlink_text(text) : json_null();
}

static json_t *texts_pack(const char *const *texts, size_t n)
{
	json_t *array = json_array();
	int r = 0;

	for (size_t i = 0; i < n; i++)
		r |= json_array_append_new(array, varlink_text(texts[i]));
	if (r == 0)
		return array;
	json_decref(array);
	return NULL;
}

static json_t *interface_info_pack(const struct statistics_interface *iface, const struct control_interface *more)
{
	bool here = iface->device != NULL;

	return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:I, s:I,"
			 " s:o, s:I, s:I, s:I, s:o, s:I, s:o, s:o, s:s, s:b, s:o}",
			 "interface", varlink_text(iface->name),
			 "device", method_device_name(iface),
			 "state", interface_state_name(iface->state),
			 "ifindex", method_number_or_null(here, iface->ifindex),
			 "link_type", text_or_null(more->link_type),
			 "mtu", method_number_or_null(here, more->mtu),
			 "speed_bits", method_number_or_null(more->speed_bits > 0, (json_int_t)more->speed_bits),
			 "fanout_id", method_number_or_null(here, iface->fanout_id),
			 "fanout_mode", iface->fanout_mode,
			 "workers", (json_int_t)iface->n_workers,
			 "workers_running", (json_int_t)workers_running(iface),
			 "ring_bytes", varlink_count(more->ring_bytes),
			 "ring_blocks", (json_int_t)more->ring_blocks,
			 "block_bytes", (json_int_t)more->block_bytes,
			 "block_timeout_ms", (json_int_t)more->block_timeout_ms,
			 "stall_ns", method_number_or_null(more->stall_ns > 0, (json_int_t)more->stall_ns),
			 "snaplen", (json_int_t)more->snaplen,
			 "filter", text_or_null(more->filter),
			 "filter_configured", text_or_null(more->filter_configured),
			 "timestamps", more->timestamps,
			 "promiscuous", more->promiscuous,
			 "folders", texts_pack(more->folders, more->n_folders));
}

/* An answer of one array, of what each makes of the interfaces it is called with: of all, or the one of this name. */
static void answer_list(const struct control_source *source, const char *only, const char *key,
			int (*add)(const struct control_source *source, const struct statistics *stats, size_t interface,
				   json_t *array),
			struct method_reply *ret_reply)
{
	struct statistics *stats = source->snapshot(source->arg);
	json_t *array = json_array();
	bool found = !only;
	int r = 0;

	for (size_t i = 0; stats && i < stats->n_interfaces; i++) {
		if (only && strcmp(stats->interfaces[i].name, only))
			continue;
		found = true;
		r |= add(source, stats, i, array);
	}
	if (!stats)
		method_unavailable(ret_reply, "nothing is captured yet");
	else if (!found)
		method_error(ret_reply, FANCAP_ERROR_NO_SUCH_INTERFACE, "interface", json_string(only));
	else if (r == 0)
		ret_reply->parameters = json_pack("{s:O}", key, array);
	json_decref(array);
	statistics_free(stats);
}

static int interface_add(const struct control_source *source, const struct statistics *stats, size_t interface,
			 json_t *array)
{
	struct control_interface more;

	source->interface(source->arg, interface, &more);
	return json_array_append_new(array, interface_info_pack(&stats->interfaces[interface], &more));
}

void methods_list_interfaces(const struct control_source *source, json_t *parameters, struct method_reply *ret_reply)
{
	(void)parameters;
	answer_list(source, NULL, "interfaces", interface_add, ret_reply);
}

static json_t *worker_info_pack(const struct statistics_interface *iface, const struct statistics_worker *worker,
				const struct control_worker *more)
{
	const struct active_segment *segment = &more->segment;
	bool open = more->has_segment;

	return json_pack("{s:o, s:I, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:s, s:o, s:o, s:o, s:o, s:o}",
			 "interface", varlink_text(iface->name),
			 "worker", (json_int_t)worker->worker,
			 "state", worker_state_name(worker->state),
			 "pid", method_number_or_null(worker->pid > 0, worker->pid),
			 "cpu", method_number_or_null(worker->cpu >= 0, worker->cpu),
			 "heartbeat_ns", worker->pid > 0 ? varlink_count(more->heartbeat_ns) : json_null(),
			 "restarts", varlink_count(worker->counters.worker_restarts),
			 "ring_blocks", (json_int_t)worker->ring_blocks,
			 "ring_blocks_used", (json_int_t)worker->ring_blocks_used,
			 "ring_blocks_used_max", (json_int_t)worker->ring_blocks_used_max,
			 "writer", method_writer_name(worker),
			 "direct_io", method_direct_io(worker),
			 "segment", open ? varlink_text(segment->path) : json_null(),
			 "segment_bytes", varlink_count(open ? segment->bytes : 0),
			 "segment_packets", varlink_count(open ? segment->packets : 0),
			 "segment_start_ns", open && segment->start_ns > 0 ? varlink_count(segment->start_ns) : json_null());
}

static int workers_add(const struct control_source *source, const struct statistics *stats, size_t interface,
		       json_t *array)
{
	const struct statistics_interface *iface = &stats->interfaces[interface];
	int r = 0;

	for (size_t i = 0; i < iface->n_workers; i++) {
		struct control_worker more;

		source->worker(source->arg, interface, (unsigned)i, &more);
		r |= json_array_append_new(array, worker_info_pack(iface, &iface->workers[i], &more));
	}
	return r;
}

void methods_list_workers(const struct control_source *source, json_t *parameters, struct method_reply *ret_reply)
{
	answer_list(source, json_string_value(json_object_get(parameters, "interface")), "workers", workers_add,
		    ret_reply);
}

/* --- configuration ------------------------------------------------------------------------------- */

void methods_get_configuration(const struct control_source *source, json_t *parameters,
			       struct method_reply *ret_reply)
{
	struct control_configuration configuration;

	(void)parameters;
	if (source->configuration(source->arg, &configuration) < 0) {
		method_unavailable(ret_reply, "out of memory");
		return;
	}
	ret_reply->parameters = json_pack("{s:o, s:o, s:o}",
					  "path", varlink_text(configuration.path),
					  "loaded_ns", varlink_count(configuration.loaded_ns),
					  "yaml", varlink_text(configuration.yaml));
	free(configuration.yaml);
}
