// SPDX-License-Identifier: BSD-3-Clause
#ifndef TESTS_TOOLS_CHECK_H
#define TESTS_TOOLS_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "tests/tools/frames.h"
#include "tests/tools/reader.h"

#define CHECK_WORKERS_MAX 64u

/** What one file holds. */
struct check_file {
	char *path;
	int worker; ///< from its name, or -1
	uint64_t packets;
	uint64_t bytes; ///< of the file
	uint64_t first_ns;
	uint64_t last_ns;
	uint64_t dropcount; ///< sum of epb_dropcount
	uint64_t direct;    ///< packets with epb_queue: of blocks that were written from the ring
	uint64_t first_seq; ///< of our frames, in the order of the file
	uint64_t last_seq;
	uint64_t reordered; ///< of our frames, how many come after a later one
	uint32_t snaplen;
	uint64_t statistics_blocks;
	struct reader_statistics statistics; ///< of the last ISB
};

/** What all files together hold, against what was sent. */
struct check_result {
	uint64_t packets;
	uint64_t bytes;	     ///< captured bytes of packets
	uint64_t duplicates; ///< of our frames, beyond the first
	uint64_t missing;
	uint64_t corrupt;   ///< ours, but not the bytes that were sent
	uint64_t foreign;   ///< not of our run, or never sent
	uint64_t truncated; ///< cut to snaplen, the rest right
	uint64_t implausible_times;
	uint64_t inbound;  ///< by epb_flags
	uint64_t outbound;
	uint64_t wrong_direction; ///< see check_options.out_is_reverse
	uint64_t flows_seen;
	uint64_t flows_split; ///< seen by more than one worker
	uint64_t dropcount;
	struct check_file *files;
	size_t n_files;
};

struct check_options {
	struct frame_params frames;
	uint64_t start;
	uint64_t count;
	uint64_t since_ns; ///< no packet may be older, CLOCK_REALTIME
	uint64_t until_ns; ///< nor younger
	int out_is_reverse; ///< reverse frames, and only they, were captured outgoing
};

struct check;

/** Begin; count bounds memory: one bit a frame. NULL: out of memory. The options are copied. */
struct check *check_new(const struct check_options *options);
void check_free(struct check *check);

/**
 * Read one more file.
 *
 * @return 0; -EINVAL the file is not what fancapd promises, -errno it cannot be read: see check_error()
 */
int check_file(struct check *check, const char *path);

/** "PATH: offset N: reason", after check_file() failed. */
const char *check_error(const struct check *check);

/** The result so far; belongs to the check. */
const struct check_result *check_finish(struct check *check);

#endif
