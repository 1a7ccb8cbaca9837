// SPDX-License-Identifier: BSD-3-Clause
/* Sets of rings that outlive the process that made them. */
#include "daemon/ringset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"

/* FNV-1a. */
uint64_t ring_set_shape(const struct config_interface *interface, const struct fancap_link *link)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	char text[512];

	snprintf(text, sizeof(text), "%u %d %d %d %d %d %d %d %.400s", interface->workers, (int)interface->fanout.mode,
		 interface->fanout.defragment, interface->fanout.rollover, interface->promiscuous,
		 (int)interface->direction, (int)interface->timestamps, (int)link->type,
		 interface->fanout.program != NULL ? interface->fanout.program : "");
	for (const char *p = text; *p != '\0'; p++)
		hash = (hash ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
	return hash;
}

struct ledger_ring ring_set_describe(const struct ring_set *set, unsigned worker)
{
	struct ledger_ring ring = {
		.ifindex = (uint32_t)set->link.ifindex,
		.worker = worker,
		.members = set->n,
		.fanout_id = set->group.id,
		.linktype = (uint32_t)set->link.linktype,
		.hardware_timestamps = set->hardware_timestamps,
		.shape = set->shape,
		.req = set->geometry.req,
		.reserve_bytes = set->geometry.reserve_bytes,
		.created_ns = set->created_ns,
	};

	snprintf(ring.interface, sizeof(ring.interface), "%s", set->interface);
	return ring;
}

const char *ring_set_misfit(const struct ring_set *set, const struct config_interface *interface,
			    const struct fancap_link *link)
{
	const struct fancap_ring_params params = {
		.size_bytes = interface->ring.size_bytes,
		.block_bytes = interface->ring.block_bytes,
		.block_timeout_ms = interface->ring.block_timeout_ms,
		.snaplen = interface->snaplen,
		.reserve_bytes = link->reserve_bytes,
	};
	struct fancap_geometry geometry;

	if (set->link.ifindex != link->ifindex || set->link.linktype != link->linktype || !ring_set_is_bound(set))
		return "the interface is another one now";
	if (fancap_geometry_plan(&params, &geometry, NULL) < 0 ||
	    memcmp(&set->geometry.req, &geometry.req, sizeof(geometry.req)) != 0 ||
	    set->geometry.reserve_bytes != geometry.reserve_bytes)
		return "the configuration wants other rings";
	if (set->n != interface->workers || set->shape != ring_set_shape(interface, link))
		return "the configuration wants another group";
	return NULL;
}

/* --- taking one over ------------------------------------------------------------------------------------------------ */

/* @return the ring of the same set that is a worker's, or NULL */
static struct store_ring *find_member(const struct store *store, const struct ledger_ring *set, unsigned worker)
{
	for (size_t i = 0; i < store->n; i++) {
		struct store_ring *ring = &store->rings[i];
		const struct ledger_ring *about = ledger_ring(ring->ledger);

		if (ring->ring_fd >= 0 && about->worker == worker && about->created_ns == set->created_ns &&
		    about->members == set->members && about->shape == set->shape &&
		    strcmp(about->interface, set->interface) == 0)
			return ring;
	}
	return NULL;
}

static void fill_from(struct ring_set *set, const struct ledger_ring *ring)
{
	set->created_ns = ring->created_ns;
	set->shape = ring->shape;
	set->hardware_timestamps = ring->hardware_timestamps != 0;
	set->link = (struct fancap_link){
		.ifindex = (int)ring->ifindex,
		.linktype = ring->linktype,
		.type = ring->linktype == FANCAP_LINKTYPE_LINUX_SLL2 ? FANCAP_DGRAM : FANCAP_RAW,
		.reserve_bytes = (uint16_t)ring->reserve_bytes,
	};
	set->geometry = (struct fancap_geometry){
		.req = ring->req,
		.reserve_bytes = (uint16_t)ring->reserve_bytes,
		.map_bytes = (size_t)ring->req.tp_block_size * ring->req.tp_block_nr,
	};
	set->group.id = (uint16_t)ring->fanout_id;
	set->stored = true;
	set->taken_over = true;
}

/* Whether all rings that belong with one are there. */
static bool is_complete(const struct store *store, const struct ledger_ring *ring)
{
	if (ring->members == 0 || ring->members > store->n)
		return false;
	for (unsigned i = 0; i < ring->members; i++) {
		const struct store_ring *member = find_member(store, ring, i);

		if (member == NULL || memcmp(&ledger_ring(member->ledger)->req, &ring->req, sizeof(ring->req)) != 0)
			return false;
	}
	return true;
}

