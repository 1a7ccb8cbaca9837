// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <event2/event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/channel.h"
#include "daemon/clock.h"
#include "daemon/device_clock.h"
#include "daemon/log.h"
#include "daemon/privileges.h"
#include "daemon/process.h"
#include "daemon/worker.h"
#include "fancap/ring.h"

/* With more than this part of the ring held, write, however little it is: the kernel needs room. */
#define HELD_MAX_PART 4

/*
 * A write costs much by itself, so it is to be large; but while it is gathered and while it is under way the ring has to
 * take what comes.
 */
#define GATHER_MAX_PART 8
#define GATHER_MAX_BYTES (8u << 20)

/* What little is recorded on a quiet link is written so often. */
#define FLUSH_NS 100000000u

/* How many blocks between two looks at the channel. */
#define BLOCKS_PER_TURN 64

/* How long to wait for another worker of the same ring to go. */
#define CLAIM_WAIT_MS 10000

/* Beyond the block timeout, how long the kernel may take to retire the last block. */
#define STOP_SLACK_MS 2000

struct worker {
	const struct worker_params *params;
	struct fancap_ring ring;
	struct recorder *recorder;
	uint64_t released;   /* position of the first block not handed back */
	uint64_t flushed_ns; /* CLOCK_MONOTONIC */
	uint64_t losing_told; /* kernel_reads + 1 when we last said that packets are being lost */
	bool clock_told; /* that the device's clock is wrong */
	bool stopping;
	uint64_t stop_packets; /* leave when so many packets are recorded, */
	uint64_t stop_block;   /* or all blocks before this position, */
	uint32_t stop_wait_ms; /* or when so long after the order the ring is empty */
	struct event_base *base;
	struct event *ring_event, *more_event, *disk_event, *flush_event, *channel_event, *tick_event, *deadline_event;
};

/* --- the ring -------------------------------------------------------------------------------------------------- */

/*
 * Blocks in use follow one another from the first not handed back: those we hold, then those that wait for us. So one look
 * behind as many as there ever were says whether there are more.
 */
static void note_fill(struct worker *w)
{
	uint32_t before = ledger_blocks_used_max(w->params->ledger), most = before;

	while (most < w->ring.blocks && fancap_ring_block_ready(&w->ring, w->released + most))
		most++;
	if (most > before)
		ledger_set_blocks_used_max(w->params->ledger, most);
}

/* Hand back what the recorder is done with. */
static void release_done(struct worker *w)
{
	uint64_t done;

	recorder_reap(w->recorder);
	done = recorder_position(w->recorder);
	while (w->released < done)
		fancap_ring_release(&w->ring, w->released++);
	ledger_set_blocks_held(w->params->ledger, (uint32_t)(w->ring.next - w->released));
}

static void flush(struct worker *w)
{
	recorder_flush(w->recorder);
	w->flushed_ns = clock_monotonic_ns();
	release_done(w);
}

/* The kernel needs room; and nobody waits long for what he has recorded: a new worker's first block is written at once. */
static bool is_flush_due(const struct worker *w)
{
	return w->ring.next - w->released >= w->ring.blocks / HELD_MAX_PART ||
	       clock_monotonic_ns() - w->flushed_ns >= FLUSH_NS;
}

/* Write what is there, but not for every block of a busy link: it will make larger writes soon. */
static void flush_soon(struct worker *w)
{
	uint64_t since = clock_monotonic_ns() - w->flushed_ns;
	struct timeval wait;

	if (since >= FLUSH_NS || w->stopping) {
		flush(w);
		return;
	}
	wait = (struct timeval){.tv_usec = (suseconds_t)((FLUSH_NS - since) / 1000u)};
	if (!evtimer_pending(w->flush_event, NULL))
		evtimer_add(w->flush_event, &wait);
}

