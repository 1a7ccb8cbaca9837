// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/statistics.h"

#include <errno.h>
#include <stdlib.h>

static const char *const discard_reasons[DISCARD_REASONS] = {
	[DISCARD_DISK_FULL] = "disk_full",
	[DISCARD_DISK_ERROR] = "disk_error",
	[DISCARD_BAD_BLOCK] = "bad_block",
	[DISCARD_WORKER_CRASH] = "worker_crash",
};

static const char *const worker_states[] = {
	[WORKER_RUNNING] = "running",
	[WORKER_RESTARTING] = "restarting",
	[WORKER_DEGRADED] = "degraded",
	[WORKER_WAITING] = "waiting",
};

static const char *const interface_states[] = {
	[INTERFACE_UP] = "up",
	[INTERFACE_DEGRADED] = "degraded",
	[INTERFACE_DOWN] = "down",
	[INTERFACE_PAUSED] = "paused",
	[INTERFACE_MISSING] = "missing",
};

const char *discard_reason_name(enum discard_reason reason)
{
	return discard_reasons[reason];
}

const char *worker_state_name(enum worker_state state)
{
	return worker_states[state];
}

const char *interface_state_name(enum interface_state state)
{
	return interface_states[state];
}

struct statistics *statistics_new(size_t n_interfaces)
{
	struct statistics *stats = calloc(1, sizeof(*stats));

	if (!stats)
		return NULL;

	stats->interfaces = calloc(n_interfaces ? n_interfaces : 1, sizeof(*stats->interfaces));
	if (!stats->interfaces) {
		free(stats);
		return NULL;
	}
	stats->n_interfaces = n_interfaces;
	return stats;
}

int statistics_interface_alloc(struct statistics_interface *interface, size_t n_workers)
{
	struct statistics_worker *workers = calloc(n_workers ? n_workers : 1, sizeof(*workers));

	if (!workers)
		return -ENOMEM;

	for (size_t i = 0; i < n_workers; i++) {
		workers[i].worker = (unsigned)i;
		workers[i].state = WORKER_RUNNING;
		workers[i].cpu = -1;
	}
	free(interface->workers);
	interface->workers = workers;
	interface->n_workers = n_workers;
	return 0;
}

void statistics_free(struct statistics *stats)
{
	if (!stats)
		return;

	for (size_t i = 0; i < stats->n_interfaces; i++)
		free(stats->interfaces[i].workers);
	free(stats->interfaces);
	free(stats);
}

static void counters_derive(struct statistics_counters *c)
{
	uint64_t accounted;

	c->packets_discarded = 0;
	for (int i = 0; i < DISCARD_REASONS; i++)
		c->packets_discarded += c->discarded_by_reason[i];
	accounted = c->packets_written + c->packets_discarded;

	c->packets_delivered = c->packets_seen - c->packets_dropped;
	/* More accounted for than delivered would be a bug of ours: let it show, but not as 2^64 packets in the ring. */
	c->packets_in_ring = c->packets_delivered > accounted ? c->packets_delivered - accounted : 0;
}

static void counters_mean(struct statistics_counters *c)
{
	c->write_mean_ns = c->writes > 0 ? c->write_ns / c->writes : 0;
}

void statistics_counters_add(struct statistics_counters *sum, const struct statistics_counters *c)
{
	sum->packets_seen += c->packets_seen;
	sum->packets_dropped += c->packets_dropped;
	sum->packets_delivered += c->packets_delivered;
	sum->packets_written += c->packets_written;
	sum->packets_discarded += c->packets_discarded;
	for (int i = 0; i < DISCARD_REASONS; i++)
		sum->discarded_by_reason[i] += c->discarded_by_reason[i];
	sum->packets_in_ring += c->packets_in_ring;
	sum->bytes_written += c->bytes_written;
	sum->ring_freezes += c->ring_freezes;
	sum->ring_rollovers += c->ring_rollovers;
	sum->ring_rollovers_huge += c->ring_rollovers_huge;
	sum->ring_rollovers_failed += c->ring_rollovers_failed;
	sum->blocks_direct += c->blocks_direct;
	sum->blocks_staged += c->blocks_staged;
	sum->writes += c->writes;
	sum->write_ns += c->write_ns;
	if (c->write_max_ns > sum->write_max_ns)
		sum->write_max_ns = c->write_max_ns;
	sum->worker_restarts += c->worker_restarts;
}

/* Without packets there is nothing to share, be it evenly or not. */
static double flow_balance(const struct statistics_interface *interface)
{
	uint64_t all = 0, most = 0;

	for (size_t w = 0; w < interface->n_workers; w++) {
		all += interface->workers[w].counters.packets_seen;
		if (interface->workers[w].counters.packets_seen > most)
			most = interface->workers[w].counters.packets_seen;
	}
	return all > 0 ? (double)most / ((double)all / (double)interface->n_workers) : 0.0;
}

void statistics_sum(struct statistics *stats)
{
	counters_derive(&stats->past);
	stats->total = stats->past;

	for (size_t i = 0; i < stats->n_interfaces; i++) {
		struct statistics_interface *interface = &stats->interfaces[i];

		counters_derive(&interface->past);
		interface->counters = interface->past;
		for (size_t w = 0; w < interface->n_workers; w++) {
			if (interface->state == INTERFACE_UP && interface->workers[w].state != WORKER_RUNNING)
				interface->state = INTERFACE_DEGRADED;
			counters_derive(&interface->workers[w].counters);
			counters_mean(&interface->workers[w].counters);
			statistics_counters_add(&interface->counters, &interface->workers[w].counters);
		}
		counters_mean(&interface->counters);
		interface->flow_balance = flow_balance(interface);
		statistics_counters_add(&stats->total, &interface->counters);
	}
	counters_mean(&stats->total);
}
