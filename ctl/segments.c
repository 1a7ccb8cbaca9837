// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/segments.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/call.h"
#include "ctl/output.h"
#include "ctl/report.h"
#include "ctl/when.h"
#include "varlink/framer.h"
#include "varlink/message.h"

#define PAGE_SEGMENTS 1000 /* the most that ListSegments gives at once */
#define CALL_BYTES (VARLINK_REQUEST_MAX_BYTES - 1024) /* of paths in one call, as JSON */
#define ATTEMPTS 3

const struct option_row segments_options[] = {
	{ "from", 0, "TIME", "that may have packets of this time or later", WORD_TIME },
	{ "to", 0, "TIME", "that may have packets from before this time", WORD_TIME },
	{ "limit", 'n', "N", "so many at most, the oldest ones", WORD_ANY },
	{ NULL },
};

const struct option_row hold_options[] = {
	{ "from", 0, "TIME", "all files that may have packets of this time or later", WORD_TIME },
	{ "to", 0, "TIME", "all files that may have packets from before this time", WORD_TIME },
	{ NULL },
};

/* --- what is asked for ---------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* A time that an option gives goes to the parameters of ListSegments. */
static enum ctl_exit take_time(const struct ctl *ctl, const struct arguments *arguments, const char *option,
			       json_t *parameters, const char *key)
{
	const char *text = arguments_option(arguments, option);
	int64_t ns;

	if (!text)
		return CTL_OK;
	if (when_parse(text, now_ns(), &ns) < 0)
		return wrong_usage(ctl, arguments->command, "--%s '%s' is no time: " WHEN_ALLOWED, option, text);
	(void)json_object_set_new(parameters, key, json_integer(ns));
	return CTL_OK;
}

/* @param ret_query set on CTL_OK only: parameters of ListSegments, the caller's to drop */
static enum ctl_exit make_query(const struct ctl *ctl, const struct arguments *arguments, const char *interface,
				json_t **ret_query)
{
	json_t *query = json_object();
	enum ctl_exit result = take_time(ctl, arguments, "from", query, "from_ns");

	if (!result)
		result = take_time(ctl, arguments, "to", query, "to_ns");
	if (!result && interface)
		(void)json_object_set_new(query, "interface", varlink_text(interface));
	if (result)
		json_decref(query);
	else
		*ret_query = query;
	return result;
}

/* --- ListSegments, page by page -------------------------------------------------------------------------- */

/* One page of n at most. @param segments gets what is in it @param ret_next what follows, NULL: nothing; the caller's */
static enum ctl_exit list_page(const struct ctl *ctl, json_t *query, size_t n, json_t *segments, json_t **ret_next)
{
	enum ctl_exit result;
	json_t *answer, *found, *next;

	(void)json_object_set_new(query, "limit", json_integer((json_int_t)n));
	result = call(ctl, FANCAP_INTERFACE ".ListSegments", query, &answer);
	if (result)
		return result;
	found = json_object_get(answer, "segments");
	next = json_object_get(answer, "next");
	if (!json_is_array(found))
		result = wrong_answer(ctl, "segments");
	/* An empty page with a successor would be asked for for ever. */
	else if (next && !json_is_null(next) && (!json_is_string(next) || !json_array_size(found)))
		result = wrong_answer(ctl, "next");
	else
		(void)json_array_extend(segments, found);
	*ret_next = result || !json_is_string(next) ? NULL : json_incref(next);
	json_decref(answer);
	return result;
}

/* @param limit how many at most @param ret_answer set on CTL_OK: {segments, next} as one answer would have been */
static enum ctl_exit list_segments(const struct ctl *ctl, json_t *query, size_t limit, json_t **ret_answer)
{
	json_t *segments = json_array(), *next = NULL;
	enum ctl_exit result;
	size_t n;

	do {
		if (next)
			(void)json_object_set_new(query, "after", next);
		n = limit - json_array_size(segments);
		result = list_page(ctl, query, n < PAGE_SEGMENTS ? n : PAGE_SEGMENTS, segments, &next);
	} while (!result && next && json_array_size(segments) < limit);
	if (!result)
		*ret_answer = json_pack("{s:O, s:o}", "segments", segments, "next", next ? next : json_null());
	json_decref(segments);
	return result;
}

enum ctl_exit run_segments(const struct ctl *ctl, const struct arguments *arguments)
{
	long long limit = LLONG_MAX;
	json_t *query, *answer;
	enum ctl_exit result = arguments_number(ctl, arguments, "limit", 1, LLONG_MAX, &limit);

	if (!result)
		result = make_query(ctl, arguments, arguments_word(arguments, 0), &query);
	if (result)
		return result;
	result = list_segments(ctl, query, (size_t)limit, &answer);
	json_decref(query);
	return result ? result : print_answer(ctl, answer, report_segments);
}

/* --- Hold and Release -------------------------------------------------------------------------------------- */

/* The absolute path of a file that may not be there (any more): the daemon knows best. */
static json_t *absolute_path(const char *file)
{
	char *real = realpath(file, NULL), *folder = NULL, *joined = NULL;
	json_t *path;

	if (!real && *file != '/') {
		folder = getcwd(NULL, 0);
		if (!folder || asprintf(&joined, "%s/%s", folder, file) < 0)
			joined = NULL;
	}
	path = varlink_text(real ? real : joined ? joined : file);
	free(real);
	free(folder);
	free(joined);
	return path;
}

