// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/process.h"

#define BACKOFF_FIRST_MS 10
#define BACKOFF_DEGRADED_MS 1000 /* waiting so long, or longer, it is in a bad way */
#define BACKOFF_MAX_MS 30000
#define MESSAGES_PER_TURN 64u
#define HEALTHY_NS 60000000000u /* having run so long, it starts from the first backoff again */

static void close_channel(struct process *process)
{
	if (process->channel_event != NULL)
		event_free(process->channel_event);
	process->channel_event = NULL;
	if (process->channel_fd >= 0)
		close(process->channel_fd);
	process->channel_fd = -1;
}

static void on_message(struct process *process, const struct channel_message *message)
{
	if (message->type == CHANNEL_LOG) {
		log_emit(&(struct log_message){
			.level = message->log.level,
			.message_id = message->log.message_id[0] != '\0' ? message->log.message_id : NULL,
			.context = process->about,
			.text = message->log.text,
		});
		return;
	}
	if (message->type == CHANNEL_HELLO)
		process->ready = true;
	process->type->message(process, message);
}

/* One that never stops talking must not keep the supervisor from the others. @param n so many messages at most */
static void read_channel(struct process *process, unsigned n)
{
	struct channel_message message;
	int r = -EAGAIN;

	while (process->channel_fd >= 0 && n-- > 0 && (r = channel_receive(process->channel_fd, &message)) == 1)
		on_message(process, &message);
	if (r == 1)
		return; /* there may be more: the event fires again */
	/* At its end SIGCHLD tells the rest; until then the event would fire for ever. */
	if (process->channel_event != NULL && r != -EAGAIN && r != -EINTR)
		event_del(process->channel_event);
}

static void on_channel(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	read_channel(arg, MESSAGES_PER_TURN);
}

static void on_restart(evutil_socket_t fd, short what, void *arg)
{
	struct process *process = arg;
	int r;

	(void)fd;
	(void)what;
	process->restarts++;
	r = process_start(process);
	if (r < 0) {
		log_printf(LOG_ERR, NULL, &process->about, "%scannot be started: %s", process->type->what, strerror(-r));
		process_restart_later(process);
		return;
	}
	log_printf(LOG_NOTICE, process->type->message_started, &process->about, "%sreplaced by process %d",
		   process->type->what, (int)process->pid);
}

int process_init(struct process *process, const struct process_type *type, struct event_base *base,
		 const struct log_context *about)
{
	*process = (struct process){
		.type = type,
		.base = base,
		.about = *about,
		.channel_fd = -1,
		.backoff_ms = BACKOFF_FIRST_MS,
	};
	process->restart_event = evtimer_new(base, on_restart, process);
	return process->restart_event != NULL ? 0 : -ENOMEM;
}

static void channel_sink(const struct log_message *message, void *arg)
{
	const struct process_log *log = arg;
	struct channel_message out = {.type = CHANNEL_LOG, .log = {.level = message->level}};

	if (message->message_id != NULL)
		snprintf(out.log.message_id, sizeof(out.log.message_id), "%s", message->message_id);
	snprintf(out.log.text, sizeof(out.log.text), "%s%.1000s", log->what, message->text);
	(void)channel_send(log->channel_fd, &out);
}

void process_log_to(const struct process_log *log)
{
	log_set_level(LOG_DEBUG);
	log_set_tap(NULL, NULL);
	log_set_sink(channel_sink, (void *)(uintptr_t)log);
}

void process_set_signals(void)
{
	const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ};
	struct sigaction action = {.sa_handler = SIG_IGN};
	sigset_t none;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		sigaction(ignored[i], &action, NULL);
	action.sa_handler = SIG_DFL;
	sigaction(SIGCHLD, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* No signal handler of the supervisor's may run in the child: it would use the supervisor's descriptors. */
static pid_t fork_signals_blocked(struct process *process, int channel_fd)
{
	sigset_t all, before;
	pid_t pid;
	int saved;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		_exit(process->type->run(process, channel_fd));
	saved = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return pid;
}

int process_start(struct process *process)
{
	int fds[2], r;
	pid_t pid;

	process->finished = false;
	r = channel_pair(fds);
	if (r < 0)
		return r;
	pid = fork_signals_blocked(process, fds[1]);
	r = -errno;
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return r;
	}
	process->pid = pid;
	process->ready = false;
	process->ordered = false;
	process->dismissed = false;
	process->hung = false;
	process->started_ns = clock_monotonic_ns();
	process->channel_fd = fds[0];
	process->channel_event = event_new(process->base, fds[0], EV_READ | EV_PERSIST, on_channel, process);
	if (process->channel_event == NULL || event_add(process->channel_event, NULL) < 0) {
		/*
		 * Seen by the process as the end of its channel: it leaves, and is replaced. It has been started all
		 * the same; nobody may start a second one in its place meanwhile.
		 */
		close_channel(process);
	}
	return 0;
}

