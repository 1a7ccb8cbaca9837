// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/reload.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/capture.h"
#include "daemon/child.h"
#include "daemon/config.h"
#include "daemon/handover.h"
#include "daemon/log.h"
#include "daemon/messages.h"
#include "daemon/reload_private.h"

/* So long new workers may take to say that they record. fancapctl itself waits for 10 s. */
#define READY_MAX_MS 7000

/* What becomes of one interface. */
struct change {
	struct capture *capture;
	const struct config_interface *interface; /* as it will be; NULL: it is removed */
	bool added;
	struct ring_set *from, *to; /* NULL: its rings stay as they are */
	struct fancap_filter filter;
};

struct reload_run {
	struct config *config; /* NULL: it is in force, and the owner's */
	bool at_start;	       /* it was in force before */
	bool decided;
	struct change *changes;
	size_t n;
	struct handover *handover;
	struct event *limit;
	bool begun;
};

/* --- what is to be done ------------------------------------------------------------------------------------------- */

/* At most. @param config NULL: none */
static size_t count_changes(const struct config *config, const struct captures *captures)
{
	return captures->n + (config != NULL ? config->n_interfaces : 0);
}

/* All that can be seen to be impossible without making anything. */
static int plan_one(struct change *change, struct fancap_error *err)
{
	const struct config_interface *interface = change->interface;

	if (change->capture != NULL && change->capture->removed) {
		fancap_error_set(err, "%s: what is left of it is still being recorded; try again", change->capture->name);
		return -EBUSY;
	}
	if (interface == NULL)
		return 0;
	return capture_check(interface, err);
}

/* @return 0 or -errno */
static int plan(struct reload_run *run, const struct captures *captures, struct fancap_error *err)
{
	const struct config *config = run->config;
	int r = 0;

	for (struct capture *capture = captures->first; r == 0 && capture != NULL; capture = capture->next) {
		struct change *change = &run->changes[run->n];

		*change = (struct change){.capture = capture, .interface = reload_find_interface(config, capture->name)};
		if (capture->removed && change->interface == NULL)
			continue; /* on its way out */
		run->n++;
		r = plan_one(change, err);
	}
	for (size_t i = 0; r == 0 && i < config->n_interfaces; i++) {
		struct change *change = &run->changes[run->n];

		if (captures_find(captures, config->interfaces[i].name) != NULL)
			continue;
		*change = (struct change){.interface = &config->interfaces[i], .added = true};
		run->n++;
		r = plan_one(change, err);
	}
	return r;
}

static bool takes_time(const struct reload_run *run)
{
	for (size_t i = 0; i < run->n; i++) {
		const struct change *change = &run->changes[i];

		if (change->added || change->interface == NULL ||
		    (reload_needs_rings(change->capture->config, change->interface) &&
		     capture_device(change->capture) != NULL))
			return true;
	}
	return false;
}

/* --- making it ready: nothing changes yet --------------------------------------------------------------------------- */

static int start_workers(const struct reload *reload, struct ring_set *set, struct fancap_error *err)
{
	int r = children_open(set, reload->owner.children);

	if (r < 0)
		fancap_error_set(err, "%s: no workers can be started: %s", set->interface, strerror(-r));
	else
		children_start(set);
	return r;
}

static int prepare_rings(struct reload *reload, struct change *change, struct fancap_error *err)
{
	struct reload_run *run = reload->run;
	int r = capture_regroup(change->capture, run->config, change->interface, &change->to, err);

	if (r < 0)
		return r;
	r = handover_add(run->handover, change->from, change->to);
	if (r < 0)
		fancap_error_set(err, "%s: %s", change->capture->name, strerror(-r));
	else
		r = start_workers(reload, change->to, err);
	/* Before it is decided that they are needed: they must not get lost with us. */
	if (r == 0)
		ring_set_store(change->to);
	return r;
}

static int prepare_added(struct reload *reload, struct change *change, struct fancap_error *err)
{
	struct captures *captures = reload->owner.captures;
	struct store none = {0};
	int r = capture_open(reload->run->config, change->interface, &none, captures, err);

	if (r < 0)
		return r;
	change->capture = captures_find(captures, change->interface->name);
	return change->capture->sets != NULL ? start_workers(reload, change->capture->sets, err) : 0;
}

static int prepare_removed(struct reload *reload, struct change *change, struct fancap_error *err)
{
	int r = change->from != NULL ? handover_add(reload->run->handover, change->from, NULL) : 0;

	if (r < 0)
		fancap_error_set(err, "%s: %s", change->capture->name, strerror(-r));
	return r;
}

static int prepare(struct reload *reload, struct change *change, struct fancap_error *err)
{
	int r = 0;

	if (change->added)
		return prepare_added(reload, change, err);
	change->from = capture_device(change->capture);
	if (change->interface == NULL)
		return prepare_removed(reload, change, err);
	r = capture_filter_compile(change->capture, change->interface, &change->filter, err);
	if (r == 0 && change->from != NULL && reload_needs_rings(change->capture->config, change->interface))
		r = prepare_rings(reload, change, err);
	return r;
}

