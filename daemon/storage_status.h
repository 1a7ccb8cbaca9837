// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_STORAGE_STATUS_H
#define DAEMON_STORAGE_STATUS_H

#include <stdint.h>

#include "daemon/config.h"

/** What the storage keeper knows and has done. Counters count from the start of the daemon, over all keepers. */
struct storage_status {
	uint64_t scanned;      ///< whether the figures of files are complete: a new keeper has to look first
	uint64_t files;	       ///< finished, in all directories
	uint64_t bytes;	       ///< the room they take
	uint64_t oldest_ns;    ///< time of the oldest one's first packet; 0: there is none
	uint64_t active_bytes; ///< the room of those being written, finished or compressed
	uint64_t finished_files;
	uint64_t recovered_files; ///< left behind by a worker, cut to whole blocks
	uint64_t compressed_files;
	uint64_t removed_files; ///< by retention
	uint64_t removed_bytes;
	uint64_t synced_files; ///< times one that was being written was made safe on the disk
	uint64_t errors;       ///< of all of these
	uint64_t steps;	       ///< towards the end of its work: files dealt with in any way, folders looked through
	uint64_t n_directories;
	struct {
		uint64_t total_bytes; ///< of its file system; 0: not known
		uint64_t free_bytes;
	} directories[CONFIG_DIRECTORIES_MAX];
	char last_error[256]; ///< "" for none
};

/** Memory that the keeper writes and the supervisor reads. */
struct storage_page;

/** Map a new one, shared with processes forked later. NULL: errno. storage_page_unmap() ends it. */
struct storage_page *storage_page_map(void);
void storage_page_unmap(struct storage_page *page);

/** Keeper: put all of it in place of what is there, at once. */
void storage_page_write(struct storage_page *page, const struct storage_status *status);

/** Anybody: what was written last, never a mixture. All zero before the first. */
void storage_page_read(const struct storage_page *page, struct storage_status *ret);

#endif
