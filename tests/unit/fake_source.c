// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/fake_source.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "daemon/events.h"
#include "daemon/log.h"
#include "daemon/statistics.h"
#include "daemon/storage_status.h"
#include "daemon/summary.h"

#define STARTED_NS 1700000000000000000ULL /* 2023-11-14 22:13:20 UTC */
#define NS_PER_S 1000000000ULL

static const char *const fake_directories[] = {"/srv/one", "/srv/two"};

static void worker_fill(struct statistics_worker *w, unsigned interface, unsigned k)
{
	w->pid = (pid_t)(1000 + 100 * interface + k);
	w->cpu = interface ? -1 : (int)k + 2;
	w->ring_blocks = 256;
	w->ring_blocks_used = 2 + k;
	w->ring_blocks_used_max = 64 * (k % 4 + 1);
	w->io_uring = !interface;
	w->has_file = !interface || !k;
	w->direct_io = !interface;
	w->counters.packets_seen = 1234567 + 1000000 * k;
	w->counters.packets_dropped = interface ? 0 : 1234 * k;
	w->counters.packets_written = w->counters.packets_seen - w->counters.packets_dropped - 10 * k;
	w->counters.discarded_by_reason[DISCARD_DISK_FULL] = 7 * k;
	w->counters.bytes_written = w->counters.packets_written * 400;
	w->counters.ring_freezes = k;
	w->counters.ring_rollovers = interface ? 5000 * k : 0;
	w->counters.ring_rollovers_huge = interface ? 30 * k : 0;
	w->counters.ring_rollovers_failed = interface ? 4 * k : 0;
	w->counters.blocks_direct = interface ? 0 : 900 + 99 * k;
	w->counters.blocks_staged = interface ? 0 : 100 - 99 * k;
	w->counters.writes = interface ? 0 : 1000 + 1000 * k;
	w->counters.write_ns = w->counters.writes * (k ? 450000 : 1500000) + 10 * k;
	w->counters.write_max_ns = interface ? 0 : k ? 99960000 : 8300000;
	if (interface == 1 && k == 1) {
		w->state = WORKER_RESTARTING;
		w->pid = 0;
		w->counters.worker_restarts = 3;
	}
}

static struct statistics *fake_snapshot(void *arg)
{
	struct fake_source *fake = arg;
	struct statistics *stats = fake->no_snapshot ? NULL : statistics_new(2);

	fake->snapshots++;
	if (!stats)
		return NULL;
	stats->started_ns = STARTED_NS;
	stats->time_ns = STARTED_NS + 3723 * NS_PER_S;
	for (unsigned i = 0; i < 2; i++) {
		struct statistics_interface *interface = &stats->interfaces[i];

		interface->name = i ? "wan" : "eth1";
		interface->device = i ? "wan" : "lan0";
		interface->ifindex = (int)i + 3;
		interface->has_nic = i == 0;
		interface->nic = (struct link_counters){
			.rx_packets = 2500000, .rx_errors = 1, .rx_dropped = 20, .rx_missed = 300, .rx_fifo = 4000,
			.rx_nohandler = 5};
		if (i == 1 && fake->missing) {
			interface->device = NULL;
			interface->state = INTERFACE_MISSING;
		}
		interface->fanout_id = i + 41;
		interface->fanout_mode = i ? "lb" : "hash";
		if (statistics_interface_alloc(interface, fake->n_workers) < 0) {
			statistics_free(stats);
			return NULL;
		}
		for (unsigned k = 0; k < fake->n_workers; k++)
			worker_fill(&interface->workers[k], i, k);
	}
	statistics_sum(stats);
	return stats;
}

static void fake_interface(void *arg, size_t interface, struct control_interface *ret)
{
	static const char *const folders[][2] = {{"/srv/one/eth1", "/srv/two/eth1"}, {"/srv/one/wan", "/srv/two/wan"}};
	const struct fake_source *fake = arg;

	*ret = (struct control_interface){
		.link_type = interface ? "RAW" : "EN10MB",
		.mtu = 1500,
		.speed_bits = interface ? 0 : 10000000000,
		.ring_bytes = 256 << 20,
		.ring_blocks = 256,
		.block_bytes = 1 << 20,
		.block_timeout_ms = 50,
		.stall_ns = interface ? 0 : 214748364,
		.snaplen = 262144,
		.filter = interface ? "" : "tcp port 443",
		.filter_configured = interface ? NULL : "tcp",
		.timestamps = "kernel",
		.promiscuous = !interface,
		.folders = folders[interface],
		.n_folders = 2,
	};
	if (interface == 1 && fake->missing) {
		ret->link_type = NULL;
		ret->mtu = 0;
	}
}

