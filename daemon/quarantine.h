// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_QUARANTINE_H
#define DAEMON_QUARANTINE_H

#include "daemon/recorder.h"
#include "lib/setaside.h"

/** In a storage directory. Nobody takes what is in it for a recording: those are in folders of days. */
#define QUARANTINE_FOLDER "quarantine"

/** So many blocks of an interface are kept, the newest ones. */
#define QUARANTINE_BLOCKS_MAX 16u

/** A block that killed its workers. */
struct quarantine_block {
	enum setaside_state state;
	uint32_t bytes;
	uint32_t packets;
	uint32_t recorded; ///< of these, in a recording
	uint32_t snaplen;
	uint64_t position;
	struct setaside_parts parts;
	struct fancap_inplace_plan plan; ///< of one that was rewritten, or partly so
};

/**
 * Worker: set a block aside, in a file of the folder "quarantine" of a storage directory: a developer may want to look into it,
 * `fancapctl recover` gets packets out of it. Older ones go. That it was given up is logged in any case, and if there is no file
 * of it, why. Copies bytes only. Waits for the disk.
 *
 * @param folder the interface's, in the directory
 */
void quarantine_store(const struct recorder_params *params, const char *folder, const struct quarantine_block *block);

#endif
