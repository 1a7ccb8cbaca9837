// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_IDENTITY_H
#define DAEMON_IDENTITY_H

#include <sys/types.h>

#include "daemon/config.h"
#include "fancap/error.h"

/** The user that a daemon started by root is to be. */
struct identity {
	const char *user; ///< borrowed from the configuration; NULL: whoever we are already
	uid_t uid;	  ///< (uid_t)-1 without a user
	gid_t gid;	  ///< (gid_t)-1 without a user
};

/**
 * Look the configured user and group up.
 *
 * @return 0; -ENOENT there is no such user or group; -EPERM we are somebody else, and not root
 */
int identity_find(const struct config *config, struct identity *ret, struct fancap_error *err);

/**
 * Become the user, for good, and all processes we make as well. Storage directories that are missing are made first and
 * given to it: it may not be able to make them. Of root's capabilities those are left that opening sockets and rings may
 * take; those about files only if finished files are to be given away (storage.owner, storage.group).
 *
 * Does nothing without a user. Files are opened as the user from here on, the configuration at a reload as well.
 *
 * @return 0 or -errno
 */
int identity_assume(const struct identity *identity, const struct config *config, struct fancap_error *err);

/**
 * All is open that the configuration asks for: keep CAP_NET_RAW only, for rings and filters to come, and what the storage
 * keepers to come need. Does nothing without a user.
 *
 * @param keepers a mask
 * @return 0 or -errno
 */
int identity_settle(const struct identity *identity, uint64_t keepers, struct fancap_error *err);

#endif
