// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include <stdbool.h>

#include "common/program_options.h"

#define DAEMON_EXIT_USAGE 2

/** What the command line of fancapd said. */
struct daemon_options {
	const char *config; ///< NULL: the default
	const char *check;  ///< only check this one
	bool dump;
	bool recover;
	char *const *paths; ///< to be recovered
};

extern const struct program_option daemon_options[];

/**
 * Read the command line, whose strings are kept. What is wrong is said; --help and --version are answered.
 *
 * @return -1 to go on, or the exit status
 */
int daemon_options_parse(int argc, char **argv, struct daemon_options *ret);

#endif