/* Once per reading of the kernel's counters: they tell it how many, and the recorder puts the figure into the file. */
static void tell_losing(struct worker *w)
{
	uint64_t reads = ledger_kernel_reads(w->params->ledger) + 1;

	if (w->losing_told == reads)
		return;
	w->losing_told = reads;
	(void)channel_send(w->params->channel_fd, &(struct channel_message){.type = CHANNEL_LOSING});
}

/* Times are recorded as the device gives them, right or wrong; once, we say that they are wrong. */
static void check_clock(struct worker *w, const void *block)
{
	int64_t off_ns;

	if (!w->params->hardware_timestamps || w->clock_told)
		return;
	if (device_clock_check(block, w->ring.block_bytes, clock_realtime_ns(), &off_ns))
		return;
	w->clock_told = true;
	log_printf(LOG_WARNING, NULL, &w->params->recorder.log,
		   "the device's clock is %lld s off the system's: recorded times are wrong unless a PTP daemon "
		   "sets it", (long long)(off_ns / 1000000000));
}

/* @return whether there was a block */
static bool record_one(struct worker *w)
{
	uint64_t position = w->ring.next;
	void *block = fancap_ring_acquire(&w->ring);

	if (block == NULL)
		return false;
	note_fill(w);
	if (fancap_block_losing(block))
		tell_losing(w);
	ledger_set_attempt(w->params->ledger, position);
	if (!ledger_block_is_poison(w->params->ledger, position))
		check_clock(w, block);
	recorder_block(w->recorder, block, w->ring.block_bytes);
	ledger_set_attempt(w->params->ledger, LEDGER_NO_BLOCK);
	release_done(w);
	if (recorder_unwritten(w->recorder) > 0 && is_flush_due(w))
		flush(w);
	return true;
}

static void stop_when_drained(struct worker *w)
{
	if (w->stopping && (recorder_packets_done(w->recorder) >= w->stop_packets ||
			    w->ring.next >= w->stop_block))
		event_base_loopbreak(w->base);
}

