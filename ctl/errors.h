// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_ERRORS_H
#define CTL_ERRORS_H

#include <jansson.h>
#include <stdio.h>

#include "ctl/ctl.h"

/** Say an error that the daemon answered, in words if it is one that people need not know the name of. */
enum ctl_exit error_say(FILE *err, const char *name, json_t *parameters);

#endif
