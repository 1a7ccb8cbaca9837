// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fancap/recover.h"
#include "lib/newfile.h"
#include "lib/recover_scan.h"
#include "lib/setaside.h"

#define CHUNK_BYTES (1u << 20)
#define RESERVED_MIN_BYTES (256u << 10)
#define COPY_SUFFIX ".recovering"

struct recovery {
	const char *from, *to;
	const struct fancap_recover_options *options;
	struct fancap_recover_result *result;
	struct fancap_error *err;
	struct fancap_capfile *file;
	struct recover_scan scan;
	struct stat st;
	uint8_t *chunk;
	uint64_t total; /* of progress */
};

static bool in_place(const struct recovery *recovery)
{
	return recovery->options->mode == FANCAP_RECOVER_IN_PLACE;
}

static int failed(const struct recovery *recovery, const char *path, const char *what, int r)
{
	fancap_error_set(recovery->err, "%s: %s%s%s", path, what, *what != '\0' ? ": " : "", strerror(-r));
	return r;
}

static int stopped(const struct recovery *recovery)
{
	return failed(recovery, recovery->from, "", -ECANCELED);
}

/* --- the original ------------------------------------------------------------------------------------------ */

static int source_check(struct recovery *recovery, int fd)
{
	struct stat named;

	if (fstat(fd, &recovery->st) < 0)
		return failed(recovery, recovery->from, "", -errno);
	if (!S_ISREG(recovery->st.st_mode)) {
		fancap_error_set(recovery->err, "%s: not a regular file", recovery->from);
		return -EINVAL;
	}
	if (flock(fd, LOCK_NB | (in_place(recovery) ? LOCK_EX : LOCK_SH)) < 0) {
		if (errno != EWOULDBLOCK)
			return failed(recovery, recovery->from, "flock", -errno);
		fancap_error_set(recovery->err, "%s: it is being written or recovered", recovery->from);
		return -EBUSY;
	}
	/* Who had the lock may have finished it, under another name. */
	if (stat(recovery->from, &named) < 0)
		return failed(recovery, recovery->from, "", -errno);
	if (named.st_ino != recovery->st.st_ino || named.st_dev != recovery->st.st_dev)
		return failed(recovery, recovery->from, "", -ENOENT);
	return 0;
}

