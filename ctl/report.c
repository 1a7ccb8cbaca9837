// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/report.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "ctl/output.h"
#include "ctl/reader.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))

/* --- cells ------------------------------------------------------------------------------------------ */

static void cell_count(struct table *table, struct reader *reader, json_t *object, const char *key)
{
	table_count(table, read_count(reader, object, key));
}

/* A number that may be null: a hyphen then. */
static void cell_optional(struct table *table, struct reader *reader, json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (!value || json_is_null(value))
		table_text(table, "-");
	else
		table_format(table, "%llu", (unsigned long long)read_count(reader, object, key));
}

/* true, false, or a hyphen for null. */
static void cell_yes_no(struct table *table, json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	table_text(table, json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "-");
}

/* A number that may be null: a hyphen then. */
static void cell_ratio(struct table *table, json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (json_is_number(value))
		table_format(table, "%.2f", json_number_value(value));
	else
		table_text(table, "-");
}

/* Seen, dropped, and how many of a hundred that is. */
static void cells_seen(struct table *table, struct reader *reader, json_t *object)
{
	uint64_t seen = read_count(reader, object, "packets_seen");
	uint64_t dropped = read_count(reader, object, "packets_dropped");

	table_count(table, seen);
	table_count(table, dropped);
	table_percent(table, dropped, seen);
}

/* What it is called now as well, if it was renamed. */
static void cell_interface(struct table *table, struct reader *reader, json_t *interface)
{
	const char *name = read_text(reader, interface, "interface");
	const char *device = json_string_value(json_object_get(interface, "device"));
	char both[64];

	if (device && strcmp(device, name)) {
		(void)snprintf(both, sizeof(both), "%s (%s)", name, device);
		table_text(table, both);
	} else {
		table_text(table, name);
	}
}

/* --- status ----------------------------------------------------------------------------------------- */

static const struct column status_columns[] = {
	{ "INTERFACE", false }, { "STATE", false },   { "WORKERS", true }, { "SEEN", true },
	{ "DROPPED", true },	{ "DROP %", true },   { "WRITTEN", true }, { "DISCARDED", true },
};

static void status_counters(struct table *table, struct reader *reader, json_t *object)
{
	cells_seen(table, reader, object);
	cell_count(table, reader, object, "packets_written");
	cell_count(table, reader, object, "packets_discarded");
}

static void status_fill(struct table *table, struct reader *reader, json_t *status)
{
	json_t *array = read_array(reader, status, "interfaces"), *interface;
	size_t i;

	json_array_foreach(array, i, interface) {
		cell_interface(table, reader, interface);
		table_text(table, read_text(reader, interface, "state"));
		table_format(table, "%llu/%llu",
			     (unsigned long long)read_count(reader, interface, "workers_running"),
			     (unsigned long long)read_count(reader, interface, "workers"));
		status_counters(table, reader, interface);
	}
	table_text(table, "total");
	table_text(table, "");
	table_text(table, "");
	status_counters(table, reader, status);
}

static const struct column storage_columns[] = {
	{ "RECORDINGS", true }, { "BYTES", true }, { "IN PROGRESS", true }, { "REMOVED", true }, { "ERRORS", true },
};

static const struct column directory_columns[] = {
	{ "DIRECTORY", false }, { "SIZE", true }, { "FREE", true }, { "FREE %", true },
};

static void storage_fill(struct table *table, struct table *directories, struct reader *reader, json_t *storage)
{
	json_t *array = read_array(reader, storage, "directories"), *directory;
	size_t i;

	cell_count(table, reader, storage, "files");
	table_bytes(table, read_count(reader, storage, "bytes"));
	table_bytes(table, read_count(reader, storage, "active_bytes"));
	cell_count(table, reader, storage, "removed_files");
	cell_count(table, reader, storage, "errors");
	json_array_foreach(array, i, directory) {
		uint64_t total = read_count(reader, directory, "total_bytes");
		uint64_t free = read_count(reader, directory, "free_bytes");

		table_text(directories, read_text(reader, directory, "path"));
		table_bytes(directories, total);
		table_bytes(directories, free);
		table_percent(directories, free, total);
	}
}

