// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "ctl/ctl.h"

/** Run a command: argv[0] is its name. Says on ctl->err what went wrong. */
enum ctl_exit commands_run(const struct ctl *ctl, int argc, char **argv);

/** The part of --help that is about commands and exit codes. */
void commands_help(FILE *out);

/** "fancapctl 0.1.0" and the features of this build. */
void commands_print_version(FILE *out);

#endif