/* An error on the socket is reported for ever until it is read. */
static void clear_socket_error(struct worker *w)
{
	int error = 0;
	socklen_t len = sizeof(error);

	/* The supervisor watches the link, and says what there is to say, once and not once for each worker. */
	if (getsockopt(w->params->ring_fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error != 0)
		log_printf(LOG_DEBUG, NULL, &w->params->recorder.log, "interface: %s", strerror(error));
}

/*
 * Record what is there, and write it when there is no more: a busy ring makes large writes, a quiet one timely ones. The
 * event is edge-triggered, so the ring is looked at until it is empty.
 */
static void on_ring(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	unsigned blocks = 0;

	(void)fd;
	(void)what;
	while (blocks < BLOCKS_PER_TURN && record_one(w))
		blocks++;
	if (blocks == BLOCKS_PER_TURN) {
		/* A timer, not event_active(): libevent would call us again without a look at the channel. */
		evtimer_add(w->more_event, &(struct timeval){0});
		stop_when_drained(w);
		return;
	}
	if (blocks == 0)
		clear_socket_error(w);
	flush_soon(w);
	stop_when_drained(w);
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	flush(w);
	stop_when_drained(w);
}

/* Writes are done. */
static void on_disk(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	release_done(w);
	stop_when_drained(w);
}

/* --- orders ---------------------------------------------------------------------------------------------------- */

static void wait_for_deadline(struct worker *w)
{
	struct timeval wait = {.tv_sec = w->stop_wait_ms / 1000, .tv_usec = w->stop_wait_ms % 1000 * 1000};

	evtimer_add(w->deadline_event, &wait);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	/* It is the disk that takes long, not the kernel. */
	if (fancap_ring_block_ready(&w->ring, w->ring.next)) {
		wait_for_deadline(w);
		event_active(w->ring_event, EV_READ, 0);
		return;
	}
	recorder_rotate(w->recorder); /* what was under way counts as well */
	event_base_loopbreak(w->base);
	if (w->stop_packets == UINT64_MAX || recorder_packets_done(w->recorder) >= w->stop_packets)
		return;
	log_printf(LOG_WARNING, NULL, &w->params->recorder.log,
		   "stopped with %llu packets recorded of %llu that the kernel counted",
		   (unsigned long long)recorder_packets_done(w->recorder),
		   (unsigned long long)w->stop_packets);
}

static void leave_after(struct worker *w, uint32_t wait_ms)
{
	w->stopping = true;
	w->stop_wait_ms = wait_ms;
	wait_for_deadline(w);
	event_active(w->ring_event, EV_READ, 0);
}

static void stop(struct worker *w, uint64_t packets)
{
	w->stop_packets = packets;
	w->stop_block = UINT64_MAX;
	leave_after(w, w->params->geometry.req.tp_retire_blk_tov * 2 + STOP_SLACK_MS);
}

/*
 * Without a supervisor nobody restarts us: record what is in the ring, up to the block being filled, and leave. Nobody
 * has closed the gate, so there may always be more: one lap, at most.
 */
static void supervisor_gone(struct worker *w)
{
	event_del(w->channel_event);
	if (w->stopping)
		return; /* it had told us how far to go */
	w->stop_packets = UINT64_MAX;
	w->stop_block = w->ring.next + w->ring.blocks;
	leave_after(w, w->params->geometry.req.tp_retire_blk_tov * 2);
}

static void rotate(struct worker *w, uint64_t rotation)
{
	recorder_rotate(w->recorder);
	(void)channel_send(w->params->channel_fd,
			   &(struct channel_message){.type = CHANNEL_ROTATED, .rotation = rotation});
}

static void on_channel(evutil_socket_t fd, short what, void *arg)
{
	struct channel_message message;
	struct worker *w = arg;
	int r;

	(void)what;
	while ((r = channel_receive(fd, &message)) == 1) {
		if (message.type == CHANNEL_STOP)
			stop(w, message.stop_packets);
		else if (message.type == CHANNEL_CONFIGURE)
			recorder_configure(w->recorder, &message.settings);
		else if (message.type == CHANNEL_ROTATE)
			rotate(w, message.rotation);
	}
	release_done(w);
	if (r != -EAGAIN && r != -EINTR)
		supervisor_gone(w);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	ledger_beat(w->params->ledger, clock_monotonic_ns());
	recorder_check(w->recorder);
	if (!fancap_ring_block_ready(&w->ring, w->ring.next))
		recorder_tick(w->recorder, clock_realtime_ns());
	release_done(w);
}

/* --- life ------------------------------------------------------------------------------------------------------ */

static int pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) < 0 ? -errno : 0;
}

static int become_worker(const struct worker_params *params)
{
	static struct process_log log; /* for good */
	const int keep[] = {params->ring_fd, params->channel_fd, params->ledger_fd, params->recorder.mailbox_fd};
	char name[16];
	int r;

	log = (struct process_log){params->channel_fd, ""};
	process_log_to(&log);
	snprintf(name, sizeof(name), "fancapd-w%u", params->recorder.worker);
	prctl(PR_SET_NAME, name);
	process_set_signals();
	r = privileges_keep_fds(keep, sizeof(keep) / sizeof(keep[0]));
	if (r == 0)
		r = pin(params->cpu);
	if (r == 0)
		r = privileges_drop();
	return r;
}

