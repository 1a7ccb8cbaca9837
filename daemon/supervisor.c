// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/access.h"
#include "daemon/activation.h"
#include "daemon/capture.h"
#include "daemon/child.h"
#include "daemon/clock.h"
#include "daemon/control.h"
#include "daemon/events.h"
#include "daemon/forecast.h"
#include "daemon/identity.h"
#include "daemon/log.h"
#include "daemon/messages.h"
#include "daemon/notify.h"
#include "daemon/operations.h"
#include "daemon/patience.h"
#include "daemon/presence.h"
#include "daemon/reload.h"
#include "daemon/rotation.h"
#include "daemon/snapshot.h"
#include "daemon/storage.h"
#include "daemon/supervisor.h"
#include "daemon/waiting.h"

/* From the gate's closing to the last look at the kernel's counters: packets that were past the filter arrive. */
#define SETTLE_MS 20
/* While stopping, a process without progress for so long (workers: and two block timeouts) is killed. */
#define STOP_MAX_MS 20000u
/* How long to wait for the processes themselves after that, at such intervals. */
#define WAIT_MAX_MS 20000
#define WAIT_STEP_MS 5
/* While draining, systemd is to wait for so long after the last it heard of us. */
#define EXTEND_MS 10000u
#define DROPS_LOG_SECONDS 10
/* A caller is told after that that it is not done, rather than kept waiting. fancapctl itself waits for 10 s. */
#define ANSWER_MAX_MS 8000

struct supervisor {
	const char *config_path;
	struct config *config;
	struct event_base *base;
	struct event *signals[4];
	struct event *second_event, *settle_event;
	struct identity identity;
	struct events *events;
	struct control *control;
	struct child_owner owner;
	struct store store; /* what an earlier fancapd left, and nobody has taken yet */
	struct captures captures;
	struct rotations rotations;
	struct reload reload;
	bool sets_changed; /* since the storage keeper was told */
	struct control_job *reload_job; /* who waits for the one under way; NULL: nobody */
	struct waiting *restarts;
	struct storage storage;
	struct storage_status storage_status; /* as last asked for */
	struct forecast forecast;
	struct presence *presence;
	enum control_state state;
	bool told_to_leave; /* workers have their orders */
	struct patience patience; /* with those who have not left yet, while stopping */
	uint64_t started_ns;
	uint64_t loaded_ns; /* the configuration was */
	unsigned seconds;
	uint64_t drops_logged;
	bool *cached_logged; /* one per storage directory: that it is written through the page cache */
	int exit_code;
};

static int add_timer(struct event *event, unsigned ms)
{
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	return evtimer_add(event, &wait);
}

/* Every worker there is, in a loop. @param child NULL to begin with */
static struct child *next_child(const struct supervisor *sup, const struct child *child)
{
	return captures_next_child(&sup->captures, child);
}

/* --- what is told of it ----------------------------------------------------------------------------------------- */

static size_t count_workers(const struct supervisor *sup)
{
	size_t n = 0;

	for (const struct capture *capture = sup->captures.first; capture != NULL; capture = capture->next)
		n += capture_workers(capture);
	return n;
}

static struct snapshot_scope scope_of(const struct supervisor *sup)
{
	return (struct snapshot_scope){
		.captures = &sup->captures,
		.started_ns = sup->started_ns,
	};
}

static struct statistics *snapshot(void *arg)
{
	const struct snapshot_scope scope = scope_of(arg);

	return snapshot_take(&scope);
}

static void describe_interface(void *arg, size_t interface, struct control_interface *ret)
{
	const struct snapshot_scope scope = scope_of(arg);

	snapshot_interface(&scope, interface, ret);
}

static void describe_worker(void *arg, size_t interface, unsigned worker, struct control_worker *ret)
{
	const struct snapshot_scope scope = scope_of(arg);

	snapshot_worker(&scope, interface, worker, ret);
}

static int dump_configuration(void *arg, struct control_configuration *ret)
{
	const struct supervisor *sup = arg;
	size_t size;
	FILE *out;
	int r;

	*ret = (struct control_configuration){.path = sup->config_path, .loaded_ns = sup->loaded_ns};
	out = open_memstream(&ret->yaml, &size);
	if (out == NULL)
		return -ENOMEM;
	r = config_dump(sup->config, out);
	if (fclose(out) == 0 && r == 0)
		return 0;
	free(ret->yaml);
	return -ENOMEM;
}

