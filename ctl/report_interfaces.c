// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/report.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/output.h"
#include "ctl/reader.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))

/* --- interfaces ------------------------------------------------------------------------------------- */

static const struct column interfaces_columns[] = {
	{ "INTERFACE", false }, { "STATE", false }, { "INDEX", true },	 { "LINK TYPE", false }, { "MTU", true },
	{ "SPEED", true },	{ "FANOUT", false }, { "GROUP", true },	 { "WORKERS", true },	 { "RING", true },
	{ "BLOCK", true },	{ "TIMEOUT", true }, { "STALL", true },
};

static const struct column capture_columns[] = {
	{ "INTERFACE", false }, { "SNAPLEN", true }, { "TIMESTAMPS", false }, { "PROMISCUOUS", false }, { "RECORDED", false },
};

static const struct column folders_columns[] = { { "INTERFACE", false }, { "FOLDER", false } };

/** The tables that interfaces are shown in. */
struct interfaces_tables {
	struct table *rings, *capture, *folders;
};

static void cell_speed(struct table *table, json_t *interface)
{
	json_t *speed = json_object_get(interface, "speed_bits");

	if (json_is_integer(speed) && json_integer_value(speed) >= 1000000000)
		table_format(table, "%g Gbit/s", (double)json_integer_value(speed) / 1e9);
	else if (json_is_integer(speed))
		table_format(table, "%g Mbit/s", (double)json_integer_value(speed) / 1e6);
	else
		table_text(table, "-");
}

static void cell_text_or_none(struct table *table, json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	table_text(table, text ? text : "-");
}

static void rings_fill(struct table *table, struct reader *reader, json_t *interface)
{
	cell_interface(table, reader, interface);
	cell_state(table, reader, interface);
	cell_optional(table, reader, interface, "ifindex");
	cell_text_or_none(table, interface, "link_type");
	cell_optional(table, reader, interface, "mtu");
	cell_speed(table, interface);
	table_text(table, read_text(reader, interface, "fanout_mode"));
	cell_optional(table, reader, interface, "fanout_id");
	table_format(table, "%llu/%llu", (unsigned long long)read_count(reader, interface, "workers_running"),
		     (unsigned long long)read_count(reader, interface, "workers"));
	table_bytes(table, read_count(reader, interface, "ring_bytes"));
	table_bytes(table, read_count(reader, interface, "block_bytes"));
	table_duration(table, read_count(reader, interface, "block_timeout_ms") * 1000000);
	cell_duration(table, reader, interface, "stall_ns");
}

/* The filter; and what the configuration says, if that is something else. */
static void cell_filter(struct table *table, json_t *interface)
{
	const char *filter = json_string_value(json_object_get(interface, "filter"));
	const char *configured = json_string_value(json_object_get(interface, "filter_configured"));
	bool same = !strcmp(filter ? filter : "", configured ? configured : "");
	char *cell = NULL;

	if (asprintf(&cell, same ? "%s" : "%s (configured: %s)", filter && *filter ? filter : "all",
		     configured && *configured ? configured : "all") < 0)
		cell = NULL;
	table_text(table, cell ? cell : "?");
	free(cell);
}

static void capture_fill(struct table *table, struct reader *reader, json_t *interface)
{
	table_text(table, read_text(reader, interface, "interface"));
	cell_count(table, reader, interface, "snaplen");
	table_text(table, read_text(reader, interface, "timestamps"));
	cell_yes_no(table, interface, "promiscuous");
	cell_filter(table, interface);
}

static void folders_fill(struct table *table, struct reader *reader, json_t *interface)
{
	json_t *folders = read_array(reader, interface, "folders"), *folder;
	size_t i;

	json_array_foreach(folders, i, folder) {
		table_text(table, read_text(reader, interface, "interface"));
		table_text(table, json_is_string(folder) ? json_string_value(folder) : "?");
	}
}

static int interfaces_print(const struct interfaces_tables *tables, FILE *out)
{
	int r = table_print(tables->rings, out);

	if (r == 0)
		fputc('\n', out);
	if (r == 0)
		r = table_print(tables->capture, out);
	if (r == 0)
		fputc('\n', out);
	return r ? r : table_print(tables->folders, out);
}

