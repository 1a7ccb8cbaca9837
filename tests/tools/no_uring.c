// SPDX-License-Identifier: BSD-3-Clause
/* no_uring ERRNO PROGRAM ARGUMENT...: run a program that io_uring_setup() fails for, and for all its children. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/tools/refuse.h"

int main(int argc, char **argv)
{
	int error = argc > 2 ? atoi(argv[1]) : 0, r;

	if (error <= 0) {
		fprintf(stderr, "usage: %s ERRNO PROGRAM ARGUMENT...\n", argv[0]);
		return 2;
	}
	r = refuse_syscall(SYS_io_uring_setup, error);
	if (r < 0) {
		fprintf(stderr, "%s: seccomp: %s\n", argv[0], strerror(-r));
		return 1;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
