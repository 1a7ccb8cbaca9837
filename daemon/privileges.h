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

/**
 * Deny this process, and what it makes, the system calls that recording takes none of: running programs, making and
 * connecting sockets, looking into other processes, what is the administrator's; they fail with EPERM. For good. Threads
 * that there are already are not held by it. Sets no_new_privs.
 *
 * A ring of io_uring that there is goes on working, and its requests are not looked at: disk.c limits it to writes.
 *
 * @return 0 or -errno
 */
int privileges_seccomp(void);

/**
 * Leave this process only what is below some folders (Landlock): files and folders there can be read, and files made,
 * written, renamed and removed, and empty folders removed. Nothing else can be opened; what is open stays so. For good. Takes
 * no_new_privs.
 *
 * It is the folders of this moment: one that is missing, or that is moved away and made again, is not seen afterwards.
 *
 * @return 0; -ENOSYS, -EOPNOTSUPP: this kernel has none (5.13), or none in use; another -errno
 */
int privileges_landlock(const char *const *folders, size_t n);

/** Close every descriptor but stdin, stdout, stderr and these (any order). @return 0 or -errno */
int privileges_keep_fds(const int *fds, size_t n);

#endif
