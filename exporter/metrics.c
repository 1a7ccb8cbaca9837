// SPDX-License-Identifier: BSD-3-Clause
#include "exporter/metrics.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/manual.h"
#include "exporter/metrics_table.h"

#define NS_PER_S 1000000000LL
#define PATH_MEMBER_CHARS 64

/** Where samples go; and the object that the current ones are of, with the labels that say which it is. */
struct sink {
	struct evbuffer *out;
	const struct metric *metric;
	json_t *object;
	json_t *interface; ///< name of an interface, NULL: not of one
	json_t *worker;	   ///< number of a worker
	json_t *directory; ///< path
	bool failed;	   ///< out of memory
};

static void put(struct sink *sink, const char *text, size_t len)
{
	if (evbuffer_add(sink->out, text, len) < 0)
		sink->failed = true;
}

static void put_text(struct sink *sink, const char *text)
{
	put(sink, text, strlen(text));
}

/* What would end a label's value or a help text, or the line. */
static void put_escaped(struct sink *sink, const char *text, bool quotes)
{
	const char *special = quotes ? "\\\n\"" : "\\\n";

	while (*text) {
		size_t plain = strcspn(text, special);

		put(sink, text, plain);
		text += plain;
		if (!*text)
			return;
		put_text(sink, *text == '\n' ? "\\n" : *text == '"' ? "\\\"" : "\\\\");
		text++;
	}
}

static void put_number(struct sink *sink, long long value)
{
	if (evbuffer_add_printf(sink->out, "%lld", value) < 0)
		sink->failed = true;
}

/* --- labels ------------------------------------------------------------------------------------------ */

static void put_label(struct sink *sink, bool *first, const char *name, const char *value)
{
	put_text(sink, *first ? "{" : ",");
	*first = false;
	put_text(sink, name);
	put_text(sink, "=\"");
	put_escaped(sink, value, true);
	put_text(sink, "\"");
}

/* Name and the labels that say what the sample is of; the set of labels is still open, or not begun. */
static bool put_subject(struct sink *sink)
{
	bool first = true;
	char number[24];

	put_text(sink, sink->metric->name);
	if (sink->directory)
		put_label(sink, &first, "directory", json_string_value(sink->directory));
	if (sink->interface)
		put_label(sink, &first, "interface", json_string_value(sink->interface));
	if (sink->worker) {
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(sink->worker));
		put_label(sink, &first, "worker", number);
	}
	return first;
}

static void put_end_of_labels(struct sink *sink, bool first)
{
	put_text(sink, first ? " " : "} ");
}

/* --- values ------------------------------------------------------------------------------------------ */

static json_t *value_find(json_t *object, const char *path)
{
	while (object && *path) {
		char member[PATH_MEMBER_CHARS];
		size_t len = strcspn(path, ".");

		if (len >= sizeof(member))
			return NULL;
		memcpy(member, path, len);
		member[len] = '\0';
		object = json_object_get(object, member);
		path += len + (path[len] == '.');
	}
	return object;
}

/* Whole numbers to the last digit: no way through a double. */
static void put_value(struct sink *sink, json_t *value, enum metric_kind kind)
{
	long long whole = json_integer_value(value);

	if (kind == METRIC_SECONDS && json_is_integer(value)) {
		if (evbuffer_add_printf(sink->out, "%s%lld.%09lld", whole < 0 ? "-" : "", llabs(whole / NS_PER_S),
					llabs(whole % NS_PER_S)) < 0)
			sink->failed = true;
	} else if (json_is_real(value)) {
		if (evbuffer_add_printf(sink->out, "%.17g", json_real_value(value)) < 0)
			sink->failed = true;
	} else {
		put_number(sink, json_is_boolean(value) ? json_is_true(value) : whole);
	}
	put_text(sink, "\n");
}

/* Whether there is a sample. What fancapd has as something else than the interface says is left out. */
static bool value_fits(json_t *value, enum metric_kind kind)
{
	switch (kind) {
	case METRIC_NUMBER: return json_is_number(value) || json_is_boolean(value);
	case METRIC_SECONDS: return json_is_integer(value);
	case METRIC_PRESENT: return true;
	case METRIC_STATE:
	case METRIC_INFO: return json_is_string(value);
	}
	return false;
}

static void write_sample(struct sink *sink, const struct metric_value *row)
{
	json_t *value = value_find(sink->object, row->path);
	enum metric_kind kind = sink->metric->kind;
	bool first;

	if (!value_fits(value, kind))
		return;
	first = put_subject(sink);
	if (sink->metric->label)
		put_label(sink, &first, sink->metric->label, row->label);
	put_end_of_labels(sink, first);
	if (kind == METRIC_STATE)
		put_text(sink, strcmp(json_string_value(value), row->label) == 0 ? "1\n" : "0\n");
	else if (kind == METRIC_PRESENT)
		put_text(sink, value && !json_is_null(value) ? "1\n" : "0\n");
	else
		put_value(sink, value, kind);
}

/* A label whose value is not known is left out: to Prometheus that is the same as an empty one. */
static void write_info(struct sink *sink)
{
	bool first = put_subject(sink);

	for (size_t i = 0; i < METRIC_VALUES_MAX && sink->metric->values[i].path; i++) {
		json_t *value = value_find(sink->object, sink->metric->values[i].path);

		if (value_fits(value, METRIC_INFO))
			put_label(sink, &first, sink->metric->values[i].label, json_string_value(value));
	}
	put_end_of_labels(sink, first);
	put_text(sink, "1\n");
}

