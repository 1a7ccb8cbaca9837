// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/forecast.h"

#define S UINT64_C(1000000000)

static void rate_is_of_the_last_minutes(void **state)
{
	struct forecast forecast = {0};
	double rate;

	(void)state;
	assert_false(forecast_rate(&forecast, &rate));
	forecast_note(&forecast, 100 * S, 5000);
	forecast_note(&forecast, 105 * S, 9000); /* within a step */
	assert_false(forecast_rate(&forecast, &rate));
	forecast_note(&forecast, 110 * S, 6000);
	assert_true(forecast_rate(&forecast, &rate));
	assert_float_equal(rate, 100, 0.001);
	/* The burst of the beginning is forgotten after five minutes. */
	for (unsigned i = 1; i <= 31; i++)
		forecast_note(&forecast, (110 + 10 * i) * S, 1000000 + 200 * i);
	assert_true(forecast_rate(&forecast, &rate));
	assert_float_equal(rate, 20, 0.001);
}

static void reach_follows_from_what_may_be_kept(void **state)
{
	struct storage_status storage = {
		.bytes = 4000,
		.active_bytes = 1000,
		.n_directories = 3,
		.directories = {{100000, 20000}, {100000, 20000}, {200000, 5000}}, /* two of them on one disk */
	};
	uint64_t seconds = 0;

	(void)state;
	assert_false(forecast_reach(&storage, &(struct config_retain){0}, 0, &seconds));
	/* Nothing is removed: until the disks are full. */
	assert_true(forecast_reach(&storage, &(struct config_retain){0}, 10, &seconds));
	assert_int_equal(seconds, 2500);
	/* 10 % of the first are to stay free; there is not that much on the second. */
	assert_true(forecast_reach(&storage, &(struct config_retain){.free = 10}, 10, &seconds));
	assert_int_equal(seconds, 1500);
	assert_true(forecast_reach(&storage, &(struct config_retain){.free = 10, .size_bytes = 8000}, 10, &seconds));
	assert_int_equal(seconds, 800);
	assert_true(forecast_reach(&storage, &(struct config_retain){.size_bytes = 1000000}, 10, &seconds));
	assert_int_equal(seconds, 3000);
	assert_true(forecast_reach(&storage, &(struct config_retain){.age_ms = 60000}, 10, &seconds));
	assert_int_equal(seconds, 60);
	/* Next to nothing is written: no more than a number holds. */
	assert_true(forecast_reach(&storage, &(struct config_retain){0}, 1e-30, &seconds));
	assert_int_equal(seconds, FORECAST_SECONDS_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rate_is_of_the_last_minutes),
		cmocka_unit_test(reach_follows_from_what_may_be_kept),
	};

	return cmocka_run_group_tests_name("forecast", tests, NULL, NULL);
}
