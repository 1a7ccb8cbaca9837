// SPDX-License-Identifier: BSD-3-Clause
/* Segments made permanent: what reaches the disk in which order, and what is left when it does not. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/finish.h"
#include "daemon/paths.h"
#include "fancap/block.h"
#include "fancap/pcapng.h"
#include "tests/unit/folder.h"

#define NAME "eth0/2023-11-14/eth0-w0-20231114T221320.000000Z"
#define NOBODY 65534

static const struct finish_owner us = {(uid_t)-1, (gid_t)-1};

static char *folder;
static char final[PATH_MAX], part[PATH_MAX], other[PATH_MAX];
static struct finish_result result;
static struct fancap_error err;

/* --- what reaches the disk, in order: the linker leads these calls to us (-Wl,--wrap) --- */

static char calls[32];
static int fdatasync_error, rename_error;

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
	if (rename_error == 0)
		return __real_renameat2(from_fd, from, to_fd, to, flags);
	errno = rename_error;
	return -1;
}

/* --- set-up ---------------------------------------------------------------------------------------------------- */

static int setup(void **state)
{
	(void)state;
	folder = folder_make();
	snprintf(final, sizeof(final), "%s/" NAME ".pcapng", folder);
	snprintf(other, sizeof(other), "%s/" NAME "-1.pcapng", folder);
	snprintf(part, sizeof(part), "%s/" NAME ".pcapng.part", folder);
	calls[0] = '\0';
	fdatasync_error = rename_error = 0;
	return path_make_parents(part, 0750);
}

static int teardown(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

static void write_file(const char *path, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), (ssize_t)n);
	close(fd);
}

static struct stat stat_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	return st;
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

/* A section with so many packets of 100 bytes. @return its length */
static size_t make_section(uint8_t *buffer, unsigned packets)
{
	const struct fancap_pcapng_section section = {.os = "Linux", .application = "test"};
	const struct fancap_pcapng_interface interface = {.linktype = 1, .snaplen = 1000, .name = "eth0", .filter = "", .os = ""};
	uint8_t data[100] = {0};
	size_t n = 0;

	n += fancap_pcapng_shb(buffer + n, &section);
	n += fancap_pcapng_idb(buffer + n, &interface);
	for (unsigned i = 0; i < packets; i++) {
		const struct fancap_packet packet = {
			.data = data,
			.caplen = sizeof(data),
			.len = sizeof(data),
			.time_ns = UINT64_C(1700000000000000000) + i,
		};

		n += fancap_pcapng_epb(buffer + n, &packet, 1000, 0);
	}
	return n;
}

/* --- complete segments ----------------------------------------------------------------------------------------- */

static void data_is_safe_before_the_name_is(void **state)
{
	(void)state;
	write_file(part, "0123456789", 10);
	assert_int_equal(finish_segment(final, 10, &us, &result), 0);
	assert_string_equal(calls, "drFFF"); /* data, name, the folders of the name: day, interface, directory */
	assert_string_equal(result.path, final);
	assert_false(is_there(part));
	assert_int_equal(stat_of(final).st_mode & 07777, 0640);
}

static void preallocated_room_is_given_back(void **state)
{
	int fd;

	(void)state;
	write_file(part, "0123456789", 10);
	fd = open(part, O_WRONLY);
	assert_int_equal(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8 << 20), 0);
	assert_true(stat_of(part).st_blocks >= (8 << 20) / 512);
	close(fd);
	assert_int_equal(finish_segment(final, 10, &us, &result), 0);
	assert_true(stat_of(final).st_blocks <= 16);
	assert_true(result.bytes <= 8192);
}

static void what_is_behind_is_cut_off(void **state)
{
	(void)state;
	write_file(part, "0123456789", 10);
	assert_int_equal(finish_segment(final, 7, &us, &result), 0);
	assert_int_equal(stat_of(final).st_size, 7);
}

static void too_short_is_an_error(void **state)
{
	(void)state;
	write_file(part, "0123456789", 10);
	assert_int_equal(finish_segment(final, 11, &us, &result), -EIO);
	assert_true(is_there(part));
	assert_false(is_there(final));
}

static void taken_name_is_left_to_its_file(void **state)
{
	(void)state;
	write_file(final, "theirs", 6);
	write_file(part, "0123456789", 10);
	assert_int_equal(finish_segment(final, 10, &us, &result), 0);
	assert_string_equal(result.path, other);
	assert_int_equal(stat_of(final).st_size, 6);
	assert_int_equal(stat_of(other).st_size, 10);
}

/* As on NFS. */
static void name_is_not_replaced_where_rename_cannot_tell(void **state)
{
	(void)state;
	rename_error = EINVAL;
	write_file(final, "theirs", 6);
	write_file(part, "0123456789", 10);
	assert_int_equal(finish_segment(final, 10, &us, &result), 0);
	assert_string_equal(result.path, other);
	assert_int_equal(stat_of(final).st_size, 6);
	assert_int_equal(stat_of(other).st_size, 10);
	assert_false(is_there(part));
}

