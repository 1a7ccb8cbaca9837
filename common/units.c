// SPDX-License-Identifier: BSD-3-Clause
#include "common/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/** One kind of quantity: its units, smallest first, ending with a NULL name. */
struct quantity {
	const struct unit *units;
	bool bare; ///< a number without a unit is meant in the smallest one
	const char *example;
	const char *allowed;
};

static const struct unit size_units[] = {
	{"B", 1},
	{"KiB", 1ull << 10},
	{"MiB", 1ull << 20},
	{"GiB", 1ull << 30},
	{"TiB", 1ull << 40},
	{NULL, 0},
};

static const struct quantity size_quantity = {
	.units = size_units,
	.bare = true,
	.example = "256MiB",
	.allowed = "B, KiB, MiB, GiB, TiB",
};

static const struct unit duration_units[] = {
	{"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};

static const struct quantity duration_quantity = {
	.units = duration_units,
	.bare = false,
	.example = "100ms",
	.allowed = "ms, s, min, h, d",
};

static const struct unit *unit_find(const struct quantity *quantity, const char *name)
{
	for (const struct unit *unit = quantity->units; unit->name; unit++) {
		if (strcmp(unit->name, name) == 0)
			return unit;
	}
	return NULL;
}

/** Read the digits at the start. strtoull() would take signs, spaces and wrap around. */
static int digits_parse(const char **text, uint64_t *ret)
{
	uint64_t number = 0;
	const char *p = *text;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(number, 10u, &number) ||
		    __builtin_add_overflow(number, (unsigned)(*p - '0'), &number))
			return -ERANGE;
	}
	if (p == *text)
		return -EINVAL;
	*text = p;
	*ret = number;
	return 0;
}

static int quantity_parse(const struct quantity *quantity, const char *text, uint64_t *ret,
			  struct fancap_error *err)
{
	const char *rest = text;
	const struct unit *unit = quantity->units;
	uint64_t number = 0;
	int r = digits_parse(&rest, &number);

	if (r == 0 && *rest == '.')
		r = -EINVAL;
	if (r == -EINVAL) {
		fancap_error_set(
			err, "'%.64s' is not a whole number with a unit, such as %s (units: %s)",
			text, quantity->example, quantity->allowed);
		return r;
	}
	if (r == 0) {
		rest += strspn(rest, " ");
		if (*rest != '\0')
			unit = unit_find(quantity, rest);
		else if (!quantity->bare && number != 0)
			unit = NULL;
		if (!unit) {
			fancap_error_set(err, "'%.64s' has %s unit; allowed: %s, such as %s", text,
					 *rest ? "an unknown" : "no", quantity->allowed,
					 quantity->example);
			return -EINVAL;
		}
		if (__builtin_mul_overflow(number, unit->factor, &number))
			r = -ERANGE;
	}
	if (r < 0) {
		fancap_error_set(err, "'%.64s' is too large", text);
		return r;
	}
	*ret = number;
	return 0;
}

static void quantity_format(const struct quantity *quantity, uint64_t number,
			    char text[UNITS_TEXT_MAX])
{
	const struct unit *best = quantity->units;

	for (const struct unit *unit = quantity->units; unit->name && number != 0; unit++) {
		if (number % unit->factor == 0)
			best = unit;
	}
	snprintf(text, UNITS_TEXT_MAX, "%" PRIu64 "%s", number / best->factor, best->name);
}

int units_parse_size(const char *text, uint64_t *ret_bytes, struct fancap_error *err)
{
	return quantity_parse(&size_quantity, text, ret_bytes, err);
}

int units_parse_duration(const char *text, uint64_t *ret_ms, struct fancap_error *err)
{
	return quantity_parse(&duration_quantity, text, ret_ms, err);
}

void units_format_size(uint64_t bytes, char text[UNITS_TEXT_MAX])
{
	quantity_format(&size_quantity, bytes, text);
}

void units_format_duration(uint64_t ms, char text[UNITS_TEXT_MAX])
{
	quantity_format(&duration_quantity, ms, text);
}

/* --- rates ------------------------------------------------------------------------------------------------ */

#define MILLION UINT64_C(1000000)

/* Products of counts and millionths take more than 64 bits. */
__extension__ typedef unsigned __int128 wide;

/* Numbers that take no more digits: far more than allowed, and still to be multiplied by a thousand million. */
#define DIGITS_MAX ((wide)UNITS_RATE_MAX_MILLIONTHS * 100000000u)

static const struct {
	const char *name;
	enum units_rate_kind kind;
	uint64_t factor;
} rate_units[] = {
	{"x", UNITS_FACTOR, 1},
	{"pps", UNITS_PACKETS, 1},
	{"kpps", UNITS_PACKETS, 1000},
	{"Mpps", UNITS_PACKETS, MILLION},
	{"Gpps", UNITS_PACKETS, 1000 * MILLION},
	{"bit", UNITS_BITS, 1},
	{"kbit", UNITS_BITS, 1000},
	{"Mbit", UNITS_BITS, MILLION},
	{"Gbit", UNITS_BITS, 1000 * MILLION},
};

/* Digits behind those of value, in millionths; scale grows with each. What is too much anyhow does not grow any more. */
static const char *decimal_digits(const char *text, wide *value, wide *scale)
{
	for (; *text >= '0' && *text <= '9'; text++) {
		if (*value > DIGITS_MAX)
			continue;
		*value = *value * 10 + (wide)(*text - '0') * MILLION;
		*scale *= 10;
	}
	return text;
}

/* A decimal number: *ret_value / *ret_scale millionths. @return where its unit begins, NULL: no number */
static const char *decimal_parse(const char *text, wide *ret_value, wide *ret_scale)
{
	wide value = 0, ignored = 1, scale = 1;
	const char *end = decimal_digits(text, &value, &ignored);

	if (end == text)
		return NULL;
	if (*end == '.') {
		const char *fraction = end + 1;

		end = decimal_digits(fraction, &value, &scale);
		if (end == fraction)
			return NULL;
	}
	*ret_value = value;
	*ret_scale = scale;
	return end;
}

int units_parse_rate(const char *text, struct units_rate *ret)
{
	wide value = 0, scale = 1;
	const char *unit = decimal_parse(text, &value, &scale);

	for (size_t i = 0; unit && i < sizeof(rate_units) / sizeof(rate_units[0]); i++) {
		if (strcmp(unit, rate_units[i].name) != 0)
			continue;
		value = value * rate_units[i].factor / scale;
		if (value < UNITS_RATE_MIN_MILLIONTHS || value > UNITS_RATE_MAX_MILLIONTHS)
			return -ERANGE;
		*ret = (struct units_rate){rate_units[i].kind, (uint64_t)value};
		return 0;
	}
	return -EINVAL;
}
