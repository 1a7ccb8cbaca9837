// SPDX-License-Identifier: BSD-3-Clause
#ifndef TESTS_UNIT_CTL_RUN_H
#define TESTS_UNIT_CTL_RUN_H

#include "ctl/ctl.h"

/** What a command of fancapctl said and how it ended. */
struct ctl_run {
	enum ctl_exit exit;
	char *out, *err;
};

/** Run a command line, its words apart by single blanks, against a daemon at a socket. Release it with ctl_run_done(). */
struct ctl_run ctl_run_at(const char *socket, const char *line);
void ctl_run_done(struct ctl_run *run);

/** Run it where there is no daemon, and assert what comes out on stdout and stderr, to the letter. */
void assert_ctl_run(const char *line, enum ctl_exit exit, const char *out, const char *err);

#endif
