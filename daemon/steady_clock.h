// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_STEADY_CLOCK_H
#define DAEMON_STEADY_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/** How long a wall clock that was set forward must stand before it is believed. */
#define STEADY_CLOCK_BELIEF_NS UINT64_C(3600000000000)
/** What is slewing and small corrections, believed at once. */
#define STEADY_CLOCK_TOLERANCE_NS INT64_C(60000000000)

/**
 * The wall clock as far as it can be trusted to judge how old a file is. Between corrections it runs by CLOCK_BOOTTIME, which
 * nobody sets.
 *
 * A wall clock set forward makes every file older at a stroke; if that was a mistake, what is removed is gone for good,
 * and if it was right, there is no hurry. So it has to stand for an hour. One that was set back is believed at once: what
 * is recorded from then on carries its time, and would look old to us.
 */
struct steady_clock {
	int64_t offset_ns;    ///< what is believed: wall clock - boot time
	int64_t candidate_ns; ///< what it was set to, since
	uint64_t since_ns;    ///< this boot time
};

/**
 * Begin. Nobody knows how long the wall clock has been what it is; but it was not before the newest file's time, so a later
 * one is not believed for the first hour.
 *
 * @param newest_ns time of the newest file; UINT64_MAX: there is none
 */
void steady_clock_init(struct steady_clock *clock, uint64_t boot_ns, uint64_t wall_ns, uint64_t newest_ns);

/** Look at the clocks; to be called every few seconds. @return the time to judge by, nanoseconds since 1970 */
uint64_t steady_clock_now(struct steady_clock *clock, uint64_t boot_ns, uint64_t wall_ns);

#endif
