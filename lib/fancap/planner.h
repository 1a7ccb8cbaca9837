// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_PLANNER_H
#define FANCAP_PLANNER_H

#include <stdint.h>

#include "fancap/error.h"
#include "fancap/geometry.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What is known of a capture to be; 0 is "not known", or the default. The ring's size or the time to be buffered has to
 * be known. Rates are of the interface, before it is shared among workers; the plan takes them to be shared evenly.
 */
struct fancap_plan_params {
	uint64_t size_bytes;	   ///< of one worker's ring; rounded up to whole blocks
	uint64_t buffer_ms;	   ///< how long a stall of the worker is to be ridden out
	uint64_t packets_per_s;
	uint64_t bits_per_s;	   ///< of packets as captured: without preamble, gaps and checksums
	uint32_t packet_bytes;	   ///< mean length
	uint32_t snaplen;	   ///< default: packets are kept whole
	uint32_t block_bytes;	   ///< rounded up to whole pages; default 1 MiB, or more where blocks would get too many
	uint32_t block_timeout_ms; ///< default 100
	unsigned workers;	   ///< default 1
	uint16_t priv_bytes;
	uint16_t reserve_bytes;
};

/** A capture worked out; 0 where too little was known. */
struct fancap_plan {
	struct fancap_ring_params ring;	 ///< of each worker
	struct fancap_geometry geometry; ///< the same as a request that the kernel takes
	unsigned workers;
	uint64_t total_bytes;	    ///< memory of all rings
	uint64_t packets_per_s;	    ///< given, or worked out; of the interface
	uint64_t bits_per_s;
	uint32_t packet_bytes;
	uint32_t packets_per_block; ///< of mean length
	uint64_t packets_per_ring;
	uint64_t retire_ns;	    ///< at that rate, a block is handed over so long after it was opened
	uint64_t retire_max_ns;	    ///< and at any rate (no packet waits longer): the block timeout
	uint64_t stall_ns;	    ///< a worker that does nothing loses no packet for so long
};

/**
 * Work out what is missing. Pure: no system call but for the page size.
 *
 * A ring of n blocks rides out what n - 1 of them take: one may be nearly full when the stall begins. A block is done
 * when it is full, or when its timeout is over: at low rates it is blocks that run out, not memory. With size and
 * buffer_ms both given but no rate, the rate is worked out: the greatest that they go together with.
 *
 * @return 0; -EINVAL values that contradict each other, do not suffice, or no ring can have; err says which
 */
int fancap_plan(const struct fancap_plan_params *params, struct fancap_plan *ret, struct fancap_error *err);

#ifdef __cplusplus
}
#endif

#endif
