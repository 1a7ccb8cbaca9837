// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <stddef.h>
#include <sys/wait.h>

#include "daemon/capture.h"
#include "daemon/child.h"
#include "daemon/clock.h"
#include "daemon/messages.h"
#include "daemon/worker.h"

#define RETRY_WRITE_NS 1000000000u

/* Heartbeats come every second. One that hangs is to be found within 5 s by who looks every second. */
#define SILENT_MAX_NS 4000000000u
/* It may have to wait for a predecessor, and cut a large file. */
#define START_MAX_NS 30000000000u

static struct child *child_of(struct process *process)
{
	return (struct child *)process; /* its first member */
}

/* In the child process. */
static int run_worker(struct process *process, int channel_fd)
{
	const struct child *child = child_of(process);
	const struct ring_set *set = child->set;
	const struct set_ring *ring = &set->rings[child->worker];
	const struct worker_params params = {
		.recorder = {
			.folders = (const char *const *)set->capture->folders,
			.n_folders = (unsigned)set->capture->n_folders,
			.interface = set->interface,
			.worker = child->worker,
			.linktype = (uint16_t)set->link.linktype,
			.settle_ns = 2000000u * (uint64_t)set->geometry.req.tp_retire_blk_tov,
			.retry_ns = RETRY_WRITE_NS,
			.mailbox_fd = child->owner->mailbox_fd,
			.log = process->about,
		},
		.settings = set->settings,
		.geometry = set->geometry,
		.ledger = ring->ledger,
		.ledger_fd = ring->ledger_fd,
		.ring_fd = set->group.fds[child->worker],
		.channel_fd = channel_fd,
		.cpu = ring->cpu,
		.hardware_timestamps = set->hardware_timestamps,
	};

	return worker_run(&params);
}

/* Up to where the ring is done with. */
static uint64_t position(const struct child *child)
{
	struct ledger_commit commit;

	ledger_read(child->set->rings[child->worker].ledger, &commit);
	return commit.block;
}

static void on_message(struct process *process, const struct channel_message *message)
{
	struct child *child = child_of(process);

	switch (message->type) {
	case CHANNEL_HELLO:
		child->position = position(child);
		/* One before it was told, and has not done it: it goes on with the same file. */
		if (child->rotation_done < child->rotation_told)
			child_rotate(child, child->rotation_told);
		child->owner->ready(child, child->owner->arg);
		break;
	case CHANNEL_LOSING:
		child->owner->losing(child, child->owner->arg);
		break;
	case CHANNEL_ROTATED:
		child->rotation_done = message->rotation;
		child->owner->rotated(child, child->owner->arg);
		break;
	default:
		break;
	}
}

static const struct process_type worker_type = {
	.what = "",
	.message_died = MESSAGE_WORKER_DIED,
	.message_started = MESSAGE_WORKER_STARTED,
	.message_hung = MESSAGE_WORKER_HUNG,
	.message_degraded = MESSAGE_WORKER_DEGRADED,
	.run = run_worker,
	.message = on_message,
};

int child_init(struct child *child, const struct child_owner *owner, struct ring_set *set, unsigned worker)
{
	int r;

	*child = (struct child){
		.owner = owner,
		.set = set,
		.worker = worker,
		.restarts_before = ledger_restarts(set->rings[worker].ledger),
	};
	r = process_init(&child->process, &worker_type, owner->base, &(struct log_context){set->interface, (int)worker});
	child->process.finished = true; /* until it is started */
	return r;
}

