// SPDX-License-Identifier: BSD-3-Clause
#ifndef COMMON_PERCENT_H
#define COMMON_PERCENT_H

#include <stdint.h>

/**
 * part of whole in percent; 0 when whole is 0. The one place where percentages are computed, for daemon and CLI.
 *
 * In floating point: 100 * part overflows 64 bits for counters a busy appliance reaches in bytes.
 */
static inline double statistics_percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * ((double)part / (double)whole) : 0.0;
}

#endif
