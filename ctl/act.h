// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_ACT_H
#define CTL_ACT_H

#include "ctl/command.h"

/* The commands that act: rows of the table in commands.c. */
enum ctl_exit run_rotate(const struct ctl *ctl, const struct arguments *arguments);
enum ctl_exit run_reload(const struct ctl *ctl, const struct arguments *arguments);

#endif
