// SPDX-License-Identifier: BSD-3-Clause
#include "replay/clock.h"

#include <sys/prctl.h>
#include <time.h>

#define SPIN_NS 60000u
#define SLEEP_MAX_NS 100000000u

uint64_t clock_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * CLOCK_NS_PER_S + (uint64_t)ts.tv_nsec;
}

void clock_init(void)
{
	prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul);
}

static void sleep_until(uint64_t moment_ns)
{
	const struct timespec ts = {
		.tv_sec = (time_t)(moment_ns / CLOCK_NS_PER_S), .tv_nsec = (long)(moment_ns % CLOCK_NS_PER_S)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

uint64_t clock_wait(uint64_t moment_ns)
{
	uint64_t now = clock_now_ns();

	if (now >= moment_ns)
		return now;
	if (moment_ns - now > SLEEP_MAX_NS + SPIN_NS) {
		sleep_until(now + SLEEP_MAX_NS);
		return clock_now_ns();
	}
	if (moment_ns - now > SPIN_NS)
		sleep_until(moment_ns - SPIN_NS);
	/* More than that is left only if a signal ended the sleep. */
	do
		now = clock_now_ns();
	while (now < moment_ns && moment_ns - now <= SPIN_NS);
	return now;
}
