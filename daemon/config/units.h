// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_UNITS_H
#define DAEMON_UNITS_H

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

#endif
