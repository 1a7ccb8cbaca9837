// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_FORECAST_H
#define DAEMON_FORECAST_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/storage_status.h"

/** Five minutes, in steps of ten seconds. */
#define FORECAST_SAMPLES 31u
#define FORECAST_STEP_NS UINT64_C(10000000000)
/** A rate next to nothing makes it any length: no forecast is longer (31,700 years). */
#define FORECAST_SECONDS_MAX 1000000000000u

/** How fast files have grown lately. Embedded, zero-initialised. */
struct forecast {
	struct {
		uint64_t time_ns; ///< of a clock that does not jump
		uint64_t bytes;	  ///< written by then
	} samples[FORECAST_SAMPLES];
	unsigned n; ///< taken so far; number i in i % FORECAST_SAMPLES
};

/** Take note of what has been written; to be called at least once in a step. */
void forecast_note(struct forecast *forecast, uint64_t now_ns, uint64_t bytes_written);

/** @return whether a rate is known: there has been a whole step */
bool forecast_rate(const struct forecast *forecast, double *ret_bytes_per_s);

/**
 * How far back recordings will reach at a rate, for what may be kept; or, if nothing is ever removed, how long it is until
 * the disks are full.
 *
 * @return whether that is known: something is written
 */
bool forecast_reach(const struct storage_status *storage, const struct config_retain *retain, double bytes_per_s,
		    uint64_t *ret_seconds);

#endif
