// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "ctl/command.h"
#include "ctl/ctl.h"

/** All commands, in the order of --help; the last one's name is NULL. */
extern const struct command commands[];

/** @return NULL: there is no such command */
const struct command *command_find(const char *name);

/** Run a command: argv[0] is its name. Says on ctl->err what went wrong. */
enum ctl_exit commands_run(const struct ctl *ctl, int argc, char **argv);

#endif
