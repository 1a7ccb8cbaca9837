// SPDX-License-Identifier: BSD-3-Clause
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/segment.h"
#include "lib/newfile.h"
#include "folder.h"

#define PATH "2023-11-14/eth0-w3-20231114T221320.123456Z.pcapng"
#define START_NS UINT64_C(1700000000123456789)

static char *folder;
static char path[512]; /* of PATH in the folder */
static struct segment segment, other_segment;

/* --- what reaches the disk, in order: the linker leads these calls to us (-Wl,--wrap) --- */

static char calls[16];
static int fdatasync_error;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);

static void note_call(const char *name)
{
	assert_true(strlen(calls) + 1 < sizeof(calls));
	strcat(calls, name);
}

int __wrap_fdatasync(int fd)
{
	note_call("d");
	if (fdatasync_error == 0)
		return __real_fdatasync(fd);
	errno = fdatasync_error;
	return -1;
}

int __wrap_fsync(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	note_call(S_ISDIR(st.st_mode) ? "F" : "f");
	return __real_fsync(fd);
}

int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	note_call("r");
	return __real_renameat2(from_fd, from, to_fd, to, flags);
}

static int setup(void **state)
{
	(void)state;
	folder = folder_make();
	snprintf(path, sizeof(path), "%s/" PATH, folder);
	calls[0] = '\0';
	fdatasync_error = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

static bool exists(const char *suffix)
{
	char full[528];

	snprintf(full, sizeof(full), "%s%s", path, suffix);
	return access(full, F_OK) == 0;
}

static off_t size_of(const char *suffix)
{
	struct stat st;
	char full[528];

	snprintf(full, sizeof(full), "%s%s", path, suffix);
	assert_int_equal(stat(full, &st), 0);
	return st.st_size;
}

static void the_path_tells_day_worker_and_start(void **state)
{
	char name[128];

	(void)state;
	assert_int_equal(segment_path(name, sizeof(name), "/d", "eth0", 3, START_NS, 0), 0);
	assert_string_equal(name, "/d/" PATH);
	assert_int_equal(segment_path(name, sizeof(name), "/d", "eth0", 3, START_NS, 2), 0);
	assert_string_equal(name, "/d/2023-11-14/eth0-w3-20231114T221320.123456Z-2.pcapng");
	assert_int_equal(segment_path(name, sizeof("/d/" PATH) - 1, "/d", "eth0", 3, START_NS, 0), -ENAMETOOLONG);
	assert_int_equal(segment_path(name, sizeof("/d/" PATH), "/d", "eth0", 3, START_NS, 0), 0);
}

static void creating_makes_missing_folders(void **state)
{
	struct stat st;
	char day[512];
	(void)state;
	assert_int_equal(segment_create(path, &segment), 0);
	assert_int_equal(fstat(segment.fd, &st), 0);
	assert_int_equal(st.st_mode & 0777 & ~0640u, 0);
	segment_close(&segment);
	assert_true(exists(SEGMENT_PART));
	assert_false(exists(""));
	snprintf(day, sizeof(day), "%s/2023-11-14", folder);
	assert_int_equal(stat(day, &st), 0);
	assert_int_equal(st.st_mode & 0777 & ~0750u, 0);
}

static void a_file_of_that_name_is_not_touched(void **state)
{
	(void)state;
	assert_int_equal(segment_create(path, &segment), 0);
	assert_int_equal(newfile_write(segment.fd, "abc", 3, 0), 0);
	assert_int_equal(segment_create(path, &other_segment), -EEXIST);
	assert_int_equal(segment_finish(&segment, path, (uint64_t)size_of(SEGMENT_PART)), 0);
	assert_int_equal(segment_create(path, &other_segment), -EEXIST);
	assert_false(exists(SEGMENT_PART));
	assert_int_equal(size_of(""), 3);
}

static void finishing_gives_the_final_name(void **state)
{
	(void)state;
	assert_int_equal(segment_create(path, &segment), 0);
	assert_int_equal(newfile_write(segment.fd, "hello", 5, 0), 0);
	assert_int_equal(newfile_write(segment.fd, "world", 5, 5), 0);
	assert_int_equal(segment_finish(&segment, path, (uint64_t)size_of(SEGMENT_PART)), 0);
	assert_true(exists(""));
	assert_false(exists(SEGMENT_PART));
	assert_int_equal(size_of(""), 10);
	assert_int_equal(fcntl(segment.fd, F_GETFD), -1); /* closed */
}

static void finishing_syncs_the_file_before_its_name_and_the_folder_after(void **state)
{
	(void)state;
	assert_int_equal(segment_create(path, &segment), 0);
	assert_int_equal(segment_finish(&segment, path, (uint64_t)size_of(SEGMENT_PART)), 0);
	assert_string_equal(calls, "drF");
}

/* What is perhaps not on the disk does not get the name of what is. */
static void a_file_that_cannot_be_synced_is_not_finished(void **state)
{
	(void)state;
	assert_int_equal(segment_create(path, &segment), 0);
	fdatasync_error = EIO;
	assert_int_equal(segment_finish(&segment, path, (uint64_t)size_of(SEGMENT_PART)), -EIO);
	assert_true(exists(SEGMENT_PART));
	assert_false(exists(""));
}

static void finishing_spares_another_file_of_that_name(void **state)
{
	int other;

	(void)state;
	assert_int_equal(segment_create(path, &segment), 0);
	assert_int_equal(newfile_write(segment.fd, "ours", 4, 0), 0);
	other = open(path, O_WRONLY | O_CREAT, 0640);
	assert_int_equal(write(other, "another's", 9), 9);
	close(other);
	assert_int_equal(segment_finish(&segment, path, (uint64_t)size_of(SEGMENT_PART)), -EEXIST);
	assert_int_equal(size_of(""), 9);
	assert_int_equal(size_of(SEGMENT_PART), 4);
}

static void finishing_a_vanished_file_is_an_error(void **state)
{
	char full[528];

	(void)state;
	assert_int_equal(segment_create(path, &segment), 0);
	snprintf(full, sizeof(full), "%s" SEGMENT_PART, path);
	assert_int_equal(unlink(full), 0);
	assert_int_equal(segment_finish(&segment, path, 0), -ENOENT);
	assert_int_equal(fcntl(segment.fd, F_GETFD), -1);
}

static void reopening_cuts_to_what_counts(void **state)
{
	(void)state;
	assert_int_equal(segment_create(path, &segment), 0);
	assert_int_equal(newfile_write(segment.fd, "0123456789", 10, 0), 0);
	segment_close(&segment);
	assert_int_equal(segment_reopen(path, 4, &segment), 0);
	assert_int_equal(size_of(SEGMENT_PART), 4);
	segment_close(&segment);
	assert_int_equal(segment_reopen("/nonexistent/other.pcapng", 0, &segment), -ENOENT);
}

static void reopening_never_lengthens(void **state)
{
	(void)state;
	assert_int_equal(segment_create(path, &segment), 0);
	assert_int_equal(write(segment.fd, "0123456789", 10), 10);
	segment_close(&segment);
	assert_int_equal(segment_reopen(path, 11, &segment), -EIO);
	assert_int_equal(segment_reopen(path, 10, &segment), 0);
	segment_close(&segment);
}

static void a_write_goes_on_after_a_partial_one(void **state)
{
	const struct rlimit low = {.rlim_cur = 6, .rlim_max = RLIM_INFINITY};
	struct rlimit before;
	/* The kernel writes up to the limit, then says EFBIG: the write has to come back for that. */
	(void)state;
	assert_int_equal(segment_create(path, &segment), 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	setrlimit(RLIMIT_FSIZE, &low);
	assert_int_equal(newfile_write(segment.fd, "0123456789", 10, 0), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(size_of(SEGMENT_PART), 6);
	segment_close(&segment);
}

static void a_full_device_is_no_space(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(newfile_write(fd, "abc", 3, 0), -ENOSPC);
	close(fd);
}

static void no_room_is_reserved_beyond_the_limit(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(segment_create(path, &segment), 0);
	segment.limit = 1 << 20;
	segment_allocate(&segment, 4096);
	segment_allocate(&segment, 8192);
	assert_int_equal(fstat(segment.fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	if (segment_is_direct(&segment)) {
		assert_int_equal(segment.allocated, 1 << 20);
		assert_true(st.st_blocks * 512 <= (1 << 20) + 65536);
	}
	/* A single record may be larger than that. */
	segment_allocate(&segment, 3 << 20);
	assert_true(!segment_is_direct(&segment) || segment.allocated == 3 << 20);
	segment_close(&segment);
}

static void only_an_empty_part_is_removed(void **state)
{
	(void)state;
	assert_int_equal(segment_create(path, &segment), 0);
	assert_int_equal(newfile_write(segment.fd, "abc", 3, 0), 0);
	segment_remove_empty(path);
	assert_true(exists(SEGMENT_PART));
	assert_int_equal(ftruncate(segment.fd, 0), 0);
	segment_remove_empty(path);
	assert_false(exists(SEGMENT_PART));
	segment_close(&segment);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_path_tells_day_worker_and_start, setup, teardown),
		cmocka_unit_test_setup_teardown(creating_makes_missing_folders, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_of_that_name_is_not_touched, setup, teardown),
		cmocka_unit_test_setup_teardown(finishing_gives_the_final_name, setup, teardown),
		cmocka_unit_test_setup_teardown(finishing_syncs_the_file_before_its_name_and_the_folder_after,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_cannot_be_synced_is_not_finished, setup, teardown),
		cmocka_unit_test_setup_teardown(finishing_spares_another_file_of_that_name, setup, teardown),
		cmocka_unit_test_setup_teardown(finishing_a_vanished_file_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(reopening_cuts_to_what_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(reopening_never_lengthens, setup, teardown),
		cmocka_unit_test_setup_teardown(a_write_goes_on_after_a_partial_one, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_device_is_no_space, setup, teardown),
		cmocka_unit_test_setup_teardown(no_room_is_reserved_beyond_the_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(only_an_empty_part_is_removed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