static void fill_status(void *arg, struct control_status *ret)
{
	struct supervisor *sup = arg;
	uint64_t seconds;
	double rate;

	storage_read(&sup->storage, &sup->storage_status);
	*ret = (struct control_status){
		.version = PACKAGE_VERSION,
		.state = sup->state,
		.pid = getpid(),
		.started_ns = sup->started_ns,
		.config_path = sup->config_path,
		.socket_path = sup->config->control.socket,
		.log_level = log_level(),
		.storage = {
			.keeper_pid = sup->storage.process.pid,
			.keeper_restarts = sup->storage.process.restarts,
			.directories = sup->config->storage.directories,
			.status = &sup->storage_status,
			.written_bytes_per_s = -1,
			.retain_seconds = -1,
		},
	};
	if (!forecast_rate(&sup->forecast, &rate))
		return;
	ret->storage.written_bytes_per_s = rate;
	if (sup->storage_status.scanned != 0 &&
	    forecast_reach(&sup->storage_status, &sup->config->storage.retain, rate, &seconds))
		ret->storage.retain_seconds = seconds < INT64_MAX ? (int64_t)seconds : INT64_MAX;
}

/* What an operator has to know without asking, but not every second. */
static void log_drops(struct supervisor *sup, const struct statistics_counters *total)
{
	if (sup->seconds % DROPS_LOG_SECONDS != 0 || total->packets_dropped == sup->drops_logged)
		return;
	log_printf(LOG_WARNING, MESSAGE_PACKETS_DROPPED, NULL,
		   "%llu packets were dropped by the kernel in the last %d s, since the rings were full (%llu in all, %.3f%%)",
		   (unsigned long long)(total->packets_dropped - sup->drops_logged), DROPS_LOG_SECONDS,
		   (unsigned long long)total->packets_dropped,
		   statistics_percent(total->packets_dropped, total->packets_seen));
	sup->drops_logged = total->packets_dropped;
}

/* " (1 down, 2 missing)", "" if all are well. */
static const char *describe_trouble(const struct statistics *stats, char *ret, size_t size)
{
	static const enum interface_state troubles[] = {INTERFACE_DOWN, INTERFACE_PAUSED, INTERFACE_MISSING};
	size_t used = 0;

	ret[0] = '\0';
	for (size_t t = 0; t < sizeof(troubles) / sizeof(troubles[0]); t++) {
		size_t n = 0;

		for (size_t i = 0; i < stats->n_interfaces; i++)
			n += stats->interfaces[i].state == troubles[t];
		if (n > 0 && used < size)
			used += (size_t)snprintf(ret + used, size - used, "%s%zu %s", used > 0 ? ", " : " (", n,
						 interface_state_name(troubles[t]));
	}
	if (used > 0 && used < size)
		snprintf(ret + used, size - used, ")");
	return ret;
}

static struct ledger_writer writer_of(const struct child *child)
{
	return ledger_writer(child->set->rings[child->worker].ledger);
}

/* Whether a directory takes O_DIRECT shows with the first file there; it is said once, whoever made that file. */
static void log_page_cache(struct supervisor *sup)
{
	const struct child *child = NULL;

	while ((child = next_child(sup, child)) != NULL) {
		const struct ledger_writer writer = writer_of(child);

		/* The worker says which one; it may have gone wrong. LEDGER_NO_FOLDER is none either. */
		if (writer.folder < 0 || (size_t)writer.folder >= sup->config->storage.n_directories || writer.o_direct ||
		    sup->cached_logged[writer.folder])
			continue;
		sup->cached_logged[writer.folder] = true;
		log_printf(LOG_NOTICE, NULL, NULL,
			   "%s: the file system takes no direct writes (O_DIRECT): files are written through the page cache",
			   sup->config->storage.directories[writer.folder]);
	}
}

/* systemd kills us when it does not hear of this for a while: our loop turns, and every worker gets on. */
static void feed_watchdog(struct supervisor *sup)
{
	struct child *child = NULL;
	bool sound = true;

	while ((child = next_child(sup, child)) != NULL)
		sound = child_check(child) && sound;
	if (sound)
		notify_watchdog();
}

/* It is told below. */
static void hurry_stop(struct supervisor *sup);

static void on_second(evutil_socket_t fd, short what, void *arg)
{
	struct supervisor *sup = arg;
	struct statistics *stats = snapshot(sup);
	const size_t n = sup->captures.n, workers = count_workers(sup);
	char trouble[64];

	(void)fd;
	(void)what;
	feed_watchdog(sup);
	if (sup->state == CONTROL_STOPPING)
		hurry_stop(sup);
	log_page_cache(sup);
	if (sup->sets_changed && sup->state == CONTROL_RUNNING)
		storage_renew(&sup->storage);
	sup->sets_changed = false;
	if (stats == NULL)
		return;
	sup->seconds++;
	log_drops(sup, &stats->total);
	forecast_note(&sup->forecast, clock_monotonic_ns(), stats->total.bytes_written);
	presence_second(sup->presence);
	notify_status("%zu interface%s%s, %zu worker%s: %llu packets seen, %llu dropped, %llu written, %llu discarded",
		      n, n == 1 ? "" : "s", describe_trouble(stats, trouble, sizeof(trouble)), workers,
		      workers == 1 ? "" : "s", (unsigned long long)stats->total.packets_seen,
		      (unsigned long long)stats->total.packets_dropped,
		      (unsigned long long)stats->total.packets_written,
		      (unsigned long long)stats->total.packets_discarded);
	statistics_free(stats);
}

