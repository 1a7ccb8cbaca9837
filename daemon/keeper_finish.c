// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/keeper_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/log.h"
#include "daemon/segment.h"

uint64_t keeper_finishing_room(const struct keeper *k)
{
	uint64_t sum = 0;

	for (const struct finish_job *job = k->finishing; job != NULL; job = job->next)
		sum += job->room;
	return sum;
}

bool keeper_is_finishing(const struct keeper *k, const char *path)
{
	for (const struct finish_job *job = k->finishing; job != NULL; job = job->next) {
		if (strcmp(job->path, path) == 0)
			return true;
	}
	return false;
}

static void add_finished(struct keeper *k, const struct finish_result *finished)
{
	struct archive_file file;

	if (keeper_parse_path(k, finished->path, &file) != ARCHIVE_FILE)
		return;
	file.bytes = finished->bytes;
	file.end_ns = finished->end_ns;
	file.packets = finished->summary.packets;
	file.last_ns = finished->summary.last_ns;
	file.looked_into = true;
	file.round = k->round;
	if (archive_add(k->archive, &file) < 0)
		log_error("out of memory: %s is unknown to storage.retain for now", finished->path);
}

static bool in_a_hurry(void *arg)
{
	struct keeper *k = arg;

	return atomic_load_explicit(&k->hurry, memory_order_relaxed);
}

static void run_finish(struct job *base)
{
	struct finish_job *job = (struct finish_job *)base;
	const struct finish_owner *owner = &job->keeper->params->owner;

	if (job->orphan)
		job->result = finish_orphan(job->path, owner, in_a_hurry, job->keeper, &job->finished, &job->why);
	else
		job->result = finish_segment(job->path, job->bytes, owner, &job->finished);
}

struct refused **keeper_find_refused(struct keeper *k, const char *path)
{
	struct refused **at = &k->refused;

	while (*at != NULL && strcmp((*at)->path, path) != 0)
		at = &(*at)->next;
	return at;
}

/* It is tried again after the next look through the folders; what is wrong is said when it changes. */
static void refuse_orphan(struct keeper *k, const struct finish_job *job)
{
	struct refused **at = keeper_find_refused(k, job->path), *one = *at;

	if (one == NULL) {
		one = calloc(1, sizeof(*one));
		if (one != NULL)
			one->path = strdup(job->path);
		if (one == NULL || one->path == NULL) {
			free(one);
			return;
		}
		*at = one;
	}
	if (one->error == job->result)
		return;
	one->error = job->result;
	keeper_error(k, "%s" SEGMENT_PART ": cannot be recovered: %s", job->path,
		     job->why.text[0] != '\0' ? job->why.text : strerror(-job->result));
}

static void orphan_done(struct keeper *k, const struct finish_job *job)
{
	switch (job->result) {
	case 0:
		k->status.recovered_files++;
		add_finished(k, &job->finished);
		log_printf(LOG_NOTICE, NULL, NULL, "recovered %s%s", job->finished.path,
			   job->finished.cut ? ", without a torn end" : "");
		break;
	case -ENOENT:	 /* finished by somebody else */
	case -EBUSY:	 /* being written, by another daemon or a worker that has outlived its own */
	case -ENODATA:	 /* empty */
	case -ECANCELED: /* left to the next one */
		break;
	default: refuse_orphan(k, job);
	}
}

static void segment_done(struct keeper *k, const struct finish_job *job)
{
	switch (job->result) {
	case 0:
		k->status.finished_files++;
		add_finished(k, &job->finished);
		break;
	case -ENOENT: /* taken for one left behind, and recovered */
	case -EBUSY:  /* its writer's successor went on with it, and will post it again */
		break;
	default:
		if (keeper_leave_if_misplaced(k))
			break;
		keeper_error(k, "%s" SEGMENT_PART ": cannot finish the file: %s; trying again", job->path,
			     strerror(-job->result));
	}
}

static void finish_done(struct job *base)
{
	struct finish_job *job = (struct finish_job *)base;
	struct keeper *k = job->keeper;
	struct finish_job **at = &k->finishing;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	if (job->orphan)
		orphan_done(k, job);
	else
		segment_done(k, job);
	free(job);
	k->status.steps++;
	keeper_hold_budget(k, k->params->n_directories);
	keeper_compress_next(k);
	keeper_end_if_done(k);
}

struct finish_job *keeper_finish_new(struct keeper *k, const char *path, uint64_t bytes, bool orphan)
{
	struct finish_job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return NULL;
	job->job = (struct job){.run = run_finish, .done = finish_done};
	job->keeper = k;
	job->orphan = orphan;
	job->bytes = bytes;
	snprintf(job->path, sizeof(job->path), "%s", path);
	return job;
}

void keeper_finish_start(struct keeper *k, struct finish_job *job)
{
	job->next = k->finishing;
	k->finishing = job;
	runner_add(k->finisher, &job->job);
}

void keeper_finish_posted(struct keeper *k, const struct mailbox_message *message)
{
	char part[PATH_MAX + sizeof(SEGMENT_PART)];
	struct archive_file file;
	struct finish_job *job;
	struct stat st;

	if (keeper_parse_path(k, message->path, &file) != ARCHIVE_FILE || file.compressed) {
		keeper_error(k, "asked to finish %s, which is no recording", message->path);
		return;
	}
	if (keeper_is_finishing(k, message->path))
		return;
	job = keeper_finish_new(k, message->path, message->bytes, false);
	if (job == NULL)
		return;
	/* Until it is cut, it takes what was reserved for it. */
	snprintf(part, sizeof(part), "%s" SEGMENT_PART, message->path);
	job->room = lstat(part, &st) == 0 ? finish_room(&st) : message->bytes;
	keeper_finish_start(k, job);
}
