// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/archive.h"
#include "daemon/channel.h"
#include "daemon/clock.h"
#include "daemon/compress.h"
#include "daemon/keeper.h"
#include "daemon/log.h"
#include "daemon/mailbox.h"
#include "daemon/messages.h"
#include "daemon/privileges.h"
#include "daemon/process.h"
#include "daemon/prune.h"
#include "daemon/runner.h"
#include "daemon/scan.h"
#include "daemon/segment.h"
#include "daemon/steady_clock.h"
#include "daemon/syncer.h"

/* From the end of one look through the folders to the next. */
#define SCAN_PAUSE_S 60
/* A disk that says it is full though it is not loses a file so often. */
#define FULL_PAUSE_NS UINT64_C(1000000000)
/* At the end, recovering a large file is left to the next keeper after so long. */
#define END_MAX_S 10
/* How often what was removed is summed up in the log. */
#define SUMMARY_NS UINT64_C(60000000000)

/** A segment left behind that could not be finished. */
struct refused {
	char *path;
	int error;
	struct refused *next;
};

/** Which folder a name stands for; all zero: none. */
struct folder_id {
	dev_t device;
	ino_t inode;
};

struct keeper {
	const struct keeper_params *params;
	struct keeper_settings settings;
	struct event_base *base;
	struct event *mailbox_event, *channel_event, *tick_event, *scan_event, *end_event;
	struct runner *finisher, *compressor;
	struct syncer *syncer;
	struct archive *archive;
	struct scan *scan;
	uint32_t round; /* of scanning */
	bool scanned;	/* one round is over: the index is complete */
	struct steady_clock clock;
	struct finish_job *finishing; /* queued or under way */
	struct finish_job *suspects;  /* of the folder being scanned: .part files */
	struct refused *refused;
	struct compress_job *compressing; /* or NULL */
	uint64_t written_bytes;	     /* by all workers, at the last tick */
	uint64_t growth_bytes[2];    /* in the second before that, and the one before */
	uint64_t full_at_ns[CONFIG_DIRECTORIES_MAX];
	uint64_t summary_at_ns, summary_files, summary_bytes;
	int prune_error; /* the one that was said */
	bool ending;	 /* nobody is left to write */
	bool confined;	 /* to these folders: */
	struct folder_id folders[CONFIG_DIRECTORIES_MAX];
	bool misplaced; /* they are others by now */
	uint32_t end_round; /* this round of scanning begins after that */
	bool looked;	    /* and is over */
	_Atomic bool hurry; /* read by the finisher: leave what takes long */
	struct storage_status status;
};

static void publish(struct keeper *k)
{
	struct storage_status *status = &k->status;

	status->scanned = k->scanned;
	status->files = archive_count(k->archive);
	status->bytes = archive_bytes(k->archive);
	status->oldest_ns = status->files > 0 ? archive_at(k->archive, 0)->start_us * 1000u : 0;
	storage_page_write(k->params->page, status);
}

static void __attribute__((format(printf, 2, 3))) report_error(struct keeper *k, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(k->status.last_error, sizeof(k->status.last_error), format, args);
	va_end(args);
	k->status.errors++;
	log_printf(LOG_ERR, MESSAGE_STORAGE_ERROR, NULL, "%s", k->status.last_error);
}

/* --- retention ------------------------------------------------------------------------------------------------- */

/* Which directory a path is in. @return its index, or n_directories: none */
static size_t directory_of(const struct keeper_params *params, const char *path)
{
	size_t i = 0;

	for (; i < params->n_directories; i++) {
		size_t length = strlen(params->directories[i]);

		if (strncmp(path, params->directories[i], length) == 0 && (path[length] == '/' || path[length] == '\0'))
			break;
	}
	return i;
}

/* What follows is needed earlier than it is told. */
static uint64_t finishing_room(const struct keeper *k);
static uint64_t compressing_room(const struct keeper *k);
static const char *compressing_path(const struct keeper *k);
static void compress_next(struct keeper *k);
static void end(struct keeper *k);
static void end_if_done(struct keeper *k);