/* --- the end -------------------------------------------------------------------------------------------------------- */

static void run_free(struct reload_run *run)
{
	for (size_t i = 0; i < run->n; i++)
		fancap_filter_done(&run->changes[i].filter);
	handover_free(run->handover);
	if (run->limit != NULL)
		event_free(run->limit);
	config_free(run->config);
	free(run->changes);
	free(run);
}

/* Nothing is in it that anybody wants: its gate was never open, or the old set has it all. */
static void abandon(struct reload *reload, struct ring_set *set)
{
	set->gone = true;
	set->abandoned = true;
	ring_set_gate_close(set);
	children_dismiss(set);
	if (children_are_finished(set))
		reload->owner.finished(set, reload->owner.arg);
}

static void undo(struct reload *reload, struct change *change)
{
	struct capture *capture = change->capture;

	if (change->to != NULL)
		abandon(reload, change->to);
	if (!change->added || capture == NULL)
		return;
	capture_remove(capture);
	if (capture->sets != NULL)
		abandon(reload, capture->sets);
	else
		captures_forget(reload->owner.captures, capture);
}

/* All is as it was. */
static void fail(struct reload *reload, enum reload_result result, const char *why, struct reload_report *report)
{
	struct reload_run *run = reload->run;

	reload->run = NULL;
	handover_free(run->handover);
	run->handover = NULL;
	for (size_t i = 0; i < run->n; i++)
		undo(reload, &run->changes[i]);
	run_free(run);
	reload_refuse(report, result, why);
}

/* --- going over ------------------------------------------------------------------------------------------------------ */

static void apply(const struct config *config, struct change *change)
{
	struct fancap_error err;

	if (change->added)
		return;
	if (change->interface == NULL)
		capture_remove(change->capture);
	/* From here on the kernel can only fail for want of memory; the interface keeps its old filter then. */
	else if (capture_apply(change->capture, config, change->interface, &change->filter, &err) < 0)
		log_error("%s", err.text);
}

static void apply_all(struct reload *reload)
{
	struct reload_run *run = reload->run;
	struct config *config = run->config;

	run->decided = true;
	if (run->at_start)
		return;
	for (size_t i = 0; i < run->n; i++) {
		apply(config, &run->changes[i]);
		/* Paused since the gates were opened. */
		if (run->changes[i].to != NULL && run->changes[i].capture->paused)
			ring_set_gate_close(run->changes[i].to);
	}
	run->config = NULL;
	log_set_level(config->log.level);
	reload->owner.in_force(config, reload->owner.arg);
	for (size_t i = 0; i < run->n; i++) {
		if (run->changes[i].interface == NULL && run->changes[i].capture->sets == NULL)
			captures_forget(reload->owner.captures, run->changes[i].capture);
	}
}

static void succeed(struct reload *reload, struct reload_report *report)
{
	if (reload->run->at_start)
		log_info("new rings have taken over from those of an earlier fancapd");
	else
		log_printf(LOG_NOTICE, MESSAGE_RELOADED, NULL, "configuration reloaded from %s", reload->owner.path);
	run_free(reload->run);
	reload->run = NULL;
	*report = (struct reload_report){RELOAD_DONE, NULL};
}

static void on_decided(void *arg)
{
	apply_all(arg);
}

static void on_over(void *arg)
{
	struct reload *reload = arg;
	struct reload_report report;

	succeed(reload, &report);
	reload->owner.over(&report, reload->owner.arg);
}

/* --- waiting for new workers ----------------------------------------------------------------------------------------- */

static struct ring_set *new_set(const struct change *change)
{
	return change->added && change->capture != NULL ? change->capture->sets : change->to;
}

static void fail_later(struct reload *reload, enum reload_result result, const char *why)
{
	struct reload_report report;

	fail(reload, result, why, &report);
	reload->owner.over(&report, reload->owner.arg);
}

static int open_gate(struct change *change, struct fancap_error *err)
{
	struct fancap_error why;
	int r = 0;

	if (change->added)
		r = capture_gate_open(change->capture, err);
	if (change->added)
		return r == -ENODEV ? 0 : r;
	if (change->to == NULL || change->capture->paused)
		return 0;
	r = fancap_group_gate_open(&change->to->group, &change->filter, &why);
	if (r < 0)
		fancap_error_set(err, "%s: %s", change->capture->name, why.text);
	return r;
}

