// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/report.h"

#include <stdint.h>

#include "ctl/output.h"
#include "ctl/reader.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))

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
	cell_lost(table, reader, object, "packets_discarded");
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
