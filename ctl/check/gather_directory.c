// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "ctl/check/gather.h"

#define CHUNK_BYTES (1u << 20) /* as large as fancapd's writes */
#define ALIGN 4096u
#define LIMIT_NS 10000000000ll /* a slow disk has said what it has to by then */

/* --- what it is on ---------------------------------------------------------------------------------------- */

/* By the device's number: paths in mountinfo may be hidden by others. */
static void type_gather(struct facts_directory *directory, dev_t device)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[4096], wanted[32];

	(void)snprintf(wanted, sizeof(wanted), " %u:%u ", major(device), minor(device));
	while (file && fgets(line, sizeof(line), file)) {
		const char *type = strstr(line, " - ");

		if (strstr(line, wanted) && type)
			(void)sscanf(type, " - %31[^ .]", directory->fs_type);
	}
	if (file)
		fclose(file);
}

/* --- how fast it is --------------------------------------------------------------------------------------- */

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* A file that has no name, so that nothing is left behind; or where there is no such thing, one that is removed at once. */
static int file_make(const char *directory, int flags)
{
	char path[PATH_MAX + 32];
	int fd = open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC | flags, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd;
	(void)snprintf(path, sizeof(path), "%s/.fancapctl-check.%ld", directory, (long)getpid());
	fd = open(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC | flags, 0600);
	if (fd >= 0)
		unlink(path);
	return fd;
}

/* @return 0 or -errno */
static int chunks_write(int fd, const void *chunk, uint64_t bytes, uint64_t *ret_written)
{
	int64_t end_ns = now_ns() + LIMIT_NS;
	uint64_t written = 0;

	while (written < bytes && now_ns() < end_ns) {
		ssize_t n = write(fd, chunk, CHUNK_BYTES);

		if (n < 0)
			return -errno;
		written += (uint64_t)n;
		/* A short write has met a full disk. */
		if (n < (ssize_t)CHUNK_BYTES)
			break;
	}
	*ret_written = written;
	return fdatasync(fd) < 0 ? -errno : 0;
}

static void speed_measure(struct facts_directory *directory, int fd, uint64_t bytes)
{
	void *chunk = NULL;
	uint64_t written = 0;
	int64_t begin_ns;
	int r = -posix_memalign(&chunk, ALIGN, CHUNK_BYTES);

	if (r == 0) {
		/* Not zeros, which some disks do not write at all. */
		for (size_t i = 0; i < CHUNK_BYTES; i++)
			((uint8_t *)chunk)[i] = (uint8_t)(i * 2654435761u >> 13);
		begin_ns = now_ns();
		r = chunks_write(fd, chunk, bytes, &written);
		if (r == 0)
			directory->write_bytes_per_s = (int64_t)((double)written * 1e9 / (double)(now_ns() - begin_ns + 1));
	}
	directory->write_error = -r;
	free(chunk);
}

static void files_try(struct facts_directory *directory, uint64_t write_bytes)
{
	int fd = file_make(directory->path, O_DIRECT);

	directory->direct_io = fd >= 0 ? 1 : errno == EINVAL ? 0 : -1;
	if (fd < 0 && directory->direct_io == 0)
		fd = file_make(directory->path, 0);
	if (fd < 0) {
		directory->write_error = write_bytes ? errno : 0;
		return;
	}
	if (write_bytes)
		speed_measure(directory, fd, write_bytes);
	close(fd);
}

void gather_directory(struct facts_directory *directory, uint64_t write_bytes)
{
	struct statvfs space;
	struct stat status;

	directory->direct_io = -1;
	if (stat(directory->path, &status) < 0 || (!S_ISDIR(status.st_mode) && (errno = ENOTDIR))) {
		directory->error = errno;
		directory->exists = errno != ENOENT && errno != ENOTDIR;
		return;
	}
	directory->exists = true;
	if (statvfs(directory->path, &space) < 0) {
		directory->error = errno;
		return;
	}
	directory->total_bytes = (uint64_t)space.f_blocks * space.f_frsize;
	directory->free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
	type_gather(directory, status.st_dev);
	files_try(directory, write_bytes);
}
