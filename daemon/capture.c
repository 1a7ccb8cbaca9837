// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/capture.h"
#include "daemon/child.h"
#include "daemon/log.h"
#include "daemon/messages.h"
#include "daemon/paths.h"
#include "daemon/privileges.h"

/* Rings are memory: a device that comes and goes waits until older ones are drained. */
#define SETS_MAX 2
/* Of what is in the rings of an interface that is not configured, all is recorded. */
#define LEFT_SNAPLEN 262144u

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
	struct ring_set *device = capture_device(capture);

	snprintf(capture->device, sizeof(capture->device), "%s", name);
	snprintf(capture->settings.device, sizeof(capture->settings.device), "%s", name);
	if (device != NULL)
		device->settings = capture->settings;
}

/* Workers make the folders they need; that they will be able to is better known now. */
static int open_folder(const char *directory, struct capture *capture, struct fancap_error *err)
{
	const char *name = capture->name;
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
		fancap_error_set(err, "%s: out of memory", capture->name);
		return -ENOMEM;
	}
	for (size_t i = 0; r == 0 && i < config->storage.n_directories; i++)
		r = open_folder(config->storage.directories[i], capture, err);
	return r;
}

int capture_check(const struct config_interface *interface, struct fancap_error *err)
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

/* --- sets ---------------------------------------------------------------------------------------------------------- */

static void add_set(struct capture *capture, struct ring_set *set)
{
	set->capture = capture;
	set->next = capture->sets;
	capture->sets = set;
	capture->n_sets++;
}

static void remove_set(struct capture *capture, struct ring_set *set)
{
	struct ring_set **at = &capture->sets;

	while (*at != set)
		at = &(*at)->next;
	*at = set->next;
	capture->n_sets--;
}

/* There is no device (any more) for it, or it is not as one would be made now: drain what is in its rings. */
static void drain(struct capture *capture, struct ring_set *set)
{
	ring_set_gate_close(set);
	set->gone = true;
	add_set(capture, set);
}

/* One that was about to be let go when its fancapd died is counted among interfaces that are no more. */
static void drop_counted(const struct captures *captures, struct past **past)
{
	if (*past == NULL || !past_has(captures->removed, past_id(*past)))
		return;
	past_unstore(*past);
	past_free(*past);
	*past = NULL;
}

static void insert_oldest_first(struct ring_set **sets, struct ring_set *set)
{
	while (*sets != NULL && (*sets)->created_ns < set->created_ns)
		sets = &(*sets)->next;
	set->next = *sets;
	*sets = set;
}

/* What was counted of the interface. @param ret all sets of it in the store, oldest first; NULL: none */
static int take_all(struct store *store, const struct captures *captures, struct capture *capture, struct ring_set **ret)
{
	struct ring_set *set;
	int r;

	capture->past = store_take_past(store, capture->name);
	drop_counted(captures, &capture->past);
	*ret = NULL;
	while ((r = ring_set_take(store, capture->name, &set)) == 1)
		insert_oldest_first(ret, set);
	ring_set_settle(*ret);
	return r;
}

static void let_go(struct ring_set *set)
{
	ring_set_unstore(set);
	ring_set_free(set);
}

/* Packets come to it until another one has taken over. */
static void go_on(struct capture *capture, struct ring_set *set, const struct fancap_link *link)
{
	set->link = *link;
	ring_set_configure(set, capture->config, &capture->settings);
	ring_set_stamp_as_configured(set);
	ring_set_mark(set);
	add_set(capture, set);
}

static bool is_on(const struct ring_set *set, const struct fancap_link *link)
{
	return set->link.ifindex == link->ifindex && set->link.linktype == link->linktype && ring_set_is_bound(set);
}

/*
 * What an earlier fancapd left. If its device is there still, and no other set has taken over from it, go on with it, though
 * another one may have to take over. The others are to be drained.
 */
