// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_CHECK_H
#define CTL_CHECK_H

#include "ctl/command.h"

/* check: what is said of it, its options, and what runs it. */
extern const char check_details[];
extern const struct option_row check_options[];
enum ctl_exit run_check(const struct ctl *ctl, const struct arguments *arguments);

#endif
