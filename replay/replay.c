// SPDX-License-Identifier: BSD-3-Clause
#include "replay/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "replay/clock.h"
#include "replay/feed.h"
#include "replay/lanes.h"
#include "replay/report.h"
#include "replay/route.h"
#include "replay/sender.h"

#define PROGRESS_NS (CLOCK_NS_PER_S / 5)
/* At top speed the clock is looked at now and then only. */
#define PROGRESS_PACKETS 1024u

struct replay {
	const struct options *options;
	const volatile int *stop;
	FILE *err;
	struct feed *feed;
	struct sender *sender;
	struct lanes *lanes; /* in its place, with several threads */
	struct schedule schedule;
	struct report report;
	uint64_t put;	   /* packets given to the sender */
	uint64_t start_ns; /* CLOCK_MONOTONIC */
	uint64_t progress_ns; /* when to show it next; UINT64_MAX: never */
};

/* --- setting up -------------------------------------------------------------------------------------- */

static int check_route(const char *interface, int ifindex, struct fancap_error *err)
{
	int r = route_is_default(ifindex);

	if (r < 0) {
		fancap_error_set(err, "%s: looking for default routes: %s; --force sends without", interface, strerror(-r));
		return r;
	}
	if (r == 0)
		return 0;
	fancap_error_set(err, "%s: a default route of this machine leads through it; --force sends all the same", interface);
	return -EPERM;
}

static int check_interface(const struct options *options, struct fancap_link *ret, struct fancap_error *err)
{
	struct fancap_error why = {""};
	int r = fancap_link_query(options->interface, ret, &why);

	if (r < 0) {
		fancap_error_set(err, "%s: %.200s", options->interface, why.text);
	} else if (!ret->up) {
		fancap_error_set(err, "%s: is down", options->interface);
		r = -ENETDOWN;
	} else if (!ret->carrier) {
		fancap_error_set(err, "%s: " SENDER_NO_CARRIER, options->interface);
		r = -ENETDOWN;
	} else if (!options->force) {
		r = check_route(options->interface, ret->ifindex, err);
	}
	return r;
}

static int set_up_sender(struct replay *replay, const struct sender_params *params, struct fancap_error *err)
{
	const struct options *options = replay->options;
	int r;

	if (options->threads > 1)
		return lanes_open(options->threads, options->loops, replay->feed, params, &replay->lanes, err);
	r = sender_open(params, &replay->sender, err);
	if (r == 0 && options->preload)
		return feed_preload(replay->feed, err);
	/* A pipe cannot be read twice: say so before it has been read once. */
	if (r == 0 && options->loops != 1)
		return feed_rewind(replay->feed, err);
	return r;
}

/* Files are opened before the ring is made: what is wrong with them is said even to who may not send. */
static int set_up(struct replay *replay, struct fancap_error *err)
{
	const struct options *options = replay->options;
	struct feed_params feed = {
		.paths = options->paths, .n_paths = options->n_paths, .filter = options->filter, .stop = replay->stop};
	struct sender_params sender = {
		.interface = options->interface, .qdisc = options->qdisc, .stop = replay->stop};
	int r = check_interface(options, &feed.link, err);

	if (r < 0)
		return r;
	replay->report.interface = options->interface;
	replay->report.mtu = feed_mtu(&feed.link);
	sender.link = feed.link;
	sender.packet_max = feed_packet_max(&feed.link);
	r = feed_open(&feed, &replay->feed, err);
	return r < 0 ? r : set_up_sender(replay, &sender, err);
}

/* --- sending ----------------------------------------------------------------------------------------- */

static void show_progress(struct replay *replay, uint64_t now_ns)
{
	if (now_ns < replay->progress_ns)
		return;
	replay->report.duration_ns = now_ns - replay->start_ns;
	report_progress(&replay->report, replay->err);
	replay->progress_ns = now_ns + PROGRESS_NS;
}

/* Wait until the packet is due; what was put before it leaves first. @return 0; -EINTR; as sender_flush() */
static int wait_due(struct replay *replay, uint64_t offset_ns, struct fancap_error *err)
{
	uint64_t now = clock_now_ns(), due;
	int r;

	if (replay->start_ns == 0)
		replay->start_ns = now;
	due = offset_ns > UINT64_MAX - replay->start_ns ? UINT64_MAX : replay->start_ns + offset_ns;
	while (now < due && *replay->stop == 0) {
		/* Every time: the interface may have been too busy for some. */
		r = sender_flush(replay->sender, &replay->report.counts, err);
		if (r < 0)
			return r;
		now = clock_wait(due);
		show_progress(replay, now);
	}
	if (*replay->stop != 0)
		return -EINTR;
	if (now - due > replay->report.late_max_ns)
		replay->report.late_max_ns = now - due;
	return 0;
}

