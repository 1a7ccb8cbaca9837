// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_COMPLETE_H
#define CTL_COMPLETE_H

#include "ctl/command.h"

/**
 * What may stand in the place of the last word, which may be empty or begun: commands, options, and what the tables and the
 * daemon have for their values. One a line on ctl->out, a tab and what it is behind it; or ":files", for any file.
 *
 * @param words those after the program's name; n of them, 1 at least
 */
void complete(const struct ctl *ctl, int n, char *const *words);

/** The command completion: prints a shell's script, which calls `fancapctl __complete WORD...`. */
enum ctl_exit run_completion(const struct ctl *ctl, const struct arguments *arguments);

#endif
