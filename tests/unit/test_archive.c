// SPDX-License-Identifier: BSD-3-Clause
/* The index of recorded files, and what has to go. Nothing here touches a disk or waits for a clock. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/archive.h"
#include "daemon/segment.h"
#include "daemon/steady_clock.h"

#define MIB (UINT64_C(1) << 20)
#define SECOND_NS UINT64_C(1000000000)
#define HOUR_NS (3600 * SECOND_NS)
#define DAY_NS (24 * HOUR_NS)
#define NOW_NS UINT64_C(1700000000000000000) /* 2023-11-14 22:13:20 UTC */

static struct archive *archive;
static struct archive_retention retention;

static int setup(void **state)
{
	(void)state;
	archive = archive_new();
	retention = (struct archive_retention){.n_disks = 1, .now_ns = NOW_NS};
	retention.disks[0] = (struct archive_disk){.total_bytes = 1000 * MIB, .free_bytes = 1000 * MIB};
	return archive != NULL && archive_interface(archive, "eth0") == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	archive_free(archive);
	return 0;
}

/* One MiB that began so many seconds ago, and took one. */
static void add(unsigned directory, unsigned seconds_ago)
{
	const struct archive_file file = {
		.start_us = (NOW_NS - seconds_ago * SECOND_NS) / 1000,
		.end_ns = NOW_NS - (seconds_ago - 1) * SECOND_NS,
		.directory = (uint8_t)directory,
		.bytes = MIB,
	};

	assert_int_equal(archive_add(archive, &file), 0);
}

/* Remove all that has to go. @return how many */
static size_t prune_all(void)
{
	size_t index, n = 0;

	while ((index = archive_next_excess(archive, &retention, 0)) != SIZE_MAX) {
		archive_removed(archive, &retention, index);
		n++;
	}
	return n;
}

static unsigned oldest_seconds_ago(void)
{
	return (unsigned)((NOW_NS / 1000 - archive_at(archive, 0)->start_us) / 1000000);
}

/* --- names ----------------------------------------------------------------------------------------------------- */

static void names_are_read_and_written(void **state)
{
	static const struct {
		const char *interface, *day, *name, *finished;
		enum archive_kind kind;
		bool compressed;
	} rows[] = {
		{"eth0", "2023-11-14", "eth0-w0-20231114T221320.000000Z.pcapng", "", ARCHIVE_FILE, false},
		{"eth0", "2023-11-14", "eth0-w12-20231114T221320.123456Z-3.pcapng", "", ARCHIVE_FILE, false},
		{"a-w1-b", "2024-02-29", "a-w1-b-w7-20240229T000000.000001Z.pcapng.zst", "", ARCHIVE_FILE, true},
		{"br-lan.5", "2023-12-31", "br-lan.5-w0-20231231T235959.999999Z.pcapng.part",
		 "br-lan.5-w0-20231231T235959.999999Z.pcapng", ARCHIVE_PART, false},
		{"eth0", "2023-11-14", "eth0-w0-20231114T221320.000000Z.pcapng.zst.part",
		 "eth0-w0-20231114T221320.000000Z.pcapng.zst", ARCHIVE_COMPRESSING, true},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		uint16_t id = (uint16_t)archive_interface(archive, rows[i].interface);
		struct archive_file file;
		char path[512], expected[512];

		assert_int_equal(archive_parse(rows[i].interface, id, rows[i].day, rows[i].name, &file), rows[i].kind);
		assert_int_equal(file.compressed, rows[i].compressed);
		assert_int_equal(archive_path(archive, &file, path, sizeof(path)), 0);
		snprintf(expected, sizeof(expected), "%s/%s/%s", rows[i].interface, rows[i].day,
			 *rows[i].finished ? rows[i].finished : rows[i].name);
		assert_string_equal(path, expected);
	}
}

static void what_a_worker_names_is_ours(void **state)
{
	struct archive_file file;
	char path[256];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t start_ns = NOW_NS + i * 7919 * SECOND_NS + i * 1001000;
		char *slash;

		assert_int_equal(segment_path(path, sizeof(path), "/srv/eth0", "eth0", i % 300, start_ns, i % 4), 0);
		slash = strrchr(path, '/');
		*slash = '\0';
		assert_int_equal(archive_parse("eth0", 0, strrchr(path, '/') + 1, slash + 1, &file), ARCHIVE_FILE);
		assert_int_equal(file.start_us, start_ns / 1000);
		assert_int_equal(file.worker, i % 300);
		assert_int_equal(file.attempt, i % 4);
	}
}

