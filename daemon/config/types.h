// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_CONFIG_TYPES_H
#define DAEMON_CONFIG_TYPES_H

#include "daemon/config/schema.h"

extern const struct config_type config_type_integer;  ///< min to max
extern const struct config_type config_type_workers;  ///< min to max, or `auto`: 0
extern const struct config_type config_type_bool;
extern const struct config_type config_type_word;     ///< one of words
extern const struct config_type config_type_fanout;   ///< enum fancap_fanout_mode
extern const struct config_type config_type_program;  ///< default, an absolute path or an expression; not empty
extern const struct config_type config_type_size;     ///< bytes
extern const struct config_type config_type_duration; ///< ms
extern const struct config_type config_type_interval; ///< ns, fitting into the day evenly
extern const struct config_type config_type_device;   ///< a network interface's name
extern const struct config_type config_type_filter;   ///< a libpcap expression
extern const struct config_type config_type_path;     ///< absolute; at most max bytes
extern const struct config_type config_type_free;     ///< up to CONFIG_FREE_PERCENT_MAX percent; above that bytes
extern const struct config_type config_type_user;     ///< a user that there is, or nothing
extern const struct config_type config_type_group;    ///< a group that there is, or nothing

#endif
