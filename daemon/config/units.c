// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/config/units.h"

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
