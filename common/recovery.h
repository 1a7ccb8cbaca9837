// SPDX-License-Identifier: BSD-3-Clause
#ifndef COMMON_RECOVERY_H
#define COMMON_RECOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "fancap/recover.h"

/* What fancapctl recover and fancapd --recover have in common: how files are called, and what a person sees. */

/**
 * The name of what is recovered of a file: NAME.part becomes NAME; else NAME.pcapng becomes NAME.recovered.pcapng, and so
 * with other extensions that capture files have; else ".recovered" is added.
 *
 * @return 0 or -ENAMETOOLONG
 */
int recovery_name(const char *from, char *ret, size_t size);

/** Whether it is called NAME.part, as a recording is that is not finished. */
bool recovery_is_part(const char *name);

/** Progress of one file on a terminal. */
struct recovery_display {
	FILE *terminal; ///< NULL: is none
	const char *name;
	int64_t next_ms; ///< CLOCK_MONOTONIC: not to be shown before
	unsigned shown;	 ///< how often it was
};

/** @param out shown there if it is a terminal; nothing is shown of what takes less than half a second */
void recovery_display_start(struct recovery_display *display, FILE *out, const char *name);

/** A fancap_recover_progress; arg is the display. @return false once SIGINT or SIGTERM came, see recovery_catch_signals() */
bool recovery_display_progress(void *arg, uint64_t done, uint64_t total);

/** Take the progress off the terminal. */
void recovery_display_end(struct recovery_display *display);

/** From now on, the first SIGINT, SIGTERM or SIGHUP ends a recovery in good order, without half a copy left; a second one kills. */
void recovery_catch_signals(void);

/** One line for people: what became of a file. */
void recovery_print(FILE *out, const char *from, const char *to, const struct fancap_recover_result *result);

#endif