static void sort_taken(struct capture *capture, struct ring_set *sets)
{
	const struct log_context about = {capture->name, -1};
	struct ring_set *set, *latest = NULL;
	struct fancap_link link = {0};
	int known = fancap_link_query(capture->name, &link, NULL);

	for (set = sets; !capture->removed && known == 0 && set != NULL; set = set->next)
		latest = !set->abandoned && !ring_set_has_end(set) && is_on(set, &link) ? set : latest;

	while ((set = sets) != NULL) {
		sets = set->next;
		if (set->abandoned) {
			let_go(set);
			continue;
		}
		if (set == latest)
			continue;
		set->settings = capture->settings;
		log_printf(LOG_NOTICE, NULL, &about, "rings of an earlier fancapd are not gone on with: %s",
			   capture->removed	      ? "the interface is not in the configuration"
			   : ring_set_has_end(set)    ? "others had taken over"
			   : known < 0		      ? "there is no such interface now"
			   : is_on(set, &link)	      ? "others had taken over"
						      : "the interface is another one now");
		drain(capture, set);
	}
	if (latest != NULL)
		go_on(capture, latest, &link);
}

static int open_set(struct capture *capture, struct fancap_error *err)
{
	struct ring_set *set;
	int r = ring_set_open(capture->config, &capture->settings, &set, err);

	if (r < 0)
		return r;
	add_set(capture, set);
	return 0;
}

/* @return why another set has to take over from the one that was taken, NULL: it fits */
static const char *misfit(const struct capture *capture)
{
	const struct ring_set *set = capture_device(capture);

	return set != NULL ? ring_set_misfit(set, capture->config, &set->link) : NULL;
}

static int open_first(struct capture *capture, struct store *store, const struct captures *captures,
		      struct fancap_error *err)
{
	struct ring_set *sets;
	const char *why;
	int r;

	capture_rename(capture, capture->name);
	r = take_all(store, captures, capture, &sets);
	sort_taken(capture, sets);
	if (r < 0) {
		fancap_error_set(err, "%s: %s", capture->name, strerror(-r));
		return r;
	}
	why = misfit(capture);
	if (capture_device(capture) != NULL && why == NULL)
		return 0;
	r = open_set(capture, err);
	if (r == 0 && why != NULL) {
		log_printf(LOG_NOTICE, NULL, &(struct log_context){capture->name, -1},
			   "rings of an earlier fancapd are not gone on with: %s; new ones will take over", why);
		capture->sets->coming = true;
	}
	return r;
}

int capture_regroup(struct capture *capture, const struct config *config, const struct config_interface *interface,
		    struct ring_set **ret, struct fancap_error *err)
{
	struct recorder_settings settings = capture->settings; /* for the device's name */
	int r;

	if (capture->n_sets > SETS_MAX) { /* one more than for a device: nobody waits for long */
		fancap_error_set(err, "%s: earlier rings are still being drained", capture->name);
		return -EBUSY;
	}
	fill_settings(config, interface, &settings);
	r = ring_set_open(interface, &settings, ret, err);
	if (r < 0)
		return r;
	(*ret)->coming = true;
	add_set(capture, *ret);
	return 0;
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static void append(struct captures *captures, struct capture *capture)
{
	struct capture **at = &captures->first;

	while (*at != NULL)
		at = &(*at)->next;
	*at = capture;
	captures->n++;
}

static int open_in(const struct config *config, struct capture *capture, struct store *store,
		   const struct captures *captures, struct fancap_error *err)
{
	const struct config_interface *interface = capture->config;
	const struct log_context about = {capture->name, -1};
	const struct ring_set *device;
	int r;

	fill_settings(config, interface, &capture->settings);
	r = capture_check(interface, err);
	if (r == 0)
		r = open_folders(config, capture, err);
	if (r == 0)
		r = open_first(capture, store, captures, err);
	if (r == -ENODEV && interface->on_missing == CONFIG_MISSING_WAIT) {
		log_printf(LOG_WARNING, MESSAGE_LINK_MISSING, &about, "no such interface; waiting for it");
		return 0;
	}
	if (r < 0)
		return r;
	device = capture_current(capture);
	capture->up = device->link.up;
	if (!capture->up)
		log_printf(LOG_WARNING, MESSAGE_LINK_DOWN, &about,
			   "the interface is down; packets are recorded when it comes up");
	return 0;
}

int capture_open(const struct config *config, const struct config_interface *interface, struct store *store,
		 struct captures *captures, struct fancap_error *err)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int r;

