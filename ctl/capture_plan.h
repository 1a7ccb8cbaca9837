// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_CAPTURE_PLAN_H
#define CTL_CAPTURE_PLAN_H

#include <stdint.h>

#include "fancap/error.h"
#include "fancap/planner.h"

/** What is known of a capture to be, and what is wanted of it; 0: not known, or the default. */
struct capture_wish {
	uint64_t packets_per_s;
	uint64_t bits_per_s;
	uint64_t packet_bytes; ///< mean
	uint64_t snaplen;
	uint64_t workers;
	uint64_t outage_ms; ///< how long a worker, or its disk, may do nothing
	uint64_t keep_ms;   ///< how far back recordings are to reach
	uint64_t block_bytes;
	uint64_t ring_bytes; ///< of one worker
};

/** A capture worked out: rings, and if a rate is known the disk; 0 where too little was known. */
struct capture_plan {
	struct fancap_plan rings;
	uint64_t memory_bytes;	   ///< of rings and workers
	uint64_t record_bytes;	   ///< what a packet of mean length takes in a file
	uint64_t written_per_s;	   ///< bytes, of all workers
	uint64_t file_ns;	   ///< a worker's file of the default size is full after
	uint64_t keep_ms;	   ///< as wished
	uint64_t retain_bytes;	   ///< storage.retain.size for that
	uint64_t file_system_bytes; ///< of which storage.retain.free stays free
};

/** What a worker's process takes besides its ring: eight buffers of 1 MiB, filled as they are needed, and the program. */
#define CAPTURE_PLAN_WORKER_BYTES (10ull << 20)

/**
 * Work out what is missing. Pure, as fancap_plan(), which it asks.
 *
 * @return 0; -EINVAL values that contradict each other, do not suffice, or that fancapd cannot have; err says which
 */
int capture_plan(const struct capture_wish *wish, struct capture_plan *ret, struct fancap_error *err);

#endif
