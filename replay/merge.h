// SPDX-License-Identifier: BSD-3-Clause
#ifndef REPLAY_MERGE_H
#define REPLAY_MERGE_H

#include <stdbool.h>
#include <stddef.h>

#include "fancap/capfile.h"
#include "fancap/error.h"

/** Several capture files read as one, by the packets' times. */
struct merge;

/**
 * Open the files. "-" is standard input.
 *
 * @return 0; as fancap_capfile_open()
 */
int merge_open(const char *const *paths, size_t n, struct merge **ret, struct fancap_error *err);
void merge_close(struct merge *merge);

/**
 * The earliest packet of those that come next in each file; of several, that of the file named first. Within a file the
 * order stays what it is.
 *
 * @return as fancap_capfile_next(): damage is found when it is a packet's turn, so all that goes before it has been given
 */
int merge_next(struct merge *merge, struct fancap_capfile_packet *ret, struct fancap_error *err);

/** Whether the next call may have to wait for whoever writes a file: one is a pipe in which there is nothing just now. */
bool merge_may_wait(const struct merge *merge);

/** Begin again. @return as fancap_capfile_rewind() */
int merge_rewind(struct merge *merge, struct fancap_error *err);

#endif
