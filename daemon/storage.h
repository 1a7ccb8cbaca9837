// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_STORAGE_H
#define DAEMON_STORAGE_H

#include "daemon/capture.h"
#include "daemon/config.h"
#include "daemon/process.h"
#include "daemon/segments.h"
#include "daemon/storage_status.h"

struct keeper_settings;

/** The storage keeper as the supervisor sees it: its process, its mailbox, what it says of itself. */
struct storage {
	struct process process;
	const struct config *config;
	const struct captures *captures;
	struct finish_owner owner;
	struct storage_page *page;
	bool renewing; ///< it was told to leave for a replacement
	struct segments segments; ///< what it is asked about files
	int mailbox_fds[2]; ///< to read, to write; -1: closed
};

/**
 * Make what the keeper and the workers share. All workers post to mailbox_fds[1].
 *
 * @param config borrowed, until storage_configure() or storage_close()
 * @param ret    storage_close() ends it in any case
 * @return 0 or -errno: recordings are to be given to somebody that we may not give them to, say
 */
int storage_open(const struct config *config, struct event_base *base, struct storage *ret,
		 struct fancap_error *err);

/** Fork the keeper. @param captures borrowed: all there are. @return 0 or -errno */
int storage_start(struct storage *storage, const struct captures *captures);

/** Go over to another configuration, and tell the keeper. */
void storage_configure(struct storage *storage, const struct config *config);

/**
 * There are other sets of rings than when the keeper was forked: have it replaced by one that knows them. Otherwise their
 * files would be in nobody's ledger, and those of a worker that is being replaced would be taken for left behind.
 */
void storage_renew(struct storage *storage);

/** It has left as it was told to. @return whether for good; if not, its replacement has been started */
bool storage_left(struct storage *storage);

/** No worker is left or will be: the keeper finishes what it has and leaves. */
void storage_stop(struct storage *storage);

/** Whether it was told so: no worker posts to it any more. */
bool storage_is_stopping(const struct storage *storage);

/** How far it has come, in no unit: it gets on as long as this changes. */
uint64_t storage_progress(const struct storage *storage);

/** What it says of itself. */
void storage_read(const struct storage *storage, struct storage_status *ret);

/** An all-zero one is fine. */
void storage_close(struct storage *storage);

#endif
