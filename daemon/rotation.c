// SPDX-License-Identifier: BSD-3-Clause
/*
 * Rotations are numbered, and a worker does them in order: having done one it has done all before it. So what a worker
 * owes is known from two numbers, however many rotations are under way.
 */
#include "daemon/rotation.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct rotation {
	struct rotations *rotations;
	struct rotation *next;
	struct control_job *job;
	const struct captures *captures;
	const struct capture *capture; /* NULL: of all */
	uint64_t number;
	struct event *limit;
};

static bool is_of(const struct rotation *rotation, const struct child *child)
{
	return rotation->capture == NULL || rotation->capture == child->set->capture;
}

/* One that has left as ordered has finished its file in any case. One that came later was not told. */
static bool owes(const struct rotation *rotation, const struct child *child)
{
	return is_of(rotation, child) && child->rotation_told >= rotation->number &&
	       child->rotation_done < rotation->number && !child->process.finished;
}

/* How many have done it, and how many have not. */
static void count(const struct rotation *rotation, unsigned *ret_done, unsigned *ret_owing)
{
	const struct child *child = NULL;

	*ret_done = *ret_owing = 0;
	while ((child = captures_next_child(rotation->captures, child)) != NULL) {
		if (owes(rotation, child))
			++*ret_owing;
		else if (is_of(rotation, child))
			++*ret_done;
	}
}

static void rotation_free(struct rotation *rotation)
{
	struct rotation **at = &rotation->rotations->first;

	while (*at != rotation)
		at = &(*at)->next;
	*at = rotation->next;
	event_free(rotation->limit);
	free(rotation);
}

static void rotation_over(struct rotation *rotation, unsigned done, unsigned owing)
{
	const struct control_outcome outcome = {.in_time = owing == 0, .workers = owing == 0 ? done : owing};
	struct control_job *job = rotation->job;

	rotation_free(rotation);
	job->over(job, &outcome);
}

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
	unsigned done, owing;

	(void)fd;
	(void)what;
	count(arg, &done, &owing);
	rotation_over(arg, done, owing);
}

static struct rotation *rotation_new(struct rotations *rotations, struct event_base *base)
{
	struct rotation *rotation = calloc(1, sizeof(*rotation));

	if (rotation == NULL)
		return NULL;
	rotation->limit = evtimer_new(base, on_limit, rotation);
	if (rotation->limit == NULL) {
		free(rotation);
		return NULL;
	}
	rotation->rotations = rotations;
	rotation->next = rotations->first;
	rotations->first = rotation;
	return rotation;
}

int rotations_begin(struct rotations *rotations, struct event_base *base, const struct captures *captures,
		    const char *interface, unsigned limit_ms, struct control_job *job)
{
	const struct capture *capture = interface != NULL ? captures_find(captures, interface) : NULL;
	struct timeval limit = {.tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000};
	struct child *child = NULL;
	struct rotation *rotation;
	unsigned done, owing;

	if (interface != NULL && capture == NULL)
		return -ENODEV;
	rotation = rotation_new(rotations, base);
	if (rotation == NULL)
		return -ENOMEM;
	rotation->job = job;
	rotation->captures = captures;
	rotation->capture = capture;
	rotation->number = ++rotations->number;
	while ((child = captures_next_child(captures, child)) != NULL) {
		if (is_of(rotation, child))
			child_rotate(child, rotation->number);
	}
	count(rotation, &done, &owing);
	/* Never over within this call. */
	evtimer_add(rotation->limit, owing > 0 ? &limit : &(struct timeval){0});
	return 0;
}

void rotations_check(struct rotations *rotations)
{
	unsigned done, owing;

	/* A job's end may begin another, or end one: look again from the start. */
	for (struct rotation *rotation = rotations->first; rotation != NULL;) {
		count(rotation, &done, &owing);
		if (owing > 0) {
			rotation = rotation->next;
			continue;
		}
		rotation_over(rotation, done, 0);
		rotation = rotations->first;
	}
}

void rotations_forget(struct rotations *rotations, struct control_job *job)
{
	struct rotation *rotation = rotations->first;

	while (rotation != NULL && rotation->job != job)
		rotation = rotation->next;
	if (rotation != NULL)
		rotation_free(rotation);
}

void rotations_done(struct rotations *rotations)
{
	while (rotations->first != NULL)
		rotation_free(rotations->first);
}