/*
 * --- stopping: gate closed -> packets on their way arrive -> counters read -> workers drain and leave -> the keeper
 * finishes their files and leaves ---
 */

static bool all_finished(const struct supervisor *sup)
{
	const struct child *child = NULL;

	while ((child = next_child(sup, child)) != NULL) {
		if (!child->process.finished)
			return false;
	}
	return true;
}

/* First the workers have to get on, then the keeper. */
static uint64_t stop_progress(const struct supervisor *sup)
{
	return storage_is_stopping(&sup->storage) ? storage_progress(&sup->storage) : captures_progress(&sup->captures);
}

static void begin_patience(struct supervisor *sup, unsigned limit_ms)
{
	patience_begin(&sup->patience, limit_ms * UINT64_C(1000000), stop_progress(sup), clock_monotonic_ns());
}

static void leave_if_finished(struct supervisor *sup)
{
	if (!all_finished(sup) || storage_is_stopping(&sup->storage))
		return;
	storage_stop(&sup->storage);
	begin_patience(sup, STOP_MAX_MS);
}

static void on_settled(evutil_socket_t fd, short what, void *arg)
{
	struct supervisor *sup = arg;
	struct child *child = NULL;

	(void)fd;
	(void)what;
	sup->told_to_leave = true;
	while ((child = next_child(sup, child)) != NULL)
		child_drain(child);
	leave_if_finished(sup);
}

static void kill_all(struct supervisor *sup)
{
	const struct child *child = NULL;

	while ((child = next_child(sup, child)) != NULL) {
		if (child->process.pid == 0)
			continue;
		log_printf(LOG_ERR, NULL, &child->process.about, "process %d does not finish: killing it", (int)child->process.pid);
		kill(child->process.pid, SIGKILL);
		sup->exit_code = 1;
	}
	if (sup->storage.process.pid != 0 && sup->storage.process.ordered) {
		log_error("storage keeper: process %d does not finish: killing it; the next start recovers what it leaves",
			  (int)sup->storage.process.pid);
		kill(sup->storage.process.pid, SIGKILL);
		sup->exit_code = 1;
	}
	event_base_loopbreak(sup->base);
}

/* A long backlog on a slow disk is waited for, and systemd told to; a process that hangs is not. */
static void hurry_stop(struct supervisor *sup)
{
	notify_extend_timeout(EXTEND_MS);
	if (patience_is_over(&sup->patience, stop_progress(sup), clock_monotonic_ns()))
		kill_all(sup);
}

static void begin_stop(struct supervisor *sup)
{
	unsigned longest_ms = 0;
	struct child *child = NULL;

	if (sup->state == CONTROL_STOPPING)
		return;
	reload_give_up(&sup->reload, "fancapd is stopping");
	sup->state = CONTROL_STOPPING;
	presence_stop(sup->presence);
	notify_stopping();
	log_printf(LOG_INFO, MESSAGE_STOPPING, NULL, "stopping: recording what is in the rings");
	for (const struct capture *capture = sup->captures.first; capture != NULL; capture = capture->next) {
		/* Rings that are kept go on filling: for the next fancapd, if there is one. */
		if (!store_available())
			capture_gate_close(capture);
		for (const struct ring_set *set = capture->sets; set != NULL; set = set->next) {
			if (set->geometry.req.tp_retire_blk_tov > longest_ms)
				longest_ms = set->geometry.req.tp_retire_blk_tov;
		}
	}
	/* A ring whose worker is being replaced has to be drained too. */
	while ((child = next_child(sup, child)) != NULL)
		process_hurry(&child->process);
	add_timer(sup->settle_event, SETTLE_MS);
	begin_patience(sup, 2 * longest_ms + STOP_MAX_MS);
}

static void on_stop_signal(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	begin_stop(arg);
}

/* --- workers --------------------------------------------------------------------------------------------------- */

static struct child *find_child(struct supervisor *sup, pid_t pid)
{
	struct child *child = NULL;

	while ((child = next_child(sup, child)) != NULL && child->process.pid != pid)
		;
	return child;
}

