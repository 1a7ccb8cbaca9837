// SPDX-License-Identifier: BSD-3-Clause
/*
 * What the supervisor asks about files. The loop looks into the index, which takes no disk; what does, a thread of its own:
 * whether a file is held, how many packets it has, making and removing markers. One request after the other.
 */
#include "daemon/keeper_private.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/channel.h"
#include "daemon/clock.h"
#include "daemon/compress.h"
#include "daemon/prune.h"
#include "daemon/segment.h"
#include "daemon/segments.h"
#include "daemon/summary.h"

/* For so long files are looked into; what is left over is not known yet, and is the next time. */
#define LOOK_MAX_NS UINT64_C(2000000000)
/* The supervisor does not read: try again after. */
#define SEND_AGAIN_MS 10
/* Workers there may be, and what may be asked for at once. */
#define ENTRIES_MAX 4096u

/** A request, from its first piece to the answer's last. */
struct segments_job {
	struct job job;
	struct keeper *keeper;
	struct segments_job *next;
	uint64_t number;
	enum segments_operation operation;
	struct segments_query query;
	struct segment_entry *entries; /* asked for; then those of the answer */
	size_t n, capacity;
	int result;
	size_t failed; /* which of entries the result is about */
	unsigned changed;
	bool more;
	size_t sent; /* of the answer */
};

struct keeper_segments {
	struct runner *runner;
	struct segments_job *coming;  /* whose pieces come in; or NULL */
	struct segments_job *waiting; /* complete, the first is under way */
	struct event *send_again;
};

static void job_free(struct segments_job *job)
{
	if (job != NULL)
		free(job->entries);
	free(job);
}

static int entries_reserve(struct segments_job *job, size_t n)
{
	struct segment_entry *grown;

	if (n <= job->capacity)
		return 0;
	if (n > ENTRIES_MAX)
		return -E2BIG;
	grown = reallocarray(job->entries, n, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	job->entries = grown;
	job->capacity = n;
	return 0;
}

/* --- in the thread --------------------------------------------------------------------------------------------- */

/** The folder of the last file: the next one is in the same, often. */
struct open_folder {
	int fd;
	char path[PATH_MAX];
};

/* Splits a file's path, and opens its folder. @return the name, within path; NULL: errno */
static const char *folder_open(const struct keeper_params *params, const struct segment_entry *entry, char *path,
			       struct open_folder *folder)
{
	char *name, *day;

	if (segment_entry_path(entry, params->directories, path, PATH_MAX) < 0) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	name = strrchr(path, '/');
	*name++ = '\0';
	if (folder->fd >= 0 && strcmp(folder->path, path) == 0)
		return name;
	if (folder->fd >= 0)
		close(folder->fd);
	day = strrchr(path, '/') + 1;
	folder->fd = scan_open_folder(params->directories[entry->directory], entry->interface, day);
	if (folder->fd < 0) {
		errno = -folder->fd;
		return NULL;
	}
	snprintf(folder->path, sizeof(folder->path), "%s", path);
	return name;
}

/* A marker stands beside the name that the file will have. @return how long that is, in the name it has */
static size_t held_length(const struct segment_entry *entry, const char *name)
{
	return strlen(name) - (entry->active ? strlen(SEGMENT_PART) : 0);
}

static bool is_held(int folder, const struct segment_entry *entry, const char *name)
{
	char plain[NAME_MAX + 1];

	snprintf(plain, sizeof(plain), "%.*s", (int)held_length(entry, name), name);
	return prune_has_marker(folder, plain, entry->compressed);
}

static void look_into(int folder, const char *name, struct segment_entry *entry)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct summary summary;

	if (fd < 0)
		return;
	summary = summary_read(fd);
	close(fd);
	entry->packets = summary.packets;
	entry->last_ns = summary.last_ns;
}

static void run_list(struct segments_job *job)
{
	uint64_t began_ns = clock_monotonic_ns();
	struct open_folder folder = {.fd = -1};
	char path[PATH_MAX];

	for (size_t i = 0; i < job->n; i++) {
		struct segment_entry *entry = &job->entries[i];
		const char *name = folder_open(job->keeper->params, entry, path, &folder);

		if (name == NULL)
			continue; /* removed meanwhile; it was there when it was asked for */
		entry->held = is_held(folder.fd, entry, name);
		if (!entry->active && !entry->compressed && entry->packets == SUMMARY_PACKETS_UNKNOWN &&
		    clock_monotonic_ns() - began_ns < LOOK_MAX_NS)
			look_into(folder.fd, name, entry);
	}
	if (folder.fd >= 0)
		close(folder.fd);
}