/* @return fd, locked; -errno */
static int source_open(struct recovery *recovery)
{
	/* O_NONBLOCK: a pipe is refused, not waited for. */
	int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (in_place(recovery) ? O_RDWR | O_NOFOLLOW : O_RDONLY);
	int fd = open(recovery->from, flags), r;

	if (fd < 0)
		return failed(recovery, recovery->from, "", -errno);
	r = source_check(recovery, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return fd;
}

/* @return n, less only at the file's end; -errno */
static ssize_t read_at(const struct recovery *recovery, int fd, size_t n, uint64_t offset)
{
	size_t have = 0;

	while (have < n) {
		ssize_t got = pread(fd, recovery->chunk + have, n - have, (off_t)(offset + have));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			char what[48];

			snprintf(what, sizeof(what), "reading at offset %" PRIu64, offset + have);
			return failed(recovery, recovery->from, what, -errno);
		}
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

/* Where the zeros at the end begin, start at the earliest: from the end, since what is no zero ends the search. */
static int data_end(const struct recovery *recovery, int fd, uint64_t start, uint64_t *ret)
{
	uint64_t end = (uint64_t)recovery->st.st_size;

	while (end > start) {
		size_t n = end - start < CHUNK_BYTES ? (size_t)(end - start) : CHUNK_BYTES;
		ssize_t got = read_at(recovery, fd, n, end - n);

		if (got < 0)
			return (int)got;
		while (got > 0 && recovery->chunk[got - 1] == 0)
			got--;
		end -= n;
		if (got > 0) {
			end += (uint64_t)got;
			break;
		}
	}
	*ret = end;
	return 0;
}

/* No capture file; is it nothing at all? */
static int refuse(const struct recovery *recovery, int fd, int r)
{
	uint64_t end = 0;

	if (r != -EBADMSG)
		return r;
	r = data_end(recovery, fd, 0, &end);
	if (r < 0)
		return r;
	if (end > 0)
		return -EBADMSG;
	fancap_error_set(recovery->err, "%s: %s", recovery->from,
			 recovery->st.st_size == 0 ? "the file is empty" : "the file has nothing but zeros");
	return -ENODATA;
}

/* --- what it has --------------------------------------------------------------------------------------------- */

static bool progress(struct recovery *recovery, uint64_t done)
{
	const struct fancap_recover_options *options = recovery->options;

	return options->progress == NULL ||
	       options->progress(options->arg, done < recovery->total ? done : recovery->total, recovery->total);
}

static bool scan_progress(void *arg, uint64_t offset)
{
	return progress(arg, offset);
}

static int examine(struct recovery *recovery)
{
	int r = recover_scan(recovery->file, scan_progress, recovery, &recovery->scan);

	if (r == -ECANCELED)
		return stopped(recovery);
	if (r < 0 && r != recovery->file->failed)
		return failed(recovery, recovery->from, "", r);
	if (r == 0 && recovery->scan.end == 0)
		r = refuse(recovery, recovery->file->fd, -EBADMSG);
	if (r < 0 && r != -ENODATA && recovery->err != NULL)
		*recovery->err = recovery->file->error;
	return r;
}

/* How the original goes on where it is cut. */
static int examine_rest(struct recovery *recovery)
{
	struct fancap_recover_result *result = recovery->result;
	uint64_t end;
	int r = data_end(recovery, recovery->file->fd, result->bytes_kept, &end);

	if (r < 0)
		return r;
	result->bytes_lost = end - result->bytes_kept;
	if (result->bytes_lost == 0)
		snprintf(result->reason, sizeof(result->reason), "zeros up to the end of the file");
	else
		snprintf(result->reason, sizeof(result->reason), "%s", recovery->scan.reason);
	return 0;
}

static int conclude(struct recovery *recovery)
{
	struct fancap_recover_result *result = recovery->result;
	const struct recover_scan *scan = &recovery->scan;

	/* It may have grown while it was read. */
	if (fstat(recovery->file->fd, &recovery->st) < 0)
		return failed(recovery, recovery->from, "", -errno);
	if ((uint64_t)recovery->st.st_size < scan->end)
		return failed(recovery, recovery->from, "it became shorter while it was read", -EIO);
	result->packets = scan->packets;
	result->first_ns = scan->first_ns;
	result->last_ns = scan->last_ns;
	result->bytes_kept = scan->end;
	result->bytes_cut = (uint64_t)recovery->st.st_size - scan->end;
	result->bytes = scan->end + scan->closing_bytes;
	result->changed = result->bytes_cut != 0 || scan->closing_bytes != 0 || scan->section_length_at != 0;
	return result->bytes_cut != 0 ? examine_rest(recovery) : 0;
}

/* --- a whole file of it ---------------------------------------------------------------------------------------- */

/* What a finished file has that this one lacks: an error at any instant leaves a file that can be recovered again. */
static int complete(const struct recovery *recovery, int fd)
{
	static const uint64_t unknown = UINT64_MAX;
	const struct recover_scan *scan = &recovery->scan;
	int r = 0;

	if (scan->section_length_at != 0)
		r = newfile_write(fd, &unknown, sizeof(unknown), scan->section_length_at);
	if (r == 0)
		r = newfile_write(fd, scan->closing, scan->closing_bytes, scan->end);
	return r;
}

/* More than a torn end is not to be cut off. */
static int cut_check(const struct recovery *recovery)
{
	uint64_t cut_max = recovery->options->cut_max != 0 ? recovery->options->cut_max : FANCAP_RECOVER_CUT_MAX;
	const struct fancap_recover_result *result = recovery->result;

	if (!in_place(recovery) || result->bytes_lost <= cut_max)
		return 0;
	fancap_error_set(recovery->err, "%s: offset %" PRIu64 ": %s; %" PRIu64 " bytes follow, too many to cut off",
			 recovery->from, result->bytes_kept, result->reason, result->bytes_lost);
	return -EUCLEAN;
}

/* Whether more room is taken than bytes and the file system's own notes need. */
static bool has_reserved(const struct stat *st)
{
	return (uint64_t)st->st_blocks * 512u >= (uint64_t)st->st_size + RESERVED_MIN_BYTES;
}

static int make_in_place(struct recovery *recovery)
{
	const struct fancap_recover_result *result = recovery->result;
	int fd = recovery->file->fd, r;

	/* Of the right length as well, if room is reserved behind it; else a file that is whole keeps its time, too. */
	if ((result->bytes_cut != 0 || has_reserved(&recovery->st)) && ftruncate(fd, (off_t)result->bytes_kept) < 0)
		return failed(recovery, recovery->from, "cutting", -errno);
	r = complete(recovery, fd);
	if (r < 0)
		return failed(recovery, recovery->from, "writing", r);
	if (fdatasync(fd) < 0)
		return failed(recovery, recovery->from, "fdatasync", -errno);
	r = newfile_rename(recovery->from, recovery->to);
	return r < 0 ? failed(recovery, recovery->to, "renaming", r) : 0;
}

static int copy_prefix(struct recovery *recovery, int fd, const char *path)
{
	uint64_t end = recovery->scan.end;

	for (uint64_t at = 0; at < end;) {
		size_t n = end - at < CHUNK_BYTES ? (size_t)(end - at) : CHUNK_BYTES;
		ssize_t got = read_at(recovery, recovery->file->fd, n, at);
		int r;

		if (got < 0)
			return (int)got;
		if ((size_t)got < n)
			return failed(recovery, recovery->from, "it became shorter while it was read", -EIO);
		r = newfile_write(fd, recovery->chunk, n, at);
		if (r < 0)
			return failed(recovery, path, "writing", r);
		at += n;
		if (at % (4 * CHUNK_BYTES) == 0 && !progress(recovery, end + at))
			return stopped(recovery);
	}
	return 0;
}

static int fill(struct recovery *recovery, struct newfile *copy)
{
	int r = copy_prefix(recovery, copy->fd, copy->path);

	if (r < 0)
		return r;
	r = complete(recovery, copy->fd);
	if (r == 0 && fchmod(copy->fd, recovery->st.st_mode & 0777) < 0)
		r = -errno;
	return r < 0 ? failed(recovery, copy->path, "writing", r) : 0;
}

static int make_copy(struct recovery *recovery)
{
	struct newfile copy;
	int r = newfile_open(recovery->to, COPY_SUFFIX, &copy);

	if (r < 0)
		return failed(recovery, recovery->to, "making it", r);
	recovery->total = 2 * recovery->scan.end;
	r = fill(recovery, &copy);
	if (r == 0) {
		r = newfile_publish(&copy);
		if (r < 0)
			failed(recovery, recovery->to, "finishing it", r);
	}
	newfile_discard(&copy);
	return r;
}

static int make(struct recovery *recovery)
{
	struct fancap_recover_result *result = recovery->result;
	struct stat st;
	int r = cut_check(recovery);

	if (r < 0)
		return r;
	if (!in_place(recovery) && recovery->options->needed_only && !result->changed)
		return 0;
	/* Better known now than when there is something to be renamed; that does not replace one either. */
	if (lstat(recovery->to, &st) == 0)
		return failed(recovery, recovery->to, "", -EEXIST);
	if (!in_place(recovery))
		r = make_copy(recovery);
	else
		r = make_in_place(recovery);
	if (r < 0)
		return r;
	result->made = true;
	r = in_place(recovery) ? newfile_sync_folder(recovery->to) : 0;
	if (r < 0)
		return failed(recovery, recovery->to, "fsync of its folder", r);
	(void)progress(recovery, recovery->total);
	return 0;
}

static int recover_open(struct recovery *recovery, int fd)
{
	struct fancap_error err = {""};
	int r = fancap_capfile_open_fd(fd, recovery->from, &recovery->file, &err);

	if (r == 0)
		return 0;
	if (recovery->err != NULL)
		*recovery->err = err;
	r = refuse(recovery, fd, r);
	close(fd);
	return r;
}

static int recover(struct recovery *recovery)
{
	int r = source_open(recovery);

	if (r < 0)
		return r;
	if (!in_place(recovery) && setaside_is(r)) {
		int fd = r;

		r = setaside_recover(fd, recovery->from, recovery->to, recovery->result, recovery->err);
		close(fd);
		return r;
	}
	recovery->total = (uint64_t)recovery->st.st_size * (in_place(recovery) ? 1 : 2);
	r = recover_open(recovery, r);
	if (r < 0)
		return r;
	r = examine(recovery);
	if (r == 0)
		r = conclude(recovery);
	if (r == 0)
		r = make(recovery);
	recover_scan_done(&recovery->scan);
	fancap_capfile_close(recovery->file);
	return r;
}

int fancap_recover_file(const char *from, const char *to, const struct fancap_recover_options *options,
			struct fancap_recover_result *ret, struct fancap_error *err)
{
	struct recovery recovery = {.from = from, .to = to, .options = options, .result = ret, .err = err};
	int r;

	*ret = (struct fancap_recover_result){0};
	recovery.chunk = malloc(CHUNK_BYTES);
	if (recovery.chunk == NULL)
		return failed(&recovery, from, "", -ENOMEM);
	r = recover(&recovery);
	free(recovery.chunk);
	return r;
}
