// SPDX-License-Identifier: BSD-3-Clause
/* fancapctl against daemons that answer, answer nonsense, hang, or are not there. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "daemon/methods.h"
#include "tests/unit/ctl_run.h"
#include "tests/unit/fake_source.h"

static struct method_reply kept_reply;

static bool keep_reply(struct method_wait *wait, const struct method_reply *reply)
{
	(void)wait;
	kept_reply = *reply;
	return reply->continues;
}

/* What a real daemon would answer to a method, but at a time that is always the same. */
static char *real_answer(const char *method, size_t *ret_len)
{
	struct fake_source fake = { .n_workers = 2 };
	struct control_source source = fake_source(&fake);
	const struct access_caller caller = { .level = ACCESS_ACT };
	struct varlink_call call = { .method = method, .parameters = json_object() };
	struct method_wait wait = { .answer = keep_reply };
	struct method_reply reply;
	char *text;

	if (!methods_call(&source, &caller, &call, &wait, &reply)) {
		fake_source_end_jobs(&fake, true);
		reply = kept_reply;
	}
	if (json_object_get(reply.parameters, "uptime_ns"))
		json_object_set_new(reply.parameters, "uptime_ns", json_integer(93784000000000));
	text = varlink_reply_build(reply.parameters, false, ret_len);
	json_decref(reply.parameters);
	json_decref(call.parameters);
	return text;
}

static void assert_prints(const char *method, const char *command, bool json, const char *expected)
{
	size_t len;
	char *bytes = real_answer(method, &len);
	struct result result = run_against(ANSWERS, bytes, len, json, command);

	assert_string_equal(result.err, "");
	assert_string_equal(result.out, expected);
	assert_int_equal(result.exit, CTL_OK);
	result_free(&result);
	free(bytes);
}

static void status_is_printed(void **state)
{
	(void)state;
	assert_prints("io.fancap.GetStatus", "status", false,
"fancapd 0.0.0-test is running: pid 4321, since 2023-11-14 22:13:20 UTC (1d 2h 3min 4s)\n"
"configuration: /etc/fancap/fancapd.yaml\n"
"socket: /run/fancap/io.fancap\n"
"\n"
"INTERFACE    STATE     WORKERS       SEEN  DROPPED  DROP %    WRITTEN  DISCARDED\n"
"eth1 (lan0)  up            2/2  3,469,134    1,234    0.04  3,467,890          7\n"
"wan          degraded      1/2  3,469,134        0    0.00  3,469,124          7\n"
"total                           6,938,268    1,234    0.02  6,937,014         14\n"
"\n"
"RECORDINGS      BYTES  IN PROGRESS  REMOVED  ERRORS\n"
"     1,234  919.8 GiB      4.0 MiB       34       1\n"
"\n"
"DIRECTORY       SIZE       FREE  FREE %\n"
"/srv/one   931.3 GiB   92.0 GiB    9.88\n"
"/srv/two     1.8 TiB  185.1 GiB    9.94\n"
"\n"
"oldest recording: 2023-11-13 22:13:20 UTC\n"
"written: 2.4 MiB a second, over the last minutes\n"
"forecast: at that rate there is room for 10d 0h 0min 0s\n"
"last error: /srv/two/wan/2023-11-14/x.pcapng: cannot be compressed: Input/output error\n");
}

