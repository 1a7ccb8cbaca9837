// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "replay/speed.h"

#define S UINT64_C(1000000000)
#define M UINT64_C(1000000)

static const struct {
	const char *text;
	enum speed_kind kind;
	uint64_t millionths;
} good[] = {
	{"recorded", SPEED_RECORDED, M},
	{"top", SPEED_TOP, 0},
	{"1x", SPEED_RECORDED, M},
	{"0.5x", SPEED_RECORDED, M / 2},
	{"10x", SPEED_RECORDED, 10 * M},
	{"0.000001x", SPEED_RECORDED, 1},
	{"1.0000019x", SPEED_RECORDED, M + 1},
	{"50000pps", SPEED_PACKETS, 50000 * M},
	{"1.2Mpps", SPEED_PACKETS, 1200000 * M},
	{"2kpps", SPEED_PACKETS, 2000 * M},
	{"0.5pps", SPEED_PACKETS, M / 2},
	{"8bit", SPEED_BITS, 8 * M},
	{"64kbit", SPEED_BITS, 64000 * M},
	{"100Mbit", SPEED_BITS, 100 * M * M},
	{"1.5Gbit", SPEED_BITS, 1500 * M * M},
	{"0.0000001Mpps", SPEED_PACKETS, 100000},
	{"1000Gbit", SPEED_BITS, M * M * M},
	{"1000000000000x", SPEED_RECORDED, M * M * M},
	{"000000000000000000000000000000000001x", SPEED_RECORDED, M},
	{"0.50000000000000000000000000000000000000000000000x", SPEED_RECORDED, M / 2},
};

static const struct {
	const char *text;
	int error;
} bad[] = {
	{"", -EINVAL},
	{"fast", -EINVAL},
	{"Recorded", -EINVAL},
	{"x", -EINVAL},
	{"pps", -EINVAL},
	{"5", -EINVAL},
	{"-1x", -EINVAL},
	{"+1x", -EINVAL},
	{" 1x", -EINVAL},
	{"1 x", -EINVAL},
	{"1.x", -EINVAL},
	{".5x", -EINVAL},
	{"1e3pps", -EINVAL},
	{"nanx", -EINVAL},
	{"5kx", -EINVAL},
	{"5Kpps", -EINVAL},
	{"5mbit", -EINVAL},
	{"100Mbit/s", -EINVAL},
	{"0x", -ERANGE},
	{"0.0000001x", -ERANGE},
	{"0pps", -ERANGE},
	{"1000000000000.000001x", -ERANGE},
	{"1001Gbit", -ERANGE},
	{"18446744073709551617pps", -ERANGE},
	{"340282366920938463463374607431768211457Gpps", -ERANGE},
};

static void reads_every_form_of_speed(void **state)
{
	struct fancap_error err;
	struct speed speed;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(good); i++) {
		if (speed_parse(good[i].text, &speed, &err) != 0)
			fail_msg("%s", err.text);
		assert_int_equal(speed.kind, good[i].kind);
		assert_int_equal(speed.millionths, good[i].millionths);
	}
}

static void refuses_what_is_no_speed(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		struct fancap_error err = {""};
		struct speed speed = {SPEED_TOP, 7};
		int r = speed_parse(bad[i].text, &speed, &err);

		if (r != bad[i].error)
			fail_msg("'%s': %d", bad[i].text, r);
		assert_has(err.text, bad[i].text);
		assert_has(err.text, "allowed");
		assert_int_equal(speed.millionths, 7);
	}
}

static struct schedule schedule_of(const char *text)
{
	struct schedule schedule;
	struct speed speed;

	assert_int_equal(speed_parse(text, &speed, NULL), 0);
	schedule_init(&schedule, speed);
	return schedule;
}

static void keeps_recorded_gaps(void **state)
{
	struct schedule schedule = schedule_of("recorded");

	(void)state;
	assert_int_equal(schedule_next(&schedule, 1700000000 * S, 60), 0);
	assert_int_equal(schedule_next(&schedule, 1700000000 * S + 1, 60), 1);
	assert_int_equal(schedule_next(&schedule, 1700000001 * S, 60), S);
	assert_int_equal(schedule_next(&schedule, 1700000001 * S, 60), S);
}

