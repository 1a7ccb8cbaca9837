// SPDX-License-Identifier: BSD-3-Clause
/* What a new configuration asks for, and whether it can be had. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/messages.h"
#include "daemon/reload_private.h"

void reload_report_done(struct reload_report *report)
{
	free(report->reasons);
	report->reasons = NULL;
}

/* Each line is a message of its own. */
static void log_reasons(const char *reasons)
{
	for (size_t n; *reasons != '\0'; reasons += n + (reasons[n] == '\n')) {
		n = strcspn(reasons, "\n");
		log_printf(LOG_ERR, MESSAGE_RELOAD_REFUSED, NULL, "reload refused, nothing has changed: %.*s", (int)n,
			   reasons);
	}
}

void reload_refuse(struct reload_report *report, enum reload_result result, const char *reasons)
{
	log_reasons(reasons);
	*report = (struct reload_report){result, strdup(reasons)};
}

struct config *reload_load(const char *path, struct reload_report *report)
{
	struct config *config = NULL;
	char *text = NULL;
	size_t size = 0;
	FILE *errors = open_memstream(&text, &size);

	if (errors == NULL) {
		reload_refuse(report, RELOAD_UNAVAILABLE, "out of memory");
		return NULL;
	}
	if (config_load(path, errors, &config) < 0)
		config = NULL;
	fclose(errors);
	if (config == NULL)
		reload_refuse(report, RELOAD_INVALID, text);
	free(text);
	return config;
}

bool reload_needs_rings(const struct config_interface *a, const struct config_interface *b)
{
	return a->workers != b->workers || a->fanout.mode != b->fanout.mode ||
	       a->fanout.defragment != b->fanout.defragment || a->fanout.rollover != b->fanout.rollover ||
	       strcmp(a->fanout.program, b->fanout.program) != 0 || a->ring.size_bytes != b->ring.size_bytes ||
	       a->ring.block_bytes != b->ring.block_bytes || a->ring.block_timeout_ms != b->ring.block_timeout_ms ||
	       a->promiscuous != b->promiscuous || a->direction != b->direction || a->timestamps != b->timestamps ||
	       a->timestamps_fallback != b->timestamps_fallback;
}

const struct config_interface *reload_find_interface(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_interfaces; i++) {
		if (strcmp(config->interfaces[i].name, name) == 0)
			return &config->interfaces[i];
	}
	return NULL;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_directories(const struct config *a, const struct config *b)
{
	if (a->storage.n_directories != b->storage.n_directories)
		return false;
	for (size_t i = 0; i < a->storage.n_directories; i++) {
		if (strcmp(a->storage.directories[i], b->storage.directories[i]) != 0)
			return false;
	}
	return true;
}

/* Which option of storage differs that processes have been started with; NULL: none. */
static const char *storage_difference(const struct config *a, const struct config *b)
{
	if (!same_directories(a, b))
		return "directory";
	if (!same_text(a->storage.owner, b->storage.owner))
		return "owner";
	if (!same_text(a->storage.group, b->storage.group))
		return "group";
	return NULL;
}

bool reload_needs_restart(const struct config *old, const struct config *new, char *ret_why, size_t size)
{
	const char *storage = storage_difference(old, new);

	if (storage != NULL) {
		snprintf(ret_why, size, "storage.%s takes a restart", storage);
		return true;
	}
	if (!same_text(old->user, new->user) || !same_text(old->group, new->group)) {
		snprintf(ret_why, size, "user and group take a restart");
		return true;
	}
	if (strcmp(old->control.socket, new->control.socket) != 0) {
		snprintf(ret_why, size, "control.socket takes a restart");
		return true;
	}
	return false;
}