/* null until something is known; and whatever a number is, it is no crash. */
static void status_without_forecast_is_printed(void **state)
{
	static const struct {
		const char *from, *to, *out;
	} rows[] = {
		{ ":864000", ":null  ", "UTC\nwritten: 2.4 MiB a second, over the last minutes\nlast error" },
		{ ":864000", ":-64000", "UTC\nwritten: 2.4 MiB a second, over the last minutes\nlast error" },
		{ ":2500000.5", ":null     ", "UTC\nlast error" },
		{ ":2500000.5", ":-500000.5", "UTC\nlast error" },
		{ ":2500000.5", ":5000e+300", "UTC\nlast error" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t len;
		char *bytes = real_answer("io.fancap.GetStatus", &len), *at = strstr(bytes, rows[i].from);
		struct result result;

		assert_non_null(at);
		memcpy(at, rows[i].to, strlen(rows[i].to));
		result = run_against(ANSWERS, bytes, len, false, "status");
		assert_int_equal(result.exit, CTL_OK);
		assert_non_null(strstr(result.out, rows[i].out));
		result_free(&result);
		free(bytes);
	}
}

static void statistics_are_printed(void **state)
{
	(void)state;
	assert_prints("io.fancap.GetStatistics", "statistics", false,
"2023-11-14 23:15:23 UTC, capturing for 1h 2min 3s\n"
"\n"
"INTERFACE  WORKER       SEEN  DROPPED  DROP %    WRITTEN  DISCARDED  IN RING      BYTES  FREEZES  RESTARTS  BALANCE\n"
"eth1       all     3,469,134    1,234    0.04  3,467,890          7        3    1.3 GiB        1         0     1.29\n"
"eth1       0       1,234,567        0    0.00  1,234,567          0        0  470.9 MiB        0         0\n"
"eth1       1       2,234,567    1,234    0.06  2,233,323          7        3  851.9 MiB        1         0\n"
"wan        all     3,469,134        0    0.00  3,469,124          7        3    1.3 GiB        1         3     1.29\n"
"wan        0       1,234,567        0    0.00  1,234,567          0        0  470.9 MiB        0         0\n"
"wan        1       2,234,567        0    0.00  2,234,557          7        3  852.4 MiB        1         3\n"
"total              6,938,268    1,234    0.02  6,937,014         14        6    2.6 GiB        2         3\n"
"\n"
"INTERFACE  WORKER  BLOCKS DIRECT  STAGED  DIRECT %  WRITES      MEAN   LONGEST\n"
"eth1       all             1,899     101     94.95   3,000  800.0 us  100.0 ms\n"
"eth1       0                 900     100     90.00   1,000    1.5 ms    8.3 ms\n"
"eth1       1                 999       1     99.90   2,000  450.0 us  100.0 ms\n"
"wan        all                 0       0      0.00       0         -         -\n"
"wan        0                   0       0      0.00       0         -         -\n"
"wan        1                   0       0      0.00       0         -         -\n"
"total                      1,899     101     94.95   3,000  800.0 us  100.0 ms\n"
"\n"
"INTERFACE  WORKER  DISCARDED FOR  PACKETS      %\n"
"eth1       1       disk_full            7  <0.01\n"
"wan        1       disk_full            7  <0.01\n"
"\n"
"INTERFACE  WORKER  ROLLED OVER  HUGE FLOW  FAILED\n"
"wan        1             5,000         30       4\n"
"\n"
"INTERFACE  NIC PACKETS  ERRORS  DROPPED  MISSED   FIFO  NO HANDLER\n"
"eth1         2,500,000       1       20     300  4,000           5\n");
}

static void workers_are_printed(void **state)
{
	(void)state;
	assert_prints("io.fancap.ListWorkers", "workers", false,
"INTERFACE  WORKER  STATE        PID  CPU  WRITER    DIRECT I/O  BLOCKS  USED  USED %  MOST %  LAST SEEN  RESTARTS\n"
"eth1       0       running     1000    2  io_uring  yes            256     2    0.78   25.00    12.3 ms         0\n"
"eth1       1       running     1001    3  io_uring  yes            256     3    1.17   50.00    24.7 ms         0\n"
"wan        0       running     1100    -  pwrite    no             256     2    0.78   25.00    12.3 ms         0\n"
"wan        1       restarting     -    -  pwrite    -              256     3    1.17   50.00          -         3\n"
"\n"
"INTERFACE  WORKER  FIRST PACKET             PACKETS      BYTES  OPEN FILE\n"
"eth1       0       2023-11-14 22:14:20 UTC  250,000  117.7 MiB  /srv/one/eth1/2023-11-14/x-w0.pcapng.part\n"
"eth1       1       2023-11-14 22:14:20 UTC  250,000  117.7 MiB  /srv/one/eth1/2023-11-14/x-w1.pcapng.part\n"
"wan        0       2023-11-14 22:14:20 UTC  250,000  117.7 MiB  /srv/one/wan/2023-11-14/x-w0.pcapng.part\n");
}

static void version_is_printed(void **state)
{
	(void)state;
	assert_prints("io.fancap.GetStatus", "version", false,
		      "fancapctl " PACKAGE_VERSION "\nfancapd 0.0.0-test\n");
	assert_prints("io.fancap.GetStatus", "version", true,
		      "{\n  \"format\": 1,\n  \"fancapctl\": {\n    \"version\": \"" PACKAGE_VERSION "\",\n    \"features\": \"" FANCAP_FEATURES
		      "\"\n  },\n  \"fancapd\": {\n    \"version\": \"0.0.0-test\",\n    \"state\": \"running\",\n"
		      "    \"pid\": 4321\n  }\n}\n");
}

static void acting_says_what_was_done(void **state)
{
	(void)state;
	assert_prints("io.fancap.Rotate", "rotate", false, "2 workers have finished the open files\n");
	assert_prints("io.fancap.Rotate", "rotate", true, "{\n  \"format\": 1,\n  \"workers\": 2\n}\n");
	assert_prints("io.fancap.Reload", "reload", false, "the configuration has been reloaded\n");
	assert_prints("io.fancap.Reload", "reload", true, "{\n  \"format\": 1\n}\n");
}

/* --json of status and statistics is what the daemon sent, and the version of the format. */
static void json_is_passed_through(void **state)
{
	static const char *const rows[][2] = {
		{ "io.fancap.GetStatus", "status" },	     { "io.fancap.GetStatistics", "statistics" },
		{ "io.fancap.ListWorkers", "workers" },	     { "io.fancap.ListInterfaces", "interfaces" },
		{ "io.fancap.GetConfiguration", "config" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t len;
		char *bytes = real_answer(rows[i][0], &len);
		/* One byte at a time, which is as good as any. */
		struct result result = run_against(DRIPS, bytes, len, true, rows[i][1]);
		json_t *sent = json_loads(bytes, 0, NULL), *got = json_loads(result.out, 0, NULL);

		assert_int_equal(result.exit, CTL_OK);
		assert_int_equal(json_integer_value(json_object_get(got, "format")), 1);
		assert_int_equal(json_object_del(got, "format"), 0);
		assert_true(json_equal(json_object_get(sent, "parameters"), got));
		json_decref(sent);
		json_decref(got);
		result_free(&result);
		free(bytes);
	}
}

/* --- what does not work ------------------------------------------------------------------------------------ */

static void absent_daemon_is_told_by_exit_code(void **state)
{
	struct daemon daemon = daemon_start(ANSWERS, "", 0);
	struct result result;

	(void)state;
	assert_fails(run_at("/nonexistent/s", false, "status", NULL), CTL_NOT_RUNNING, "not running");
	assert_fails(run_at("/nonexistent/s", true, "statistics", NULL), CTL_NOT_RUNNING, "not running");
	daemon_kill(&daemon);
	assert_fails(run_at(daemon.path, false, "status", NULL), CTL_NOT_RUNNING, "not running");
	daemon_stop(&daemon);

	result = run_at("/nonexistent/s", false, "version", NULL);
	assert_int_equal(result.exit, CTL_OK);
	assert_string_equal(result.out, "fancapctl " PACKAGE_VERSION "\nfancapd is not running\n");
	result_free(&result);
	result = run_at("/nonexistent/s", true, "version", NULL);
	assert_non_null(strstr(result.out, "\"fancapd\": null"));
	result_free(&result);
}

static void denial_is_told_by_exit_code(void **state)
{
	struct daemon daemon = daemon_start(ANSWERS, "", 0);
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(chmod(daemon.directory, 0755), 0);
	assert_int_equal(chmod(daemon.path, 0600), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		struct result result;

		if (getuid() == 0 && setuid(65534) < 0)
			_exit(100);
		if (getuid() != 65534 && chmod(daemon.path, 0) < 0)
			_exit(100);
		result = run_at(daemon.path, false, "status", NULL);
		_exit(strstr(result.err, "permission denied") ? (int)result.exit : 101);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), CTL_DENIED);
	daemon_stop(&daemon);
}

static void hanging_daemon_is_told_by_exit_code(void **state)
{
	struct daemon busy;
	int fds[2];

	(void)state;
	run_timeout_ms = 300;
	assert_fails(run_against(HANGS, "", 0, false, "status"), CTL_TIMEOUT, "no answer within 0.3 s");
	assert_fails(run_against(ANSWERS, "{\"param", 7, false, "status"), CTL_TIMEOUT, "no answer");

	/* With a full queue, connect() itself would wait. */
	busy = daemon_start(IS_BUSY, "", 0);
	for (int i = 0; i < 2; i++) {
		struct sockaddr_un address = { .sun_family = AF_UNIX };

		strcpy(address.sun_path, busy.path);
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fds[i], (struct sockaddr *)&address, sizeof(address));
	}
	assert_fails(run_at(busy.path, false, "status", NULL), CTL_TIMEOUT, "no answer");
	run_timeout_ms = RUN_TIMEOUT_MS;
	close(fds[0]);
	close(fds[1]);
	daemon_stop(&busy);
}

