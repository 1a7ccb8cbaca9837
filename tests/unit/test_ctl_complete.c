// SPDX-License-Identifier: BSD-3-Clause
/* What fancapctl offers for the word that is being typed. That shells show it: tests/integration/test_fancapctl.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ctl/commands.h"
#include "ctl/completion.h"
#include "ctl/options.h"
#include "tests/unit/ctl_run.h"

#define LINE(...) ((const char *const[]){ "__complete", __VA_ARGS__, NULL })
#define STATUS \
	"{\"parameters\":{\"interfaces\":[{\"interface\":\"eth1\",\"state\":\"up\"},{\"interface\":\"eth10\",\"state\":\"down\"}," \
	"{\"interface\":\"wan\\u001b\",\"state\":\"missing\\u001b\"}]}}"
#define GET_STATUS "{\"method\":\"io.fancap.GetStatus\"}\n"
#define WORKERS "{\"parameters\":{\"workers\":[{\"worker\":0,\"state\":\"running\"},{\"worker\":1,\"state\":\"degraded\"}]}}"
#define LIST_WORKERS "{\"method\":\"io.fancap.ListWorkers\",\"parameters\":{\"interface\":\"eth1\"}}\n"

static void assert_offers_of(const char *reply, size_t len, const char *const *words, const char *calls, const char *expected)
{
	struct daemon daemon = daemon_start(TALKS, reply, len);
	struct result result = run_words(daemon.path, false, words);

	assert_string_equal(result.err, "");
	assert_string_equal(result.out, expected);
	assert_string_equal(daemon.calls, calls);
	assert_int_equal(result.exit, CTL_OK);
	result_free(&result);
	daemon_stop(&daemon);
}

/* Without a daemon. */
static void assert_offers(const char *const *words, const char *expected)
{
	struct result result = run_words("/nonexistent/s", false, words);

	assert_string_equal(result.err, "");
	assert_string_equal(result.out, expected);
	assert_int_equal(result.exit, CTL_OK);
	result_free(&result);
}

static void all_commands_are_offered_but_hidden_ones(void **state)
{
	char expected[8192] = "";

	(void)state;
	for (const struct command *command = commands; command->name; command++)
		if (!command->hidden)
			snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected), "%s\t%s\n", command->name,
				 command->help);
	assert_offers(LINE(""), expected);
	assert_offers(LINE("--json", "-t", "5", "--color=never", ""), expected);
	assert_offers(LINE("rel"), "reload\tread the configuration again; if that is refused, say why\n"
				   "release\tlet retention remove them again\n");
	assert_offers(LINE("std"), "");
	assert_offers(LINE("statuss"), "");
}

static void options_are_offered(void **state)
{
	static const char own[] = "--from\tthat may have packets of this time or later\n"
				  "--to\tthat may have packets from before this time\n"
				  "--limit\tso many at most, the oldest ones\n";
	char expected[8192];

	(void)state;
	snprintf(expected, sizeof(expected), "%s", own);
	for (const struct option_row *row = global_options; row->name; row++)
		snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected), "--%s\t%s\n", row->name, row->help);
	assert_offers(LINE("segments", "eth1", "-"), expected);
	assert_offers(LINE("--ho"), "--host\tthe fancapd of another machine, by ssh\n");
	/* Not those that the command refuses. */
	assert_offers(LINE("recover", "--ho"), "");
	assert_offers(LINE("status", "--int"), "");
	assert_offers(LINE("filter", "eth1", "--", "--"), "");
}

static void values_are_offered(void **state)
{
	(void)state;
	assert_offers(LINE("log-level", ""), "error\nwarning\ninfo\ndebug\n");
	assert_offers(LINE("log-level", "w"), "warning\n");
	assert_offers(LINE("log-level", "info", ""), "");
	assert_offers(LINE("--color", "a"), "auto\nalways\n");
	assert_offers(LINE("--color=n"), "never\n");
	assert_offers(LINE("segments", "--from=t"), "today\n");
	assert_offers(LINE("segments", "--to", "-"), "-1h\n-1d\n");
	assert_offers(LINE("completion", ""), "bash\nzsh\n");
	assert_offers(LINE("segments", "--limit", ""), "");
	assert_offers(LINE("--socket", ""), ":files\n");
	assert_offers(LINE("-s", "/x"), ":files\n");
	assert_offers(LINE("recover", ""), ":files\n");
	assert_offers(LINE("recover", "x", "y"), ":files\n");
}

static void interfaces_are_the_daemons(void **state)
{
	(void)state;
	assert_offers_of(STATUS, sizeof(STATUS), LINE("filter", ""), GET_STATUS,
			 "eth1\tup\neth10\tdown\nwan\\x1b\tmissing\\x1b\n");
	assert_offers_of(STATUS, sizeof(STATUS), LINE("statistics", "eth1"), GET_STATUS, "eth1\tup\neth10\tdown\n");
	assert_offers_of(STATUS, sizeof(STATUS), LINE("events", "-i", "eth10"), GET_STATUS, "eth10\tdown\n");
	assert_offers_of(STATUS, sizeof(STATUS), LINE("--interface=w"), GET_STATUS, "wan\\x1b\tmissing\\x1b\n");
	assert_offers_of(STATUS, sizeof(STATUS), LINE("statistics", "eth1", ""), "", "");
	assert_offers_of(STATUS, sizeof(STATUS), LINE("filter", "eth1", ""), "", "");
	assert_offers_of(STATUS, sizeof(STATUS), LINE("-i", "eth1", "statistics", ""), "", "");
	/* A key is pressed, nobody wants to wait for ssh. */
	assert_offers_of(STATUS, sizeof(STATUS), LINE("--host", "me@sensor", "filter", ""), "", "");
	assert_offers(LINE("filter", ""), "");
}

static void workers_are_those_of_the_interface(void **state)
{
	(void)state;
	assert_offers_of(WORKERS, sizeof(WORKERS), LINE("restart-worker", "eth1", ""), LIST_WORKERS,
			 "0\trunning\n1\tdegraded\n");
	assert_offers_of(WORKERS, sizeof(WORKERS), LINE("-ieth1", "restart-worker", "1"), LIST_WORKERS, "1\tdegraded\n");
}

static void assert_script(const char *shell, const char *script, const char *file)
{
	struct result result = run_words("/nonexistent/s", false, (const char *const[]){ "completion", shell, NULL });
	char path[512], text[16384];
	FILE *source;
	size_t n;

	snprintf(path, sizeof(path), "%s/ctl/completion/%s", getenv("SRCDIR"), file);
	source = fopen(path, "r");
	assert_non_null(source);
	n = fread(text, 1, sizeof(text) - 1, source);
	fclose(source);
	text[n] = '\0';
	assert_string_equal(result.out, text);
	assert_string_equal(script, text);
	result_free(&result);
}

static void scripts_are_those_that_are_installed(void **state)
{
	(void)state;
	assert_script("bash", completion_bash, "fancapctl");
	assert_script("zsh", completion_zsh, "_fancapctl");
	assert_fails(run_at("/nonexistent/s", false, "completion", "fish"), CTL_USAGE,
		     "'fish' is no shell that there is a completion for: bash or zsh");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_commands_are_offered_but_hidden_ones),
		cmocka_unit_test(options_are_offered),
		cmocka_unit_test(values_are_offered),
		cmocka_unit_test(interfaces_are_the_daemons),
		cmocka_unit_test(workers_are_those_of_the_interface),
		cmocka_unit_test(scripts_are_those_that_are_installed),
	};

	return cmocka_run_group_tests_name("ctl_complete", tests, NULL, NULL);
}
