// SPDX-License-Identifier: BSD-3-Clause
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "common/standard_fds.h"
#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/recovery.h"
#include "daemon/supervisor.h"

enum { EXIT_USAGE = 2 };

struct options {
	const char *config; ///< NULL: the default
	const char *check;  ///< only check this one
	bool dump;
	bool recover;
	char *const *paths; ///< to be recovered
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"check-config", required_argument, NULL, 'k'},
	{"dump-config", no_argument, NULL, 'd'},
	{"recover", no_argument, NULL, 'r'},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static void print_usage(FILE *out)
{
	fprintf(out, "Usage: fancapd [--config FILE] [--dump-config]\n"
		     "       fancapd --check-config FILE\n"
		     "       fancapd --recover PATH...\n"
		     "\n"
		     "Record the packets of network interfaces to pcapng files.\n"
		     "\n"
		     "  -c, --config FILE        read FILE instead of " CONFIG_DEFAULT_PATH "\n"
		     "      --check-config FILE  say what is wrong with FILE, and do nothing else\n"
		     "      --dump-config        print the effective configuration, and do nothing else\n"
		     "      --recover            finish recordings (*.pcapng.part below folders, or files) that were never\n"
		     "                           finished, but for those being written, and do nothing else\n"
		     "  -V, --version            print version and features\n"
		     "  -h, --help               print this text\n"
		     "\n"
		     "SIGTERM and SIGINT record what is in the rings, finish the files and end fancapd.\n"
		     "SIGHUP reads the configuration again.\n"
		     "\n"
		     "Exit status: 0 stopped as told or all recovered, 1 failed, 2 wrong usage, 78 wrong configuration.\n");
}

/* @return -1 to go on, or the exit status */
static int parse_options(int argc, char **argv, struct options *ret)
{
	int option;

	while ((option = getopt_long(argc, argv, "c:Vh", long_options, NULL)) != -1) {
		switch (option) {
		case 'c': ret->config = optarg; break;
		case 'k': ret->check = optarg; break;
		case 'd': ret->dump = true; break;
		case 'r': ret->recover = true; break;
		case 'V':
			printf("fancapd %s\nfeatures: %s\n", PACKAGE_VERSION, FANCAP_FEATURES);
			return EXIT_SUCCESS;
		case 'h': print_usage(stdout); return EXIT_SUCCESS;
		default: fprintf(stderr, "Try 'fancapd --help'.\n"); return EXIT_USAGE;
		}
	}
	if ((ret->check || ret->recover) && !!ret->check + !!ret->config + ret->dump + ret->recover > 1) {
		fprintf(stderr, "fancapd: --%s goes with no other option\nTry 'fancapd --help'.\n",
			ret->check ? "check-config" : "recover");
		return EXIT_USAGE;
	}
	ret->paths = argv + optind;
	if (ret->recover && optind == argc) {
		fprintf(stderr, "fancapd: --recover of what?\nTry 'fancapd --help'.\n");
		return EXIT_USAGE;
	}
	if (!ret->recover && optind < argc) {
		fprintf(stderr, "fancapd: unexpected argument '%s'\nTry 'fancapd --help'.\n", argv[optind]);
		return EXIT_USAGE;
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct options options = {0};
	const char *path = CONFIG_DEFAULT_PATH;
	struct config *config;
	int status;

	standard_fds_open();
	status = parse_options(argc, argv, &options);
	if (status >= 0)
		return status;
	if (options.recover)
		return recovery_run(options.paths);
	if (options.check || options.config)
		path = options.check ? options.check : options.config;
	if (config_load(path, stderr, &config) < 0)
		return EX_CONFIG;
	if (options.dump)
		status = config_dump(config, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	else if (options.check)
		status = EXIT_SUCCESS;
	if (status >= 0) {
		config_free(config);
		return status;
	}
	log_init(config->log.level);
	return supervisor_run(path, config);
}
