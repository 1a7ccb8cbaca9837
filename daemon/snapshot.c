// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/snapshot.h"

#include "daemon/capture.h"
#include "daemon/child.h"
#include "daemon/clock.h"
#include "daemon/statistics.h"

static void count_interface(const struct snapshot_scope *scope, size_t index, size_t first_child,
			    struct statistics_interface *ret)
{
	struct capture *capture = &scope->captures[index];
	const struct capture *device = capture_device(capture);

	ret->name = capture->config->name;
	ret->state = device == NULL ? INTERFACE_MISSING : capture->up ? INTERFACE_UP : INTERFACE_DOWN;
	ret->device = device != NULL ? capture->device : NULL;
	ret->ifindex = device != NULL ? device->link.ifindex : 0;
	ret->fanout_id = device != NULL ? device->group.id : 0;
	ret->has_nic = capture->has_nic;
	ret->nic = capture->nic;
	ret->fanout_mode = fancap_fanout_mode_name(capture->config->fanout.mode);
	for (unsigned i = 0; i < ret->n_workers; i++) {
		const struct child *child = &scope->children[first_child + i];

		capture_count(capture, i, &ret->workers[i]);
		ret->workers[i].counters.worker_restarts = child->restarts_before + child->process.restarts;
		if (capture_has_rings(capture))
			ledger_set_restarts(capture->rings[i].ledger, ret->workers[i].counters.worker_restarts);
		ret->workers[i].pid = child->process.pid;
		if (child->process.pid == 0 && child->process.finished)
			ret->workers[i].state = WORKER_WAITING;
		else if (process_is_degraded(&child->process))
			ret->workers[i].state = WORKER_DEGRADED;
		else
			ret->workers[i].state = child->process.pid != 0 ? WORKER_RUNNING : WORKER_RESTARTING;
	}
}

/* Counters go on where an earlier fancapd left off. */
static uint64_t capturing_since(const struct snapshot_scope *scope)
{
	uint64_t since_ns = scope->started_ns;

	for (size_t i = 0; i < scope->n_captures; i++) {
		uint64_t created_ns;

		if (!capture_has_rings(&scope->captures[i]))
			continue;
		created_ns = ledger_ring(scope->captures[i].rings[0].ledger)->created_ns;
		if (created_ns < since_ns)
			since_ns = created_ns;
	}
	return since_ns;
}

struct statistics *snapshot_take(const struct snapshot_scope *scope)
{
	struct statistics *stats = statistics_new(scope->n_captures);
	size_t child = 0;

	if (stats == NULL)
		return NULL;
	stats->time_ns = clock_realtime_ns();
	stats->started_ns = capturing_since(scope);
	for (size_t i = 0; i < scope->n_captures; i++) {
		const unsigned workers = scope->captures[i].config->workers;

		if (statistics_interface_alloc(&stats->interfaces[i], workers) < 0) {
			statistics_free(stats);
			return NULL;
		}
		count_interface(scope, i, child, &stats->interfaces[i]);
		child += workers;
	}
	statistics_sum(stats);
	return stats;
}
