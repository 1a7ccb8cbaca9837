// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <linux/if_packet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/capture.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/messages.h"
#include "daemon/paths.h"
#include "daemon/privileges.h"
#include "fancap/planner.h"
#include "fancap/timestamp.h"

static void fill_settings(const struct config *config, const struct config_interface *interface,
			  struct recorder_settings *ret)
{
	ret->writer = config->storage.writer;
	ret->rotate_size_bytes = config->storage.rotate.size_bytes;
	ret->rotate_interval_ns = config->storage.rotate.interval_ns;
	ret->snaplen = interface->snaplen;
	snprintf(ret->filter, sizeof(ret->filter), "%s",
		 interface->filter != NULL ? interface->filter : "");
}

void capture_rename(struct capture *capture, const char *name)
{
	snprintf(capture->device, sizeof(capture->device), "%s", name);
	snprintf(capture->settings.device, sizeof(capture->settings.device), "%s", name);
}

/* Workers make the folders they need; that they will be able to is better known now. */
static int open_folder(const char *directory, struct capture *capture, struct fancap_error *err)
{
	const char *name = capture->config->name;
	char *folder;
	int r;

	if (asprintf(&folder, "%s/%s", directory, name) < 0) {
		fancap_error_set(err, "%s: out of memory", name);
		return -ENOMEM;
	}
	capture->folders[capture->n_folders++] = folder;
	r = path_make(folder, 0750);
	if (r == 0)
		r = privileges_folder_check(folder);
	if (r < 0)
		fancap_error_set(err, "%s: cannot record to %s: %s%s", name, folder, strerror(-r),
				 r == -EACCES ? " (workers have no capabilities, not even root's)" : "");
	return r;
}

static int open_folders(const struct config *config, struct capture *capture, struct fancap_error *err)
{
	int r = 0;

	capture->folders = calloc(config->storage.n_directories, sizeof(*capture->folders));
	if (capture->folders == NULL) {
		fancap_error_set(err, "%s: out of memory", capture->config->name);
		return -ENOMEM;
	}
	for (size_t i = 0; r == 0 && i < config->storage.n_directories; i++)
		r = open_folder(config->storage.directories[i], capture, err);
	return r;
}

static int check_cpus(const struct config_interface *interface, struct fancap_error *err)
{
	cpu_set_t usable;

	if (interface->n_cpus == 0)
		return 0;
	if (sched_getaffinity(0, sizeof(usable), &usable) < 0) {
		int r = -errno;

		fancap_error_set(err, "%s: cpus: cannot see which are ours to use: %s", interface->name, strerror(-r));
		return r;
	}
	for (size_t i = 0; i < interface->n_cpus; i++) {
		if (!CPU_ISSET(interface->cpus[i], &usable)) {
			fancap_error_set(err, "%s: cpus: CPU %u is not there, or not ours to use; %d CPUs are",
					 interface->name, interface->cpus[i], CPU_COUNT(&usable));
			return -EINVAL;
		}
	}
	return 0;
}

