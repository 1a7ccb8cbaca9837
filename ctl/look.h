// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_LOOK_H
#define CTL_LOOK_H

#include <jansson.h>

#include "ctl/command.h"

/* The commands that look: rows of the table in commands.c. */
enum ctl_exit run_status(const struct ctl *ctl, const struct arguments *arguments);
enum ctl_exit run_statistics(const struct ctl *ctl, const struct arguments *arguments);
extern const struct option_row statistics_options[];
enum ctl_exit run_interfaces(const struct ctl *ctl, const struct arguments *arguments);
enum ctl_exit run_config(const struct ctl *ctl, const struct arguments *arguments);
enum ctl_exit run_workers(const struct ctl *ctl, const struct arguments *arguments);
enum ctl_exit run_version(const struct ctl *ctl, const struct arguments *arguments);

/** One of ListInterfaces. That there is none of the name is said. @param ret_interface set on CTL_OK; the caller's to drop */
enum ctl_exit get_interface(const struct ctl *ctl, const char *name, json_t **ret_interface);

#endif
