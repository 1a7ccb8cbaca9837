// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/handover.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/child.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/ringset.h"

/* From the gates' opening to the decision: the kernel begins to stamp early by a work queue, and says nothing of it. */
#define OVERLAP_MS 50u
/* From the decision to its instant: all workers have to have been told before it. */
#define AHEAD_MS 50u
/* After the instant: what was stamped before it arrives. */
#define LATE_MS 50u
/* From the gates' closing to the last look at the kernel's counters. */
#define SETTLE_MS 20u

struct pair {
	struct ring_set *from, *to;
};

struct handover {
	struct handover_owner owner;
	struct event *timer;
	struct pair *pairs;
	size_t n;
	size_t step;
	bool decided;
	uint64_t cut_ns; /* CLOCK_REALTIME */
};

static void publish_begin(struct ring_set *set, uint64_t begin_ns)
{
	for (unsigned i = 0; i < set->n; i++)
		ledger_set_begin(set->rings[i].ledger, begin_ns);
}

/* What has been seen so far is the old set's. */
static void publish_end(struct ring_set *set, uint64_t end_ns)
{
	for (unsigned i = 0; i < set->n; i++) {
		struct statistics_counters counters = {0};

		ring_set_count(set, i, &counters);
		ledger_set_floor(set->rings[i].ledger, counters.packets_seen - counters.packets_dropped);
		ledger_set_end(set->rings[i].ledger, end_ns);
	}
}

/* --- step by step ------------------------------------------------------------------------------------------------- */

static void decide(struct handover *h)
{
	h->cut_ns = clock_realtime_ns() + AHEAD_MS * UINT64_C(1000000);
	/* New sets first: with one of these told it is decided, whoever has to go on with it. */
	for (size_t i = 0; i < h->n; i++) {
		if (h->pairs[i].to != NULL)
			publish_begin(h->pairs[i].to, h->cut_ns);
	}
	for (size_t i = 0; i < h->n; i++) {
		if (h->pairs[i].to != NULL)
			publish_end(h->pairs[i].from, h->cut_ns);
	}
	if (clock_realtime_ns() >= h->cut_ns)
		log_warning("new rings took over late: packets of some milliseconds may be recorded twice");
	for (size_t i = 0; i < h->n; i++) {
		if (h->pairs[i].to != NULL)
			h->pairs[i].to->coming = false;
	}
	h->decided = true;
	h->owner.decided(h->owner.arg);
}

/* Drops before the instant are the old sets' losses, drops after it the new ones'. */
static void separate_drops(struct handover *h)
{
	for (size_t i = 0; i < h->n; i++) {
		if (h->pairs[i].to == NULL)
			continue;
		ring_set_read_kernel_all(h->pairs[i].from);
		ring_set_read_kernel_all(h->pairs[i].to);
	}
}

static void close_gates(struct handover *h)
{
	bool set_back = clock_realtime_ns() < h->cut_ns;

	if (set_back)
		log_warning("the clock was set back while new rings took over: packets may be recorded twice");
	for (size_t i = 0; i < h->n; i++) {
		if (set_back && h->pairs[i].to != NULL)
			publish_begin(h->pairs[i].to, 0);
		ring_set_gate_close(h->pairs[i].from);
	}
}

static void finish(struct handover *h)
{
	for (size_t i = 0; i < h->n; i++) {
		struct pair *pair = &h->pairs[i];

		if (pair->to != NULL) {
			ring_set_mark(pair->to);
			ring_set_stamp_as_configured(pair->to);
		}
		pair->from->gone = true;
		children_drain(pair->from);
	}
	h->owner.over(h->owner.arg);
}

static const struct {
	unsigned after_ms;
	void (*act)(struct handover *h);
} steps[] = {
	{OVERLAP_MS, decide},
	{AHEAD_MS, separate_drops},
	{LATE_MS, close_gates},
	{SETTLE_MS, finish},
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

static void wait_for_step(struct handover *h)
{
	const struct timeval wait = {.tv_usec = (suseconds_t)steps[h->step].after_ms * 1000};

	evtimer_add(h->timer, &wait);
}

static void on_step(evutil_socket_t fd, short what, void *arg)
{
	struct handover *h = arg;
	size_t step = h->step++;

	(void)fd;
	(void)what;
	/* Before the act: the last one may free this. */
	if (h->step < STEPS)
		wait_for_step(h);
	steps[step].act(h);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

struct handover *handover_new(struct event_base *base, const struct handover_owner *owner)
{
	struct handover *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->owner = *owner;
	h->timer = evtimer_new(base, on_step, h);
	if (h->timer == NULL) {
		free(h);
		return NULL;
	}
	return h;
}

int handover_add(struct handover *h, struct ring_set *from, struct ring_set *to)
{
	struct pair *pairs = reallocarray(h->pairs, h->n + 1, sizeof(*pairs));
	int r = 0;

	if (pairs == NULL)
		return -ENOMEM;
	h->pairs = pairs;
	if (to != NULL)
		r = ring_set_stamp_early(from);
	if (to != NULL && r == 0)
		r = ring_set_stamp_early(to);
	if (r < 0) {
		ring_set_stamp_as_configured(from);
		return r;
	}
	if (to != NULL)
		publish_begin(to, LEDGER_CUT_UNDECIDED);
	h->pairs[h->n++] = (struct pair){from, to};
	return 0;
}

void handover_begin(struct handover *h)
{
	wait_for_step(h);
}

void handover_free(struct handover *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; !h->decided && i < h->n; i++) {
		if (h->pairs[i].to != NULL)
			ring_set_stamp_as_configured(h->pairs[i].from);
	}
	event_free(h->timer);
	free(h->pairs);
	free(h);
}
