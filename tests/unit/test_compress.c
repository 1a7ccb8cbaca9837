// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/compress.h"
#include "tests/unit/folder.h"

#ifdef HAVE_ZSTD
#include <zstd.h>

#include "tests/unit/torn.h"

#define LARGE_BYTES (20u << 20)
#define NEVER (-1)

static char *folder;
static char from[256], to[280], part[300];
static uint8_t *content;
static struct torn_sample sample;

/* --- what reaches the disk (-Wl,--wrap) -------------------------------------------------------------------- */

static int calls_left = NEVER; /* then we are killed */
static int write_error;
static size_t flip_at; /* a bit turns on the way to the disk; 0: none does */

ssize_t __real_pwrite(int fd, const void *bytes, size_t n, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t offset);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_renameat2(int from_fd, const char *old, int to_fd, const char *new, unsigned flags);
int __wrap_renameat2(int from_fd, const char *old, int to_fd, const char *new, unsigned flags);

static void note_call(void)
{
	if (calls_left != NEVER && calls_left-- == 0)
		raise(SIGKILL);
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
	static uint8_t changed[1u << 20];

	note_call();
	if (write_error != 0) {
		errno = write_error;
		return -1;
	}
	if (flip_at == 0 || (size_t)offset > flip_at || flip_at >= (size_t)offset + n)
		return __real_pwrite(fd, bytes, n, offset);
	memcpy(changed, bytes, n);
	changed[flip_at - (size_t)offset] ^= 1;
	return __real_pwrite(fd, changed, n, offset);
}

int __wrap_fdatasync(int fd)
{
	note_call();
	return __real_fdatasync(fd);
}

int __wrap_renameat2(int from_fd, const char *old, int to_fd, const char *new, unsigned flags)
{
	note_call();
	return __real_renameat2(from_fd, old, to_fd, new, flags);
}

/* --- files --------------------------------------------------------------------------------------------------- */