static void other_names_are_foreign(void **state)
{
	static const char *const names[] = {
		"", "notes.txt", "eth0.pcapng",
		"eth1-w0-20231114T221320.000000Z.pcapng",
		"eth0-w-20231114T221320.000000Z.pcapng",
		"eth0-w00-20231114T221320.000000Z.pcapng",
		"eth0-w99999999999-20231114T221320.000000Z.pcapng",
		"eth0-w0-20231113T221320.000000Z.pcapng", /* not of this day */
		"eth0-w0-20231114T251320.000000Z.pcapng",
		"eth0-w0-20231114T221320.00000Z.pcapng",
		"eth0-w0-20231114T221320.000000.pcapng",
		"eth0-w0-20231114T221320.000000Z-0.pcapng",
		"eth0-w0-20231114T221320.000000Z-01.pcapng",
		"eth0-w0-20231114T221320.000000Z-.pcapng",
		"eth0-w0-20231114T221320.000000Z.pcap",
		"eth0-w0-20231114T221320.000000Z.pcapng.gz",
		"eth0-w0-20231114T221320.000000Z.pcapng.hold",
		"eth0-w0-20231114T221320.000000Z.pcapng.damaged",
		"eth0-w0-20231114T221320.000000Z.pcapng~",
		" eth0-w0-20231114T221320.000000Z.pcapng",
	};
	struct archive_file file;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(names); i++) {
		if (archive_parse("eth0", 0, "2023-11-14", names[i], &file) != ARCHIVE_FOREIGN)
			fail_msg("'%s' is taken for ours", names[i]);
	}
	assert_int_equal(archive_parse("eth0", 0, "2023-02-30", "eth0-w0-20230230T000000.000000Z.pcapng", &file),
			 ARCHIVE_FOREIGN);
}

/* --- the index ------------------------------------------------------------------------------------------------- */

static void index_keeps_the_order_of_time(void **state)
{
	uint64_t last_us = 0;

	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		add(i % 3, 1 + i * 2917 % 5003);
	assert_int_equal(archive_count(archive), 5000);
	assert_int_equal(archive_bytes(archive), 5000 * MIB);
	for (size_t i = 0; i < archive_count(archive); i++) {
		const struct archive_file *file = archive_at(archive, i);

		assert_true(file->start_us >= last_us);
		assert_ptr_equal(archive_find(archive, file), file);
		last_us = file->start_us;
	}
}

static void index_survives_any_order_of_changes(void **state)
{
	static bool present[512];
	size_t n = 0;

	(void)state;
	srand(7);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned seconds = 1 + (unsigned)rand() % 511;

		if (!present[seconds]) {
			add(0, seconds);
			n++;
		} else {
			const struct archive_file name = {.start_us = (NOW_NS - seconds * SECOND_NS) / 1000};
			struct archive_file *file = archive_find(archive, &name);

			assert_non_null(file);
			archive_remove(archive, (size_t)(file - archive_at(archive, 0)));
			n--;
		}
		present[seconds] = !present[seconds];
		assert_int_equal(archive_count(archive), n);
		assert_int_equal(archive_bytes(archive), n * MIB);
	}
	for (unsigned seconds = 1; seconds < 512; seconds++) {
		const struct archive_file name = {.start_us = (NOW_NS - seconds * SECOND_NS) / 1000};

		assert_int_equal(archive_find(archive, &name) != NULL, present[seconds]);
	}
}

static void same_file_is_counted_once(void **state)
{
	(void)state;
	add(0, 5);
	add(0, 5);
	assert_int_equal(archive_count(archive), 1);
	assert_int_equal(archive_bytes(archive), MIB);
}

static void what_a_round_did_not_see_is_forgotten(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 10; i++)
		add(0, i);
	for (size_t i = 0; i < 10; i += 2)
		archive_at(archive, i)->round = 1;
	assert_int_equal(archive_sweep(archive, 1), 5);
	assert_int_equal(archive_count(archive), 5);
	assert_int_equal(archive_bytes(archive), 5 * MIB);
	assert_int_equal(oldest_seconds_ago(), 10);
}

/* --- retention ------------------------------------------------------------------------------------------------- */

