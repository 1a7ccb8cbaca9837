// SPDX-License-Identifier: BSD-3-Clause
/* The input is a capture file: read it to its end or its damage, twice. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fancap/capfile.h"
#include "fancap/filter.h"
#include "tests/fuzz/fuzz.h"

static void require(int truth)
{
	if (!truth)
		abort();
}

/* Not a byte more than the packet has may be read, nor less than is promised. */
static void look_at(const struct fancap_capfile_packet *packet, size_t size)
{
	uint8_t *copy = malloc(packet->caplen + 1u);

	require(copy != NULL);
	memcpy(copy, packet->data, packet->caplen);
	free(copy);
	require(packet->caplen <= packet->len && packet->caplen <= FANCAP_SNAPLEN_MAX);
	require(packet->offset < size && packet->caplen < size - packet->offset);
}

static unsigned read_all(struct fancap_capfile *file, size_t size)
{
	struct fancap_error err = {""};
	struct fancap_capfile_packet packet;
	uint64_t last = 0;
	unsigned n = 0;
	int r;

	while ((r = fancap_capfile_next(file, &packet, &err)) == 1) {
		require(packet.offset > last);
		last = packet.offset;
		look_at(&packet, size);
		n++;
	}
	require(r == 0 || (r == -EBADMSG && strstr(err.text, "input: offset ") == err.text));
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fancap_error err = {""};
	struct fancap_capfile *file;
	int fd = memfd_create("input", MFD_CLOEXEC);
	unsigned n;

	require(fd >= 0 && write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
	if (fancap_capfile_open_fd(fd, "input", &file, &err) < 0) {
		require(strstr(err.text, "input: offset ") == err.text);
		close(fd);
		return 0;
	}
	n = read_all(file, size);
	require(fancap_capfile_rewind(file, NULL) == 0 && read_all(file, size) == n);
	fancap_capfile_close(file);
	return 0;
}
