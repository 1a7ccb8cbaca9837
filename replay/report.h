// SPDX-License-Identifier: BSD-3-Clause
#ifndef REPLAY_REPORT_H
#define REPLAY_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "replay/counts.h"

/** How a replay went. */
struct report {
	const char *interface;
	unsigned mtu; ///< feed_mtu() of the interface
	struct replay_counts counts;
	uint64_t unsent;      ///< packets read and neither sent nor skipped, since it was stopped
	uint64_t duration_ns; ///< from the first packet to the last one's departure
	uint64_t late_max_ns; ///< how late a packet was given to the kernel at worst
	bool paced;	      ///< late_max_ns means something
};

/** For people. */
void report_print(const struct report *report, FILE *out);
/** For programs: one JSON object in a line. */
void report_print_json(const struct report *report, FILE *out);

/** One line on a terminal, written over the last one. */
void report_progress(const struct report *report, FILE *out);
/** Take that line away. */
void report_progress_end(FILE *out);

#endif
