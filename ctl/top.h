// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_TOP_H
#define CTL_TOP_H

#include "ctl/command.h"

/* top: what is said of it, and what runs it. */
extern const char top_details[];
enum ctl_exit run_top(const struct ctl *ctl, const struct arguments *arguments);

#endif