/* Workers for a set that has none. */
static int start_workers(struct supervisor *sup, struct ring_set *set)
{
	int r = children_open(set, &sup->owner);

	if (r == 0)
		children_start(set);
	return r;
}

/* A worker has left as it was told to: because we stop, or because its set is to be drained. */
static void worker_finished(struct supervisor *sup, struct ring_set *set)
{
	struct capture *capture = set->capture;

	if (!children_are_finished(set))
		return;
	if (set->gone) {
		capture_retire(capture, set);
		if (capture->removed && capture->sets == NULL)
			captures_forget(&sup->captures, capture);
		else if (capture_device(capture) == NULL)
			presence_look(sup->presence, capture);
	}
	if (sup->told_to_leave)
		leave_if_finished(sup);
}

static void on_attached(struct capture *capture, void *arg)
{
	struct supervisor *sup = arg;
	struct ring_set *set = capture_current(capture);
	int r = set != NULL && set->children == NULL ? start_workers(sup, set) : 0;

	if (r < 0)
		log_printf(LOG_ERR, NULL, &(struct log_context){capture->name, -1}, "no workers can be started: %s",
			   strerror(-r));
	sup->sets_changed = true;
}

/* With the device, the kernel has taken the sockets off it: no packet is on its way to the rings. */
static void on_gone(struct capture *capture, void *arg)
{
	struct supervisor *sup = arg;

	reload_give_up(&sup->reload, "an interface went away meanwhile; try again");
	children_drain(capture_current(capture));
}

static void on_renamed(struct capture *capture, void *arg)
{
	struct ring_set *set = capture_current(capture);

	(void)arg;
	for (unsigned i = 0; set->children != NULL && i < set->n; i++)
		child_configure(&set->children[i]);
}

static void child_died(struct supervisor *sup, struct child *child, int status)
{
	bool was_ready = child->process.ready;

	child_reaped(child, status);
	if (sup->state == CONTROL_STARTING && !was_ready) {
		/* It will not work any better the next time. */
		sup->exit_code = 1;
		event_base_loopbreak(sup->base);
		return;
	}
	if (child->set->abandoned)
		process_give_up(&child->process);
	if (child->process.finished) {
		rotations_check(&sup->rotations);
		worker_finished(sup, child->set);
		return;
	}
	/* While stopping as well: what is in its ring is yet to be recorded. */
	process_restart_later(&child->process);
	if (!was_ready && child->set->coming)
		reload_give_up(&sup->reload, "a new worker cannot start");
}

static void keeper_died(struct supervisor *sup, int status)
{
	process_reaped(&sup->storage.process, status);
	segments_keeper_died(&sup->storage.segments);
	if (!sup->storage.process.finished)
		process_restart_later(&sup->storage.process);
	else if (storage_left(&sup->storage))
		event_base_loopbreak(sup->base);
}

static void on_sigchld(evutil_socket_t fd, short what, void *arg)
{
	struct supervisor *sup = arg;
	pid_t pid;
	int status;

	(void)fd;
	(void)what;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *child = find_child(sup, pid);

		if (child != NULL)
			child_died(sup, child, status);
		else if (pid == sup->storage.process.pid)
			keeper_died(sup, status);
	}
}

static bool all_ready(const struct supervisor *sup)
{
	const struct child *child = NULL;

	while ((child = next_child(sup, child)) != NULL) {
		if (!child->process.ready && !child->process.finished)
			return false;
	}
	return true;
}

static int open_gates(struct supervisor *sup)
{
	struct fancap_error err;

	for (struct capture *capture = sup->captures.first; capture != NULL; capture = capture->next) {
		int r = capture_gate_open(capture, &err);

		/* A device that has gone already is seen to when we run. */
		if (r < 0 && r != -ENODEV) {
			log_error("%s", err.text);
			return r;
		}
	}
	return 0;
}

static void log_capture(const struct capture *capture, const struct ring_set *set)
{
	log_printf(LOG_INFO, NULL, &(struct log_context){capture->name, -1},
		   "capturing with %u workers (fanout %s, group %u), rings of %u blocks of %u bytes, to %s%s",
		   set->n, fancap_fanout_mode_name(capture->config->fanout.mode), set->group.id,
		   set->geometry.req.tp_block_nr, set->geometry.req.tp_block_size, capture->folders[0],
		   capture->n_folders > 1 ? " and others" : "");
}

/* What came while nobody ran is not lost, and not unsaid. */
static void log_taken_over(struct ring_set *set)
{
	uint64_t waiting = 0;

	for (unsigned i = 0; i < set->n; i++) {
		struct statistics_counters counters = {0};

		ring_set_count(set, i, &counters);
		waiting += counters.packets_seen - counters.packets_dropped - counters.packets_written;
		for (int reason = 0; reason < DISCARD_REASONS; reason++)
			waiting -= counters.discarded_by_reason[reason];
	}
	log_printf(LOG_NOTICE, MESSAGE_TAKEN_OVER, &(struct log_context){set->interface, -1},
		   "%s the rings of an earlier fancapd, and %llu packets in them", set->gone ? "draining" : "going on with",
		   (unsigned long long)waiting);
}

