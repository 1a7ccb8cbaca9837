// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/keeper_private.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/active.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/prune.h"
#include "daemon/segment.h"

/* From the end of one look through the folders to the next. */
#define SCAN_PAUSE_S 60

static void see_file(struct keeper *k, const struct scan_folder *folder, const char *name, struct archive_file *file)
{
	struct archive_file *known = archive_find(k->archive, file);
	struct stat st;

	if (known != NULL) {
		known->round = k->round;
		return;
	}
	if (fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return;
	file->round = k->round;
	file->bytes = finish_room(&st);
	file->end_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
	(void)archive_add(k->archive, file);
}

static void see_part(struct keeper *k, const struct scan_folder *folder, const char *name)
{
	char path[PATH_MAX];
	struct finish_job *job;
	struct stat st;
	int n;

	n = snprintf(path, sizeof(path), "%s/%s/%s/%.*s", k->params->directories[folder->directory],
		     folder->interface, folder->day, (int)(strlen(name) - strlen(SEGMENT_PART)), name);
	if (n < 0 || (size_t)n >= sizeof(path) || fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return;
	job = keeper_finish_new(k, path, 0, true);
	if (job == NULL)
		return;
	job->room = finish_room(&st);
	job->next = k->suspects;
	k->suspects = job;
}

/* Of a compression that was interrupted; it is begun anew. Who compresses holds the file's lock. */
static void see_compressing(struct keeper *k, const struct scan_folder *folder, const char *name)
{
	const char *own = keeper_compressing_path(k);
	int fd;

	if (own != NULL && strncmp(strrchr(own, '/') + 1, name, strlen(strrchr(own, '/') + 1)) == 0)
		return;
	fd = openat(folder->fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		(void)unlinkat(folder->fd, name, 0);
	close(fd);
}

static void see_name(const struct scan_folder *folder, const char *name, void *arg)
{
	struct keeper *k = arg;
	struct archive_file file;
	int id = archive_interface(k->archive, folder->interface);

	if (id < 0)
		return;
	switch (archive_parse(folder->interface, (uint16_t)id, folder->day, name, &file)) {
	case ARCHIVE_FOREIGN: break;
	case ARCHIVE_FILE:
		file.directory = (uint8_t)folder->directory;
		see_file(k, folder, name, &file);
		break;
	case ARCHIVE_PART: see_part(k, folder, name); break;
	case ARCHIVE_COMPRESSING: see_compressing(k, folder, name); break;
	}
}

static bool is_orphan(struct keeper *k, const struct finish_job *job)
{
	const struct refused *refused = *keeper_find_refused(k, job->path);

	return !active_has(k->params->ledgers, k->params->n_ledgers, job->path) &&
	       (refused == NULL || refused->error != -EBADMSG);
}

/*
 * A .part that no worker has is an orphan, or its message is on its way: workers post what they have just let go of. So the
 * folder was read first, then the ledgers, then the mailbox; what is not known then was lost. That it is not
 * another daemon's the file's lock tells.
 */
static void see_folder(const struct scan_folder *folder, bool empty, void *arg)
{
	struct keeper *k = arg;
	struct finish_job *suspects = k->suspects, **at = &suspects;

	k->suspects = NULL;
	while (*at != NULL) {
		struct finish_job *job = *at;

		if (is_orphan(k, job)) {
			at = &job->next;
			continue;
		}
		*at = job->next;
		free(job);
	}
	if (suspects != NULL)
		(void)keeper_read_mailbox(k);
	while (suspects != NULL) {
		struct finish_job *job = suspects;

		suspects = job->next;
		if (keeper_is_finishing(k, job->path))
			free(job);
		else
			keeper_finish_start(k, job);
	}
	if (empty)
		prune_folder(k->params->directories[folder->directory], folder->interface, folder->day,
			     clock_realtime_ns());
}

static void round_done(struct keeper *k)
{
	(void)archive_sweep(k->archive, k->round);
	if (!k->scanned) {
		k->scanned = true;
		steady_clock_init(&k->clock, clock_ns(CLOCK_BOOTTIME), clock_realtime_ns(),
				  archive_newest_ns(k->archive));
		log_debug("%zu finished files, %llu MiB", archive_count(k->archive),
			  (unsigned long long)(archive_bytes(k->archive) >> 20));
	}
	k->round++;
	keeper_hold_budget(k, k->params->n_directories);
	keeper_compress_next(k);
}

struct scan *keeper_scan_new(struct keeper *k)
{
	const struct scan_visitor visitor = {.name = see_name, .folder = see_folder, .arg = k};

	return scan_new(k->params->directories, k->params->n_directories, &visitor);
}

void keeper_on_scan(evutil_socket_t fd, short what, void *arg)
{
	struct timeval pause = {0};
	struct keeper *k = arg;

	(void)fd;
	(void)what;
	k->status.steps++;
	keeper_publish(k);
	if (!scan_step(k->scan)) {
		k->looked = k->ending && k->round >= k->end_round;
		round_done(k);
		pause.tv_sec = k->ending ? 0 : SCAN_PAUSE_S;
	}
	if (k->looked)
		keeper_end_if_done(k);
	else
		evtimer_add(k->scan_event, &pause);
}
