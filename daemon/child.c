// SPDX-License-Identifier: BSD-3-Clause
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

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
	const struct capture *capture = child->capture;
	const struct worker_params params = {
		.recorder = {
			.folders = (const char *const *)capture->folders,
			.n_folders = (unsigned)capture->n_folders,
			.interface = capture->config->name,
			.worker = child->worker,
			.linktype = (uint16_t)capture->link.linktype,
			.settle_ns = 2000000u * (uint64_t)capture->geometry.req.tp_retire_blk_tov,
			.retry_ns = RETRY_WRITE_NS,
			.mailbox_fd = child->owner->mailbox_fd,
			.log = process->about,
		},
		.settings = capture->settings,
		.geometry = capture->geometry,
		.ledger = capture->rings[child->worker].ledger,
		.ledger_fd = capture->rings[child->worker].ledger_fd,
		.ring_fd = capture->group.fds[child->worker],
		.channel_fd = channel_fd,
		.cpu = capture->config->n_cpus > 0 ? (int)capture->config->cpus[child->worker] : -1,
		.hardware_timestamps = capture->hardware_timestamps,
	};

	return worker_run(&params);
}

/* Up to where the ring is done with. */
static uint64_t position(const struct child *child)
{
	struct ledger_commit commit;

	ledger_read(child->capture->rings[child->worker].ledger, &commit);
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

int child_init(struct child *child, const struct child_owner *owner, struct capture *capture,
	       unsigned worker)
{
	int r;

	*child = (struct child){
		.owner = owner,
		.capture = capture,
		.worker = worker,
		.restarts_before = capture_has_rings(capture) ? ledger_restarts(capture->rings[worker].ledger) : 0,
	};
	r = process_init(&child->process, &worker_type, owner->base,
			 &(struct log_context){capture->config->name, (int)worker});
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
		ledger_note_crash(child->capture->rings[child->worker].ledger);
}

bool child_check(struct child *child)
{
	const struct process *process = &child->process;
	uint64_t now = clock_monotonic_ns(), since = process->started_ns, limit = START_MAX_NS;

	/* When everything stops, who is late is killed in the end; who drains the rings of a device that has gone is not. */
	if (process->pid == 0 || (process->ordered && !child->capture->gone))
		return true;
	if (process->ready) {
		uint64_t beat = ledger_heartbeat_ns(child->capture->rings[child->worker].ledger);

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

void child_configure(struct child *child)
{
	child->process.about.interface = child->capture->config->name; /* the old configuration is gone */
	process_send(&child->process, &(struct channel_message){.type = CHANNEL_CONFIGURE,
								.settings = child->capture->settings});
}

void child_rotate(struct child *child, uint64_t rotation)
{
	child->rotation_told = rotation;
	process_send(&child->process, &(struct channel_message){.type = CHANNEL_ROTATE, .rotation = rotation});
}