/* Whether the rings are large enough is seen when it is too late, unless somebody works it out. */
static void log_stall(const struct ring_set *set)
{
	uint64_t stall_ns = ring_set_stall_ns(set, SNAPSHOT_PACKET_BYTES);

	if (stall_ns == 0)
		return;
	log_printf(LOG_INFO, NULL, &(struct log_context){set->interface, -1},
		   "at the link's %u Mbit/s, shared evenly in packets of %u bytes, a worker may stall for %llu ms before packets are dropped",
		   set->link.speed_mbit, SNAPSHOT_PACKET_BYTES, (unsigned long long)(stall_ns / 1000000u));
}

/* As the workers found it when they began. Replacements are not asked: they would say the same, as a rule. */
static void log_io_uring(const struct supervisor *sup)
{
	const struct child *child = NULL;
	size_t refused = 0, all = 0;
	int error = 0;

	for (; (child = next_child(sup, child)) != NULL; all++) {
		const struct ledger_writer writer = writer_of(child);

		if (writer.io_uring_error != 0)
			error = writer.io_uring_error;
		refused += writer.io_uring_error != 0;
	}
	if (refused > 0)
		log_printf(LOG_NOTICE, NULL, NULL,
			   "the kernel refuses io_uring to %zu of %zu workers: %s; they wait for one write before they start the next",
			   refused, all, strerror(error));
}

/* Every worker that can be there is. */
static int begin_capture(struct supervisor *sup)
{
	int r = open_gates(sup);

	if (r == 0)
		r = presence_start(sup->presence, &sup->captures);
	if (r < 0)
		return r;
	sup->state = CONTROL_RUNNING;
	for (const struct capture *capture = sup->captures.first; capture != NULL; capture = capture->next) {
		const struct ring_set *set = capture->sets;

		if (set == NULL || set->gone)
			continue;
		log_capture(capture, set);
		log_stall(set);
	}
	r = reload_take_over(&sup->reload);
	if (r < 0)
		return r;
	log_io_uring(sup);
	log_printf(LOG_NOTICE, MESSAGE_STARTED, NULL, "fancapd %s is capturing", PACKAGE_VERSION);
	notify_ready();
	return 0;
}

static void on_child_ready(struct child *child, void *arg)
{
	struct supervisor *sup = arg;

	if (sup->told_to_leave || child->set->gone)
		child_drain(child); /* it is there to drain its ring */
	reload_check(&sup->reload);
	operations_ready(&sup->restarts, child);
	if (sup->state != CONTROL_STARTING || !all_ready(sup))
		return;
	if (begin_capture(sup) < 0) {
		sup->exit_code = 1;
		event_base_loopbreak(sup->base);
	}
}

static void on_child_losing(struct child *child, void *arg)
{
	(void)arg;
	ring_set_read_kernel(child->set, child->worker);
}

/* --- rotation on request --------------------------------------------------------------------------------------- */

static int rotate(void *arg, const char *interface, struct control_job *job)
{
	struct supervisor *sup = arg;

	if (sup->state != CONTROL_RUNNING)
		return -EAGAIN;
	return rotations_begin(&sup->rotations, sup->base, &sup->captures, interface, ANSWER_MAX_MS, job);
}

static void on_child_rotated(struct child *child, void *arg)
{
	struct supervisor *sup = arg;

	(void)child;
	rotations_check(&sup->rotations);
}

static void forget_job(void *arg, struct control_job *job)
{
	struct supervisor *sup = arg;

	if (sup->reload_job == job)
		sup->reload_job = NULL;
	rotations_forget(&sup->rotations, job);
	waiting_forget(&sup->restarts, job);
	segments_forget(&sup->storage.segments, job);
}

/* --- other things that callers may ask for --------------------------------------------------------------------- */

static int restart_worker(void *arg, const char *interface, unsigned worker, struct control_job *job)
{
	struct supervisor *sup = arg;

	if (sup->state != CONTROL_RUNNING)
		return -EAGAIN;
	return operations_restart(&sup->restarts, sup->base, &sup->captures, interface, worker, ANSWER_MAX_MS, job);
}

static int pause_or_resume(void *arg, const char *interface, bool pause, unsigned *ret_changed,
			   struct fancap_error *err)
{
	struct supervisor *sup = arg;

