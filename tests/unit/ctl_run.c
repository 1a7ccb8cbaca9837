// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/ctl_run.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "ctl/commands.h"

#define CALLS_BYTES 1048576
#define WORDS_MAX 32

/* --- daemons -------------------------------------------------------------------------------------------------- */

static void answer(int fd, enum manner manner, const char *bytes, size_t len)
{
	char byte = 1;

	while (manner != ANSWERS_UNASKED && byte != '\0')
		if (recv(fd, &byte, 1, 0) != 1)
			return;
	if (manner == HANGS)
		pause();
	for (size_t n, at = 0; at < len; at += n) {
		n = manner == DRIPS ? 1 : len - at;
		if (send(fd, bytes + at, n, MSG_NOSIGNAL) < 0)
			return;
	}
	if (manner == CLOSES || manner == ANSWERS_UNASKED)
		close(fd);
}

/* Send the next reply, and those that continue it. @return what follows them */
static const char *reply(int fd, const char *at, const char *end)
{
	bool continues = true;

	while (continues && at < end) {
		size_t n = strlen(at) + 1;

		continues = strstr(at, "\"continues\"") != NULL;
		(void)!send(fd, at, n, MSG_NOSIGNAL);
		at += n;
	}
	return at;
}

static void talk(int listener, char *calls, const char *at, size_t len)
{
	const char *end = at + len;

	for (;;) {
		int fd = accept(listener, NULL, NULL);
		char byte;

		while (recv(fd, &byte, 1, 0) == 1) {
			*calls++ = byte ? byte : '\n';
			if (!byte)
				at = reply(fd, at, end);
		}
		close(fd);
	}
}

struct daemon daemon_start(enum manner manner, const char *bytes, size_t len)
{
	struct daemon daemon = { .directory = "/tmp/fancap-test-XXXXXX" };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_non_null(mkdtemp(daemon.directory));
	snprintf(daemon.path, sizeof(daemon.path), "%s/s", daemon.directory);
	strcpy(address.sun_path, daemon.path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, manner == IS_BUSY ? 0 : 8), 0);
	daemon.calls = mmap(NULL, CALLS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(daemon.calls, MAP_FAILED);
	fflush(NULL);
	daemon.pid = fork();
	if (daemon.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test must not leave us behind */
		if (manner == IS_BUSY)
			pause();
		if (manner == TALKS)
			talk(fd, daemon.calls, bytes, len);
		answer(accept(fd, NULL, NULL), manner, bytes, len);
		for (;;)
			pause();
	}
	close(fd);
	return daemon;
}

void daemon_kill(struct daemon *daemon)
{
	if (!daemon->pid)
		return;
	kill(daemon->pid, SIGKILL);
	waitpid(daemon->pid, NULL, 0);
	daemon->pid = 0;
}

void daemon_stop(struct daemon *daemon)
{
	daemon_kill(daemon);
	munmap(daemon->calls, CALLS_BYTES);
	unlink(daemon->path);
	assert_int_equal(rmdir(daemon->directory), 0);
}

/* --- fancapctl -------------------------------------------------------------------------------------------------- */

unsigned run_timeout_ms = RUN_TIMEOUT_MS;

/* @param options what main() would make of those before the command */
static struct result run_ctl(const struct ctl *options, const char *const *words)
{
	char *argv[WORDS_MAX + 1] = { NULL };
	struct result result = { 0 };
	size_t out_len, err_len;
	struct ctl ctl = *options;
	int argc = 0;

	for (; words[argc]; argc++) {
		assert_true(argc < WORDS_MAX);
		argv[argc] = (char *)(uintptr_t)words[argc];
	}
	ctl.out = open_memstream(&result.out, &out_len);
	ctl.err = open_memstream(&result.err, &err_len);
	result.exit = commands_run(&ctl, argc, argv);
	fclose(ctl.out);
	fclose(ctl.err);
	return result;
}

struct result run_words(const char *socket, bool json, const char *const *words)
{
	return run_ctl(&(struct ctl){ .socket = socket, .timeout_ms = run_timeout_ms, .json = json }, words);
}

struct result run_on(const char *host, const char *socket, const char *const *words)
{
	return run_ctl(&(struct ctl){ .socket = socket, .host = host, .timeout_ms = run_timeout_ms }, words);
}

struct result run_at(const char *socket, bool json, const char *command, const char *argument)
{
	return run_words(socket, json, (const char *const[]){ command, argument, NULL });
}

struct result run_line(const char *socket, const char *line)
{
	char *copy = strdup(line), *rest = copy;
	const char *words[WORDS_MAX + 1] = { NULL };
	struct result result;

	for (size_t n = 0; rest && n < WORDS_MAX; n++)
		words[n] = strsep(&rest, " ");
	result = run_words(socket, false, words);
	free(copy);
	return result;
}

struct result run_against(enum manner manner, const char *bytes, size_t len, bool json, const char *command)
{
	struct daemon daemon = daemon_start(manner, bytes, len);
	struct result result = run_at(daemon.path, json, command, NULL);

	daemon_stop(&daemon);
	return result;
}

void result_free(struct result *result)
{
	free(result->out);
	free(result->err);
}

void assert_line(const char *line, enum ctl_exit exit, const char *out, const char *err)
{
	struct result result = run_line("/nonexistent/s", line);

	assert_string_equal(result.err, err);
	assert_string_equal(result.out, out);
	assert_int_equal(result.exit, exit);
	result_free(&result);
}

void assert_fails(struct result result, enum ctl_exit expected, const char *part)
{
	if (result.exit != expected || !strstr(result.err, part) || *result.out)
		fail_msg("exit code %d: %s%s", result.exit, result.err, result.out);
	result_free(&result);
}