static void fake_worker(void *arg, size_t interface, unsigned worker, struct control_worker *ret)
{
	(void)arg;
	*ret = (struct control_worker){
		.heartbeat_ns = 12345678 * (worker + 1),
		.has_segment = !interface || !worker,
		.segment = {.bytes = 123456789, .packets = 250000, .start_ns = STARTED_NS + 60 * NS_PER_S},
	};
	snprintf(ret->segment.path, sizeof(ret->segment.path),
		 "/srv/one/%s/2023-11-14/x-w%u.pcapng.part", interface ? "wan" : "eth1", worker);
}

static int fake_configuration(void *arg, struct control_configuration *ret)
{
	(void)arg;
	*ret = (struct control_configuration){
		.path = "/etc/fancap/fancapd.yaml",
		.loaded_ns = STARTED_NS + 5 * NS_PER_S,
		.yaml = strdup("interfaces:\n  - name: eth1\n  - name: wan\n"),
	};
	return ret->yaml ? 0 : -ENOMEM;
}

static void fake_status(void *arg, struct control_status *ret_status)
{
	static const struct storage_status storage = {
		.scanned = 1,
		.files = 1234,
		.bytes = 987654321012,
		.oldest_ns = STARTED_NS - 86400 * NS_PER_S,
		.active_bytes = 4 << 20,
		.finished_files = 1200,
		.recovered_files = 2,
		.removed_files = 34,
		.removed_bytes = 34 << 20,
		.synced_files = 5678,
		.errors = 1,
		.n_directories = 2,
		.directories = {{1000000000000, 98765432101}, {2000000000000, 198765432101}},
		.last_error = "/srv/two/wan/2023-11-14/x.pcapng: cannot be compressed: Input/output error",
	};
	static const struct storage_status none;
	const struct fake_source *fake = arg;

	*ret_status = (struct control_status){
		.version = fake->version ? fake->version : "0.0.0-test",
		.state = fake->no_snapshot ? CONTROL_STARTING : CONTROL_RUNNING,
		.pid = 4321,
		.started_ns = STARTED_NS,
		.config_path = "/etc/fancap/fancapd.yaml",
		.socket_path = "/run/fancap/io.fancap",
		.log_level = fake->log_level,
		.storage = {
			.keeper_pid = fake->no_snapshot ? 0 : 4322,
			.keeper_restarts = fake->no_snapshot ? 0 : 1,
			.directories = fake_directories,
			.status = fake->no_snapshot ? &none : &storage,
			.written_bytes_per_s = fake->no_snapshot ? -1 : 2500000.5,
			.retain_seconds = fake->no_snapshot ? -1 : 864000,
		},
	};
}

void fake_source_end_jobs(struct fake_source *fake, bool in_time)
{
	struct segment_entry files[] = {
		{ .interface = "eth1", .start_us = STARTED_NS / 1000, .worker = 1, .bytes = 1000, .packets = 10,
		  .last_ns = STARTED_NS + NS_PER_S, .compressed = true, .held = true },
		{ .interface = "wan", .start_us = STARTED_NS / 1000, .directory = 1, .active = true, .bytes = 2000,
		  .packets = SUMMARY_PACKETS_UNKNOWN },
	};
	const struct segments_answer answer = { .result = fake->segments_result, .changed = 1, .more = true, .n = 2,
						.entries = files, .directories = fake_directories };
	struct reload_report report = { fake->reload_result, (char *)(uintptr_t)fake->reload_reasons };
	const struct control_outcome outcome = { .in_time = in_time, .workers = 2, .pid = 1234, .segments = &answer,
						 .reload = &report };

	while (fake->n_jobs > 0) {
		struct control_job *job = fake->jobs[--fake->n_jobs];

		job->over(job, &outcome);
	}
}

static bool fake_reload(void *arg, struct control_job *job, struct reload_report *ret_report)
{
	struct fake_source *fake = arg;

	if (fake->reload_takes_time) {
		fake->jobs[fake->n_jobs++] = job;
		return false;
	}

	fake_source_end_jobs(fake, true);
	fake->reloads++;
	*ret_report = (struct reload_report){ fake->reload_result,
					      fake->reload_reasons ? strdup(fake->reload_reasons) : NULL };
	return true;
}

static int fake_rotate(void *arg, const char *interface, struct control_job *job)
{
	struct fake_source *fake = arg;

	if (interface && strcmp(interface, "eth1") && strcmp(interface, "wan"))
		return -ENODEV;
	if (fake->no_snapshot)
		return -EAGAIN;
	if (fake->n_jobs == FAKE_JOBS_MAX)
		return -ENOMEM;
	fake->jobs[fake->n_jobs++] = job;
	return 0;
}

