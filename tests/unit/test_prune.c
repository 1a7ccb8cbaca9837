// SPDX-License-Identifier: BSD-3-Clause
/* Recordings in real folders: found again, removed oldest first, and what is not ours or held left alone. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/archive.h"
#include "daemon/log.h"
#include "daemon/paths.h"
#include "daemon/prune.h"
#include "daemon/scan.h"
#include "tests/unit/folder.h"

#define NOW_NS UINT64_C(1700000000000000000) /* 2023-11-14 */

static char *folder;
static const char *directories[2];
static char paths[2][4096];
static struct archive *archive;
static struct archive_retention retention;
static struct prune_result result;
static size_t parts, names;

static void no_log(const struct log_message *message, void *arg)
{
	(void)message;
	(void)arg;
}

static int setup(void **state)
{
	(void)state;
	log_set_sink(no_log, NULL);
	folder = folder_make();
	for (int i = 0; i < 2; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/disk%d", folder, i);
		directories[i] = paths[i];
		if (mkdir(paths[i], 0750) < 0)
			return -1;
	}
	archive = archive_new();
	retention = (struct archive_retention){.limits = {.size_bytes = 1}};
	parts = names = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	archive_free(archive);
	folder_remove(folder);
	return 0;
}

static const char *path_in(int disk, const char *name)
{
	static char path[8192];

	snprintf(path, sizeof(path), "%s/%s", paths[disk], name);
	return path;
}

static void make(int disk, const char *name)
{
	int fd;

	assert_int_equal(path_make_parents(path_in(disk, name), 0750), 0);
	fd = open(path_in(disk, name), O_WRONLY | O_CREAT | O_EXCL, 0640);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "recording", 9), 9);
	close(fd);
}

static bool is_there(int disk, const char *name)
{
	struct stat st;

	return lstat(path_in(disk, name), &st) == 0;
}