	if (sup->state != CONTROL_RUNNING)
		return -EAGAIN;
	return operations_pause(&sup->captures, interface, pause, ret_changed, err);
}

static int set_filter(void *arg, const char *interface, const char *filter, bool configured, const char **ret_filter,
		      struct fancap_error *err)
{
	const struct supervisor *sup = arg;
	const struct capture *capture = captures_find(&sup->captures, interface);
	int r;

	if (sup->state != CONTROL_RUNNING)
		return -EAGAIN;
	if (capture != NULL && configured)
		filter = capture->config->filter;
	r = operations_filter(&sup->captures, interface, filter, err);
	if (r == 0)
		*ret_filter = capture->settings.filter;
	return r;
}

static int list_segments(void *arg, const struct segments_query *query, struct control_job *job)
{
	struct supervisor *sup = arg;

	return segments_list(&sup->storage.segments, query, ANSWER_MAX_MS, job);
}

static int hold_segments(void *arg, bool hold, const struct segment_entry *entries, size_t n, struct control_job *job)
{
	struct supervisor *sup = arg;

	return segments_hold(&sup->storage.segments, hold, entries, n, ANSWER_MAX_MS, job);
}

static int parse_segment(void *arg, const char *path, struct segment_entry *ret)
{
	const struct supervisor *sup = arg;

	return segment_entry_parse(path, sup->config->storage.directories, sup->config->storage.n_directories, ret);
}

static int set_log_level(void *arg, int level)
{
	int before = log_level();

	(void)arg;
	log_set_level(level);
	return before;
}

/* --- reload ---------------------------------------------------------------------------------------------------- */

static const char *not_running(const struct supervisor *sup)
{
	return sup->state == CONTROL_STARTING ? "fancapd is starting" : "fancapd is stopping";
}

static void on_config_in_force(struct config *config, void *arg)
{
	struct supervisor *sup = arg;
	struct child *child = NULL;

	config_free(sup->config);
	sup->config = config;
	sup->loaded_ns = clock_realtime_ns();
	storage_configure(&sup->storage, config);
	while ((child = next_child(sup, child)) != NULL) {
		if (!child->set->gone)
			child_configure(child);
	}
}

static void on_set_finished(struct ring_set *set, void *arg)
{
	worker_finished(arg, set);
}

static void on_reloaded(struct reload_report *report, void *arg)
{
	struct supervisor *sup = arg;
	struct control_job *job = sup->reload_job;

	sup->reload_job = NULL;
	sup->sets_changed = true;
	if (sup->state == CONTROL_RUNNING)
		notify_ready();
	if (job != NULL)
		job->over(job, &(struct control_outcome){.in_time = true, .reload = report});
	reload_report_done(report);
}

/* @param job NULL: nobody waits */
static bool reload_now(void *arg, struct control_job *job, struct reload_report *ret_report)
{
	struct supervisor *sup = arg;

	if (sup->state != CONTROL_RUNNING) {
		*ret_report = (struct reload_report){RELOAD_UNAVAILABLE, strdup(not_running(sup))};
		log_warning("reload ignored: %s", not_running(sup));
		return true;
	}
	notify_reloading();
	control_look_up_groups(sup->control);
	if (!reload_begin(&sup->reload, sup->config, ret_report)) {
		sup->reload_job = job;
		return false;
	}
	if (sup->reload.run == NULL) /* it was not refused because of another one */
		notify_ready();
	return true;
}

static void on_sighup(evutil_socket_t fd, short what, void *arg)
{
	struct reload_report report;

	(void)fd;
	(void)what;
	if (reload_now(arg, NULL, &report))
		reload_report_done(&report);
}

/* --- life ------------------------------------------------------------------------------------------------------ */

static int open_events(struct supervisor *sup)
{
	const struct {
		int number;
		event_callback_fn handler;
	} signals[] = {
		{SIGTERM, on_stop_signal},
		{SIGINT, on_stop_signal},
		{SIGHUP, on_sighup},
		{SIGCHLD, on_sigchld},
	};
	const struct timeval second = {.tv_sec = 1};

	signal(SIGPIPE, SIG_IGN);
	sup->base = event_base_new();
	if (sup->base == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sup->signals[i] = evsignal_new(sup->base, signals[i].number, signals[i].handler, sup);
		if (sup->signals[i] == NULL || event_add(sup->signals[i], NULL) < 0)
			return -ENOMEM;
	}
	sup->events = events_open(sup->base);
	if (sup->events == NULL)
		return -ENOMEM;
	log_set_tap(events_note, sup->events);
	sup->second_event = event_new(sup->base, -1, EV_PERSIST, on_second, sup);
	sup->settle_event = evtimer_new(sup->base, on_settled, sup);
	if (sup->second_event == NULL || sup->settle_event == NULL || event_add(sup->second_event, &second) < 0)
		return -ENOMEM;
	return 0;
}

