// SPDX-License-Identifier: BSD-3-Clause
#ifndef EXPORTER_OPTIONS_H
#define EXPORTER_OPTIONS_H

#include <stdio.h>
#include <sys/socket.h>

#include "common/program_options.h"
#include "exporter/hosts.h"
#include "fancap/error.h"

enum exporter_action {
	EXPORTER_SERVE,
	EXPORTER_HELP,
	EXPORTER_VERSION,
	EXPORTER_METRICS, ///< print the table of metrics
};

/** The command line. */
struct exporter_options {
	enum exporter_action action;
	struct sockaddr_storage listen;
	int listen_len;
	const char *socket; ///< of fancapd; borrowed from argv, as names are
	struct hosts hosts;
	unsigned patience_ms; ///< with one request and its answer over HTTP
};

/** All there are, for parser, help and manual. */
extern const struct program_option exporter_option_rows[];

/**
 * Read the command line, with getopt_long(): optind has to be 1, or 0 for another time.
 *
 * @return 0; -EINVAL, and err says why, unless getopt_long() has said so on stderr itself
 */
int exporter_options_parse(int argc, char **argv, struct exporter_options *ret, struct fancap_error *err);

void exporter_options_print_help(FILE *out);

#endif
