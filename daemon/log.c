// SPDX-License-Identifier: BSD-3-Clause
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "daemon/log.h"

#define TEXT_MAX 1024

static void stderr_sink(const struct log_message *message, void *arg);
static void journal_sink(const struct log_message *message, void *arg);

/* A process has one log. */
static struct {
	int level;
	log_sink_fn sink, tap;
	void *arg, *tap_arg;
} the_log = {.level = LOG_INFO, .sink = stderr_sink};

/* systemd says in $JOURNAL_STREAM which file stderr was when it connected it to the journal. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_init(int level)
{
	the_log.level = level;
	the_log.sink = stderr_is_journal() ? journal_sink : stderr_sink;
	the_log.arg = NULL;
}

void log_set_level(int level)
{
	the_log.level = level;
}

int log_level(void)
{
	return the_log.level;
}

bool log_enabled(int level)
{
	return level <= the_log.level;
}

void log_set_sink(log_sink_fn sink, void *arg)
{
	the_log.sink = sink;
	the_log.arg = arg;
}

void log_set_tap(log_sink_fn tap, void *arg)
{
	the_log.tap = tap;
	the_log.tap_arg = arg;
}

void log_emit(const struct log_message *message)
{
	if (the_log.tap != NULL && message->message_id != NULL)
		the_log.tap(message, the_log.tap_arg);
	if (log_enabled(message->level))
		the_log.sink(message, the_log.arg);
}

static const char *level_name(int level)
{
	switch (level) {
	case LOG_WARNING: return "warning: ";
	case LOG_DEBUG: return "debug: ";
	case LOG_INFO:
	case LOG_NOTICE: return "";
	default: return "error: ";
	}
}

/* "eth0: worker 3: ", as far as the context says. */
static void context_prefix(const struct log_context *context, char *ret, size_t size)
{
	ret[0] = '\0';
	if (context->interface != NULL && context->worker >= 0)
		snprintf(ret, size, "%s: worker %d: ", context->interface, context->worker);
	else if (context->interface != NULL)
		snprintf(ret, size, "%s: ", context->interface);
}

static void stderr_sink(const struct log_message *message, void *arg)
{
	char line[TEXT_MAX + 128], prefix[64];
	int n;

	(void)arg;
	context_prefix(&message->context, prefix, sizeof(prefix));
	n = snprintf(line, sizeof(line), "fancapd: %s%s%s\n", level_name(message->level), prefix,
		     message->text);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line))
		n = (int)sizeof(line) - 1;
	/* One write a line, so that lines of several processes do not mix. Nobody to tell if it fails. */
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

struct journal_entry {
	struct iovec fields[8];
	int n;
	char buffer[TEXT_MAX + 512];
	size_t used;
};

static void __attribute__((format(printf, 2, 3)))
journal_field(struct journal_entry *entry, const char *format, ...)
{
	char *start = entry->buffer + entry->used;
	size_t room = sizeof(entry->buffer) - entry->used;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(start, room, format, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n >= room)
		n = (int)room - 1;
	entry->fields[entry->n++] = (struct iovec){.iov_base = start, .iov_len = (size_t)n};
	entry->used += (size_t)n;
}

static void journal_sink(const struct log_message *message, void *arg)
{
	struct journal_entry entry = {.n = 0};
	char prefix[64];

	(void)arg;
	context_prefix(&message->context, prefix, sizeof(prefix));
	journal_field(&entry, "PRIORITY=%d", message->level);
	journal_field(&entry, "SYSLOG_IDENTIFIER=fancapd");
	if (message->message_id != NULL)
		journal_field(&entry, "MESSAGE_ID=%s", message->message_id);
	if (message->context.interface != NULL)
		journal_field(&entry, "INTERFACE=%s", message->context.interface);
	if (message->context.worker >= 0)
		journal_field(&entry, "WORKER=%d", message->context.worker);
	journal_field(&entry, "MESSAGE=%s%s", prefix, message->text);
	if (sd_journal_sendv(entry.fields, entry.n) < 0)
		stderr_sink(message, NULL);
}

void log_printf(int level, const char *message_id, const struct log_context *context,
		const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	if (!log_enabled(level) && (message_id == NULL || the_log.tap == NULL))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_emit(&(struct log_message){
		.level = level,
		.message_id = message_id,
		.context = context != NULL ? *context : (struct log_context){NULL, -1},
		.text = text,
	});
}
