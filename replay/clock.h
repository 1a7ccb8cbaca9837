// SPDX-License-Identifier: BSD-3-Clause
#ifndef REPLAY_CLOCK_H
#define REPLAY_CLOCK_H

#include <stdint.h>

#define CLOCK_NS_PER_S UINT64_C(1000000000)

/** CLOCK_MONOTONIC. */
uint64_t clock_now_ns(void);

/** Ask the kernel to be exact with this thread's sleeps; it adds 50 us otherwise. */
void clock_init(void);

/**
 * Wait for a moment, exactly, but not for longer than a tenth of a second nor beyond a signal: so the caller sees a stop
 * flag soon even if the signal came right before the sleep. Sleeps, but for the last 60 us: waking up takes about that.
 *
 * @return the time now; the caller goes on waiting while that is before the moment
 */
uint64_t clock_wait(uint64_t moment_ns);

#endif
