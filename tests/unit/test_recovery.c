// SPDX-License-Identifier: BSD-3-Clause
/* What fancapctl recover and fancapd --recover do around fancap_recover_file(). */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/recovery.h"
#include "daemon/recovery.h"
#include "tests/unit/folder.h"
#include "tests/unit/torn.h"

static char *folder;
static char part[256], path[256], damaged[280];
static struct torn_sample sample;

static int setup(void **state)
{
	(void)state;
	folder = folder_make();
	snprintf(part, sizeof(part), "%s/x.pcapng.part", folder);
	snprintf(path, sizeof(path), "%s/x.pcapng", folder);
	snprintf(damaged, sizeof(damaged), "%s.damaged", path);
	torn_sample_make(&sample, 8192);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

static void names_tell_what_is_recovered(void **state)
{
	static const char *const names[][2] = {
		{"x.pcapng.part", "x.pcapng"},
		{"/a/b.part", "/a/b"},
		{"x.pcapng", "x.recovered.pcapng"},
		{"a.b/x.pcap", "a.b/x.recovered.pcap"},
		{"x.cap", "x.recovered.cap"},
		{"x", "x.recovered"},
		{"a/x.block", "a/x.recovered.pcapng"},
		{"a.pcapng/x", "a.pcapng/x.recovered"},
		{".part", ".part.recovered"},
		{"a/.pcapng", "a/.pcapng.recovered"},
		{"x.pcapng.part.pcapng", "x.pcapng.part.recovered.pcapng"},
	};
	char got[64];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(names); i++) {
		assert_int_equal(recovery_name(names[i][0], got, sizeof(got)), 0);
		assert_string_equal(got, names[i][1]);
	}
	assert_int_equal(recovery_name("x.pcapng", got, sizeof("x.recovered.pcapng")), 0);
	assert_int_equal(recovery_name("x.pcapng", got, sizeof("x.recovered.pcapng") - 1), -ENAMETOOLONG);
}

/* What a terminal got: its far end hands it out piece by piece, as it was written. */
static void assert_shown(int primary, const char *expected)
{
	size_t n = strlen(expected), got = 0;
	char shown[256];
	ssize_t r;

	assert_true(n < sizeof(shown));
	while (got < n && (r = read(primary, shown + got, n - got)) > 0)
		got += (size_t)r;
	shown[got] = '\0';
	assert_string_equal(shown, expected);
}

static void progress_is_for_terminals_that_wait(void **state)
{
	int primary = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct recovery_display display;
	FILE *terminal, *plain = tmpfile();

	(void)state;
	assert_true(primary >= 0 && grantpt(primary) == 0 && unlockpt(primary) == 0);
	terminal = fopen(ptsname(primary), "r+e");
	assert_non_null(terminal);

	recovery_display_start(&display, plain, "x");
	assert_null(display.terminal);
	recovery_display_start(&display, terminal, "x");
	assert_true(display.next_ms > 0);
	display.next_ms = 0;
	assert_true(recovery_display_progress(&display, 1u << 20, 4u << 20));
	recovery_display_end(&display);
	assert_shown(primary, "\rx: 25% of 4 MiB\033[K\r\033[K");
	fclose(terminal);
	fclose(plain);
	close(primary);
}

static void the_first_signal_ends_it_the_second_kills(void **state)
{
	struct recovery_display display = {.terminal = NULL};
	struct sigaction now;

	(void)state;
	recovery_catch_signals();
	assert_true(recovery_display_progress(&display, 0, 1));
	raise(SIGINT);
	assert_false(recovery_display_progress(&display, 0, 1));
	assert_int_equal(sigaction(SIGINT, NULL, &now), 0);
	assert_true(now.sa_handler == SIG_DFL);
}

/* --- fancapd's own recordings ------------------------------------------------------------------------------------ */

/* n bytes of the sample, and a byte this far behind them. */
static void save_part(size_t n, off_t behind)
{
	int fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	assert_int_equal(write(fd, sample.bytes, n), n);
	if (behind != 0)
		assert_int_equal(pwrite(fd, "x", 1, (off_t)n + behind), 1);
	close(fd);
}

static off_t size_of(const char *name)
{
	struct stat st;

	return stat(name, &st) < 0 ? -errno : st.st_size;
}

static void publish(struct fancap_recover_result *result)
{
	struct fancap_error err = {""};
	int r = recovery_publish(part, NULL, NULL, result, &err);

	if (r < 0)
		fail_msg("%d: %s", r, err.text);
}

static void a_torn_recording_is_published_in_place(void **state)
{
	struct fancap_recover_result result;
	struct stat before, after;

	(void)state;
	save_part(sample.n - 1, 0);
	assert_int_equal(stat(part, &before), 0);
	publish(&result);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(after.st_size, result.bytes);
	assert_int_equal(size_of(part), -ENOENT);
}

/* A hole in the middle, and much behind it: it may be worth somebody's work. */
static void what_is_damaged_is_kept(void **state)
{
	const off_t behind = FANCAP_RECOVER_CUT_MAX;
	struct fancap_recover_result result;

	(void)state;
	save_part(sample.n, behind);
	publish(&result);
	assert_true(result.made);
	assert_int_equal(size_of(damaged), (off_t)sample.n + behind + 1);
	assert_int_equal(size_of(path), result.bytes);
	assert_int_equal(result.bytes, sample.n + TORN_CLOSING_BYTES);
	assert_int_equal(size_of(part), -ENOENT);
	/* One byte less is a torn end. */
	unlink(path);
	unlink(damaged);
	save_part(sample.n, behind - 1);
	publish(&result);
	assert_int_equal(size_of(damaged), -ENOENT);
	assert_int_equal(size_of(path), result.bytes);
}

/* Killed between copying and setting it aside. */
static void what_is_damaged_and_copied_already_is_set_aside(void **state)
{
	struct fancap_recover_result result;
	const struct fancap_recover_options copy = {.mode = FANCAP_RECOVER_COPY};

	(void)state;
	save_part(sample.n, FANCAP_RECOVER_CUT_MAX);
	assert_int_equal(fancap_recover_file(part, path, &copy, &result, NULL), 0);
	publish(&result);
	assert_true(size_of(damaged) > 0);
	assert_int_equal(size_of(path), result.bytes);
	assert_int_equal(size_of(part), -ENOENT);
}

static void only_recordings_are_published(void **state)
{
	struct fancap_recover_result result;
	struct fancap_error err = {""};

	(void)state;
	assert_int_equal(recovery_publish(path, NULL, NULL, &result, &err), -EINVAL);
	assert_has(err.text, "does not end in .part");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(names_tell_what_is_recovered),
		TEST(progress_is_for_terminals_that_wait),
		TEST(a_torn_recording_is_published_in_place),
		TEST(what_is_damaged_is_kept),
		TEST(what_is_damaged_and_copied_already_is_set_aside),
		TEST(only_recordings_are_published),
		TEST(the_first_signal_ends_it_the_second_kills), /* last: it stays signalled */
	};

	return cmocka_run_group_tests_name("recovery", tests, NULL, NULL);
}
