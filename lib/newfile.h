// SPDX-License-Identifier: BSD-3-Clause
/* A file that appears under its name when it is complete and on the disk, or not at all; never in place of another. */
#ifndef LIB_NEWFILE_H
#define LIB_NEWFILE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct newfile {
	int fd; ///< to be written, empty at first; -1: there is none
	char path[PATH_MAX]; ///< while it is
	char name[PATH_MAX]; ///< when it is complete
};

/**
 * Begin one, as NAME + suffix. What somebody left of that name who was killed is begun anew.
 *
 * @return 0; -EBUSY somebody is at it; -ENAMETOOLONG; -errno
 */
int newfile_open(const char *name, const char *suffix, struct newfile *ret);

/** fdatasync, rename, fsync of the folder. Ends it unless it fails: newfile_discard() does then. @return 0; -EEXIST; -errno */
int newfile_publish(struct newfile *file);

/** Remove it, if it is neither published nor discarded. */
void newfile_discard(struct newfile *file);

/** Rename, but not over another file. @return 0; -EEXIST; -errno */
int newfile_rename(const char *from, const char *to);

/** Make it last that a file has its name: fsync of the folder it is in. @return 0 or -errno */
int newfile_sync_folder(const char *path);

/** Write all of it at this place. @return 0; -ENOSPC; -errno */
int newfile_write(int fd, const void *bytes, size_t n, uint64_t offset);

#endif
