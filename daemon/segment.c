// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/paths.h"
#include "daemon/segment.h"

int segment_path(char *ret, size_t size, const char *interface, unsigned worker, uint64_t start_ns,
		 unsigned attempt)
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
	n = snprintf(ret, size, "%s/%s-w%u-%s.%06uZ%s.pcapng", day, interface, worker, second,
		     (unsigned)(start_ns % 1000000000u / 1000u), suffix);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int full_path(char *ret, size_t size, const char *folder, const char *path, const char *suffix)
{
	int n = snprintf(ret, size, "%s/%s%s", folder, path, suffix);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int segment_create(const char *folder, const char *path)
{
	char full[PATH_MAX];
	int fd, r;

	r = full_path(full, sizeof(full), folder, path, "");
	if (r < 0)
		return r;
	/* Not over a finished file of this name; better known now than when it is to be finished. */
	if (access(full, F_OK) == 0)
		return -EEXIST;
	r = full_path(full, sizeof(full), folder, path, SEGMENT_PART);
	if (r < 0)
		return r;
	fd = open(full, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0 && errno == ENOENT) {
		/* A new day, or somebody removed the folders. */
		r = path_make_parents(full, 0750);
		if (r < 0)
			return r;
		fd = open(full, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	}
	return fd < 0 ? -errno : fd;
}

int segment_reopen(const char *folder, const char *path, uint64_t bytes)
{
	char full[PATH_MAX];
	struct stat st;
	int fd, r;

	r = full_path(full, sizeof(full), folder, path, SEGMENT_PART);
	if (r < 0)
		return r;
	fd = open(full, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Cut by somebody else, it has lost records; growing it again would fill their place with zeros. */
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if ((uint64_t)st.st_size < bytes)
		r = -EIO;
	else if (ftruncate(fd, (off_t)bytes) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int segment_write(int fd, const void *bytes, size_t n, uint64_t offset)
{
	const uint8_t *p = bytes;

	while (n > 0) {
		ssize_t written = pwrite(fd, p, n, (off_t)offset);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		if (written == 0)
			return -ENOSPC;
		p += written;
		n -= (size_t)written;
		offset += (uint64_t)written;
	}
	return 0;
}

/* A rename is on the disk when the folder that holds the name is. */
static int sync_folder_of(const char *full)
{
	char folder[PATH_MAX];
	int fd, r = 0;

	snprintf(folder, sizeof(folder), "%s", full);
	*strrchr(folder, '/') = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* Never over another file: one of this name may have been finished since segment_create() looked, by another daemon. */
static int rename_to_new(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	/* Some file systems, NFS among them, have no such rename. */
	if (errno != EINVAL)
		return -errno;
	return rename(from, to) < 0 ? -errno : 0;
}

int segment_finish(int fd, const char *folder, const char *path)
{
	char part[PATH_MAX], full[PATH_MAX];
	int r = 0;

	if (fdatasync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0)
		r = full_path(part, sizeof(part), folder, path, SEGMENT_PART);
	if (r == 0)
		r = full_path(full, sizeof(full), folder, path, "");
	if (r == 0)
		r = rename_to_new(part, full);
	return r < 0 ? r : sync_folder_of(full);
}

void segment_remove_empty(const char *folder, const char *path)
{
	char full[PATH_MAX];
	struct stat st;

	if (full_path(full, sizeof(full), folder, path, SEGMENT_PART) == 0 &&
	    stat(full, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0)
		unlink(full);
}