static int events_new(struct worker *w)
{
	const struct timeval second = {.tv_sec = 1};

	w->base = event_base_new();
	if (w->base == NULL)
		return -ENOMEM;
	/* Edge-triggered: poll() on a V3 ring says POLLIN for as long as we hold its last block. */
	w->ring_event = event_new(w->base, w->params->ring_fd, EV_READ | EV_PERSIST | EV_ET, on_ring, w);
	w->more_event = evtimer_new(w->base, on_ring, w);
	w->flush_event = evtimer_new(w->base, on_flush, w);
	w->channel_event = event_new(w->base, w->params->channel_fd, EV_READ | EV_PERSIST, on_channel, w);
	w->tick_event = event_new(w->base, -1, EV_PERSIST, on_tick, w);
	w->deadline_event = evtimer_new(w->base, on_deadline, w);
	if (w->ring_event == NULL || w->more_event == NULL || w->flush_event == NULL || w->channel_event == NULL ||
	    w->tick_event == NULL || w->deadline_event == NULL)
		return -ENOMEM;
	if (recorder_fd(w->recorder) >= 0) {
		w->disk_event = event_new(w->base, recorder_fd(w->recorder), EV_READ | EV_PERSIST | EV_ET, on_disk, w);
		if (w->disk_event == NULL || event_add(w->disk_event, NULL) < 0)
			return -ENOMEM;
	}
	if (event_add(w->ring_event, NULL) < 0 || event_add(w->channel_event, NULL) < 0 ||
	    event_add(w->tick_event, &second) < 0)
		return -EIO;
	/* What came before we did makes no edge. */
	event_active(w->ring_event, EV_READ, 0);
	return 0;
}

static uint32_t gather_bytes(const struct tpacket_req3 *req)
{
	uint64_t part = (uint64_t)req->tp_block_size * req->tp_block_nr / GATHER_MAX_PART;

	return part < GATHER_MAX_BYTES ? (uint32_t)part : GATHER_MAX_BYTES;
}

static int worker_init(struct worker *w)
{
	const struct worker_params *params = w->params;
	struct recorder_params recorder = params->recorder;
	struct ledger_commit commit;
	int r;

	/* A worker of a supervisor that died may still be finishing. */
	r = ledger_claim(params->ledger_fd, CLAIM_WAIT_MS);
	if (r < 0)
		return r;
	r = fancap_ring_map(&w->ring, params->ring_fd, &params->geometry);
	if (r < 0)
		return r;
	recorder.gather_bytes = gather_bytes(&params->geometry.req);
	r = recorder_open(&recorder, &params->settings, params->ledger, &w->recorder);
	if (r < 0)
		return r;
	/* A predecessor killed by SIGKILL left its own; ours to die of is none yet. */
	ledger_set_attempt(params->ledger, LEDGER_NO_BLOCK);
	ledger_read(params->ledger, &commit);
	fancap_ring_resume(&w->ring, commit.block);
	w->released = commit.block;
	r = events_new(w);
	/* Not before the ring of io_uring is there: nobody makes another one. No packet has been looked at yet. */
	return r == 0 ? privileges_seccomp() : r;
}

static void worker_done(struct worker *w)
{
	struct ledger_commit commit;

	if (w->disk_event != NULL)
		event_free(w->disk_event);
	recorder_close(w->recorder);
	ledger_read(w->params->ledger, &commit);
	while (w->ring.map != NULL && w->released < commit.block)
		fancap_ring_release(&w->ring, w->released++);
	fancap_ring_unmap(&w->ring);
	if (w->flush_event != NULL)
		event_free(w->flush_event);
	if (w->ring_event != NULL)
		event_free(w->ring_event);
	if (w->more_event != NULL)
		event_free(w->more_event);
	if (w->channel_event != NULL)
		event_free(w->channel_event);
	if (w->tick_event != NULL)
		event_free(w->tick_event);
	if (w->deadline_event != NULL)
		event_free(w->deadline_event);
	if (w->base != NULL)
		event_base_free(w->base);
}

int worker_run(const struct worker_params *params)
{
	struct worker w = {.params = params};
	int r;

	r = become_worker(params);
	if (r == 0)
		r = worker_init(&w);
	if (r == 0) {
		/* With nobody there to hear it, what is in the ring is recorded all the same. */
		(void)channel_send(params->channel_fd, &(struct channel_message){.type = CHANNEL_HELLO});
		event_base_dispatch(w.base);
	} else {
		log_printf(LOG_ERR, NULL, &params->recorder.log, "cannot start: %s", strerror(-r));
	}
	worker_done(&w);
	return r == 0 ? 0 : 1;
}
