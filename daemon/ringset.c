// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/ringset.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "fancap/timestamp.h"

bool ring_set_is_bound(const struct ring_set *set)
{
	struct sockaddr_ll address;
	socklen_t len = sizeof(address);

	return getsockname(set->group.fds[0], (struct sockaddr *)&address, &len) == 0 &&
	       address.sll_ifindex == set->link.ifindex;
}

void ring_set_gate_close(const struct ring_set *set)
{
	int r = fancap_group_gate_close(&set->group);

	if (r < 0)
		log_printf(LOG_ERR, NULL, &(struct log_context){set->interface, -1}, "cannot close the gate: %s", strerror(-r));
}

int ring_set_stamp_early(const struct ring_set *set)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < set->n; i++) {
		r = fancap_timestamp_socket_early(set->group.fds[i], true);
		if (r == 0 && set->hardware_timestamps)
			r = fancap_timestamp_socket_hardware(set->group.fds[i], false);
	}
	return r;
}

void ring_set_stamp_as_configured(const struct ring_set *set)
{
	for (unsigned i = 0; i < set->n; i++) {
		if (set->timestamps != CONFIG_TIMESTAMPS_SOFTWARE)
			(void)fancap_timestamp_socket_early(set->group.fds[i], false);
		if (set->hardware_timestamps)
			(void)fancap_timestamp_socket_hardware(set->group.fds[i], true);
	}
}

/* --- making one -------------------------------------------------------------------------------------------------- */

static int open_geometry(struct ring_set *set, const struct config_interface *interface, struct fancap_error *err)
{
	const struct fancap_ring_params params = {
		.size_bytes = interface->ring.size_bytes,
		.block_bytes = interface->ring.block_bytes,
		.block_timeout_ms = interface->ring.block_timeout_ms,
		.snaplen = interface->snaplen,
		.reserve_bytes = set->link.reserve_bytes,
	};
	struct fancap_error why;
	int r;

	r = fancap_geometry_plan(&params, &set->geometry, &why);
	if (r < 0)
		fancap_error_set(err, "%s: %s", interface->name, why.text);
	return r;
}

/* @return 1 ret_program is set, 0 the mode takes none, -errno */
static int open_program(const struct config_interface *interface, struct fancap_fanout_program *ret_program,
			struct fancap_error *err)
{
	enum fancap_fanout_mode mode = interface->fanout.mode;
	const char *text = interface->fanout.program;
	struct fancap_error why;
	int r;

	if (mode != FANCAP_FANOUT_CBPF && mode != FANCAP_FANOUT_EBPF)
		return 0;
	if (strcmp(text, "default") == 0)
		r = fancap_fanout_program_default(mode, ret_program, &why);
	else if (mode == FANCAP_FANOUT_EBPF)
		r = fancap_fanout_program_pinned(text, ret_program, &why);
	else if (text[0] == '/')
		r = fancap_fanout_program_read(text, ret_program, &why);
	else
		r = fancap_fanout_program_compile(text, interface->workers, ret_program, &why);
	if (r < 0)
		fancap_error_set(err, "%s: fanout program: %s", interface->name, why.text);
	return r < 0 ? r : 1;
}

static int open_group(struct ring_set *set, const struct config_interface *interface, struct fancap_error *err)
{
	struct fancap_fanout_program program = {0};
	struct fancap_group_params params = {
		.interface = interface->name,
		.ifindex = set->link.ifindex,
		.type = set->link.type,
		.members = interface->workers,
		.mode = interface->fanout.mode,
		.flags = (interface->fanout.defragment ? FANCAP_FANOUT_FLAG_DEFRAGMENT : 0u) |
			 (interface->fanout.rollover ? FANCAP_FANOUT_FLAG_ROLLOVER : 0u) |
			 (interface->direction == CONFIG_DIRECTION_IN ? FANCAP_FANOUT_FLAG_IGNORE_OUTGOING
								      : 0u),
		.geometry = &set->geometry,
		.promiscuous = interface->promiscuous,
	};
	int r;

	r = open_program(interface, &program, err);
	if (r < 0)
		return r;
	params.program = r == 1 ? &program : NULL;
	r = fancap_group_open(&params, &set->group, err);
	fancap_fanout_program_done(&program);
	return r;
}

/* Sockets are told too, or the device's stamps would go by unseen. */
static int enable_hardware_timestamps(const struct ring_set *set, struct fancap_error *err)
{
	int r = fancap_timestamp_device_enable(set->interface, err);

	for (unsigned i = 0; r == 0 && i < set->group.members; i++) {
		r = fancap_timestamp_socket_hardware(set->group.fds[i], true);
		if (r < 0)
			fancap_error_set(err, "PACKET_TIMESTAMP: %s", strerror(-r));
	}
	return r;
}