static int open_control(struct supervisor *sup, const struct activation *passed, struct fancap_error *err)
{
	const struct control_options options = {
		.path = sup->config->control.socket,
		.listen_fd = activation_control(passed, err),
		.owner = sup->identity.uid,
		.group = sup->identity.gid,
		.admin_group = ACCESS_ADMIN_GROUP,
		.source = {
			.snapshot = snapshot,
			.status = fill_status,
			.interface = describe_interface,
			.worker = describe_worker,
			.configuration = dump_configuration,
			.events = sup->events,
			.reload = reload_now,
			.rotate = rotate,
			.restart_worker = restart_worker,
			.pause = pause_or_resume,
			.set_filter = set_filter,
			.set_log_level = set_log_level,
			.list_segments = list_segments,
			.hold_segments = hold_segments,
			.parse_segment = parse_segment,
			.forget = forget_job,
			.arg = sup,
		},
	};

	if (options.listen_fd < 0 && options.listen_fd != -ENOENT)
		return options.listen_fd;
	return control_open(sup->base, &options, &sup->control, err);
}

static int open_presence(struct supervisor *sup, struct fancap_error *err)
{
	const struct presence_owner owner = {
		.attached = on_attached,
		.gone = on_gone,
		.renamed = on_renamed,
		.arg = sup,
	};

	return presence_open(sup->base, &owner, &sup->presence, err);
}

/* From the service manager: the control socket, if it made that, and what an earlier fancapd had it keep. */
static int take_passed(struct supervisor *sup, struct fancap_error *err)
{
	struct activation passed;
	int r = activation_take(&passed, err);

	if (r == 0)
		r = open_control(sup, &passed, err);
	if (r == 0 && passed.n > 0)
		r = store_take(&sup->store, passed.fds, passed.names, passed.n);
	activation_done(&passed);
	return r;
}

/* All that start has to do with them is done: what is new is kept, what nobody took is let go. */
static void settle_store(struct supervisor *sup)
{
	for (const struct capture *capture = sup->captures.first; capture != NULL; capture = capture->next)
		capture_store(capture);
	captures_settle_pasts(&sup->captures, &sup->store);
	store_done(&sup->store);
}

static int open_captures(struct supervisor *sup, struct fancap_error *err)
{
	const struct config *config = sup->config;
	int r;

	sup->cached_logged = calloc(config->storage.n_directories, sizeof(*sup->cached_logged));
	if (sup->cached_logged == NULL) {
		fancap_error_set(err, "out of memory");
		return -ENOMEM;
	}
	captures_take_past(&sup->captures, &sup->store);
	for (size_t i = 0; i < config->n_interfaces; i++) {
		r = capture_open(config, &config->interfaces[i], &sup->store, &sup->captures, err);
		if (r < 0)
			return r;
	}
	return capture_open_left(config, &sup->store, &sup->captures, err);
}

static int start_children(struct supervisor *sup, struct fancap_error *err)
{
	int r = 0;

	for (struct capture *capture = sup->captures.first; capture != NULL; capture = capture->next) {
		for (struct ring_set *set = capture->sets; r == 0 && set != NULL; set = set->next)
			r = start_workers(sup, set);
	}
	if (r < 0)
		fancap_error_set(err, "cannot start the workers: %s", strerror(-r));
	return r;
}

static void log_all_taken_over(const struct supervisor *sup)
{
	for (const struct capture *capture = sup->captures.first; capture != NULL; capture = capture->next) {
		for (struct ring_set *set = capture->sets; set != NULL; set = set->next) {
			if (set->taken_over)
				log_taken_over(set);
		}
	}
}

static int supervisor_open(struct supervisor *sup)
{
	struct fancap_error err = {"out of memory"};
	int r;

	sup->started_ns = sup->loaded_ns = clock_realtime_ns();
	r = open_events(sup);
	sup->owner = (struct child_owner){
		.ready = on_child_ready,
		.losing = on_child_losing,
		.rotated = on_child_rotated,
		.base = sup->base,
		.mailbox_fd = -1,
		.arg = sup,
	};
	sup->reload.owner = (struct reload_owner){
		.base = sup->base,
		.path = sup->config_path,
		.captures = &sup->captures,
		.children = &sup->owner,
		.in_force = on_config_in_force,
		.finished = on_set_finished,
		.over = on_reloaded,
		.arg = sup,
	};
	if (r == 0)
		r = identity_find(sup->config, &sup->identity, &err);
	if (r == 0)
		r = take_passed(sup, &err);
	if (r == 0)
		r = identity_assume(&sup->identity, sup->config, &err);
	if (r == 0)
		r = storage_open(sup->config, sup->base, &sup->storage, &err);
	if (r == 0)
		r = open_presence(sup, &err); /* before there are sockets whose devices could go */
	if (r == 0)
		r = open_captures(sup, &err);
	if (r == 0)
		r = identity_settle(&sup->identity, finish_capabilities(&sup->storage.owner), &err);
	if (r == 0) {
		sup->owner.mailbox_fd = sup->storage.mailbox_fds[1];
		r = storage_start(&sup->storage, &sup->captures);
		if (r < 0)
			fancap_error_set(&err, "cannot start the storage keeper: %s", strerror(-r));
	}
	if (r == 0) {
		settle_store(sup);
		log_all_taken_over(sup);
		r = start_children(sup, &err);
	}
	if (r < 0)
		log_error("%s", err.text);
	/* No worker will say so if there is none to be started yet. */
	if (r == 0 && all_ready(sup))
		r = begin_capture(sup);
	return r;
}