static void begin(struct reload *reload)
{
	struct reload_run *run = reload->run;
	struct fancap_error err;
	int r = 0;

	for (size_t i = 0; r == 0 && i < run->n; i++)
		r = open_gate(&run->changes[i], &err);
	if (r < 0) {
		fail_later(reload, RELOAD_UNAVAILABLE, err.text);
		return;
	}
	run->begun = true;
	evtimer_del(run->limit);
	for (size_t i = 0; i < run->n; i++) {
		if (run->changes[i].added)
			capture_store(run->changes[i].capture);
	}
	handover_begin(run->handover);
}

static bool all_ready(const struct reload_run *run)
{
	for (size_t i = 0; i < run->n; i++) {
		const struct ring_set *set = new_set(&run->changes[i]);

		if (set != NULL && !children_are_ready(set))
			return false;
	}
	return true;
}

void reload_check(struct reload *reload)
{
	if (reload->run != NULL && !reload->run->begun && all_ready(reload->run))
		begin(reload);
}

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
	struct reload *reload = arg;

	(void)fd;
	(void)what;
	if (all_ready(reload->run)) /* there was nobody to wait for */
		begin(reload);
	else
		fail_later(reload, RELOAD_UNAVAILABLE, "the new workers do not start");
}

void reload_give_up(struct reload *reload, const char *why)
{
	if (reload->run != NULL && !reload->run->decided)
		fail_later(reload, RELOAD_UNAVAILABLE, why);
}

void reload_stop(struct reload *reload)
{
	if (reload->run != NULL)
		run_free(reload->run);
	reload->run = NULL;
}

/* --- life ------------------------------------------------------------------------------------------------------------ */

static struct reload_run *run_new(struct reload *reload, struct config *config)
{
	const struct handover_owner owner = {on_decided, on_over, reload};
	struct reload_run *run = calloc(1, sizeof(*run));

	if (run == NULL)
		return NULL;
	run->changes = calloc(count_changes(config, reload->owner.captures) + 1, sizeof(*run->changes));
	run->handover = handover_new(reload->owner.base, &owner);
	run->limit = evtimer_new(reload->owner.base, on_limit, reload);
	if (run->changes == NULL || run->handover == NULL || run->limit == NULL) {
		run_free(run);
		return NULL;
	}
	run->config = config;
	return run;
}

/* @return whether it is over */
static bool start(struct reload *reload, struct reload_report *report)
{
	struct reload_run *run = reload->run;
	struct timeval limit = {.tv_sec = READY_MAX_MS / 1000};
	struct fancap_error err;
	bool waits;
	int r = plan(run, reload->owner.captures, &err);

	waits = r == 0 && takes_time(run);
	for (size_t i = 0; r == 0 && i < run->n; i++)
		r = prepare(reload, &run->changes[i], &err);
	if (r < 0) {
		fail(reload, r == -EBUSY || r == -ENOMEM ? RELOAD_UNAVAILABLE : RELOAD_INVALID, err.text, report);
		return true;
	}
	if (!waits) {
		apply_all(reload);
		succeed(reload, report);
		return true;
	}
	evtimer_add(run->limit, all_ready(run) ? &(struct timeval){0} : &limit);
	return false;
}

int reload_take_over(struct reload *reload)
{
	struct reload_run *run = run_new(reload, NULL);
	struct fancap_error err = {"out of memory"};
	int r = 0;

	if (run == NULL)
		return -ENOMEM;
	run->at_start = true;
	reload->run = run;
	for (struct capture *capture = reload->owner.captures->first; r == 0 && capture != NULL; capture = capture->next) {
		struct change *change = &run->changes[run->n];

		if (capture->sets == NULL || !capture->sets->coming)
			continue;
		*change = (struct change){
			.capture = capture,
			.interface = capture->config,
			.from = capture_device(capture),
			.to = capture->sets,
		};
		run->n++;
		if (change->from == NULL)
			r = -ENODEV;
		if (r == 0)
			r = capture_filter_compile(capture, capture->config, &change->filter, &err);
		if (r == 0)
			r = handover_add(run->handover, change->from, change->to);
	}
	if (run->n == 0)
		reload_stop(reload);
	else if (r < 0)
		reload_give_up(reload, err.text);
	else
		reload_check(reload);
	return 0;
}

bool reload_begin(struct reload *reload, const struct config *current, struct reload_report *ret_report)
{
	struct config *config;
	char why[256];

	if (reload->run != NULL) {
		reload_refuse(ret_report, RELOAD_UNAVAILABLE, "another reload is under way");
		return true;
	}
	config = reload_load(reload->owner.path, ret_report);
	if (config == NULL)
		return true;
	if (reload_needs_restart(current, config, why, sizeof(why))) {
		reload_refuse(ret_report, RELOAD_NEEDS_RESTART, why);
		config_free(config);
		return true;
	}
	reload->run = run_new(reload, config);
	if (reload->run == NULL) {
		reload_refuse(ret_report, RELOAD_UNAVAILABLE, "out of memory");
		config_free(config);
		return true;
	}
	return start(reload, ret_report);
}
