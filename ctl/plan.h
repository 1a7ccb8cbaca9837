// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_PLAN_H
#define CTL_PLAN_H

#include "ctl/command.h"

/* plan: what is said of it, its options, and what runs it. The daemon is not asked. */
extern const char plan_details[];
extern const struct option_row plan_options[];
enum ctl_exit run_plan(const struct ctl *ctl, const struct arguments *arguments);

#endif
