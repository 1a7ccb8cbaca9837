// SPDX-License-Identifier: BSD-3-Clause
/* Rotations on request, as the supervisor sees them: what workers were told, and when a caller is answered. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <unistd.h>

#include "daemon/channel.h"
#include "daemon/log.h"
#include "daemon/rotation.h"
#include "tests/unit/ledgers.h"

#define CHILDREN 3 /* two of eth0, one of eth1 */
#define NEVER_MS 3600000

static struct fixture {
	struct set_ring rings[2]; /* by worker; shared by the interfaces, which nobody minds here */
	struct ring_set sets[2];
	struct capture interfaces[2];
	struct captures captures;
	struct child_owner owner;
	struct child children[CHILDREN];
	int workers[CHILDREN]; /* the other ends of their channels */
	struct rotations rotations;
} fx;

/* A caller, and what it was told. */
struct caller {
	struct control_job job;
	unsigned answers;
	struct control_outcome outcome;
};

static void on_over(struct control_job *job, const struct control_outcome *outcome)
{
	struct caller *caller = (struct caller *)job;

	caller->answers++;
	caller->outcome = *outcome;
}

static struct caller caller_init(void)
{
	return (struct caller){ .job = { on_over } };
}

static void on_rotated(struct child *child, void *arg)
{
	(void)child;
	rotations_check(arg);
}

static void on_ready(struct child *child, void *arg)
{
	(void)child;
	(void)arg;
}

static void no_log(const struct log_message *message, void *arg)
{
	(void)message;
	(void)arg;
}

/* A process is there for the child, as far as its channel goes. */
static void connect_worker(unsigned i)
{
	int fds[2];

	assert_int_equal(channel_pair(fds), 0);
	fx.children[i].process.channel_fd = fds[0];
	fx.workers[i] = fds[1];
}

static void disconnect_worker(unsigned i)
{
	close(fx.children[i].process.channel_fd);
	fx.children[i].process.channel_fd = -1;
	close(fx.workers[i]);
}

