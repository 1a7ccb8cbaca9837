// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_RELOAD_H
#define DAEMON_RELOAD_H

#include <stddef.h>

struct captures;
struct config;

enum reload_result {
	RELOAD_DONE,
	RELOAD_INVALID,	      ///< the configuration is wrong
	RELOAD_NEEDS_RESTART, ///< it is right, but asks for what takes new rings, processes or sockets
	RELOAD_UNAVAILABLE,   ///< not now: starting, stopping, out of memory
};

/** How a reload went. */
struct reload_report {
	enum reload_result result;
	char *reasons; ///< why it was refused, one a line; owned, NULL: none, or no memory
};

void reload_report_done(struct reload_report *report);

/**
 * Read the configuration again and go over to it: all of it, or, if any of it is wrong or needs new rings, none. Either
 * is logged.
 *
 * What may change: filter, snaplen, rotation, retention, sync-interval, compression, log level. The rest takes a restart,
 * and is refused.
 *
 * @param captures   those of the current configuration; they refer to the new one after success
 * @param ret_report always set; ended with reload_report_done()
 * @return the new configuration, owned by the caller, who then tells the workers; NULL: nothing changed
 */
struct config *reload(const char *path, const struct config *current, const struct captures *captures,
		      struct reload_report *ret_report);

#endif