static void assert_garbage(enum manner manner, const char *bytes, size_t len, const char *part)
{
	assert_fails(run_against(manner, bytes, len, false, "status"), CTL_FAILED, part);
}

static void garbage_is_a_failure(void **state)
{
	static const char *const replies[] = {
		"{\"parameters\":{}}", "{}",
		"{\"parameters\":{\"version\":1}}",
		"{\"parameters\":{\"version\":\"1\",\"state\":[]}}",
	};

	(void)state;
	assert_garbage(ANSWERS, "garbage", 8, "does not speak Varlink");
	assert_garbage(ANSWERS, "", 1, "does not speak Varlink");
	assert_garbage(ANSWERS, "\xff\x80\x1b[2J", 7, "does not speak Varlink");
	assert_garbage(ANSWERS, "[]", 3, "not a JSON object");
	assert_garbage(CLOSES, "{\"param", 7, "ended before");
	assert_garbage(CLOSES, "", 0, "ended before");
	for (size_t i = 0; i < 4; i++)
		assert_garbage(ANSWERS, replies[i], strlen(replies[i]) + 1, "has no valid");
}

/* Every field of an answer, missing or of a wrong type, is a failure, never a crash or half a table. */
static void assert_each_field_is_needed(const char *method, const char *command)
{
	size_t len;
	char *bytes = real_answer(method, &len);

	for (char *at = bytes; (at = strstr(at, "\":")); at++) {
		char *broken = strdup(bytes);
		struct result result;

		broken[at - bytes - 1] = '~'; /* the name's last letter */
		result = run_against(ANSWERS, broken, len, false, command);
		assert_true(result.exit == CTL_OK || (result.exit == CTL_FAILED && !*result.out));
		result_free(&result);
		free(broken);
	}
	free(bytes);
}

