// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_SEGMENT_H
#define DAEMON_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

/*
 * A segment is one recorded file. While it grows it is called PATH.part; finished, it is PATH. Paths are relative to
 * the interface's folder: "<YYYY-MM-DD>/<interface>-w<worker>-<UTC start>.pcapng".
 */

#define SEGMENT_PART ".part"

/**
 * Compute a segment's path.
 *
 * @param start_ns time of its first packet, CLOCK_REALTIME
 * @param attempt  0, or which other name to take when that one is used up (-1, -2, ... before the suffix)
 * @return 0, or -ENAMETOOLONG
 */
int segment_path(char *ret, size_t size, const char *interface, unsigned worker, uint64_t start_ns,
		 unsigned attempt);

/**
 * Create PATH.part under the folder, and any folders that are missing (mode 0750).
 *
 * @return a file descriptor; -EEXIST when PATH.part or PATH is there already; -errno
 */
int segment_create(const char *folder, const char *path);

/**
 * Open PATH.part of a segment that somebody else began, and cut it to so many bytes.
 *
 * @return fd; -EIO: it has fewer; -errno
 */
int segment_reopen(const char *folder, const char *path, uint64_t bytes);

/** Write all of it, however often that takes. @return 0, or -errno (the file may hold a part of it) */
int segment_write(int fd, const void *bytes, size_t n, uint64_t offset);

/**
 * Make a segment permanent under its final name: fdatasync, rename, fsync of its folder. The fd is closed in any case.
 *
 * @return 0, or -errno (the file may still have its .part name)
 */
int segment_finish(int fd, const char *folder, const char *path);

/** Remove PATH.part if it is an empty file. */
void segment_remove_empty(const char *folder, const char *path);

#endif
