// SPDX-License-Identifier: BSD-3-Clause
#ifndef REPLAY_REPLAY_H
#define REPLAY_REPLAY_H

#include <stdio.h>

#include "replay/options.h"

/**
 * Send what the options say. The report goes to out, progress (if it is a terminal) and messages to err.
 *
 * @param stop not 0: end soon; a signal handler sets it to the signal's number
 */
int replay_run(const struct options *options, const volatile int *stop, FILE *out, FILE *err);

#endif
