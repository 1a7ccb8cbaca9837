// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/config_help.h"

static char *dump_text(const struct config *config)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(config_dump(config, out), 0);
	fclose(out);
	return text;
}

struct config *load_config(const char *path, struct outcome *outcome)
{
	struct config *config = NULL;
	size_t size;
	FILE *errors = open_memstream(&outcome->errors, &size);

	assert_non_null(errors);
	outcome->dump = NULL;
	outcome->result = config_load(path, errors, &config);
	fclose(errors);
	if (outcome->result < 0)
		assert_null(config);
	else
		assert_string_equal(outcome->errors, "");
	return config;
}

struct outcome load(const char *path)
{
	struct outcome outcome;
	struct config *config = load_config(path, &outcome);

	if (config)
		outcome.dump = dump_text(config);
	config_free(config);
	return outcome;
}

void outcome_done(struct outcome *outcome)
{
	free(outcome->errors);
	free(outcome->dump);
}

char *file_text(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	if (getdelim(&text, &size, '\0', file) < 0)
		text = calloc(1, 1);
	fclose(file);
	return text;
}

void file_write(const char *path, const void *bytes, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

int golden_enter(void **state)
{
	const char *source = getenv("SRCDIR");
	char path[4096];

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/unit/config", source ? source : ".");
	return chdir(path);
}