static int storage_print(const struct table *table, const struct table *directories, json_t *storage, FILE *out)
{
	json_t *oldest = json_object_get(storage, "oldest_ns");
	const char *error = json_string_value(json_object_get(storage, "last_error"));
	int r;

	fputc('\n', out);
	r = table_print(table, out);
	if (r == 0 && !table_is_empty(directories)) {
		fputc('\n', out);
		r = table_print(directories, out);
	}
	if (r < 0 || (!json_is_integer(oldest) && error == NULL))
		return r;
	fputc('\n', out);
	if (json_is_integer(oldest)) {
		fputs("oldest recording: ", out);
		time_print(out, (uint64_t)json_integer_value(oldest));
		fputc('\n', out);
	}
	if (error != NULL) {
		fputs("last error: ", out);
		text_print(out, error);
		fputc('\n', out);
	}
	return 0;
}

static void status_head(json_t *status, struct reader *reader, FILE *out)
{
	fputs("fancapd ", out);
	text_print(out, read_text(reader, status, "version"));
	fputs(" is ", out);
	text_print(out, read_text(reader, status, "state"));
	fprintf(out, ": pid %llu, since ", (unsigned long long)read_count(reader, status, "pid"));
	time_print(out, read_count(reader, status, "started_ns"));
	fputs(" (", out);
	duration_print(out, read_count(reader, status, "uptime_ns"));
	fputs(")\nconfiguration: ", out);
	text_print(out, read_text(reader, status, "config"));
	fputs("\nsocket: ", out);
	text_print(out, read_text(reader, status, "socket"));
	fputs("\n\n", out);
}

