// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <jansson.h>

#include "ctl/ctl.h"

/**
 * Call a method of the daemon, and wait for its answer for ctl->timeout_ms at most.
 *
 * What goes wrong is said on ctl->err, but for CTL_NOT_RUNNING: client_say_not_running() says that, if it matters.
 *
 * @param parameters     an object or NULL; stays the caller's
 * @param ret_parameters set on CTL_OK only: an object; the caller drops it with json_decref()
 */
enum ctl_exit client_call(const struct ctl *ctl, const char *method, json_t *parameters,
			  json_t **ret_parameters);

void client_say_not_running(const struct ctl *ctl);

#endif
