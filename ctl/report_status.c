// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/report.h"

#include <stdbool.h>
#include <stdint.h>

#include "ctl/output.h"
#include "ctl/reader.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))
#define NS_PER_S UINT64_C(1000000000)
#define RATE_MAX 1e18 /* nothing writes as fast; a larger one has no place in 64 bits */
#define SECONDS_MAX (UINT64_MAX / NS_PER_S)

static const struct column status_columns[] = {
	{ "INTERFACE", false }, { "STATE", false },   { "WORKERS", true }, { "SEEN", true },
	{ "DROPPED", true },	{ "DROP %", true },   { "WRITTEN", true }, { "DISCARDED", true },
};

static void status_counters(struct table *table, struct reader *reader, json_t *object)
{
	cells_seen(table, reader, object);
	cell_count(table, reader, object, "packets_written");
	cell_lost(table, reader, object, "packets_discarded");
}

static void status_fill(struct table *table, struct reader *reader, json_t *status)
{
	json_t *array = read_array(reader, status, "interfaces"), *interface;
	size_t i;

	json_array_foreach(array, i, interface) {
		cell_interface(table, reader, interface);
		cell_state(table, reader, interface);
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

static bool is_rate(json_t *rate)
{
	return json_is_number(rate) && json_number_value(rate) >= 0 && json_number_value(rate) < RATE_MAX;
}

/* Not known at once; and daemons of before did not say it. What there is room for is kept, or is free yet: see GetStatus. */
static void forecast_print(json_t *rate, json_t *reach, FILE *out)
{
	char text[FORMAT_TEXT_MAX];
	uint64_t seconds;

	format_bytes(text, (uint64_t)json_number_value(rate));
	fprintf(out, "written: %s a second, over the last minutes\n", text);
	if (!json_is_integer(reach) || json_integer_value(reach) < 0)
		return;
	seconds = (uint64_t)json_integer_value(reach);
	fputs("forecast: at that rate there is room for ", out);
	duration_print(out, (seconds < SECONDS_MAX ? seconds : SECONDS_MAX) * NS_PER_S);
	fputc('\n', out);
}

static int storage_print(const struct table *table, const struct table *directories, json_t *storage, FILE *out)
{
	json_t *oldest = json_object_get(storage, "oldest_ns");
	json_t *rate = json_object_get(storage, "written_bytes_per_s");
	const char *error = json_string_value(json_object_get(storage, "last_error"));
	int r;

	fputc('\n', out);
	r = table_print(table, out);
	if (r == 0 && !table_is_empty(directories)) {
		fputc('\n', out);
		r = table_print(directories, out);
	}
	if (r < 0 || (!json_is_integer(oldest) && !is_rate(rate) && error == NULL))
		return r;
	fputc('\n', out);
	if (json_is_integer(oldest)) {
		fputs("oldest recording: ", out);
		time_print(out, (uint64_t)json_integer_value(oldest));
		fputc('\n', out);
	}
	if (is_rate(rate))
		forecast_print(rate, json_object_get(storage, "retain_seconds"), out);
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