/* A dry run of the head: what is missing must be known before anything is printed. */
static void status_check(struct reader *reader, json_t *status)
{
	static const char *const texts[] = { "version", "state", "config", "socket" };
	static const char *const counts[] = { "pid", "started_ns", "uptime_ns" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		(void)read_text(reader, status, texts[i]);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		(void)read_count(reader, status, counts[i]);
}

int report_status(json_t *status, FILE *out, const char **ret_missing)
{
	struct table *table = table_new(status_columns, ARRAY_SIZE(status_columns));
	struct table *recordings = table_new(storage_columns, ARRAY_SIZE(storage_columns));
	struct table *directories = table_new(directory_columns, ARRAY_SIZE(directory_columns));
	struct reader reader = { NULL };
	json_t *storage = read_object(&reader, status, "storage");
	int r;

	status_check(&reader, status);
	status_fill(table, &reader, status);
	storage_fill(recordings, directories, &reader, storage);
	r = reader_result(&reader, ret_missing);
	if (r == 0) {
		status_head(status, &reader, out);
		r = table_print(table, out);
	}
	if (r == 0)
		r = storage_print(recordings, directories, storage, out);
	table_free(table);
	table_free(recordings);
	table_free(directories);
	return r;
}

/* --- statistics ------------------------------------------------------------------------------------- */

static const struct column statistics_columns[] = {
	{ "INTERFACE", false }, { "WORKER", false },   { "SEEN", true },    { "DROPPED", true },
	{ "DROP %", true },	{ "WRITTEN", true },   { "DISCARDED", true }, { "IN RING", true },
	{ "BYTES", true },	{ "FREEZES", true },   { "RESTARTS", true },  { "BALANCE", true },
};

static const struct column writes_columns[] = {
	{ "INTERFACE", false }, { "WORKER", false },  { "BLOCKS DIRECT", true }, { "STAGED", true },
	{ "DIRECT %", true },	{ "WRITES", true },   { "MEAN", true },		 { "LONGEST", true },
};

static const struct column discarded_columns[] = {
	{ "INTERFACE", false }, { "WORKER", false }, { "DISCARDED FOR", false },
	{ "PACKETS", true },	{ "%", true },
};

static const struct column rollover_columns[] = {
	{ "INTERFACE", false }, { "WORKER", false }, { "ROLLED OVER", true }, { "HUGE FLOW", true }, { "FAILED", true },
};

static const struct column nic_columns[] = {
	{ "INTERFACE", false }, { "NIC PACKETS", true }, { "ERRORS", true },    { "DROPPED", true },
	{ "MISSED", true },	{ "FIFO", true },	 { "NO HANDLER", true },
};

static void statistics_counters(struct table *table, struct reader *reader, json_t *object)
{
	cells_seen(table, reader, object);
	cell_count(table, reader, object, "packets_written");
	cell_count(table, reader, object, "packets_discarded");
	cell_count(table, reader, object, "packets_in_ring");
	table_bytes(table, read_count(reader, object, "bytes_written"));
	cell_count(table, reader, object, "ring_freezes");
	cell_count(table, reader, object, "worker_restarts");
}

/* The reasons a worker had to discard packets, and how many of a hundred that reached it those were. */
static void discarded_fill(struct table *table, struct reader *reader, const char *interface, json_t *worker)
{
	uint64_t delivered = read_count(reader, worker, "packets_delivered");
	json_t *reasons = read_object(reader, worker, "discarded_by_reason"), *value;
	const char *reason;

	json_object_foreach(reasons, reason, value) {
		uint64_t packets = read_count(reader, reasons, reason);

		if (!packets)
			continue;
		table_text(table, interface);
		cell_optional(table, reader, worker, "worker");
		table_text(table, reason);
		table_count(table, packets);
		table_percent(table, packets, delivered);
	}
}

/* What a worker's ring handed on to others, or could not. */
static void rollover_fill(struct table *table, struct reader *reader, const char *interface, json_t *worker)
{
	if (!read_count(reader, worker, "ring_rollovers") && !read_count(reader, worker, "ring_rollovers_failed"))
		return;
	table_text(table, interface);
	cell_optional(table, reader, worker, "worker");
	cell_count(table, reader, worker, "ring_rollovers");
	cell_count(table, reader, worker, "ring_rollovers_huge");
	cell_count(table, reader, worker, "ring_rollovers_failed");
}

/* What the device counted, which may have lost packets before anybody could see them. */
static void nic_fill(struct table *table, struct reader *reader, const char *interface, json_t *nic)
{
	if (!json_is_object(nic))
		return;
	table_text(table, interface);
	cell_count(table, reader, nic, "rx_packets");
	cell_count(table, reader, nic, "rx_errors");
	cell_count(table, reader, nic, "rx_dropped");
	cell_count(table, reader, nic, "rx_missed");
	cell_count(table, reader, nic, "rx_fifo");
	cell_count(table, reader, nic, "rx_nohandler");
}

static void cell_latency(struct table *table, uint64_t writes, uint64_t duration_ns)
{
	if (writes > 0)
		table_duration(table, duration_ns);
	else
		table_text(table, "-");
}

/* How blocks got into files. @param worker its number, "all", or "" of the total */
static void writes_fill(struct table *table, struct reader *reader, const char *interface, const char *worker,
			json_t *object)
{
	uint64_t direct = read_count(reader, object, "blocks_direct");
	uint64_t staged = read_count(reader, object, "blocks_staged");
	uint64_t writes = read_count(reader, object, "writes");

	table_text(table, interface);
	table_text(table, worker);
	table_count(table, direct);
	table_count(table, staged);
	table_percent(table, direct, direct + staged);
	table_count(table, writes);
	cell_latency(table, writes, read_count(reader, object, "write_mean_ns"));
	cell_latency(table, writes, read_count(reader, object, "write_max_ns"));
}

/** The tables that statistics are shown in; those after writes only if there is something in them. */
struct statistics_tables {
	struct table *all, *writes, *discarded, *rollover, *nic;
};

static void statistics_fill(const struct statistics_tables *tables, struct reader *reader, json_t *statistics)
{
	json_t *array = read_array(reader, statistics, "interfaces"), *interface, *worker, *total;
	struct table *table = tables->all;
	size_t i, w;

	json_array_foreach(array, i, interface) {
		const char *name = read_text(reader, interface, "interface");
		json_t *workers = read_array(reader, interface, "workers");

		table_text(table, name);
		table_text(table, "all");
		statistics_counters(table, reader, interface);
		nic_fill(tables->nic, reader, name, json_object_get(interface, "nic"));
		cell_ratio(table, interface, "flow_balance");
		writes_fill(tables->writes, reader, name, "all", interface);
		json_array_foreach(workers, w, worker) {
			char number[24];

			snprintf(number, sizeof(number), "%llu",
				 (unsigned long long)read_count(reader, worker, "worker"));
			table_text(table, name);
			table_text(table, number);
			statistics_counters(table, reader, worker);
			table_text(table, "");
			writes_fill(tables->writes, reader, name, number, worker);
			discarded_fill(tables->discarded, reader, name, worker);
			rollover_fill(tables->rollover, reader, name, worker);
		}
	}
	total = read_object(reader, statistics, "total");
	table_text(table, "total");
	table_text(table, "");
	statistics_counters(table, reader, total);
	table_text(table, "");
	writes_fill(tables->writes, reader, "total", "", total);
}

static int table_print_if_any(struct table *table, FILE *out)
{
	if (table_is_empty(table))
		return 0;
	fputc('\n', out);
	return table_print(table, out);
}

static int statistics_print(const struct statistics_tables *tables, uint64_t time_ns, uint64_t started_ns, FILE *out)
{
	int r;

	time_print(out, time_ns);
	fputs(", capturing for ", out);
	duration_print(out, time_ns > started_ns ? time_ns - started_ns : 0);
	fputs("\n\n", out);
	r = table_print(tables->all, out);
	if (r == 0)
		r = table_print_if_any(tables->writes, out);
	if (r == 0)
		r = table_print_if_any(tables->discarded, out);
	if (r == 0)
		r = table_print_if_any(tables->rollover, out);
	if (r == 0)
		r = table_print_if_any(tables->nic, out);
	return r;
}

int report_statistics(json_t *statistics, FILE *out, const char **ret_missing)
{
	const struct statistics_tables tables = {
		.all = table_new(statistics_columns, ARRAY_SIZE(statistics_columns)),
		.writes = table_new(writes_columns, ARRAY_SIZE(writes_columns)),
		.discarded = table_new(discarded_columns, ARRAY_SIZE(discarded_columns)),
		.rollover = table_new(rollover_columns, ARRAY_SIZE(rollover_columns)),
		.nic = table_new(nic_columns, ARRAY_SIZE(nic_columns)),
	};
	struct reader reader = { NULL };
	uint64_t time_ns = read_count(&reader, statistics, "time_ns");
	uint64_t started_ns = read_count(&reader, statistics, "started_ns");
	int r;

	statistics_fill(&tables, &reader, statistics);
	r = reader_result(&reader, ret_missing);
	if (r == 0)
		r = statistics_print(&tables, time_ns, started_ns, out);
	table_free(tables.all);
	table_free(tables.writes);
	table_free(tables.discarded);
	table_free(tables.rollover);
	table_free(tables.nic);
	return r;
}

/* --- workers ---------------------------------------------------------------------------------------- */

static const struct column workers_columns[] = {
	{ "INTERFACE", false }, { "WORKER", false }, { "STATE", false }, { "PID", true },
	{ "CPU", true },	{ "WRITER", false }, { "DIRECT I/O", false }, { "BLOCKS", true },
	{ "USED", true },	{ "USED %", true },  { "MOST %", true }, { "SEEN", true },
	{ "DROPPED", true },	{ "DROP %", true },  { "RESTARTS", true },
};

static void workers_fill(struct table *table, struct reader *reader, json_t *interface)
{
	const char *name = read_text(reader, interface, "interface");
	json_t *workers = read_array(reader, interface, "workers"), *worker;
	size_t w;

	json_array_foreach(workers, w, worker) {
		uint64_t blocks = read_count(reader, worker, "ring_blocks");
		uint64_t used = read_count(reader, worker, "ring_blocks_used");

		table_text(table, name);
		table_format(table, "%llu", (unsigned long long)read_count(reader, worker, "worker"));
		table_text(table, read_text(reader, worker, "state"));
		cell_optional(table, reader, worker, "pid");
		cell_optional(table, reader, worker, "cpu");
		table_text(table, read_text(reader, worker, "writer"));
		cell_yes_no(table, worker, "direct_io");
		table_count(table, blocks);
		table_count(table, used);
		table_percent(table, used, blocks);
		table_percent(table, read_count(reader, worker, "ring_blocks_used_max"), blocks);
		cells_seen(table, reader, worker);
		cell_count(table, reader, worker, "worker_restarts");
	}
}

int report_workers(json_t *statistics, FILE *out, const char **ret_missing)
{
	struct table *table = table_new(workers_columns, ARRAY_SIZE(workers_columns));
	struct reader reader = { NULL };
	json_t *array = read_array(&reader, statistics, "interfaces"), *interface;
	size_t i;
	int r;

	json_array_foreach(array, i, interface) {
		workers_fill(table, &reader, interface);
	}
	r = reader_result(&reader, ret_missing);
	if (r == 0)
		r = table_print(table, out);
	table_free(table);
	return r;
}

/* --- acting ----------------------------------------------------------------------------------------- */

int report_rotation(json_t *answer, FILE *out, const char **ret_missing)
{
	struct reader reader = { NULL };
	uint64_t workers = read_count(&reader, answer, "workers");
	int r = reader_result(&reader, ret_missing);

	if (r == 0)
		fprintf(out, "%llu worker%s finished the open file%s\n", (unsigned long long)workers,
			workers == 1 ? " has" : "s have", workers == 1 ? "" : "s");
	return r;
}

int report_reload(json_t *answer, FILE *out, const char **ret_missing)
{
	(void)answer;
	(void)ret_missing;
	fputs("the configuration has been reloaded\n", out);
	return 0;
}