static void summarise(struct keeper *k, uint64_t now_ns)
{
	if (k->summary_files == 0 || now_ns - k->summary_at_ns < SUMMARY_NS)
		return;
	log_printf(LOG_INFO, MESSAGE_FILES_REMOVED, NULL,
		   "%llu of the oldest files (%llu MiB) were removed to keep within storage.retain",
		   (unsigned long long)k->summary_files, (unsigned long long)(k->summary_bytes >> 20));
	k->summary_files = k->summary_bytes = 0;
	k->summary_at_ns = now_ns;
}

static void note_pruned(struct keeper *k, const struct prune_result *result)
{
	k->status.removed_files += result->files;
	k->status.removed_bytes += result->bytes;
	k->summary_files += result->files;
	k->summary_bytes += result->bytes;
	if (result->errors > 0 && result->error != k->prune_error)
		report_error(k, "cannot remove %s: %s", result->error_path, strerror(-result->error));
	k->prune_error = result->errors > 0 ? result->error : 0;
	summarise(k, clock_monotonic_ns());
}

static void note_disks(struct keeper *k, const struct archive_retention *retention)
{
	k->status.n_directories = k->params->n_directories;
	for (size_t i = 0; i < k->params->n_directories; i++) {
		const struct archive_disk *disk = &retention->disks[retention->disk_of[i]];

		k->status.directories[i].total_bytes = disk->total_bytes;
		k->status.directories[i].free_bytes = disk->total_bytes > 0 ? disk->free_bytes : 0;
	}
}

/* @param full a directory in which a write has just failed for want of room; n_directories: none */
static void hold_budget(struct keeper *k, size_t full)
{
	const struct keeper_params *params = k->params;
	struct archive_retention retention = {.limits = k->settings.retain};
	struct prune_result result;

	prune_measure(params->directories, params->n_directories, &retention);
	retention.active_bytes = finishing_room(k) + compressing_room(k) +
				 active_room(params->ledgers, params->n_ledgers);
	k->status.active_bytes = retention.active_bytes;
	retention.growth_bytes = k->growth_bytes[k->growth_bytes[0] < k->growth_bytes[1]];
	if (k->scanned) {
		retention.now_ns = steady_clock_now(&k->clock, clock_ns(CLOCK_BOOTTIME), clock_realtime_ns());
		if (full < params->n_directories)
			retention.disks[retention.disk_of[full]].full = true;
		prune(k->archive, params->directories, &retention, &result);
		note_pruned(k, &result);
	}
	note_disks(k, &retention);
	publish(k);
}

static void on_full(struct keeper *k, const char *path)
{
	size_t directory = directory_of(k->params, path);
	uint64_t now_ns = clock_monotonic_ns();

	if (directory == k->params->n_directories)
		return;
	if (k->full_at_ns[directory] != 0 && now_ns - k->full_at_ns[directory] < FULL_PAUSE_NS)
		directory = k->params->n_directories;
	else
		k->full_at_ns[directory] = now_ns;
	hold_budget(k, directory);
}

/* --- confinement ---------------------------------------------------------------------------------------------- */

static struct folder_id identify(const char *folder)
{
	struct stat st;

	return stat(folder, &st) == 0 ? (struct folder_id){st.st_dev, st.st_ino} : (struct folder_id){0};
}

/* One that was removed and made again, or mounted since: what is in it cannot be opened any more. */
static bool is_misplaced(const struct keeper *k)
{
	for (size_t i = 0; k->confined && i < k->params->n_directories; i++) {
		struct folder_id now = identify(k->params->directories[i]);

		if (now.inode != 0 && (now.inode != k->folders[i].inode || now.device != k->folders[i].device))
			return true;
	}
	return false;
}

