// SPDX-License-Identifier: BSD-3-Clause
/* The service manager's store, with a socket of our own in systemd's place. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/store.h"
#include "tests/unit/manager.h"

static struct fixture {
	struct manager manager;
	unsigned warnings;
	char last[1024]; /* warning */
} fx;

static void count_log(const struct log_message *message, void *arg)
{
	(void)arg;
	fx.warnings += message->level == LOG_WARNING;
	snprintf(fx.last, sizeof(fx.last), "%s", message->text);
}

/* Of rings only. */
static void remember_rings_log(const struct log_message *message, void *arg)
{
	if (strncmp(message->text, "ring-", 5) == 0)
		count_log(message, arg);
}

static int setup(void **state)
{
	(void)state;
	memset(&fx, 0, sizeof(fx));
	manager_open(&fx.manager);
	log_set_sink(count_log, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	manager_close(&fx.manager);
	return 0;
}

/* The next message systemd gets; its descriptor, or -1. */
static int receive(char *text, size_t size)
{
	return manager_receive(&fx.manager, text, size);
}

static bool same_file(int a, int b)
{
	struct stat one, other;

	assert_int_equal(fstat(a, &one), 0);
	assert_int_equal(fstat(b, &other), 0);
	return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static int make_ledger(const char *interface, unsigned worker)
{
	struct ledger_ring ring = {.worker = worker, .req = {.tp_block_size = 65536}};
	struct ledger *ledger;
	int fd;

	snprintf(ring.interface, sizeof(ring.interface), "%s", interface);
	fd = ledger_create(&ring, &ledger);
	assert_true(fd >= 0);
	ledger_unmap(ledger);
	return fd;
}

static const struct ledger_ring about = {.interface = "eth0", .created_ns = 5, .worker = 7};

static void ring_and_ledger_are_handed_over_by_name(void **state)
{
	int ring = open("/dev/null", O_RDWR | O_CLOEXEC), ledger = make_ledger("eth0", 7), fd;
	char text[512];

	(void)state;
	assert_true(store_available());
	assert_int_equal(store_put(&about, ring, ledger), 0);
	fd = receive(text, sizeof(text));
	assert_string_equal(text, "FDSTORE=1\nFDPOLL=0\nFDNAME=ledger-eth0-5-7");
	assert_true(same_file(fd, ledger));
	close(fd);
	fd = receive(text, sizeof(text));
	assert_string_equal(text, "FDSTORE=1\nFDPOLL=0\nFDNAME=ring-eth0-5-7");
	assert_true(same_file(fd, ring));
	close(fd);
	store_remove(&about);
	receive(text, sizeof(text));
	assert_string_equal(text, "FDSTOREREMOVE=1\nFDNAME=ring-eth0-5-7");
	receive(text, sizeof(text));
	assert_string_equal(text, "FDSTOREREMOVE=1\nFDNAME=ledger-eth0-5-7");
	close(ring);
	close(ledger);
}

static void without_a_store_nothing_is_sent(void **state)
{
	static const char *const none[] = {"0", ""};
	int ring = open("/dev/null", O_RDWR | O_CLOEXEC);
	char text[512];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		setenv("FDSTORE", none[i], 1);
		assert_false(store_available());
		assert_int_equal(store_put(&about, ring, ring), 0);
		store_remove(&about);
	}
	unsetenv("FDSTORE");
	assert_false(store_available());
	setenv("FDSTORE", "64", 1);
	unsetenv("NOTIFY_SOCKET");
	assert_false(store_available());
	assert_int_equal(store_put(&about, ring, ring), 0);
	assert_int_equal(receive(text, sizeof(text)), -1);
	assert_string_equal(text, "");
	close(ring);
}

static void a_store_that_is_not_there_is_an_error(void **state)
{
	int ring = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)state;
	setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
	assert_int_equal(store_put(&about, ring, ring), -ENOENT);
	close(ring);
}