	if (capture == NULL) {
		fancap_error_set(err, "%s: out of memory", interface->name);
		return -ENOMEM;
	}
	snprintf(capture->name, sizeof(capture->name), "%s", interface->name);
	capture->config = interface;
	r = open_in(config, capture, store, captures, err);
	if (r < 0)
		capture_close(capture);
	else
		append(captures, capture);
	return r;
}

int capture_open_left(const struct config *config, struct store *store, struct captures *captures, struct fancap_error *err)
{
	for (size_t i = 0; i < store->n; i++) {
		struct config_interface interface = {.workers = 1, .fanout.program = ""};
		const char *name = ledger_ring(store->rings[i].ledger)->interface;
		struct capture *capture;
		struct ring_set *sets;
		int r;

		if (store->rings[i].ring_fd < 0 || captures_find(captures, name) != NULL)
			continue;
		capture = calloc(1, sizeof(*capture));
		if (capture == NULL) {
			fancap_error_set(err, "%s: out of memory", name);
			return -ENOMEM;
		}
		snprintf(capture->name, sizeof(capture->name), "%s", name);
		interface.name = capture->name;
		interface.snaplen = LEFT_SNAPLEN;
		capture->config = &interface;
		fill_settings(config, &interface, &capture->settings);
		capture_rename(capture, capture->name);
		capture_remove(capture);
		r = open_folders(config, capture, err);
		if (r == 0)
			r = take_all(store, captures, capture, &sets);
		if (r < 0) {
			capture_close(capture);
			return r;
		}
		sort_taken(capture, sets);
		append(captures, capture);
		if (capture->sets == NULL)
			captures_forget(captures, capture);
	}
	return 0;
}

void capture_close(struct capture *capture)
{
	if (capture == NULL)
		return;
	while (capture->sets != NULL) {
		struct ring_set *set = capture->sets;

		remove_set(capture, set);
		ring_set_free(set);
	}
	past_free(capture->past);
	for (size_t i = 0; i < capture->n_folders; i++)
		free(capture->folders[i]);
	free(capture->folders);
	free(capture);
}

void captures_close(struct captures *captures)
{
	while (captures->first != NULL) {
		struct capture *capture = captures->first;

		captures->first = capture->next;
		capture_close(capture);
	}
	captures->n = 0;
	past_free(captures->removed);
	captures->removed = NULL;
}

static void cannot_count(const char *name, int error)
{
	log_printf(LOG_ERR, NULL, &(struct log_context){name, -1},
		   "what was counted with rings that are no more is lost: %s", strerror(-error));
}

/* The service manager has what is counted in total before it lets go of what was counted of this interface alone. */
static void add_removed(struct captures *captures, struct past *past)
{
	int r = captures->removed == NULL ? past_new("", &captures->removed) : 0;

	if (r < 0) {
		cannot_count(past_interface(past), r);
	} else if (!past_has(captures->removed, past_id(past))) {
		past_add_past(captures->removed, past);
		past_store(captures->removed);
	}
	past_unstore(past);
}

void captures_take_past(struct captures *captures, struct store *store)
{
	captures->removed = store_take_past(store, "");
}

void captures_settle_pasts(struct captures *captures, struct store *store)
{
	for (size_t i = 0; i < store->n_pasts; i++) {
		if (store->pasts[i] == NULL)
			continue;
		add_removed(captures, store->pasts[i]);
		past_free(store->pasts[i]);
		store->pasts[i] = NULL;
	}
}

