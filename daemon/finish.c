// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "daemon/finish.h"
#include "daemon/segment.h"
#include "fancap/recover.h"
#include "lib/newfile.h"

#define FILE_MODE 0640
#define NAME_ATTEMPTS 100
/* The day's folder, the interface's, the directory: a new day makes a new name in each but the last. */
#define PARENTS 3
/** What of a segment is so damaged that cutting would lose much: its readable part is published, the rest kept. */
#define SUFFIX_DAMAGED ".damaged"

uint64_t finish_room(const struct stat *st)
{
	uint64_t allocated = (uint64_t)st->st_blocks * 512u, size = (uint64_t)st->st_size;

	return allocated > size ? allocated : size;
}

static bool is_own_group(gid_t gid)
{
	gid_t groups[NGROUPS_MAX];
	int n = getgroups(NGROUPS_MAX, groups);

	for (int i = 0; i < n; i++) {
		if (groups[i] == gid)
			return true;
	}
	return gid == getegid();
}

#define MASK(capability) (UINT64_C(1) << (capability))

uint64_t finish_capabilities(const struct finish_owner *owner)
{
	/* Files that are somebody else's have to be read and changed later: to compress them, to try again. */
	if (owner->uid != (uid_t)-1 && owner->uid != geteuid())
		return MASK(CAP_CHOWN) | MASK(CAP_FOWNER) | MASK(CAP_DAC_OVERRIDE);
	return owner->gid != (gid_t)-1 && !is_own_group(owner->gid) ? MASK(CAP_CHOWN) : 0;
}

int finish_give(int fd, const struct finish_owner *owner)
{
	if (fchmod(fd, FILE_MODE) < 0)
		return -errno;
	if (owner->uid == (uid_t)-1 && owner->gid == (gid_t)-1)
		return 0;
	return fchown(fd, owner->uid, owner->gid) < 0 ? -errno : 0;
}

/* --- names ----------------------------------------------------------------------------------------------------- */

