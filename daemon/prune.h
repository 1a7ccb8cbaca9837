// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_PRUNE_H
#define DAEMON_PRUNE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/archive.h"

/* Retention on the disk: what the archive says has to go is removed, unless somebody holds it. */

/** Beside a file that is not to be removed. */
#define PRUNE_HOLD_SUFFIX ".hold"

struct prune_result {
	uint64_t files;
	uint64_t bytes;
	uint64_t errors;
	int error;		///< the last one, -errno
	char error_path[512];	///< of what
	bool held;		///< a held file was spared
};

/** Look how full the disks are: fills in disks, disk_of and n_disks. */
void prune_measure(const char *const *directories, size_t n, struct archive_retention *ret);

/** Remove what has to go. Blocks as unlink() does. */
void prune(struct archive *archive, const char *const *directories, struct archive_retention *retention,
	   struct prune_result *ret);

/** Whether a file has a marker beside it; of one that is compressed, also that of its former name. */
bool prune_is_held(const struct archive *archive, const char *directory, const struct archive_file *file);

/** The same, of a name in a folder that is open. @param compressed whether it ends in .zst */
bool prune_has_marker(int folder, const char *name, bool compressed);

/** Remove a day's folder if it is empty and no worker will want it: not one of these days. */
void prune_folder(const char *directory, const char *interface, const char *day, uint64_t wall_ns);

#endif