void captures_forget(struct captures *captures, struct capture *capture)
{
	struct capture **at = &captures->first;

	while (*at != capture)
		at = &(*at)->next;
	*at = capture->next;
	captures->n--;
	if (capture->past != NULL)
		add_removed(captures, capture->past);
	capture_close(capture);
}

struct capture *captures_find(const struct captures *captures, const char *name)
{
	struct capture *capture = captures->first;

	while (capture != NULL && strcmp(capture->name, name) != 0)
		capture = capture->next;
	return capture;
}

/* @return the first child of a set, or else of what comes after it in its interface and those after that */
static struct child *first_child(const struct ring_set *set, const struct capture *capture)
{
	for (;;) {
		for (; set != NULL; set = set->next) {
			if (set->children != NULL)
				return &set->children[0];
		}
		if (capture == NULL)
			return NULL;
		set = capture->sets;
		capture = capture->next;
	}
}

struct child *captures_next_child(const struct captures *captures, const struct child *child)
{
	if (child == NULL)
		return first_child(NULL, captures->first);
	if (child->worker + 1 < child->set->n)
		return &child->set->children[child->worker + 1];
	return first_child(child->set->next, child->set->capture->next);
}

uint64_t captures_progress(const struct captures *captures)
{
	const struct child *child = NULL;
	struct ledger_commit commit;
	uint64_t sum = 0;

	while ((child = captures_next_child(captures, child)) != NULL) {
		ledger_read(child->set->rings[child->worker].ledger, &commit);
		sum += commit.block + commit.packet + child->process.finished;
	}
	return sum;
}

/* --- devices that come and go ---------------------------------------------------------------------------------- */

struct ring_set *capture_current(const struct capture *capture)
{
	struct ring_set *set = capture->sets;

	while (set != NULL && set->coming)
		set = set->next;
	return set;
}

struct ring_set *capture_device(const struct capture *capture)
{
	struct ring_set *latest = capture_current(capture);

	return latest != NULL && !latest->gone && ring_set_is_bound(latest) ? latest : NULL;
}

bool capture_is_lost(const struct capture *capture)
{
	const struct ring_set *latest = capture_current(capture);

	return latest != NULL && !latest->gone && !ring_set_is_bound(latest);
}

/* The gate opens nowhere else. */
static int attach_filter(const struct capture *capture, const struct fancap_filter *filter, struct fancap_error *err)
{
	const struct ring_set *device = capture->paused ? NULL : capture_device(capture);
	struct fancap_error why;
	int r = device != NULL ? fancap_group_gate_open(&device->group, filter, &why) : 0;

	if (r < 0)
		fancap_error_set(err, "%s: %s", capture->name, why.text);
	return r;
}

/* @param filter "" or NULL: everything. @param ret without a device: nothing, but it has been seen to compile */
static int compile(const struct capture *capture, const char *filter, uint32_t snaplen, struct fancap_filter *ret,
		   struct fancap_error *err)
{
	const struct ring_set *device = capture_device(capture);
	int r;

	*ret = (struct fancap_filter){0};
	if (device != NULL)
		return fancap_filter_compile(filter, (int)device->link.linktype, snaplen, capture->device, ret, err);
	r = fancap_filter_compile(filter, FANCAP_LINKTYPE_ETHERNET, snaplen, NULL, ret, err);
	fancap_filter_done(ret);
	*ret = (struct fancap_filter){0};
	return r;
}

static int compile_in_force(const struct capture *capture, struct fancap_filter *ret, struct fancap_error *err)
{
	struct fancap_error why;
	int r = compile(capture, capture->settings.filter, capture->config->snaplen, ret, &why);

	if (r < 0)
		fancap_error_set(err, "%s: filter \"%s\": %s", capture->name, capture->settings.filter, why.text);
	return r;
}

