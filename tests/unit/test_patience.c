// SPDX-License-Identifier: BSD-3-Clause
/* How long the supervisor waits at the end for those who have something left to do. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "daemon/capture.h"
#include "daemon/child.h"
#include "daemon/patience.h"
#include "daemon/storage.h"
#include "tests/unit/ledgers.h"

#define SECOND_NS UINT64_C(1000000000)
#define LIMIT_NS (20 * SECOND_NS)
#define BEGIN_NS (1000 * SECOND_NS)

static void it_ends_when_nothing_moves(void **state)
{
	struct patience patience;

	(void)state;
	patience_begin(&patience, LIMIT_NS, 7, BEGIN_NS);
	assert_false(patience_is_over(&patience, 7, BEGIN_NS));
	assert_false(patience_is_over(&patience, 7, BEGIN_NS + LIMIT_NS - 1));
	assert_true(patience_is_over(&patience, 7, BEGIN_NS + LIMIT_NS));
}

static void who_looks_late_finds_what_was_done(void **state)
{
	struct patience patience;

	(void)state;
	patience_begin(&patience, LIMIT_NS, 7, BEGIN_NS);
	assert_false(patience_is_over(&patience, 8, BEGIN_NS + 5 * LIMIT_NS));
	assert_true(patience_is_over(&patience, 8, BEGIN_NS + 6 * LIMIT_NS));
}

/* A file each 19 s, for half an hour: then none. */
static void a_keeper_that_finishes_files_is_waited_for(void **state)
{
	struct storage storage = {.page = storage_page_map(), .mailbox_fds = {-1, -1}};
	struct storage_status status = {0};
	struct patience patience;
	uint64_t now_ns = BEGIN_NS;

	(void)state;
	assert_non_null(storage.page);
	assert_true(storage_is_stopping(&storage));
	patience_begin(&patience, LIMIT_NS, storage_progress(&storage), now_ns);
	for (int file = 0; file < 100; file++) {
		now_ns += 19 * SECOND_NS;
		status.steps++;
		storage_page_write(storage.page, &status);
		assert_false(patience_is_over(&patience, storage_progress(&storage), now_ns));
	}
	/* What it says besides is no progress. */
	status.errors++;
	status.bytes++;
	storage_page_write(storage.page, &status);
	assert_true(patience_is_over(&patience, storage_progress(&storage), now_ns + LIMIT_NS));
	storage_page_unmap(storage.page);
}

static void a_worker_that_records_is_waited_for(void **state)
{
	struct set_ring rings[2] = {{.ledger = ledger_make(1u << 20, NULL)}, {.ledger = ledger_make(1u << 20, NULL)}};
	struct child children[2] = {{.worker = 0}, {.worker = 1}};
	struct capture capture = {0};
	struct ring_set set = {.capture = &capture, .n = 2, .rings = rings, .children = children};
	struct captures captures = {.first = &capture, .n = 1};
	struct patience patience;
	uint64_t now_ns = BEGIN_NS;

	(void)state;
	capture.sets = children[0].set = children[1].set = &set;
	patience_begin(&patience, LIMIT_NS, captures_progress(&captures), now_ns);
	for (uint64_t block = 0; block < 10; block++) {
		now_ns += 19 * SECOND_NS;
		ledger_publish(rings[block % 2].ledger, &(struct ledger_commit){.block = block + 1});
		assert_false(patience_is_over(&patience, captures_progress(&captures), now_ns));
	}
	now_ns += 19 * SECOND_NS;
	children[0].process.finished = true;
	assert_false(patience_is_over(&patience, captures_progress(&captures), now_ns));
	/* A heartbeat is a sign of life, and no more. */
	ledger_beat(rings[1].ledger, now_ns);
	assert_true(patience_is_over(&patience, captures_progress(&captures), now_ns + LIMIT_NS));
	ledger_unmap(rings[0].ledger);
	ledger_unmap(rings[1].ledger);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_ends_when_nothing_moves),
		cmocka_unit_test(who_looks_late_finds_what_was_done),
		cmocka_unit_test(a_keeper_that_finishes_files_is_waited_for),
		cmocka_unit_test(a_worker_that_records_is_waited_for),
	};

	return cmocka_run_group_tests_name("patience", tests, NULL, NULL);
}
