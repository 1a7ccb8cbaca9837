// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/host.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SSH_FAILED 255	  /* of ssh: it could not connect, or log in */
#define END_MS 2000
#define END_POLL_MS 10
#define SHELL_NOT_FOUND 127 /* of the shell there */

extern char **environ;

bool host_is_valid(const char *host)
{
	return *host != '\0' && *host != '-';
}

/* --- what the shell there is given ---------------------------------------------------------------------- */

/* ssh hands its words, with blanks between them, to a shell: what is not ours has to be in quotes. */
static void quoted_print(FILE *out, const char *text)
{
	fputc('\'', out);
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", out);
		else
			fputc(*text, out);
	}
	fputc('\'', out);
}

/* @return the caller's to free; NULL: no memory */
static char *remote_command(const struct ctl *ctl)
{
	char *command = NULL;
	size_t len;
	FILE *out = open_memstream(&command, &len);

	if (!out)
		return NULL;
	fputs("fancapctl stdio-bridge", out);
	if (ctl->socket) {
		fputs(" --socket=", out);
		quoted_print(out, ctl->socket);
	}
	fclose(out);
	return command;
}

/* --- ssh ---------------------------------------------------------------------------------------------------- */

/* @return 0 or -errno */
static int spawn_ssh(const char *host, char *command, int fd, pid_t *ret_pid)
{
	const char *ssh = getenv("FANCAPCTL_SSH");
	/* -x: no X11. -T: no terminal. --: what follows is no option. */
	char *const argv[] = { (char *)(uintptr_t)(ssh && *ssh ? ssh : "ssh"), (char *)(uintptr_t)"-xT",
			       (char *)(uintptr_t)"--", (char *)(uintptr_t)host, command, NULL };
	posix_spawn_file_actions_t actions;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return -r;
	r = posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
	if (!r)
		r = posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
	if (!r)
		r = posix_spawnp(ret_pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

int host_start(const struct ctl *ctl, struct host *ret)
{
	char *command = remote_command(ctl);
	int fds[2], r = command ? 0 : -ENOMEM;

	if (!r && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		r = -errno;
	if (!r) {
		r = spawn_ssh(ctl->host, command, fds[1], &ret->pid);
		close(fds[1]);
		if (r < 0)
			close(fds[0]);
	}
	free(command);
	if (r < 0)
		fprintf(ctl->err, "fancapctl: ssh cannot be run: %s\n", strerror(-r));
	return r < 0 ? r : fds[0];
}

/* It has no more to say; if it does not end either, its other end holds it up. */
static void host_end_soon(struct host *host)
{
	const struct timespec moment = { .tv_nsec = END_POLL_MS * 1000000 };
	siginfo_t ended = { .si_pid = 0 };

	for (int ms = 0; ms < END_MS; ms += END_POLL_MS) {
		if (waitid(P_PID, (id_t)host->pid, &ended, WEXITED | WNOHANG | WNOWAIT) < 0 || ended.si_pid)
			return;
		nanosleep(&moment, NULL);
	}
	kill(host->pid, SIGTERM);
}

/* @return its exit status, or -1: it was killed */
static int host_wait(struct host *host)
{
	int status;
	pid_t r;

	do
		r = waitpid(host->pid, &status, 0);
	while (r < 0 && errno == EINTR);
	host->pid = 0;
	return r > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void host_stop(struct host *host)
{
	if (!host->pid)
		return;
	kill(host->pid, SIGTERM);
	(void)host_wait(host);
}

enum ctl_exit host_end(struct host *host, const struct ctl *ctl)
{
	int status = CTL_OK;

	if (host->pid) {
		host_end_soon(host);
		status = host_wait(host);
	}
	switch (status) {
	case CTL_OK:
	case CTL_NOT_RUNNING: return (enum ctl_exit)status;
	/* What the bridge could not do it has said itself, through ssh. */
	case CTL_FAILED:
	case CTL_DENIED:
	case CTL_TIMEOUT: return (enum ctl_exit)status;
	case CTL_USAGE:
		fprintf(ctl->err, "fancapctl: the fancapctl on %s is too old for --host\n", ctl->host);
		return CTL_TOO_OLD;
	case SHELL_NOT_FOUND: fprintf(ctl->err, "fancapctl: there is no fancapctl on %s\n", ctl->host); break;
	case SSH_FAILED: fprintf(ctl->err, "fancapctl: %s cannot be reached by ssh\n", ctl->host); break;
	default: fprintf(ctl->err, "fancapctl: ssh to %s failed\n", ctl->host); break;
	}
	return CTL_UNREACHABLE;
}
