// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/statistics.h"

#define assert_near(a, b) assert_true((a) - (b) < 1e-9 && (b) - (a) < 1e-9)

static void percent_equals_hand_values(void **state)
{
	(void)state;
	assert_near(statistics_percent(0, 100), 0.0);
	assert_near(statistics_percent(1, 4), 25.0);
	assert_near(statistics_percent(1, 8), 12.5);
	assert_near(statistics_percent(7, 7), 100.0);
	assert_near(statistics_percent(1, 1000000), 0.0001);
	assert_near(statistics_percent(13626, 1000000), 1.3626);
}

static void percent_of_nothing_is_zero(void **state)
{
	(void)state;
	assert_near(statistics_percent(0, 0), 0.0);
	assert_near(statistics_percent(5, 0), 0.0);
}

static void percent_of_huge_counters_does_not_overflow(void **state)
{
	(void)state;
	assert_near(statistics_percent(UINT64_MAX / 2 + 1, UINT64_MAX), 50.0);
	assert_near(statistics_percent(UINT64_MAX, UINT64_MAX), 100.0);
}

static void names_are_those_of_the_protocol(void **state)
{
	static const char *const reasons[] = { "disk_full", "disk_error", "bad_block", "worker_crash" };

	(void)state;
	assert_int_equal(DISCARD_REASONS, 4);
	for (int i = 0; i < DISCARD_REASONS; i++)
		assert_string_equal(discard_reason_name((enum discard_reason)i), reasons[i]);
	assert_string_equal(worker_state_name(WORKER_RUNNING), "running");
	assert_string_equal(worker_state_name(WORKER_RESTARTING), "restarting");
}

static void free_accepts_nothing_and_half_built(void **state)
{
	struct statistics *stats = statistics_new(3);

	(void)state;
	assert_non_null(stats);
	assert_int_equal(statistics_interface_alloc(&stats->interfaces[1], 2), 0);
	statistics_free(stats);
	statistics_free(NULL);
	statistics_free(statistics_new(0));
}

static void workers_are_born_running_and_unpinned(void **state)
{
	struct statistics *stats = statistics_new(1);

	(void)state;
	assert_int_equal(statistics_interface_alloc(&stats->interfaces[0], 3), 0);
	assert_int_equal(stats->interfaces[0].n_workers, 3);
	assert_int_equal(stats->interfaces[0].workers[2].worker, 2);
	assert_int_equal(stats->interfaces[0].workers[2].state, WORKER_RUNNING);
	assert_int_equal(stats->interfaces[0].workers[2].cpu, -1);
	statistics_free(stats);
}

static void worker_counters_are_derived(void **state)
{
	struct statistics *stats = statistics_new(1);
	struct statistics_counters *c;

	(void)state;
	assert_int_equal(statistics_interface_alloc(&stats->interfaces[0], 1), 0);
	c = &stats->interfaces[0].workers[0].counters;
	c->packets_seen = 1000;
	c->packets_dropped = 100;
	c->packets_written = 850;
	c->discarded_by_reason[DISCARD_DISK_FULL] = 20;
	c->discarded_by_reason[DISCARD_WORKER_CRASH] = 5;
	c->packets_discarded = 77; /* stale: computed anew */

	statistics_sum(stats);
	assert_int_equal(c->packets_delivered, 900);
	assert_int_equal(c->packets_discarded, 25);
	assert_int_equal(c->packets_in_ring, 25);
	statistics_free(stats);
}

static void more_accounted_for_than_delivered_is_not_hidden(void **state)
{
	struct statistics *stats = statistics_new(1);
	struct statistics_counters *c;

	(void)state;
	assert_int_equal(statistics_interface_alloc(&stats->interfaces[0], 1), 0);
	c = &stats->interfaces[0].workers[0].counters;
	c->packets_seen = 100;
	c->packets_dropped = 10;
	c->packets_written = 95;
	c->discarded_by_reason[DISCARD_BAD_BLOCK] = 1;

	statistics_sum(stats);
	assert_int_equal(c->packets_seen, 100);
	assert_int_equal(c->packets_delivered, 90);
	assert_int_equal(c->packets_in_ring, 0);
	statistics_free(stats);
}

