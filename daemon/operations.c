// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/operations.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/waiting.h"

int operations_pause(const struct captures *captures, const char *interface, bool pause, unsigned *ret_changed,
		     struct fancap_error *err)
{
	struct capture *only = interface != NULL ? captures_find(captures, interface) : NULL;

	*ret_changed = 0;
	if (interface != NULL && only == NULL)
		return -ENODEV;
	for (struct capture *capture = captures->first; capture != NULL; capture = capture->next) {
		int r;

		if ((only != NULL && capture != only) || capture->paused == pause)
			continue;
		r = capture_pause(capture, pause, err);
		if (r < 0)
			return r;
		++*ret_changed;
	}
	return 0;
}

int operations_filter(const struct captures *captures, const char *interface, const char *filter,
		      struct fancap_error *err)
{
	struct capture *capture = captures_find(captures, interface);
	struct ring_set *device;
	int r;

	if (capture == NULL)
		return -ENODEV;
	r = capture_filter(capture, filter != NULL ? filter : "", err);
	if (r < 0)
		return r;
	device = capture_device(capture);
	for (unsigned i = 0; device != NULL && device->children != NULL && i < device->n; i++)
		child_configure(&device->children[i]);
	return 0;
}

/* --- replacing a worker ---------------------------------------------------------------------------------------- */

/** Its set may be gone before there is a replacement: so it is known by its name. */
struct restart {
	struct waiting waiting; /* its first member */
	char interface[LINK_NAME_MAX];
	unsigned worker;
};

static struct child *find_child(const struct capture *capture, unsigned worker)
{
	const struct ring_set *set = capture->sets;

	while (set != NULL && (set->children == NULL || worker >= set->n))
		set = set->next;
	return set != NULL ? &set->children[worker] : NULL;
}

int operations_restart(struct waiting **restarts, struct event_base *base, const struct captures *captures,
		       const char *interface, unsigned worker, unsigned limit_ms, struct control_job *job)
{
	const struct capture *capture = captures_find(captures, interface);
	struct restart *restart;
	struct child *child;
	int r;

	if (capture == NULL)
		return -ENODEV;
	if (worker >= capture_workers(capture))
		return -ESRCH;
	child = find_child(capture, worker);
	if (child == NULL || child->process.finished || child->set->gone)
		return -EAGAIN;
	restart = calloc(1, sizeof(*restart));
	if (restart == NULL)
		return -ENOMEM;
	snprintf(restart->interface, sizeof(restart->interface), "%s", interface);
	restart->worker = worker;
	r = waiting_begin(&restart->waiting, restarts, base, limit_ms, job);
	if (r == 0)
		process_replace(&child->process);
	return r;
}

void operations_ready(struct waiting **restarts, const struct child *child)
{
	struct waiting *next;

	for (struct waiting *at = *restarts; at != NULL; at = next) {
		const struct restart *restart = (const struct restart *)at;

		next = at->next;
		if (restart->worker == child->worker && strcmp(restart->interface, child->set->capture->name) == 0)
			waiting_over(at, &(struct control_outcome){.in_time = true, .pid = child->process.pid});
	}
}
