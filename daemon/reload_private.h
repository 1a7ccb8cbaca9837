// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_RELOAD_PRIVATE_H
#define DAEMON_RELOAD_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/reload.h"

struct config_interface;

/** Read and validate. @return NULL: refused */
struct config *reload_load(const char *path, struct reload_report *report);

/** Say so in the log and in the report. @param reasons one a line */
void reload_refuse(struct reload_report *report, enum reload_result result, const char *reasons);

/** @return the interface of this name, or NULL */
const struct config_interface *reload_find_interface(const struct config *config, const char *name);

/** Whether an option differs that a set of rings is made with. */
bool reload_needs_rings(const struct config_interface *a, const struct config_interface *b);

/** Whether an option differs that processes or sockets have been started with, and which. */
bool reload_needs_restart(const struct config *old, const struct config *new, char *ret_why, size_t size);

#endif
