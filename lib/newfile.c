// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/newfile.h"

static bool is_at(int fd, const char *path)
{
	struct stat open_one, named;

	return fstat(fd, &open_one) == 0 && lstat(path, &named) == 0 && open_one.st_dev == named.st_dev &&
	       open_one.st_ino == named.st_ino;
}

/* @return fd, locked; -EAGAIN it was published or removed before it could be locked; -errno */
static int open_locked(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600), r = 0;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		r = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else if (!is_at(fd, path))
		r = -EAGAIN;
	else if (ftruncate(fd, 0) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int newfile_open(const char *name, const char *suffix, struct newfile *ret)
{
	int n = snprintf(ret->path, sizeof(ret->path), "%s%s", name, suffix);

	ret->fd = -1;
	if (n < 0 || (size_t)n >= sizeof(ret->path))
		return -ENAMETOOLONG;
	strcpy(ret->name, name);
	do
		n = open_locked(ret->path);
	while (n == -EAGAIN);
	if (n < 0)
		return n;
	ret->fd = n;
	return 0;
}

int newfile_publish(struct newfile *file)
{
	int r = fdatasync(file->fd) < 0 ? -errno : newfile_rename(file->path, file->name);

	if (r < 0)
		return r;
	if (close(file->fd) < 0)
		r = -errno;
	file->fd = -1;
	return r < 0 ? r : newfile_sync_folder(file->name);
}

void newfile_discard(struct newfile *file)
{
	if (file->fd < 0)
		return;
	unlink(file->path);
	close(file->fd); /* last: it holds the lock */
	file->fd = -1;
}

int newfile_rename(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	/* Some file systems, NFS among them, have no such rename, but links. */
	if (errno != EINVAL)
		return -errno;
	if (link(from, to) < 0)
		return -errno;
	return unlink(from) < 0 ? -errno : 0;
}

int newfile_sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX] = ".";
	int fd, r = 0;

	if (slash != NULL)
		snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

int newfile_write(int fd, const void *bytes, size_t n, uint64_t offset)
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
