// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <string.h>

#include "daemon/compress.h"

#ifdef HAVE_ZSTD

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "lib/newfile.h"

#define PART ".part"
/* How much of a file is in the page cache for our sake, at most. */
#define CACHED_BYTES (UINT64_C(8) << 20)

struct compression {
	const char *from, *to;
	const struct compress_options *options;
	struct fancap_error *err;
	int fd; /* of from */
	struct stat st;
	struct newfile file;
	uint8_t *in, *out;
	size_t in_bytes, out_bytes;
	uint64_t read, written;
	uint64_t read_dropped, written_dropped; /* from the page cache, up to here */
};

static int failed(const struct compression *compression, const char *path, const char *what, int r)
{
	fancap_error_set(compression->err, "%s: %s%s%s", path, what, *what != '\0' ? ": " : "", strerror(-r));
	return r;
}

static int zstd_failed(const struct compression *compression, const char *path, size_t code, int r)
{
	fancap_error_set(compression->err, "%s: zstd: %s", path, ZSTD_getErrorName(code));
	return r;
}

static bool is_stopped(const struct compression *compression)
{
	return compression->options->stopped != NULL && compression->options->stopped(compression->options->arg);
}

/* --- the page cache ---------------------------------------------------------------------------------------- */

/* What is being captured needs it more. Pages can be dropped when they have been written. */
static void drop_cached(struct compression *compression)
{
	uint64_t n = compression->read - compression->read_dropped;

	if (n >= CACHED_BYTES) {
		(void)posix_fadvise(compression->fd, (off_t)compression->read_dropped, (off_t)n, POSIX_FADV_DONTNEED);
		compression->read_dropped = compression->read;
	}
	n = compression->written - compression->written_dropped;
	if (n >= CACHED_BYTES) {
		(void)sync_file_range(compression->file.fd, (off_t)compression->written_dropped, (off_t)n,
				      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
		(void)posix_fadvise(compression->file.fd, (off_t)compression->written_dropped, (off_t)n,
				    POSIX_FADV_DONTNEED);
		compression->written_dropped = compression->written;
	}
}

/* @return bytes, 0 at the end; -errno */
static ssize_t read_some(const struct compression *compression, int fd, const char *path, void *bytes, size_t n,
			 uint64_t offset)
{
	ssize_t got;

	do
		got = pread(fd, bytes, n, (off_t)offset);
	while (got < 0 && errno == EINTR);
	return got < 0 ? failed(compression, path, "reading", -errno) : got;
}

/* --- there -------------------------------------------------------------------------------------------------- */

/* Give all of the input to the compressor, and with ZSTD_e_end have all of it out. */
static int compress_piece(struct compression *compression, ZSTD_CCtx *context, size_t n, ZSTD_EndDirective directive)
{
	ZSTD_inBuffer in = {compression->in, n, 0};
	size_t left;

	do {
		ZSTD_outBuffer out = {compression->out, compression->out_bytes, 0};
		int r;

		left = ZSTD_compressStream2(context, &out, &in, directive);
		if (ZSTD_isError(left))
			return zstd_failed(compression, compression->from, left, -EBUSY);
		r = newfile_write(compression->file.fd, compression->out, out.pos, compression->written);
		if (r < 0)
			return failed(compression, compression->file.path, "writing", r);
		compression->written += out.pos;
	} while (directive == ZSTD_e_end ? left != 0 : in.pos < in.size);
	return 0;
}

static int compress_all(struct compression *compression, ZSTD_CCtx *context)
{
	for (;;) {
		ssize_t n = read_some(compression, compression->fd, compression->from, compression->in,
				      compression->in_bytes, compression->read);
		int r;

		if (n < 0)
			return (int)n;
		compression->read += (uint64_t)n;
		r = compress_piece(compression, context, (size_t)n, n == 0 ? ZSTD_e_end : ZSTD_e_continue);
		if (r < 0 || n == 0)
			return r;
		drop_cached(compression);
		if (is_stopped(compression))
			return failed(compression, compression->from, "", -ECANCELED);
	}
}

/* The size is in the frame's header: more or less than that is an error. */
static int compress(struct compression *compression)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();
	size_t code;
	int r;

	if (context == NULL)
		return failed(compression, compression->from, "", -ENOMEM);
	code = ZSTD_CCtx_setPledgedSrcSize(context, (unsigned long long)compression->st.st_size);
	if (!ZSTD_isError(code))
		code = ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
	if (!ZSTD_isError(code))
		code = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, compression->options->level);
	r = ZSTD_isError(code) ? zstd_failed(compression, compression->from, code, -EINVAL)
			       : compress_all(compression, context);
	ZSTD_freeCCtx(context);
	return r;
}

/* --- and back ------------------------------------------------------------------------------------------------ */

/* The decompressor compares the checksum, which was made of what was read. @return 1 the frame ended; 0; -EBADMSG */
static int verify_piece(struct compression *compression, ZSTD_DCtx *context, size_t n, uint64_t *size)
{
	ZSTD_inBuffer in = {compression->out, n, 0};
	size_t left = 1;

	while (in.pos < in.size) {
		ZSTD_outBuffer out = {compression->in, compression->in_bytes, 0};

		left = ZSTD_decompressStream(context, &out, &in);
		if (ZSTD_isError(left))
			return zstd_failed(compression, compression->file.path, left, -EBADMSG);
		*size += out.pos;
	}
	return left == 0;
}

