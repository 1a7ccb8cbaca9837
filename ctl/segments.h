// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_SEGMENTS_H
#define CTL_SEGMENTS_H

#include "ctl/command.h"

/* Commands about recorded files: rows of the table in commands.c. */
enum ctl_exit run_segments(const struct ctl *ctl, const struct arguments *arguments);
enum ctl_exit run_hold(const struct ctl *ctl, const struct arguments *arguments);
enum ctl_exit run_release(const struct ctl *ctl, const struct arguments *arguments);

extern const struct option_row segments_options[];
extern const struct option_row hold_options[];

#endif
