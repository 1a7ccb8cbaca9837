// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_ACT_H
#define CTL_ACT_H

#include "ctl/command.h"

/* The commands that act: rows of the table in commands.c. */
enum ctl_exit run_rotate(const struct ctl *ctl, const struct arguments *arguments);
enum ctl_exit run_reload(const struct ctl *ctl, const struct arguments *arguments);
enum ctl_exit run_filter(const struct ctl *ctl, const struct arguments *arguments);
enum ctl_exit run_pause(const struct ctl *ctl, const struct arguments *arguments);
enum ctl_exit run_resume(const struct ctl *ctl, const struct arguments *arguments);
enum ctl_exit run_restart_worker(const struct ctl *ctl, const struct arguments *arguments);
enum ctl_exit run_log_level(const struct ctl *ctl, const struct arguments *arguments);

extern const struct option_row filter_options[];
extern const char *const log_levels[]; ///< ends with NULL

#endif