static int open_geometry(struct capture *capture, struct fancap_error *err)
{
	const struct config_interface *interface = capture->config;
	const struct fancap_ring_params params = {
		.size_bytes = interface->ring.size_bytes,
		.block_bytes = interface->ring.block_bytes,
		.block_timeout_ms = interface->ring.block_timeout_ms,
		.snaplen = interface->snaplen,
		.reserve_bytes = capture->link.reserve_bytes,
	};
	struct fancap_error why;
	int r;

	r = fancap_geometry_plan(&params, &capture->geometry, &why);
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

static int open_group(struct capture *capture, struct fancap_error *err)
{
	const struct config_interface *interface = capture->config;
	struct fancap_fanout_program program = {0};
	struct fancap_group_params params = {
		.interface = interface->name,
		.ifindex = capture->link.ifindex,
		.type = capture->link.type,
		.members = interface->workers,
		.mode = interface->fanout.mode,
		.flags = (interface->fanout.defragment ? FANCAP_FANOUT_FLAG_DEFRAGMENT : 0u) |
			 (interface->fanout.rollover ? FANCAP_FANOUT_FLAG_ROLLOVER : 0u) |
			 (interface->direction == CONFIG_DIRECTION_IN ? FANCAP_FANOUT_FLAG_IGNORE_OUTGOING
								      : 0u),
		.geometry = &capture->geometry,
		.promiscuous = interface->promiscuous,
	};
	int r;

	r = open_program(interface, &program, err);
	if (r < 0)
		return r;
	params.program = r == 1 ? &program : NULL;
	r = fancap_group_open(&params, &capture->group, err);
	fancap_fanout_program_done(&program);
	return r;
}

/* Sockets are told too, or the device's stamps would go by unseen. */
static int enable_hardware_timestamps(const struct capture *capture, struct fancap_error *err)
{
	int r = fancap_timestamp_device_enable(capture->device, err);

	for (unsigned i = 0; r == 0 && i < capture->group.members; i++) {
		r = fancap_timestamp_socket_hardware(capture->group.fds[i], true);
		if (r < 0)
			fancap_error_set(err, "PACKET_TIMESTAMP: %s", strerror(-r));
	}
	return r;
}

static int enable_software_timestamps(const struct capture *capture, struct fancap_error *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < capture->group.members; i++)
		r = fancap_timestamp_socket_early(capture->group.fds[i], true);
	if (r < 0)
		fancap_error_set(err, "%s: timestamps: SO_TIMESTAMPNS: %s", capture->config->name, strerror(-r));
	return r;
}

static int open_hardware_timestamps(struct capture *capture, struct fancap_error *err)
{
	const struct config_interface *interface = capture->config;
	struct fancap_error why;
	int r = enable_hardware_timestamps(capture, &why);

	if (r == 0) {
		capture->hardware_timestamps = true;
	} else if (interface->timestamps_fallback == CONFIG_FALLBACK_FAIL) {
		fancap_error_set(err, "%s: timestamps: %s", interface->name, why.text);
		return r;
	} else {
		log_printf(LOG_WARNING, NULL, &(struct log_context){interface->name, -1},
			   "timestamps: %s; packets get the kernel's", why.text);
	}
	return 0;
}

static int open_timestamps(struct capture *capture, struct fancap_error *err)
{
	switch (capture->config->timestamps) {
	case CONFIG_TIMESTAMPS_KERNEL: break;
	case CONFIG_TIMESTAMPS_SOFTWARE: return enable_software_timestamps(capture, err);
	case CONFIG_TIMESTAMPS_HARDWARE: return open_hardware_timestamps(capture, err);
	}
	return 0;
}

/* The kernel takes a socket off a device that is deleted, and forgets which it was. */
static bool is_bound(int fd, int ifindex)
{
	struct sockaddr_ll address;
	socklen_t len = sizeof(address);

	return getsockname(fd, (struct sockaddr *)&address, &len) == 0 && address.sll_ifindex == ifindex;
}

/* --- rings that outlive us -------------------------------------------------------------------------------------- */

