// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/methods_private.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/segments.h"
#include "daemon/summary.h"
#include "varlink/interfaces.h"

/* doc/io.fancap.varlink says so too. */
#define LIMIT_DEFAULT 500

/* --- answers ------------------------------------------------------------------------------------- */

static json_t *path_pack(const struct segment_entry *entry, const char *const *directories)
{
	char path[PATH_MAX];

	return segment_entry_path(entry, directories, path, sizeof(path)) == 0 ? varlink_text(path) : json_string("");
}

static json_t *segment_pack(const struct segment_entry *entry, const char *const *directories)
{
	return json_pack("{s:o, s:o, s:I, s:s, s:b, s:b, s:o, s:o, s:o, s:o}",
			 "path", path_pack(entry, directories),
			 "interface", varlink_text(entry->interface),
			 "worker", (json_int_t)entry->worker,
			 "state", entry->active ? "active" : "finished",
			 "held", entry->held,
			 "compressed", entry->compressed,
			 "start_ns", varlink_count(entry->start_us * 1000u),
			 "end_ns", entry->last_ns > 0 ? varlink_count(entry->last_ns) : json_null(),
			 "packets", entry->packets != SUMMARY_PACKETS_UNKNOWN ? varlink_count(entry->packets) : json_null(),
			 "bytes", varlink_count(entry->bytes));
}

static json_t *segments_pack(const struct segments_answer *answer)
{
	const struct segment_entry *last = answer->more && answer->n > 0 ? &answer->entries[answer->n - 1] : NULL;
	json_t *array = json_array();
	int r = 0;

	for (size_t i = 0; i < answer->n; i++)
		r |= json_array_append_new(array, segment_pack(&answer->entries[i], answer->directories));
	if (r != 0) {
		json_decref(array);
		array = NULL;
	}
	return json_pack("{s:o, s:o}", "segments", array, "next",
			 last ? path_pack(last, answer->directories) : json_null());
}

/* The file that it is about comes with it, if it is about one. */
static void reply_refused(struct method_reply *reply, const struct segments_answer *answer)
{
	switch (answer->result) {
	case -ENOENT:
		if (answer->n > 0) {
			method_error(reply, FANCAP_ERROR_NO_SUCH_SEGMENT, "path",
				     path_pack(&answer->entries[0], answer->directories));
			break;
		}
		/* fallthrough */
	default: method_unavailable(reply, strerror(-answer->result)); break;
	case -EAGAIN: method_unavailable(reply, "the storage keeper is still looking through the folders"); break;
	case -EPIPE: method_unavailable(reply, "the storage keeper has died, and is being replaced"); break;
	}
}

static void reply_outcome(struct method_wait *wait, const struct control_outcome *outcome,
			  json_t *(*pack)(const struct segments_answer *answer))
{
	struct method_reply reply = { 0 };

	if (!outcome->in_time)
		method_unavailable(&reply, "the storage keeper does not answer");
	else if (outcome->segments->result < 0)
		reply_refused(&reply, outcome->segments);
	else
		reply.parameters = pack(outcome->segments);
	(void)wait->answer(wait, &reply);
}

static void on_listed(struct control_job *job, const struct control_outcome *outcome)
{
	reply_outcome((struct method_wait *)job, outcome, segments_pack);
}

static json_t *changed_pack(const struct segments_answer *answer)
{
	return json_pack("{s:I}", "changed", (json_int_t)answer->changed);
}

static void on_held(struct control_job *job, const struct control_outcome *outcome)
{
	reply_outcome((struct method_wait *)job, outcome, changed_pack);
}

/* @return whether the answer is there: it cannot be asked for */
static bool reply_begun(struct method_reply *reply, int r)
{
	if (r == 0)
		return false;
	if (r == -EAGAIN)
		method_unavailable(reply, "the storage keeper is being replaced");
	else if (r == -EBUSY)
		method_unavailable(reply, "the storage keeper has not answered earlier calls yet");
	else
		method_unavailable(reply, strerror(-r));
	return true;
}

/* --- questions ----------------------------------------------------------------------------------- */