static void without_limits_nothing_goes(void **state)
{
	(void)state;
	add(0, 1000000);
	retention.disks[0] = (struct archive_disk){.total_bytes = 1000 * MIB, .full = true};
	assert_int_equal(prune_all(), 0);
}

static void size_takes_the_oldest(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 10; i++)
		add(i % 2, i);
	retention.limits.size_bytes = 10 * MIB;
	assert_int_equal(prune_all(), 0);
	retention.limits.size_bytes = 10 * MIB - 1;
	assert_int_equal(prune_all(), 1);
	assert_int_equal(oldest_seconds_ago(), 9);
	retention.limits.size_bytes = 4 * MIB;
	assert_int_equal(prune_all(), 5);
	assert_int_equal(oldest_seconds_ago(), 4);
}

static void size_counts_what_is_being_written(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 10; i++)
		add(0, i);
	retention.limits.size_bytes = 10 * MIB;
	retention.active_bytes = 3 * MIB;
	assert_int_equal(prune_all(), 3);
	/* More than all: nothing is left that could go. */
	retention.active_bytes = 11 * MIB;
	assert_int_equal(prune_all(), 7);
	assert_int_equal(archive_count(archive), 0);
}

/* The budget is not to be exceeded between two looks either; nor are files to go for a burst that will end. */
static void size_leaves_room_for_what_comes(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 10; i++)
		add(0, i);
	retention.limits.size_bytes = 12 * MIB;
	retention.growth_bytes = 2 * MIB;
	assert_int_equal(prune_all(), 0);
	retention.growth_bytes = 2 * MIB + 1;
	assert_int_equal(prune_all(), 1);
	retention.growth_bytes = 1000 * MIB;
	assert_int_equal(prune_all(), 0);
	retention.limits.size_bytes = 8 * MIB;
	assert_int_equal(prune_all(), 3);
}

static void free_space_is_a_matter_of_the_disk(void **state)
{
	(void)state;
	retention.n_disks = 2;
	retention.disks[1] = retention.disks[0];
	retention.disk_of[1] = retention.disk_of[2] = 1; /* two directories on one disk */
	for (unsigned i = 1; i <= 9; i++)
		add(i % 3, i);
	retention.limits.free = 10; /* percent: 100 MiB */
	retention.disks[1].free_bytes = 97 * MIB;
	assert_int_equal(prune_all(), 3);
	/* 8, 7 and 5 were on that disk; 9, 6 and 3 are on the other. */
	assert_int_equal(archive_count(archive), 6);
	assert_int_equal(oldest_seconds_ago(), 9);
	assert_int_equal(archive_at(archive, 1)->directory, 0);
	assert_int_equal(archive_at(archive, 2)->start_us, (NOW_NS - 4 * SECOND_NS) / 1000);
}

static void free_space_in_bytes(void **state)
{
	(void)state;
	assert_int_equal(archive_free_wanted(0, 1000 * MIB), 0);
	assert_int_equal(archive_free_wanted(5, 1000 * MIB), 50 * MIB);
	assert_int_equal(archive_free_wanted(99, 1000 * MIB), 990 * MIB);
	assert_int_equal(archive_free_wanted(MIB, 1000 * MIB), MIB);
	for (unsigned i = 1; i <= 9; i++)
		add(0, i);
	retention.limits.free = 20 * MIB;
	retention.disks[0].free_bytes = 20 * MIB;
	assert_int_equal(prune_all(), 0);
	retention.disks[0].free_bytes = 20 * MIB - 1;
	assert_int_equal(prune_all(), 1);
}

static void full_disk_loses_one_file_in_spite_of_the_figures(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 9; i++)
		add(0, i);
	retention.limits.free = 5;
	retention.disks[0].full = true;
	assert_int_equal(prune_all(), 1);
}

/* A size or an age says that recordings may be removed. Others may have filled the disk. */
static void full_disk_is_made_room_on_whatever_the_limit(void **state)
{
	static const struct config_retain limits[] = {{.size_bytes = UINT64_C(1) << 40}, {.age_ms = UINT64_C(1) << 40}};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(limits); i++) {
		for (unsigned age = 1; age <= 20; age++)
			add(0, age);
		retention.limits = limits[i];
		retention.disks[0] = (struct archive_disk){.total_bytes = 1000 * MIB};
		assert_int_equal(prune_all(), 0);
		retention.disks[0].full = true; /* a hundredth of it is room enough */
		assert_int_equal(prune_all(), 10);
		retention.disks[0] = (struct archive_disk){.total_bytes = 1000 * MIB, .free_bytes = 999 * MIB, .full = true};
		assert_int_equal(prune_all(), 1);
		retention.limits = (struct config_retain){0};
		retention.disks[0].full = true;
		assert_int_equal(prune_all(), 0);
		while (archive_count(archive) > 0)
			archive_remove(archive, 0);
	}
}