/* Worker w of interface i gets counters that are multiples of 10 * i + w, so that any mix-up shows. */
static void fill(struct statistics_counters *c, uint64_t k)
{
	c->packets_seen = 100 * k;
	c->packets_dropped = 10 * k;
	c->packets_written = 70 * k;
	for (unsigned r = 0; r < DISCARD_REASONS; r++)
		c->discarded_by_reason[r] = (r + 1) * k; /* 10 k in all */
	c->bytes_written = 5000 * k;
	c->ring_freezes = 3 * k;
	c->ring_rollovers = 40 * k;
	c->ring_rollovers_huge = 6 * k;
	c->ring_rollovers_failed = 5 * k;
	c->blocks_direct = 7 * k;
	c->blocks_staged = 8 * k;
	c->writes = 4 * k;
	c->write_ns = 9000 * k;
	c->write_max_ns = 1000 * k;
	c->worker_restarts = 2 * k;
}

/* @param most the largest k of those that this is the sum of */
static void check(const struct statistics_counters *c, uint64_t k, uint64_t most)
{
	assert_int_equal(c->packets_seen, 100 * k);
	assert_int_equal(c->packets_dropped, 10 * k);
	assert_int_equal(c->packets_delivered, 90 * k);
	assert_int_equal(c->packets_written, 70 * k);
	assert_int_equal(c->packets_discarded, 10 * k);
	for (unsigned r = 0; r < DISCARD_REASONS; r++)
		assert_int_equal(c->discarded_by_reason[r], (r + 1) * k);
	assert_int_equal(c->packets_in_ring, 10 * k);
	assert_int_equal(c->bytes_written, 5000 * k);
	assert_int_equal(c->ring_freezes, 3 * k);
	assert_int_equal(c->ring_rollovers, 40 * k);
	assert_int_equal(c->ring_rollovers_huge, 6 * k);
	assert_int_equal(c->ring_rollovers_failed, 5 * k);
	assert_int_equal(c->blocks_direct, 7 * k);
	assert_int_equal(c->blocks_staged, 8 * k);
	assert_int_equal(c->writes, 4 * k);
	assert_int_equal(c->write_ns, 9000 * k);
	assert_int_equal(c->write_mean_ns, 2250);
	assert_int_equal(c->write_max_ns, 1000 * most);
	assert_int_equal(c->worker_restarts, 2 * k);
}

static enum interface_state state_after(enum interface_state link, enum worker_state second)
{
	struct statistics *stats = statistics_new(1);
	enum interface_state ret;

	assert_int_equal(statistics_interface_alloc(&stats->interfaces[0], 2), 0);
	stats->interfaces[0].state = link;
	stats->interfaces[0].workers[1].state = second;
	statistics_sum(stats);
	ret = stats->interfaces[0].state;
	statistics_free(stats);
	return ret;
}

static void an_interface_that_is_up_is_as_good_as_its_workers(void **state)
{
	(void)state;
	assert_int_equal(state_after(INTERFACE_UP, WORKER_RUNNING), INTERFACE_UP);
	assert_int_equal(state_after(INTERFACE_UP, WORKER_RESTARTING), INTERFACE_DEGRADED);
	/* It is not for want of workers that nothing comes in. */
	assert_int_equal(state_after(INTERFACE_DOWN, WORKER_RESTARTING), INTERFACE_DOWN);
	assert_int_equal(state_after(INTERFACE_MISSING, WORKER_WAITING), INTERFACE_MISSING);
	assert_string_equal(interface_state_name(INTERFACE_MISSING), "missing");
	assert_string_equal(worker_state_name(WORKER_WAITING), "waiting");
}