int report_interfaces(json_t *answer, FILE *out, const char **ret_missing)
{
	const struct interfaces_tables tables = {
		.rings = table_new(interfaces_columns, ARRAY_SIZE(interfaces_columns)),
		.capture = table_new(capture_columns, ARRAY_SIZE(capture_columns)),
		.folders = table_new(folders_columns, ARRAY_SIZE(folders_columns)),
	};
	struct reader reader = { NULL };
	json_t *array = read_array(&reader, answer, "interfaces"), *interface;
	size_t i;
	int r;

	json_array_foreach(array, i, interface) {
		rings_fill(tables.rings, &reader, interface);
		capture_fill(tables.capture, &reader, interface);
		folders_fill(tables.folders, &reader, interface);
	}
	r = reader_result(&reader, ret_missing);
	if (r == 0)
		r = interfaces_print(&tables, out);
	table_free(tables.rings);
	table_free(tables.capture);
	table_free(tables.folders);
	return r;
}

/* --- workers ---------------------------------------------------------------------------------------- */

static const struct column workers_columns[] = {
	{ "INTERFACE", false }, { "WORKER", false }, { "STATE", false },	 { "PID", true },    { "CPU", true },
	{ "WRITER", false },	{ "DIRECT I/O", false }, { "BLOCKS", true }, { "USED", true },	 { "USED %", true },
	{ "MOST %", true },	{ "LAST SEEN", true },	 { "RESTARTS", true },
};

static const struct column open_files_columns[] = {
	{ "INTERFACE", false }, { "WORKER", false }, { "FIRST PACKET", false }, { "PACKETS", true }, { "BYTES", true },
	{ "OPEN FILE", false },
};

static void cell_worker(struct table *table, struct reader *reader, json_t *worker)
{
	table_text(table, read_text(reader, worker, "interface"));
	table_format(table, "%llu", (unsigned long long)read_count(reader, worker, "worker"));
}

static void workers_fill(struct table *table, struct reader *reader, json_t *worker)
{
	uint64_t blocks = read_count(reader, worker, "ring_blocks");
	uint64_t used = read_count(reader, worker, "ring_blocks_used");

	cell_worker(table, reader, worker);
	cell_state(table, reader, worker);
	cell_optional(table, reader, worker, "pid");
	cell_optional(table, reader, worker, "cpu");
	table_text(table, read_text(reader, worker, "writer"));
	cell_yes_no(table, worker, "direct_io");
	table_count(table, blocks);
	table_count(table, used);
	table_percent(table, used, blocks);
	table_percent(table, read_count(reader, worker, "ring_blocks_used_max"), blocks);
	cell_duration(table, reader, worker, "heartbeat_ns");
	cell_count(table, reader, worker, "restarts");
}

static void open_files_fill(struct table *table, struct reader *reader, json_t *worker)
{
	if (!json_is_string(json_object_get(worker, "segment")))
		return;
	cell_worker(table, reader, worker);
	cell_time(table, reader, worker, "segment_start_ns");
	cell_count(table, reader, worker, "segment_packets");
	table_bytes(table, read_count(reader, worker, "segment_bytes"));
	table_text(table, read_text(reader, worker, "segment"));
}

int report_workers(json_t *answer, FILE *out, const char **ret_missing)
{
	struct table *table = table_new(workers_columns, ARRAY_SIZE(workers_columns));
	struct table *files = table_new(open_files_columns, ARRAY_SIZE(open_files_columns));
	struct reader reader = { NULL };
	json_t *array = read_array(&reader, answer, "workers"), *worker;
	size_t i;
	int r;

	json_array_foreach(array, i, worker) {
		workers_fill(table, &reader, worker);
		open_files_fill(files, &reader, worker);
	}
	r = reader_result(&reader, ret_missing);
	if (r == 0)
		r = table_print(table, out);
	if (r == 0)
		r = table_print_if_any(files, out);
	table_free(table);
	table_free(files);
	return r;
}
