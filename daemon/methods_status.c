// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/methods_private.h"

#include "daemon/clock.h"
#include "daemon/statistics.h"
#include "daemon/storage_status.h"

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
