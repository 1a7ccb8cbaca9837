// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_FINISH_H
#define DAEMON_FINISH_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "daemon/summary.h"
#include "fancap/error.h"

/*
 * Making a segment PATH.part permanent: cut to what was written, given to its owner, on the disk, renamed; and the name on
 * the disk as well. All of these block.
 */

/** Who finished files are given to; (uid_t)-1 and (gid_t)-1: nobody else. */
struct finish_owner {
	uid_t uid;
	gid_t gid;
};

/** What became of a segment. */
struct finish_result {
	char path[PATH_MAX]; ///< its final name: not the one asked for if that was taken
	uint64_t bytes;	     ///< the room it takes
	uint64_t end_ns;     ///< time of its last change
	struct summary summary;
	bool cut;	     ///< recovered: something that is no whole block was cut off
};

/**
 * Finish a segment that is complete.
 *
 * @param path  absolute, as DIRECTORY/INTERFACE/DAY/NAME, without .part
 * @param bytes what was written; anything behind is cut off
 * @return 0; -ENOENT there is no PATH.part: somebody else was quicker; -EBUSY somebody has it open to write; -EIO it is
 *         shorter; -errno. It keeps its .part then
 */
int finish_segment(const char *path, uint64_t bytes, const struct finish_owner *owner, struct finish_result *ret);

/**
 * Finish a segment that its writer left behind: cut to its last whole block and closed first. One that is empty is
 * removed.
 *
 * @param stopped asked now and then, with arg, whether to leave it for another time; NULL: never
 * @return 0; -ENODATA it was empty and is gone; -ENOENT, -EBUSY as above; -ECANCELED stopped; -EBADMSG nothing of it can be
 *         read; -errno, with err set. It keeps its .part then
 */
int finish_orphan(const char *path, const struct finish_owner *owner, bool (*stopped)(void *arg), void *arg,
		  struct finish_result *ret, struct fancap_error *err);

/** The capabilities that giving files away takes, as a mask; 0: it is us or a group of ours. */
uint64_t finish_capabilities(const struct finish_owner *owner);

/** Give a finished file to its owner, mode 0640. @return 0 or -errno */
int finish_give(int fd, const struct finish_owner *owner);

/** The room a file takes, or will when it is written: what a budget has to reckon with. */
uint64_t finish_room(const struct stat *st);

#endif
