// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/steady_clock.h"

void steady_clock_init(struct steady_clock *clock, uint64_t boot_ns, uint64_t wall_ns, uint64_t newest_ns)
{
	uint64_t believed_ns = wall_ns < newest_ns ? wall_ns : newest_ns;

	*clock = (struct steady_clock){
		.offset_ns = (int64_t)(believed_ns - boot_ns),
		.candidate_ns = (int64_t)(wall_ns - boot_ns),
		.since_ns = boot_ns,
	};
}

static bool is_near(int64_t a, int64_t b)
{
	return a - b <= STEADY_CLOCK_TOLERANCE_NS && b - a <= STEADY_CLOCK_TOLERANCE_NS;
}

uint64_t steady_clock_now(struct steady_clock *clock, uint64_t boot_ns, uint64_t wall_ns)
{
	int64_t offset_ns = (int64_t)(wall_ns - boot_ns);

	if (!is_near(offset_ns, clock->candidate_ns))
		clock->since_ns = boot_ns;
	clock->candidate_ns = offset_ns;
	if (offset_ns < clock->offset_ns || is_near(offset_ns, clock->offset_ns) ||
	    boot_ns - clock->since_ns >= STEADY_CLOCK_BELIEF_NS)
		clock->offset_ns = offset_ns;
	return boot_ns + (uint64_t)clock->offset_ns;
}