static void failing_disk_leaves_the_part(void **state)
{
	(void)state;
	write_file(part, "0123456789", 10);
	fdatasync_error = EIO;
	assert_int_equal(finish_segment(final, 10, &us, &result), -EIO);
	assert_string_equal(calls, "d");
	assert_true(is_there(part));
	assert_false(is_there(final));
	fdatasync_error = 0;
	assert_int_equal(finish_segment(final, 10, &us, &result), 0);
}

static void writer_keeps_its_segment(void **state)
{
	int fd;

	(void)state;
	write_file(part, "0123456789", 10);
	fd = open(part, O_RDWR);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(finish_segment(final, 4, &us, &result), -EBUSY);
	assert_int_equal(finish_orphan(final, &us, NULL, NULL, &result, &err), -EBUSY);
	assert_int_equal(stat_of(part).st_size, 10);
	close(fd);
	assert_int_equal(finish_segment(final, 10, &us, &result), 0);
	assert_int_equal(finish_segment(final, 10, &us, &result), -ENOENT);
}

static void links_and_pipes_are_no_segments(void **state)
{
	(void)state;
	write_file(other, "theirs", 6);
	assert_int_equal(symlink(other, part), 0);
	assert_int_equal(finish_segment(final, 0, &us, &result), -ELOOP);
	assert_int_equal(unlink(part), 0);
	assert_int_equal(mkfifo(part, 0600), 0);
	assert_int_equal(finish_segment(final, 0, &us, &result), -EINVAL);
	assert_int_equal(finish_orphan(final, &us, NULL, NULL, &result, &err), -EINVAL);
	assert_int_equal(stat_of(other).st_size, 6);
}

static void file_and_folders_are_given_away(void **state)
{
	const struct finish_owner owner = {NOBODY, NOBODY};
	char path[PATH_MAX];

	(void)state;
	if (geteuid() != 0) {
		print_message("not root: files cannot be given away\n");
		return;
	}
	write_file(part, "0123456789", 10);
	assert_int_equal(finish_segment(final, 10, &owner, &result), 0);
	assert_int_equal(stat_of(final).st_uid, NOBODY);
	assert_int_equal(stat_of(final).st_gid, NOBODY);
	assert_int_equal(stat_of(final).st_mode & 07777, 0640);
	/* Its group may enter; workers, as their owner, go on making files there. */
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, i == 0 ? "eth0/2023-11-14" : "eth0");
		assert_int_equal(stat_of(path).st_gid, NOBODY);
		assert_int_equal(stat_of(path).st_uid, 0);
	}
	assert_int_equal(stat_of(folder).st_gid, getegid());
	assert_int_not_equal(finish_capabilities(&owner), 0);
	assert_int_equal(finish_capabilities(&us), 0);
	assert_int_equal(finish_capabilities(&(struct finish_owner){geteuid(), getegid()}), 0);
}

/* --- segments left behind -------------------------------------------------------------------------------------- */

static void orphan_is_cut_closed_and_named(void **state)
{
	static uint8_t bytes[65536];
	size_t whole = make_section(bytes, 100), torn = make_section(bytes, 101) - 10;

	(void)state;
	write_file(part, bytes, torn);
	assert_int_equal(finish_orphan(final, &us, NULL, NULL, &result, &err), 0);
	assert_string_equal(result.path, final);
	assert_true(result.cut);
	assert_false(is_there(part));
	assert_int_equal(stat_of(final).st_mode & 07777, 0640);
	assert_true(stat_of(final).st_size > (off_t)whole);
	assert_true(stat_of(final).st_size < (off_t)whole + 256);
}

static void orphan_that_is_complete_is_but_named(void **state)
{
	static uint8_t bytes[65536];
	size_t n = make_section(bytes, 10);
	const struct fancap_pcapng_statistics statistics = {
		.time_ns = 2, .start_ns = 1, .end_ns = 2, .accepted = 10, .delivered = 10};

	(void)state;
	n += fancap_pcapng_isb(bytes + n, &statistics);
	write_file(part, bytes, n);
	assert_int_equal(finish_orphan(final, &us, NULL, NULL, &result, &err), 0);
	assert_false(result.cut);
	assert_int_equal(stat_of(final).st_size, n);
}

static void orphan_does_not_take_a_name(void **state)
{
	static uint8_t bytes[65536];
	size_t n = make_section(bytes, 10);

	(void)state;
	write_file(final, "theirs", 6);
	write_file(part, bytes, n);
	assert_int_equal(finish_orphan(final, &us, NULL, NULL, &result, &err), 0);
	assert_string_equal(result.path, other);
	assert_int_equal(stat_of(final).st_size, 6);
}

static void empty_orphan_is_removed(void **state)
{
	(void)state;
	write_file(part, "", 0);
	assert_int_equal(finish_orphan(final, &us, NULL, NULL, &result, &err), -ENODATA);
	assert_false(is_there(part));
	assert_int_equal(finish_orphan(final, &us, NULL, NULL, &result, &err), -ENOENT);
}