static void see_name(const struct scan_folder *f, const char *name, void *arg)
{
	struct archive_file file;
	struct stat st;
	int id = archive_interface(archive, f->interface);

	(void)arg;
	names++;
	switch (archive_parse(f->interface, (uint16_t)id, f->day, name, &file)) {
	case ARCHIVE_FILE:
		if (fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			return;
		file.directory = (uint8_t)f->directory;
		file.bytes = 4096;
		assert_int_equal(archive_add(archive, &file), 0);
		break;
	case ARCHIVE_PART: parts++; break;
	case ARCHIVE_COMPRESSING:
	case ARCHIVE_FOREIGN: break;
	}
}

static void see_folder(const struct scan_folder *f, bool empty, void *arg)
{
	(void)arg;
	if (empty)
		prune_folder(directories[f->directory], f->interface, f->day, NOW_NS);
}

static void scan_all(void)
{
	const struct scan_visitor visitor = {.name = see_name, .folder = see_folder};
	struct scan *scan = scan_new(directories, 2, &visitor);

	while (scan_step(scan))
		;
	scan_free(scan);
}

static void prune_all(void)
{
	prune_measure(directories, 2, &retention);
	prune(archive, directories, &retention, &result);
}

/* --- finding --------------------------------------------------------------------------------------------------- */

static void all_recordings_are_found_again(void **state)
{
	(void)state;
	make(0, "eth0/2023-11-12/eth0-w0-20231112T000000.000000Z.pcapng");
	make(0, "eth0/2023-11-13/eth0-w1-20231113T000000.000000Z-1.pcapng.zst");
	make(0, "eth0/2023-11-13/eth0-w1-20231113T000001.000000Z.pcapng.part");
	make(1, "wan/2023-11-11/wan-w0-20231111T000000.000000Z.pcapng");
	scan_all();
	assert_int_equal(archive_count(archive), 3);
	assert_int_equal(parts, 1);
	assert_int_equal(archive_at(archive, 0)->directory, 1);
	scan_all(); /* nothing twice */
	assert_int_equal(archive_count(archive), 3);
}

static void links_are_not_followed(void **state)
{
	char target[8192];

	(void)state;
	make(1, "eth0/2023-11-12/eth0-w0-20231112T000000.000000Z.pcapng");
	directories[1] = "/nonexistent";
	snprintf(target, sizeof(target), "%s/eth0", paths[1]);
	assert_int_equal(symlink(target, path_in(0, "eth0")), 0); /* an interface's folder */
	assert_int_equal(mkdir(path_in(0, "eth1"), 0750), 0);
	snprintf(target, sizeof(target), "%s/eth0/2023-11-12", paths[1]);
	assert_int_equal(symlink(target, path_in(0, "eth1/2023-11-12")), 0); /* a day's */
	assert_int_equal(mkdir(path_in(0, "eth2"), 0750), 0);
	assert_int_equal(mkdir(path_in(0, "eth2/2023-11-12"), 0750), 0);
	snprintf(target, sizeof(target), "%s/eth0/2023-11-12/eth0-w0-20231112T000000.000000Z.pcapng", paths[1]);
	assert_int_equal(symlink(target, path_in(0, "eth2/2023-11-12/eth2-w0-20231112T000000.000000Z.pcapng")), 0);
	scan_all();
	assert_int_equal(archive_count(archive), 0);
	assert_int_equal(names, 1);
}

static void scan_goes_on_where_there_is_nothing(void **state)
{
	(void)state;
	directories[0] = "/nonexistent";
	make(1, "notes.txt");
	make(1, "eth0/notes.txt");
	make(1, "eth0/2023-11-xx/eth0-w0-20231112T000000.000000Z.pcapng");
	make(1, "eth0/2023-11-12/eth0-w0-20231112T000000.000000Z.pcapng");
	scan_all();
	assert_int_equal(archive_count(archive), 1);
}

/* --- removing -------------------------------------------------------------------------------------------------- */

static void oldest_go_and_their_folder_with_them(void **state)
{
	(void)state;
	make(0, "eth0/2023-11-01/eth0-w0-20231101T000000.000000Z.pcapng");
	make(0, "eth0/2023-11-02/eth0-w0-20231102T000000.000000Z.pcapng");
	make(1, "wan/2023-11-01/wan-w0-20231101T120000.000000Z.pcapng");
	scan_all();
	retention.limits.size_bytes = 4096;
	prune_all();
	assert_int_equal(result.files, 2);
	assert_int_equal(result.bytes, 8192);
	assert_false(is_there(0, "eth0/2023-11-01"));
	assert_false(is_there(1, "wan/2023-11-01"));
	assert_true(is_there(1, "wan")); /* the interface's folder stays */
	assert_true(is_there(0, "eth0/2023-11-02/eth0-w0-20231102T000000.000000Z.pcapng"));
}

static void foreign_files_stay(void **state)
{
	static const char *const foreign[] = {
		"eth0/2023-11-01/notes.txt",
		"eth0/2023-11-01/eth0-w0-20231101T000000.000000Z.pcapng.part",
		"eth0/2023-11-01/eth0-w0-20231101T000000.000000Z.pcapng.zst.part",
		"eth0/2023-11-01/eth0-w0-20231101T000000.000000Z.pcapng.damaged",
		"eth0/2023-11-01/wan-w0-20231101T000000.000000Z.pcapng",
		"eth0/2023-11-02/eth0-w0-20231101T000000.000000Z.pcapng",
		"eth0/eth0-w0-20231101T000000.000000Z.pcapng",
		"eth0-w0-20231101T000000.000000Z.pcapng",
		"eth0/2023-11-01/copy of eth0-w0-20231101T000000.000000Z.pcapng",
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(foreign); i++)
		make(0, foreign[i]);
	make(0, "eth0/2023-11-01/eth0-w0-20231101T000000.000000Z.pcapng");
	scan_all();
	prune_all();
	assert_int_equal(result.files, 1);
	for (size_t i = 0; i < N_ELEMENTS(foreign); i++)
		assert_true(is_there(0, foreign[i]));
}

static void held_files_stay(void **state)
{
	(void)state;
	make(0, "eth0/2023-11-01/eth0-w0-20231101T000000.000000Z.pcapng");
	make(0, "eth0/2023-11-01/eth0-w0-20231101T000000.000000Z.pcapng.hold");
	make(0, "eth0/2023-11-01/eth0-w0-20231101T000001.000000Z.pcapng.zst");
	make(0, "eth0/2023-11-01/eth0-w0-20231101T000001.000000Z.pcapng.hold");
	make(0, "eth0/2023-11-01/eth0-w0-20231101T000002.000000Z.pcapng.zst");
	make(0, "eth0/2023-11-01/eth0-w0-20231101T000002.000000Z.pcapng.zst.hold");
	make(0, "eth0/2023-11-01/eth0-w0-20231101T000003.000000Z.pcapng");
	scan_all();
	assert_true(prune_is_held(archive, directories[0], archive_at(archive, 0)));
	assert_true(prune_is_held(archive, directories[0], archive_at(archive, 1)));
	assert_false(prune_is_held(archive, directories[0], archive_at(archive, 3)));
	prune_all();
	assert_int_equal(result.files, 1);
	assert_true(result.held);
	assert_int_equal(archive_count(archive), 3);
	assert_int_equal(unlink(path_in(0, "eth0/2023-11-01/eth0-w0-20231101T000001.000000Z.pcapng.hold")), 0);
	prune_all();
	assert_int_equal(result.files, 1);
	assert_int_equal(archive_count(archive), 2);
}

static void what_somebody_else_removed_is_not_counted(void **state)
{
	(void)state;
	make(0, "eth0/2023-11-01/eth0-w0-20231101T000000.000000Z.pcapng");
	make(0, "eth0/2023-11-01/eth0-w0-20231101T000001.000000Z.pcapng");
	scan_all();
	assert_int_equal(unlink(path_in(0, "eth0/2023-11-01/eth0-w0-20231101T000000.000000Z.pcapng")), 0);
	retention.limits.size_bytes = 4096;
	prune_all();
	assert_int_equal(result.files, 0);
	assert_int_equal(archive_count(archive), 1);
	assert_true(is_there(0, "eth0/2023-11-01/eth0-w0-20231101T000001.000000Z.pcapng"));
}

/* The folder became a link since it was looked through. */
static void removal_does_not_follow_links_either(void **state)
{
	char from[8192], to[8192];

	(void)state;
	make(0, "eth0/2023-11-01/eth0-w0-20231101T000000.000000Z.pcapng");
	scan_all();
	make(1, "eth0/2023-11-01/eth0-w0-20231101T000000.000000Z.pcapng");
	snprintf(from, sizeof(from), "%s/eth0", paths[0]);
	snprintf(to, sizeof(to), "%s/moved", paths[0]);
	assert_int_equal(rename(from, to), 0);
	snprintf(to, sizeof(to), "%s/eth0", paths[1]);
	assert_int_equal(symlink(to, from), 0);
	prune_all();
	assert_int_equal(result.files, 0);
	assert_true(is_there(1, "eth0/2023-11-01/eth0-w0-20231101T000000.000000Z.pcapng"));
}

static void file_that_cannot_be_removed_does_not_stop_the_rest(void **state)
{
	(void)state;
	make(0, "eth0/2023-11-01/eth0-w0-20231101T000000.000000Z.pcapng");
	make(0, "eth0/2023-11-02/eth0-w0-20231102T000000.000000Z.pcapng");
	scan_all();
	assert_int_equal(unlink(path_in(0, "eth0/2023-11-01/eth0-w0-20231101T000000.000000Z.pcapng")), 0);
	assert_int_equal(rmdir(path_in(0, "eth0/2023-11-01")), 0);
	make(0, "eth0/2023-11-01"); /* a file in the folder's place */
	prune_all();
	assert_int_equal(result.errors, 1);
	assert_int_equal(result.files, 1);
	assert_has(result.error_path, "eth0/2023-11-01/eth0-w0-20231101T000000.000000Z.pcapng");
}

static void folders_of_these_days_stay(void **state)
{
	static const char *const days[] = {"2023-11-12", "2023-11-13", "2023-11-14", "2023-11-15", "2023-11-16"};
	char name[64];

	(void)state;
	assert_int_equal(mkdir(path_in(0, "eth0"), 0750), 0);
	for (size_t i = 0; i < N_ELEMENTS(days); i++) {
		snprintf(name, sizeof(name), "eth0/%s", days[i]);
		assert_int_equal(mkdir(path_in(0, name), 0750), 0);
	}
	make(0, "eth0/2023-10-01/notes.txt");
	scan_all();
	for (size_t i = 0; i < N_ELEMENTS(days); i++) {
		snprintf(name, sizeof(name), "eth0/%s", days[i]);
		assert_int_equal(is_there(0, name), i > 0 && i < 4);
	}
	assert_true(is_there(0, "eth0/2023-10-01/notes.txt"));
}

static void directories_on_one_disk_share_its_room(void **state)
{
	(void)state;
	prune_measure(directories, 2, &retention);
	assert_int_equal(retention.n_disks, 1);
	assert_int_equal(retention.disk_of[0], retention.disk_of[1]);
	assert_true(retention.disks[0].total_bytes > 0);
	directories[1] = "/dev/shm";
	prune_measure(directories, 2, &retention);
	assert_int_equal(retention.n_disks, 2);
	/* A disk that is gone is short of nothing. */
	directories[1] = "/nonexistent";
	prune_measure(directories, 2, &retention);
	assert_int_equal(retention.n_disks, 2);
	assert_true(retention.disks[1].free_bytes > UINT64_MAX / 4);
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_folder(all_recordings_are_found_again),
		in_folder(links_are_not_followed),
		in_folder(scan_goes_on_where_there_is_nothing),
		in_folder(oldest_go_and_their_folder_with_them),
		in_folder(foreign_files_stay),
		in_folder(held_files_stay),
		in_folder(what_somebody_else_removed_is_not_counted),
		in_folder(removal_does_not_follow_links_either),
		in_folder(file_that_cannot_be_removed_does_not_stop_the_rest),
		in_folder(folders_of_these_days_stay),
		in_folder(directories_on_one_disk_share_its_room),
	};

	return cmocka_run_group_tests_name("prune", tests, NULL, NULL);
}
