// SPDX-License-Identifier: BSD-3-Clause
#include "replay/speed.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define MILLION UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
/* Of a factor or rate, in millionths. */
#define MILLIONTHS_MAX (UINT64_C(1000000000000) * MILLION)

/* Products of times, counts and millionths take more than 64 bits. */
__extension__ typedef unsigned __int128 wide;

/* Numbers that take no more digits: far more than allowed, and still to be multiplied by a thousand million. */
#define DIGITS_MAX ((wide)MILLIONTHS_MAX * 100000000u)

static const struct {
	const char *text;
	struct speed speed;
} words[] = {
	{"recorded", SPEED_AS_RECORDED},
	{"top", {SPEED_TOP, 0}},
};

static const struct {
	const char *text;
	enum speed_kind kind;
	uint64_t multiple;
} units[] = {
	{"x", SPEED_RECORDED, 1},
	{"pps", SPEED_PACKETS, 1},
	{"kpps", SPEED_PACKETS, 1000},
	{"Mpps", SPEED_PACKETS, MILLION},
	{"Gpps", SPEED_PACKETS, NS_PER_S},
	{"bit", SPEED_BITS, 1},
	{"kbit", SPEED_BITS, 1000},
	{"Mbit", SPEED_BITS, MILLION},
	{"Gbit", SPEED_BITS, NS_PER_S},
};

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* Digits behind those of value, in millionths; scale grows with each. What is too much anyhow does not grow any more. */
static const char *digits(const char *text, wide *value, wide *scale)
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
static const char *number(const char *text, wide *ret_value, wide *ret_scale)
{
	wide value = 0, ignored = 1, scale = 1;
	const char *end = digits(text, &value, &ignored);

	if (end == text)
		return NULL;
	if (*end == '.') {
		const char *fraction = end + 1;

		end = digits(fraction, &value, &scale);
		if (end == fraction)
			return NULL;
	}
	*ret_value = value;
	*ret_scale = scale;
	return end;
}

static int refuse(const char *text, int error, struct fancap_error *err)
{
	if (error == ERANGE)
		fancap_error_set(err, "speed '%s': from 0.000001 to 10^12 is allowed", text);
	else
		fancap_error_set(err, "speed '%s': allowed are " SPEED_FORMS, text);
	return -error;
}

int speed_parse(const char *text, struct speed *ret, struct fancap_error *err)
{
	wide value = 0, scale = 1;
	const char *unit;

	for (size_t i = 0; i < N_ELEMENTS(words); i++) {
		if (strcmp(text, words[i].text) == 0) {
			*ret = words[i].speed;
			return 0;
		}
	}
	unit = number(text, &value, &scale);
	for (size_t i = 0; unit != NULL && i < N_ELEMENTS(units); i++) {
		if (strcmp(unit, units[i].text) != 0)
			continue;
		value = value * units[i].multiple / scale;
		if (value == 0 || value > MILLIONTHS_MAX)
			return refuse(text, ERANGE, err);
		*ret = (struct speed){units[i].kind, (uint64_t)value};
		return 0;
	}
	return refuse(text, EINVAL, err);
}

static uint64_t limited(wide ns)
{
	return ns > UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

void schedule_init(struct schedule *schedule, struct speed speed)
{
	*schedule = (struct schedule){.speed = speed};
}

void schedule_again(struct schedule *schedule)
{
	schedule->loop_ns = schedule->due_ns;
	schedule->begun = false;
}

/* From the first packet of the pass, so that roundings do not add up. */
static wide due_recorded(struct schedule *schedule, uint64_t time_ns)
{
	uint64_t gap;

	if (!schedule->begun) {
		schedule->first_ns = time_ns;
		schedule->begun = true;
	}
	gap = time_ns > schedule->first_ns ? time_ns - schedule->first_ns : 0;
	return schedule->loop_ns + (wide)gap * MILLION / schedule->speed.millionths;
}

/* When `amount` has passed at the speed. */
static wide due_rate(const struct schedule *schedule, uint64_t amount)
{
	return (wide)amount * (NS_PER_S * MILLION) / schedule->speed.millionths;
}

uint64_t schedule_next(struct schedule *schedule, uint64_t time_ns, uint32_t bytes)
{
	uint64_t due_ns = 0;

	switch (schedule->speed.kind) {
	case SPEED_RECORDED: due_ns = limited(due_recorded(schedule, time_ns)); break;
	case SPEED_TOP: break;
	case SPEED_PACKETS: due_ns = limited(due_rate(schedule, schedule->packets)); break;
	case SPEED_BITS: due_ns = limited(due_rate(schedule, 8 * schedule->bytes)); break;
	}
	schedule->packets++;
	schedule->bytes += bytes;
	if (due_ns > schedule->due_ns)
		schedule->due_ns = due_ns;
	return schedule->due_ns;
}
