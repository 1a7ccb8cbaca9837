// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_ACTIVE_H
#define DAEMON_ACTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/ledger.h"

/* What the workers are writing, read from their ledgers by somebody who is no worker. */

struct active_segment {
	char path[LEDGER_PATH_MAX]; ///< absolute, without .part
	uint64_t bytes;		    ///< written so far
	uint64_t packets;	    ///< of these
	uint64_t start_ns;	    ///< time of the first of them; 0: there is none yet
};

/** The segment a worker has open, or is about to open. @return whether there is one */
bool active_read(struct ledger *ledger, struct active_segment *ret);

/** Whether some worker has this segment, or is about to. */
bool active_has(struct ledger *const *ledgers, size_t n, const char *path);

/** What all workers have ever written, in bytes. */
uint64_t active_written(struct ledger *const *ledgers, size_t n);

/** The room that all open segments take, preallocated or written. */
uint64_t active_room(struct ledger *const *ledgers, size_t n);

#endif
