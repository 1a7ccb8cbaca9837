// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/segments.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/active.h"
#include "daemon/capture.h"
#include "daemon/channel.h"
#include "daemon/compress.h"
#include "daemon/process.h"
#include "daemon/segment.h"
#include "daemon/summary.h"
#include "daemon/waiting.h"

/* A keeper that is behind is not asked for more. */
#define UNANSWERED_MAX 4u

/* --- entries --------------------------------------------------------------------------------------------------- */

static bool text_ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

bool segments_message_is_valid(const struct segments_message *message, size_t n_directories)
{
	if (message->operation >= SEGMENTS_OPERATIONS || message->n > SEGMENTS_PIECE ||
	    !text_ends(message->query.interface, SEGMENTS_INTERFACE_MAX) ||
	    !text_ends(message->query.after.interface, SEGMENTS_INTERFACE_MAX))
		return false;
	for (uint32_t i = 0; i < message->n; i++) {
		if (!text_ends(message->entries[i].interface, SEGMENTS_INTERFACE_MAX) ||
		    message->entries[i].directory >= n_directories)
			return false;
	}
	return true;
}

#define COMPARE(member) \
	if (a->member != b->member) \
		return a->member < b->member ? -1 : 1

int segment_entry_compare(const struct segment_entry *a, const struct segment_entry *b)
{
	int names = strcmp(a->interface, b->interface);

	COMPARE(start_us);
	if (names != 0)
		return names;
	COMPARE(worker);
	COMPARE(attempt);
	COMPARE(directory);
	COMPARE(compressed);
	return 0;
}

int segment_entry_of(const struct archive_file *file, const char *interface, struct segment_entry *ret)
{
	*ret = (struct segment_entry){
		.start_us = file->start_us,
		.worker = file->worker,
		.attempt = file->attempt,
		.directory = file->directory,
		.compressed = file->compressed,
		.bytes = file->bytes,
		.packets = file->packets,
		.last_ns = file->last_ns,
	};
	if (strlen(interface) >= sizeof(ret->interface))
		return -ENAMETOOLONG;
	memcpy(ret->interface, interface, strlen(interface) + 1);
	return 0;
}

int segment_entry_path(const struct segment_entry *entry, const char *const *directories, char *ret, size_t size)
{
	char folder[PATH_MAX];
	int n = snprintf(folder, sizeof(folder), "%s/%s", directories[entry->directory], entry->interface);
	int r = n < 0 || (size_t)n >= sizeof(folder) ? -ENAMETOOLONG : 0;

	if (r == 0)
		r = segment_path(ret, size, folder, entry->interface, entry->worker, entry->start_us * 1000u,
				 entry->attempt);
	if (r < 0)
		return r;
	if (strlen(ret) + sizeof(COMPRESS_SUFFIX) + sizeof(SEGMENT_PART) > size)
		return -ENAMETOOLONG;
	if (entry->compressed)
		strcat(ret, COMPRESS_SUFFIX);
	if (entry->active)
		strcat(ret, SEGMENT_PART);
	return 0;
}

int segment_entry_parse(const char *path, const char *const *directories, size_t n, struct segment_entry *ret)
{
	char interface[NAME_MAX + 1], same[PATH_MAX];
	struct archive_file file;
	enum archive_kind kind = archive_parse_path(directories, n, path, interface, &file);

	if ((kind != ARCHIVE_FILE && kind != ARCHIVE_PART) || segment_entry_of(&file, interface, ret) < 0)
		return -ENOENT;
	ret->active = kind == ARCHIVE_PART;
	/* One name for a file: no "//", say. */
	return segment_entry_path(ret, directories, same, sizeof(same)) == 0 && strcmp(path, same) == 0 ? 0 : -ENOENT;
}

bool segments_query_wants(const struct segments_query *query, const struct segment_entry *entry)
{
	return (query->interface[0] == '\0' || strcmp(query->interface, entry->interface) == 0) &&
	       entry->start_us * 1000u < query->to_ns &&
	       (!query->has_after || segment_entry_compare(entry, &query->after) > 0);
}

/* --- what workers write ---------------------------------------------------------------------------------------- */

/** Entries, as many as it takes. */
struct entries {
	struct segment_entry *entries;
	size_t n, capacity;
};

