// SPDX-License-Identifier: BSD-3-Clause
/* fancapctl --host with a ssh that stays on this machine, and does to its words what ssh does. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>

#include "tests/unit/ctl_run.h"

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define PAUSED "{\"parameters\":{\"interfaces\":1}}"

static char folder[] = "/tmp/fancap-ssh-XXXXXX";
static char ssh[64];

/* From now on, ssh is this script. */
static void ssh_does(const char *script)
{
	FILE *file = fopen(ssh, "w");

	assert_non_null(file);
	fprintf(file, "#!/bin/sh\nPATH='%s':$PATH\n%s\n", getenv("BUILDDIR"), script);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(ssh, 0755), 0);
}

#define RUNS_IT "[ \"$1 $2 $3\" = '-xT -- me@sensor' ] || exit 99\nshift 3\nexec sh -c \"$*\""

static int set_up(void **state)
{
	(void)state;
	assert_non_null(getenv("BUILDDIR"));
	assert_non_null(mkdtemp(folder));
	snprintf(ssh, sizeof(ssh), "%s/ssh", folder);
	return setenv("FANCAPCTL_SSH", ssh, 1);
}

static int tear_down(void **state)
{
	(void)state;
	unlink(ssh);
	return rmdir(folder);
}

static void assert_no_child(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void a_call_goes_through(void **state)
{
	struct daemon daemon = daemon_start(TALKS, PAUSED, sizeof(PAUSED));
	struct result result;

	(void)state;
	ssh_does(RUNS_IT);
	result = run_on("me@sensor", daemon.path, WORDS("pause", "eth1"));
	assert_string_equal(result.err, "");
	assert_string_equal(result.out, "1 interface is paused now\n");
	assert_int_equal(result.exit, CTL_OK);
	assert_string_equal(daemon.calls, "{\"method\":\"io.fancap.Pause\",\"parameters\":{\"interface\":\"eth1\"}}\n");
	result_free(&result);
	daemon_stop(&daemon);
	assert_no_child();
}

/* More than pipes and sockets hold, in one reply and one call. */
static void much_goes_through(void **state)
{
	enum { BYTES = 3000000, WORD = 60000 };
	char *reply = malloc(BYTES + 100), *word = malloc(WORD + 1);
	int n = snprintf(reply, BYTES + 100, "{\"parameters\":{\"filter\":\"%0*d\"}}", BYTES, 0);
	struct daemon daemon = daemon_start(TALKS, reply, (size_t)n + 1);
	struct result result;

	(void)state;
	memset(word, 'x', WORD);
	word[WORD] = '\0';
	ssh_does(RUNS_IT);
	result = run_on("me@sensor", daemon.path, WORDS("filter", "eth1", word));
	assert_string_equal(result.err, "");
	assert_true(strlen(result.out) > BYTES);
	assert_non_null(strstr(daemon.calls, word));
	free(reply);
	free(word);
	result_free(&result);
	daemon_stop(&daemon);
}

/* Nothing in the name of a socket is for the shell there. */
static void no_shell_is_fed(void **state)
{
	char path[64], odd[256];
	struct stat st;

	(void)state;
	ssh_does(RUNS_IT);
	snprintf(path, sizeof(path), "%s/x", folder);
	snprintf(odd, sizeof(odd), "a'b\"`touch %s`$(touch %s); touch %s\n*", path, path, path);
	assert_fails(run_on("me@sensor", odd, WORDS("status")), CTL_NOT_RUNNING,
		     "fancapctl: fancapd is not running on me@sensor: nothing listens there\n");
	assert_int_equal(stat(path, &st), -1);
	assert_fails(run_on("me@sensor", "-x", WORDS("status")), CTL_NOT_RUNNING, "not running");
}

static void version_of_a_host_without_a_daemon(void **state)
{
	struct result result;

	(void)state;
	ssh_does(RUNS_IT);
	result = run_on("me@sensor", "/nonexistent/s", WORDS("version"));
	assert_string_equal(result.err, "");
	assert_string_equal(result.out, "fancapctl " PACKAGE_VERSION "\nfancapd is not running\n");
	result_free(&result);
}

static void what_became_of_ssh_is_told(void **state)
{
	static const struct {
		const char *script;
		enum ctl_exit exit;
		const char *part;
	} rows[] = {
		{ "exit 255", CTL_UNREACHABLE, "me@sensor cannot be reached by ssh" },
		{ "exit 127", CTL_UNREACHABLE, "there is no fancapctl on me@sensor" },
		{ "exit 99", CTL_UNREACHABLE, "ssh to me@sensor failed" },
		{ "kill -9 $$", CTL_UNREACHABLE, "ssh to me@sensor failed" },
		{ "exit 2", CTL_TOO_OLD, "the fancapctl on me@sensor is too old for --host" },
		{ "exit 3", CTL_NOT_RUNNING, "fancapd is not running on me@sensor" },
		{ "exit 0", CTL_FAILED, "me@sensor: /s: the connection ended before the answer did" },
		{ "echo rubbish; printf '\\0'", CTL_FAILED, "what answers there does not speak Varlink" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ssh_does(rows[i].script);
		assert_fails(run_on("me@sensor", "/s", WORDS("rotate")), rows[i].exit, rows[i].part);
		assert_fails(run_on("me@sensor", "/s", WORDS("statistics", "--watch", "1")), rows[i].exit, rows[i].part);
		assert_no_child();
	}
	ssh_does("echo denied >&2; exit 4");
	assert_fails(run_on("me@sensor", "/s", WORDS("rotate")), CTL_DENIED, "");
	assert_int_equal(unlink(ssh), 0);
	assert_fails(run_on("me@sensor", "/s", WORDS("rotate")), CTL_UNREACHABLE, "ssh cannot be run: No such file");
}

/* Neither ssh nor a daemon that hangs is waited for longer than --timeout. */
static void a_host_that_hangs_times_out(void **state)
{
	(void)state;
	ssh_does("exec sleep 1000");
	assert_fails(run_on("me@sensor", "/s", WORDS("rotate", "--timeout", "0.2")), CTL_TIMEOUT,
		     "me@sensor: /s: no answer within 0.2 s");
	assert_no_child();
}

/* It says no more, and does not end: what there is to know of it is not waited for. */
static void a_host_that_only_falls_silent_is_left(void **state)
{
	(void)state;
	ssh_does("exec <&- >&-; exec sleep 1000");
	assert_fails(run_on("me@sensor", "/s", WORDS("rotate")), CTL_UNREACHABLE, "ssh to me@sensor failed");
	assert_no_child();
}

static uint64_t cpu_ns(clockid_t clock)
{
	struct timespec now;

	assert_int_equal(clock_gettime(clock, &now), 0);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A daemon that goes while nobody takes what it has said: the bridge waits for that, and does nothing else. */
static void the_bridge_waits_without_work(void **state)
{
	enum { BYTES = 1000000, WAIT_MS = 1000 };
	char *bytes = calloc(1, BYTES);
	struct daemon daemon = daemon_start(ANSWERS_UNASKED, bytes, BYTES);
	int out[2], status;
	clockid_t clock;
	uint64_t used_ns;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(out), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		char program[512];
		int hold[2];

		snprintf(program, sizeof(program), "%s/fancapctl", getenv("BUILDDIR"));
		if (pipe(hold) < 0 || dup2(hold[0], 0) < 0 || dup2(out[1], 1) < 0)
			_exit(99);
		close(out[0]);
		execl(program, "fancapctl", "stdio-bridge", "--socket", daemon.path, NULL);
		_exit(99);
	}
	close(out[1]);
	assert_int_equal(poll(&(struct pollfd){ .fd = out[0], .events = POLLIN }, 1, (int)RUN_TIMEOUT_MS), 1);
	daemon_stop(&daemon);
	/* Of the wait alone: with sanitizers, starting and ending take as long. */
	assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
	used_ns = cpu_ns(clock);
	poll(NULL, 0, WAIT_MS);
	used_ns = cpu_ns(clock) - used_ns;
	while (read(out[0], bytes, BYTES) > 0)
		;
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* Who spins gets a good part of a CPU on any machine. */
	assert_true(used_ns < WAIT_MS * UINT64_C(1000000) / 5);
	free(bytes);
}

/* Our end goes, the bridge goes, whatever the daemon does; and with it what it held open. */
static void the_bridge_ends_with_its_caller(void **state)
{
	struct daemon daemon = daemon_start(HANGS, "", 0);
	char command[512];
	int status;

	(void)state;
	/* Standard input ends at once; the reading end of standard output when the shell has read nothing. */
	snprintf(command, sizeof(command), "'%s/fancapctl' stdio-bridge --socket '%s' </dev/null | :", getenv("BUILDDIR"),
		 daemon.path);
	status = system(command);
	assert_true(WIFEXITED(status));
	daemon_stop(&daemon);
}

static void wrong_hosts_are_refused(void **state)
{
	(void)state;
	assert_fails(run_at("/s", false, "status", "--host=-oProxyCommand=x"), CTL_USAGE,
		     "--host '-oProxyCommand=x' is no name of a machine");
	assert_fails(run_at("/s", false, "status", "--host="), CTL_USAGE, "is no name of a machine");
	assert_fails(run_on("me@sensor", "/s", WORDS("recover", "x")), CTL_USAGE, "recover takes no --host");
}

/* Names of files are those of the other machine. */
static void paths_are_left_alone(void **state)
{
	static const char changed[] = "{\"parameters\":{\"changed\":1}}";
	struct daemon daemon = daemon_start(TALKS, changed, sizeof(changed));
	struct result result;

	(void)state;
	ssh_does(RUNS_IT);
	result = run_on("me@sensor", daemon.path, WORDS("hold", "/../x"));
	assert_string_equal(daemon.calls, "{\"method\":\"io.fancap.Hold\",\"parameters\":{\"paths\":[\"/../x\"]}}\n");
	result_free(&result);
	daemon_stop(&daemon);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_goes_through),
		cmocka_unit_test(much_goes_through),
		cmocka_unit_test(no_shell_is_fed),
		cmocka_unit_test(version_of_a_host_without_a_daemon),
		cmocka_unit_test(what_became_of_ssh_is_told),
		cmocka_unit_test(a_host_that_hangs_times_out),
		cmocka_unit_test(a_host_that_only_falls_silent_is_left),
		cmocka_unit_test(the_bridge_waits_without_work),
		cmocka_unit_test(the_bridge_ends_with_its_caller),
		cmocka_unit_test(wrong_hosts_are_refused),
		cmocka_unit_test(paths_are_left_alone),
	};

	return cmocka_run_group_tests_name("ctl_host", tests, set_up, tear_down);
}