static void unreadable_orphan_is_kept(void **state)
{
	static const char zeros[8192];

	(void)state;
	write_file(part, "this is no recording", 20);
	assert_int_equal(finish_orphan(final, &us, NULL, NULL, &result, &err), -EBADMSG);
	assert_true(err.text[0] != '\0');
	assert_int_equal(stat_of(part).st_size, 20);
	write_file(part, zeros, sizeof(zeros));
	assert_int_equal(finish_orphan(final, &us, NULL, NULL, &result, &err), -EBADMSG);
	assert_true(is_there(part));
	assert_false(is_there(final));
}

/* Garbage where most of it was: what can be read is published, and the rest is there for whoever knows better. */
static void badly_damaged_orphan_is_kept_beside_its_readable_part(void **state)
{
	static uint8_t bytes[65536];
	size_t n = make_section(bytes, 10);
	char damaged[PATH_MAX + 16];
	off_t at = (off_t)n;
	int fd;

	(void)state;
	write_file(part, bytes, n);
	fd = open(part, O_WRONLY);
	memset(bytes, 0xee, sizeof(bytes));
	for (; at < 80 << 20; at += (off_t)sizeof(bytes))
		assert_int_equal(pwrite(fd, bytes, sizeof(bytes), at), sizeof(bytes));
	close(fd);
	assert_int_equal(finish_orphan(final, &us, NULL, NULL, &result, &err), 0);
	assert_true(stat_of(final).st_size < (off_t)n + 256);
	snprintf(damaged, sizeof(damaged), "%s.damaged", final);
	assert_true(stat_of(damaged).st_size >= 80 << 20);
	assert_false(is_there(part));
}

/* The copy has its name; the original was to be put aside next. */
static void recovery_killed_between_copy_and_original_makes_no_second_copy(void **state)
{
	static uint8_t bytes[65536];
	size_t n = make_section(bytes, 10);
	char damaged[PATH_MAX + 16];
	off_t at = (off_t)n;
	int fd;

	(void)state;
	write_file(part, bytes, n);
	fd = open(part, O_WRONLY);
	memset(bytes, 0xee, sizeof(bytes));
	for (; at < 80 << 20; at += (off_t)sizeof(bytes))
		assert_int_equal(pwrite(fd, bytes, sizeof(bytes), at), sizeof(bytes));
	close(fd);
	assert_int_equal(finish_orphan(final, &us, NULL, NULL, &result, &err), 0);
	snprintf(damaged, sizeof(damaged), "%s.damaged", final);
	assert_int_equal(rename(damaged, part), 0);
	assert_int_equal(finish_orphan(final, &us, NULL, NULL, &result, &err), 0);
	assert_string_equal(result.path, final);
	assert_false(is_there(other));
	assert_false(is_there(part));
	assert_true(is_there(damaged));
}

static void room_reserved_behind_an_orphan_is_given_back(void **state)
{
	static uint8_t bytes[65536];
	size_t n = make_section(bytes, 10);
	int fd;

	(void)state;
	write_file(part, bytes, n);
	fd = open(part, O_WRONLY);
	assert_int_equal(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8 << 20), 0);
	close(fd);
	assert_int_equal(finish_orphan(final, &us, NULL, NULL, &result, &err), 0);
	assert_true(stat_of(final).st_blocks <= 32);
	assert_true(result.bytes <= 16384);
}

static bool at_once(void *arg)
{
	(void)arg;
	return true;
}

static void recovery_can_be_put_off(void **state)
{
	static uint8_t bytes[1 << 20];
	size_t n = make_section(bytes, 5000);
	int fd;

	(void)state;
	write_file(part, bytes, n);
	fd = open(part, O_WRONLY | O_APPEND);
	for (int i = 0; i < 64; i++) /* many sections: large enough to be asked on the way */
		assert_int_equal(write(fd, bytes, n), (ssize_t)n);
	close(fd);
	assert_int_equal(finish_orphan(final, &us, at_once, NULL, &result, &err), -ECANCELED);
	assert_true(is_there(part));
	assert_false(is_there(final));
	assert_int_equal(finish_orphan(final, &us, NULL, NULL, &result, &err), 0);
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_folder(data_is_safe_before_the_name_is),
		in_folder(preallocated_room_is_given_back),
		in_folder(what_is_behind_is_cut_off),
		in_folder(too_short_is_an_error),
		in_folder(taken_name_is_left_to_its_file),
		in_folder(name_is_not_replaced_where_rename_cannot_tell),
		in_folder(failing_disk_leaves_the_part),
		in_folder(writer_keeps_its_segment),
		in_folder(links_and_pipes_are_no_segments),
		in_folder(file_and_folders_are_given_away),
		in_folder(orphan_is_cut_closed_and_named),
		in_folder(orphan_that_is_complete_is_but_named),
		in_folder(orphan_does_not_take_a_name),
		in_folder(empty_orphan_is_removed),
		in_folder(unreadable_orphan_is_kept),
		in_folder(badly_damaged_orphan_is_kept_beside_its_readable_part),
		in_folder(recovery_killed_between_copy_and_original_makes_no_second_copy),
		in_folder(room_reserved_behind_an_orphan_is_given_back),
		in_folder(recovery_can_be_put_off),
	};

	return cmocka_run_group_tests_name("finish", tests, NULL, NULL);
}
