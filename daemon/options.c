// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/options.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/config.h"

const struct program_option daemon_options[] = {
	{ { "config", required_argument, NULL, 'c' }, 'c', "FILE", "read FILE instead of " CONFIG_DEFAULT_PATH },
	{ { "check-config", required_argument, NULL, 'k' }, 0, "FILE", "say what is wrong with FILE, and do nothing else" },
	{ { "dump-config", no_argument, NULL, 'd' }, 0, NULL, "print the effective configuration, and do nothing else" },
	{ { "recover", no_argument, NULL, 'r' }, 0, NULL,
	  "finish recordings (*.pcapng.part below folders, or files) that were never\n"
	  "finished, but for those being written, and do nothing else" },
	{ { "version", no_argument, NULL, 'V' }, 'V', NULL, "print version and features" },
	{ { "help", no_argument, NULL, 'h' }, 'h', NULL, "print this text" },
	{ { NULL, 0, NULL, 0 }, 0, NULL, NULL },
};

static void print_usage(FILE *out)
{
	fprintf(out, "Usage: fancapd [--config FILE] [--dump-config]\n"
		     "       fancapd --check-config FILE\n"
		     "       fancapd --recover PATH...\n"
		     "\n"
		     "Record the packets of network interfaces to pcapng files.\n"
		     "\n");
	program_options_help(out, daemon_options, 24);
	fprintf(out, "\n"
		     "SIGTERM and SIGINT record what is in the rings, finish the files and end fancapd.\n"
		     "SIGHUP reads the configuration again.\n"
		     "\n"
		     "Exit status: 0 stopped as told or all recovered, 1 failed, 2 wrong usage, 78 wrong configuration.\n");
}

static int wrong_usage(void)
{
	fprintf(stderr, "Try 'fancapd --help'.\n");
	return DAEMON_EXIT_USAGE;
}

/* Rules between options, and what follows them. */
static int take_words(int argc, char **argv, struct daemon_options *ret)
{
	if ((ret->check || ret->recover) && !!ret->check + !!ret->config + ret->dump + ret->recover > 1) {
		fprintf(stderr, "fancapd: --%s goes with no other option\n", ret->check ? "check-config" : "recover");
		return wrong_usage();
	}
	ret->paths = argv + optind;
	if (ret->recover && optind == argc) {
		fprintf(stderr, "fancapd: --recover of what?\n");
		return wrong_usage();
	}
	if (!ret->recover && optind < argc) {
		fprintf(stderr, "fancapd: unexpected argument '%s'\n", argv[optind]);
		return wrong_usage();
	}
	return -1;
}

int daemon_options_parse(int argc, char **argv, struct daemon_options *ret)
{
	struct program_parser parser;
	int option;

	program_parser_init(&parser, daemon_options);
	while ((option = getopt_long(argc, argv, parser.letters, parser.table, NULL)) != -1) {
		switch (option) {
		case 'c': ret->config = optarg; break;
		case 'k': ret->check = optarg; break;
		case 'd': ret->dump = true; break;
		case 'r': ret->recover = true; break;
		case 'V':
			printf("fancapd %s\nfeatures: %s\n", PACKAGE_VERSION, FANCAP_FEATURES);
			return EXIT_SUCCESS;
		case 'h': print_usage(stdout); return EXIT_SUCCESS;
		default: return wrong_usage();
		}
	}
	return take_words(argc, argv, ret);
}