static void what_was_kept_is_found_again(void **state)
{
	char names[5][16] = {"ring-eth0-1", "ledger-eth0-0", "io.fancap", "ledger-eth0-1", "ring-eth0-0"};
	char *const texts[5] = {names[0], names[1], names[2], names[3], names[4]};
	int fds[5], kept;
	struct store store;

	(void)state;
	fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[1] = make_ledger("eth0", 0);
	fds[2] = kept = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[3] = make_ledger("eth0", 1);
	fds[4] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	assert_int_equal(store_take(&store, fds, texts, 5), 0);
	assert_int_equal(store.n, 2);
	assert_int_equal(ledger_ring(store.rings[0].ledger)->worker, 0);
	assert_int_equal(store.rings[0].ring_fd, fds[4]);
	assert_int_equal(ledger_ring(store.rings[1].ledger)->worker, 1);
	assert_int_equal(store.rings[1].ring_fd, fds[0]);
	assert_int_equal(fx.warnings, 0);
	/* Nobody wants them. */
	store_done(&store);
	assert_int_equal(fx.warnings, 2);
	assert_non_null(strstr(fx.last, "eth0: ring 1 of an earlier fancapd is not used any more"));
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	assert_int_equal(fcntl(fds[3], F_GETFD), -1);
	assert_int_equal(fcntl(kept, F_GETFD), FD_CLOEXEC); /* none of ours */
	close(kept);
}

static void a_start_that_fails_lets_nothing_go(void **state)
{
	char names[2][16] = {"ring-eth0-0", "ledger-eth0-0"};
	char *const texts[2] = {names[0], names[1]};
	int fds[2] = {open("/dev/null", O_RDWR | O_CLOEXEC), make_ledger("eth0", 0)};
	struct store store;
	char text[512];

	(void)state;
	assert_int_equal(store_take(&store, fds, texts, 2), 0);
	assert_int_equal(store.n, 1);
	store_close(&store);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	assert_int_equal(fcntl(fds[1], F_GETFD), -1);
	/* systemd hears nothing of it, and keeps both. */
	assert_int_equal(receive(text, sizeof(text)), -1);
	assert_string_equal(text, "");
	assert_int_equal(fx.warnings, 0);
}

static void what_makes_no_sense_is_let_go(void **state)
{
	char names[4][16] = {"ring-eth0-0", "ledger-eth0-1", "ring-eth0-2", "ledger-eth0-2"};
	char *const texts[4] = {names[0], names[1], names[2], names[3]};
	struct store store;
	char text[512];
	int fds[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		fds[i] = i == 1 ? make_ledger("eth0", 1) : open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(store_take(&store, fds, texts, 4), 0);
	assert_int_equal(store.n, 0);
	assert_int_equal(fx.warnings, 4); /* a ring alone, a ledger alone, a ring with what is no ledger */
	for (int i = 0; i < 4; i++) {
		assert_int_equal(fcntl(fds[i], F_GETFD), -1);
		receive(text, sizeof(text));
		assert_non_null(strstr(text, "FDSTOREREMOVE=1\nFDNAME="));
	}
	store_done(&store);
}

/* The kernel's counters of a ring, if it is to have some. */
static struct fancap_stats kernel;

int __real_fancap_stats_read(int fd, struct fancap_stats *sum);
int __wrap_fancap_stats_read(int fd, struct fancap_stats *sum);

int __wrap_fancap_stats_read(int fd, struct fancap_stats *sum)
{
	if (kernel.packets == 0)
		return __real_fancap_stats_read(fd, sum);
	*sum = kernel;
	return 0;
}

static void what_came_of_late_to_a_ring_that_is_let_go_is_said(void **state)
{
	char names[2][16] = {"ledger-eth0-0", "ring-eth0-0"};
	char *const texts[2] = {names[0], names[1]};
	int fds[2] = {make_ledger("eth0", 0), open("/dev/null", O_RDWR | O_CLOEXEC)};
	const char other = 99;
	struct store store;

	(void)state;
	assert_int_equal(pwrite(fds[0], &other, 1, 16), 1); /* its version */
	log_set_sink(remember_rings_log, NULL);
	kernel = (struct fancap_stats){.packets = 12, .drops = 2};
	assert_int_equal(store_take(&store, fds, texts, 2), 0);
	kernel = (struct fancap_stats){0};
	assert_int_equal(store.n, 0);
	assert_has(fx.last, "ring-eth0-0 in the service manager's store: its ledger cannot be used, and 10 packets came since");
	store_done(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ring_and_ledger_are_handed_over_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_store_nothing_is_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(a_store_that_is_not_there_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_kept_is_found_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_start_that_fails_lets_nothing_go, setup, teardown),
		cmocka_unit_test_setup_teardown(what_makes_no_sense_is_let_go, setup, teardown),
		cmocka_unit_test_setup_teardown(what_came_of_late_to_a_ring_that_is_let_go_is_said, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