static int part_path(char *ret, const char *path, const char *suffix)
{
	int n = snprintf(ret, PATH_MAX, "%s%s", path, suffix);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* NAME.pcapng, then NAME-1.pcapng, ...: as segment_path() numbers them. */
static int other_path(char *ret, const char *path, unsigned attempt)
{
	const char *dot = strrchr(path, '.'), *zone = strrchr(path, 'Z');
	int n;

	if (dot == NULL || zone == NULL || zone > dot)
		return -EINVAL;
	if (attempt == 0)
		n = snprintf(ret, PATH_MAX, "%s", path);
	else
		n = snprintf(ret, PATH_MAX, "%.*s-%u%s", (int)(zone + 1 - path), path, attempt, dot);
	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* A name is on the disk when the folder that holds it is. Those that have not changed cost next to nothing. */
static int sync_parents(const char *path, const struct finish_owner *owner)
{
	char folder[PATH_MAX];
	struct stat st;

	snprintf(folder, sizeof(folder), "%s", path);
	for (int i = 0; i < PARENTS; i++) {
		char *slash = strrchr(folder, '/');
		int fd, r = 0;

		if (slash == NULL || slash == folder)
			break;
		*slash = '\0';
		fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		/* The last one is the administrator's. Workers have to be able to write to all: the owner stays. */
		if (i < PARENTS - 1 && owner->gid != (gid_t)-1 && fstat(fd, &st) == 0 && st.st_gid != owner->gid &&
		    fchown(fd, (uid_t)-1, owner->gid) < 0)
			r = -errno;
		if (fsync(fd) < 0 && r == 0)
			r = -errno;
		close(fd);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- complete segments ----------------------------------------------------------------------------------------- */

/* Who writes a segment holds its lock. */
static int open_part(const char *part)
{
	int fd = open(part, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -EINVAL;
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		r = errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static int make_permanent(int fd, uint64_t bytes, const struct finish_owner *owner)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size < bytes)
		return -EIO;
	/* Of the right size as well: what was preallocated behind it goes. */
	if (ftruncate(fd, (off_t)bytes) < 0)
		return -errno;
	r = finish_give(fd, owner);
	if (r == 0 && fdatasync(fd) < 0)
		r = -errno;
	return r;
}

static int describe(int fd, struct finish_result *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	ret->bytes = finish_room(&st);
	ret->summary = summary_read(fd);
	ret->end_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
	return 0;
}

static int rename_segment(const char *part, const char *path, struct finish_result *ret)
{
	int r = -EEXIST;

	for (unsigned attempt = 0; r == -EEXIST && attempt < NAME_ATTEMPTS; attempt++) {
		r = other_path(ret->path, path, attempt);
		if (r == 0)
			r = newfile_rename(part, ret->path);
	}
	return r;
}

int finish_segment(const char *path, uint64_t bytes, const struct finish_owner *owner, struct finish_result *ret)
{
	char part[PATH_MAX];
	int fd, r;

	*ret = (struct finish_result){0};
	r = part_path(part, path, SEGMENT_PART);
	if (r < 0)
		return r;
	fd = open_part(part);
	if (fd < 0)
		return fd;
	r = make_permanent(fd, bytes, owner);
	if (r == 0)
		r = describe(fd, ret);
	if (r == 0)
		r = rename_segment(part, path, ret);
	/* Not before: until it has its name, nobody else may take it for an orphan. */
	close(fd);
	return r < 0 ? r : sync_parents(ret->path, owner);
}

/* --- segments left behind -------------------------------------------------------------------------------------- */

struct asking {
	bool (*stopped)(void *arg);
	void *arg;
};

static bool go_on(void *arg, uint64_t done, uint64_t total)
{
	const struct asking *asking = arg;

	(void)done;
	(void)total;
	return asking->stopped == NULL || !asking->stopped(asking->arg);
}

/* @return 1 it was empty and is gone, 0, -errno */
static int remove_if_empty(const char *part)
{
	int fd = open_part(part), r = 0;
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (st.st_size == 0)
		r = unlink(part) < 0 ? -errno : 1;
	close(fd);
	return r;
}

/* Whether this is the copy, as made before: by one that was killed before it put the original aside. */
static bool is_made(const char *to, const struct fancap_recover_result *result)
{
	struct stat st;

	return lstat(to, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == result->bytes;
}

/* Cut in place if that loses nothing to speak of; else the original is kept beside what can be read of it. */
static int recover(const char *part, const char *to, struct asking *asking, struct finish_result *ret,
		   struct fancap_error *err)
{
	struct fancap_recover_options options = {
		.mode = FANCAP_RECOVER_IN_PLACE,
		.progress = go_on,
		.arg = asking,
	};
	struct fancap_recover_result result;
	char damaged[PATH_MAX];
	int r;

	r = fancap_recover_file(part, to, &options, &result, err);
	if (r == -EUCLEAN) {
		options.mode = FANCAP_RECOVER_COPY;
		r = fancap_recover_file(part, to, &options, &result, err);
		if (r == -EEXIST && is_made(to, &result))
			r = 0;
		if (r == 0)
			r = part_path(damaged, to, SUFFIX_DAMAGED);
		if (r == 0)
			r = newfile_rename(part, damaged);
	}
	ret->cut = result.bytes_lost > 0;
	return r;
}

static int give_by_path(const char *path, const struct finish_owner *owner, struct finish_result *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), r;

	if (fd < 0)
		return -errno;
	r = finish_give(fd, owner);
	if (r == 0)
		r = describe(fd, ret);
	close(fd);
	return r < 0 ? r : sync_parents(path, owner);
}

int finish_orphan(const char *path, const struct finish_owner *owner, bool (*stopped)(void *arg), void *arg,
		  struct finish_result *ret, struct fancap_error *err)
{
	struct asking asking = {stopped, arg};
	char part[PATH_MAX];
	int r;

	*ret = (struct finish_result){0};
	*err = (struct fancap_error){""};
	r = part_path(part, path, SEGMENT_PART);
	if (r == 0)
		r = remove_if_empty(part);
	if (r != 0)
		return r == 1 ? -ENODATA : r;
	r = -EEXIST;
	for (unsigned attempt = 0; r == -EEXIST && attempt < NAME_ATTEMPTS; attempt++) {
		r = other_path(ret->path, path, attempt);
		if (r == 0)
			r = recover(part, ret->path, &asking, ret, err);
	}
	/* Nothing but zeros: room was reserved, nothing was written. It is no recording, but is kept all the same. */
	if (r == -ENODATA)
		r = -EBADMSG;
	return r < 0 ? r : give_by_path(ret->path, owner, ret);
}