/* @return whether it has to leave: a new keeper may go on */
static bool leave_if_misplaced(struct keeper *k)
{
	if (!k->misplaced && is_misplaced(k)) {
		log_info("a storage directory is another one than at the start: leaving it to a new keeper");
		k->misplaced = true;
		event_base_loopbreak(k->base);
	}
	return k->misplaced;
}

/* --- finishing ------------------------------------------------------------------------------------------------- */

/** A segment to finish. */
struct finish_job {
	struct job job;
	struct keeper *keeper;
	struct finish_job *next; /* of keeper->finishing or keeper->suspects */
	bool orphan;
	uint64_t bytes; /* written */
	uint64_t room;	/* that it takes for now */
	char path[PATH_MAX]; /* without .part */
	int result;
	struct finish_result finished;
	struct fancap_error why;
};

static uint64_t finishing_room(const struct keeper *k)
{
	uint64_t sum = 0;

	for (const struct finish_job *job = k->finishing; job != NULL; job = job->next)
		sum += job->room;
	return sum;
}

static bool is_finishing(const struct keeper *k, const char *path)
{
	for (const struct finish_job *job = k->finishing; job != NULL; job = job->next) {
		if (strcmp(job->path, path) == 0)
			return true;
	}
	return false;
}

/* Split DIRECTORY/INTERFACE/DAY/NAME and read it. */
static enum archive_kind parse_path(struct keeper *k, const char *path, struct archive_file *ret)
{
	size_t directory = directory_of(k->params, path);
	char copy[PATH_MAX], *interface, *day, *name;
	enum archive_kind kind;
	int id;

	if (directory == k->params->n_directories)
		return ARCHIVE_FOREIGN;
	snprintf(copy, sizeof(copy), "%s", path + strlen(k->params->directories[directory]));
	interface = copy + strspn(copy, "/");
	day = strchr(interface, '/');
	name = day != NULL ? strchr(day + 1, '/') : NULL;
	if (name == NULL)
		return ARCHIVE_FOREIGN;
	*day++ = '\0';
	*name++ = '\0';
	id = archive_interface(k->archive, interface);
	kind = id >= 0 ? archive_parse(interface, (uint16_t)id, day, name, ret) : ARCHIVE_FOREIGN;
	if (kind != ARCHIVE_FOREIGN)
		ret->directory = (uint8_t)directory;
	return kind;
}