void child_reaped(struct child *child, int status)
{
	process_reaped(&child->process, status);
	/* It recorded something: there is nothing wrong with what it works on. */
	if (child->process.ready && position(child) > child->position)
		process_proved(&child->process);
	/* Somebody's SIGKILL is not the block's fault. */
	if (!child->process.finished && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		ledger_note_crash(child->set->rings[child->worker].ledger);
}

bool child_check(struct child *child)
{
	const struct process *process = &child->process;
	uint64_t now = clock_monotonic_ns(), since = process->started_ns, limit = START_MAX_NS;

	/* When everything stops, who is late is killed in the end; who drains the rings of a device that has gone is not. */
	if (process->pid == 0 || (process->ordered && !child->set->gone))
		return true;
	if (process->ready) {
		uint64_t beat = ledger_heartbeat_ns(child->set->rings[child->worker].ledger);

		since = beat > since ? beat : since;
		limit = SILENT_MAX_NS;
	}
	if (now < since || now - since < limit)
		return true;
	process_kill_hung(&child->process, now - since);
	return false;
}

void child_stop(struct child *child, uint64_t packets)
{
	child->process.ordered = true;
	process_send(&child->process, &(struct channel_message){.type = CHANNEL_STOP, .stop_packets = packets});
}

/* A worker that runs where it is not to be any more goes on elsewhere; wherever we may, if it is not to be pinned. */
static void pin(const struct child *child)
{
	const int cpu = child->set->rings[child->worker].cpu;
	cpu_set_t cpus;
	int r = 0;

	if (child->process.pid == 0)
		return;
	CPU_ZERO(&cpus);
	if (cpu >= 0)
		CPU_SET((size_t)cpu, &cpus);
	else
		r = sched_getaffinity(0, sizeof(cpus), &cpus);
	if (r < 0 || sched_setaffinity(child->process.pid, sizeof(cpus), &cpus) < 0)
		log_printf(LOG_ERR, NULL, &child->process.about, "cannot be moved to another CPU: %s", strerror(errno));
}

void child_configure(struct child *child)
{
	pin(child);
	process_send(&child->process, &(struct channel_message){.type = CHANNEL_CONFIGURE,
								.settings = child->set->settings});
}

void child_rotate(struct child *child, uint64_t rotation)
{
	child->rotation_told = rotation;
	process_send(&child->process, &(struct channel_message){.type = CHANNEL_ROTATE, .rotation = rotation});
}

/* --- those of a set ---------------------------------------------------------------------------------------------------- */

int children_open(struct ring_set *set, const struct child_owner *owner)
{
	int r = 0;

	set->children = calloc(set->n, sizeof(*set->children));
	if (set->children == NULL)
		return -ENOMEM;
	for (unsigned i = 0; r == 0 && i < set->n; i++)
		r = child_init(&set->children[i], owner, set, i);
	if (r < 0)
		children_close(set);
	return r;
}

void children_close(struct ring_set *set)
{
	for (unsigned i = 0; set->children != NULL && i < set->n; i++) {
		if (set->children[i].process.type != NULL)
			process_done(&set->children[i].process);
	}
	free(set->children);
	set->children = NULL;
}

bool children_are_finished(const struct ring_set *set)
{
	for (unsigned i = 0; set->children != NULL && i < set->n; i++) {
		if (!set->children[i].process.finished)
			return false;
	}
	return true;
}

void children_start(struct ring_set *set)
{
	for (unsigned i = 0; set->children != NULL && i < set->n; i++) {
		struct process *process = &set->children[i].process;
		int r = process->finished ? process_start(process) : 0;

		if (r < 0) {
			log_printf(LOG_ERR, NULL, &process->about, "cannot be started: %s", strerror(-r));
			process_restart_later(process);
		}
	}
}

bool children_are_ready(const struct ring_set *set)
{
	for (unsigned i = 0; set->children != NULL && i < set->n; i++) {
		if (!set->children[i].process.ready)
			return false;
	}
	return true;
}

void children_dismiss(struct ring_set *set)
{
	for (unsigned i = 0; set->children != NULL && i < set->n; i++) {
		if (set->children[i].process.pid == 0)
			process_give_up(&set->children[i].process);
	}
	children_drain(set);
}

void child_drain(struct child *child)
{
	if (child->process.finished)
		return;
	ring_set_read_kernel(child->set, child->worker);
	child_stop(child, ring_set_delivered(child->set, child->worker));
}

void children_drain(struct ring_set *set)
{
	for (unsigned i = 0; set->children != NULL && i < set->n; i++) {
		struct process *process = &set->children[i].process;

		process_hurry(process);
		if (process->ready)
			child_drain(&set->children[i]);
	}
}
