// SPDX-License-Identifier: BSD-3-Clause
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "daemon/ledger.h"

#define PUBLICATIONS 200000u

static int setup(void **state)
{
	*state = ledger_map(1u << 20);
	return *state != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	ledger_unmap(*state);
	return 0;
}

static void starts_with_nothing_recorded(void **state)
{
	struct ledger_commit commit, zero;

	memset(&zero, 0, sizeof(zero));
	ledger_read(*state, &commit);
	assert_memory_equal(&commit, &zero, sizeof(zero));
	assert_int_equal(ledger_kernel_drops(*state), 0);
	assert_int_equal(ledger_blocks_held(*state), 0);
	assert_int_equal(ledger_blocks_used_max(*state), 0);
	assert_false(ledger_writer(*state).io_uring);
	assert_int_equal(ledger_writer(*state).folder, LEDGER_NO_FOLDER);
	assert_false(ledger_block_is_poison(*state, 0));
}

static void a_commit_is_read_back_whole(void **state)
{
	struct ledger_commit in, out;

	memset(&in, 0, sizeof(in));
	in.block = 7;
	in.packet = 3;
	in.discarded[DISCARD_DISK_FULL] = 11;
	in.segment_end_ns = UINT64_MAX;
	in.told_drops = 5;
	ledger_publish(*state, &in);
	ledger_read(*state, &out);
	assert_memory_equal(&in, &out, sizeof(in));
	in.block = 8;
	ledger_publish(*state, &in);
	ledger_read(*state, &out);
	assert_memory_equal(&in, &out, sizeof(in));
}

static atomic_bool publishing;

/* Every word of commit n is n, so that a mix of two shows. */
static void *publish_many(void *ledger)
{
	uint64_t words[sizeof(struct ledger_commit) / sizeof(uint64_t)];
	struct ledger_commit commit;

	for (uint64_t n = 1; n <= PUBLICATIONS; n++) {
		for (size_t i = 0; i < N_ELEMENTS(words); i++)
			words[i] = n;
		memcpy(&commit, words, sizeof(commit));
		ledger_publish(ledger, &commit);
	}
	atomic_store(&publishing, false);
	return NULL;
}

static void a_reader_never_sees_half_a_commit(void **state)
{
	uint64_t words[sizeof(struct ledger_commit) / sizeof(uint64_t)], last = 0;
	struct ledger_commit commit;
	pthread_t writer;

	atomic_store(&publishing, true);
	assert_int_equal(pthread_create(&writer, NULL, publish_many, *state), 0);
	while (atomic_load(&publishing)) {
		ledger_read(*state, &commit);
		memcpy(words, &commit, sizeof(words));
		for (size_t i = 1; i < N_ELEMENTS(words); i++)
			assert_int_equal(words[i], words[0]);
		assert_true(words[0] >= last);
		last = words[0];
	}
	pthread_join(writer, NULL);
	ledger_read(*state, &commit);
	assert_int_equal(commit.block, PUBLICATIONS);
}

static void kernel_figures_are_passed_on(void **state)
{
	const struct fancap_stats stats = {.packets = 100, .drops = 7};

	ledger_set_kernel(*state, &stats);
	assert_int_equal(ledger_kernel_drops(*state), 7);
	assert_int_equal(ledger_kernel_reads(*state), 1);
	ledger_set_kernel(*state, &stats);
	assert_int_equal(ledger_kernel_reads(*state), 2);
}

static void what_a_worker_says_of_itself_is_passed_on(void **state)
{
	const struct ledger_writer in = {.io_uring = true, .io_uring_error = 105, .folder = 7};
	struct ledger_writer out;

	ledger_set_writer(*state, in);
	out = ledger_writer(*state);
	assert_true(out.io_uring);
	assert_false(out.o_direct);
	assert_int_equal(out.io_uring_error, 105);
	assert_int_equal(out.folder, 7);
	ledger_set_writer(*state, (struct ledger_writer){.o_direct = true});
	out = ledger_writer(*state);
	assert_false(out.io_uring);
	assert_true(out.o_direct);
	ledger_set_blocks_held(*state, 3);
	ledger_set_blocks_used_max(*state, 4);
	assert_int_equal(ledger_blocks_held(*state), 3);
	assert_int_equal(ledger_blocks_used_max(*state), 4);
}

static void a_block_is_poison_at_its_second_victim(void **state)
{
	ledger_set_attempt(*state, 5);
	ledger_note_crash(*state);
	assert_false(ledger_block_is_poison(*state, 5));
	ledger_set_attempt(*state, 5);
	ledger_note_crash(*state);
	assert_true(ledger_block_is_poison(*state, 5));
	assert_false(ledger_block_is_poison(*state, 4));
	assert_false(ledger_block_is_poison(*state, 6));
}

static void deaths_in_different_blocks_blame_neither(void **state)
{
	for (uint64_t position = 1; position < 5; position++) {
		ledger_set_attempt(*state, position);
		ledger_note_crash(*state);
		assert_false(ledger_block_is_poison(*state, position));
	}
}

static void a_death_outside_blocks_blames_none(void **state)
{
	ledger_set_attempt(*state, 5);
	ledger_note_crash(*state);
	ledger_set_attempt(*state, LEDGER_NO_BLOCK);
	ledger_note_crash(*state);
	assert_false(ledger_block_is_poison(*state, 5));
	assert_false(ledger_block_is_poison(*state, LEDGER_NO_BLOCK));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(starts_with_nothing_recorded, setup, teardown),
		cmocka_unit_test_setup_teardown(a_commit_is_read_back_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reader_never_sees_half_a_commit, setup, teardown),
		cmocka_unit_test_setup_teardown(kernel_figures_are_passed_on, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_worker_says_of_itself_is_passed_on, setup, teardown),
		cmocka_unit_test_setup_teardown(a_block_is_poison_at_its_second_victim, setup, teardown),
		cmocka_unit_test_setup_teardown(deaths_in_different_blocks_blame_neither, setup, teardown),
		cmocka_unit_test_setup_teardown(a_death_outside_blocks_blames_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