static void add_finished(struct keeper *k, const struct finish_result *finished)
{
	struct archive_file file;

	if (parse_path(k, finished->path, &file) != ARCHIVE_FILE)
		return;
	file.bytes = finished->bytes;
	file.end_ns = finished->end_ns;
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

/* @return the place where this is kept */
static struct refused **find_refused(struct keeper *k, const char *path)
{
	struct refused **at = &k->refused;

	while (*at != NULL && strcmp((*at)->path, path) != 0)
		at = &(*at)->next;
	return at;
}

/* It is tried again after the next look through the folders; what is wrong is said when it changes. */
static void refuse_orphan(struct keeper *k, const struct finish_job *job)
{
	struct refused **at = find_refused(k, job->path), *one = *at;

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
	report_error(k, "%s" SEGMENT_PART ": cannot be recovered: %s", job->path,
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
		if (leave_if_misplaced(k))
			break;
		report_error(k, "%s" SEGMENT_PART ": cannot finish the file: %s; trying again", job->path,
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
	hold_budget(k, k->params->n_directories);
	compress_next(k);
	end_if_done(k);
}

/* @return NULL: no memory; the next look through the folders finds the file again */
static struct finish_job *finish_job_new(struct keeper *k, const char *path, uint64_t bytes, bool orphan)
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

static void finish_start(struct keeper *k, struct finish_job *job)
{
	job->next = k->finishing;
	k->finishing = job;
	runner_add(k->finisher, &job->job);
}

/* --- the mailbox ----------------------------------------------------------------------------------------------- */

static void on_finish(struct keeper *k, const struct mailbox_message *message)
{
	char part[PATH_MAX + sizeof(SEGMENT_PART)];
	struct archive_file file;
	struct finish_job *job;
	struct stat st;

	if (parse_path(k, message->path, &file) != ARCHIVE_FILE || file.compressed) {
		report_error(k, "asked to finish %s, which is no recording", message->path);
		return;
	}
	if (is_finishing(k, message->path))
		return;
	job = finish_job_new(k, message->path, message->bytes, false);
	if (job == NULL)
		return;
	/* Until it is cut, it takes what was reserved for it. */
	snprintf(part, sizeof(part), "%s" SEGMENT_PART, message->path);
	job->room = lstat(part, &st) == 0 ? finish_room(&st) : message->bytes;
	finish_start(k, job);
}

/* @return whether there was anything */
static bool read_mailbox(struct keeper *k)
{
	struct mailbox_message message;
	bool any = false;
	int r;

	while ((r = mailbox_take(k->params->mailbox_fd, &message)) == 1 || r == -EBADMSG || r == -EINTR) {
		any = true;
		if (r == 1 && message.type == MAILBOX_FINISH)
			on_finish(k, &message);
		else if (r == 1)
			on_full(k, message.path);
	}
	if (r == 0)
		end(k);
	return any;
}

static void on_mailbox(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *k = arg;

	(void)fd;
	(void)what;
	if (read_mailbox(k))
		hold_budget(k, k->params->n_directories);
}

/* --- looking through the folders ------------------------------------------------------------------------------- */

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
	job = finish_job_new(k, path, 0, true);
	if (job == NULL)
		return;
	job->room = finish_room(&st);
	job->next = k->suspects;
	k->suspects = job;
}

/* Of a compression that was interrupted; it is begun anew. Who compresses holds the file's lock. */
static void see_compressing(struct keeper *k, const struct scan_folder *folder, const char *name)
{
	const char *own = compressing_path(k);
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
	const struct refused *refused = *find_refused(k, job->path);

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
		(void)read_mailbox(k);
	while (suspects != NULL) {
		struct finish_job *job = suspects;

		suspects = job->next;
		if (is_finishing(k, job->path))
			free(job);
		else
			finish_start(k, job);
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
	hold_budget(k, k->params->n_directories);
	compress_next(k);
}

static void on_scan(evutil_socket_t fd, short what, void *arg)
{
	struct timeval pause = {0};
	struct keeper *k = arg;

	(void)fd;
	(void)what;
	if (!scan_step(k->scan)) {
		k->looked = k->ending && k->round >= k->end_round;
		round_done(k);
		pause.tv_sec = k->ending ? 0 : SCAN_PAUSE_S;
	}
	if (k->looked)
		end_if_done(k);
	else
		evtimer_add(k->scan_event, &pause);
}

/* --- syncing --------------------------------------------------------------------------------------------------- */

static void on_synced(void *arg)
{
	struct keeper *k = arg;

	k->status.synced_files++;
}

static void on_sync_failed(const char *path, int error, void *arg)
{
	report_error(arg, "%s: cannot be synced: %s", path, strerror(error));
}

/* --- compressing ----------------------------------------------------------------------------------------------- */

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

static const char *compressing_path(const struct keeper *k)
{
	return k->compressing != NULL ? k->compressing->to : NULL;
}

static uint64_t compressing_room(const struct keeper *k)
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

static void run_compress(struct job *base)
{
	struct compress_job *job = (struct compress_job *)base;
	const struct compress_options options = {.stopped = compress_stopped, .arg = job};
	char hold[PATH_MAX + sizeof(PRUNE_HOLD_SUFFIX)];
	struct stat st;
	int r;

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
			report_error(k, "%s: cannot be compressed: %s", job->from,
				     job->why.text[0] != '\0' ? job->why.text : strerror(-job->result));
	}
	free(job);
	publish(k);
	compress_next(k);
	end_if_done(k);
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
static void compress_next(struct keeper *k)
{
	if (k->settings.compress == CONFIG_COMPRESS_NONE || !k->scanned || k->compressing != NULL || k->ending)
		return;
	for (size_t i = 0; i < archive_count(k->archive); i++) {
		struct archive_file *file = archive_at(k->archive, i);

		if (file->compressed || file->left_alone ||
		    prune_is_held(k->archive, k->params->directories[file->directory], file))
			continue;
		compress_start(k, file);
		return;
	}
}

static void compress_stop(struct keeper *k)
{
	if (k->compressing != NULL)
		atomic_store_explicit(&k->compressing->stop, true, memory_order_relaxed);
}

/* --- orders ---------------------------------------------------------------------------------------------------- */

static void configure(struct keeper *k, const struct keeper_settings *settings)
{
	k->settings = *settings;
	syncer_configure(k->syncer, settings->sync_interval_ms);
	if (settings->compress == CONFIG_COMPRESS_NONE)
		compress_stop(k);
	hold_budget(k, k->params->n_directories);
	compress_next(k);
}

static void on_channel(evutil_socket_t fd, short what, void *arg)
{
	struct channel_message message;
	struct keeper *k = arg;
	int r;

	(void)what;
	while ((r = channel_receive(fd, &message)) == 1) {
		if (message.type == CHANNEL_KEEP)
			configure(k, &message.keeper);
	}
	/* Without a supervisor we go on for the workers: they finish their files, leave, and so does the mailbox. */
	if (r != -EAGAIN && r != -EINTR)
		event_del(k->channel_event);
}

/* What the workers wrote in a second they may write in the next, before we look again. */
static void measure_growth(struct keeper *k)
{
	uint64_t written_bytes = active_written(k->params->ledgers, k->params->n_ledgers);

	k->growth_bytes[1] = k->growth_bytes[0];
	k->growth_bytes[0] = written_bytes - k->written_bytes;
	k->written_bytes = written_bytes;
}

static void confine(struct keeper *k)
{
	const struct keeper_params *params = k->params;
	int r;

	for (size_t i = 0; i < params->n_directories; i++)
		k->folders[i] = identify(params->directories[i]);
	r = privileges_landlock(params->directories, params->n_directories);
	k->confined = r == 0;
	if (r == -ENOSYS || r == -EOPNOTSUPP)
		log_debug("not confined to its directories: this kernel has no Landlock, or does not use it");
	else if (r < 0)
		log_warning("not confined to its directories: Landlock: %s", strerror(-r));
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *k = arg;

	(void)fd;
	(void)what;
	if (leave_if_misplaced(k))
		return;
	measure_growth(k);
	hold_budget(k, k->params->n_directories);
}

/* --- the end --------------------------------------------------------------------------------------------------- */

static void end_if_done(struct keeper *k)
{
	if (k->looked && k->finishing == NULL && k->compressing == NULL && !leave_if_misplaced(k))
		event_base_loopbreak(k->base);
}

static void on_end(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *k = arg;

	(void)fd;
	(void)what;
	atomic_store_explicit(&k->hurry, true, memory_order_relaxed);
}

/* Nobody writes any more: a last look for what was not told, from the first folder on. */
static void end(struct keeper *k)
{
	const struct timeval wait = {.tv_sec = END_MAX_S}, now = {0};

	if (k->ending)
		return;
	k->ending = true;
	k->end_round = k->round + 1;
	event_del(k->mailbox_event);
	syncer_configure(k->syncer, 0);
	compress_stop(k);
	evtimer_add(k->end_event, &wait);
	evtimer_add(k->scan_event, &now);
}

/* --- life ------------------------------------------------------------------------------------------------------ */

static int become_keeper(const struct keeper_params *params)
{
	static struct process_log log; /* for good */
	const int keep[] = {params->mailbox_fd, params->channel_fd};
	int r;

	log = (struct process_log){params->channel_fd, "storage keeper: "};
	process_log_to(&log);
	prctl(PR_SET_NAME, "fancapd-keeper");
	process_set_signals();
	umask(027);
	r = privileges_keep_fds(keep, 2);
	if (r == 0)
		r = privileges_drop_but(finish_capabilities(&params->owner));
	return r == 0 ? privileges_seccomp() : r;
}

static int events_new(struct keeper *k)
{
	const struct timeval second = {.tv_sec = 1}, now = {0};
	const struct keeper_params *params = k->params;

	k->base = event_base_new();
	if (k->base == NULL)
		return -ENOMEM;
	k->mailbox_event = event_new(k->base, params->mailbox_fd, EV_READ | EV_PERSIST, on_mailbox, k);
	k->channel_event = event_new(k->base, params->channel_fd, EV_READ | EV_PERSIST, on_channel, k);
	k->tick_event = event_new(k->base, -1, EV_PERSIST, on_tick, k);
	k->scan_event = evtimer_new(k->base, on_scan, k);
	k->end_event = evtimer_new(k->base, on_end, k);
	if (k->mailbox_event == NULL || k->channel_event == NULL || k->tick_event == NULL ||
	    k->scan_event == NULL || k->end_event == NULL)
		return -ENOMEM;
	if (event_add(k->mailbox_event, NULL) < 0 || event_add(k->channel_event, NULL) < 0 ||
	    event_add(k->tick_event, &second) < 0 || evtimer_add(k->scan_event, &now) < 0)
		return -EIO;
	return 0;
}

static int runners_new(struct keeper *k)
{
	const struct syncer_owner owner = {.synced = on_synced, .failed = on_sync_failed, .arg = k};
	int r = runner_new(k->base, "fancapd-finish", RUNNER_NORMAL, &k->finisher);

	if (r == 0)
		r = runner_new(k->base, "fancapd-zstd", RUNNER_IDLE, &k->compressor);
	if (r == 0)
		r = syncer_new(k->base, k->params->ledgers, k->params->n_ledgers, &owner, &k->syncer);
	if (r == 0)
		syncer_configure(k->syncer, k->settings.sync_interval_ms);
	return r;
}

static int keeper_init(struct keeper *k)
{
	const struct keeper_params *params = k->params;
	const struct scan_visitor visitor = {.name = see_name, .folder = see_folder, .arg = k};
	int r;

	k->settings = params->settings;
	k->written_bytes = active_written(params->ledgers, params->n_ledgers);
	storage_page_read(params->page, &k->status); /* a predecessor's counters go on */
	k->archive = archive_new();
	k->scan = scan_new(params->directories, params->n_directories, &visitor);
	if (k->archive == NULL || k->scan == NULL)
		return -ENOMEM;
	r = events_new(k);
	return r == 0 ? runners_new(k) : r;
}

static void free_event(struct event *event)
{
	if (event != NULL)
		event_free(event);
}

static void keeper_done(struct keeper *k)
{
	struct refused *refused;

	runner_free(k->finisher);
	syncer_free(k->syncer);
	runner_free(k->compressor);
	free_event(k->mailbox_event);
	free_event(k->channel_event);
	free_event(k->tick_event);
	free_event(k->scan_event);
	free_event(k->end_event);
	if (k->base != NULL)
		event_base_free(k->base);
	while ((refused = k->refused) != NULL) {
		k->refused = refused->next;
		free(refused->path);
		free(refused);
	}
	scan_free(k->scan);
	archive_free(k->archive);
}

int keeper_run(const struct keeper_params *params)
{
	struct keeper k = {.params = params};
	int r;

	r = become_keeper(params);
	if (r == 0) {
		confine(&k);
		r = keeper_init(&k);
	}
	if (r == 0) {
		(void)channel_send(params->channel_fd, &(struct channel_message){.type = CHANNEL_HELLO});
		event_base_dispatch(k.base);
		publish(&k);
	} else {
		log_error("cannot start: %s", strerror(-r));
	}
	keeper_done(&k);
	return r == 0 && !k.misplaced ? 0 : 1;
}