static void write_object(struct sink *sink, json_t *object)
{
	sink->object = object;
	if (!json_is_object(object))
		return;
	if (sink->metric->kind == METRIC_INFO) {
		write_info(sink);
		return;
	}
	for (size_t i = 0; i < METRIC_VALUES_MAX && sink->metric->values[i].path; i++)
		write_sample(sink, &sink->metric->values[i]);
}

/* --- what there is a sample of ------------------------------------------------------------------------- */

/* One whose size is not known says 0. */
static void write_directories(struct sink *sink, json_t *document)
{
	json_t *directory;
	size_t i;

	json_array_foreach(value_find(document, "status.storage.directories"), i, directory) {
		sink->directory = json_object_get(directory, "path");
		if (json_is_string(sink->directory) && json_integer_value(json_object_get(directory, "total_bytes")) > 0)
			write_object(sink, directory);
	}
}

static void write_workers(struct sink *sink, json_t *interface)
{
	json_t *worker;
	size_t i;

	json_array_foreach(json_object_get(interface, "workers"), i, worker) {
		sink->worker = json_object_get(worker, "worker");
		if (json_is_integer(sink->worker))
			write_object(sink, worker);
	}
}

static void write_interfaces(struct sink *sink, json_t *document)
{
	json_t *interface;
	size_t i;

	json_array_foreach(value_find(document, "statistics.interfaces"), i, interface) {
		sink->interface = json_object_get(interface, "interface");
		if (!json_is_string(sink->interface))
			continue;
		if (sink->metric->scope == METRIC_OF_WORKER)
			write_workers(sink, interface);
		else
			write_object(sink, interface);
	}
}

static void write_samples(struct sink *sink, json_t *document)
{
	switch (sink->metric->scope) {
	case METRIC_OF_EXPORTER: write_object(sink, document); break;
	case METRIC_OF_DAEMON: write_object(sink, json_object_get(document, "status")); break;
	case METRIC_OF_DIRECTORY: write_directories(sink, document); break;
	case METRIC_OF_INTERFACE:
	case METRIC_OF_WORKER: write_interfaces(sink, document); break;
	case METRIC_SCOPES: break;
	}
}

static int write_metric(const struct metric *metric, json_t *document, struct evbuffer *samples, struct evbuffer *out)
{
	struct sink head = { .out = out, .metric = metric }, sink = { .out = samples, .metric = metric };

	write_samples(&sink, document);
	if (evbuffer_get_length(samples) > 0) {
		put_text(&head, "# HELP ");
		put_text(&head, metric->name);
		put_text(&head, " ");
		put_escaped(&head, metric->help, false);
		put_text(&head, "\n# TYPE ");
		put_text(&head, metric->name);
		put_text(&head, " ");
		put_text(&head, metric->type);
		put_text(&head, "\n");
		if (evbuffer_add_buffer(out, samples) < 0)
			head.failed = true;
	}
	return head.failed || sink.failed ? -ENOMEM : 0;
}

int metrics_write(json_t *document, struct evbuffer *out)
{
	struct evbuffer *samples = evbuffer_new();
	int r = samples ? 0 : -ENOMEM;

	for (size_t i = 0; i < metrics_table_length && r == 0; i++)
		r = write_metric(&metrics_table[i], document, samples, out);
	if (samples)
		evbuffer_free(samples);
	return r;
}

/* --- the table for people ------------------------------------------------------------------------------- */

static void print_labels(const struct metric *metric, FILE *out)
{
	static const char *const subjects[METRIC_SCOPES] = {
		[METRIC_OF_DIRECTORY] = "directory",
		[METRIC_OF_INTERFACE] = "interface",
		[METRIC_OF_WORKER] = "interface, worker",
	};
	const char *separator = subjects[metric->scope] ? ", " : "";

	fputs(subjects[metric->scope] ? subjects[metric->scope] : "", out);
	if (metric->label)
		fprintf(out, "%s%s", separator, metric->label);
	for (size_t i = 0; metric->kind == METRIC_INFO && i < METRIC_VALUES_MAX && metric->values[i].path; i++) {
		fprintf(out, "%s%s", separator, metric->values[i].label);
		separator = ", ";
	}
}

void metrics_print_table(FILE *out)
{
	fputs("| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n", out);
	for (size_t i = 0; i < metrics_table_length; i++) {
		const struct metric *metric = &metrics_table[i];

		fprintf(out, "| `%s` | %s | ", metric->name, metric->type);
		print_labels(metric, out);
		fprintf(out, " | %s", metric->help);
		for (size_t k = 0; metric->label && k < METRIC_VALUES_MAX && metric->values[k].path; k++)
			fprintf(out, "%s`%s`", k ? ", " : " Values: ", metric->values[k].label);
		fputs(" |\n", out);
	}
}

/* Exporter and daemon are one each. */
static bool has_labels(const struct metric *metric)
{
	return metric->label || metric->kind == METRIC_INFO || metric->scope > METRIC_OF_DAEMON;
}

void metrics_print_manual(FILE *out)
{
	for (size_t i = 0; i < metrics_table_length; i++) {
		fprintf(out, "*%s* (%s", metrics_table[i].name, metrics_table[i].type);
		if (has_labels(&metrics_table[i]))
			fputs("; ", out);
		print_labels(&metrics_table[i], out);
		fputs(")\n\t", out);
		manual_text(out, metrics_table[i].help);
		fputs("\n\n", out);
	}
}
