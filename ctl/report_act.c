// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/report.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "ctl/output.h"
#include "ctl/reader.h"

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

/* An expression in quotes, or that there is none. */
static void filter_print(FILE *out, json_t *filter)
{
	const char *text = json_string_value(filter);

	if (!text || !*text) {
		fputs("all packets", out);
		return;
	}
	fputs("what matches '", out);
	text_print(out, text);
	fputc('\'', out);
}

static bool is_same_filter(json_t *a, json_t *b)
{
	const char *text_a = json_string_value(a), *text_b = json_string_value(b);

	return !strcmp(text_a ? text_a : "", text_b ? text_b : "");
}

int report_filter(json_t *answer, FILE *out, const char **ret_missing)
{
	json_t *filter = json_object_get(answer, "filter"), *configured = json_object_get(answer, "filter_configured");

	if (!json_is_string(filter) && !json_is_null(filter)) {
		*ret_missing = "filter";
		return -EBADMSG;
	}
	fputs("recorded: ", out);
	filter_print(out, filter);
	fputc('\n', out);
	if (configured && !is_same_filter(filter, configured)) {
		fputs("configured: ", out);
		filter_print(out, configured);
		fputc('\n', out);
	}
	return 0;
}

int report_paused(json_t *answer, FILE *out, const char **ret_missing)
{
	return changed_print(answer, "interfaces", "interface", out, ret_missing, "paused", "nothing has changed: paused before");
}

int report_resumed(json_t *answer, FILE *out, const char **ret_missing)
{
	return changed_print(answer, "interfaces", "interface", out, ret_missing, "recorded", "nothing has changed: none was paused");
}

int report_restart(json_t *answer, FILE *out, const char **ret_missing)
{
	struct reader reader = { NULL };
	uint64_t pid = read_count(&reader, answer, "pid");
	int r = reader_result(&reader, ret_missing);

	if (r == 0)
		fprintf(out, "the worker is process %llu now\n", (unsigned long long)pid);
	return r;
}

int report_log_level(json_t *answer, FILE *out, const char **ret_missing)
{
	struct reader reader = { NULL };
	const char *level = read_text(&reader, answer, "log_level");
	int r = reader_result(&reader, ret_missing);

	if (r < 0)
		return r;
	text_print(out, level);
	fputc('\n', out);
	return 0;
}

int report_log_level_set(json_t *answer, FILE *out, const char **ret_missing)
{
	struct reader reader = { NULL };
	const char *previous = read_text(&reader, answer, "previous");
	int r = reader_result(&reader, ret_missing);

	if (r < 0)
		return r;
	fputs("until the next reload; before it was ", out);
	text_print(out, previous);
	fputc('\n', out);
	return 0;
}

/* --- configuration ---------------------------------------------------------------------------------------- */

/* YAML, and where it is from as a comment: so it can be kept as a file. */
int report_configuration(json_t *answer, FILE *out, const char **ret_missing)
{
	struct reader reader = { NULL };
	const char *path = read_text(&reader, answer, "path"), *yaml = read_text(&reader, answer, "yaml");
	uint64_t loaded_ns = read_count(&reader, answer, "loaded_ns");
	int r = reader_result(&reader, ret_missing);

	if (r < 0)
		return r;
	fputs("# ", out);
	text_print(out, path);
	fputs(", read at ", out);
	time_print(out, loaded_ns);
	fputc('\n', out);
	text_print_lines(out, yaml);
	return 0;
}