static void interfaces_and_total_are_sums(void **state)
{
	struct statistics *stats = statistics_new(2);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(statistics_interface_alloc(&stats->interfaces[i], 3), 0);
		for (unsigned w = 0; w < 3; w++)
			fill(&stats->interfaces[i].workers[w].counters, 10 * i + w);
	}

	statistics_sum(stats);
	statistics_sum(stats); /* the second time changes nothing */
	check(&stats->interfaces[0].counters, 0 + 1 + 2, 2);
	check(&stats->interfaces[1].counters, 10 + 11 + 12, 12);
	check(&stats->interfaces[1].workers[2].counters, 12, 12);
	check(&stats->total, 36, 12);
	statistics_free(stats);
}

/* The mean of all writes, not of the workers' means. */
static void mean_write_is_that_of_all_writes(void **state)
{
	static const uint64_t rows[][3] = { { 3, 3000, 1000 }, { 1, 9000, 9000 }, { 0, 0, 0 } };
	struct statistics *stats = statistics_new(1);
	struct statistics_worker *workers;

	(void)state;
	assert_int_equal(statistics_interface_alloc(&stats->interfaces[0], 3), 0);
	workers = stats->interfaces[0].workers;
	for (size_t i = 0; i < 3; i++) {
		workers[i].counters.writes = rows[i][0];
		workers[i].counters.write_ns = rows[i][1];
	}
	statistics_sum(stats);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(workers[i].counters.write_mean_ns, rows[i][2]);
	assert_int_equal(stats->interfaces[0].counters.write_mean_ns, 3000);
	assert_int_equal(stats->total.write_mean_ns, 3000);
	statistics_free(stats);
}

static double balance_of(const uint64_t *seen, size_t n)
{
	struct statistics *stats = statistics_new(1);
	double balance;

	assert_int_equal(statistics_interface_alloc(&stats->interfaces[0], n), 0);
	for (size_t i = 0; i < n; i++)
		stats->interfaces[0].workers[i].counters.packets_seen = seen[i];
	statistics_sum(stats);
	balance = stats->interfaces[0].flow_balance;
	statistics_free(stats);
	return balance;
}

static void flow_balance_equals_hand_values(void **state)
{
	(void)state;
	assert_near(balance_of((uint64_t[]){ 5 }, 1), 1.0);
	assert_near(balance_of((uint64_t[]){ 7, 7, 7 }, 3), 1.0);
	assert_near(balance_of((uint64_t[]){ 1, 3 }, 2), 1.5);
	assert_near(balance_of((uint64_t[]){ 10, 60, 20, 30 }, 4), 2.0);
	assert_near(balance_of((uint64_t[]){ 0, 0, 9, 0 }, 4), 4.0);
	assert_near(balance_of((uint64_t[]){ UINT64_MAX / 2, UINT64_MAX / 2 }, 2), 1.0);
}

static void flow_balance_of_nothing_is_none(void **state)
{
	(void)state;
	assert_near(balance_of((uint64_t[]){ 0, 0 }, 2), 0.0);
	assert_near(balance_of(NULL, 0), 0.0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(percent_equals_hand_values),
		cmocka_unit_test(percent_of_nothing_is_zero),
		cmocka_unit_test(percent_of_huge_counters_does_not_overflow),
		cmocka_unit_test(names_are_those_of_the_protocol),
		cmocka_unit_test(free_accepts_nothing_and_half_built),
		cmocka_unit_test(workers_are_born_running_and_unpinned),
		cmocka_unit_test(worker_counters_are_derived),
		cmocka_unit_test(more_accounted_for_than_delivered_is_not_hidden),
		cmocka_unit_test(an_interface_that_is_up_is_as_good_as_its_workers),
		cmocka_unit_test(interfaces_and_total_are_sums),
		cmocka_unit_test(mean_write_is_that_of_all_writes),
		cmocka_unit_test(flow_balance_equals_hand_values),
		cmocka_unit_test(flow_balance_of_nothing_is_none),
	};

	return cmocka_run_group_tests_name("statistics", tests, NULL, NULL);
}
