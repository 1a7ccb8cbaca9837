// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "daemon/paths.h"
#include "daemon/segment.h"
#include "lib/newfile.h"

/*
 * Reserving takes a journal entry, and what is too much has to be given back: neither too little nor too much at a time;
 * and never more than a share of what is free, which others need, too.
 */
#define ALLOCATE_BYTES (32u << 20)
#define ALLOCATE_SHARE 64
#define ALLOCATE_MIN_BYTES (1u << 20)

int segment_path(char *ret, size_t size, const char *folder, const char *interface, unsigned worker,
		 uint64_t start_ns, unsigned attempt)
{
	time_t seconds = (time_t)(start_ns / 1000000000u);
	char day[16], second[24], suffix[16] = "";
	struct tm tm;
	int n;

	if (gmtime_r(&seconds, &tm) == NULL)
		return -ENAMETOOLONG;
	strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	strftime(second, sizeof(second), "%Y%m%dT%H%M%S", &tm);
	if (attempt > 0)
		snprintf(suffix, sizeof(suffix), "-%u", attempt);
	n = snprintf(ret, size, "%s/%s/%s-w%u-%s.%06uZ%s.pcapng", folder, day, interface, worker, second,
		     (unsigned)(start_ns % 1000000000u / 1000u), suffix);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int part_path(char ret[PATH_MAX], const char *path)
{
	int n = snprintf(ret, PATH_MAX, "%s" SEGMENT_PART, path);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Take possession of an open file: lock it, open it again for direct writes. Closes fd on failure. */
static int segment_own(struct segment *segment, int fd, const char *part)
{
	int direct_fd;

	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	direct_fd = open(part, O_WRONLY | O_DIRECT | O_CLOEXEC);
	*segment = (struct segment){.fd = fd, .direct_fd = direct_fd >= 0 ? direct_fd : fd};
	return 0;
}

int segment_create(const char *path, struct segment *ret)
{
	char part[PATH_MAX];
	int fd, r;

	r = part_path(part, path);
	if (r < 0)
		return r;
	/* Not over a finished file of this name; better known now than when it is to be finished. */
	if (access(path, F_OK) == 0)
		return -EEXIST;
	fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0 && errno == ENOENT) {
		/* A new day, or somebody removed the folders. */
		r = path_make_parents(part, 0750);
		if (r < 0)
			return r;
		fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	}
	return fd < 0 ? -errno : segment_own(ret, fd, part);
}

int segment_reopen(const char *path, uint64_t bytes, struct segment *ret)
{
	char part[PATH_MAX];
	struct stat st;
	int fd, r;

	r = part_path(part, path);
	if (r < 0)
		return r;
	fd = open(part, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = segment_own(ret, fd, part);
	if (r < 0)
		return r;
	/* Cut by somebody else, it has lost records; growing it again would fill their place with zeros. */
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if ((uint64_t)st.st_size < bytes)
		r = -EIO;
	else if (ftruncate(fd, (off_t)bytes) < 0)
		r = -errno;
	if (r < 0)
		segment_close(ret);
	return r;
}

bool segment_is_direct(const struct segment *segment)
{
	return segment->direct_fd != segment->fd;
}

bool segment_is_there(const struct segment *segment, const char *path)
{
	char part[PATH_MAX];
	struct stat named, own;

	if (part_path(part, path) < 0 || fstat(segment->fd, &own) < 0)
		return true;
	if (stat(part, &named) < 0)
		return errno != ENOENT && errno != ENOTDIR;
	return named.st_ino == own.st_ino && named.st_dev == own.st_dev;
}

/* How much to reserve beyond what is written; 0: not worth it. */
static uint64_t allocation(int fd)
{
	struct statvfs fs;
	uint64_t share;

	if (fstatvfs(fd, &fs) < 0)
		return 0;
	share = (uint64_t)fs.f_bavail * fs.f_frsize / ALLOCATE_SHARE;
	if (share < ALLOCATE_MIN_BYTES)
		return 0;
	return share < ALLOCATE_BYTES ? share : ALLOCATE_BYTES;
}

void segment_allocate(struct segment *segment, uint64_t bytes)
{
	uint64_t more, end;

	/* Through the page cache, the file system reserves for itself. */
	if (bytes <= segment->allocated || !segment_is_direct(segment))
		return;
	more = allocation(segment->fd);
	end = bytes + more;
	/* What will not be written must not weigh on a budget, nor fill a disk. */
	if (segment->limit != 0 && end > segment->limit)
		end = bytes > segment->limit ? bytes : segment->limit;
	if (more > 0)
		(void)fallocate(segment->fd, FALLOC_FL_KEEP_SIZE, (off_t)segment->allocated,
				(off_t)(end - segment->allocated));
	segment->allocated = end;
}

void segment_close(struct segment *segment)
{
	if (segment->direct_fd >= 0 && segment->direct_fd != segment->fd)
		close(segment->direct_fd);
	if (segment->fd >= 0)
		close(segment->fd);
	*segment = (struct segment){.fd = -1, .direct_fd = -1};
}

int segment_finish(struct segment *segment, const char *path, uint64_t bytes)
{
	char part[PATH_MAX];
	int r = part_path(part, path);

	if (r == 0 && (ftruncate(segment->fd, (off_t)bytes) < 0 || fdatasync(segment->fd) < 0))
		r = -errno;
	segment_close(segment);
	if (r == 0)
		r = newfile_rename(part, path);
	return r < 0 ? r : newfile_sync_folder(path);
}

void segment_remove_empty(const char *path)
{
	char part[PATH_MAX];
	struct stat st;

	if (part_path(part, path) == 0 && stat(part, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0)
		unlink(part);
}
