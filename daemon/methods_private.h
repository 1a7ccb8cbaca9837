// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_METHODS_PRIVATE_H
#define DAEMON_METHODS_PRIVATE_H

#include "daemon/methods.h"

/*
 * The methods, by what they are about. Those that answer at once are `run` in their row of the table in methods.c, the
 * others `begin`. Parameters have been checked: they are known, of the right type, and those required are there.
 */
struct statistics;
struct statistics_interface;
struct statistics_worker;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))

/* --- pieces of answers --- */

/** The answer is an error with one parameter. @param value taken over */
void method_error(struct method_reply *reply, const char *error, const char *key, json_t *value);
void method_unavailable(struct method_reply *reply, const char *reason);

/** NULL: none of that name. */
const struct statistics_interface *method_interface_find(const struct statistics *stats, const char *name);

/** null for what only a device has. */
json_t *method_number_or_null(bool has, json_int_t number);
json_t *method_device_name(const struct statistics_interface *iface);

/** How a worker writes. */
const char *method_writer_name(const struct statistics_worker *worker);
json_t *method_direct_io(const struct statistics_worker *worker);

/** Of a syslog priority. */
const char *method_log_level_name(int level);

/* --- methods_statistics.c, methods_status.c --- */
bool methods_get_statistics(const struct control_source *source, json_t *parameters, struct method_wait *wait,
			    struct method_reply *ret_reply);
void methods_get_status(const struct control_source *source, json_t *parameters, struct method_reply *ret_reply);
void methods_list_interfaces(const struct control_source *source, json_t *parameters, struct method_reply *ret_reply);
void methods_list_workers(const struct control_source *source, json_t *parameters, struct method_reply *ret_reply);
void methods_get_configuration(const struct control_source *source, json_t *parameters,
			       struct method_reply *ret_reply);

/* --- methods_events.c --- */
bool methods_events(const struct control_source *source, json_t *parameters, struct method_wait *wait,
		    struct method_reply *ret_reply);

/* --- methods_segments.c --- */
bool methods_list_segments(const struct control_source *source, json_t *parameters, struct method_wait *wait,
			   struct method_reply *ret_reply);
bool methods_hold(const struct control_source *source, json_t *parameters, struct method_wait *wait,
		  struct method_reply *ret_reply);
bool methods_release(const struct control_source *source, json_t *parameters, struct method_wait *wait,
		     struct method_reply *ret_reply);

/* --- methods_act.c --- */
bool methods_reload(const struct control_source *source, json_t *parameters, struct method_wait *wait,
		    struct method_reply *ret_reply);
bool methods_restart_worker(const struct control_source *source, json_t *parameters, struct method_wait *wait,
			    struct method_reply *ret_reply);
void methods_pause(const struct control_source *source, json_t *parameters, struct method_reply *ret_reply);
void methods_resume(const struct control_source *source, json_t *parameters, struct method_reply *ret_reply);
void methods_set_filter(const struct control_source *source, json_t *parameters, struct method_reply *ret_reply);
void methods_set_log_level(const struct control_source *source, json_t *parameters, struct method_reply *ret_reply);
bool methods_rotate(const struct control_source *source, json_t *parameters, struct method_wait *wait,
		    struct method_reply *ret_reply);

#endif