static bool is_fake_interface(const char *interface)
{
	return !strcmp(interface, "eth1") || !strcmp(interface, "wan");
}

static int fake_restart_worker(void *arg, const char *interface, unsigned worker, struct control_job *job)
{
	const struct fake_source *fake = arg;

	if (!is_fake_interface(interface))
		return -ENODEV;
	if (worker >= fake->n_workers)
		return -ESRCH;
	return fake_rotate(arg, interface, job);
}

static int fake_pause(void *arg, const char *interface, bool pause, unsigned *ret_changed, struct fancap_error *err)
{
	struct fake_source *fake = arg;

	if (interface && !is_fake_interface(interface))
		return -ENODEV;
	if (fake->missing && !pause) {
		fancap_error_set(err, "wan: filter: no memory");
		return -ENOBUFS;
	}
	*ret_changed = 0;
	for (unsigned i = 0; i < 2; i++) {
		if (interface && strcmp(interface, i ? "wan" : "eth1"))
			continue;
		*ret_changed += fake->paused[i] != pause;
		fake->paused[i] = pause;
	}
	return 0;
}

static int fake_set_filter(void *arg, const char *interface, const char *filter, bool configured,
			   const char **ret_filter, struct fancap_error *err)
{
	struct fake_source *fake = arg;

	if (!is_fake_interface(interface))
		return -ENODEV;
	if (fake->no_snapshot)
		return -EAGAIN;
	if (filter && !strcmp(filter, "prot 1")) {
		fancap_error_set(err, "syntax error");
		return -EINVAL;
	}
	fake->filter = *ret_filter = configured ? "tcp" : !filter ? "" : !strcmp(filter, "udp") ? "udp" : "";
	fake->filter_configured = configured;
	return 0;
}

static int fake_list_segments(void *arg, const struct segments_query *query, struct control_job *job)
{
	struct fake_source *fake = arg;

	fake->query = *query;
	return fake_rotate(arg, NULL, job);
}

static int fake_hold_segments(void *arg, bool hold, const struct segment_entry *entries, size_t n,
			      struct control_job *job)
{
	struct fake_source *fake = arg;

	(void)entries;
	fake->held = hold;
	fake->n_paths = n;
	return fake_rotate(arg, NULL, job);
}

static int fake_parse_segment(void *arg, const char *path, struct segment_entry *ret)
{
	(void)arg;
	return segment_entry_parse(path, fake_directories, 2, ret);
}

static int fake_set_log_level(void *arg, int level)
{
	struct fake_source *fake = arg;
	int before = fake->log_level;

	fake->log_level = level;
	return before;
}

static void fake_forget(void *arg, struct control_job *job)
{
	struct fake_source *fake = arg;

	for (size_t i = 0; i < fake->n_jobs; i++)
		if (fake->jobs[i] == job)
			fake->jobs[i] = fake->jobs[--fake->n_jobs];
}

struct control_source fake_source(struct fake_source *fake)
{
	return (struct control_source){
		.snapshot = fake_snapshot, .status = fake_status, .interface = fake_interface,
		.worker = fake_worker, .configuration = fake_configuration, .events = fake->events, .reload = fake_reload,
		.rotate = fake_rotate,
		.restart_worker = fake_restart_worker, .pause = fake_pause, .set_filter = fake_set_filter,
		.set_log_level = fake_set_log_level, .list_segments = fake_list_segments,
		.hold_segments = fake_hold_segments, .parse_segment = fake_parse_segment, .forget = fake_forget, .arg = fake,
	};
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(arg);
}

int fake_source_serve(const char *path, struct fake_source *fake, const struct control_limits *limits)
{
	struct event_base *base = event_base_new();
	struct event *terminate = evsignal_new(base, SIGTERM, on_signal, base);
	struct control_options options = {
		.path = path,
		.listen_fd = -1,
		.owner = (uid_t)-1,
		.group = (gid_t)-1,
		.admin_group = fake->admin_group,
		.limits = limits,
		.source = fake_source(fake),
	};
	struct control *control = NULL;
	struct fancap_error err;
	int r;

	fake->events = events_open(base);
	options.source.events = fake->events;
	log_set_tap(events_note, fake->events);
	event_add(terminate, NULL);
	r = control_open(base, &options, &control, &err);
	if (r < 0)
		fprintf(stderr, "# %s\n", err.text);
	else
		event_base_dispatch(base);
	control_close(control);
	log_set_tap(NULL, NULL);
	events_close(fake->events);
	event_free(terminate);
	event_base_free(base);
	return r;
}