static int entries_add(struct entries *list, const struct segment_entry *entry)
{
	if (list->n == list->capacity) {
		size_t capacity = list->capacity * 2 + SEGMENTS_PIECE;
		struct segment_entry *grown = reallocarray(list->entries, capacity, sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		list->entries = grown;
		list->capacity = capacity;
	}
	list->entries[list->n++] = *entry;
	return 0;
}

/* @return 1, 0 it has none open, or is about to open one */
static int active_entry(const struct segments *segments, struct ledger *ledger, struct segment_entry *ret)
{
	struct active_segment active;

	if (!active_read(ledger, &active) || active.bytes == 0 ||
	    segment_entry_parse(active.path, segments->directories, segments->n_directories, ret) < 0)
		return 0;
	ret->active = true;
	ret->bytes = active.bytes;
	ret->packets = active.packets;
	return 1;
}

/* @param query NULL: all */
static int active_list(const struct segments *segments, const struct segments_query *query, struct entries *ret)
{
	for (const struct capture *capture = segments->captures->first; capture != NULL; capture = capture->next) {
		for (const struct ring_set *set = capture->sets; set != NULL; set = set->next) {
			for (unsigned w = 0; w < set->n; w++) {
				struct segment_entry entry;

				if (active_entry(segments, set->rings[w].ledger, &entry) == 0 ||
				    (query != NULL && !segments_query_wants(query, &entry)))
					continue;
				if (entries_add(ret, &entry) < 0)
					return -ENOMEM;
			}
		}
	}
	return 0;
}

/* --- requests -------------------------------------------------------------------------------------------------- */

/** One that somebody waits for. */
struct request {
	struct waiting waiting; /* its first member */
	uint64_t number;
	struct entries answer; /* so far */
};

static void request_drop(struct waiting *waiting)
{
	free(((struct request *)waiting)->answer.entries);
}

static int send_pieces(const struct segments *segments, struct segments_message *message,
		       const struct segment_entry *entries, size_t n)
{
	struct channel_message out = {.type = CHANNEL_SEGMENTS};
	int r = 0;

	do {
		message->n = n < SEGMENTS_PIECE ? (uint32_t)n : SEGMENTS_PIECE;
		message->last = message->n == n;
		if (message->n > 0)
			memcpy(message->entries, entries, message->n * sizeof(*entries));
		out.segments = *message;
		r = channel_send(segments->keeper->channel_fd, &out);
		entries += message->n;
		n -= message->n;
	} while (r == 0 && !message->last);
	return r;
}

static int begin(struct segments *segments, struct segments_message *message, const struct segment_entry *entries,
		 size_t n, unsigned limit_ms, struct control_job *job)
{
	struct request *request;
	int r;

	if (!segments->keeper->ready || segments->keeper->channel_fd < 0)
		return -EAGAIN;
	if (segments->unanswered >= UNANSWERED_MAX)
		return -EBUSY;
	request = calloc(1, sizeof(*request));
	if (request == NULL)
		return -ENOMEM;
	request->waiting.drop = request_drop;
	message->number = request->number = ++segments->number;
	/* What is sent in part only the keeper forgets when the next one begins. */
	r = send_pieces(segments, message, entries, n);
	if (r < 0) {
		free(request);
		return -EBUSY;
	}
	segments->unanswered++;
	return waiting_begin(&request->waiting, &segments->waiting, segments->base, limit_ms, job);
}

int segments_list(struct segments *segments, const struct segments_query *query, unsigned limit_ms,
		  struct control_job *job)
{
	struct segments_message message = {.operation = SEGMENTS_LIST, .query = *query};
	struct entries active = {0};
	int r = active_list(segments, query, &active);

	if (r == 0)
		r = begin(segments, &message, active.entries, active.n, limit_ms, job);
	free(active.entries);
	return r;
}

/* What the caller takes for one that is being written, say, may be finished by now. */
static bool is_active(const struct entries *active, const struct segment_entry *entry)
{
	for (size_t i = 0; i < active->n; i++) {
		if (segment_entry_compare(&active->entries[i], entry) == 0)
			return true;
	}
	return false;
}

int segments_hold(struct segments *segments, bool hold, const struct segment_entry *entries, size_t n, unsigned limit_ms,
		  struct control_job *job)
{
	struct segments_message message = {.operation = hold ? SEGMENTS_HOLD : SEGMENTS_RELEASE};
	struct segment_entry *copy = calloc(n > 0 ? n : 1, sizeof(*copy));
	struct entries active = {0};
	int r = copy != NULL ? active_list(segments, NULL, &active) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < n; i++) {
		copy[i] = entries[i];
		copy[i].active = is_active(&active, &entries[i]);
	}
	if (r == 0)
		r = begin(segments, &message, copy, n, limit_ms, job);
	free(active.entries);
	free(copy);
	return r;
}

static struct request *find_request(const struct segments *segments, uint64_t number)
{
	for (struct waiting *at = segments->waiting; at != NULL; at = at->next) {
		if (((struct request *)at)->number == number)
			return (struct request *)at;
	}
	return NULL;
}

/* Over, with what has been gathered; that is freed. */
static void request_over(const struct segments *segments, struct request *request, struct segments_answer *answer)
{
	struct segment_entry *entries = request->answer.entries;

	answer->entries = entries;
	answer->n = request->answer.n;
	answer->directories = segments->directories;
	request->answer.entries = NULL;
	waiting_over(&request->waiting, &(struct control_outcome){.in_time = true, .segments = answer});
	free(entries);
}

void segments_answered(struct segments *segments, const struct segments_message *message)
{
	struct segments_answer answer = {.result = message->result, .changed = message->changed, .more = message->more};
	struct request *request;

	if (!segments_message_is_valid(message, segments->n_directories))
		return;
	request = find_request(segments, message->number);
	if (message->last && segments->unanswered > 0)
		segments->unanswered--;
	if (request == NULL)
		return;
	for (uint32_t i = 0; i < message->n && answer.result != -ENOMEM; i++)
		answer.result = request->answer.n < SEGMENTS_MAX && entries_add(&request->answer, &message->entries[i]) < 0 ?
					-ENOMEM :
					answer.result;
	if (message->last || answer.result == -ENOMEM)
		request_over(segments, request, &answer);
}

void segments_keeper_died(struct segments *segments)
{
	struct waiting *next;

	segments->unanswered = 0;
	for (struct waiting *at = segments->waiting; at != NULL; at = next) {
		next = at->next;
		request_over(segments, (struct request *)at, &(struct segments_answer){.result = -EPIPE});
	}
}

void segments_forget(struct segments *segments, const struct control_job *job)
{
	waiting_forget(&segments->waiting, job);
}

void segments_done(struct segments *segments)
{
	waiting_done(&segments->waiting);
}
