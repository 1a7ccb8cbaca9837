// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/active.h"
#include "daemon/runner.h"
#include "daemon/segment.h"
#include "daemon/syncer.h"

/** How far a worker's segment has been made safe. */
struct synced {
	char path[LEDGER_PATH_MAX];
	uint64_t bytes;
	bool failed; ///< said of this file
};

struct syncer {
	struct syncer_owner owner;
	struct ledger *const *ledgers;
	size_t n;
	struct synced *synced; /* one per ledger */
	struct runner *runner;
	struct event *event;
};

struct sync_job {
	struct job job;
	struct syncer *syncer;
	struct synced *synced;
	char path[LEDGER_PATH_MAX + sizeof(SEGMENT_PART)];
	int error;
};

static void run_sync(struct job *base)
{
	struct sync_job *job = (struct sync_job *)base;
	int fd = open(job->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || fdatasync(fd) < 0)
		job->error = errno;
	if (fd >= 0)
		close(fd);
}

static void sync_done(struct job *base)
{
	struct sync_job *job = (struct sync_job *)base;
	const struct syncer_owner *owner = &job->syncer->owner;

	if (job->error == 0) {
		owner->synced(owner->arg);
	} else if (job->error != ENOENT && !job->synced->failed) { /* if it is gone, it was finished meanwhile */
		job->synced->failed = true;
		owner->failed(job->path, job->error, owner->arg);
	}
	free(job);
}

static void sync_segment(struct syncer *syncer, size_t index)
{
	struct synced *synced = &syncer->synced[index];
	struct active_segment segment;
	struct sync_job *job;

	if (!active_read(syncer->ledgers[index], &segment) || segment.bytes == 0)
		return;
	if (strcmp(segment.path, synced->path) != 0) {
		*synced = (struct synced){0};
		strcpy(synced->path, segment.path);
	}
	if (segment.bytes == synced->bytes)
		return;
	job = calloc(1, sizeof(*job));
	if (job == NULL)
		return;
	job->job = (struct job){.run = run_sync, .done = sync_done};
	job->syncer = syncer;
	job->synced = synced;
	snprintf(job->path, sizeof(job->path), "%s" SEGMENT_PART, segment.path);
	synced->bytes = segment.bytes;
	runner_add(syncer->runner, &job->job);
}

static void on_time(evutil_socket_t fd, short what, void *arg)
{
	struct syncer *syncer = arg;

	(void)fd;
	(void)what;
	if (runner_pending(syncer->runner) > 0)
		return;
	for (size_t i = 0; i < syncer->n; i++)
		sync_segment(syncer, i);
}

int syncer_new(struct event_base *base, struct ledger *const *ledgers, size_t n, const struct syncer_owner *owner,
	       struct syncer **ret)
{
	struct syncer *syncer = calloc(1, sizeof(*syncer));
	int r = -ENOMEM;

	if (syncer == NULL)
		return r;
	syncer->owner = *owner;
	syncer->ledgers = ledgers;
	syncer->n = n;
	syncer->synced = calloc(n + 1, sizeof(*syncer->synced));
	syncer->event = event_new(base, -1, EV_PERSIST, on_time, syncer);
	if (syncer->synced != NULL && syncer->event != NULL)
		r = runner_new(base, "fancapd-sync", RUNNER_NORMAL, &syncer->runner);
	if (r == 0)
		*ret = syncer;
	else
		syncer_free(syncer);
	return r;
}

void syncer_configure(struct syncer *syncer, uint32_t interval_ms)
{
	struct timeval interval = {.tv_sec = interval_ms / 1000, .tv_usec = interval_ms % 1000 * 1000};

	event_del(syncer->event);
	if (interval_ms > 0)
		event_add(syncer->event, &interval);
}

void syncer_free(struct syncer *syncer)
{
	if (syncer == NULL)
		return;
	runner_free(syncer->runner);
	if (syncer->event != NULL)
		event_free(syncer->event);
	free(syncer->synced);
	free(syncer);
}