int capture_attach(struct capture *capture, struct fancap_error *err)
{
	struct fancap_filter filter;
	int r;

	if (capture->n_sets >= SETS_MAX)
		return -EBUSY;
	capture_rename(capture, capture->name);
	r = open_set(capture, err);
	if (r < 0)
		return r;
	capture->up = capture->sets->link.up;
	r = compile_in_force(capture, &filter, err);
	if (r < 0) {
		/* Before its gate is open there is nothing in its rings. */
		struct ring_set *set = capture->sets;

		remove_set(capture, set);
		ring_set_free(set);
		return r;
	}
	r = attach_filter(capture, &filter, err);
	fancap_filter_done(&filter);
	if (r < 0) {
		/* Some sockets have their filter: what they let in is drained, as if the device had gone. */
		ring_set_gate_close(capture->sets);
		capture_detach(capture);
	}
	capture_store(capture);
	return r;
}

void capture_detach(struct capture *capture)
{
	capture_current(capture)->gone = true;
	capture->up = false;
	capture->has_nic = false;
}

void capture_store(const struct capture *capture)
{
	for (struct ring_set *set = capture->sets; set != NULL; set = set->next)
		ring_set_store(set);
}

void capture_remove(struct capture *capture)
{
	capture->last = *capture->config;
	capture->last.name = capture->name;
	capture->last.filter = NULL;
	capture->last.fanout.program = "";
	capture->last.cpus = NULL;
	capture->last.n_cpus = 0;
	capture->config = &capture->last;
	capture->removed = true;
}

/* --- filters ----------------------------------------------------------------------------------------------------- */

int capture_filter_compile(const struct capture *capture, const struct config_interface *interface,
			   struct fancap_filter *ret, struct fancap_error *err)
{
	struct fancap_error why;
	int r = compile(capture, interface->filter, interface->snaplen, ret, &why);

	if (r < 0)
		fancap_error_set(err, "%s: filter \"%s\": %s", interface->name,
				 interface->filter != NULL ? interface->filter : "", why.text);
	return r;
}

int capture_filter(struct capture *capture, const char *filter, struct fancap_error *err)
{
	struct recorder_settings *settings = &capture->settings;
	struct ring_set *device = capture_device(capture);
	struct fancap_filter program;
	int r;

	if (strlen(filter) >= sizeof(settings->filter)) {
		fancap_error_set(err, "it has %zu bytes; allowed: %zu", strlen(filter), sizeof(settings->filter) - 1);
		return -EINVAL;
	}
	r = compile(capture, filter, capture->config->snaplen, &program, err);
	if (r < 0)
		return r;
	r = attach_filter(capture, &program, err);
	fancap_filter_done(&program);
	if (r < 0)
		return r;
	snprintf(settings->filter, sizeof(settings->filter), "%s", filter);
	if (device != NULL)
		ring_set_configure(device, capture->config, settings);
	return 0;
}

int capture_pause(struct capture *capture, bool pause, struct fancap_error *err)
{
	struct ring_set *device = capture_device(capture);
	int r;

	capture->paused = pause;
	if (pause) {
		if (device != NULL)
			ring_set_gate_close(device);
		return 0;
	}
	r = capture_gate_open(capture, err);
	/* Missing, it is let in when it comes. */
	if (r == -ENODEV)
		r = 0;
	capture->paused = r < 0;
	return r;
}

int capture_gate_open(struct capture *capture, struct fancap_error *err)
{
	struct fancap_filter filter;
	int r;

	r = compile_in_force(capture, &filter, err);
	if (r < 0)
		return capture_device(capture) != NULL ? r : -ENODEV;
	r = attach_filter(capture, &filter, err);
	fancap_filter_done(&filter);
	return r;
}

void capture_gate_close(const struct capture *capture)
{
	for (const struct ring_set *set = capture->sets; set != NULL; set = set->next)
		ring_set_gate_close(set);
}

