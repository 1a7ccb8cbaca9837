// SPDX-License-Identifier: BSD-3-Clause
#ifndef COMMON_UNITS_H
#define COMMON_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "fancap/error.h"

/** Room for the longest text that units_format_size() or units_format_duration() writes. */
#define UNITS_TEXT_MAX 32

/**
 * Read a size: digits and a unit of B, KiB, MiB, GiB, TiB; without a unit it is bytes.
 *
 * @param ret_bytes set only on success
 * @return 0; -EINVAL not such a text; -ERANGE does not fit 64 bits (err says what is allowed)
 */
int units_parse_size(const char *text, uint64_t *ret_bytes, struct fancap_error *err);

/**
 * Read a duration: digits and a unit of ms, s, min, h, d. Only 0 may do without a unit.
 *
 * @param ret_ms set only on success
 * @return 0; -EINVAL not such a text; -ERANGE does not fit 64 bits (err says what is allowed)
 */
int units_parse_duration(const char *text, uint64_t *ret_ms, struct fancap_error *err);

/** Write a size in the largest unit that shows it exactly; units_parse_size() reads it back. */
void units_format_size(uint64_t bytes, char text[UNITS_TEXT_MAX]);

/** Write a duration in the largest unit that shows it exactly; units_parse_duration() reads it back. */
void units_format_duration(uint64_t ms, char text[UNITS_TEXT_MAX]);

/** What a rate is a rate of; a factor (0.5x) is a multiple of some other rate. */
enum units_rate_kind { UNITS_FACTOR, UNITS_PACKETS, UNITS_BITS };

struct units_rate {
	enum units_rate_kind kind;
	uint64_t millionths; ///< of the factor, or of packets or bits per second
};

#define UNITS_RATE_MIN_MILLIONTHS 1u
#define UNITS_RATE_MAX_MILLIONTHS (UINT64_C(1000000000000) * 1000000u)

/**
 * Read a rate: a decimal number and x, pps or bit, the latter two with k, M or G before them, for powers of 1000.
 *
 * @param ret set only on success
 * @return 0; -EINVAL not such a text; -ERANGE zero, or more than 10^12. The caller knows which forms it allows, and says so
 */
int units_parse_rate(const char *text, struct units_rate *ret);

#endif
