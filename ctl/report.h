// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_REPORT_H
#define CTL_REPORT_H

#include <jansson.h>
#include <stdio.h>

/**
 * Print what a method of the daemon returned, for people.
 *
 * Nothing is printed if something is missing in it, or of a wrong type.
 *
 * @param ret_missing set on -EBADMSG: what is missing, static
 * @return 0, -EBADMSG the answer is not what doc/io.fancap.varlink says, -ENOMEM
 */
int report_status(json_t *status, FILE *out, const char **ret_missing);
int report_statistics(json_t *statistics, FILE *out, const char **ret_missing);
int report_workers(json_t *answer, FILE *out, const char **ret_missing);
int report_interfaces(json_t *answer, FILE *out, const char **ret_missing);
int report_segments(json_t *answer, FILE *out, const char **ret_missing);
int report_held(json_t *answer, FILE *out, const char **ret_missing);
int report_released(json_t *answer, FILE *out, const char **ret_missing);
int report_event(json_t *event, FILE *out, const char **ret_missing);
int report_configuration(json_t *answer, FILE *out, const char **ret_missing);
int report_rotation(json_t *answer, FILE *out, const char **ret_missing);
int report_filter(json_t *answer, FILE *out, const char **ret_missing);
int report_paused(json_t *answer, FILE *out, const char **ret_missing);
int report_resumed(json_t *answer, FILE *out, const char **ret_missing);
int report_restart(json_t *answer, FILE *out, const char **ret_missing);
int report_log_level(json_t *answer, FILE *out, const char **ret_missing);
int report_log_level_set(json_t *answer, FILE *out, const char **ret_missing);
int report_reload(json_t *answer, FILE *out, const char **ret_missing);

#endif
