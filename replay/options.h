// SPDX-License-Identifier: BSD-3-Clause
#ifndef REPLAY_OPTIONS_H
#define REPLAY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/program_options.h"
#include "fancap/error.h"
#include "replay/speed.h"

/** What the program exits with; ended by a signal: 128 and its number. */
enum replay_exit {
	REPLAY_OK = 0,	   ///< the files are sent to their ends
	REPLAY_FAILED = 1, ///< a damaged file, an interface that is no good, nothing to send
	REPLAY_USAGE = 2,
	REPLAY_SIGNAL = 128,
};

#define OPTIONS_THREADS_MAX 256u

enum options_action { OPTIONS_REPLAY, OPTIONS_HELP, OPTIONS_VERSION };

struct options {
	enum options_action action;
	struct speed speed;
	uint64_t loops; ///< 0: until stopped
	bool preload;
	unsigned threads; ///< more than 1: with preload, at top speed only
	bool force; ///< although it is the default route
	bool qdisc;
	bool json;
	const char *filter; ///< or NULL
	const char *const *paths;
	size_t n_paths;
	const char *interface;
};

extern const struct program_option replay_options[];

/** Read the command line, whose strings are kept. @return 0, or -EINVAL: err says why, or is empty: getopt_long() did */
int options_parse(int argc, char **argv, struct options *ret, struct fancap_error *err);

void options_print_help(FILE *out);

#endif