static int verify_all(struct compression *compression, ZSTD_DCtx *context)
{
	uint64_t size = 0;
	ssize_t n = 0;
	int ended = 0;

	for (uint64_t at = 0; at < compression->written; at += (uint64_t)n) {
		n = read_some(compression, compression->file.fd, compression->file.path, compression->out,
			      compression->out_bytes, at);
		if (n <= 0)
			break;
		ended = verify_piece(compression, context, (size_t)n, &size);
		if (ended < 0)
			return ended;
		if (is_stopped(compression))
			return failed(compression, compression->from, "", -ECANCELED);
	}
	if (n < 0)
		return (int)n;
	if (ended == 1 && size == (uint64_t)compression->st.st_size)
		return 0;
	fancap_error_set(compression->err, "%s: not what was written", compression->file.path);
	return -EBADMSG;
}

/* The original will be removed on the strength of this: what is read is the disk's word, not the page cache's. */
static int verify(struct compression *compression)
{
	ZSTD_DCtx *context = ZSTD_createDCtx();
	int r;

	if (context == NULL)
		return failed(compression, compression->from, "", -ENOMEM);
	if (fdatasync(compression->file.fd) < 0)
		r = failed(compression, compression->file.path, "fdatasync", -errno);
	else
		r = 0;
	(void)posix_fadvise(compression->file.fd, 0, 0, POSIX_FADV_DONTNEED);
	if (r == 0)
		r = verify_all(compression, context);
	(void)posix_fadvise(compression->file.fd, 0, 0, POSIX_FADV_DONTNEED);
	ZSTD_freeDCtx(context);
	return r;
}

/* --- the whole ------------------------------------------------------------------------------------------------ */

/* Nobody writes to a finished file; if somebody did, what has been compressed is neither the old nor the new one. */
static int check_unchanged(const struct compression *compression)
{
	const struct stat *before = &compression->st;
	struct stat now;

	if (fstat(compression->fd, &now) < 0)
		return failed(compression, compression->from, "", -errno);
	if (now.st_size == before->st_size && now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
	    now.st_mtim.tv_nsec == before->st_mtim.tv_nsec)
		return 0;
	fancap_error_set(compression->err, "%s: it changed while it was compressed", compression->from);
	return -EBUSY;
}

/* Who may read it is as before. A group or owner that cannot be given leaves ours. */
static int dress(const struct compression *compression)
{
	const struct stat *st = &compression->st;
	const struct timespec times[2] = {st->st_atim, st->st_mtim};
	int fd = compression->file.fd;

	if (fchown(fd, st->st_uid, st->st_gid) < 0 && errno != EPERM)
		return failed(compression, compression->file.path, "chown", -errno);
	if (fchmod(fd, st->st_mode & 0777) < 0)
		return failed(compression, compression->file.path, "chmod", -errno);
	if (futimens(fd, times) < 0)
		return failed(compression, compression->file.path, "setting its time", -errno);
	return 0;
}

static int fill(struct compression *compression)
{
	int r = compress(compression);

	(void)posix_fadvise(compression->fd, 0, 0, POSIX_FADV_DONTNEED);
	if (r == 0)
		r = check_unchanged(compression);
	if (r == 0)
		r = dress(compression);
	if (r == 0)
		r = verify(compression);
	return r;
}

static int make(struct compression *compression)
{
	struct stat st;
	int r;

	/* Better known now; publishing does not replace it either. */
	if (lstat(compression->to, &st) == 0)
		return failed(compression, compression->to, "", -EEXIST);
	r = newfile_open(compression->to, PART, &compression->file);
	if (r < 0)
		return failed(compression, compression->to, "making it", r);
	r = fill(compression);
	if (r == 0) {
		r = newfile_publish(&compression->file);
		if (r < 0)
			failed(compression, compression->to, "finishing it", r);
	}
	newfile_discard(&compression->file);
	return r;
}

static int source_open(struct compression *compression)
{
	compression->fd = open(compression->from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (compression->fd < 0 || fstat(compression->fd, &compression->st) < 0)
		return failed(compression, compression->from, "", -errno);
	if (S_ISREG(compression->st.st_mode))
		return 0;
	fancap_error_set(compression->err, "%s: not a regular file", compression->from);
	return -EINVAL;
}

int compress_file(const char *from, const char *to, const struct compress_options *options, struct fancap_error *err)
{
	struct compression compression = {.from = from, .to = to, .options = options, .err = err,
					  .in_bytes = ZSTD_CStreamInSize(), .out_bytes = ZSTD_CStreamOutSize()};
	int r = source_open(&compression);

	if (r == 0) {
		compression.in = malloc(compression.in_bytes);
		compression.out = malloc(compression.out_bytes);
		if (compression.in == NULL || compression.out == NULL)
			r = failed(&compression, from, "", -ENOMEM);
		else
			r = make(&compression);
	}
	free(compression.in);
	free(compression.out);
	if (compression.fd >= 0)
		close(compression.fd);
	return r;
}

#else

int compress_file(const char *from, const char *to, const struct compress_options *options, struct fancap_error *err)
{
	(void)to;
	(void)options;
	fancap_error_set(err, "%s: cannot be compressed: fancapd was built without zstd", from);
	return -EOPNOTSUPP;
}

#endif
