// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <syslog.h>

/** What a message is about; becomes INTERFACE= and WORKER= in the journal and a prefix on stderr. */
struct log_context {
	const char *interface; ///< NULL: none
	int worker;	       ///< -1: none
};

/** One finished message on its way out. */
struct log_message {
	int level; ///< syslog priority
	const char *message_id; ///< 32 hex digits (MESSAGE_ID=), or NULL
	struct log_context context;
	const char *text; ///< no newline
};

typedef void (*log_sink_fn)(const struct log_message *message, void *arg);

/** Open the log: the journal when stderr is connected to it ($JOURNAL_STREAM), stderr otherwise. */
void log_init(int level);
/** Messages less urgent than this are dropped; where they are made, unless they have an id. */
void log_set_level(int level);
int log_level(void);
bool log_enabled(int level);

/** Send every message elsewhere, as a worker does through its channel. */
void log_set_sink(log_sink_fn sink, void *arg);

/** Show every message that has an id to somebody besides, whatever its level. NULL: nobody. */
void log_set_tap(log_sink_fn tap, void *arg);

/** Put a message out, through the sink, if it is urgent enough. */
void log_emit(const struct log_message *message);

void log_printf(int level, const char *message_id, const struct log_context *context,
		const char *format, ...) __attribute__((format(printf, 4, 5)));

#define log_debug(...) log_printf(LOG_DEBUG, NULL, NULL, __VA_ARGS__)
#define log_info(...) log_printf(LOG_INFO, NULL, NULL, __VA_ARGS__)
#define log_warning(...) log_printf(LOG_WARNING, NULL, NULL, __VA_ARGS__)
#define log_error(...) log_printf(LOG_ERR, NULL, NULL, __VA_ARGS__)

#endif
