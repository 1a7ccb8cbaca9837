// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"

typedef int (*parse_fn)(const char *text, uint64_t *ret, struct fancap_error *err);
typedef void (*format_fn)(uint64_t number, char text[UNITS_TEXT_MAX]);

struct good {
	const char *text;
	uint64_t number;
	const char *formatted;
};

struct bad {
	const char *text;
	int result;
	const char *says; ///< part of the message
};

static const struct good sizes[] = {
	{"0", 0, "0B"},
	{"1", 1, "1B"},
	{"1B", 1, "1B"},
	{"1025", 1025, "1025B"},
	{"1024", 1024, "1KiB"},
	{"1KiB", 1024, "1KiB"},
	{"256MiB", 268435456, "256MiB"},
	{"256 MiB", 268435456, "256MiB"},
	{"1024MiB", 1073741824, "1GiB"},
	{"1GiB", 1073741824, "1GiB"},
	{"2TiB", 2199023255552, "2TiB"},
	{"007B", 7, "7B"},
	{"18446744073709551615", UINT64_MAX, "18446744073709551615B"},
	{"16777215TiB", 16777215ull << 40, "16777215TiB"},
};

static const struct bad bad_sizes[] = {
	{"", -EINVAL, "such as 256MiB"},
	{"MiB", -EINVAL, "not a whole number"},
	{"-1", -EINVAL, "not a whole number"},
	{"+1", -EINVAL, "not a whole number"},
	{" 1", -EINVAL, "not a whole number"},
	{"0x10", -EINVAL, "unknown unit"},
	{"1.5GiB", -EINVAL, "not a whole number"},
	{"1MB", -EINVAL, "allowed: B, KiB, MiB, GiB, TiB"},
	{"1mib", -EINVAL, "unknown unit"},
	{"1MiB ", -EINVAL, "unknown unit"},
	{"1s", -EINVAL, "unknown unit"},
	{"18446744073709551616", -ERANGE, "too large"},
	{"16777216TiB", -ERANGE, "too large"},
};

static const struct good durations[] = {
	{"0", 0, "0ms"},
	{"0s", 0, "0ms"},
	{"100ms", 100, "100ms"},
	{"1000ms", 1000, "1s"},
	{"60s", 60000, "1min"},
	{"90s", 90000, "90s"},
	{"15min", 900000, "15min"},
	{"24h", 86400000, "1d"},
	{"2d", 172800000, "2d"},
	{"5 min", 300000, "5min"},
};

static const struct bad bad_durations[] = {
	{"", -EINVAL, "such as 100ms"},
	{"60", -EINVAL, "no unit; allowed: ms, s, min, h, d"},
	{"60m", -EINVAL, "unknown unit"},
	{"60sec", -EINVAL, "unknown unit"},
	{"1us", -EINVAL, "unknown unit"},
	{"-5s", -EINVAL, "not a whole number"},
	{"99999999999999999999d", -ERANGE, "too large"},
	{"213503982335d", -ERANGE, "too large"},
};

static void check_good(const struct good *rows, size_t n, parse_fn parse, format_fn format)
{
	for (size_t i = 0; i < n; i++) {
		char text[UNITS_TEXT_MAX];
		uint64_t number = 1234, again = 1234;

		assert_int_equal(parse(rows[i].text, &number, NULL), 0);
		assert_int_equal(number, rows[i].number);
		format(number, text);
		assert_string_equal(text, rows[i].formatted);
		assert_int_equal(parse(text, &again, NULL), 0);
		assert_int_equal(again, number);
	}
}

static void check_bad(const struct bad *rows, size_t n, parse_fn parse)
{
	for (size_t i = 0; i < n; i++) {
		struct fancap_error err = {.text = ""};
		uint64_t number = 1234;

		assert_int_equal(parse(rows[i].text, &number, &err), rows[i].result);
		assert_int_equal(number, 1234);
		if (!strstr(err.text, rows[i].says))
			fail_msg("'%s': \"%s\" lacks \"%s\"", rows[i].text, err.text, rows[i].says);
	}
}

static void size_is_read_and_written(void **state)
{
	(void)state;
	check_good(sizes, sizeof(sizes) / sizeof(sizes[0]), units_parse_size, units_format_size);
}

static void bad_size_is_refused_with_what_is_allowed(void **state)
{
	(void)state;
	check_bad(bad_sizes, sizeof(bad_sizes) / sizeof(bad_sizes[0]), units_parse_size);
}

static void duration_is_read_and_written(void **state)
{
	(void)state;
	check_good(durations, sizeof(durations) / sizeof(durations[0]), units_parse_duration,
		   units_format_duration);
}

static void bad_duration_is_refused_with_what_is_allowed(void **state)
{
	(void)state;
	check_bad(bad_durations, sizeof(bad_durations) / sizeof(bad_durations[0]),
		  units_parse_duration);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_is_read_and_written),
		cmocka_unit_test(bad_size_is_refused_with_what_is_allowed),
		cmocka_unit_test(duration_is_read_and_written),
		cmocka_unit_test(bad_duration_is_refused_with_what_is_allowed),
	};

	return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
