// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/snapshot.h"

#include <stdio.h>
#include <string.h>

#include "daemon/capture.h"
#include "daemon/child.h"
#include "daemon/clock.h"
#include "daemon/control.h"
#include "daemon/segment.h"
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

/* --- what is not counted ---------------------------------------------------------------------------------------- */

static const char *link_type_name(enum fancap_linktype linktype)
{
	switch (linktype) {
	case FANCAP_LINKTYPE_ETHERNET: return "EN10MB";
	case FANCAP_LINKTYPE_RAW: return "RAW";
	case FANCAP_LINKTYPE_LINUX_SLL2: return "LINUX_SLL2";
	}
	return NULL;
}

static const char *timestamps_name(const struct capture *device, const struct config_interface *config)
{
	if (device != NULL && device->hardware_timestamps)
		return "hardware";
	return config->timestamps == CONFIG_TIMESTAMPS_SOFTWARE ? "software" : "kernel";
}

/* Of the rings that packets go into. */
static void describe_device(const struct capture *device, struct control_interface *ret)
{
	const struct tpacket_req3 *req = &device->geometry.req;

	ret->link_type = link_type_name(device->link.linktype);
	ret->mtu = device->link.mtu;
	ret->speed_bits = (uint64_t)device->link.speed_mbit * 1000000u;
	ret->ring_bytes = (uint64_t)req->tp_block_nr * req->tp_block_size;
	ret->ring_blocks = req->tp_block_nr;
	ret->block_bytes = req->tp_block_size;
	ret->block_timeout_ms = req->tp_retire_blk_tov;
	ret->stall_ns = capture_stall_ns(device, SNAPSHOT_PACKET_BYTES);
}

void snapshot_interface(const struct snapshot_scope *scope, size_t interface, struct control_interface *ret)
{
	struct capture *capture = &scope->captures[interface];
	const struct config_interface *config = capture->config;
	const struct capture *device = capture_device(capture);

	*ret = (struct control_interface){
		.snaplen = config->snaplen,
		.filter = capture->settings.filter,
		.filter_configured = config->filter,
		.timestamps = timestamps_name(device, config),
		.promiscuous = config->promiscuous,
		.folders = (const char *const *)capture->folders,
		.n_folders = capture->n_folders,
	};
	if (device != NULL)
		describe_device(device, ret);
}

static const struct child *find_child(const struct snapshot_scope *scope, size_t interface, unsigned worker)
{
	const struct child *child = scope->children;

	for (size_t i = 0; i < interface; i++)
		child += scope->captures[i].config->workers;
	return child + worker;
}

/* It is younger than its process is old, if a dead one was the last to say so. */
static uint64_t heartbeat_age(const struct child *child, const struct ledger *ledger)
{
	uint64_t beat = ledger_heartbeat_ns(ledger), now = clock_monotonic_ns();

	if (beat < child->process.started_ns)
		beat = child->process.started_ns;
	return now > beat ? now - beat : 0;
}

void snapshot_worker(const struct snapshot_scope *scope, size_t interface, unsigned worker, struct control_worker *ret)
{
	const struct capture *capture = &scope->captures[interface];
	struct ledger *ledger;

	*ret = (struct control_worker){0};
	if (!capture_has_rings(capture))
		return;
	ledger = capture->rings[worker].ledger;
	ret->heartbeat_ns = heartbeat_age(find_child(scope, interface, worker), ledger);
	ret->has_segment = active_read(ledger, &ret->segment);
	if (ret->has_segment)
		strncat(ret->segment.path, SEGMENT_PART, sizeof(ret->segment.path) - strlen(ret->segment.path) - 1);
}
