// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_KEEPER_PRIVATE_H
#define DAEMON_KEEPER_PRIVATE_H

#include <event2/util.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/archive.h"
#include "daemon/finish.h"
#include "daemon/keeper.h"
#include "daemon/mailbox.h"
#include "daemon/runner.h"
#include "daemon/scan.h"
#include "daemon/steady_clock.h"
#include "fancap/error.h"

/* What the files of the storage keeper have in common, and nobody else needs to know. */

struct keeper_segments;
struct segments_message;

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
	struct keeper_segments *segments;
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

/* --- keeper.c --- */

/** Put what is known of the files where the supervisor sees it. */
void keeper_publish(struct keeper *k);

/** Log it, count it, remember it as the last one. */
void keeper_error(struct keeper *k, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Remove what has to go. @param full a directory in which a write has just failed for want of room; n_directories: none */
void keeper_hold_budget(struct keeper *k, size_t full);

/** Split DIRECTORY/INTERFACE/DAY/NAME and read it. */
enum archive_kind keeper_parse_path(struct keeper *k, const char *path, struct archive_file *ret);

/** Post has come: take it. @return whether there was any */
bool keeper_read_mailbox(struct keeper *k);

/** See whether a directory is another one by now. @return whether it has to leave: a new keeper may go on */
bool keeper_leave_if_misplaced(struct keeper *k);

/** Leave, when nobody writes any more and all is finished. */
void keeper_end_if_done(struct keeper *k);

/* --- keeper_finish.c --- */

/** A worker has completed a segment. */
void keeper_finish_posted(struct keeper *k, const struct mailbox_message *message);

/** @return a job to be started or freed; NULL: no memory; the next look through the folders finds the file again */
struct finish_job *keeper_finish_new(struct keeper *k, const char *path, uint64_t bytes, bool orphan);
void keeper_finish_start(struct keeper *k, struct finish_job *job);

bool keeper_is_finishing(const struct keeper *k, const char *path);

/** The room that files take that are being finished. */
uint64_t keeper_finishing_room(const struct keeper *k);

/** @return the place where it is kept that this one could not be recovered */
struct refused **keeper_find_refused(struct keeper *k, const char *path);

/* --- keeper_scan.c --- */

/** To look through all folders. NULL: ENOMEM */
struct scan *keeper_scan_new(struct keeper *k);

/** A step of that, and when the next one is to come. @param arg the keeper */
void keeper_on_scan(evutil_socket_t fd, short what, void *arg);

/* --- keeper_compress.c --- */

/** Compress the next file, if there is one, and this is wanted. */
void keeper_compress_next(struct keeper *k);
void keeper_compress_stop(struct keeper *k);

/** The room that the one takes that is being compressed, and its path; 0, NULL: none is. */
uint64_t keeper_compressing_room(const struct keeper *k);
const char *keeper_compressing_path(const struct keeper *k);

/* --- keeper_segments.c --- */

int keeper_segments_open(struct keeper *k);
void keeper_segments_close(struct keeper *k);

/** The supervisor asks for files, or what to do with some. */
void keeper_segments_asked(struct keeper *k, const struct segments_message *message);

#endif