static void log_death(const struct process *process, int status)
{
	const char *what = process->type->what;

	if (process->dismissed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		log_printf(LOG_NOTICE, NULL, &process->about, "%sprocess %d has made way for another", what,
			   (int)process->pid);
	else if (WIFSIGNALED(status))
		log_printf(LOG_ERR, process->type->message_died, &process->about,
			   "%sprocess %d was killed by signal %d (%s)", what, (int)process->pid, WTERMSIG(status),
			   strsignal(WTERMSIG(status)));
	else
		log_printf(LOG_ERR, process->type->message_died, &process->about, "%sprocess %d exited with status %d",
			   what, (int)process->pid, WEXITSTATUS(status));
}

void process_reaped(struct process *process, int status)
{
	bool clean;

	read_channel(process, UINT_MAX); /* its last words */
	close_channel(process);
	clean = process->ordered && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (!clean)
		log_death(process, status);
	process->pid = 0;
	process->finished = clean;
	if (clock_monotonic_ns() - process->started_ns >= HEALTHY_NS)
		process_proved(process);
}

void process_proved(struct process *process)
{
	process->backoff_ms = BACKOFF_FIRST_MS;
}

void process_replace(struct process *process)
{
	process_hurry(process);
	if (process->pid == 0 || process->dismissed)
		return;
	process->dismissed = true;
	kill(process->pid, SIGKILL);
}

void process_kill_hung(struct process *process, uint64_t silent_ns)
{
	if (process->hung)
		return;
	process->hung = true;
	log_printf(LOG_ERR, process->type->message_hung, &process->about,
		   "%sprocess %d has made no progress for %llu ms: killing it", process->type->what, (int)process->pid,
		   (unsigned long long)(silent_ns / 1000000u));
	kill(process->pid, SIGKILL);
}

bool process_is_degraded(const struct process *process)
{
	return process->hung || process->backoff_ms > BACKOFF_DEGRADED_MS;
}

void process_restart_later(struct process *process)
{
	unsigned wait_ms = process->backoff_ms;
	struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};

	process->backoff_ms = wait_ms * 2 < BACKOFF_MAX_MS ? wait_ms * 2 : BACKOFF_MAX_MS;
	if (process_is_degraded(process))
		log_printf(LOG_WARNING, process->type->message_degraded, &process->about,
			   "%sdies again and again; replacing it in %u ms", process->type->what, wait_ms);
	else
		log_printf(LOG_NOTICE, NULL, &process->about, "%sreplacing it in %u ms", process->type->what, wait_ms);
	evtimer_add(process->restart_event, &wait);
}

void process_give_up(struct process *process)
{
	evtimer_del(process->restart_event);
	process->finished = true;
}

void process_hurry(struct process *process)
{
	process->backoff_ms = BACKOFF_FIRST_MS;
	if (!evtimer_pending(process->restart_event, NULL))
		return;
	evtimer_del(process->restart_event);
	event_active(process->restart_event, EV_TIMEOUT, 0);
}

void process_send(struct process *process, const struct channel_message *message)
{
	int r;

	if (process->channel_fd < 0)
		return;
	r = channel_send(process->channel_fd, message);
	/* One whose other end is gone is dead or dying, and will be waited for. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		log_printf(LOG_ERR, NULL, &process->about, "%sdoes not take orders: %s", process->type->what,
			   strerror(-r));
}

void process_done(struct process *process)
{
	close_channel(process);
	if (process->restart_event != NULL)
		event_free(process->restart_event);
	process->restart_event = NULL;
}