static void incomplete_answers_are_failures(void **state)
{
	(void)state;
	assert_each_field_is_needed("io.fancap.GetStatus", "status");
	assert_each_field_is_needed("io.fancap.GetStatistics", "statistics");
	assert_each_field_is_needed("io.fancap.ListWorkers", "workers");
	assert_each_field_is_needed("io.fancap.ListInterfaces", "interfaces");
}

static void errors_are_told(void **state)
{
	static const char unknown[] = "{\"error\":\"io.fancap.NoSuchInterface\",\"parameters\":{\"interface\":\"\\u001b[2J\"}}";
	static const char odd[] = "{\"error\":\"io.fancap.Odd\",\"parameters\":{\"interface\":\"\\u009b2J\"}}";
	static const char denied[] = "{\"error\":\"org.varlink.service.PermissionDenied\"}";
	static const char refused[] = "{\"error\":\"io.fancap.PermissionDenied\",\"parameters\":"
				      "{\"method\":\"io.fancap.Rotate\",\"needs\":\"fancap-admin\"}}";
	static const char hollow[] = "{\"error\":\"io.fancap.PermissionDenied\",\"parameters\":{\"method\":1}}";
	static const char late[] = "{\"error\":\"io.fancap.Timeout\",\"parameters\":{\"workers\":1}}";
	static const char wrong[] = "{\"error\":\"io.fancap.InvalidConfiguration\",\"parameters\":"
				    "{\"errors\":[\"a.yaml:1:2: x: what\",\"b.yaml: \\u001b[2J\"]}}";
	static const char restart[] = "{\"error\":\"io.fancap.NeedsRestart\",\"parameters\":"
				      "{\"reason\":\"eth1: workers takes a restart\"}}";
	static const char no_method[] = "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":"
					"{\"method\":\"io.fancap.Rotate\"}}";
	static const char no_interface[] = "{\"error\":\"org.varlink.service.InterfaceNotFound\"}";
	static const char no_worker[] = "{\"error\":\"io.fancap.NoSuchWorker\",\"parameters\":"
					"{\"interface\":\"eth1\",\"worker\":7}}";
	static const char no_file[] = "{\"error\":\"io.fancap.NoSuchSegment\",\"parameters\":{\"path\":\"/x\\n\"}}";
	static const char filter[] = "{\"error\":\"io.fancap.InvalidFilter\",\"parameters\":"
				     "{\"filter\":\"tpc\",\"reason\":\"syntax error\"}}";
	static const char busy[] = "{\"error\":\"io.fancap.Unavailable\",\"parameters\":{\"reason\":\"starting\"}}";
	static const char many[] = "{\"error\":\"io.fancap.TooManyClients\",\"parameters\":{\"limit\":32}}";

	(void)state;
	assert_fails(run_against(ANSWERS, unknown, sizeof(unknown), false, "statistics"), CTL_FAILED,
		     "does not capture from '\\x1b[2J'; see fancapctl status");
	assert_fails(run_against(ANSWERS, odd, sizeof(odd), false, "statistics"), CTL_FAILED,
		     "io.fancap.Odd {\"interface\": \"\\u009B2J\"}");
	assert_fails(run_against(ANSWERS, denied, sizeof(denied), false, "statistics"), CTL_DENIED,
		     "PermissionDenied");
	assert_fails(run_against(ANSWERS, refused, sizeof(refused), false, "rotate"), CTL_DENIED,
		     "permission denied: io.fancap.Rotate is for root and members of group fancap-admin\n");
	assert_fails(run_against(ANSWERS, late, sizeof(late), false, "rotate"), CTL_TIMEOUT,
		     "workers that have not done it yet: 1; see fancapctl workers\n");
	assert_fails(run_against(ANSWERS, wrong, sizeof(wrong), false, "reload"), CTL_FAILED,
		     "fancapctl: the new configuration is wrong, nothing has changed:\n"
		     "a.yaml:1:2: x: what\nb.yaml: \\x1b[2J\n");
	assert_fails(run_against(ANSWERS, wrong, sizeof(wrong), true, "reload"), CTL_FAILED, "a.yaml:1:2: x: what\n");
	assert_fails(run_against(ANSWERS, restart, sizeof(restart), false, "reload"), CTL_FAILED,
		     "cannot be reloaded, nothing has changed: eth1: workers takes a restart\n");
	assert_fails(run_against(ANSWERS, hollow, sizeof(hollow), false, "rotate"), CTL_DENIED,
		     "io.fancap.PermissionDenied {\"method\": 1}");
	assert_fails(run_against(ANSWERS, no_method, sizeof(no_method), false, "rotate"), CTL_TOO_OLD,
		     "fancapd is too old for this: it does not know io.fancap.Rotate; see fancapctl version\n");
	assert_fails(run_against(ANSWERS, no_interface, sizeof(no_interface), false, "rotate"), CTL_TOO_OLD,
		     "InterfaceNotFound");
	assert_fails(run_against(ANSWERS, no_worker, sizeof(no_worker), false, "rotate"), CTL_FAILED,
		     "'eth1' has no worker 7; see fancapctl workers\n");
	assert_fails(run_against(ANSWERS, no_file, sizeof(no_file), false, "rotate"), CTL_FAILED,
		     "/x\\x0a: no recording of this fancapd, nothing has changed; see fancapctl segments\n");
	assert_fails(run_against(ANSWERS, filter, sizeof(filter), false, "rotate"), CTL_FAILED,
		     "the filter 'tpc' is wrong, nothing has changed: syntax error\n");
	assert_fails(run_against(ANSWERS, busy, sizeof(busy), false, "rotate"), CTL_FAILED,
		     "fancapd cannot do this now: starting\n");
	assert_fails(run_against(ANSWERS_UNASKED, many, sizeof(many), false, "status"), CTL_FAILED,
		     "fancapd serves no more than 32 clients at once; try again later");
}

