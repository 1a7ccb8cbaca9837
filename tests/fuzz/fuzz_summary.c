// SPDX-License-Identifier: BSD-3-Clause
/* The input is what a recording ends in: what it says does not depend on what is before it. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/summary.h"
#include "tests/fuzz/fuzz.h"

#define BEFORE_BYTES 4096u /* of zeros, in which no block begins */

static void require(int truth)
{
	if (!truth)
		abort();
}

static struct summary summary_behind(off_t before, const uint8_t *data, size_t size)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	struct summary summary;

	require(fd >= 0 && pwrite(fd, data, size, before) == (ssize_t)size);
	summary = summary_read(fd);
	require(lseek(fd, 0, SEEK_CUR) == 0);
	close(fd);
	return summary;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct summary alone = summary_behind(0, data, size), behind = summary_behind(BEFORE_BYTES, data, size);

	require(alone.packets == behind.packets && alone.last_ns == behind.last_ns);
	return 0;
}
