// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_SUMMARY_H
#define DAEMON_SUMMARY_H

#include <stdint.h>

#define SUMMARY_PACKETS_UNKNOWN UINT64_MAX

/** What a finished file says of itself at its end. */
struct summary {
	uint64_t packets; ///< in it; SUMMARY_PACKETS_UNKNOWN
	uint64_t last_ns; ///< time of its last one; 0: not known
};

/**
 * Read the end of a file that we have finished: the last Interface Statistics Block, and the last packet before it. A few
 * short reads, which may block. What is not there is not known: a disk that failed has left no such block.
 */
struct summary summary_read(int fd);

#endif
