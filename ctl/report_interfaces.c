// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/report.h"

#include <stdint.h>
#include <string.h>

#include "ctl/output.h"
#include "ctl/reader.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))

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
		cell_state(table, reader, worker);
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
