// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/standard_fds.h"
#include "replay/replay.h"

static volatile int stop;

/* A signal may come after a look at `stop` and before the read behind that has begun: so there is always another. */
static void on_signal(int number)
{
	if (number != SIGALRM)
		stop = number;
	alarm(1);
}

/* Not restarting: a read from a pipe or a sleep ends. */
static void catch_signals(void)
{
	const struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
}

int main(int argc, char **argv)
{
	struct fancap_error err = {""};
	struct options options;
	int status;

	standard_fds_open();
	if (options_parse(argc, argv, &options, &err) < 0) {
		if (err.text[0] != '\0')
			fprintf(stderr, "fancap-replay: %s\n", err.text);
		fprintf(stderr, "Usage: fancap-replay [OPTION]... FILE... IFACE; see fancap-replay --help\n");
		return REPLAY_USAGE;
	}
	switch (options.action) {
	case OPTIONS_HELP: options_print_help(stdout); return REPLAY_OK;
	case OPTIONS_VERSION:
		printf("fancap-replay %s\nfeatures: %s\n", PACKAGE_VERSION, FANCAP_FEATURES);
		return REPLAY_OK;
	case OPTIONS_REPLAY: break;
	}
	catch_signals();
	status = replay_run(&options, &stop, stdout, stderr);
	if (fflush(stdout) == 0)
		return status;
	fprintf(stderr, "fancap-replay: the report cannot be written: %s\n", strerror(errno));
	return status != REPLAY_OK ? status : REPLAY_FAILED;
}
