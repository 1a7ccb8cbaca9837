// SPDX-License-Identifier: BSD-3-Clause
#ifndef REPLAY_COUNTS_H
#define REPLAY_COUNTS_H

#include <stdint.h>

/** Why a packet of a file is not sent. */
enum skip_reason {
	SKIP_FILTER,	///< the filter says no
	SKIP_LINK_TYPE, ///< its link-layer header is not the interface's
	SKIP_CUT,	///< the file does not have all of it
	SKIP_TOO_LONG,	///< for the interface's MTU
	SKIP_TOO_SHORT, ///< for a link-layer header
	SKIP_REFUSED,	///< by the kernel, for whatever other reason
	SKIP_REASONS
};

/** What became of the packets: each one read is in exactly one of these. */
struct replay_counts {
	uint64_t packets_sent;
	uint64_t bytes_sent;
	uint64_t skipped[SKIP_REASONS];
};

#endif
