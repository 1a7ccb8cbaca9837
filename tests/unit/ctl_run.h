// SPDX-License-Identifier: BSD-3-Clause
#ifndef TESTS_UNIT_CTL_RUN_H
#define TESTS_UNIT_CTL_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "ctl/ctl.h"

/* fancapctl, and daemons that say what they are told to. */

enum manner {
	ANSWERS,
	DRIPS,		 /* one byte at a time */
	CLOSES,		 /* after what it has to say */
	ANSWERS_UNASKED, /* and closes, without listening */
	HANGS,
	IS_BUSY, /* does not even accept */
	TALKS, /* one reply for each call, of any connection; or several, those with "continues" */
};

struct daemon {
	char directory[64];
	char path[96];
	pid_t pid;
	char *calls; /* of TALKS: what was received, one call a line; shared with it */
};

struct daemon daemon_start(enum manner manner, const char *bytes, size_t len);
void daemon_kill(struct daemon *daemon);
void daemon_stop(struct daemon *daemon);

#define RUN_TIMEOUT_MS 30000u /* what takes longer hangs, however busy the machine is */

/** --timeout of what follows: RUN_TIMEOUT_MS, but for those who want to see that it ends. */
extern unsigned run_timeout_ms;

struct result {
	enum ctl_exit exit;
	char *out, *err;
};

/** Run fancapctl with words that end with NULL, the command first. */
struct result run_words(const char *socket, bool json, const char *const *words);
struct result run_on(const char *host, const char *socket, const char *const *words); ///< with --host
struct result run_at(const char *socket, bool json, const char *command, const char *argument);
struct result run_line(const char *socket, const char *line); ///< words apart by single blanks
struct result run_against(enum manner manner, const char *bytes, size_t len, bool json, const char *command);
void result_free(struct result *result);

/** It failed so, said that, and printed nothing else. The result is freed. */
void assert_fails(struct result result, enum ctl_exit expected, const char *part);

/** Run a line where there is no daemon: all that it prints, to the letter. */
void assert_line(const char *line, enum ctl_exit exit, const char *out, const char *err);

#endif
