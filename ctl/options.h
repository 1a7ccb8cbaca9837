// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_OPTIONS_H
#define CTL_OPTIONS_H

#include "ctl/command.h"
#include "ctl/ctl.h"

/** The options of all commands; they may stand before and after the command's name. */
extern const struct option_row global_options[];

/** Whether a row of global_options is for this command: not all are about an interface. */
bool option_is_taken(const struct option_row *row, const struct command *command);

/** What was asked for instead of a command. */
enum options_wish { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION };

/**
 * Parse global options up to the first word that is none.
 *
 * @param[in,out] ctl what they set
 * @param ret_next    set on CTL_OK: the index of that word in argv
 * @param ret_wish    set on CTL_OK
 * @return CTL_OK, or CTL_USAGE: said on ctl->err
 */
enum ctl_exit options_parse_global(struct ctl *ctl, int argc, char **argv, int *ret_next, enum options_wish *ret_wish);

/**
 * Parse what follows: global options and those of a command, in any order with its words.
 *
 * @param argv    argv[0] is the command's name; the words are moved to the end
 * @param ret     set on CTL_OK: points into argv
 */
enum ctl_exit options_parse_command(struct ctl *ctl, const struct command *command, int argc, char **argv,
				    struct arguments *ret, enum options_wish *ret_wish);

#endif
