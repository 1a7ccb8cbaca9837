// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/report.h"

#include "ctl/output.h"
#include "ctl/reader.h"

static const struct column columns[] = {
	{ "FIRST PACKET", false }, { "LAST PACKET", false }, { "INTERFACE", false }, { "WORKER", true },
	{ "STATE", false },	   { "PACKETS", true },	     { "BYTES", true },	     { "FILE", false },
};

#define COLUMNS (sizeof(columns) / sizeof(*columns))

static void segment_fill(struct table *table, struct reader *reader, json_t *segment)
{
	cell_time(table, reader, segment, "start_ns");
	cell_time(table, reader, segment, "end_ns");
	table_text(table, read_text(reader, segment, "interface"));
	cell_count(table, reader, segment, "worker");
	if (json_is_true(json_object_get(segment, "held")))
		table_text(table, "held");
	else
		cell_state(table, reader, segment);
	if (json_is_null(json_object_get(segment, "packets")))
		table_text(table, "-");
	else
		cell_count(table, reader, segment, "packets");
	table_bytes(table, read_count(reader, segment, "bytes"));
	table_text(table, read_text(reader, segment, "path"));
}

int report_segments(json_t *answer, FILE *out, const char **ret_missing)
{
	struct table *table = table_new(columns, COLUMNS);
	struct reader reader = { NULL };
	json_t *array = read_array(&reader, answer, "segments"), *segment;
	size_t i;
	int r;

	json_array_foreach(array, i, segment) {
		segment_fill(table, &reader, segment);
	}
	r = reader_result(&reader, ret_missing);
	if (r == 0)
		r = table_print(table, out);
	if (r == 0 && json_is_string(json_object_get(answer, "next")))
		fputs("\nthere are more: see --limit\n", out);
	table_free(table);
	return r;
}

int report_held(json_t *answer, FILE *out, const char **ret_missing)
{
	return changed_print(answer, "changed", "file", out, ret_missing, "held", "nothing has changed: all of them were held before");
}

int report_released(json_t *answer, FILE *out, const char **ret_missing)
{
	return changed_print(answer, "changed", "file", out, ret_missing, "no longer held", "nothing has changed: none of them was held");
}