static void age_counts_from_the_last_packet(void **state)
{
	(void)state;
	add(0, 3601);
	add(0, 3602);
	add(0, 10);
	retention.limits.age_ms = 3600 * 1000;
	assert_int_equal(prune_all(), 1);
	assert_int_equal(archive_count(archive), 2);
}

static void files_from_the_future_are_not_old(void **state)
{
	const struct archive_file file = {.start_us = NOW_NS / 500, .end_ns = 2 * NOW_NS, .bytes = MIB};

	(void)state;
	assert_int_equal(archive_add(archive, &file), 0);
	retention.limits.age_ms = 1000;
	assert_int_equal(prune_all(), 0);
}

static void old_file_behind_a_long_one_is_found(void **state)
{
	struct archive_file file = {.start_us = (NOW_NS - 9000 * SECOND_NS) / 1000, .end_ns = NOW_NS, .bytes = MIB};

	(void)state;
	assert_int_equal(archive_add(archive, &file), 0);
	add(0, 8000);
	retention.limits.age_ms = 3600 * 1000;
	assert_int_equal(archive_next_excess(archive, &retention, 0), 1);
	assert_int_equal(prune_all(), 1);
}

static void held_files_are_passed_over(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 10; i++)
		add(0, i);
	retention.limits.size_bytes = 5 * MIB;
	/* Whoever holds the first three goes on behind them. */
	for (int gone = 0; gone < 5; gone++) {
		assert_int_equal(archive_next_excess(archive, &retention, 3), 3);
		archive_removed(archive, &retention, 3);
	}
	assert_int_equal(archive_next_excess(archive, &retention, 3), SIZE_MAX);
	assert_int_equal(oldest_seconds_ago(), 10);
	assert_int_equal(archive_at(archive, 3)->start_us, (NOW_NS - 2 * SECOND_NS) / 1000);
	/* All are held. */
	assert_int_equal(archive_next_excess(archive, &retention, archive_count(archive)), SIZE_MAX);
}

/* --- the clock ------------------------------------------------------------------------------------------------- */

static struct steady_clock steady;
static uint64_t boot_ns, wall_ns;

static void start_clock(uint64_t newest_ns)
{
	boot_ns = 100 * SECOND_NS;
	wall_ns = NOW_NS;
	steady_clock_init(&steady, boot_ns, wall_ns, newest_ns);
}

/* Time passes, ten seconds at a time, as the keeper looks. @return what is believed then */
static uint64_t pass(uint64_t ns)
{
	uint64_t now_ns = 0;

	for (uint64_t passed = 0; passed < ns; passed += 10 * SECOND_NS) {
		boot_ns += 10 * SECOND_NS;
		wall_ns += 10 * SECOND_NS;
		now_ns = steady_clock_now(&steady, boot_ns, wall_ns);
	}
	return now_ns;
}

/* The second is evaluated after time has passed. */
#define assert_believed(ns, expected_ns) \
	do { \
		uint64_t believed_ns = pass(ns); \
\
		assert_int_equal(believed_ns, expected_ns); \
	} while (0)

static void clock_runs(void **state)
{
	(void)state;
	start_clock(NOW_NS - SECOND_NS);
	assert_believed(HOUR_NS, NOW_NS + HOUR_NS);
	wall_ns += 5 * SECOND_NS; /* slewed */
	assert_believed(10 * SECOND_NS, wall_ns);
}

static void clock_set_forward_is_believed_after_an_hour(void **state)
{
	(void)state;
	start_clock(NOW_NS);
	pass(HOUR_NS);
	wall_ns += DAY_NS;
	assert_believed(HOUR_NS, NOW_NS + 2 * HOUR_NS);
	assert_believed(20 * SECOND_NS, wall_ns);
}

