// SPDX-License-Identifier: BSD-3-Clause
#ifndef COMMON_STANDARD_FDS_H
#define COMMON_STANDARD_FDS_H

#include <fcntl.h>
#include <unistd.h>

/**
 * See to it that stdin, stdout and stderr are open, if only on /dev/null. Otherwise the next socket becomes one of them,
 * and what is meant for a person goes there.
 */
static inline void standard_fds_open(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

#endif
