// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_LOOK_H
#define CTL_LOOK_H

#include "ctl/command.h"

/* The commands that look: rows of the table in commands.c. */
enum ctl_exit run_status(const struct ctl *ctl, const struct arguments *arguments);
enum ctl_exit run_statistics(const struct ctl *ctl, const struct arguments *arguments);
enum ctl_exit run_workers(const struct ctl *ctl, const struct arguments *arguments);
enum ctl_exit run_version(const struct ctl *ctl, const struct arguments *arguments);

#endif