static int setup(void **state)
{
	(void)state;
	log_set_sink(no_log, NULL);
	fx = (struct fixture){
		.interfaces = {{.name = "eth0", .next = &fx.interfaces[1], .sets = &fx.sets[0]},
			       {.name = "eth1", .sets = &fx.sets[1]}},
		.captures = {.first = &fx.interfaces[0], .n = 2},
		.owner = {.base = event_base_new(), .rotated = on_rotated, .ready = on_ready, .arg = &fx.rotations},
	};
	for (unsigned i = 0; i < 2; i++)
		fx.rings[i].ledger = ledger_make(1u << 20, NULL);
	for (unsigned i = 0; i < 2; i++)
		fx.sets[i] = (struct ring_set){.capture = &fx.interfaces[i], .n = 2 - i, .rings = fx.rings, .children = &fx.children[2 * i]};
	for (unsigned i = 0; i < CHILDREN; i++) {
		assert_int_equal(child_init(&fx.children[i], &fx.owner, &fx.sets[i / 2], i % 2), 0);
		fx.children[i].process.finished = false; /* as if it had been started */
		connect_worker(i);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rotations_done(&fx.rotations);
	for (unsigned i = 0; i < CHILDREN; i++) {
		disconnect_worker(i);
		process_done(&fx.children[i].process);
	}
	for (unsigned i = 0; i < 2; i++)
		ledger_unmap(fx.rings[i].ledger);
	event_base_free(fx.owner.base);
	return 0;
}

static int begin(const char *interface, unsigned limit_ms, struct caller *caller)
{
	return rotations_begin(&fx.rotations, fx.owner.base, &fx.captures, interface, limit_ms, &caller->job);
}

static void turn(void)
{
	event_base_loop(fx.owner.base, EVLOOP_NONBLOCK);
}

/* @return the number of the rotation that a worker is told next; 0: none */
static uint64_t told(unsigned worker)
{
	struct channel_message message;

	if (channel_receive(fx.workers[worker], &message) != 1)
		return 0;
	assert_int_equal(message.type, CHANNEL_ROTATE);
	return message.rotation;
}

static void say(unsigned worker, enum channel_type type, uint64_t rotation)
{
	struct process *process = &fx.children[worker].process;

	process->type->message(process, &(struct channel_message){.type = type, .rotation = rotation});
}

static void caller_is_answered_when_the_last_worker_has_done_it(void **state)
{
	struct caller caller = caller_init();

	(void)state;
	assert_int_equal(begin(NULL, NEVER_MS, &caller), 0);
	for (unsigned i = 0; i < CHILDREN; i++) {
		uint64_t rotation = told(i);

		assert_int_not_equal(rotation, 0);
		turn();
		assert_int_equal(caller.answers, 0);
		say(i, CHANNEL_ROTATED, rotation);
	}
	assert_int_equal(caller.answers, 1);
	assert_true(caller.outcome.in_time);
	assert_int_equal(caller.outcome.workers, CHILDREN);
}

static void only_workers_of_the_interface_are_told(void **state)
{
	struct caller caller = caller_init();

	(void)state;
	assert_int_equal(begin("eth2", NEVER_MS, &caller), -ENODEV);
	assert_int_equal(begin("eth1", NEVER_MS, &caller), 0);
	assert_int_equal(told(0), 0);
	assert_int_equal(told(1), 0);
	say(2, CHANNEL_ROTATED, told(2));
	assert_int_equal(caller.answers, 1);
	assert_int_equal(caller.outcome.workers, 1);
}

static void several_callers_are_answered_each_in_its_turn(void **state)
{
	struct caller first = caller_init(), second = caller_init(), other = caller_init();
	uint64_t numbers[2];

	(void)state;
	assert_int_equal(begin("eth0", NEVER_MS, &first), 0);
	assert_int_equal(begin("eth1", NEVER_MS, &other), 0);
	assert_int_equal(begin("eth0", NEVER_MS, &second), 0);
	numbers[0] = told(0);
	numbers[1] = told(0);
	assert_true(numbers[0] < numbers[1]);
	say(0, CHANNEL_ROTATED, numbers[0]);
	say(1, CHANNEL_ROTATED, told(1));
	assert_int_equal(first.answers, 1);
	assert_int_equal(second.answers, 0);
	say(0, CHANNEL_ROTATED, numbers[1]);
	assert_int_equal(second.answers, 0);
	say(1, CHANNEL_ROTATED, told(1));
	assert_int_equal(second.answers, 1);
	assert_int_equal(other.answers, 0);
	say(2, CHANNEL_ROTATED, told(2));
	assert_int_equal(other.answers, 1);
}

/* What it had open its replacement goes on with, and has to finish. */
static void replacement_is_told_again(void **state)
{
	struct caller caller = caller_init();
	uint64_t rotation;

	(void)state;
	assert_int_equal(begin("eth1", NEVER_MS, &caller), 0);
	rotation = told(2);
	disconnect_worker(2);
	rotations_check(&fx.rotations);
	assert_int_equal(caller.answers, 0);
	connect_worker(2);
	say(2, CHANNEL_HELLO, 0);
	assert_int_equal(told(2), rotation);
	assert_int_equal(caller.answers, 0);
	say(2, CHANNEL_ROTATED, rotation);
	assert_int_equal(caller.answers, 1);
	/* and only what is owed */
	say(2, CHANNEL_HELLO, 0);
	assert_int_equal(told(2), 0);
}

static void worker_that_has_left_as_ordered_owes_nothing(void **state)
{
	struct caller caller = caller_init(), late = caller_init();

	(void)state;
	assert_int_equal(begin("eth1", NEVER_MS, &caller), 0);
	fx.children[2].process.finished = true;
	rotations_check(&fx.rotations);
	assert_int_equal(caller.answers, 1);
	assert_true(caller.outcome.in_time);
	/* never from within the call */
	assert_int_equal(begin("eth1", NEVER_MS, &late), 0);
	assert_int_equal(late.answers, 0);
	turn();
	assert_int_equal(late.answers, 1);
	assert_true(late.outcome.in_time);
}

static void time_limit_tells_how_many_have_not(void **state)
{
	struct caller caller = caller_init();

	(void)state;
	assert_int_equal(begin(NULL, 1, &caller), 0);
	say(0, CHANNEL_ROTATED, told(0));
	while (caller.answers == 0)
		event_base_loop(fx.owner.base, EVLOOP_ONCE);
	assert_false(caller.outcome.in_time);
	assert_int_equal(caller.outcome.workers, 2);
	/* what comes too late is no second answer */
	say(1, CHANNEL_ROTATED, told(1));
	say(2, CHANNEL_ROTATED, told(2));
	assert_int_equal(caller.answers, 1);
}

static void who_is_forgotten_is_not_answered(void **state)
{
	struct caller gone = caller_init(), here = caller_init();

	(void)state;
	assert_int_equal(begin("eth1", NEVER_MS, &gone), 0);
	assert_int_equal(begin("eth1", NEVER_MS, &here), 0);
	rotations_forget(&fx.rotations, &gone.job);
	rotations_forget(&fx.rotations, &gone.job);
	say(2, CHANNEL_ROTATED, told(2));
	say(2, CHANNEL_ROTATED, told(2));
	assert_int_equal(gone.answers, 0);
	assert_int_equal(here.answers, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(caller_is_answered_when_the_last_worker_has_done_it),
		TEST(only_workers_of_the_interface_are_told),
		TEST(several_callers_are_answered_each_in_its_turn),
		TEST(replacement_is_told_again),
		TEST(worker_that_has_left_as_ordered_owes_nothing),
		TEST(time_limit_tells_how_many_have_not),
		TEST(who_is_forgotten_is_not_answered),
	};

	return cmocka_run_group_tests_name("rotation", tests, NULL, NULL);
}
