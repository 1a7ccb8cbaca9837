// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/snapshot.h"

#include "daemon/capture.h"
#include "daemon/clock.h"
#include "daemon/statistics.h"

static void count_interface(const struct capture *capture, struct statistics_interface *ret)
{
	const struct ring_set *device = capture_device(capture);

	ret->name = capture->name;
	ret->state = device == NULL ? INTERFACE_MISSING : capture->up ? INTERFACE_UP : INTERFACE_DOWN;
	ret->device = device != NULL ? capture->device : NULL;
	ret->ifindex = device != NULL ? device->link.ifindex : 0;
	ret->fanout_id = device != NULL ? device->group.id : 0;
	ret->has_nic = capture->has_nic;
	ret->nic = capture->nic;
	ret->fanout_mode = fancap_fanout_mode_name(capture->config->fanout.mode);
	for (unsigned i = 0; i < ret->n_workers; i++)
		capture_count(capture, i, &ret->workers[i]);
}

/* Counters go on where an earlier fancapd left off. */
static uint64_t capturing_since(const struct snapshot_scope *scope)
{
	uint64_t since_ns = scope->started_ns;

	for (const struct capture *capture = scope->captures->first; capture != NULL; capture = capture->next) {
		for (const struct ring_set *set = capture->sets; set != NULL; set = set->next)
			since_ns = set->created_ns < since_ns ? set->created_ns : since_ns;
	}
	return since_ns;
}

struct statistics *snapshot_take(const struct snapshot_scope *scope)
{
	struct statistics *stats = statistics_new(scope->captures->n);
	struct statistics_interface *interface;

	if (stats == NULL)
		return NULL;
	stats->time_ns = clock_realtime_ns();
	stats->started_ns = capturing_since(scope);
	interface = stats->interfaces;
	for (const struct capture *capture = scope->captures->first; capture != NULL; capture = capture->next, interface++) {
		if (statistics_interface_alloc(interface, capture_workers(capture)) < 0) {
			statistics_free(stats);
			return NULL;
		}
		count_interface(capture, interface);
	}
	statistics_sum(stats);
	return stats;
}