static void wrong_usage_is_told(void **state)
{
	(void)state;
	assert_fails(run_at("/nonexistent/s", false, "nonsense", NULL), CTL_USAGE, "unknown command 'nonsense'");
	assert_fails(run_at("/nonexistent/s", false, "statsu", NULL), CTL_USAGE, "(did you mean status?)");
	assert_fails(run_at("/nonexistent/s", false, "work", NULL), CTL_USAGE, "(did you mean workers?)");
	assert_fails(run_at("/nonexistent/s", false, "status", "eth1"), CTL_USAGE, "takes no argument");
	assert_fails(run_at("/nonexistent/s", false, "status", "--josn"), CTL_USAGE, "(did you mean --json?)");
	assert_fails(run_at("/nonexistent/s", false, "status", "--interface=eth1"), CTL_USAGE, "status takes no --interface");
	assert_fails(run_at("/nonexistent/s", false, "status", "--json=1"), CTL_USAGE, "--json takes no value");
	assert_fails(run_at("/nonexistent/s", false, "status", "--socket"), CTL_USAGE, "--socket takes a value: PATH");
	assert_fails(run_at("/nonexistent/s", false, "status", "-jx"), CTL_USAGE, "there is no option '-x'");
	assert_fails(run_at("/nonexistent/s", false, "recover", NULL), CTL_USAGE, "recover takes FILE...");
}

