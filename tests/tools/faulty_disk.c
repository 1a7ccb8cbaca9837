// SPDX-License-Identifier: BSD-3-Clause
/*
 * faulty_disk FOLDER MOUNTPOINT: the folder, seen through a file system (FUSE) that fails on command. Commands come on
 * standard input, one a line, each answered by a line:
 *
 *	OPERATION FAULT VALUE	from now on, write|fsync|create|rename|allocate suffers
 *				none 0 | error ERRNO | hang 0 | delay MILLISECONDS | half 0 (write: half of it, at least 1)
 *	hanging			answered by how many operations hang at the moment
 *
 * "ready" is the first line, when it is mounted. It ends with standard input: what hangs then fails, and the mount is
 * taken away.
 */
#define FUSE_USE_VERSION 31
#include <fuse.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum operation { OP_WRITE, OP_FSYNC, OP_CREATE, OP_RENAME, OP_ALLOCATE, OP_COUNT };
enum fault_kind { FAULT_NONE, FAULT_ERROR, FAULT_HANG, FAULT_DELAY, FAULT_HALF, FAULT_COUNT };

static const char *const operation_names[OP_COUNT] = {"write", "fsync", "create", "rename", "allocate"};
static const char *const fault_names[FAULT_COUNT] = {"none", "error", "hang", "delay", "half"};

struct fault {
	enum fault_kind kind;
	unsigned value;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct fault faults[OP_COUNT];
static unsigned hanging;

static int root; ///< the folder
static const char *mountpoint;

/* --- faults --------------------------------------------------------------------------------------- */

/* The fault as it is when the operation hangs no more. */
static struct fault fault_of(enum operation operation)
{
	struct fault fault;

	pthread_mutex_lock(&mutex);
	hanging++;
	while (faults[operation].kind == FAULT_HANG)
		pthread_cond_wait(&changed, &mutex);
	hanging--;
	fault = faults[operation];
	pthread_mutex_unlock(&mutex);
	return fault;
}

/* @return 0: go on; 1: do half of it; -errno: it fails */
static int suffer(enum operation operation)
{
	struct fault fault = fault_of(operation);
	struct timespec delay = {.tv_sec = fault.value / 1000, .tv_nsec = (long)(fault.value % 1000) * 1000000};

	if (fault.kind == FAULT_DELAY)
		nanosleep(&delay, NULL);
	if (fault.kind == FAULT_ERROR)
		return -(int)fault.value;
	return fault.kind == FAULT_HALF;
}

static unsigned name_find(const char *const *names, unsigned n, const char *name)
{
	unsigned i = 0;

	while (i < n && strcmp(names[i], name) != 0)
		i++;
	return i;
}

/* @return whether it is a command */
static bool fault_set(const char *line)
{
	char operation[16], kind[16];
	struct fault fault;
	unsigned op;

	if (sscanf(line, "%15s %15s %u", operation, kind, &fault.value) != 3)
		return false;
	op = name_find(operation_names, OP_COUNT, operation);
	fault.kind = name_find(fault_names, FAULT_COUNT, kind);
	if (op == OP_COUNT || fault.kind == FAULT_COUNT)
		return false;
	pthread_mutex_lock(&mutex);
	faults[op] = fault;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
	return true;
}

static void answer(const char *line)
{
	unsigned n;

	if (strcmp(line, "hanging\n") != 0) {
		printf("%s\n", fault_set(line) ? "ok" : "no such command");
		return;
	}
	pthread_mutex_lock(&mutex);
	n = hanging;
	pthread_mutex_unlock(&mutex);
	printf("%u\n", n);
}

static void *obey(void *arg)
{
	char line[64];

	(void)arg;
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		answer(line);
		fflush(stdout);
	}
	(void)umount2(mountpoint, MNT_DETACH); /* somebody else may have done that */
	_exit(0);			       /* the kernel fails what is under way */
}

/* --- the file system ------------------------------------------------------------------------------ */

static const char *relative(const char *path)
{
	return path[1] == '\0' ? "." : path + 1;
}

static int result(int r)
{
	return r < 0 ? -errno : 0;
}

static int handle(const struct fuse_file_info *info)
{
	return (int)info->fh;
}

/* What is made belongs to who made it. */
static int give(const char *path)
{
	const struct fuse_context *caller = fuse_get_context();

	return result(fchownat(root, relative(path), caller->uid, caller->gid, AT_SYMLINK_NOFOLLOW));
}

static int disk_getattr(const char *path, struct stat *st, struct fuse_file_info *info)
{
	if (info != NULL)
		return result(fstat(handle(info), st));
	return result(fstatat(root, relative(path), st, AT_SYMLINK_NOFOLLOW));
}

static int disk_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
			struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
	int fd = openat(root, relative(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	DIR *folder;

	(void)offset;
	(void)info;
	(void)flags;
	if (fd < 0)
		return -errno;
	folder = fdopendir(fd);
	if (folder == NULL) {
		close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(folder)) != NULL)
		if (fill(buffer, entry->d_name, NULL, 0, 0) != 0)
			break;
	closedir(folder);
	return 0;
}

static int disk_mkdir(const char *path, mode_t mode)
{
	int r = suffer(OP_CREATE);

	if (r >= 0)
		r = result(mkdirat(root, relative(path), mode));
	return r == 0 ? give(path) : r;
}

static int disk_unlink(const char *path)
{
	return result(unlinkat(root, relative(path), 0));
}

