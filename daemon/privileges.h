// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_PRIVILEGES_H
#define DAEMON_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Give up every capability, in every set as far as allowed, and the way to regain any. @return 0 or -errno */
int privileges_drop(void);

/** The same, but keep those of a mask (1 << CAP_...) that we have. @return 0 or -errno */
int privileges_drop_but(uint64_t capabilities);

/** Whether we have all of a mask, in effect. */
bool privileges_have(uint64_t capabilities);

/**
 * Whether a process that has called privileges_drop() may make files in a folder: root may not in everybody's then.
 *
 * @return 0 it may, or -errno (-EACCES)
 */
int privileges_folder_check(const char *folder);

/** Close every descriptor but stdin, stdout, stderr and these (any order). @return 0 or -errno */
int privileges_keep_fds(const int *fds, size_t n);

#endif