static int take(struct store *store, const struct ledger_ring *ring, struct ring_set **ret)
{
	struct ring_set *set = ring_set_new(ring->interface, ring->members);

	if (set != NULL)
		set->group.fds = calloc(ring->members, sizeof(int));
	if (set == NULL || set->group.fds == NULL) {
		ring_set_free(set);
		return -ENOMEM;
	}
	fill_from(set, ring);
	for (unsigned i = 0; i < set->n; i++) {
		struct store_ring *member = find_member(store, ring, i);

		set->rings[i].ledger = member->ledger;
		set->rings[i].ledger_fd = member->ledger_fd;
		set->group.fds[set->group.members++] = member->ring_fd;
		member->ring_fd = -1;
	}
	*ret = set;
	return 1;
}

int ring_set_take(struct store *store, const char *interface, struct ring_set **ret)
{
	for (size_t i = 0; i < store->n; i++) {
		const struct ledger_ring *ring = ledger_ring(store->rings[i].ledger);

		if (store->rings[i].ring_fd >= 0 && strcmp(ring->interface, interface) == 0 && is_complete(store, ring))
			return take(store, ring, ret);
	}
	return 0;
}

/* --- what was under way ---------------------------------------------------------------------------------------------- */

/* @return the instant from which on the set's packets count, 0: no such, LEDGER_CUT_UNDECIDED */
static uint64_t begin_of(const struct ring_set *set)
{
	uint64_t begin_ns = 0;

	/* One ring that was told is enough. */
	for (unsigned i = 0; i < set->n && (begin_ns == 0 || begin_ns == LEDGER_CUT_UNDECIDED); i++) {
		const struct ledger_cut cut = ledger_cut(set->rings[i].ledger);

		begin_ns = cut.begin_ns != 0 ? cut.begin_ns : begin_ns;
	}
	return begin_ns;
}

static void tell_begin(struct ring_set *set, uint64_t begin_ns)
{
	for (unsigned i = 0; i < set->n; i++) {
		if (ledger_cut(set->rings[i].ledger).begin_ns == LEDGER_CUT_UNDECIDED)
			ledger_set_begin(set->rings[i].ledger, begin_ns);
	}
}

static void tell_end(struct ring_set *set, uint64_t end_ns)
{
	for (unsigned i = 0; i < set->n; i++) {
		if (ledger_cut(set->rings[i].ledger).end_ns == UINT64_MAX)
			ledger_set_end(set->rings[i].ledger, end_ns);
	}
}

void ring_set_settle(struct ring_set *sets)
{
	for (struct ring_set *set = sets; set != NULL; set = set->next) {
		uint64_t begin_ns = begin_of(set);

		set->abandoned = begin_ns == LEDGER_CUT_UNDECIDED;
		if (set->abandoned || begin_ns == 0)
			continue;
		tell_begin(set, begin_ns);
		for (struct ring_set *before = sets; before != NULL; before = before->next) {
			if (before->created_ns < set->created_ns)
				tell_end(before, begin_ns);
		}
	}
}

bool ring_set_has_end(const struct ring_set *set)
{
	return ledger_cut(set->rings[0].ledger).end_ns != UINT64_MAX;
}

void ring_set_mark(struct ring_set *set)
{
	ring_set_read_kernel_all(set);
	for (unsigned i = 0; i < set->n; i++)
		ledger_set_mark(set->rings[i].ledger, ring_set_delivered(set, i));
}

/* --- handing one over ------------------------------------------------------------------------------------------------ */

void ring_set_store(struct ring_set *set)
{
	for (unsigned i = 0; !set->stored && i < set->n; i++) {
		int r = store_put(ledger_ring(set->rings[i].ledger), set->group.fds[i], set->rings[i].ledger_fd);

		if (r < 0)
			log_printf(LOG_WARNING, NULL, &(struct log_context){set->interface, (int)i},
				   "the service manager does not take the ring: %s; a restart will lose packets",
				   strerror(-r));
	}
	set->stored = true;
}

void ring_set_unstore(struct ring_set *set)
{
	for (unsigned i = 0; set->stored && i < set->n; i++)
		store_remove(ledger_ring(set->rings[i].ledger));
	set->stored = false;
}