static void save(const void *bytes, size_t n)
{
	FILE *f = fopen(from, "wbe");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* @return bytes, the caller's */
static uint8_t *load(const char *path, size_t *ret_n)
{
	struct stat st;
	uint8_t *bytes;
	FILE *f = fopen(path, "rbe");

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	*ret_n = (size_t)st.st_size;
	bytes = malloc(*ret_n + 1);
	assert_non_null(bytes);
	assert_int_equal(fread(bytes, 1, *ret_n, f), *ret_n);
	fclose(f);
	return bytes;
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static int setup(void **state)
{
	(void)state;
	folder = folder_make();
	snprintf(from, sizeof(from), "%s/x.pcapng", folder);
	snprintf(to, sizeof(to), "%s" COMPRESS_SUFFIX, from);
	snprintf(part, sizeof(part), "%s.part", to);
	/* Half of it can be compressed. */
	content = malloc(LARGE_BYTES);
	for (size_t i = 0; i < LARGE_BYTES; i++)
		content[i] = (uint8_t)(i & 4096 ? rand() : (int)(i >> 12));
	calls_left = NEVER;
	write_error = 0;
	flip_at = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(content);
	folder_remove(folder);
	return 0;
}

static int compress(struct fancap_error *err)
{
	const struct compress_options options = {.level = 1};

	return compress_file(from, to, &options, err);
}

static void assert_compressed(const uint8_t *bytes, size_t n)
{
	size_t packed_bytes, code;
	uint8_t *packed = load(to, &packed_bytes), *unpacked = malloc(n + 1);

	/* The size stands in the frame; one frame is all there is. */
	assert_int_equal(ZSTD_getFrameContentSize(packed, packed_bytes), n);
	assert_int_equal(ZSTD_findFrameCompressedSize(packed, packed_bytes), packed_bytes);
	assert_int_equal(packed[4] & 4, 4); /* the checksum's flag */
	code = ZSTD_decompress(unpacked, n, packed, packed_bytes);
	assert_false(ZSTD_isError(code));
	assert_int_equal(code, n);
	assert_int_equal(memcmp(unpacked, bytes, n), 0);
	free(packed);
	free(unpacked);
	assert_false(exists(part));
}

static void assert_compresses(size_t n)
{
	struct fancap_error err = {""};
	int r;

	save(content, n);
	r = compress(&err);
	if (r != 0)
		fail_msg("%d: %s", r, err.text);
	assert_compressed(content, n);
	assert_true(exists(from));
	unlink(to);
}

static void assert_fails(int r, const char *text)
{
	struct fancap_error err = {""};
	size_t n;
	uint8_t *bytes;

	assert_int_equal(compress(&err), r);
	assert_has(err.text, text);
	assert_false(exists(part));
	bytes = load(from, &n);
	assert_int_equal(memcmp(bytes, content, n), 0);
	free(bytes);
}

/* --- tests ----------------------------------------------------------------------------------------------------- */

static void files_of_any_size_come_back_as_they_were(void **state)
{
	static const size_t sizes[] = {0, 1, 4096, (128u << 10) - 1, 128u << 10, (128u << 10) + 1, LARGE_BYTES};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(sizes); i++)
		assert_compresses(sizes[i]);
}

static void rights_and_times_are_the_originals(void **state)
{
	const struct timespec times[2] = {{1700000000, 1000}, {1700000001, 2000}};
	struct stat st;

	(void)state;
	save(content, 1000);
	assert_int_equal(chmod(from, 0640), 0);
	assert_int_equal(utimensat(AT_FDCWD, from, times, 0), 0);
	if (getuid() == 0)
		assert_int_equal(chown(from, 12, 34), 0);
	assert_int_equal(compress(NULL), 0);
	assert_int_equal(stat(to, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_mtim.tv_sec, 1700000001);
	assert_int_equal(st.st_mtim.tv_nsec, 2000);
	if (getuid() == 0) {
		assert_int_equal(st.st_uid, 12);
		assert_int_equal(st.st_gid, 34);
	}
}

static void a_file_of_that_name_is_not_replaced(void **state)
{
	FILE *f = fopen(to, "we");

	(void)state;
	fputs("precious", f);
	fclose(f);
	save(content, 1000);
	assert_fails(-EEXIST, "x.pcapng.zst: File exists");
}

static void what_a_killed_one_left_is_begun_anew(void **state)
{
	FILE *f = fopen(part, "we");

	(void)state;
	fputs("what is left of another compression, which got further than this one will", f);
	fclose(f);
	assert_compresses(10);
}

static void two_do_not_compress_into_one_file(void **state)
{
	struct fancap_error err = {""};
	int fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	assert_int_equal(flock(fd, LOCK_EX), 0);
	save(content, 1000);
	assert_int_equal(compress(&err), -EBUSY);
	assert_true(exists(part));
	close(fd);
}

static void a_turned_bit_is_found_before_the_file_has_its_name(void **state)
{
	(void)state;
	save(content, 1u << 20);
	for (flip_at = 20; flip_at < 500000; flip_at += 99991) {
		assert_fails(-EBADMSG, ".part: ");
		assert_false(exists(to));
	}
}

static void a_full_disk_leaves_the_original(void **state)
{
	(void)state;
	save(content, 1000);
	write_error = ENOSPC;
	assert_fails(-ENOSPC, "No space left on device");
	assert_false(exists(to));
}

static void a_file_that_is_none_is_refused(void **state)
{
	struct fancap_error err = {""};

	(void)state;
	assert_int_equal(compress(&err), -ENOENT);
	assert_int_equal(mkdir(from, 0700), 0);
	assert_int_equal(compress(&err), -EINVAL);
	assert_has(err.text, "not a regular file");
}

struct stop {
	unsigned asked, at;
	bool grow, change;
};

static bool stop(void *arg)
{
	struct stop *it = arg;

	if ((it->grow || it->change) && it->asked == 0) {
		FILE *f = fopen(from, it->grow ? "ae" : "r+e");

		fputc('x', f);
		fclose(f);
	}
	return ++it->asked == it->at;
}

static void it_stops_when_told_there_and_on_the_way_back(void **state)
{
	struct stop it = {.at = UINT32_MAX};
	const struct compress_options options = {.level = 1, .stopped = stop, .arg = &it};
	unsigned all;

	(void)state;
	save(content, LARGE_BYTES);
	assert_int_equal(compress_file(from, to, &options, NULL), 0);
	all = it.asked;
	assert_in_range(all, LARGE_BYTES / (128u << 10), 1000);
	unlink(to);
	for (unsigned at = 1; at <= all; at += all / 5) {
		it = (struct stop){.at = at};
		assert_int_equal(compress_file(from, to, &options, NULL), -ECANCELED);
		assert_int_equal(it.asked, at);
		assert_false(exists(to) || exists(part));
	}
}

static void a_file_that_changes_meanwhile_is_not_taken_for_whole(void **state)
{
	const struct timespec long_ago[2] = {{1, 0}, {1, 0}}; /* so that the change shows, whatever the clock's tick */
	struct stop it = {.at = UINT32_MAX};
	const struct compress_options options = {.level = 1, .stopped = stop, .arg = &it};

	(void)state;
	for (int grow = 0; grow < 2; grow++) {
		it = (struct stop){.at = UINT32_MAX, .grow = grow != 0, .change = grow == 0};
		save(content, LARGE_BYTES);
		assert_int_equal(utimensat(AT_FDCWD, from, long_ago, 0), 0);
		assert_int_equal(compress_file(from, to, &options, NULL), -EBUSY);
		assert_false(exists(to) || exists(part));
	}
}

static bool kill_in_call(int n)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		calls_left = n;
		_exit(compress(NULL) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status);
}

static void a_kill_at_any_instant_leaves_the_original_or_both(void **state)
{
	bool killed = true;

	(void)state;
	save(content, 600000);
	for (int n = 0; killed; n++) {
		killed = kill_in_call(n);
		assert_int_equal(exists(to), !killed);
		if (!exists(to))
			assert_int_equal(compress(NULL), 0);
		assert_compressed(content, 600000);
		unlink(to);
	}
}

static void tshark_reads_it(void **state)
{
	static const char has_zstd[] = "tshark --version 2>/dev/null | grep -q Zstandard";
	char command[512];

	(void)state;
	if (system(has_zstd) != 0) {
		print_message("there is no tshark with zstd\n");
		return;
	}
	torn_sample_make(&sample, 100000);
	save(sample.bytes, sample.n);
	assert_int_equal(compress(NULL), 0);
	snprintf(command, sizeof(command), "[ \"$(tshark -n -r %s 2>/dev/null | wc -l)\" = %u ]", to,
		 (unsigned)torn_block_before(&sample, sample.n)->packets);
	assert_int_equal(system(command), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(files_of_any_size_come_back_as_they_were),
		TEST(rights_and_times_are_the_originals),
		TEST(a_file_of_that_name_is_not_replaced),
		TEST(what_a_killed_one_left_is_begun_anew),
		TEST(two_do_not_compress_into_one_file),
		TEST(a_turned_bit_is_found_before_the_file_has_its_name),
		TEST(a_full_disk_leaves_the_original),
		TEST(a_file_that_is_none_is_refused),
		TEST(it_stops_when_told_there_and_on_the_way_back),
		TEST(a_file_that_changes_meanwhile_is_not_taken_for_whole),
		TEST(a_kill_at_any_instant_leaves_the_original_or_both),
		TEST(tshark_reads_it),
	};

	return cmocka_run_group_tests_name("compress", tests, NULL, NULL);
}

#else

static void without_zstd_it_says_so(void **state)
{
	const struct compress_options options = {0};
	struct fancap_error err = {""};

	(void)state;
	assert_int_equal(compress_file("x", "y", &options, &err), -EOPNOTSUPP);
	assert_has(err.text, "without zstd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(without_zstd_it_says_so)};

	return cmocka_run_group_tests_name("compress", tests, NULL, NULL);
}

#endif
