// SPDX-License-Identifier: BSD-3-Clause
/* Sets of rings: what becomes of a cut when its maker died, and what is counted while one is set. No socket is made. */
#include "tests/unit/unit.h"

#include <string.h>

#include "daemon/log.h"
#include "daemon/ringset.h"
#include "tests/unit/ledgers.h"

#define T UINT64_C(1700000000000000000)
#define RINGS 2

static struct fixture {
	struct set_ring rings[2][RINGS];
	int fds[RINGS];
	struct ring_set older, newer;
} fx;

static void no_log(const struct log_message *message, void *arg)
{
	(void)message;
	(void)arg;
}

static int setup(void **state)
{
	(void)state;
	log_set_sink(no_log, NULL);
	memset(&fx, 0, sizeof(fx));
	for (unsigned i = 0; i < 2 * RINGS; i++)
		fx.rings[i / RINGS][i % RINGS].ledger = ledger_make(1u << 16, NULL);
	for (unsigned i = 0; i < RINGS; i++)
		fx.fds[i] = -1; /* the kernel's counters are what the ledgers say */
	fx.older = (struct ring_set){.created_ns = 1, .n = RINGS, .rings = fx.rings[0], .group.fds = fx.fds};
	fx.newer = (struct ring_set){.created_ns = 2, .n = RINGS, .rings = fx.rings[1], .group.fds = fx.fds, .next = &fx.older};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * RINGS; i++)
		ledger_unmap(fx.rings[i / RINGS][i % RINGS].ledger);
	return 0;
}

static void assert_cut(const struct ring_set *set, uint64_t begin_ns, uint64_t end_ns)
{
	for (unsigned i = 0; i < RINGS; i++) {
		const struct ledger_cut cut = ledger_cut(set->rings[i].ledger);

		assert_int_equal(cut.begin_ns, begin_ns);
		assert_int_equal(cut.end_ns, end_ns);
	}
}

static void a_set_that_was_not_let_take_over_is_abandoned(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RINGS; i++)
		ledger_set_begin(fx.newer.rings[i].ledger, LEDGER_CUT_UNDECIDED);
	ring_set_settle(&fx.newer);
	assert_true(fx.newer.abandoned);
	assert_false(fx.older.abandoned);
	assert_cut(&fx.older, 0, UINT64_MAX);
}

/* One ring that was told is enough: its worker may have recorded by it. */
static void what_was_decided_is_told_to_all(void **state)
{
	(void)state;
	ledger_set_begin(fx.newer.rings[0].ledger, LEDGER_CUT_UNDECIDED);
	ledger_set_begin(fx.newer.rings[1].ledger, T);
	ring_set_settle(&fx.newer);
	assert_false(fx.newer.abandoned || fx.older.abandoned);
	assert_cut(&fx.newer, T, UINT64_MAX);
	assert_cut(&fx.older, 0, T);
	assert_true(ring_set_has_end(&fx.older));
	assert_false(ring_set_has_end(&fx.newer));
}

static void what_all_were_told_stays(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RINGS; i++) {
		ledger_set_begin(fx.newer.rings[i].ledger, T);
		ledger_set_end(fx.older.rings[i].ledger, T - 1);
	}
	ring_set_settle(&fx.newer);
	assert_cut(&fx.newer, T, UINT64_MAX);
	assert_cut(&fx.older, 0, T - 1);
}

static struct statistics_counters count(struct ring_set *set)
{
	struct statistics_counters counters = {0};

	ring_set_count(set, 0, &counters);
	return counters;
}

static void deal_with(struct ring_set *set, uint64_t written, uint64_t skipped)
{
	ledger_publish(set->rings[0].ledger, &(struct ledger_commit){.packets_written = written, .packets_skipped = skipped});
}

static void deliver(struct ring_set *set, uint64_t packets, uint64_t drops)
{
	ledger_set_kernel(set->rings[0].ledger, &(struct fancap_stats){.packets = packets + drops, .drops = drops});
}

/* 100 packets before the instant, which are another set's, and 50 after it. */
static void a_new_set_counts_nothing_that_is_not_its_own(void **state)
{
	struct ledger *ledger = fx.newer.rings[0].ledger;

	(void)state;
	ledger_set_begin(ledger, LEDGER_CUT_UNDECIDED);
	deliver(&fx.newer, 100, 0);
	assert_int_equal(count(&fx.newer).packets_seen, 0);
	deal_with(&fx.newer, 0, 60);
	ledger_set_begin(ledger, T);
	deliver(&fx.newer, 140, 3);
	assert_int_equal(count(&fx.newer).packets_seen, 3);
	ring_set_mark(&fx.newer);
	deliver(&fx.newer, 150, 3);
	deal_with(&fx.newer, 20, 100);
	assert_int_equal(count(&fx.newer).packets_seen, 23); /* not past the mark yet: what is recorded is certain */
	deal_with(&fx.newer, 40, 100);
	assert_int_equal(count(&fx.newer).packets_seen, 53); /* all that is in the ring is its own now */
	assert_cut(&(struct ring_set){.n = 1, .rings = (struct set_ring[]){{.ledger = ledger}, {.ledger = ledger}}}, 0, UINT64_MAX);
	deal_with(&fx.newer, 50, 100);
	assert_int_equal(count(&fx.newer).packets_seen, 53);
}

/* 100 packets before the instant, and 30 after it that are another set's. */
static void an_old_set_does_not_shrink(void **state)
{
	struct ledger *ledger = fx.older.rings[0].ledger;

	(void)state;
	deliver(&fx.older, 80, 0);
	deal_with(&fx.older, 50, 0);
	assert_int_equal(count(&fx.older).packets_seen, 80);
	ledger_set_floor(ledger, 80);
	ledger_set_end(ledger, T);
	deliver(&fx.older, 130, 0);
	assert_int_equal(count(&fx.older).packets_seen, 80);
	deal_with(&fx.older, 90, 10);
	assert_int_equal(count(&fx.older).packets_seen, 90);
	deal_with(&fx.older, 100, 30);
	assert_int_equal(count(&fx.older).packets_seen, 100);
	ring_set_uncut(&fx.older);
	assert_int_equal(count(&fx.older).packets_seen, 100);
}

/* Its worker left without having recorded all: that is not to go unseen. */
static void what_an_old_set_did_not_record_shows_in_the_end(void **state)
{
	(void)state;
	ledger_set_end(fx.older.rings[0].ledger, T);
	deliver(&fx.older, 130, 0);
	deal_with(&fx.older, 90, 30);
	ring_set_uncut(&fx.older);
	assert_int_equal(count(&fx.older).packets_seen, 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_set_that_was_not_let_take_over_is_abandoned),
		TEST(what_was_decided_is_told_to_all),
		TEST(what_all_were_told_stays),
		TEST(a_new_set_counts_nothing_that_is_not_its_own),
		TEST(an_old_set_does_not_shrink),
		TEST(what_an_old_set_did_not_record_shows_in_the_end),
	};

	return cmocka_run_group_tests_name("ringset", tests, NULL, NULL);
}
