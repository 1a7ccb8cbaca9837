// SPDX-License-Identifier: BSD-3-Clause
/* System calls that fail, by a seccomp filter: for this thread and what it makes, for good. */
#ifndef TESTS_TOOLS_REFUSE_H
#define TESTS_TOOLS_REFUSE_H

/** Make a system call (SYS_...) fail with this errno. @return 0 or -errno */
int refuse_syscall(long number, int error);

#endif