static int disk_rmdir(const char *path)
{
	return result(unlinkat(root, relative(path), AT_REMOVEDIR));
}

static int disk_rename(const char *from, const char *to, unsigned flags)
{
	int r = suffer(OP_RENAME);

	return r < 0 ? r : result(renameat2(root, relative(from), root, relative(to), flags));
}

static int disk_chmod(const char *path, mode_t mode, struct fuse_file_info *info)
{
	if (info != NULL)
		return result(fchmod(handle(info), mode));
	return result(fchmodat(root, relative(path), mode, 0));
}

static int disk_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *info)
{
	if (info != NULL)
		return result(fchown(handle(info), uid, gid));
	return result(fchownat(root, relative(path), uid, gid, AT_SYMLINK_NOFOLLOW));
}

static int disk_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *info)
{
	if (info != NULL)
		return result(futimens(handle(info), times));
	return result(utimensat(root, relative(path), times, AT_SYMLINK_NOFOLLOW));
}

static int disk_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
	int fd, r;

	if (info != NULL)
		return result(ftruncate(handle(info), size));
	fd = openat(root, relative(path), O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = result(ftruncate(fd, size));
	close(fd);
	return r;
}

/* Not O_DIRECT: the buffers are libfuse's. Not O_APPEND: the kernel says where to write. */
static int handle_open(const char *path, struct fuse_file_info *info, mode_t mode)
{
	int fd = openat(root, relative(path), (info->flags & ~(O_DIRECT | O_APPEND)) | O_CLOEXEC, mode);

	if (fd < 0)
		return -errno;
	info->fh = (uint64_t)fd;
	return 0;
}

static int disk_open_file(const char *path, struct fuse_file_info *info)
{
	return handle_open(path, info, 0);
}

static int disk_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
	int r = suffer(OP_CREATE);

	if (r >= 0)
		r = handle_open(path, info, mode);
	return r == 0 ? give(path) : r;
}

static int disk_release(const char *path, struct fuse_file_info *info)
{
	(void)path;
	return result(close(handle(info)));
}

static int disk_read(const char *path, char *buffer, size_t n, off_t offset, struct fuse_file_info *info)
{
	ssize_t r = pread(handle(info), buffer, n, offset);

	(void)path;
	return r < 0 ? -errno : (int)r;
}

static int disk_write(const char *path, const char *buffer, size_t n, off_t offset, struct fuse_file_info *info)
{
	int fault = suffer(OP_WRITE);
	ssize_t written;

	(void)path;
	if (fault < 0)
		return fault;
	if (fault == 1 && n > 1)
		n /= 2;
	written = pwrite(handle(info), buffer, n, offset);
	return written < 0 ? -errno : (int)written;
}

static int disk_fsync(const char *path, int data_only, struct fuse_file_info *info)
{
	int r = suffer(OP_FSYNC);

	(void)path;
	if (r < 0)
		return r;
	return result(data_only ? fdatasync(handle(info)) : fsync(handle(info)));
}

static int disk_fsyncdir(const char *path, int data_only, struct fuse_file_info *info)
{
	(void)path;
	(void)data_only;
	(void)info;
	return suffer(OP_FSYNC);
}

static int disk_fallocate(const char *path, int mode, off_t offset, off_t n, struct fuse_file_info *info)
{
	int r = suffer(OP_ALLOCATE);

	(void)path;
	return r < 0 ? r : result(fallocate(handle(info), mode, offset, n));
}

static int disk_statfs(const char *path, struct statvfs *st)
{
	(void)path;
	return result(fstatvfs(root, st));
}

/*
 * Nothing is kept in the kernel: a write fails when it is made, not later. No asynchronous direct I/O: the kernel makes
 * an error (EIO) of its short writes.
 */
static void *disk_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
	pthread_t thread;

	connection->want &= ~(unsigned)(FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_ASYNC_DIO);
	config->use_ino = 1;
	config->hard_remove = 1;
	config->entry_timeout = 0;
	config->attr_timeout = 0;
	config->negative_timeout = 0;
	if (pthread_create(&thread, NULL, obey, NULL) != 0)
		abort();
	pthread_detach(thread);
	return NULL;
}

static const struct fuse_operations operations = {
	.init = disk_init, .getattr = disk_getattr, .readdir = disk_readdir, .mkdir = disk_mkdir,
	.unlink = disk_unlink, .rmdir = disk_rmdir, .rename = disk_rename, .chmod = disk_chmod,
	.chown = disk_chown, .utimens = disk_utimens, .truncate = disk_truncate, .open = disk_open_file,
	.create = disk_create, .release = disk_release, .read = disk_read, .write = disk_write,
	.fsync = disk_fsync, .fsyncdir = disk_fsyncdir, .fallocate = disk_fallocate, .statfs = disk_statfs,
};

int main(int argc, char **argv)
{
	static char foreground[] = "-f", option[] = "-o", /* one hangs, others go on */
		    options[] = "allow_other,default_permissions,max_threads=64,max_idle_threads=8,fsname=faulty_disk";
	char *arguments[] = {argv[0], foreground, option, options, argc == 3 ? argv[2] : NULL, NULL};

	if (argc != 3) {
		fprintf(stderr, "usage: %s FOLDER MOUNTPOINT\n", argv[0]);
		return 2;
	}
	root = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0) {
		perror(argv[1]);
		return 1;
	}
	mountpoint = argv[2];
	umask(0); /* the caller's has been seen to */
	return fuse_main(5, arguments, &operations, NULL);
}