static int enable_software_timestamps(const struct ring_set *set, struct fancap_error *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < set->group.members; i++)
		r = fancap_timestamp_socket_early(set->group.fds[i], true);
	if (r < 0)
		fancap_error_set(err, "%s: timestamps: SO_TIMESTAMPNS: %s", set->interface, strerror(-r));
	return r;
}

static int open_hardware_timestamps(struct ring_set *set, const struct config_interface *interface,
				    struct fancap_error *err)
{
	struct fancap_error why;
	int r = enable_hardware_timestamps(set, &why);

	if (r == 0) {
		set->hardware_timestamps = true;
	} else if (interface->timestamps_fallback == CONFIG_FALLBACK_FAIL) {
		fancap_error_set(err, "%s: timestamps: %s", interface->name, why.text);
		return r;
	} else {
		log_printf(LOG_WARNING, NULL, &(struct log_context){interface->name, -1},
			   "timestamps: %s; packets get the kernel's", why.text);
	}
	return 0;
}

static int open_timestamps(struct ring_set *set, const struct config_interface *interface, struct fancap_error *err)
{
	switch (interface->timestamps) {
	case CONFIG_TIMESTAMPS_KERNEL: break;
	case CONFIG_TIMESTAMPS_SOFTWARE: return enable_software_timestamps(set, err);
	case CONFIG_TIMESTAMPS_HARDWARE: return open_hardware_timestamps(set, interface, err);
	}
	return 0;
}

static int open_ledgers(struct ring_set *set, struct fancap_error *err)
{
	for (unsigned i = 0; i < set->n; i++) {
		const struct ledger_ring ring = ring_set_describe(set, i);
		int fd = ledger_create(&ring, &set->rings[i].ledger);

		if (fd < 0) {
			fancap_error_set(err, "%s: cannot make the ledgers: %s", set->interface, strerror(-fd));
			return fd;
		}
		set->rings[i].ledger_fd = fd;
	}
	return 0;
}

static int query_link(struct ring_set *set, struct fancap_error *err)
{
	struct fancap_error why;
	int r = fancap_link_query(set->interface, &set->link, &why);

	if (r < 0)
		fancap_error_set(err, "%s: %s", set->interface, why.text);
	return r;
}

struct ring_set *ring_set_new(const char *interface, unsigned n)
{
	struct ring_set *set = calloc(1, sizeof(*set));

	if (set == NULL)
		return NULL;
	set->rings = calloc(n, sizeof(*set->rings));
	if (set->rings == NULL) {
		free(set);
		return NULL;
	}
	set->n = n;
	snprintf(set->interface, sizeof(set->interface), "%s", interface);
	for (unsigned i = 0; i < n; i++) {
		set->rings[i].ledger_fd = -1;
		set->rings[i].cpu = -1;
	}
	return set;
}

static int open_all(struct ring_set *set, const struct config_interface *interface, struct fancap_error *err)
{
	int r = query_link(set, err);

	if (r == 0)
		r = open_geometry(set, interface, err);
	if (r == 0)
		r = open_group(set, interface, err);
	if (r == 0)
		r = open_timestamps(set, interface, err);
	set->shape = ring_set_shape(interface, &set->link);
	if (r == 0)
		r = open_ledgers(set, err);
	return r;
}

int ring_set_open(const struct config_interface *interface, const struct recorder_settings *settings, struct ring_set **ret,
		  struct fancap_error *err)
{
	struct ring_set *set = ring_set_new(interface->name, interface->workers);
	struct fancap_link now = {0};
	int r, again;

	if (set == NULL) {
		fancap_error_set(err, "%s: out of memory", interface->name);
		return -ENOMEM;
	}
	set->created_ns = clock_realtime_ns();
	ring_set_configure(set, interface, settings);
	r = open_all(set, interface, err);
	if (r == 0) {
		*ret = set;
		return 0;
	}
	/* Gone in between, it is what failed, whichever step that was. */
	again = fancap_link_query(interface->name, &now, NULL);
	if (again == -ENODEV || (again == 0 && now.ifindex != set->link.ifindex))
		r = -ENODEV;
	ring_set_free(set);
	return r;
}

void ring_set_configure(struct ring_set *set, const struct config_interface *interface,
			const struct recorder_settings *settings)
{
	set->settings = *settings;
	set->timestamps = interface->timestamps;
	set->rollover = interface->fanout.rollover || interface->fanout.mode == FANCAP_FANOUT_ROLLOVER;
	for (unsigned i = 0; i < set->n; i++)
		set->rings[i].cpu = i < interface->n_cpus ? (int)interface->cpus[i] : -1;
}

void ring_set_free(struct ring_set *set)
{
	if (set == NULL)
		return;
	fancap_group_close(&set->group);
	for (unsigned i = 0; i < set->n; i++) {
		ledger_unmap(set->rings[i].ledger);
		if (set->rings[i].ledger_fd >= 0)
			close(set->rings[i].ledger_fd);
	}
	free(set->rings);
	free(set);
}
