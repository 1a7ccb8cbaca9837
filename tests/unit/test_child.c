// SPDX-License-Identifier: BSD-3-Clause
/* What follows from a worker's death: the wait for its replacement, the blame. No process is started here. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/channel.h"
#include "daemon/child.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/ringset.h"
#include "tests/unit/ledgers.h"

#define MINUTE_NS UINT64_C(60000000000)

static struct fixture {
	struct set_ring ring;
	struct ring_set set;
	struct child_owner owner;
	struct child child;
} fx;

static void no_log(const struct log_message *message, void *arg)
{
	(void)message;
	(void)arg;
}

static void nobody_cares(struct child *child, void *arg)
{
	(void)child;
	(void)arg;
}

static int setup(void **state)
{
	(void)state;
	log_set_sink(no_log, NULL);
	fx = (struct fixture){
		.ring = {.ledger = ledger_make(1u << 20, NULL)},
		.owner = {.base = event_base_new()},
	};
	fx.owner.ready = nobody_cares;
	fx.set = (struct ring_set){.interface = "eth0", .n = 1, .rings = &fx.ring};
	return child_init(&fx.child, &fx.owner, &fx.set, 0);
}

static int teardown(void **state)
{
	(void)state;
	process_done(&fx.child.process);
	event_base_free(fx.owner.base);
	ledger_unmap(fx.ring.ledger);
	return 0;
}

/* It ran for so long, then died of a signal. */
static void die_of(int number, uint64_t lived_ns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	fx.child.process.started_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - lived_ns;
	child_reaped(&fx.child, number);
}

static void die_after(uint64_t lived_ns)
{
	die_of(SIGKILL, lived_ns);
}

/* @return milliseconds until the replacement is started */
static long wait_ms(void)
{
	struct timeval due, now;

	process_restart_later(&fx.child.process);
	assert_true(evtimer_pending(fx.child.process.restart_event, &due));
	gettimeofday(&now, NULL);
	evtimer_del(fx.child.process.restart_event);
	return (due.tv_sec - now.tv_sec) * 1000 + (due.tv_usec - now.tv_usec) / 1000;
}

static void patience_doubles_up_to_a_limit(void **state)
{
	long expected = 10;

	(void)state;
	for (int death = 0; death < 15; death++) {
		die_after(0);
		assert_in_range(wait_ms(), expected / 2, expected * 11 / 10);
		expected = expected * 2 < 30000 ? expected * 2 : 30000;
	}
}

static void a_minute_of_health_restores_it(void **state)
{
	(void)state;
	for (int death = 0; death < 5; death++) {
		die_after(MINUTE_NS - 1000000000u);
		wait_ms();
	}
	assert_true(wait_ms() > 200);
	die_after(MINUTE_NS);
	assert_in_range(wait_ms(), 0, 10);
}

/* It said that it records; then so much of the ring was done with. */
static void record_up_to(uint64_t block)
{
	const struct channel_message hello = {.type = CHANNEL_HELLO};

	fx.child.process.ready = true;
	fx.child.process.type->message(&fx.child.process, &hello);
	ledger_publish(fx.ring.ledger, &(struct ledger_commit){.block = block});
}

static void having_recorded_restores_it(void **state)
{
	(void)state;
	for (int death = 0; death < 8; death++) {
		die_after(0);
		wait_ms();
	}
	assert_true(process_is_degraded(&fx.child.process));
	record_up_to(0); /* nothing */
	die_after(0);
	assert_true(wait_ms() > 1000);
	record_up_to(3);
	die_after(0);
	assert_in_range(wait_ms(), 0, 10);
	assert_false(process_is_degraded(&fx.child.process));
}

/* A real process, as one that hangs: it does nothing. */
/* --- one that never stops talking --- */

static unsigned heard;

static int talk_for_ever(struct process *process, int channel_fd)
{
	(void)process;
	while (true) {
		if (channel_send(channel_fd, &(struct channel_message){.type = CHANNEL_LOSING}) == -EPIPE)
			return 0;
	}
}

static void hear(struct process *process, const struct channel_message *message)
{
	const struct timespec slower_than_it_talks = {.tv_nsec = 1000000};

	(void)message;
	nanosleep(&slower_than_it_talks, NULL);
	if (++heard == 5000) /* for good */
		kill(process->pid, SIGKILL);
}

static void note(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(unsigned *)arg = heard;
	event_base_loopbreak(fx.owner.base);
}

static void one_that_never_stops_talking_does_not_keep_the_supervisor(void **state)
{
	static const struct process_type talker = {.what = "", .run = talk_for_ever, .message = hear};
	struct process process;
	unsigned heard_before = 0;
	struct event *other;
	int status;

	(void)state;
	heard = 0;
	assert_int_equal(process_init(&process, &talker, fx.owner.base, &(struct log_context){"eth0", 0}), 0);
	fflush(NULL);
	assert_int_equal(process_start(&process), 0);
	other = evtimer_new(fx.owner.base, note, &heard_before);
	assert_int_equal(evtimer_add(other, &(struct timeval){.tv_usec = 10000}), 0);
	event_base_dispatch(fx.owner.base);
	assert_true(heard_before < 5000);
	kill(process.pid, SIGKILL);
	assert_int_equal(waitpid(process.pid, &status, 0), process.pid);
	process_done(&process);
	event_free(other);
}

static void one_that_hangs_is_killed(void **state)
{
	struct process *process = &fx.child.process;
	uint64_t now = clock_monotonic_ns();
	int status;

	(void)state;
	assert_true(child_check(&fx.child)); /* there is none */
	fflush(NULL);
	process->pid = fork();
	if (process->pid == 0) {
		pause();
		_exit(0);
	}
	process->started_ns = now - MINUTE_NS;
	process->ready = true;
	ledger_beat(fx.ring.ledger, now - 2000000000u);
	assert_true(child_check(&fx.child));
	ledger_beat(fx.ring.ledger, now - 5000000000u);
	ledger_publish(fx.ring.ledger, &(struct ledger_commit){.block = 1}); /* the disk is slow, but it gets on */
	assert_true(child_check(&fx.child));
	ledger_beat(fx.ring.ledger, now - 5000000000u);
	process->ordered = true; /* others see to it that it leaves */
	assert_true(child_check(&fx.child));
	process->ordered = false;
	assert_false(child_check(&fx.child));
	assert_true(process_is_degraded(process));
	assert_int_equal(waitpid(process->pid, &status, 0), process->pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void only_what_it_did_itself_is_held_against_its_block(void **state)
{
	(void)state;
	for (int death = 0; death < 3; death++) {
		ledger_set_attempt(fx.ring.ledger, 7);
		die_of(SIGKILL, 0);
	}
	assert_false(ledger_block_is_poison(fx.ring.ledger, 7));
	for (int death = 0; death < 2; death++) {
		ledger_set_attempt(fx.ring.ledger, 7);
		die_of(SIGSEGV, 0);
	}
	assert_true(ledger_block_is_poison(fx.ring.ledger, 7));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(patience_doubles_up_to_a_limit),
		TEST(a_minute_of_health_restores_it),
		TEST(having_recorded_restores_it),
		TEST(one_that_hangs_is_killed),
		TEST(one_that_never_stops_talking_does_not_keep_the_supervisor),
		TEST(only_what_it_did_itself_is_held_against_its_block),
	};

	return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