static int wait_turn(struct replay *replay, const struct replay_packet *packet, struct fancap_error *err)
{
	uint64_t due_ns = schedule_next(&replay->schedule, packet->time_ns, packet->len);

	if (replay->options->speed.kind != SPEED_TOP)
		return wait_due(replay, due_ns, err);
	if (replay->start_ns == 0)
		replay->start_ns = clock_now_ns();
	if (replay->put % PROGRESS_PACKETS == 0)
		show_progress(replay, clock_now_ns());
	return 0;
}

/* Everything once. @return 0; -EINTR asked to stop; -errno */
static int send_pass(struct replay *replay, struct fancap_error *err)
{
	struct replay_counts *counts = &replay->report.counts;
	struct replay_packet packet;
	int r;

	while ((r = feed_next(replay->feed, counts, &packet, err)) == 1) {
		if (*replay->stop != 0)
			return -EINTR;
		r = wait_turn(replay, &packet, err);
		if (r == 0)
			r = sender_put(replay->sender, &packet, counts, err);
		replay->put += r == 1;
		/* What is due does not stay here while the next packet is on its way through a pipe. */
		if (r == 1 && feed_may_wait(replay->feed))
			r = sender_flush(replay->sender, counts, err);
		if (r < 0)
			return r;
	}
	return r;
}

static int send_passes(struct replay *replay, struct fancap_error *err)
{
	uint64_t pass = 0;

	for (;;) {
		uint64_t before = replay->put;
		int r = send_pass(replay, err);

		pass++;
		if (r < 0 || pass == replay->options->loops || replay->put == before)
			return r; /* a pass that sends nothing would for ever */
		schedule_again(&replay->schedule);
		r = feed_rewind(replay->feed, err);
		if (r < 0)
			return r;
	}
}

/* Whatever ended it, what has been put is let go. @return as send_passes(), or what failed then */
static int send_all(struct replay *replay, struct fancap_error *err)
{
	int r = send_passes(replay, err), finished;

	finished = sender_finish(replay->sender, &replay->report.counts, r < 0 && r != -EINTR ? NULL : err);
	replay->report.duration_ns = replay->start_ns != 0 ? clock_now_ns() - replay->start_ns : 0;
	replay->report.mtu = sender_mtu(replay->sender);
	replay->report.unsent =
		replay->put - replay->report.counts.packets_sent - replay->report.counts.skipped[SKIP_REFUSED];
	return r < 0 ? r : finished;
}

/* The same with several threads. */
static int send_lanes(struct replay *replay, struct fancap_error *err)
{
	struct report *report = &replay->report;
	int r;

	replay->start_ns = clock_now_ns();
	r = lanes_start(replay->lanes, err);
	while (r == 0 && replay->progress_ns != UINT64_MAX && lanes_running(replay->lanes)) {
		lanes_count(replay->lanes, &report->counts, &report->unsent);
		show_progress(replay, clock_wait(clock_now_ns() + PROGRESS_NS));
	}
	if (r == 0)
		r = lanes_join(replay->lanes, err);
	report->duration_ns = clock_now_ns() - replay->start_ns;
	lanes_count(replay->lanes, &report->counts, &report->unsent);
	return r;
}

/* --- the end ------------------------------------------------------------------------------------------ */

static void print_report(const struct replay *replay, FILE *out)
{
	if (replay->options->json)
		report_print_json(&replay->report, out);
	else
		report_print(&replay->report, out);
}

static int conclude(const struct replay *replay, int r, const struct fancap_error *err)
{
	if (r < 0 && r != -EINTR && r != -ETIME) {
		fprintf(replay->err, "fancap-replay: %s\n", err->text);
		return REPLAY_FAILED;
	}
	if (*replay->stop != 0)
		return REPLAY_SIGNAL + *replay->stop;
	if (replay->report.counts.packets_sent == 0) {
		fprintf(replay->err, "fancap-replay: no packet was sent\n");
		return REPLAY_FAILED;
	}
	return REPLAY_OK;
}

int replay_run(const struct options *options, const volatile int *stop, FILE *out, FILE *err)
{
	struct replay replay = {
		.options = options,
		.stop = stop,
		.err = err,
		.report.paced = options->speed.kind != SPEED_TOP,
		.progress_ns = isatty(fileno(err)) ? 0 : UINT64_MAX,
	};
	struct fancap_error why = {""};
	int r;

	schedule_init(&replay.schedule, options->speed);
	clock_init();
	r = set_up(&replay, &why);
	if (r == 0) {
		r = replay.lanes != NULL ? send_lanes(&replay, &why) : send_all(&replay, &why);
		if (replay.progress_ns != UINT64_MAX)
			report_progress_end(err);
		print_report(&replay, out);
	}
	r = conclude(&replay, r, &why);
	lanes_close(replay.lanes);
	sender_close(replay.sender);
	feed_close(replay.feed);
	return r;
}
