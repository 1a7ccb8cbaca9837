// SPDX-License-Identifier: BSD-3-Clause
/*
 * Golden files: every tests/unit/config/X.yaml, and every X/fancapd.yaml with its conf.d, is loaded and compared with
 * X.expected: the dump of what was loaded, or, where the name begins with "bad-", the errors. To add a case, add the
 * YAML and run this with FANCAP_UPDATE_EXPECTED=1 in the environment, then read what it wrote.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/config_help.h"

/** Replace every `from` by `to`, which is no longer. */
static void text_replace(char *text, const char *from, const char *to)
{
	for (char *p = strstr(text, from); p; p = strstr(p, from)) {
		memmove(p + strlen(to), p + strlen(from), strlen(p + strlen(from)) + 1);
		memcpy(p, to, strlen(to));
		p += strlen(to);
	}
}

/** The paths that --prefix decides. */
static char *dump_normalise(char *dump)
{
	if (dump) {
		text_replace(dump, "\"" FANCAP_RUNSTATEDIR "/fancap/", "\"@/");
		text_replace(dump, "\"" FANCAP_LOCALSTATEDIR "/lib/", "\"@/");
	}
	return dump;
}

/** X.yaml or X/fancapd.yaml to X.expected */
static void expected_path(const char *path, char *expected, size_t size)
{
	const char *end = strchr(path, '/');

	if (!end)
		end = strrchr(path, '.');
	snprintf(expected, size, "%.*s.expected", (int)(end - path), path);
}

static void golden_case(void **state)
{
	const char *path = *state;
	struct outcome outcome = load(path);
	const char *got = outcome.dump ? dump_normalise(outcome.dump) : outcome.errors;
	char *expected, name[256];

	expected_path(path, name, sizeof(name));
	if (getenv("FANCAP_UPDATE_EXPECTED"))
		file_write(name, got, strlen(got));
	expected = file_text(name);
	assert_string_equal(got, expected);
	assert_int_equal(outcome.result, strncmp(path, "bad-", 4) == 0 ? -EINVAL : 0);
	free(expected);
	outcome_done(&outcome);
}

int main(void)
{
	struct CMUnitTest *tests;
	glob_t files;
	int failed;

	if (golden_enter(NULL) < 0 || glob("*.yaml", 0, NULL, &files) != 0 ||
	    glob("*/fancapd.yaml", GLOB_APPEND, NULL, &files) != 0)
		return 1;
	tests = calloc(files.gl_pathc, sizeof(*tests));
	if (!tests)
		return 1;
	for (size_t i = 0; i < files.gl_pathc; i++)
		tests[i] = (struct CMUnitTest){
			.name = files.gl_pathv[i],
			.test_func = golden_case,
			.initial_state = files.gl_pathv[i],
		};
	failed = _cmocka_run_group_tests("golden", tests, files.gl_pathc, NULL, NULL);
	free(tests);
	globfree(&files);
	return failed;
}