static void log_totals(struct supervisor *sup)
{
	struct statistics *stats = snapshot(sup);

	if (stats == NULL)
		return;
	log_printf(LOG_NOTICE, MESSAGE_STOPPED, NULL,
		   "stopped: %llu packets seen, %llu dropped by the kernel, %llu written, %llu discarded, %llu left in the rings%s",
		   (unsigned long long)stats->total.packets_seen,
		   (unsigned long long)stats->total.packets_dropped,
		   (unsigned long long)stats->total.packets_written,
		   (unsigned long long)stats->total.packets_discarded,
		   (unsigned long long)stats->total.packets_in_ring,
		   store_available() ? ", which the service manager keeps for the next start" : "");
	if (!store_available() &&
	    stats->total.packets_written + stats->total.packets_discarded != stats->total.packets_delivered)
		sup->exit_code = 1;
	statistics_free(stats);
}

/* One that was killed while it waits for a disk goes when that answers; by itself, if it takes too long. */
static void wait_for_all(struct supervisor *sup)
{
	const struct timespec step = {.tv_nsec = WAIT_STEP_MS * 1000000};
	unsigned waited_ms = 0;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0 || errno == EINTR) {
		if (pid != 0)
			continue;
		if (waited_ms >= WAIT_MAX_MS) {
			log_error("a process that waits for a disk is left behind: it ends when the disk answers");
			sup->exit_code = 1;
			return;
		}
		nanosleep(&step, NULL);
		waited_ms += WAIT_STEP_MS;
	}
}

/*
 * Those that still run (a failed start) see their channel closed and leave. Told how much there is to record, which is
 * nothing as a rule, they do so at once, and not after the block timeout.
 */
static void wait_for_children(struct supervisor *sup)
{
	struct capture *capture;
	struct child *child = NULL;

	if (sup->state == CONTROL_STARTING) {
		for (capture = sup->captures.first; capture != NULL; capture = capture->next)
			capture_gate_close(capture);
		while ((child = next_child(sup, child)) != NULL)
			child_drain(child);
	}
	for (capture = sup->captures.first; capture != NULL; capture = capture->next) {
		for (struct ring_set *set = capture->sets; set != NULL; set = set->next)
			children_close(set);
	}
	storage_close(&sup->storage);
	wait_for_all(sup);
}

static void supervisor_close(struct supervisor *sup)
{
	wait_for_children(sup);
	control_close(sup->control);
	log_set_tap(NULL, NULL);
	events_close(sup->events);
	presence_close(sup->presence);
	reload_stop(&sup->reload);
	rotations_done(&sup->rotations);
	waiting_done(&sup->restarts);
	captures_close(&sup->captures);
	store_close(&sup->store); /* there is something left in it if the start failed */
	free(sup->cached_logged);
	for (size_t i = 0; i < sizeof(sup->signals) / sizeof(sup->signals[0]); i++) {
		if (sup->signals[i] != NULL)
			event_free(sup->signals[i]);
	}
	if (sup->second_event != NULL)
		event_free(sup->second_event);
	if (sup->settle_event != NULL)
		event_free(sup->settle_event);
	if (sup->base != NULL)
		event_base_free(sup->base);
	config_free(sup->config);
	libevent_global_shutdown();
}

int supervisor_run(const char *config_path, struct config *config)
{
	struct supervisor sup = {
		.config_path = config_path,
		.config = config,
		.state = CONTROL_STARTING,
	};
	bool captured;

	if (supervisor_open(&sup) < 0)
		sup.exit_code = 1;
	else
		event_base_dispatch(sup.base);
	captured = sup.state != CONTROL_STARTING;
	if (captured)
		log_totals(&sup);
	supervisor_close(&sup);
	return sup.exit_code;
}
