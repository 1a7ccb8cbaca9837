// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_MAILBOX_H
#define DAEMON_MAILBOX_H

#include <limits.h>
#include <stdint.h>

/*
 * From the workers to the storage keeper: one socket pair, made before any of them is forked. All workers write to the
 * one end, the keeper reads from the other; the supervisor holds both, so that either side may be replaced. Neither end
 * ever blocks: a message that does not fit is lost, and the keeper finds out what it was about by looking at the
 * folders.
 *
 * When everybody who could write is gone the keeper sees the end.
 */

enum mailbox_type {
	/**
	 * The segment PATH.part is complete and closed: finish it. Whoever posts this has taken the segment out of its
	 * ledger before: between the two nobody but the keeper may touch the file.
	 */
	MAILBOX_FINISH,
	MAILBOX_FULL, ///< there is no room in this directory: make some now
};

struct mailbox_message {
	uint32_t type; ///< enum mailbox_type
	uint64_t bytes; ///< FINISH: of the file; what is behind (preallocated) is cut off
	char path[PATH_MAX]; ///< absolute. FINISH: the final name; FULL: one of storage.directories, or anything in it
};

/** @param ret_fds the end to read from, and the one to write to; close-on-exec. @return 0 or -errno */
int mailbox_open(int ret_fds[2]);

/** @return 0, or -errno: -EAGAIN there is no room, -EPIPE nobody will ever read it */
int mailbox_post(int fd, const struct mailbox_message *message);

/** @return 1, 0 nobody is left to write, -EAGAIN nothing there, -EBADMSG not a message of ours, -errno */
int mailbox_take(int fd, struct mailbox_message *ret);

#endif
