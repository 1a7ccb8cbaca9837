// SPDX-License-Identifier: BSD-3-Clause
#include <getopt.h>
#include <stdlib.h>

#include "ctl/commands.h"
#include "ctl/ctl.h"

#define TIMEOUT_MAX_S 86400.0

/** An option: one row for parser and help. */
struct option_row {
	struct option option;
	const char *argument;
	const char *help;
};

enum {
	OPTION_SOCKET,
	OPTION_JSON,
	OPTION_TIMEOUT,
	OPTION_INTERFACE,
	OPTION_OUTPUT,
	OPTION_HELP,
	OPTION_VERSION,
	OPTIONS
};

static const struct option_row options[OPTIONS] = {
	[OPTION_SOCKET] = { { "socket", required_argument, NULL, 's' }, "PATH",
			    "the daemon's socket; default: " CTL_DEFAULT_SOCKET },
	[OPTION_JSON] = { { "json", no_argument, NULL, 'j' }, NULL, "JSON for programs, exact numbers" },
	[OPTION_TIMEOUT] = { { "timeout", required_argument, NULL, 't' }, "SECONDS",
			     "how long to wait for the daemon; default: 10" },
	[OPTION_INTERFACE] = { { "interface", required_argument, NULL, 'i' }, "NAME",
			       "for this interface only, as the argument INTERFACE" },
	[OPTION_OUTPUT] = { { "output", required_argument, NULL, 'o' }, "FILE", "recover: what to write" },
	[OPTION_HELP] = { { "help", no_argument, NULL, 'h' }, NULL, "print this" },
	[OPTION_VERSION] = { { "version", no_argument, NULL, 'V' }, NULL, "print version and features" },
};

_Static_assert(CTL_DEFAULT_TIMEOUT_MS == 10000, "say so in the help");

static enum ctl_exit print_help(void)
{
	printf("Usage: fancapctl [OPTION]... COMMAND\n\n"
	       "Asks fancapd, the packet capture daemon, how it is doing, and tells it what to do.\n\n");
	commands_help(stdout);
	printf("\nOptions:\n");
	for (size_t i = 0; i < OPTIONS; i++) {
		char usage[64];

		snprintf(usage, sizeof(usage), "-%c, --%s%s%s", options[i].option.val, options[i].option.name,
			 options[i].argument ? " " : "", options[i].argument ? options[i].argument : "");
		printf("  %-24s%s\n", usage, options[i].help);
	}
	return CTL_OK;
}

static enum ctl_exit usage(void)
{
	fprintf(stderr, "Usage: fancapctl [OPTION]... COMMAND; see fancapctl --help\n");
	return CTL_USAGE;
}

static bool timeout_parse(const char *text, unsigned *ret_ms)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0.001 && seconds <= TIMEOUT_MAX_S)) {
		fprintf(stderr, "fancapctl: --timeout '%s' is no number of seconds from 0.001 to %g\n", text,
			TIMEOUT_MAX_S);
		return false;
	}
	*ret_ms = (unsigned)(seconds * 1000 + 0.5);
	return true;
}

int main(int argc, char **argv)
{
	struct ctl ctl = {
		.socket = CTL_DEFAULT_SOCKET,
		.timeout_ms = CTL_DEFAULT_TIMEOUT_MS,
		.out = stdout,
		.err = stderr,
	};
	struct option table[OPTIONS + 1] = { { 0 } };
	int option;

	for (size_t i = 0; i < OPTIONS; i++)
		table[i] = options[i].option;
	while ((option = getopt_long(argc, argv, "s:jt:i:o:hV", table, NULL)) != -1) {
		switch (option) {
		case 's':
			ctl.socket = optarg;
			break;
		case 'j':
			ctl.json = true;
			break;
		case 't':
			if (!timeout_parse(optarg, &ctl.timeout_ms))
				return CTL_USAGE;
			break;
		case 'i':
			ctl.interface = optarg;
			break;
		case 'o':
			ctl.output = optarg;
			break;
		case 'h':
			return print_help();
		case 'V':
			commands_print_version(stdout);
			return CTL_OK;
		default:
			return usage();
		}
	}
	if (optind == argc)
		return usage();
	return commands_run(&ctl, argc - optind, argv + optind);
}
