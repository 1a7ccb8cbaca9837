// SPDX-License-Identifier: BSD-3-Clause
/* The storage keeper, as a process of its own: how the supervisor sees that it gets on. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/channel.h"
#include "daemon/keeper.h"
#include "daemon/mailbox.h"
#include "tests/unit/folder.h"

#define N_FILES 20u
#define N_DAYS 20u
#define DAY "2026-01-01"

/* Shared with the keeper: so many files may be synced in all. */
static _Atomic unsigned *allowed;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
	static unsigned synced;

	while (synced >= atomic_load(allowed))
		usleep(1000);
	synced++;
	return __real_fdatasync(fd);
}

static struct fixture {
	char *folder;
	struct storage_page *page;
	int mailbox_fds[2], channel_fds[2];
	pid_t pid;
} fx;

static int setup(void **state)
{
	(void)state;
	fx = (struct fixture){.folder = folder_make(), .page = storage_page_map()};
	atomic_store(allowed, 0);
	return fx.folder == NULL || fx.page == NULL || mailbox_open(fx.mailbox_fds) < 0 || channel_pair(fx.channel_fds) < 0;
}

static int teardown(void **state)
{
	(void)state;
	/* A test that failed has left it waiting. */
	if (fx.pid > 0) {
		kill(fx.pid, SIGKILL);
		waitpid(fx.pid, NULL, 0);
	}
	close(fx.mailbox_fds[0]);
	close(fx.channel_fds[0]);
	close(fx.channel_fds[1]);
	storage_page_unmap(fx.page);
	folder_remove(fx.folder);
	return 0;
}

static void make_day(const char *day)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/eth0", fx.folder);
	(void)mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/eth0/%s", fx.folder, day);
	assert_int_equal(mkdir(path, 0755), 0);
}

/* What a worker has written, and says so. */
static void complete_segment(unsigned number)
{
	struct mailbox_message message = {.type = MAILBOX_FINISH, .bytes = 4};
	char part[PATH_MAX + 8];
	int fd;

	snprintf(message.path, sizeof(message.path), "%s/eth0/" DAY "/eth0-w0-20260101T000000.%06uZ.pcapng", fx.folder, number);
	snprintf(part, sizeof(part), "%s.part", message.path);
	fd = open(part, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "data", 4), 4);
	close(fd);
	assert_int_equal(mailbox_post(fx.mailbox_fds[1], &message), 0);
}

/* All workers have left: it is to finish what is there. */
static void start_at_the_end(void)
{
	const char *const directories[] = {fx.folder};
	const struct keeper_params params = {
		.directories = directories,
		.n_directories = 1,
		.ledgers = (struct ledger *const[]){NULL},
		.owner = {(uid_t)-1, (gid_t)-1},
		.page = fx.page,
		.mailbox_fd = fx.mailbox_fds[0],
		.channel_fd = fx.channel_fds[1],
	};

	close(fx.mailbox_fds[1]);
	fx.pid = fork();
	assert_true(fx.pid >= 0);
	if (fx.pid == 0)
		_exit(keeper_run(&params));
}

static bool runs(void)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)fx.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

static struct storage_status status_at_exit(void)
{
	struct storage_status status;
	int exit_status;

	assert_int_equal(waitpid(fx.pid, &exit_status, 0), fx.pid);
	fx.pid = 0;
	assert_true(WIFEXITED(exit_status));
	assert_int_equal(WEXITSTATUS(exit_status), 0);
	storage_page_read(fx.page, &status);
	return status;
}

/* The disk takes its time with each: as one is done it shows, and not only when all are. */
static void each_file_of_a_backlog_is_a_step(void **state)
{
	struct storage_status status;
	char interface[PATH_MAX];

	(void)state;
	make_day(DAY);
	for (unsigned i = 0; i < N_FILES; i++)
		complete_segment(i);
	start_at_the_end();
	for (unsigned i = 1; i < N_FILES; i++) {
		atomic_store(allowed, i);
		do {
			usleep(1000);
			storage_page_read(fx.page, &status);
		} while (status.finished_files < i && runs());
		assert_int_equal(status.finished_files, i);
		assert_true(status.steps >= i);
	}
	atomic_store(allowed, N_FILES);
	assert_int_equal(status_at_exit().finished_files, N_FILES);
	snprintf(interface, sizeof(interface), "%s/eth0", fx.folder);
	assert_int_equal(folder_count(interface, ".pcapng"), N_FILES);
}

static void each_folder_that_it_looks_through_is_a_step(void **state)
{
	struct storage_status status;
	char day[16];

	(void)state;
	for (unsigned i = 0; i < N_DAYS; i++) {
		snprintf(day, sizeof(day), "2026-01-%02u", i + 1);
		make_day(day);
	}
	start_at_the_end();
	status = status_at_exit();
	assert_int_equal(status.finished_files, 0);
	assert_true(status.steps >= N_DAYS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(each_file_of_a_backlog_is_a_step),
		TEST(each_folder_that_it_looks_through_is_a_step),
	};

	allowed = mmap(NULL, sizeof(*allowed), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return allowed == MAP_FAILED ? 1 : cmocka_run_group_tests_name("keeper", tests, NULL, NULL);
}