/* @return 1 made, 0 it was there, -ENOENT the file is not, -errno */
static int marker_make(const struct keeper *k, int folder, const struct segment_entry *entry, const char *name)
{
	char marker[NAME_MAX + sizeof(PRUNE_HOLD_SUFFIX)];
	int fd, r;

	if (is_held(folder, entry, name))
		return 0;
	snprintf(marker, sizeof(marker), "%.*s" PRUNE_HOLD_SUFFIX, (int)held_length(entry, name), name);
	fd = openat(folder, marker, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	r = finish_give(fd, &k->params->owner);
	close(fd);
	/* One that is finished at this moment has its name, or will. */
	if (r == 0 && !entry->active && faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r == 0 && fsync(folder) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(folder, marker, 0);
	return r < 0 ? r : 1;
}

static int marker_unlink(int folder, const char *name, size_t length)
{
	char marker[NAME_MAX + sizeof(PRUNE_HOLD_SUFFIX)];

	snprintf(marker, sizeof(marker), "%.*s" PRUNE_HOLD_SUFFIX, (int)length, name);
	if (unlinkat(folder, marker, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	return 1;
}

/* Of one that is compressed there may be two. @return 1 removed, 0 there was none, -errno */
static int marker_remove(int folder, const struct segment_entry *entry, const char *name)
{
	size_t length = held_length(entry, name);
	int r = marker_unlink(folder, name, length), other = 0;

	if (r >= 0 && entry->compressed)
		other = marker_unlink(folder, name, length - strlen(COMPRESS_SUFFIX));
	return r < 0 ? r : other < 0 ? other : r | other;
}

/* @return 1 it was changed, 0 it was so, -errno */
static int set_held(struct segments_job *job, struct segment_entry *entry, bool held, struct open_folder *folder)
{
	char path[PATH_MAX];
	const char *name = folder_open(job->keeper->params, entry, path, folder);

	if (name == NULL)
		return -errno;
	return held ? marker_make(job->keeper, folder->fd, entry, name) : marker_remove(folder->fd, entry, name);
}

/* All or none: what was done is undone, as far as that is possible. */
static void run_hold(struct segments_job *job)
{
	bool hold = job->operation == SEGMENTS_HOLD;
	struct open_folder folder = {.fd = -1};
	size_t i = 0;
	int r = 0;

	for (; r >= 0 && i < job->n; i++) {
		r = set_held(job, &job->entries[i], hold, &folder);
		job->entries[i].held = r == 1; /* changed, that is */
		job->changed += r == 1;
	}
	if (r < 0) {
		job->result = r;
		job->failed = --i;
		job->changed = 0;
		while (i-- > 0) {
			if (job->entries[i].held)
				(void)set_held(job, &job->entries[i], !hold, &folder);
		}
	}
	if (folder.fd >= 0)
		close(folder.fd);
}

static void run(struct job *base)
{
	struct segments_job *job = (struct segments_job *)base;

	if (job->operation == SEGMENTS_LIST)
		run_list(job);
	else
		run_hold(job);
}

/* --- answers --------------------------------------------------------------------------------------------------- */

static void answer_piece(const struct segments_job *job, struct segments_message *ret)
{
	bool list = job->operation == SEGMENTS_LIST && job->result == 0;
	size_t left = list ? job->n - job->sent : 0;

	*ret = (struct segments_message){
		.number = job->number,
		.operation = job->operation,
		.result = job->result,
		.changed = job->changed,
		.more = job->more,
		.n = left < SEGMENTS_PIECE ? (uint32_t)left : SEGMENTS_PIECE,
	};
	ret->last = ret->n == left;
	if (list && ret->n > 0)
		memcpy(ret->entries, job->entries + job->sent, ret->n * sizeof(ret->entries[0]));
	if (!list && job->result < 0 && job->failed < job->n)
		ret->entries[ret->n++] = job->entries[job->failed];
}

static void next_job(struct keeper *k);

/* Whatever came of the first one: tell it, as fast as it is read. */
static void send_answer(struct keeper *k)
{
	struct channel_message out = {.type = CHANNEL_SEGMENTS};
	const struct timeval again = {.tv_usec = SEND_AGAIN_MS * 1000};
	struct segments_job *job = k->segments->waiting;
	int r;

	do {
		answer_piece(job, &out.segments);
		r = channel_send(k->params->channel_fd, &out);
		if (r == -EAGAIN) {
			evtimer_add(k->segments->send_again, &again);
			return;
		}
		job->sent += out.segments.n;
	} while (r == 0 && !out.segments.last);
	k->segments->waiting = job->next;
	job_free(job);
	next_job(k);
}

static void on_send_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	send_answer(arg);
}

static struct archive_file *find_file(struct keeper *k, const struct segment_entry *entry)
{
	int id = archive_interface(k->archive, entry->interface);
	const struct archive_file name = {
		.start_us = entry->start_us,
		.interface = (uint16_t)id,
		.worker = entry->worker,
		.attempt = entry->attempt,
		.directory = entry->directory,
		.compressed = entry->compressed,
	};

	return id >= 0 ? archive_find(k->archive, &name) : NULL;
}

static void being_held(struct keeper *k, const struct segments_job *job, bool value)
{
	for (size_t i = 0; i < job->n; i++) {
		struct archive_file *file = find_file(k, &job->entries[i]);

		if (file != NULL)
			file->being_held = value;
	}
}

/* What was found out is known from now on. */
static void remember(struct keeper *k, const struct segments_job *job)
{
	for (size_t i = 0; i < job->n; i++) {
		const struct segment_entry *entry = &job->entries[i];
		struct archive_file *file = entry->active ? NULL : find_file(k, entry);

		if (file == NULL || entry->packets == SUMMARY_PACKETS_UNKNOWN)
			continue;
		file->packets = entry->packets;
		file->last_ns = entry->last_ns;
		file->looked_into = true;
	}
}

static void done(struct job *base)
{
	struct segments_job *job = (struct segments_job *)base;

	if (job->operation == SEGMENTS_LIST)
		remember(job->keeper, job);
	else
		being_held(job->keeper, job, false);
	send_answer(job->keeper);
}

/* --- questions ------------------------------------------------------------------------------------------------- */

/* Of one that nobody has looked into, its last change tells: packets are older than that. */
static bool file_is_late_enough(const struct segments_query *query, const struct archive_file *file)
{
	uint64_t end_ns = file->last_ns != 0 ? file->last_ns : file->end_ns;

	return end_ns >= query->from_ns;
}

/* Where to begin in the index. Interfaces have no order there but their numbers': so the first of this time. */
static size_t first_index(struct keeper *k, const struct segments_query *query)
{
	const struct archive_file from = {.start_us = query->has_after ? query->after.start_us : 0};

	return archive_position(k->archive, &from);
}

static int entry_by_order(const void *a, const void *b)
{
	return segment_entry_compare(a, b);
}

/* Those on their way from their workers to the index are as good as being written. */
static int gather_finishing(struct segments_job *job)
{
	const struct keeper *k = job->keeper;

	for (const struct finish_job *at = k->finishing; at != NULL; at = at->next) {
		struct segment_entry entry;

		if (at->orphan ||
		    segment_entry_parse(at->path, k->params->directories, k->params->n_directories, &entry) < 0 ||
		    !segments_query_wants(&job->query, &entry))
			continue;
		if (entries_reserve(job, job->n + 1) < 0)
			return -ENOMEM;
		entry.active = true;
		entry.bytes = at->bytes;
		job->entries[job->n++] = entry;
	}
	return 0;
}

/* One that was being written when the question was put, and is finished by now, is there twice. @return how many are left */
static size_t drop_twins(struct segment_entry *entries, size_t n)
{
	size_t to = 0;

	for (size_t from = 0; from < n; from++) {
		if (to > 0 && segment_entry_compare(&entries[to - 1], &entries[from]) == 0) {
			if (!entries[from].active)
				entries[to - 1] = entries[from];
		} else {
			entries[to++] = entries[from];
		}
	}
	return to;
}

/*
 * The finished files, behind those that are being written and came with the question, which are few; then all in order. One
 * more than is wanted tells whether there is more. Files of one time stand in the index by the numbers of their
 * interfaces, in answers by their names: all of that time are taken, then what is too much is left out.
 */
static int gather(struct segments_job *job)
{
	int r = gather_finishing(job);
	struct keeper *k = job->keeper;
	const struct segments_query *query = &job->query;
	/* Of what is there already all may be twins. */
	size_t n = job->n, limit = 2 * n + query->limit + 1;
	uint64_t last_us = 0;

	for (size_t i = first_index(k, query); i < archive_count(k->archive) && r == 0; i++) {
		const struct archive_file *file = archive_at(k->archive, i);
		struct segment_entry entry;

		if (file->start_us * 1000u >= query->to_ns || (n >= limit && file->start_us != last_us))
			break;
		if (!file_is_late_enough(query, file) ||
		    segment_entry_of(file, archive_interface_name(k->archive, file), &entry) < 0 ||
		    !segments_query_wants(query, &entry))
			continue;
		r = n == job->capacity ? entries_reserve(job, job->capacity + 256) : 0;
		if (r == 0)
			job->entries[n++] = entry;
		last_us = file->start_us;
	}
	if (r < 0)
		return r;
	if (n > 0) /* not even of nothing may qsort() be given NULL */
		qsort(job->entries, n, sizeof(*job->entries), entry_by_order);
	n = drop_twins(job->entries, n);
	job->more = n > query->limit;
	job->n = job->more ? query->limit : n;
	return 0;
}

/* It is on its way from its worker to the index. */
static bool is_finishing(const struct keeper *k, struct segment_entry entry)
{
	char path[PATH_MAX];

	entry.active = false;
	return segment_entry_path(&entry, k->params->directories, path, sizeof(path)) == 0 &&
	       keeper_is_finishing(k, path);
}

/* What was listed some time ago: a file that was being written may have its name by now, or be compressed. */
static bool find_entry(struct keeper *k, struct segment_entry *entry)
{
	if (entry->active || find_file(k, entry) != NULL)
		return true;
	entry->active = is_finishing(k, *entry);
	if (entry->active)
		return true;
	entry->compressed = true;
	return find_file(k, entry) != NULL;
}

static int find_all(struct segments_job *job)
{
	for (size_t i = 0; i < job->n; i++) {
		struct segment_entry entry = job->entries[i];

		if (!find_entry(job->keeper, &entry)) {
			job->failed = i;
			return -ENOENT;
		}
		job->entries[i] = entry;
	}
	being_held(job->keeper, job, true);
	return 0;
}

/* Begin with the first one that waits. */
static void next_job(struct keeper *k)
{
	struct segments_job *job = k->segments->waiting;

	if (job == NULL)
		return;
	if (job->result == 0 && !k->scanned)
		job->result = -EAGAIN;
	if (job->result == 0)
		job->result = job->operation == SEGMENTS_LIST ? gather(job) : find_all(job);
	if (job->result == 0)
		runner_add(k->segments->runner, &job->job);
	else
		send_answer(k);
}

static struct segments_job *job_new(struct keeper *k, const struct segments_message *message)
{
	struct segments_job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return NULL;
	job->job = (struct job){.run = run, .done = done};
	job->keeper = k;
	job->number = message->number;
	job->operation = (enum segments_operation)message->operation;
	job->query = message->query;
	return job;
}

static void take_piece(struct segments_job *job, const struct segments_message *message)
{
	int r = entries_reserve(job, job->n + message->n);

	if (r < 0) {
		job->result = r;
		return;
	}
	if (message->n > 0)
		memcpy(job->entries + job->n, message->entries, message->n * sizeof(*job->entries));
	job->n += message->n;
}

void keeper_segments_asked(struct keeper *k, const struct segments_message *message)
{
	struct keeper_segments *segments = k->segments;
	struct segments_job **at = &segments->waiting, *job = segments->coming;

	if (!segments_message_is_valid(message, k->params->n_directories))
		return;
	if (job == NULL || job->number != message->number) {
		job_free(job);
		job = segments->coming = job_new(k, message);
		if (job == NULL)
			return;
	}
	take_piece(job, message);
	if (!message->last)
		return;
	segments->coming = NULL;
	while (*at != NULL)
		at = &(*at)->next;
	*at = job;
	if (segments->waiting == job)
		next_job(k);
}

int keeper_segments_open(struct keeper *k)
{
	k->segments = calloc(1, sizeof(*k->segments));
	if (k->segments == NULL)
		return -ENOMEM;
	k->segments->send_again = evtimer_new(k->base, on_send_again, k);
	if (k->segments->send_again == NULL)
		return -ENOMEM;
	return runner_new(k->base, "fancapd-list", RUNNER_NORMAL, &k->segments->runner);
}

void keeper_segments_close(struct keeper *k)
{
	struct keeper_segments *segments = k->segments;
	struct segments_job *job;

	if (segments == NULL)
		return;
	runner_free(segments->runner);
	if (segments->send_again != NULL)
		event_free(segments->send_again);
	job_free(segments->coming);
	while ((job = segments->waiting) != NULL) {
		segments->waiting = job->next;
		job_free(job);
	}
	free(segments);
}
