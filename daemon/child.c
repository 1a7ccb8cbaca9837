// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/channel.h"
#include "daemon/child.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/messages.h"
#include "daemon/worker.h"

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS 30000
#define HEALTHY_NS 60000000000u /* having run so long, it starts from the first backoff again */

#define RETRY_WRITE_NS 1000000000u

static struct log_context context(const struct child *child)
{
	return (struct log_context){child->capture->config->name, (int)child->worker};
}

static void close_channel(struct child *child)
{
	if (child->channel_event != NULL)
		event_free(child->channel_event);
	child->channel_event = NULL;
	if (child->channel_fd >= 0)
		close(child->channel_fd);
	child->channel_fd = -1;
}

static void on_message(struct child *child, const struct channel_message *message)
{
	const struct log_context about = context(child);

	switch (message->type) {
	case CHANNEL_HELLO:
		child->ready = true;
		child->owner->ready(child, child->owner->arg);
		break;
	case CHANNEL_LOSING:
		child->owner->losing(child, child->owner->arg);
		break;
	case CHANNEL_LOG:
		if (log_enabled(message->log.level))
			log_emit(&(struct log_message){
				.level = message->log.level,
				.message_id = message->log.message_id[0] != '\0' ? message->log.message_id : NULL,
				.context = about,
				.text = message->log.text,
			});
		break;
	case CHANNEL_STOP:
	case CHANNEL_CONFIGURE:
		break;
	}
}

static void read_channel(struct child *child)
{
	struct channel_message message;
	int r;

	while (child->channel_fd >= 0 && (r = channel_receive(child->channel_fd, &message)) == 1)
		on_message(child, &message);
	/* At its end SIGCHLD tells the rest; until then the event would fire for ever. */
	if (child->channel_fd >= 0 && r != -EAGAIN && r != -EINTR)
		event_del(child->channel_event);
}

static void on_channel(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	read_channel(arg);
}

static void on_restart(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;
	const struct log_context about = context(child);
	int r;

	(void)fd;
	(void)what;
	child->restarts++;
	r = child_start(child);
	if (r < 0) {
		log_printf(LOG_ERR, NULL, &about, "cannot be started: %s", strerror(-r));
		child_restart_later(child);
		return;
	}
	log_printf(LOG_NOTICE, MESSAGE_WORKER_STARTED, &about, "replaced by process %d", (int)child->pid);
}

int child_init(struct child *child, const struct child_owner *owner, struct capture *capture,
	       unsigned worker)
{
	*child = (struct child){
		.owner = owner,
		.capture = capture,
		.worker = worker,
		.channel_fd = -1,
		.finished = true,
		.backoff_ms = BACKOFF_FIRST_MS,
	};
	child->restart_event = evtimer_new(owner->base, on_restart, child);
	return child->restart_event != NULL ? 0 : -ENOMEM;
}

/* In the child process. */
static void __attribute__((noreturn)) run_worker(const struct child *child, int channel_fd)
{
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
			.log = context(child),
		},
		.settings = capture->settings,
		.geometry = capture->geometry,
		.ledger = capture->rings[child->worker].ledger,
		.ring_fd = capture->group.fds[child->worker],
		.channel_fd = channel_fd,
		.cpu = capture->config->n_cpus > 0 ? (int)capture->config->cpus[child->worker] : -1,
		.hardware_timestamps = capture->hardware_timestamps,
	};

	_exit(worker_run(&params));
}

/* No signal handler of the supervisor's may run in the child: it would use the supervisor's descriptors. */
static pid_t fork_signals_blocked(const struct child *child, int channel_fd)
{
	sigset_t all, before;
	pid_t pid;
	int saved;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		run_worker(child, channel_fd);
	saved = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return pid;
}

int child_start(struct child *child)
{
	int fds[2], r;
	pid_t pid;

	child->finished = false;
	r = channel_pair(fds);
	if (r < 0)
		return r;
	pid = fork_signals_blocked(child, fds[1]);
	r = -errno;
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return r;
	}
	child->pid = pid;
	child->ready = false;
	child->ordered = false;
	child->started_ns = clock_monotonic_ns();
	child->channel_fd = fds[0];
	child->channel_event = event_new(child->owner->base, fds[0], EV_READ | EV_PERSIST, on_channel, child);
	if (child->channel_event == NULL || event_add(child->channel_event, NULL) < 0) {
		/*
		 * Seen by the worker as the end of its channel: it leaves, and is replaced. It has been started all the
		 * same; nobody may start a second one on its ring meanwhile.
		 */
		close_channel(child);
	}
	return 0;
}

static void log_death(const struct child *child, int status)
{
	const struct log_context about = context(child);

	if (WIFSIGNALED(status))
		log_printf(LOG_ERR, MESSAGE_WORKER_DIED, &about, "process %d was killed by signal %d (%s)",
			   (int)child->pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		log_printf(LOG_ERR, MESSAGE_WORKER_DIED, &about, "process %d exited with status %d",
			   (int)child->pid, WEXITSTATUS(status));
}

void child_reaped(struct child *child, int status)
{
	bool clean = child->ordered && WIFEXITED(status) && WEXITSTATUS(status) == 0;

	read_channel(child); /* its last words */
	close_channel(child);
	if (!clean)
		log_death(child, status);
	/* Somebody's SIGKILL is not the block's fault. */
	if (!clean && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		ledger_note_crash(child->capture->rings[child->worker].ledger);
	child->pid = 0;
	child->finished = clean;
	if (clock_monotonic_ns() - child->started_ns >= HEALTHY_NS)
		child->backoff_ms = BACKOFF_FIRST_MS;
}

void child_restart_later(struct child *child)
{
	const struct log_context about = context(child);
	unsigned wait_ms = child->backoff_ms;
	struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};

	child->backoff_ms = wait_ms * 2 < BACKOFF_MAX_MS ? wait_ms * 2 : BACKOFF_MAX_MS;
	log_printf(LOG_NOTICE, NULL, &about, "replacing it in %u ms", wait_ms);
	evtimer_add(child->restart_event, &wait);
}

void child_hurry(struct child *child)
{
	child->backoff_ms = BACKOFF_FIRST_MS;
	if (!evtimer_pending(child->restart_event, NULL))
		return;
	evtimer_del(child->restart_event);
	event_active(child->restart_event, EV_TIMEOUT, 0);
}

static void send_order(struct child *child, const struct channel_message *message)
{
	const struct log_context about = context(child);
	int r;

	if (child->channel_fd < 0)
		return;
	r = channel_send(child->channel_fd, message);
	/* One whose other end is gone is dead or dying, and will be waited for. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		log_printf(LOG_ERR, NULL, &about, "does not take orders: %s", strerror(-r));
}

void child_stop(struct child *child, uint64_t packets)
{
	child->ordered = true;
	send_order(child, &(struct channel_message){.type = CHANNEL_STOP, .stop_packets = packets});
}

void child_configure(struct child *child)
{
	send_order(child, &(struct channel_message){.type = CHANNEL_CONFIGURE,
						    .settings = child->capture->settings});
}

void child_done(struct child *child)
{
	close_channel(child);
	if (child->restart_event != NULL)
		event_free(child->restart_event);
	child->restart_event = NULL;
}
