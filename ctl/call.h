// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_CALL_H
#define CTL_CALL_H

#include <jansson.h>

#include "ctl/ctl.h"
#include "varlink/interfaces.h"

/* What most commands do: call a method, print what it answers. */

/** As client_call(), but that the daemon is not running is said, too. method is e.g. "GetStatus". */
enum ctl_exit call(const struct ctl *ctl, const char *method, json_t *parameters, json_t **ret_answer);

/** Call a method for one interface, or (NULL) for all. */
enum ctl_exit call_for(const struct ctl *ctl, const char *method, const char *interface, json_t **ret_answer);

/** Prints an answer for people. @return 0, -EBADMSG: something is not there, see ret_missing; -ENOMEM */
typedef int report_fn(json_t *answer, FILE *out, const char **ret_missing);

/** Print an answer, as JSON or for people. @param answer taken over */
enum ctl_exit print_answer(const struct ctl *ctl, json_t *answer, report_fn *report);

/** Say that an answer is not what doc/io.fancap.varlink says. @return CTL_FAILED */
enum ctl_exit wrong_answer(const struct ctl *ctl, const char *missing);

#endif