/* @return whether it is within bounds, or not given */
static bool number_get(json_t *parameters, const char *key, json_int_t min, json_int_t max, json_int_t *number)
{
	json_t *given = json_object_get(parameters, key);

	if (!given || json_is_null(given))
		return true;
	*number = json_integer_value(given);
	return *number >= min && *number <= max;
}

/* The name of a parameter that makes no sense; NULL: all do. */
static const char *query_read(const struct control_source *source, json_t *parameters, struct segments_query *ret)
{
	const char *interface = json_string_value(json_object_get(parameters, "interface"));
	const char *after = json_string_value(json_object_get(parameters, "after"));
	json_int_t from = 0, to = INT64_MAX, limit = LIMIT_DEFAULT;

	if (!number_get(parameters, "from_ns", 0, INT64_MAX, &from))
		return "from_ns";
	if (!number_get(parameters, "to_ns", 0, INT64_MAX, &to))
		return "to_ns";
	if (!number_get(parameters, "limit", 1, SEGMENTS_MAX, &limit))
		return "limit";
	*ret = (struct segments_query){
		.from_ns = (uint64_t)from,
		.to_ns = (uint64_t)to,
		.limit = (uint32_t)limit,
		.has_after = after,
	};
	if (interface && (!interface[0] || strlen(interface) >= sizeof(ret->interface)))
		return "interface";
	if (interface)
		memcpy(ret->interface, interface, strlen(interface) + 1);
	return after && source->parse_segment(source->arg, after, &ret->after) < 0 ? "after" : NULL;
}

bool methods_list_segments(const struct control_source *source, json_t *parameters, struct method_wait *wait,
			   struct method_reply *ret_reply)
{
	struct segments_query query;
	const char *invalid = query_read(source, parameters, &query);

	if (invalid) {
		method_error(ret_reply, VARLINK_ERROR_INVALID_PARAMETER, "parameter", json_string(invalid));
		return true;
	}
	wait->job.over = on_listed;
	return reply_begun(ret_reply, source->list_segments(source->arg, &query, &wait->job));
}

/* --- holding ------------------------------------------------------------------------------------- */

/* @return the entries, which the caller frees; NULL: no memory, or an error has been replied */
static struct segment_entry *paths_read(const struct control_source *source, json_t *paths,
					struct method_reply *ret_reply)
{
	struct segment_entry *entries = calloc(json_array_size(paths) + 1, sizeof(*entries));
	json_t *path;
	size_t i;

	if (!entries) {
		method_unavailable(ret_reply, "out of memory");
		return NULL;
	}
	json_array_foreach(paths, i, path) {
		if (!json_is_string(path))
			method_error(ret_reply, VARLINK_ERROR_INVALID_PARAMETER, "parameter", json_string("paths"));
		else if (source->parse_segment(source->arg, json_string_value(path), &entries[i]) < 0)
			method_error(ret_reply, FANCAP_ERROR_NO_SUCH_SEGMENT, "path", json_incref(path));
		else
			continue;
		free(entries);
		return NULL;
	}
	return entries;
}

static bool set_held(const struct control_source *source, json_t *parameters, bool hold, struct method_wait *wait,
		     struct method_reply *ret_reply)
{
	json_t *paths = json_object_get(parameters, "paths");
	struct segment_entry *entries;
	int r;

	if (json_array_size(paths) > SEGMENTS_MAX) {
		method_error(ret_reply, VARLINK_ERROR_INVALID_PARAMETER, "parameter", json_string("paths"));
		return true;
	}
	entries = paths_read(source, paths, ret_reply);
	if (!entries)
		return true;
	wait->job.over = on_held;
	r = source->hold_segments(source->arg, hold, entries, json_array_size(paths), &wait->job);
	free(entries);
	return reply_begun(ret_reply, r);
}

bool methods_hold(const struct control_source *source, json_t *parameters, struct method_wait *wait,
		  struct method_reply *ret_reply)
{
	return set_held(source, parameters, true, wait, ret_reply);
}

bool methods_release(const struct control_source *source, json_t *parameters, struct method_wait *wait,
		     struct method_reply *ret_reply)
{
	return set_held(source, parameters, false, wait, ret_reply);
}
