// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stdio.h>

#define CTL_DEFAULT_SOCKET FANCAP_RUNSTATEDIR "/fancap/io.fancap"
#define CTL_DEFAULT_TIMEOUT_MS 10000U

/** How fancapctl ends: promised to scripts, in --help and the manual. */
enum ctl_exit {
	CTL_OK,
	CTL_FAILED,
	CTL_USAGE,
	CTL_NOT_RUNNING,
	CTL_DENIED,
	CTL_TIMEOUT,
	CTL_TOO_OLD,
	CTL_UNREACHABLE,
	CTL_EXITS
};

/** What the options said that all commands have. */
struct ctl {
	const char *socket; ///< NULL: the default
	const char *host;   ///< as ssh knows it; NULL: this machine
	unsigned timeout_ms; ///< for a whole command; of one that goes on, for the first answer
	bool json;
	const char *interface; ///< the only one asked for, NULL: all
	FILE *out; ///< what was asked for
	FILE *err; ///< why it cannot be had
};

#endif
