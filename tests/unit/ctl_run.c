// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/commands.h"
#include "tests/unit/ctl_run.h"

#define WORDS_MAX 32

struct ctl_run ctl_run_at(const char *socket, const char *line)
{
	struct ctl ctl = {.socket = socket, .timeout_ms = 2000};
	struct ctl_run run = {0};
	char *words[WORDS_MAX + 1] = {NULL}, *copy = strdup(line), *rest = copy;
	size_t out_len, err_len;
	int n = 0;

	for (char *word; n < WORDS_MAX && (word = strsep(&rest, " "));)
		words[n++] = word;
	ctl.out = open_memstream(&run.out, &out_len);
	ctl.err = open_memstream(&run.err, &err_len);
	run.exit = commands_run(&ctl, n, words);
	fclose(ctl.out);
	fclose(ctl.err);
	free(copy);
	return run;
}

void ctl_run_done(struct ctl_run *run)
{
	free(run->out);
	free(run->err);
}

void assert_ctl_run(const char *line, enum ctl_exit exit, const char *out, const char *err)
{
	struct ctl_run run = ctl_run_at("/nonexistent/s", line);

	assert_string_equal(run.err, err);
	assert_string_equal(run.out, out);
	assert_int_equal(run.exit, exit);
	ctl_run_done(&run);
}
