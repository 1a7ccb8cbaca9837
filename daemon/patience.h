// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_PATIENCE_H
#define DAEMON_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

/** Waiting for others to finish: for as long as they get on, and for so long after that. */
struct patience {
	uint64_t limit_ns;
	uint64_t progress; ///< as last seen; any change is some
	uint64_t since_ns;
};

/** Begin to wait, or begin anew. @param now_ns CLOCK_MONOTONIC, as everywhere here */
void patience_begin(struct patience *patience, uint64_t limit_ns, uint64_t progress, uint64_t now_ns);

/** To be asked now and then. @return whether there has been no progress for longer than the limit */
bool patience_is_over(struct patience *patience, uint64_t progress, uint64_t now_ns);

#endif
