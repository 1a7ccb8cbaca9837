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

static enum interface_state state_of(const struct capture *capture, const struct ring_set *device)
{
	if (device == NULL)
		return INTERFACE_MISSING;
	if (capture->paused)
		return INTERFACE_PAUSED;
	return capture->up ? INTERFACE_UP : INTERFACE_DOWN;
}

static void count_interface(const struct capture *capture, struct statistics_interface *ret)
{
	const struct ring_set *device = capture_device(capture);

	ret->name = capture->name;
	ret->state = state_of(capture, device);
	ret->device = device != NULL ? capture->device : NULL;
	ret->ifindex = device != NULL ? device->link.ifindex : 0;
	ret->fanout_id = device != NULL ? device->group.id : 0;
	ret->has_nic = capture->has_nic;
	ret->nic = capture->nic;
	ret->fanout_mode = fancap_fanout_mode_name(capture->config->fanout.mode);
	for (unsigned i = 0; i < ret->n_workers; i++)
		capture_count(capture, i, &ret->workers[i]);
	past_sum(capture->past, (unsigned)ret->n_workers, &ret->past);
}

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

/* Counters go on where an earlier fancapd left off. */
static uint64_t capturing_since(const struct snapshot_scope *scope)
{
	uint64_t since_ns = earlier(scope->started_ns, past_since(scope->captures->removed));

	for (const struct capture *capture = scope->captures->first; capture != NULL; capture = capture->next) {
		since_ns = earlier(since_ns, past_since(capture->past));
		for (const struct ring_set *set = capture->sets; set != NULL; set = set->next)
			since_ns = earlier(since_ns, set->created_ns);
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
	past_sum(scope->captures->removed, 0, &stats->past);
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

static const char *timestamps_name(const struct ring_set *device, const struct config_interface *config)
{
	if (device != NULL && device->hardware_timestamps)
		return "hardware";
	return config->timestamps == CONFIG_TIMESTAMPS_SOFTWARE ? "software" : "kernel";
}

/* Of the rings that packets go into. */
static void describe_device(const struct ring_set *device, struct control_interface *ret)
{
	const struct tpacket_req3 *req = &device->geometry.req;

	ret->link_type = link_type_name(device->link.linktype);
	ret->mtu = device->link.mtu;
	ret->speed_bits = (uint64_t)device->link.speed_mbit * 1000000u;
	ret->ring_bytes = (uint64_t)req->tp_block_nr * req->tp_block_size;
	ret->ring_blocks = req->tp_block_nr;
	ret->block_bytes = req->tp_block_size;
	ret->block_timeout_ms = req->tp_retire_blk_tov;
	ret->stall_ns = ring_set_stall_ns(device, SNAPSHOT_PACKET_BYTES);
}

static const struct capture *find_capture(const struct snapshot_scope *scope, size_t interface)
{
	const struct capture *capture = scope->captures->first;

	while (interface-- > 0)
		capture = capture->next;
	return capture;
}

void snapshot_interface(const struct snapshot_scope *scope, size_t interface, struct control_interface *ret)
{
	const struct capture *capture = find_capture(scope, interface);
	const struct config_interface *config = capture->config;
	const struct ring_set *device = capture_device(capture);

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
	const struct ring_set *set = find_capture(scope, interface)->sets;
	struct ledger *ledger;

	*ret = (struct control_worker){0};
	while (set != NULL && (worker >= set->n || set->coming || set->children == NULL))
		set = set->next;
	if (set == NULL)
		return;
	ledger = set->rings[worker].ledger;
	ret->heartbeat_ns = heartbeat_age(&set->children[worker], ledger);
	ret->has_segment = active_read(ledger, &ret->segment);
	if (ret->has_segment)
		strncat(ret->segment.path, SEGMENT_PART, sizeof(ret->segment.path) - strlen(ret->segment.path) - 1);
}