static void clock_set_forward_and_back_changes_nothing(void **state)
{
	(void)state;
	start_clock(NOW_NS);
	for (int i = 0; i < 10; i++) {
		wall_ns += DAY_NS;
		pass(HOUR_NS / 2);
		assert_int_equal(steady_clock_now(&steady, boot_ns, wall_ns), wall_ns - DAY_NS);
		wall_ns -= DAY_NS;
		assert_believed(10 * SECOND_NS, wall_ns);
	}
	/* One that is never long at the same place is never believed. */
	for (int i = 0; i < 10; i++) {
		wall_ns += DAY_NS;
		pass(HOUR_NS / 2);
	}
	assert_int_equal(steady_clock_now(&steady, boot_ns, wall_ns), wall_ns - 10 * DAY_NS);
}

static void clock_set_back_is_believed_at_once(void **state)
{
	(void)state;
	start_clock(NOW_NS);
	pass(HOUR_NS);
	wall_ns -= DAY_NS;
	assert_believed(10 * SECOND_NS, wall_ns);
	/* And put right again. */
	wall_ns += DAY_NS;
	assert_believed(10 * SECOND_NS, wall_ns - DAY_NS);
	assert_believed(HOUR_NS, wall_ns);
}

/* The clock was wrong before we came, or we were not there for long: nobody knows. */
static void clock_far_ahead_of_the_files_is_doubted_at_first(void **state)
{
	(void)state;
	start_clock(NOW_NS - 2 * DAY_NS);
	assert_believed(10 * SECOND_NS, NOW_NS - 2 * DAY_NS + 10 * SECOND_NS);
	assert_believed(HOUR_NS, wall_ns);
	start_clock(NOW_NS + DAY_NS); /* the files are ahead */
	assert_believed(10 * SECOND_NS, wall_ns);
	start_clock(UINT64_MAX); /* there are none */
	assert_believed(10 * SECOND_NS, wall_ns);
}

/* What the two together promise: a recording an hour long, of files a minute each, kept for half an hour. */
static size_t kept_after_a_step(int64_t step_ns)
{
	size_t index;

	start_clock(NOW_NS);
	retention.limits.age_ms = 1800 * 1000;
	for (unsigned minute = 0; minute < 60; minute++) {
		struct archive_file file = {.start_us = wall_ns / 1000, .bytes = MIB};

		if (minute == 45)
			wall_ns += (uint64_t)step_ns;
		retention.now_ns = pass(60 * SECOND_NS);
		file.end_ns = wall_ns;
		assert_int_equal(archive_add(archive, &file), 0);
		while ((index = archive_next_excess(archive, &retention, 0)) != SIZE_MAX)
			archive_removed(archive, &retention, index);
	}
	return archive_count(archive);
}

static void step_forward_removes_nothing_early(void **state)
{
	(void)state;
	assert_int_equal(kept_after_a_step((int64_t)DAY_NS), 31);
}

static void step_back_removes_nothing_early(void **state)
{
	(void)state;
	assert_in_range(kept_after_a_step(-(int64_t)DAY_NS), 31, 60);
}

#define with_archive(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_archive(names_are_read_and_written),
		with_archive(what_a_worker_names_is_ours),
		with_archive(other_names_are_foreign),
		with_archive(index_keeps_the_order_of_time),
		with_archive(index_survives_any_order_of_changes),
		with_archive(same_file_is_counted_once),
		with_archive(what_a_round_did_not_see_is_forgotten),
		with_archive(without_limits_nothing_goes),
		with_archive(size_takes_the_oldest),
		with_archive(size_counts_what_is_being_written),
		with_archive(size_leaves_room_for_what_comes),
		with_archive(free_space_is_a_matter_of_the_disk),
		with_archive(free_space_in_bytes),
		with_archive(full_disk_loses_one_file_in_spite_of_the_figures),
		with_archive(full_disk_is_made_room_on_whatever_the_limit),
		with_archive(age_counts_from_the_last_packet),
		with_archive(files_from_the_future_are_not_old),
		with_archive(old_file_behind_a_long_one_is_found),
		with_archive(held_files_are_passed_over),
		cmocka_unit_test(clock_runs),
		cmocka_unit_test(clock_set_forward_is_believed_after_an_hour),
		cmocka_unit_test(clock_set_forward_and_back_changes_nothing),
		cmocka_unit_test(clock_set_back_is_believed_at_once),
		cmocka_unit_test(clock_far_ahead_of_the_files_is_doubted_at_first),
		with_archive(step_forward_removes_nothing_early),
		with_archive(step_back_removes_nothing_early),
	};

	return cmocka_run_group_tests_name("archive", tests, NULL, NULL);
}
