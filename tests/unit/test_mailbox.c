// SPDX-License-Identifier: BSD-3-Clause
/* What the storage keeper is connected by: its mailbox, its runners' event loop, the page it is read by. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/mailbox.h"
#include "daemon/runner.h"
#include "daemon/storage_status.h"

static int fds[2];
static struct mailbox_message message;

static int setup(void **state)
{
	(void)state;
	return mailbox_open(fds);
}

static int teardown(void **state)
{
	(void)state;
	close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	return 0;
}

/* --- the mailbox ----------------------------------------------------------------------------------------------- */

static void messages_arrive_as_they_were(void **state)
{
	const struct mailbox_message finish = {.type = MAILBOX_FINISH, .bytes = 1, .path = "/srv/x.pcapng"};
	const struct mailbox_message full = {.type = MAILBOX_FULL, .path = "/srv"};

	(void)state;
	assert_int_equal(mailbox_take(fds[0], &message), -EAGAIN);
	assert_int_equal(mailbox_post(fds[1], &finish), 0);
	assert_int_equal(mailbox_post(fds[1], &full), 0);
	memset(&message, 0xee, sizeof(message));
	assert_int_equal(mailbox_take(fds[0], &message), 1);
	assert_int_equal(message.type, MAILBOX_FINISH);
	assert_int_equal(message.bytes, 1);
	assert_string_equal(message.path, "/srv/x.pcapng");
	assert_int_equal(mailbox_take(fds[0], &message), 1);
	assert_int_equal(message.type, MAILBOX_FULL);
	assert_string_equal(message.path, "/srv");
}

static void full_mailbox_does_not_block(void **state)
{
	struct mailbox_message finish = {.type = MAILBOX_FINISH, .path = "/"};
	unsigned posted = 0, taken = 0;
	int r;

	(void)state;
	memset(finish.path + 1, 'x', 200);
	while ((r = mailbox_post(fds[1], &finish)) == 0)
		posted++;
	assert_int_equal(r, -EAGAIN);
	assert_true(posted >= 64);
	while (mailbox_take(fds[0], &message) == 1)
		taken++;
	assert_int_equal(taken, posted);
	assert_int_equal(mailbox_post(fds[1], &finish), 0);
}

static void end_comes_after_the_last_message(void **state)
{
	const struct mailbox_message full = {.type = MAILBOX_FULL, .path = "/srv"};
	int second = dup(fds[1]);

	(void)state;
	close(fds[1]);
	fds[1] = -1;
	assert_int_equal(mailbox_take(fds[0], &message), -EAGAIN); /* somebody else could still write */
	assert_int_equal(mailbox_post(second, &full), 0);
	close(second);
	assert_int_equal(mailbox_take(fds[0], &message), 1);
	assert_int_equal(mailbox_take(fds[0], &message), 0);
}

static void garbage_is_refused(void **state)
{
	struct mailbox_message bad = {.type = MAILBOX_FULL + 1, .path = "/srv"};

	(void)state;
	assert_int_equal(send(fds[1], "x", 1, 0), 1);
	assert_int_equal(mailbox_take(fds[0], &message), -EBADMSG);
	assert_int_equal(mailbox_post(fds[1], &bad), 0);
	assert_int_equal(mailbox_take(fds[0], &message), -EBADMSG);
	bad.type = MAILBOX_FULL;
	bad.path[0] = 'x';
	assert_int_equal(mailbox_post(fds[1], &bad), 0);
	assert_int_equal(mailbox_take(fds[0], &message), -EBADMSG);
	bad.path[0] = '/';
	assert_int_equal(send(fds[1], &bad, offsetof(struct mailbox_message, path) + 3, 0),
			 (ssize_t)offsetof(struct mailbox_message, path) + 3); /* no end */
	assert_int_equal(mailbox_take(fds[0], &message), -EBADMSG);
}

/* --- runners --------------------------------------------------------------------------------------------------- */

struct test_job {
	struct job job;
	struct event_base *base;
	pid_t ran_by;
	int nice;
	unsigned number;
};

static unsigned next_number, last;

static void run_job(struct job *base)
{
	struct test_job *job = (struct test_job *)base;

	job->ran_by = gettid();
	job->nice = getpriority(PRIO_PROCESS, 0);
}

static void job_done(struct job *base)
{
	struct test_job *job = (struct test_job *)base;

	assert_int_equal(gettid(), getpid());
	assert_int_not_equal(job->ran_by, getpid());
	assert_int_equal(job->number, next_number++);
	if (job->number == last)
		event_base_loopbreak(job->base);
}

static void jobs_are_done_in_order_elsewhere(void **state)
{
	static struct test_job jobs[500];
	struct event_base *base = event_base_new();
	struct runner *runner;

	(void)state;
	assert_int_equal(runner_new(base, "test", RUNNER_NORMAL, &runner), 0);
	next_number = 0;
	last = N_ELEMENTS(jobs) - 1;
	for (unsigned i = 0; i < N_ELEMENTS(jobs); i++) {
		jobs[i] = (struct test_job){.job = {.run = run_job, .done = job_done}, .base = base, .number = i};
		runner_add(runner, &jobs[i].job);
	}
	assert_int_equal(runner_pending(runner), N_ELEMENTS(jobs));
	event_base_dispatch(base);
	assert_int_equal(next_number, N_ELEMENTS(jobs));
	assert_int_equal(runner_pending(runner), 0);
	runner_free(runner);
	event_base_free(base);
}

static void idle_runner_stands_behind_all_others(void **state)
{
	struct event_base *base = event_base_new();
	struct test_job job = {.job = {.run = run_job, .done = job_done}, .base = base};
	struct runner *runner;

	(void)state;
	assert_int_equal(runner_new(base, "test", RUNNER_IDLE, &runner), 0);
	next_number = last = 0;
	runner_add(runner, &job.job);
	event_base_dispatch(base);
	assert_int_equal(job.nice, 19);
	assert_int_not_equal(getpriority(PRIO_PROCESS, 0), 19); /* it alone */
	runner_free(runner);
	event_base_free(base);
}

/* --- the status page ------------------------------------------------------------------------------------------- */

static void status_is_never_a_mixture(void **state)
{
	struct storage_page *page = storage_page_map();
	struct storage_status status, seen;
	pid_t pid;

	(void)state;
	storage_page_read(page, &seen);
	assert_int_equal(seen.files, 0);
	pid = fork();
	if (pid == 0) {
		for (uint64_t i = 1;; i++) {
			memset(&status, (int)(i & 0xff), sizeof(status));
			storage_page_write(page, &status);
		}
	}
	for (unsigned i = 0; i < 200000; i++) {
		storage_page_read(page, &seen);
		memset(&status, (int)(seen.files & 0xff), sizeof(status));
		assert_memory_equal(&seen, &status, sizeof(seen));
	}
	kill(pid, SIGKILL); /* at any instant, in the middle of a write too */
	waitpid(pid, NULL, 0);
	storage_page_read(page, &seen);
	memset(&status, (int)(seen.files & 0xff), sizeof(status));
	assert_memory_equal(&seen, &status, sizeof(seen));
	storage_page_unmap(page);
}

#define with_mailbox(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_mailbox(messages_arrive_as_they_were),
		with_mailbox(full_mailbox_does_not_block),
		with_mailbox(end_comes_after_the_last_message),
		with_mailbox(garbage_is_refused),
		cmocka_unit_test(jobs_are_done_in_order_elsewhere),
		cmocka_unit_test(idle_runner_stands_behind_all_others),
		cmocka_unit_test(status_is_never_a_mixture),
	};

	return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