int capture_apply(struct capture *capture, const struct config *config,
		  const struct config_interface *interface, const struct fancap_filter *filter,
		  struct fancap_error *err)
{
	struct ring_set *device = capture_device(capture);
	int r;

	/* In any case: the old configuration is about to go. */
	capture->config = interface;
	r = attach_filter(capture, filter, err);
	if (r < 0)
		return r;
	fill_settings(config, interface, &capture->settings);
	if (device != NULL)
		ring_set_configure(device, interface, &capture->settings);
	return 0;
}

/* --- counting ---------------------------------------------------------------------------------------------------- */

unsigned capture_workers(const struct capture *capture)
{
	unsigned most = capture->config->workers;

	for (const struct ring_set *set = capture->sets; set != NULL; set = set->next)
		most = !set->coming && set->n > most ? set->n : most;
	return most;
}

static uint64_t restarts(const struct ring_set *set, unsigned worker)
{
	const struct child *child;

	if (set->children == NULL)
		return ledger_restarts(set->rings[worker].ledger);
	child = &set->children[worker];
	return child->restarts_before + child->process.restarts;
}

static void count_set(struct ring_set *set, unsigned worker, struct statistics_counters *sum)
{
	const uint64_t replaced = restarts(set, worker);

	ring_set_count(set, worker, sum);
	sum->worker_restarts += replaced;
	ledger_set_restarts(set->rings[worker].ledger, replaced);
}

static enum worker_state state_of(const struct process *process)
{
	if (process->pid == 0 && process->finished)
		return WORKER_WAITING;
	if (process_is_degraded(process))
		return WORKER_DEGRADED;
	return process->pid != 0 ? WORKER_RUNNING : WORKER_RESTARTING;
}

/* The newest set's worker is the one that is shown. */
static void show_child(const struct ring_set *set, unsigned worker, struct statistics_worker *ret)
{
	if (set->children == NULL)
		return;
	ret->state = state_of(&set->children[worker].process);
	ret->pid = set->children[worker].process.pid;
	ret->cpu = set->rings[worker].cpu;
}

void capture_count(const struct capture *capture, unsigned worker, struct statistics_worker *ret)
{
	bool shown = false;

	*ret = (struct statistics_worker){.worker = worker, .state = WORKER_WAITING, .cpu = -1};
	if (worker < capture->config->n_cpus)
		ret->cpu = (int)capture->config->cpus[worker];
	if (worker < past_workers(capture->past))
		ret->counters = *past_counters(capture->past, worker);
	for (struct ring_set *set = capture->sets; set != NULL; set = set->next) {
		if (worker >= set->n || set->coming)
			continue;
		count_set(set, worker, &ret->counters);
		ring_set_show(set, worker, ret);
		if (!shown)
			show_child(set, worker, ret);
		shown = true;
	}
}

/* In the past, or in the sets: killed anywhere in between, the next fancapd finds it in one of them. */
static int keep_counted(struct capture *capture, struct ring_set *set)
{
	struct statistics_counters *counted = calloc(set->n, sizeof(*counted));
	int r = counted == NULL ? -ENOMEM : 0;

	if (r == 0 && capture->past == NULL)
		r = past_new(capture->name, &capture->past);
	for (unsigned i = 0; r == 0 && i < set->n; i++)
		count_set(set, i, &counted[i]);
	if (r == 0) {
		past_add(capture->past, set->created_ns, set->created_ns, counted, set->n);
		past_store(capture->past);
	}
	free(counted);
	return r;
}

void capture_retire(struct capture *capture, struct ring_set *set)
{
	int r = 0;

	if (!set->abandoned) {
		/* Nobody works on it: what is counted is final. */
		ring_set_uncut(set);
		r = keep_counted(capture, set);
	}
	if (r < 0)
		cannot_count(capture->name, r);
	children_close(set);
	ring_set_unstore(set);
	remove_set(capture, set);
	ring_set_free(set);
}
