// SPDX-License-Identifier: BSD-3-Clause
#ifndef TESTS_UNIT_CONFIG_HELP_H
#define TESTS_UNIT_CONFIG_HELP_H

#include "daemon/config.h"

/** What a load said and gave. */
struct outcome {
	int result;
	char *errors;
	char *dump; ///< NULL after an error
};

/** Load a file; the config (NULL after an error) and the outcome are the caller's. */
struct config *load_config(const char *path, struct outcome *outcome);

/** Load a file and dump it. */
struct outcome load(const char *path);

void outcome_done(struct outcome *outcome);

/** A whole text file, the caller's. Fails the test if it cannot be read. */
char *file_text(const char *path);

void file_write(const char *path, const void *bytes, size_t size);

/** Go to the folder of golden files: a cmocka setup function. */
int golden_enter(void **state);

#endif
