// SPDX-License-Identifier: BSD-3-Clause
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/capture.h"
#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/messages.h"
#include "daemon/reload.h"

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

static void refuse(struct reload_report *report, enum reload_result result, const char *reasons)
{
	log_reasons(reasons);
	*report = (struct reload_report){result, strdup(reasons)};
}

static struct config *load(const char *path, struct reload_report *report)
{
	struct config *config = NULL;
	char *text = NULL;
	size_t size = 0;
	FILE *errors = open_memstream(&text, &size);

	if (errors == NULL) {
		refuse(report, RELOAD_UNAVAILABLE, "out of memory");
		return NULL;
	}
	if (config_load(path, errors, &config) < 0)
		config = NULL;
	fclose(errors);
	if (config == NULL)
		refuse(report, RELOAD_INVALID, text);
	free(text);
	return config;
}

/* Which option differs that takes a new ring, a new worker or a new socket; NULL: none. */
static const char *fixed_difference(const struct config_interface *a, const struct config_interface *b)
{
	if (a->workers != b->workers)
		return "workers";
	if (a->fanout.mode != b->fanout.mode || a->fanout.defragment != b->fanout.defragment ||
	    a->fanout.rollover != b->fanout.rollover ||
	    strcmp(a->fanout.program, b->fanout.program) != 0)
		return "fanout";
	if (a->ring.size_bytes != b->ring.size_bytes || a->ring.block_bytes != b->ring.block_bytes ||
	    a->ring.block_timeout_ms != b->ring.block_timeout_ms)
		return "ring";
	if (a->n_cpus != b->n_cpus ||
	    (a->n_cpus > 0 && memcmp(a->cpus, b->cpus, a->n_cpus * sizeof(a->cpus[0])) != 0))
		return "cpus";
	if (a->promiscuous != b->promiscuous)
		return "promiscuous";
	if (a->direction != b->direction)
		return "direction";
	if (a->timestamps != b->timestamps || a->timestamps_fallback != b->timestamps_fallback)
		return "timestamps";
	return NULL;
}

static const struct config_interface *find_interface(const struct config *config, const char *name)
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

static bool needs_restart(const struct config *old, const struct config *new, char *ret_why, size_t size)
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
	if (old->n_interfaces != new->n_interfaces) {
		snprintf(ret_why, size, "adding or removing interfaces takes a restart");
		return true;
	}
	for (size_t i = 0; i < old->n_interfaces; i++) {
		const struct config_interface *a = &old->interfaces[i], *b = find_interface(new, a->name);
		const char *option;

		if (b == NULL) {
			snprintf(ret_why, size, "adding or removing interfaces (%s) takes a restart", a->name);
			return true;
		}
		option = fixed_difference(a, b);
		if (option != NULL) {
			snprintf(ret_why, size, "%s: %s takes a restart", a->name, option);
			return true;
		}
	}
	return false;
}

/* All filters are compiled before the first is attached. */
static int compile_all(const struct config *config, const struct captures *captures, struct fancap_filter *filters,
		       struct reload_report *report)
{
	struct fancap_error err;

	for (const struct capture *capture = captures->first; capture != NULL; capture = capture->next) {
		if (capture_filter_compile(capture, find_interface(config, capture->name), filters++, &err) < 0) {
			refuse(report, RELOAD_INVALID, err.text);
			return -1;
		}
	}
	return 0;
}

static void attach_all(const struct config *config, const struct captures *captures, const struct fancap_filter *filters)
{
	struct fancap_error err;

	for (struct capture *capture = captures->first; capture != NULL; capture = capture->next) {
		/* From here on the kernel can only fail for want of memory; the interface keeps its old filter then. */
		if (capture_apply(capture, config, find_interface(config, capture->name), filters++, &err) < 0)
			log_error("%s", err.text);
	}
}

static int apply_all(const struct config *config, const struct captures *captures, struct reload_report *report)
{
	struct fancap_filter *filters = calloc(captures->n, sizeof(*filters));
	int r = -1;

	if (filters == NULL)
		refuse(report, RELOAD_UNAVAILABLE, "out of memory");
	else
		r = compile_all(config, captures, filters, report);
	if (r == 0)
		attach_all(config, captures, filters);
	for (size_t i = 0; filters != NULL && i < captures->n; i++)
		fancap_filter_done(&filters[i]);
	free(filters);
	return r;
}

struct config *reload(const char *path, const struct config *current, const struct captures *captures,
		      struct reload_report *ret_report)
{
	struct config *config;
	char why[256];

	*ret_report = (struct reload_report){RELOAD_DONE, NULL};
	config = load(path, ret_report);
	if (config == NULL)
		return NULL;
	if (needs_restart(current, config, why, sizeof(why))) {
		refuse(ret_report, RELOAD_NEEDS_RESTART, why);
		config_free(config);
		return NULL;
	}
	if (apply_all(config, captures, ret_report) < 0) {
		config_free(config);
		return NULL;
	}
	log_set_level(config->log.level);
	log_printf(LOG_NOTICE, MESSAGE_RELOADED, NULL, "configuration reloaded from %s", path);
	return config;
}
