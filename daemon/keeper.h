// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_KEEPER_H
#define DAEMON_KEEPER_H

#include "daemon/active.h"
#include "daemon/config.h"
#include "daemon/finish.h"
#include "daemon/storage_status.h"

/** What may change while it runs. */
struct keeper_settings {
	struct config_retain retain;
	uint32_t sync_interval_ms; ///< 0: never
	enum config_compress compress;
};

/** What the storage keeper inherits, and all it keeps. */
struct keeper_params {
	const char *const *directories;
	size_t n_directories;
	struct ledger *const *ledgers; ///< of every worker there is
	size_t n_ledgers;
	struct finish_owner owner;
	struct storage_page *page;
	struct keeper_settings settings;
	int mailbox_fd; ///< to read
	int channel_fd; ///< to the supervisor
};

/**
 * The storage keeper's life, from fork to exit: finish what workers have written, sync what they write, hold the budget,
 * compress. Ends when nobody is left who could post to its mailbox, and all of that is finished. Call in a child process, with
 * every signal blocked; pass the result to _exit().
 *
 * It may be killed at any instant: what it was about lies in the folders, and the next one finds it.
 *
 * It is confined to the folders that the directories are when it starts (Landlock). When one of them is another one later,
 * it ends, for a replacement that may use it.
 *
 * @return 0 all is finished; 1 failed, or a directory is another one (said in the log)
 */
int keeper_run(const struct keeper_params *params);

#endif
