// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void reader_miss(struct reader *reader, const char *key)
{
	if (!reader->missing)
		reader->missing = key;
}

uint64_t read_count(struct reader *reader, json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (json_is_integer(value) && json_integer_value(value) >= 0)
		return (uint64_t)json_integer_value(value);
	reader_miss(reader, key);
	return 0;
}

const char *read_text(struct reader *reader, json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (json_is_string(value))
		return json_string_value(value);
	reader_miss(reader, key);
	return "";
}

void read_text_copy(char *to, size_t size, struct reader *reader, json_t *object, const char *key)
{
	(void)snprintf(to, size, "%s", read_text(reader, object, key));
}

json_t *read_array(struct reader *reader, json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (json_is_array(value))
		return value;
	reader_miss(reader, key);
	return NULL;
}

json_t *read_object(struct reader *reader, json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (json_is_object(value))
		return value;
	reader_miss(reader, key);
	return NULL;
}

int reader_result(const struct reader *reader, const char **ret_missing)
{
	if (!reader->missing)
		return 0;
	*ret_missing = reader->missing;
	return -EBADMSG;
}

/* --- cells ------------------------------------------------------------------------------------------ */

void cell_count(struct table *table, struct reader *reader, json_t *object, const char *key)
{
	table_count(table, read_count(reader, object, key));
}

void cell_optional(struct table *table, struct reader *reader, json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (!value || json_is_null(value))
		table_text(table, "-");
	else
		table_format(table, "%llu", (unsigned long long)read_count(reader, object, key));
}

void cell_duration(struct table *table, struct reader *reader, json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (!value || json_is_null(value))
		table_text(table, "-");
	else
		table_duration(table, read_count(reader, object, key));
}

void cell_time(struct table *table, struct reader *reader, json_t *object, const char *key)
{
	if (json_is_null(json_object_get(object, key)))
		table_text(table, "-");
	else
		table_time(table, read_count(reader, object, key));
}

void cell_yes_no(struct table *table, json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	table_text(table, json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "-");
}

void cell_ratio(struct table *table, json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (json_is_number(value))
		table_format(table, "%.2f", json_number_value(value));
	else
		table_text(table, "-");
}

void cells_seen(struct table *table, struct reader *reader, json_t *object)
{
	uint64_t seen = read_count(reader, object, "packets_seen");
	uint64_t dropped = read_count(reader, object, "packets_dropped");

	table_count(table, seen);
	table_color(table, dropped ? COLOR_BAD : COLOR_NONE);
	table_count(table, dropped);
	table_color(table, dropped ? COLOR_BAD : COLOR_NONE);
	table_percent(table, dropped, seen);
}

void cell_interface(struct table *table, struct reader *reader, json_t *interface)
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

void cell_lost(struct table *table, struct reader *reader, json_t *object, const char *key)
{
	uint64_t lost = read_count(reader, object, key);

	table_color(table, lost ? COLOR_BAD : COLOR_NONE);
	table_count(table, lost);
}

enum color state_color(const char *state)
{
	static const struct {
		const char *state;
		enum color color;
	} rows[] = {
		{ "up", COLOR_GOOD }, { "running", COLOR_GOOD }, { "missing", COLOR_BAD }, { "down", COLOR_BAD },
		{ "degraded", COLOR_BAD }, { "active", COLOR_GOOD }, { "finished", COLOR_NONE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (!strcmp(rows[i].state, state))
			return rows[i].color;
	return COLOR_WARNING; /* paused, waiting, restarting, starting, and what else there may be */
}

void cell_state(struct table *table, struct reader *reader, json_t *object)
{
	const char *state = read_text(reader, object, "state");

	table_color(table, state_color(state));
	table_text(table, state);
}

int changed_print(json_t *answer, const char *key, const char *noun, FILE *out, const char **ret_missing, const char *what,
		  const char *none)
{
	struct reader reader = { NULL };
	uint64_t n = read_count(&reader, answer, key);
	int r = reader_result(&reader, ret_missing);

	if (r == 0 && n)
		fprintf(out, "%llu %s%s %s now\n", (unsigned long long)n, noun, n == 1 ? " is" : "s are", what);
	else if (r == 0)
		fprintf(out, "%s\n", none);
	return r;
}
