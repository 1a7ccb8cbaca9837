// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/keeper_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/compress.h"
#include "daemon/prune.h"
#include "daemon/segment.h"
#include "daemon/summary.h"

struct compress_job {
	struct job job;
	struct keeper *keeper;
	struct archive_file file; /* the original */
	char from[PATH_MAX], to[PATH_MAX];
	_Atomic bool stop;
	int result;
	uint64_t bytes;
	struct fancap_error why;
};

const char *keeper_compressing_path(const struct keeper *k)
{
	return k->compressing != NULL ? k->compressing->to : NULL;
}

uint64_t keeper_compressing_room(const struct keeper *k)
{
	char path[PATH_MAX + sizeof(SEGMENT_PART)];
	struct stat st;

	if (k->compressing == NULL)
		return 0;
	snprintf(path, sizeof(path), "%s" SEGMENT_PART, k->compressing->to);
	return lstat(path, &st) == 0 || lstat(k->compressing->to, &st) == 0 ? finish_room(&st) : 0;
}

static bool compress_stopped(void *arg)
{
	struct compress_job *job = arg;

	return atomic_load_explicit(&job->stop, memory_order_relaxed);
}

/* Afterwards it takes unpacking. */
static void look_into(struct compress_job *job)
{
	int fd = open(job->from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct summary summary;

	if (fd < 0)
		return;
	summary = summary_read(fd);
	close(fd);
	job->file.packets = summary.packets;
	job->file.last_ns = summary.last_ns;
	job->file.looked_into = true;
}

static void run_compress(struct job *base)
{
	struct compress_job *job = (struct compress_job *)base;
	const struct compress_options options = {.stopped = compress_stopped, .arg = job};
	char hold[PATH_MAX + sizeof(PRUNE_HOLD_SUFFIX)];
	struct stat st;
	int r;

	if (!job->file.looked_into)
		look_into(job);
	r = compress_file(job->from, job->to, &options, &job->why);
	/* A predecessor was killed before it removed the original, which is still there. */
	if (r == -EEXIST && unlink(job->to) == 0)
		r = compress_file(job->from, job->to, &options, &job->why);
	job->result = r;
	if (r < 0)
		return;
	/* Somebody wants this very file. */
	snprintf(hold, sizeof(hold), "%s" PRUNE_HOLD_SUFFIX, job->from);
	if (access(hold, F_OK) == 0 || lstat(job->to, &st) < 0) {
		(void)unlink(job->to);
		job->result = -EPERM;
		return;
	}
	job->bytes = finish_room(&st);
	if (unlink(job->from) < 0 && errno != ENOENT)
		job->result = -errno;
}

static void compressed(struct keeper *k, const struct compress_job *job)
{
	struct archive_file file = job->file;
	struct archive_file *original = archive_find(k->archive, &file);

	if (original != NULL)
		archive_remove(k->archive, (size_t)(original - archive_at(k->archive, 0)));
	file.compressed = true;
	file.bytes = job->bytes;
	file.round = k->round;
	(void)archive_add(k->archive, &file);
	k->status.compressed_files++;
}

static void compress_done(struct job *base)
{
	struct compress_job *job = (struct compress_job *)base;
	struct keeper *k = job->keeper;
	struct archive_file *original;

	k->compressing = NULL;
	original = archive_find(k->archive, &job->file);
	if (job->result == 0) {
		compressed(k, job);
	} else if (job->result != -ECANCELED && original != NULL) {
		original->left_alone = true;
		if (job->result != -EPERM && job->result != -EBUSY)
			keeper_error(k, "%s: cannot be compressed: %s", job->from,
				     job->why.text[0] != '\0' ? job->why.text : strerror(-job->result));
	}
	free(job);
	keeper_publish(k);
	keeper_compress_next(k);
	keeper_end_if_done(k);
}

static void compress_start(struct keeper *k, const struct archive_file *file)
{
	const char *directory = k->params->directories[file->directory];
	struct compress_job *job = calloc(1, sizeof(*job));
	char path[PATH_MAX];

	if (job == NULL || archive_path(k->archive, file, path, sizeof(path)) < 0 ||
	    snprintf(job->from, sizeof(job->from), "%s/%s", directory, path) >= PATH_MAX ||
	    snprintf(job->to, sizeof(job->to), "%s/%s" COMPRESS_SUFFIX, directory, path) >= PATH_MAX) {
		free(job);
		return;
	}
	job->job = (struct job){.run = run_compress, .done = compress_done};
	job->keeper = k;
	job->file = *file;
	k->compressing = job;
	runner_add(k->compressor, &job->job);
}

/* The oldest first: in the end all are, and what is left of an interrupted one is known by its own name. */
void keeper_compress_next(struct keeper *k)
{
	if (k->settings.compress == CONFIG_COMPRESS_NONE || !k->scanned || k->compressing != NULL || k->ending)
		return;
	for (size_t i = 0; i < archive_count(k->archive); i++) {
		struct archive_file *file = archive_at(k->archive, i);

		if (file->compressed || file->left_alone || file->being_held ||
		    prune_is_held(k->archive, k->params->directories[file->directory], file))
			continue;
		compress_start(k, file);
		return;
	}
}

void keeper_compress_stop(struct keeper *k)
{
	if (k->compressing != NULL)
		atomic_store_explicit(&k->compressing->stop, true, memory_order_relaxed);
}
