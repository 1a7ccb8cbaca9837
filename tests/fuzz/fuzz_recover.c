// SPDX-License-Identifier: BSD-3-Clause
/* The input is what is left of a capture file: what is recovered of it is its beginning, whole, and read by the reader. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fancap/capfile.h"
#include "lib/recover_scan.h"
#include "tests/fuzz/fuzz.h"

static void require(int truth)
{
	if (!truth)
		abort();
}

static int open_bytes(const uint8_t *data, size_t size, struct fancap_capfile **ret)
{
	int fd = memfd_create("input", MFD_CLOEXEC), r;

	require(fd >= 0 && write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
	r = fancap_capfile_open_fd(fd, "input", ret, NULL);
	if (r < 0)
		close(fd);
	return r;
}

/* As the file would be. */
static uint8_t *recovered(const uint8_t *data, const struct recover_scan *scan, size_t *ret_size)
{
	uint8_t *bytes = malloc(scan->end + scan->closing_bytes + 1);

	require(bytes != NULL);
	memcpy(bytes, data, scan->end);
	if (scan->closing_bytes != 0)
		memcpy(bytes + scan->end, scan->closing, scan->closing_bytes);
	if (scan->section_length_at != 0) {
		require(scan->section_length_at + 8 <= scan->end);
		memset(bytes + scan->section_length_at, 0xFF, 8);
	}
	*ret_size = scan->end + scan->closing_bytes;
	return bytes;
}

/* It is whole, closed, and has as many packets, for the reader, too. */
static void check(const uint8_t *bytes, size_t size, uint64_t packets)
{
	struct fancap_capfile_packet packet;
	struct fancap_capfile *file;
	struct recover_scan scan;

	require(open_bytes(bytes, size, &file) == 0);
	require(recover_scan(file, NULL, NULL, &scan) == 0);
	require(scan.end == size && scan.packets == packets && scan.closing_bytes == 0 && scan.section_length_at == 0);
	recover_scan_done(&scan);
	require(fancap_capfile_rewind(file, NULL) == 0);
	while (fancap_capfile_next(file, &packet, NULL) == 1)
		packets--;
	require(packets == 0 && file->failed == 0);
	fancap_capfile_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fancap_capfile *file;
	struct recover_scan scan;
	size_t n;

	if (open_bytes(data, size, &file) < 0)
		return 0;
	require(recover_scan(file, NULL, NULL, &scan) == 0);
	require(scan.end <= size && (scan.end == size || scan.reason[0] != '\0'));
	if (scan.end > 0) {
		uint8_t *bytes = recovered(data, &scan, &n);

		check(bytes, n, scan.packets);
		free(bytes);
	}
	recover_scan_done(&scan);
	fancap_capfile_close(file);
	return 0;
}
