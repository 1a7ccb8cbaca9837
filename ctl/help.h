// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_HELP_H
#define CTL_HELP_H

#include <stdio.h>

#include "ctl/command.h"

/** All commands, options and exit codes. */
void help_all(FILE *out);

/** What one command does and takes. */
void help_command(FILE *out, const struct command *command);

/** What an exit status means. */
const char *help_exit_text(enum ctl_exit status);

/** "fancapctl 0.1.0" and the features of this build. */
void help_version(FILE *out);

#endif
