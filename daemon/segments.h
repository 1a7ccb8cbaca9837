// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_SEGMENTS_H
#define DAEMON_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/archive.h"
#include "daemon/control.h"

/*
 * Recorded files, as callers of methods see them. The storage keeper knows them, and only it may wait for a disk: so the
 * supervisor asks it over its channel, in pieces, and the answer comes the same way. What the workers are writing is in
 * their ledgers: the supervisor sends it along.
 */

struct captures;
struct event_base;
struct process;
struct waiting;

/** Files in one piece. */
#define SEGMENTS_PIECE 32u
/** Files in an answer, or in a request that is no question. */
#define SEGMENTS_MAX 1000u
/** Longest name of an interface, with its NUL. */
#define SEGMENTS_INTERFACE_MAX 16

/** A file, as its path says, and what is known of it. */
struct segment_entry {
	char interface[SEGMENTS_INTERFACE_MAX];
	uint64_t start_us;
	uint32_t worker;
	uint32_t attempt;
	uint8_t directory;
	bool compressed;
	bool active; ///< a worker writes it
	bool held;
	uint64_t bytes;
	uint64_t packets; ///< SUMMARY_PACKETS_UNKNOWN
	uint64_t last_ns; ///< 0: not known
};

enum segments_operation {
	SEGMENTS_LIST,	  ///< entries: those being written; with the finished ones they come back, as the query wants
	SEGMENTS_HOLD,	  ///< entries: keep these from being removed
	SEGMENTS_RELEASE, ///< entries: no longer
	SEGMENTS_OPERATIONS
};

struct segments_query {
	char interface[SEGMENTS_INTERFACE_MAX]; ///< "": of all
	uint64_t from_ns, to_ns; ///< what may have packets of from <= time < to
	uint32_t limit; ///< 1 to SEGMENTS_MAX
	bool has_after;
	struct segment_entry after; ///< only those behind this one
};

/** A piece of a request, or of the answer to it. All that belongs to one has its number. */
struct segments_message {
	uint64_t number;
	uint32_t operation; ///< enum segments_operation
	int32_t result;	    ///< of an answer: 0; -ENOENT, -errno: because of its only entry; -EAGAIN: not all files are known yet
	uint32_t changed;   ///< of an answer: how many were not so before
	uint32_t n;
	bool last; ///< of the pieces
	bool more; ///< of an answer: there are other files behind these
	struct segments_query query;
	struct segment_entry entries[SEGMENTS_PIECE];
};

/** Whether a message that was received makes sense. Its texts end, if so. */
bool segments_message_is_valid(const struct segments_message *message, size_t n_directories);

/** In the order of an archive. @return < 0, 0, > 0 */
int segment_entry_compare(const struct segment_entry *a, const struct segment_entry *b);

/** Of a file whose interface has this name. @return 0 or -ENAMETOOLONG */
int segment_entry_of(const struct archive_file *file, const char *interface, struct segment_entry *ret);

/** Its path as it is on the disk, in these directories. @return 0 or -ENAMETOOLONG */
int segment_entry_path(const struct segment_entry *entry, const char *const *directories, char *ret, size_t size);

/** Read a path. @return 0, -ENOENT it is no recording's in one of these directories */
int segment_entry_parse(const char *path, const char *const *directories, size_t n, struct segment_entry *ret);

/** Whether a file is one of those, as far as its path tells. */
bool segments_query_wants(const struct segments_query *query, const struct segment_entry *entry);

/* --- the supervisor's side --- */

/** Requests that have not been answered. Embedded, zero-initialised but for what is borrowed. */
struct segments {
	struct waiting *waiting;
	uint64_t number;     ///< of the latest
	unsigned unanswered; ///< by this keeper, also those that nobody waits for any more
	struct event_base *base;
	struct process *keeper;
	const struct captures *captures;
	const char *const *directories;
	size_t n_directories;
};

/** What came of a request. */
struct segments_answer {
	int result; ///< as of struct segments_message
	unsigned changed;
	bool more;
	size_t n;
	struct segment_entry *entries;
	const char *const *directories; ///< that these are in
};

/**
 * Ask for files. The job's outcome has the answer.
 *
 * @return 0; -EAGAIN there is no keeper just now; -EBUSY it has enough to do; -ENOMEM
 */
int segments_list(struct segments *segments, const struct segments_query *query, unsigned limit_ms,
		  struct control_job *job);

/** Hold or release files. @return as above */
int segments_hold(struct segments *segments, bool hold, const struct segment_entry *entries, size_t n, unsigned limit_ms,
		  struct control_job *job);

/** The keeper says something. */
void segments_answered(struct segments *segments, const struct segments_message *message);

/** The keeper has died: nobody will answer what it was asked. */
void segments_keeper_died(struct segments *segments);

void segments_forget(struct segments *segments, const struct control_job *job);
void segments_done(struct segments *segments);

#endif
