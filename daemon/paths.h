// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_PATHS_H
#define DAEMON_PATHS_H

#include <sys/types.h>

/** Make a folder and those above it that are missing. One that exists is fine. @return 0 or -errno */
int path_make(const char *folder, mode_t mode);

/** Make the folders above a file. @return 0 or -errno */
int path_make_parents(const char *file, mode_t mode);

#endif