/* Paths on another machine are what they are said to be. */
static json_t *paths_of_words(const struct ctl *ctl, const struct arguments *arguments)
{
	json_t *paths = json_array();

	for (int i = 0; i < arguments->n; i++)
		(void)json_array_append_new(paths, ctl->host ? varlink_text(arguments->words[i]) :
							       absolute_path(arguments->words[i]));
	return paths;
}

/* Those of the files of a time range that it makes a difference to. */
static enum ctl_exit paths_of_query(const struct ctl *ctl, json_t *query, bool held, json_t **ret_paths)
{
	json_t *answer, *segment, *paths = json_array();
	enum ctl_exit result;
	size_t i;

	(void)json_object_del(query, "after");
	result = list_segments(ctl, query, SIZE_MAX, &answer);
	if (result) {
		json_decref(paths);
		return result;
	}
	json_array_foreach(json_object_get(answer, "segments"), i, segment) {
		if (json_is_true(json_object_get(segment, "held")) != held)
			(void)json_array_append(paths, json_object_get(segment, "path"));
	}
	json_decref(answer);
	*ret_paths = paths;
	return CTL_OK;
}

/* How much a path takes in a call: a character may be \u0001 there. */
static size_t path_bytes(json_t *path)
{
	char *text = json_dumps(path, JSON_ENCODE_ANY | JSON_COMPACT);
	size_t n = text ? strlen(text) + 1 : 0;

	free(text);
	return n;
}

/* Call method with paths, as many at a time as a call has room for. */
static enum ctl_exit change_paths(const struct ctl *ctl, const char *method, json_t *paths, json_int_t *changed)
{
	size_t i = 0, n = json_array_size(paths);
	enum ctl_exit result = CTL_OK;

	do {
		json_t *parameters = json_pack("{s:[]}", "paths"), *some = json_object_get(parameters, "paths"), *answer;
		size_t bytes = 0;

		for (; i < n; i++) {
			bytes += path_bytes(json_array_get(paths, i));
			if (bytes > CALL_BYTES && json_array_size(some))
				break;
			(void)json_array_append(some, json_array_get(paths, i));
		}
		result = call(ctl, method, parameters, &answer);
		json_decref(parameters);
		if (result)
			return result;
		if (json_is_integer(json_object_get(answer, "changed")))
			*changed += json_integer_value(json_object_get(answer, "changed"));
		else
			result = wrong_answer(ctl, "changed");
		json_decref(answer);
	} while (!result && i < n);
	return result;
}

/*
 * Between the list and the call a file may be finished, which gives it another name, or removed, and the call be refused for
 * it. So it is tried again; what was changed already is not in the next list.
 */
static enum ctl_exit change_query(const struct ctl *ctl, const char *method, json_t *query, bool held, json_int_t *changed)
{
	enum ctl_exit result = CTL_FAILED;

	for (unsigned attempt = 1; result == CTL_FAILED && attempt <= ATTEMPTS; attempt++) {
		struct ctl quiet = *ctl;
		char *said = NULL;
		size_t len;
		json_t *paths = NULL;

		quiet.err = open_memstream(&said, &len);
		if (!quiet.err)
			return CTL_FAILED;
		result = paths_of_query(&quiet, query, held, &paths);
		if (!result && json_array_size(paths))
			result = change_paths(&quiet, method, paths, changed);
		fclose(quiet.err);
		if (result && (result != CTL_FAILED || attempt == ATTEMPTS))
			fputs(said, ctl->err);
		json_decref(paths);
		free(said);
	}
	return result;
}

static enum ctl_exit change(const struct ctl *ctl, const struct arguments *arguments, const char *method, bool held,
			    json_int_t *changed)
{
	bool range = arguments_option(arguments, "from") || arguments_option(arguments, "to");
	const char *name = arguments->command->name;
	json_t *query, *paths;
	enum ctl_exit result;

	if (range == (arguments->n > 0))
		return wrong_usage(ctl, arguments->command, "%s takes files, or --from and --to", name);
	if (ctl->interface && !range)
		return wrong_usage(ctl, arguments->command, "%s takes --interface only with --from and --to", name);
	if (!range) {
		paths = paths_of_words(ctl, arguments);
		result = change_paths(ctl, method, paths, changed);
		json_decref(paths);
		return result;
	}
	result = make_query(ctl, arguments, ctl->interface, &query);
	if (result)
		return result;
	result = change_query(ctl, method, query, held, changed);
	json_decref(query);
	return result;
}

enum ctl_exit run_hold(const struct ctl *ctl, const struct arguments *arguments)
{
	json_int_t changed = 0;
	enum ctl_exit result = change(ctl, arguments, FANCAP_INTERFACE ".Hold", true, &changed);

	return result ? result : print_answer(ctl, json_pack("{s:I}", "changed", changed), report_held);
}

enum ctl_exit run_release(const struct ctl *ctl, const struct arguments *arguments)
{
	json_int_t changed = 0;
	enum ctl_exit result = change(ctl, arguments, FANCAP_INTERFACE ".Release", false, &changed);

	return result ? result : print_answer(ctl, json_pack("{s:I}", "changed", changed), report_released);
}
