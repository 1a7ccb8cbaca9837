// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_SEGMENT_H
#define DAEMON_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A segment is one recorded file. While it grows it is called PATH.part, and whoever writes it holds a lock on it
 * (flock); finished, it is PATH: "<folder>/<YYYY-MM-DD>/<interface>-w<worker>-<UTC start>.pcapng".
 */

#define SEGMENT_PART ".part"

/** Offsets, lengths and addresses of direct writes are multiples of this, whatever the device's block size. */
#define SEGMENT_ALIGN 4096u

/** An open segment: one file, through the page cache and past it. */
struct segment {
	int fd;	       ///< or -1: none open
	int direct_fd; ///< O_DIRECT; the same as fd where the file system has no such thing
	uint64_t allocated; ///< bytes that blocks were reserved for, beyond its end perhaps
	uint64_t limit;	    ///< bytes that it is to grow to: none are reserved beyond; 0: not known. Set by the caller
};

/**
 * Compute a segment's path.
 *
 * @param folder   absolute: the interface's own
 * @param start_ns time of its first packet, CLOCK_REALTIME
 * @param attempt  0, or which other name to take when that one is used up (-1, -2, ... before the suffix)
 * @return 0, or -ENAMETOOLONG
 */
int segment_path(char *ret, size_t size, const char *folder, const char *interface, unsigned worker,
		 uint64_t start_ns, unsigned attempt);

/**
 * Create PATH.part, and any folders that are missing (mode 0750), and lock it.
 *
 * @return 0; -EEXIST when PATH.part or PATH is there already; -errno
 */
int segment_create(const char *path, struct segment *ret);

/**
 * Open and lock PATH.part of a segment that somebody else began, and cut it to so many bytes: with that, no write of a
 * dead process is still on its way to it.
 *
 * @return 0; -EIO: it has fewer; -EWOULDBLOCK: somebody holds it; -errno
 */
int segment_reopen(const char *path, uint64_t bytes, struct segment *ret);

/** Whether direct writes go past the page cache. */
bool segment_is_direct(const struct segment *segment);

/** Whether PATH.part is still this file: nobody has removed it, renamed it, or the folder it is in. Any doubt: it is. */
bool segment_is_there(const struct segment *segment, const char *path);

/**
 * Reserve blocks up to `bytes` and a good deal more, if there is much free, without making the file longer. A hint: errors
 * are no matter.
 */
void segment_allocate(struct segment *segment, uint64_t bytes);

/** Close it and give up its lock. None open is fine. */
void segment_close(struct segment *segment);

/**
 * Make a segment permanent under its final name: cut to so many bytes (what was reserved beyond goes back), fdatasync,
 * rename, fsync of its folder; close it in any case.
 *
 * @return 0, or -errno (the file may still have its .part name)
 */
int segment_finish(struct segment *segment, const char *path, uint64_t bytes);

/** Remove PATH.part if it is an empty file. */
void segment_remove_empty(const char *path);

#endif