/* Every command says what it does and takes, and needs no daemon for that. */
static void every_command_has_help(void **state)
{
	(void)state;
	for (const struct command *command = commands; command->name; command++) {
		struct result result = run_at("/nonexistent/s", false, command->name, "--help");

		assert_int_equal(result.exit, CTL_OK);
		assert_non_null(strstr(result.out, command->help));
		for (const struct option_row *row = command->options; row && row->name; row++)
			assert_non_null(strstr(result.out, row->help));
		assert_non_null(strstr(result.out, "--json"));
		assert_int_equal(strstr(result.out, "--timeout SECONDS") != NULL, !command->local);
		assert_int_equal(strstr(result.out, "--interface NAME") != NULL, command->interface != INTERFACE_NONE);
		result_free(&result);
	}
}

static int run_program(const char *arguments)
{
	char command[512];
	int status;

	snprintf(command, sizeof(command), "exec >/dev/null 2>&1; '%s/fancapctl' %s", getenv("BUILDDIR"), arguments);
	status = system(command);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void program_has_the_exit_codes(void **state)
{
	(void)state;
	assert_non_null(getenv("BUILDDIR")); /* make check sets it */
	assert_int_equal(run_program("--help"), CTL_OK);
	assert_int_equal(run_program("--version"), CTL_OK);
	assert_int_equal(run_program(""), CTL_USAGE);
	assert_int_equal(run_program("--nonsense"), CTL_USAGE);
	assert_int_equal(run_program("nonsense"), CTL_USAGE);
	assert_int_equal(run_program("--timeout"), CTL_USAGE);
	assert_int_equal(run_program("--timeout 0 status"), CTL_USAGE);
	assert_int_equal(run_program("--timeout -1 status"), CTL_USAGE);
	assert_int_equal(run_program("--timeout nan status"), CTL_USAGE);
	assert_int_equal(run_program("--timeout 5x status"), CTL_USAGE);
	assert_int_equal(run_program("--timeout 2.5 --socket /nonexistent/s status"), CTL_NOT_RUNNING);
	assert_int_equal(run_program("--socket /nonexistent/s --json workers eth1"), CTL_NOT_RUNNING);
	assert_int_equal(run_program("--socket /nonexistent/s --interface eth1 rotate"), CTL_NOT_RUNNING);
	assert_int_equal(run_program("--interface eth1 rotate eth1"), CTL_USAGE);
	assert_int_equal(run_program("--interface eth1 reload"), CTL_USAGE);
	assert_int_equal(run_program("--interface eth1 recover x"), CTL_USAGE);
	assert_int_equal(run_program("recover"), CTL_USAGE);
	assert_int_equal(run_program("recover --output z x y"), CTL_USAGE);
	assert_int_equal(run_program("status --output z"), CTL_USAGE);
	assert_int_equal(run_program("--socket /nonexistent/s version"), CTL_OK);
	assert_int_equal(run_program("--socket /nonexistent/s version >/dev/full"), CTL_FAILED);
}

/* --- output ------------------------------------------------------------------------------------------------- */

static void assert_safe(const char *text, const char *expected)
{
	char *got;
	size_t len;
	FILE *out = open_memstream(&got, &len);

	text_print(out, text);
	fclose(out);
	assert_string_equal(got, expected);
	free(got);
}

static void terminal_is_not_controlled(void **state)
{
	(void)state;
	assert_safe("eth0", "eth0");
	assert_safe("a\x1b[31mb", "a\\x1b[31mb");
	assert_safe("a\r\n\tb\x7f", "a\\x0d\\x0a\\x09b\\x7f");
	assert_safe("\xc2\x9b" "2J", "\\x9b2J"); /* CSI as one character */
	assert_safe("\xe2\x80\xae" "x", "\\u202ex");
	assert_safe("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
	assert_safe("\x9b" "2J", "\\x9b2J"); /* no UTF-8 at all */
	assert_safe("\xe2\x80", "\xe2\\x80");
}

static void assert_cells(void (*fill)(struct table *table), const char *expected)
{
	static const struct column columns[] = { { "A", false }, { "B", true } };
	struct table *table = table_new(columns, 2);
	char *got;
	size_t len;
	FILE *out = open_memstream(&got, &len);

	fill(table);
	assert_int_equal(table_print(table, out), 0);
	fclose(out);
	assert_string_equal(got, expected);
	free(got);
	table_free(table);
}

static void fill_counts(struct table *table)
{
	static const uint64_t counts[] = { 0, 999, 1000, 1234567, UINT64_MAX };

	for (size_t i = 0; i < 5; i++) {
		table_text(table, "");
		table_count(table, counts[i]);
	}
}

static void fill_bytes(struct table *table)
{
	static const uint64_t bytes[] = { 0, 1023, 1024, 1536, 1048575, 1048576, UINT64_MAX };

	for (size_t i = 0; i < 7; i++) {
		table_text(table, "");
		table_bytes(table, bytes[i]);
	}
}

static void fill_durations(struct table *table)
{
	static const uint64_t durations[] = { 0, 999, 1000, 1499949, 999949, 999950, 1500000, 2345678901, 3600000000000 };

	for (size_t i = 0; i < 9; i++) {
		table_text(table, "");
		table_duration(table, durations[i]);
	}
}

static void fill_percents(struct table *table)
{
	static const uint64_t parts[][2] = { { 0, 0 }, { 0, 9 }, { 1, 3 }, { 1, 1000000 }, { 999999, 1000000 }, { 5, 5 } };

	for (size_t i = 0; i < 6; i++) {
		table_text(table, "");
		table_percent(table, parts[i][0], parts[i][1]);
	}
}

static void fill_wide(struct table *table)
{
	table_text(table, "\xc3\xbc\xc3\xbc\xc3\xbc");
	table_text(table, "1");
	table_text(table, "long\x1b");
	table_text(table, "");
}

static void cells_are_formatted(void **state)
{
	(void)state;
	assert_cells(fill_counts, "A                           B\n"
				  "                            0\n"
				  "                          999\n"
				  "                        1,000\n"
				  "                    1,234,567\n"
				  "   18,446,744,073,709,551,615\n");
	assert_cells(fill_bytes, "A         B\n        0 B\n     1023 B\n    1.0 KiB\n    1.5 KiB\n"
				 "    1.0 MiB\n    1.0 MiB\n   16.0 EiB\n");
	assert_cells(fill_durations, "A         B\n       0 ns\n     999 ns\n     1.0 us\n     1.5 ms\n   999.9 us\n"
				     "     1.0 ms\n     1.5 ms\n      2.3 s\n   3600.0 s\n");
	assert_cells(fill_percents, "A       B\n     0.00\n     0.00\n    33.33\n    <0.01\n   >99.99\n   100.00\n");
	assert_cells(fill_wide, "A         B\n\xc3\xbc\xc3\xbc\xc3\xbc       1\nlong\\x1b\n");
}

static void failed_table_prints_nothing(void **state)
{
	(void)state;
	table_text(NULL, "x");
	table_count(NULL, 1);
	assert_int_equal(table_print(NULL, stdout), -ENOMEM);
	assert_true(table_is_empty(NULL));
	table_free(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_is_printed),
		cmocka_unit_test(status_without_forecast_is_printed),
		cmocka_unit_test(statistics_are_printed),
		cmocka_unit_test(workers_are_printed),
		cmocka_unit_test(version_is_printed),
		cmocka_unit_test(acting_says_what_was_done),
		cmocka_unit_test(json_is_passed_through),
		cmocka_unit_test(absent_daemon_is_told_by_exit_code),
		cmocka_unit_test(denial_is_told_by_exit_code),
		cmocka_unit_test(hanging_daemon_is_told_by_exit_code),
		cmocka_unit_test(garbage_is_a_failure),
		cmocka_unit_test(incomplete_answers_are_failures),
		cmocka_unit_test(errors_are_told),
		cmocka_unit_test(wrong_usage_is_told),
		cmocka_unit_test(every_command_has_help),
		cmocka_unit_test(program_has_the_exit_codes),
		cmocka_unit_test(terminal_is_not_controlled),
		cmocka_unit_test(cells_are_formatted),
		cmocka_unit_test(failed_table_prints_nothing),
	};

	return cmocka_run_group_tests_name("ctl", tests, NULL, NULL);
}
