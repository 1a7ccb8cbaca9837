// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_RELOAD_H
#define DAEMON_RELOAD_H

#include "daemon/capture.h"
#include "daemon/config.h"

/**
 * Read the configuration again and go over to it: all of it, or, if any of it is wrong or needs new rings, none.
 *
 * What may change: filter, snaplen, rotation, retention, sync-interval, compression, log level. The rest takes a restart, and is refused.
 *
 * @param captures those of the current configuration; they refer to the new one after success
 * @return the new configuration, owned by the caller, who then tells the workers; NULL: nothing changed (see the log)
 */
struct config *reload(const char *path, const struct config *current, struct capture *captures,
		      size_t n_captures);

#endif
