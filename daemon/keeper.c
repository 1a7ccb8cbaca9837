// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/keeper_private.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/active.h"
#include "daemon/channel.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/messages.h"
#include "daemon/privileges.h"
#include "daemon/process.h"
#include "daemon/prune.h"
#include "daemon/syncer.h"

/* A disk that says it is full though it is not loses a file so often. */
#define FULL_PAUSE_NS UINT64_C(1000000000)
/* At the end, recovering a large file is left to the next keeper after so long. */
#define END_MAX_S 10
/* How often what was removed is summed up in the log. */
#define SUMMARY_NS UINT64_C(60000000000)

void keeper_publish(struct keeper *k)
{
	struct storage_status *status = &k->status;

	status->scanned = k->scanned;
	status->files = archive_count(k->archive);
	status->bytes = archive_bytes(k->archive);
	status->oldest_ns = status->files > 0 ? archive_at(k->archive, 0)->start_us * 1000u : 0;
	storage_page_write(k->params->page, status);
}

void keeper_error(struct keeper *k, const char *format, ...)
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
		keeper_error(k, "cannot remove %s: %s", result->error_path, strerror(-result->error));
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

void keeper_hold_budget(struct keeper *k, size_t full)
{
	const struct keeper_params *params = k->params;
	struct archive_retention retention = {.limits = k->settings.retain};
	struct prune_result result;

	prune_measure(params->directories, params->n_directories, &retention);
	retention.active_bytes = keeper_finishing_room(k) + keeper_compressing_room(k) +
				 active_room(params->ledgers, params->n_ledgers);
	k->status.active_bytes = retention.active_bytes;
	retention.growth_bytes = k->growth_bytes[k->growth_bytes[0] < k->growth_bytes[1]];
	if (k->scanned) {
		retention.now_ns = steady_clock_now(&k->clock, clock_ns(CLOCK_BOOTTIME), clock_realtime_ns());
		if (full < params->n_directories)
			retention.disks[retention.disk_of[full]].full = true;
		prune(k->archive, params->directories, &retention, &result);
		if (full < params->n_directories && result.files > 0)
			log_printf(LOG_WARNING, MESSAGE_FILES_REMOVED, NULL,
				   "%s: the disk is full; %llu of the oldest files (%llu MiB) were removed to make room",
				   params->directories[full], (unsigned long long)result.files,
				   (unsigned long long)(result.bytes >> 20));
		note_pruned(k, &result);
	}
	note_disks(k, &retention);
	keeper_publish(k);
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
	keeper_hold_budget(k, directory);
}

enum archive_kind keeper_parse_path(struct keeper *k, const char *path, struct archive_file *ret)
{
	char interface[NAME_MAX + 1];
	enum archive_kind kind =
		archive_parse_path(k->params->directories, k->params->n_directories, path, interface, ret);
	int id = kind != ARCHIVE_FOREIGN ? archive_interface(k->archive, interface) : -1;

	if (id < 0)
		return ARCHIVE_FOREIGN;
	ret->interface = (uint16_t)id;
	return kind;
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

bool keeper_leave_if_misplaced(struct keeper *k)
{
	if (!k->misplaced && is_misplaced(k)) {
		log_info("a storage directory is another one than at the start: leaving it to a new keeper");
		k->misplaced = true;
		event_base_loopbreak(k->base);
	}
	return k->misplaced;
}

/* --- the mailbox ----------------------------------------------------------------------------------------------- */

/* It is told below. */
static void end(struct keeper *k);

bool keeper_read_mailbox(struct keeper *k)
{
	struct mailbox_message message;
	bool any = false;
	int r;

	while ((r = mailbox_take(k->params->mailbox_fd, &message)) == 1 || r == -EBADMSG || r == -EINTR) {
		any = true;
		if (r == 1 && message.type == MAILBOX_FINISH)
			keeper_finish_posted(k, &message);
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
	if (keeper_read_mailbox(k))
		keeper_hold_budget(k, k->params->n_directories);
}

/* --- syncing --------------------------------------------------------------------------------------------------- */

static void on_synced(void *arg)
{
	struct keeper *k = arg;

	k->status.synced_files++;
}

static void on_sync_failed(const char *path, int error, void *arg)
{
	keeper_error(arg, "%s: cannot be synced: %s", path, strerror(error));
}

/* --- orders ---------------------------------------------------------------------------------------------------- */

static void configure(struct keeper *k, const struct keeper_settings *settings)
{
	k->settings = *settings;
	syncer_configure(k->syncer, settings->sync_interval_ms);
	if (settings->compress == CONFIG_COMPRESS_NONE)
		keeper_compress_stop(k);
	keeper_hold_budget(k, k->params->n_directories);
	keeper_compress_next(k);
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
		else if (message.type == CHANNEL_STOP)
			event_base_loopbreak(k->base); /* what is not finished lies in the folders */
		else if (message.type == CHANNEL_SEGMENTS)
			keeper_segments_asked(k, &message.segments);
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
	if (keeper_leave_if_misplaced(k))
		return;
	measure_growth(k);
	keeper_hold_budget(k, k->params->n_directories);
}

/* --- the end --------------------------------------------------------------------------------------------------- */

void keeper_end_if_done(struct keeper *k)
{
	if (k->looked && k->finishing == NULL && k->compressing == NULL && !keeper_leave_if_misplaced(k))
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
	keeper_compress_stop(k);
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
	k->scan_event = evtimer_new(k->base, keeper_on_scan, k);
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
		r = keeper_segments_open(k);
	if (r == 0)
		r = syncer_new(k->base, k->params->ledgers, k->params->n_ledgers, &owner, &k->syncer);
	if (r == 0)
		syncer_configure(k->syncer, k->settings.sync_interval_ms);
	return r;
}

static int keeper_init(struct keeper *k)
{
	const struct keeper_params *params = k->params;
	int r;

	k->settings = params->settings;
	k->written_bytes = active_written(params->ledgers, params->n_ledgers);
	storage_page_read(params->page, &k->status); /* a predecessor's counters go on */
	k->archive = archive_new();
	k->scan = keeper_scan_new(k);
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
	keeper_segments_close(k);
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
		keeper_publish(&k);
	} else {
		log_error("cannot start: %s", strerror(-r));
	}
	keeper_done(&k);
	return r == 0 && !k.misplaced ? 0 : 1;
}
