// SPDX-License-Identifier: BSD-3-Clause
#include "replay/speed.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "common/units.h"

#define MILLION UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
/* Products of times, counts and millionths take more than 64 bits. */
__extension__ typedef unsigned __int128 wide;

static const struct {
	const char *text;
	struct speed speed;
} words[] = {
	{"recorded", SPEED_AS_RECORDED},
	{"top", {SPEED_TOP, 0}},
};

static const enum speed_kind kinds[] = {
	[UNITS_FACTOR] = SPEED_RECORDED,
	[UNITS_PACKETS] = SPEED_PACKETS,
	[UNITS_BITS] = SPEED_BITS,
};

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

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
	struct units_rate rate = {0};
	int r;

	for (size_t i = 0; i < N_ELEMENTS(words); i++) {
		if (strcmp(text, words[i].text) == 0) {
			*ret = words[i].speed;
			return 0;
		}
	}
	r = units_parse_rate(text, &rate);
	if (r < 0)
		return refuse(text, -r, err);
	*ret = (struct speed){kinds[rate.kind], rate.millionths};
	return 0;
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
