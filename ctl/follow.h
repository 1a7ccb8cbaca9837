// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_FOLLOW_H
#define CTL_FOLLOW_H

#include "ctl/command.h"

/* What goes on until Ctrl-C: answer after answer is printed as it comes. */
enum ctl_exit run_events(const struct ctl *ctl, const struct arguments *arguments);
extern const struct option_row events_options[];

/** statistics --watch SECONDS */
enum ctl_exit watch_statistics(const struct ctl *ctl, const struct arguments *arguments, unsigned interval_ms);

#endif
