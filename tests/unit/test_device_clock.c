// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include "daemon/device_clock.h"
#include "tests/unit/blocks.h"

#define NOW 1700000000000000000ull

/* One block with one packet. */
static bool check_one(uint64_t time_ns, uint32_t status, int64_t *ret_off_ns)
{
	struct test_block block;
	bool right;

	test_block_init(&block, 4096, 0, 2, 1);
	assert_true(test_block_add(&block, &(struct test_packet){.caplen = 60, .time_ns = time_ns, .status = status}));
	right = device_clock_check(block.bytes, block.size, NOW, ret_off_ns);
	test_block_done(&block);
	return right;
}

static void a_device_clock_far_off_is_found(void **state)
{
	int64_t off_ns = 7;

	(void)state;
	assert_true(check_one(NOW + DEVICE_CLOCK_OFF_MAX_NS, TP_STATUS_TS_RAW_HARDWARE, &off_ns));
	assert_true(check_one(NOW - DEVICE_CLOCK_OFF_MAX_NS, TP_STATUS_TS_RAW_HARDWARE, &off_ns));
	assert_int_equal(off_ns, 7);
	assert_false(check_one(NOW + DEVICE_CLOCK_OFF_MAX_NS + 1, TP_STATUS_TS_RAW_HARDWARE, &off_ns));
	assert_int_equal(off_ns, DEVICE_CLOCK_OFF_MAX_NS + 1);
	assert_false(check_one(NOW - DEVICE_CLOCK_OFF_MAX_NS - 1, TP_STATUS_TS_RAW_HARDWARE, &off_ns));
	assert_true(off_ns == -(int64_t)DEVICE_CLOCK_OFF_MAX_NS - 1);
}

static void the_kernels_own_stamps_say_nothing(void **state)
{
	int64_t off_ns;

	(void)state;
	assert_true(check_one(5, 0, &off_ns));
	assert_true(check_one(5, TP_STATUS_TS_SOFTWARE, &off_ns));
}

static void blocks_without_packets_say_nothing(void **state)
{
	struct test_block block;
	int64_t off_ns;

	(void)state;
	test_block_init(&block, 4096, 0, 2, 1);
	assert_true(device_clock_check(block.bytes, block.size, NOW, &off_ns));
	test_block_header(&block)->num_pkts = 3; /* that are not there */
	assert_true(device_clock_check(block.bytes, block.size, NOW, &off_ns));
	test_block_done(&block);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_clock_far_off_is_found),
		cmocka_unit_test(the_kernels_own_stamps_say_nothing),
		cmocka_unit_test(blocks_without_packets_say_nothing),
	};

	return cmocka_run_group_tests_name("device_clock", tests, NULL, NULL);
}
