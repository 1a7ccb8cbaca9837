// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_TOP_SAMPLE_H
#define CTL_TOP_SAMPLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One answer of GetStatistics as top needs it, and the rates that two of them make. */

#define SAMPLE_NAME_MAX 32

/** What only grows, from the daemon's start. */
struct sample_counters {
	uint64_t seen, dropped, discarded, written, bytes, writes, write_ns;
};

/** What became of them between two samples. */
struct sample_rates {
	bool known;
	double seen, dropped, discarded, written, bytes; ///< per second
	double lost;					  ///< of a hundred packets seen; < 0: none was
	double write_ns;				  ///< a write took, on the average; < 0: there was none
};

/** An interface, a worker, or all. */
struct sample_row {
	char interface[SAMPLE_NAME_MAX];
	int worker; ///< -1: all of the interface
	char state[16];
	unsigned workers, workers_running; ///< of an interface
	struct sample_counters counters;
	struct sample_rates rates;
	uint64_t in_ring, freezes, restarts, write_max_ns;
	uint64_t ring_blocks, ring_used, ring_used_max; ///< of an interface: of the worker whose ring is fullest
};

struct sample {
	uint64_t time_ns, started_ns;
	struct sample_row *interfaces, *workers;
	size_t n_interfaces, n_workers;
	struct sample_row total;
};

/** An empty one is all zeros. */
void sample_done(struct sample *sample);

/** @return 0, -EBADMSG and what was missing, -ENOMEM; ret is set on 0 only */
int sample_read(json_t *statistics, struct sample *ret, const char **ret_missing);

/**
 * Work out the rates of a sample from one before. Not known: of what was not there before, if the daemon was started in
 * between, if no time has passed.
 */
void sample_rate(struct sample *sample, const struct sample *before);

#endif
