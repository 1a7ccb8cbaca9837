// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/waiting.h"

#include <errno.h>
#include <stdlib.h>

#include <event2/event.h>

static void waiting_free(struct waiting *waiting)
{
	struct waiting **at = waiting->list;

	while (*at != waiting)
		at = &(*at)->next;
	*at = waiting->next;
	event_free(waiting->limit);
	if (waiting->drop != NULL)
		waiting->drop(waiting);
	free(waiting);
}

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	waiting_over(arg, &(struct control_outcome){.workers = 1});
}

int waiting_begin(struct waiting *waiting, struct waiting **list, struct event_base *base, unsigned limit_ms,
		  struct control_job *job)
{
	const struct timeval limit = {.tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000};

	waiting->limit = evtimer_new(base, on_limit, waiting);
	if (waiting->limit == NULL || evtimer_add(waiting->limit, &limit) < 0) {
		if (waiting->limit != NULL)
			event_free(waiting->limit);
		free(waiting);
		return -ENOMEM;
	}
	waiting->job = job;
	waiting->next = NULL;
	waiting->list = list;
	while (*list != NULL)
		list = &(*list)->next;
	*list = waiting;
	return 0;
}

void waiting_over(struct waiting *waiting, const struct control_outcome *outcome)
{
	struct control_job *job = waiting->job;

	waiting_free(waiting);
	job->over(job, outcome);
}

void waiting_forget(struct waiting **list, const struct control_job *job)
{
	struct waiting *waiting = *list;

	while (waiting != NULL && waiting->job != job)
		waiting = waiting->next;
	if (waiting != NULL)
		waiting_free(waiting);
}

void waiting_done(struct waiting **list)
{
	while (*list != NULL)
		waiting_free(*list);
}
