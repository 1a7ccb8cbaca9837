// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_ARCHIVE_H
#define DAEMON_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/config.h"

/*
 * What is on the disks: an index of the finished files of all workers, interfaces and directories, and which of them
 * have to go. It knows names and figures only and touches no disk, so a file's text forms are computed:
 *
 *     DIRECTORY/INTERFACE/YYYY-MM-DD/INTERFACE-wN-YYYYMMDDTHHMMSS.uuuuuuZ[-n].pcapng[.zst]
 */

/** What a name in a day's folder stands for. */
enum archive_kind {
	ARCHIVE_FOREIGN,     ///< not made by us, to be left alone
	ARCHIVE_FILE,	     ///< finished
	ARCHIVE_PART,	     ///< being written, or left behind
	ARCHIVE_COMPRESSING, ///< of a file that is being compressed, or was
};

/** A recorded file. The first members are its name. */
struct archive_file {
	uint64_t start_us; ///< time of its first packet
	uint32_t worker;
	uint32_t attempt;    ///< 0, or the number behind its time
	uint16_t interface;  ///< archive_interface()
	uint8_t directory;   ///< which of the directories
	bool compressed;
	bool left_alone;     ///< could not be compressed, and is not tried again
	uint32_t round;	     ///< of the scan that saw it last
	uint64_t end_ns;     ///< time of its last change
	uint64_t bytes;
	uint64_t packets; ///< in it; SUMMARY_PACKETS_UNKNOWN
	uint64_t last_ns; ///< time of the last of them; 0: not known
	bool looked_into; ///< for these two
	bool being_held;  ///< somebody is about to: it is not to be removed meanwhile
};

struct archive;

/** @return archive_free() ends it; NULL: no memory */
struct archive *archive_new(void);
void archive_free(struct archive *archive);

/** The number of an interface's name. @return 0 or more, -ENOMEM, -ENOSPC more than 65536 */
int archive_interface(struct archive *archive, const char *name);

/**
 * Read a name.
 *
 * @param interface the folder's name, of number interface_id
 * @param day       the folder's name in that
 * @param ret       start_us, worker, attempt, interface, compressed; only if the name is ours
 */
enum archive_kind archive_parse(const char *interface, uint16_t interface_id, const char *day, const char *name,
				struct archive_file *ret);

/**
 * Read a path: DIRECTORY/INTERFACE/DAY/NAME.
 *
 * @param ret_interface NAME_MAX + 1 bytes: the interface's name
 * @param ret           as above, and directory; its interface has the number 0
 */
enum archive_kind archive_parse_path(const char *const *directories, size_t n, const char *path, char *ret_interface,
				     struct archive_file *ret);

/**
 * Write a name: INTERFACE/DAY/FILE, without the directory.
 *
 * @return 0 or -ENAMETOOLONG
 */
int archive_path(const struct archive *archive, const struct archive_file *file, char *ret, size_t size);

/** Add a file, or replace the one of this name. @return 0 or -ENOMEM */
int archive_add(struct archive *archive, const struct archive_file *file);

/** The file of this name, good until the next change; NULL: none. */
struct archive_file *archive_find(struct archive *archive, const struct archive_file *name);

/** The index of the first file that is this one, or behind it; archive_count(): there is none. */
size_t archive_position(const struct archive *archive, const struct archive_file *name);

const char *archive_interface_name(const struct archive *archive, const struct archive_file *file);

/** Remove a file; those behind it move up. @param index of archive_at() */
void archive_remove(struct archive *archive, size_t index);

/** Remove every file that a round of scanning did not see. @return how many */
size_t archive_sweep(struct archive *archive, uint32_t round);

size_t archive_count(const struct archive *archive);
uint64_t archive_bytes(const struct archive *archive);
/** By age, the oldest is 0: by the time of the first packet. */
struct archive_file *archive_at(struct archive *archive, size_t index);
/** Latest end_ns; UINT64_MAX: there is no file. */
uint64_t archive_newest_ns(const struct archive *archive);

/* --- retention --------------------------------------------------------------------------------------------- */

/** A file system that directories are on. */
struct archive_disk {
	uint64_t total_bytes;
	uint64_t free_bytes; ///< for us
	bool full;	     ///< a write has just failed there, whatever the figures say
};

/** What the decision is made from. */
struct archive_retention {
	struct config_retain limits;
	struct archive_disk disks[CONFIG_DIRECTORIES_MAX];
	uint8_t disk_of[CONFIG_DIRECTORIES_MAX]; ///< of each directory
	size_t n_disks;
	uint64_t active_bytes; ///< of files not in the index: being written, finished or compressed
	uint64_t growth_bytes; ///< what may be written before the next look; a quarter of the size at most counts
	uint64_t now_ns;       ///< steady_clock_now()
};

/** How much a retain.free asks for, of a file system of this size. */
uint64_t archive_free_wanted(uint64_t free, uint64_t total_bytes);

/**
 * The next file that has to go, from index on, oldest first.
 *
 * The size is that of everything; the free space is looked at disk by disk. A disk that is full though enough is free (of
 * quota, of inodes) loses one file; where nothing is said of free space, as many as make room for a while. Without any limit
 * none is removed.
 *
 * @return its index, or SIZE_MAX: none
 */
size_t archive_next_excess(struct archive *archive, const struct archive_retention *retention, size_t index);

/** Take a file out that was removed from the disk, and reckon with the room that makes. */
void archive_removed(struct archive *archive, struct archive_retention *retention, size_t index);

#endif