/* Of all that a group is made of and that cannot be changed afterwards. FNV-1a. */
static uint64_t shape(const struct capture *capture)
{
	const struct config_interface *interface = capture->config;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	char text[512];

	snprintf(text, sizeof(text), "%u %d %d %d %d %d %d %d %.400s", interface->workers, (int)interface->fanout.mode,
		 interface->fanout.defragment, interface->fanout.rollover, interface->promiscuous,
		 (int)interface->direction, (int)interface->timestamps, (int)capture->link.type,
		 interface->fanout.program != NULL ? interface->fanout.program : "");
	for (const char *p = text; *p != '\0'; p++)
		hash = (hash ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
	return hash;
}

static struct ledger_ring describe(const struct capture *capture, unsigned worker)
{
	struct ledger_ring ring = {
		.ifindex = (uint32_t)capture->link.ifindex,
		.worker = worker,
		.members = capture->config->workers,
		.fanout_id = capture->group.id,
		.linktype = (uint32_t)capture->link.linktype,
		.hardware_timestamps = capture->hardware_timestamps,
		.shape = shape(capture),
		.req = capture->geometry.req,
		.reserve_bytes = capture->geometry.reserve_bytes,
		.created_ns = clock_realtime_ns(),
	};

	snprintf(ring.interface, sizeof(ring.interface), "%s", capture->config->name);
	return ring;
}

static int open_ledgers(struct capture *capture)
{
	for (unsigned i = 0; i < capture->config->workers; i++) {
		const struct ledger_ring ring = describe(capture, i);
		int fd = ledger_create(&ring, &capture->rings[i].ledger);

		if (fd < 0)
			return fd;
		capture->rings[i].ledger_fd = fd;
	}
	return 0;
}

/* @return the store's ring of one worker, or NULL */
static struct store_ring *find_stored(const struct store *store, const char *interface, unsigned worker)
{
	for (size_t i = 0; i < store->n; i++) {
		struct store_ring *ring = &store->rings[i];

		if (ring->ring_fd >= 0 && ledger_ring(ring->ledger)->worker == worker &&
		    strcmp(ledger_ring(ring->ledger)->interface, interface) == 0)
			return ring;
	}
	return NULL;
}

/* @return what of a ring is not as it would be made now; NULL: nothing */
static const char *misfit(const struct capture *capture, const struct store_ring *stored)
{
	const struct ledger_ring *ring;

	if (stored == NULL)
		return "it is not complete";
	ring = ledger_ring(stored->ledger);
	if (ring->ifindex != (uint32_t)capture->link.ifindex || ring->linktype != (uint32_t)capture->link.linktype)
		return "the interface is another one now";
	if (memcmp(&ring->req, &capture->geometry.req, sizeof(ring->req)) != 0 ||
	    ring->reserve_bytes != capture->geometry.reserve_bytes)
		return "the configuration wants other rings";
	if (ring->members != capture->config->workers || ring->shape != shape(capture))
		return "the configuration wants another group";
	return NULL;
}

/* Whether the whole group is there and fits. Says why not, unless there is nothing of it. */
static bool stored_fits(const struct capture *capture, const struct store *store)
{
	const char *name = capture->config->name;

	if (find_stored(store, name, 0) == NULL)
		return false;
	for (unsigned i = 0; i < capture->config->workers; i++) {
		const char *why = misfit(capture, find_stored(store, name, i));

		if (why != NULL) {
			log_printf(LOG_WARNING, NULL, &(struct log_context){name, -1},
				   "the rings of an earlier fancapd cannot be gone on with: %s", why);
			return false;
		}
	}
	return true;
}

/* @return 1 gone on with what is in the store, 0 there is nothing that fits, -errno */
static int take_over(struct capture *capture, struct store *store)
{
	unsigned n = capture->config->workers;

	if (!stored_fits(capture, store))
		return 0;
	capture->group.fds = calloc(n, sizeof(int));
	if (capture->group.fds == NULL)
		return -ENOMEM;
	for (; capture->group.members < n; capture->group.members++) {
		unsigned i = capture->group.members;
		struct store_ring *stored = find_stored(store, capture->config->name, i);

		capture->group.fds[i] = stored->ring_fd;
		capture->rings[i] = (struct capture_ring){stored->ledger, stored->ledger_fd};
		stored->ring_fd = -1;
	}
	capture->group.id = (uint16_t)ledger_ring(capture->rings[0].ledger)->fanout_id;
	capture->hardware_timestamps = ledger_ring(capture->rings[0].ledger)->hardware_timestamps != 0;
	capture->taken_over = true;
	return 1;
}

void capture_store(const struct capture *capture)
{
	for (unsigned i = 0; !capture->taken_over && i < capture->group.members; i++) {
		int r = store_put(capture->config->name, i, capture->group.fds[i], capture->rings[i].ledger_fd);

		if (r < 0)
			log_printf(LOG_WARNING, NULL, &(struct log_context){capture->config->name, (int)i},
				   "the service manager does not take the ring: %s; a restart will lose packets",
				   strerror(-r));
	}
}

static int new_rings(struct capture *capture, struct fancap_error *err)
{
	capture->rings = calloc(capture->config->workers, sizeof(*capture->rings));
	if (capture->rings == NULL) {
		fancap_error_set(err, "%s: out of memory", capture->config->name);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < capture->config->workers; i++)
		capture->rings[i].ledger_fd = -1;
	return 0;
}

static int open_group_or_go_on(struct capture *capture, struct store *store, struct fancap_error *err)
{
	int r = new_rings(capture, err);

	if (r < 0)
		return r;
	r = store != NULL ? take_over(capture, store) : 0;
	if (r != 0)
		return r < 0 ? r : 0;
	r = open_group(capture, err);
	if (r == 0)
		r = open_timestamps(capture, err);
	if (r < 0)
		return r;
	r = open_ledgers(capture);
	if (r < 0)
		fancap_error_set(err, "%s: cannot make the ledgers: %s", capture->config->name, strerror(-r));
	return r;
}

/* --- devices that come and go ---------------------------------------------------------------------------------- */

/* Groups, rings and ledgers only. What is half made is fine. */
static void free_rings(struct capture *capture)
{
	fancap_group_close(&capture->group);
	for (unsigned i = 0; capture->rings != NULL && i < capture->config->workers; i++) {
		ledger_unmap(capture->rings[i].ledger);
		if (capture->rings[i].ledger_fd >= 0)
			close(capture->rings[i].ledger_fd);
	}
	free(capture->rings);
	capture->rings = NULL;
	capture->taken_over = false;
	capture->hardware_timestamps = false;
	capture->gone = false;
}

/* Whether the store has rings of a device that is not the one of the configured name, or is no more. */
static bool stored_is_of_another(const struct capture *capture, const struct store *store)
{
	const struct store_ring *stored = find_stored(store, capture->config->name, 0);

	return stored != NULL && (ledger_ring(stored->ledger)->ifindex != (uint32_t)capture->link.ifindex ||
				  !is_bound(stored->ring_fd, capture->link.ifindex));
}

/*
 * The device went, or lost its name, while nobody ran: drain what is in its rings. @return 1 that is to be done, 0 they
 * are not as we would have made them, -errno
 */
static int drain_stored(struct capture *capture, struct store *store, struct fancap_error *err)
{
	const struct ledger_ring *ring = ledger_ring(find_stored(store, capture->config->name, 0)->ledger);
	const struct fancap_link link = capture->link;
	int r;

	capture->link = (struct fancap_link){
		.ifindex = (int)ring->ifindex,
		.linktype = ring->linktype,
		.type = ring->linktype == FANCAP_LINKTYPE_LINUX_SLL2 ? FANCAP_DGRAM : FANCAP_RAW,
		.reserve_bytes = (uint16_t)ring->reserve_bytes,
	};
	r = open_geometry(capture, err);
	if (r == 0)
		r = new_rings(capture, err);
	if (r == 0)
		r = take_over(capture, store);
	if (r == 1) {
		capture->gone = true;
		capture_gate_close(capture);
		return 1;
	}
	free_rings(capture);
	capture->link = link;
	return r;
}

static int query_link(struct capture *capture, struct fancap_error *err)
{
	struct fancap_error why;
	int r = fancap_link_query(capture->config->name, &capture->link, &why);

	if (r < 0)
		fancap_error_set(err, "%s: %s", capture->config->name, why.text);
	return r;
}

/*
 * All that takes the device, with the gate closed; or what the store has of it. On failure there is nothing.
 *
 * @param store NULL: none
 */
static int open_device(struct capture *capture, struct store *store, struct fancap_error *err)
{
	struct fancap_link now = {0};
	int r, again;

	capture_rename(capture, capture->config->name);
	r = query_link(capture, err);
	if ((r == 0 || (r == -ENODEV && capture->config->on_missing == CONFIG_MISSING_WAIT)) && store != NULL &&
	    stored_is_of_another(capture, store)) {
		int drained = drain_stored(capture, store, err);

		if (drained != 0)
			return drained < 0 ? drained : 0;
	}
	if (r == 0)
		r = open_geometry(capture, err);
	if (r == 0)
		r = open_group_or_go_on(capture, store, err);
	if (r == 0)
		return 0;
	free_rings(capture);
	/* Gone in between, it is what failed, whichever step that was. */
	again = fancap_link_query(capture->config->name, &now, NULL);
	return again == -ENODEV || (again == 0 && now.ifindex != capture->link.ifindex) ? -ENODEV : r;
}

int capture_open(const struct config *config, const struct config_interface *interface, struct store *store,
		 struct capture *ret, struct fancap_error *err)
{
	struct capture capture = {.config = interface};
	const struct log_context about = {interface->name, -1};
	int r;

	fill_settings(config, interface, &capture.settings);
	capture.past = calloc(interface->workers, sizeof(*capture.past));
	if (capture.past == NULL) {
		fancap_error_set(err, "%s: out of memory", interface->name);
		return -ENOMEM;
	}
	r = check_cpus(interface, err);
	if (r == 0)
		r = open_folders(config, &capture, err);
	if (r == 0)
		r = open_device(&capture, store, err);
	if (r == -ENODEV && interface->on_missing == CONFIG_MISSING_WAIT) {
		log_printf(LOG_WARNING, MESSAGE_LINK_MISSING, &about, "no such interface; waiting for it");
		r = 0;
	} else if (r == 0 && !capture.gone && !capture.link.up) {
		log_printf(LOG_WARNING, MESSAGE_LINK_DOWN, &about,
			   "the interface is down; packets are recorded when it comes up");
	}
	if (r < 0) {
		capture_close(&capture);
		return r;
	}
	capture.up = capture.link.up;
	*ret = capture;
	return 0;
}

static struct capture *latest_of(struct capture *capture)
{
	return capture->next != NULL ? capture->next : capture;
}

struct capture *capture_device(struct capture *capture)
{
	struct capture *latest = latest_of(capture);

	return capture_has_rings(latest) && !latest->gone && is_bound(latest->group.fds[0], latest->link.ifindex) ? latest : NULL;
}

bool capture_is_lost(struct capture *capture)
{
	const struct capture *latest = latest_of(capture);

	return capture_has_rings(latest) && !latest->gone && !is_bound(latest->group.fds[0], latest->link.ifindex);
}

bool capture_has_rings(const struct capture *capture)
{
	return capture->group.members > 0;
}

static int attach_next(struct capture *capture, struct fancap_error *err)
{
	struct capture *next = calloc(1, sizeof(*next));
	int r = -ENOMEM;

	if (next != NULL) {
		next->config = capture->config;
		r = open_device(next, NULL, err);
	} else {
		fancap_error_set(err, "%s: out of memory", capture->config->name);
	}
	if (r < 0)
		free(next);
	else
		capture->next = next;
	return r;
}

static int attach_filter(struct capture *capture, const struct fancap_filter *filter, struct fancap_error *err)
{
	const struct capture *device = capture_device(capture);
	struct fancap_error why;
	int r = device != NULL ? fancap_group_gate_open(&device->group, filter, &why) : 0;

	if (r < 0)
		fancap_error_set(err, "%s: %s", capture->config->name, why.text);
	return r;
}

/* Of a device that was attached just now. Before its gate is open there is nothing in its rings. */
static void forget_device(struct capture *capture)
{
	if (capture->next == NULL) {
		free_rings(capture);
		return;
	}
	free_rings(capture->next);
	free(capture->next);
	capture->next = NULL;
}

int capture_attach(struct capture *capture, struct fancap_error *err)
{
	struct fancap_filter filter;
	int r;

	if (capture->next != NULL)
		return -EBUSY;
	r = capture_has_rings(capture) ? attach_next(capture, err) : open_device(capture, NULL, err);
	if (r < 0)
		return r;
	capture_rename(capture, capture->config->name);
	capture->up = latest_of(capture)->link.up;
	r = capture_filter_compile(capture, capture->config, &filter, err);
	if (r < 0) {
		forget_device(capture);
		return r;
	}
	r = attach_filter(capture, &filter, err);
	fancap_filter_done(&filter);
	if (r < 0) {
		/* Some sockets have their filter: what they let in is drained, as if the device had gone. */
		capture_gate_close(capture);
		capture_detach(capture);
	}
	/* Names in the store are of one set of rings: the next one's turn comes when this one's are free. */
	if (capture->next == NULL)
		capture_store(capture);
	return r;
}

void capture_detach(struct capture *capture)
{
	latest_of(capture)->gone = true;
	capture->up = false;
	capture->has_nic = false;
}

/* --- filters ----------------------------------------------------------------------------------------------------- */

int capture_filter_compile(struct capture *capture, const struct config_interface *interface,
			   struct fancap_filter *ret, struct fancap_error *err)
{
	const struct capture *device = capture_device(capture);
	struct fancap_error why;
	int r;

	*ret = (struct fancap_filter){0};
	if (device == NULL)
		return 0;
	r = fancap_filter_compile(interface->filter, (int)device->link.linktype, interface->snaplen,
				  capture->device, ret, &why);
	if (r < 0)
		fancap_error_set(err, "%s: filter \"%s\": %s", interface->name,
				 interface->filter != NULL ? interface->filter : "", why.text);
	return r;
}

int capture_gate_open(struct capture *capture, struct fancap_error *err)
{
	struct fancap_filter filter;
	int r;

	r = capture_filter_compile(capture, capture->config, &filter, err);
	if (r < 0)
		return capture_device(capture) != NULL ? r : -ENODEV;
	r = attach_filter(capture, &filter, err);
	fancap_filter_done(&filter);
	return r;
}

void capture_gate_close(const struct capture *capture)
{
	int r = fancap_group_gate_close(&capture->group);

	if (r < 0)
		log_printf(LOG_ERR, NULL, &(struct log_context){capture->config->name, -1},
			   "cannot close the gate: %s", strerror(-r));
	if (capture->next != NULL)
		capture_gate_close(capture->next);
}

int capture_apply(struct capture *capture, const struct config *config,
		  const struct config_interface *interface, const struct fancap_filter *filter,
		  struct fancap_error *err)
{
	int r;

	/* In any case: the old configuration is about to go. */
	capture->config = interface;
	if (capture->next != NULL)
		capture->next->config = interface;
	r = attach_filter(capture, filter, err);
	if (r == 0)
		fill_settings(config, interface, &capture->settings);
	return r;
}

/* --- counting ---------------------------------------------------------------------------------------------------- */

void capture_read_kernel(struct capture *capture, unsigned worker)
{
	struct ledger *ledger = capture->rings[worker].ledger;
	struct fancap_stats kernel;
	int r;

	ledger_kernel(ledger, &kernel);
	r = fancap_stats_read(capture->group.fds[worker], &kernel);
	if (r < 0)
		log_printf(LOG_ERR, NULL, &(struct log_context){capture->config->name, (int)worker},
			   "PACKET_STATISTICS: %s", strerror(-r));
	ledger_set_kernel(ledger, &kernel);
}

void capture_read_kernel_all(struct capture *capture)
{
	for (unsigned i = 0; i < capture->group.members; i++)
		capture_read_kernel(capture, i);
}

uint64_t capture_delivered(const struct capture *capture, unsigned worker)
{
	struct fancap_stats kernel;

	ledger_kernel(capture->rings[worker].ledger, &kernel);
	return kernel.packets - kernel.drops;
}

/* The kernel does not reset these: whoever asks reads them. */
static void count_rollovers(const struct capture *capture, unsigned worker, struct statistics_counters *counters)
{
	const struct config_interface *interface = capture->config;
	struct fancap_rollover_stats stats = {0};
	int r;

	if (!interface->fanout.rollover && interface->fanout.mode != FANCAP_FANOUT_ROLLOVER)
		return;
	r = fancap_rollover_stats_read(capture->group.fds[worker], &stats);
	if (r < 0)
		log_printf(LOG_ERR, NULL, &(struct log_context){interface->name, (int)worker},
			   "PACKET_ROLLOVER_STATS: %s", strerror(-r));
	counters->ring_rollovers = stats.packets;
	counters->ring_rollovers_huge = stats.huge;
	counters->ring_rollovers_failed = stats.failed;
}

static void count_recorded(const struct ledger_commit *commit, struct statistics_counters *counters)
{
	counters->packets_written = commit->packets_written;
	counters->bytes_written = commit->bytes_written;
	for (int i = 0; i < DISCARD_REASONS; i++)
		counters->discarded_by_reason[i] = commit->discarded[i];
	counters->blocks_direct = commit->blocks_direct;
	counters->blocks_staged = commit->blocks_staged;
	counters->writes = commit->writes;
	counters->write_ns = commit->write_ns;
	counters->write_max_ns = commit->write_max_ns;
}

/* Of the rings as they are, without those of before and after. */
static void count_rings(struct capture *capture, unsigned worker, struct statistics_counters *counters)
{
	struct capture_ring *ring = &capture->rings[worker];
	struct fancap_stats kernel;
	struct ledger_commit commit;

	ledger_read(ring->ledger, &commit);
	capture_read_kernel(capture, worker);
	ledger_kernel(ring->ledger, &kernel);
	counters->packets_seen = kernel.packets;
	counters->packets_dropped = kernel.drops;
	counters->ring_freezes = kernel.freezes;
	count_rollovers(capture, worker, counters);
	count_recorded(&commit, counters);
}

static void add_rings(struct capture *capture, unsigned worker, struct statistics_worker *ret)
{
	const struct ledger *ledger = capture->rings[worker].ledger;
	const struct ledger_writer writer = ledger_writer(ledger);
	struct statistics_counters counters = {0};
	unsigned used_max = ledger_blocks_used_max(ledger);

	count_rings(capture, worker, &counters);
	statistics_counters_add(&ret->counters, &counters);
	ret->ring_blocks += capture->geometry.req.tp_block_nr;
	ret->ring_blocks_used += ledger_blocks_held(ledger);
	if (used_max > ret->ring_blocks_used_max)
		ret->ring_blocks_used_max = used_max;
	ret->io_uring |= writer.io_uring;
	ret->has_file |= writer.folder != LEDGER_NO_FOLDER;
	ret->direct_io |= writer.o_direct;
}

void capture_count(struct capture *capture, unsigned worker, struct statistics_worker *ret)
{
	*ret = (struct statistics_worker){
		.worker = worker,
		.state = ret->state,
		.pid = ret->pid,
		.cpu = capture->config->n_cpus > 0 ? (int)capture->config->cpus[worker] : -1,
		.counters = capture->past[worker],
	};
	if (capture_has_rings(capture))
		add_rings(capture, worker, ret);
	if (capture->next != NULL)
		add_rings(capture->next, worker, ret);
}

static bool is_empty(struct capture *capture)
{
	uint64_t delivered = 0;

	capture_read_kernel_all(capture);
	for (unsigned i = 0; i < capture->group.members; i++)
		delivered += capture_delivered(capture, i);
	return delivered == 0;
}

void capture_advance(struct capture *capture)
{
	struct capture *next = capture->next;

	for (unsigned i = 0; i < capture->group.members; i++) {
		struct statistics_counters counters = {0};

		count_rings(capture, i, &counters);
		statistics_counters_add(&capture->past[i], &counters);
		store_remove(capture->config->name, i);
	}
	free_rings(capture);
	if (next == NULL)
		return;
	capture->link = next->link;
	capture->geometry = next->geometry;
	capture->group = next->group;
	capture->rings = next->rings;
	capture->hardware_timestamps = next->hardware_timestamps;
	capture->gone = next->gone;
	capture->next = NULL;
	free(next);
	/* It went as it came: there is no work in it. */
	if (capture->gone && is_empty(capture))
		capture_advance(capture);
	else
		capture_store(capture);
}

uint64_t capture_stall_ns(const struct capture *capture, uint32_t packet_bytes)
{
	const struct tpacket_req3 *req = &capture->geometry.req;
	const struct fancap_plan_params params = {
		.size_bytes = capture->geometry.map_bytes,
		.bits_per_s = (uint64_t)capture->link.speed_mbit * 1000000u,
		.packet_bytes = packet_bytes,
		.snaplen = capture->config->snaplen,
		.block_bytes = req->tp_block_size,
		.block_timeout_ms = req->tp_retire_blk_tov,
		.workers = capture->group.members,
		.reserve_bytes = capture->geometry.reserve_bytes,
	};
	struct fancap_plan plan;

	if (params.bits_per_s == 0 || fancap_plan(&params, &plan, NULL) < 0)
		return 0;
	return plan.stall_ns;
}

void capture_close(struct capture *capture)
{
	if (capture->config == NULL)
		return;
	if (capture->next != NULL)
		free_rings(capture->next);
	free(capture->next);
	free_rings(capture);
	free(capture->past);
	for (size_t i = 0; i < capture->n_folders; i++)
		free(capture->folders[i]);
	free(capture->folders);
	*capture = (struct capture){0};
}