static void does_not_turn_back(void **state)
{
	struct schedule schedule = schedule_of("recorded");

	(void)state;
	assert_int_equal(schedule_next(&schedule, 100 * S, 60), 0);
	assert_int_equal(schedule_next(&schedule, 50 * S, 60), 0);
	assert_int_equal(schedule_next(&schedule, 102 * S, 60), 2 * S);
	assert_int_equal(schedule_next(&schedule, 101 * S, 60), 2 * S);
	assert_int_equal(schedule_next(&schedule, 103 * S, 60), 3 * S);
}

static void multiplies_recorded_gaps_without_drift(void **state)
{
	struct schedule fast = schedule_of("3x"), slow = schedule_of("0.5x");

	(void)state;
	for (uint64_t i = 0; i < 10000; i++) {
		assert_int_equal(schedule_next(&fast, 5 + i * 1000, 60), i * 1000 / 3);
		assert_int_equal(schedule_next(&slow, 5 + i * 1000, 60), i * 2000);
	}
}

static void spaces_packets_by_their_rate(void **state)
{
	struct schedule schedule = schedule_of("3pps");

	(void)state;
	assert_int_equal(schedule_next(&schedule, 99, 60), 0);
	assert_int_equal(schedule_next(&schedule, 0, 1514), S / 3);
	assert_int_equal(schedule_next(&schedule, 0, 60), 2 * S / 3);
	assert_int_equal(schedule_next(&schedule, 0, 60), S);
}

static void spaces_packets_by_the_bits_before_them(void **state)
{
	struct schedule schedule = schedule_of("8kbit"); /* a byte takes a millisecond */

	(void)state;
	assert_int_equal(schedule_next(&schedule, 0, 1000), 0);
	assert_int_equal(schedule_next(&schedule, 0, 60), S);
	assert_int_equal(schedule_next(&schedule, 0, 1), S + 60 * M);
	assert_int_equal(schedule_next(&schedule, 0, 1), S + 61 * M);
}

static void sends_at_once_at_top_speed(void **state)
{
	struct schedule schedule = schedule_of("top");

	(void)state;
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(schedule_next(&schedule, i * S, 1514), 0);
}

static void goes_on_where_the_last_pass_ended(void **state)
{
	struct schedule recorded = schedule_of("2x"), rate = schedule_of("10pps");

	(void)state;
	for (uint64_t pass = 0; pass < 3; pass++) {
		assert_int_equal(schedule_next(&recorded, 7 * S, 60), pass * S);
		assert_int_equal(schedule_next(&recorded, 9 * S, 60), (pass + 1) * S);
		assert_int_equal(schedule_next(&rate, 7 * S, 60), pass * S / 5);
		assert_int_equal(schedule_next(&rate, 9 * S, 60), pass * S / 5 + S / 10);
		schedule_again(&recorded);
		schedule_again(&rate);
	}
}

static void survives_the_largest_numbers(void **state)
{
	struct schedule slow = schedule_of("0.000001x"), fast = schedule_of("1000000000000x");
	struct schedule bits = schedule_of("0.000001bit"), packets = schedule_of("1000Gpps");

	(void)state;
	assert_int_equal(schedule_next(&slow, 0, 0), 0);
	assert_int_equal(schedule_next(&slow, 1, 0), M);
	assert_int_equal(schedule_next(&slow, UINT64_MAX, 0), UINT64_MAX);
	assert_int_equal(schedule_next(&slow, 1, 0), UINT64_MAX);
	assert_int_equal(schedule_next(&fast, 0, 0), 0);
	assert_int_equal(schedule_next(&fast, UINT64_MAX, 0), UINT64_MAX / (M * M));
	schedule_next(&bits, 0, UINT32_MAX);
	assert_int_equal(schedule_next(&bits, 0, 0), UINT64_MAX);
	packets.packets = UINT64_MAX - 1;
	assert_int_equal(schedule_next(&packets, 0, 0), (UINT64_MAX - 1) / 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_form_of_speed),
		cmocka_unit_test(refuses_what_is_no_speed),
		cmocka_unit_test(keeps_recorded_gaps),
		cmocka_unit_test(does_not_turn_back),
		cmocka_unit_test(multiplies_recorded_gaps_without_drift),
		cmocka_unit_test(spaces_packets_by_their_rate),
		cmocka_unit_test(spaces_packets_by_the_bits_before_them),
		cmocka_unit_test(sends_at_once_at_top_speed),
		cmocka_unit_test(goes_on_where_the_last_pass_ended),
		cmocka_unit_test(survives_the_largest_numbers),
	};

	return cmocka_run_group_tests_name("replay_speed", tests, NULL, NULL);
}
