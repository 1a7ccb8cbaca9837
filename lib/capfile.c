// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fancap/filter.h"
#include "lib/capfile_private.h"

/* Reads are as long as what is free of it; a longer record makes it grow. */
#define BUFFER_BYTES (256u << 10)
/* Of a name in an error, so that the offset is seen. */
#define NAME_SHOWN 160u

#define PCAPNG_SHB 0x0A0D0D0Au

/* What a file may begin with that is no capture file, but often meant for one. */
static const struct {
	uint8_t bytes[4];
	uint8_t n;
	const char *name;
} compressions[] = {
	{{0x1F, 0x8B}, 2, "gzip"},
	{{0x28, 0xB5, 0x2F, 0xFD}, 4, "zstd"},
	{{0x04, 0x22, 0x4D, 0x18}, 4, "lz4"},
	{{0xFD, '7', 'z', 'X'}, 4, "xz"},
	{{'B', 'Z', 'h'}, 3, "bzip2"},
};

/* The end of a long path says more than its beginning. */
static const char *name_shown(const struct fancap_capfile *file)
{
	size_t n = strlen(file->name);

	return n > NAME_SHOWN ? file->name + n - NAME_SHOWN : file->name;
}

int capfile_damaged(struct fancap_capfile *file, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(file->damage, sizeof(file->damage), format, args);
	va_end(args);
	fancap_error_set(&file->error, "%s: offset %" PRIu64 ": %s", name_shown(file), file->offset, file->damage);
	file->failed = -EBADMSG;
	return -EBADMSG;
}

static int failed(struct fancap_capfile *file, int r, const char *what)
{
	fancap_error_set(&file->error, "%s: %s: %s", name_shown(file), what, strerror(-r));
	/* A signal passes. */
	file->failed = r == -EINTR ? 0 : r;
	return r;
}

/* A disk's error is of use with its place only. */
static int read_failed(struct fancap_capfile *file, int r)
{
	char what[48];

	snprintf(what, sizeof(what), "reading at offset %" PRIu64, file->offset + (file->to - file->from));
	return failed(file, r, what);
}

/* --- the buffer ---------------------------------------------------------------------------------- */

/* Make room for n bytes from `from` on. */
static int buffer_fit(struct fancap_capfile *file, size_t n)
{
	uint8_t *larger;

	if (n <= file->room - file->from)
		return 0;
	memmove(file->buf, file->buf + file->from, file->to - file->from);
	file->to -= file->from;
	file->from = 0;
	if (n <= file->room)
		return 0;
	larger = realloc(file->buf, n);
	if (larger == NULL)
		return -ENOMEM;
	file->buf = larger;
	file->room = n;
	return 0;
}

/* @return bytes there are, n at most only if the file ends; -errno */
static ssize_t buffer_fill(struct fancap_capfile *file, size_t n)
{
	int r = buffer_fit(file, n);

	if (r < 0)
		return failed(file, r, "reading");
	while (file->to - file->from < n) {
		ssize_t got = read(file->fd, file->buf + file->to, file->room - file->to);

		if (got < 0)
			return read_failed(file, -errno);
		if (got == 0)
			break;
		file->to += (size_t)got;
	}
	return (ssize_t)(file->to - file->from);
}

int capfile_peek(struct fancap_capfile *file, size_t n, const char *what)
{
	ssize_t there = (ssize_t)(file->to - file->from);

	if ((size_t)there < n)
		there = buffer_fill(file, n);
	if (there < 0)
		return (int)there;
	if ((size_t)there >= n)
		return 1;
	if (there == 0)
		return 0;
	return capfile_damaged(file, "the file ends after %zd of the %zu bytes of a %s", there, n, what);
}

void capfile_consume(struct fancap_capfile *file)
{
	file->from += file->pending;
	file->offset += file->pending;
	file->pending = 0;
}

struct capfile_interface *capfile_interface_add(struct fancap_capfile *file)
{
	struct capfile_interface *interface;

	if (file->n_interfaces == file->max_interfaces) {
		uint32_t max = file->max_interfaces != 0 ? 2 * file->max_interfaces : 4;

		interface = reallocarray(file->interfaces, max, sizeof(*interface));
		if (interface == NULL) {
			failed(file, -ENOMEM, "reading");
			return NULL;
		}
		file->interfaces = interface;
		file->max_interfaces = max;
	}
	interface = &file->interfaces[file->n_interfaces++];
	*interface = (struct capfile_interface){0};
	return interface;
}

int capfile_packet_check(struct fancap_capfile *file, struct fancap_capfile_packet *packet,
			 uint32_t fcs_bytes)
{
	if (packet->caplen > packet->len)
		return capfile_damaged(file, "%" PRIu32 " bytes of a packet that had only %" PRIu32,
				       packet->caplen, packet->len);
	packet->len -= fcs_bytes < packet->len ? fcs_bytes : packet->len;
	if (packet->caplen > packet->len)
		packet->caplen = packet->len;
	file->time_ns = packet->time_ns;
	return 0;
}

/* --- a file --------------------------------------------------------------------------------------- */

static int refuse_magic(struct fancap_capfile *file)
{
	const uint8_t *p = file->buf + file->from;

	for (size_t i = 0; i < sizeof(compressions) / sizeof(compressions[0]); i++)
		if (memcmp(p, compressions[i].bytes, compressions[i].n) == 0)
			return capfile_damaged(file, "this is a %s file: unpack it first",
					       compressions[i].name);
	return capfile_damaged(file, "neither pcap nor pcapng: it begins with %02x %02x %02x %02x",
			       p[0], p[1], p[2], p[3]);
}

/* From the first byte on. */
static int start(struct fancap_capfile *file)
{
	int r = capfile_peek(file, 4, "file header");

	if (r == 0)
		return capfile_damaged(file, "the file is empty");
	if (r < 0)
		return r;
	if (capfile_get32(file, file->buf + file->from) == PCAPNG_SHB) {
		file->next = capfile_pcapng_next;
		return 0;
	}
	r = capfile_pcap_start(file);
	return r == 0 ? refuse_magic(file) : r < 0 ? r : 0;
}

int fancap_capfile_open_fd(int fd, const char *name, struct fancap_capfile **ret,
			   struct fancap_error *err)
{
	struct fancap_capfile *file = calloc(1, sizeof(*file));
	int r = -ENOMEM;

	if (file == NULL)
		goto fail;
	file->fd = -1; /* the caller's until all is well */
	file->name = strdup(name);
	file->buf = malloc(BUFFER_BYTES);
	file->room = BUFFER_BYTES;
	if (file->name == NULL || file->buf == NULL)
		goto fail;
	file->fd = fd;
	r = start(file);
	if (r == 0) {
		*ret = file;
		return 0;
	}
	file->fd = -1;
fail:
	if (r == -ENOMEM)
		fancap_error_set(err, "out of memory");
	else if (err != NULL)
		*err = file->error;
	fancap_capfile_close(file);
	return r;
}

int fancap_capfile_open(const char *path, struct fancap_capfile **ret, struct fancap_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0) {
		r = -errno;
		fancap_error_set(err, "%s: %s", path, strerror(-r));
		return r;
	}
	r = fancap_capfile_open_fd(fd, path, ret, err);
	if (r < 0)
		close(fd);
	return r;
}

void fancap_capfile_close(struct fancap_capfile *file)
{
	if (file == NULL)
		return;
	if (file->fd >= 0)
		close(file->fd);
	free(file->interfaces);
	free(file->buf);
	free(file->name);
	free(file);
}

int fancap_capfile_next(struct fancap_capfile *file, struct fancap_capfile_packet *ret,
			struct fancap_error *err)
{
	int r = file->failed;

	if (r == 0) {
		capfile_consume(file);
		r = file->next(file, ret);
	}
	if (r < 0 && err != NULL)
		*err = file->error;
	return r;
}

int fancap_capfile_rewind(struct fancap_capfile *file, struct fancap_error *err)
{
	int r;

	if (lseek(file->fd, 0, SEEK_SET) < 0) {
		r = failed(file, -errno, "beginning again");
	} else {
		file->from = file->to = file->pending = 0;
		file->offset = file->time_ns = 0;
		file->failed = 0;
		file->swapped = file->section_sized = false;
		file->n_interfaces = 0;
		r = start(file);
	}
	if (r < 0 && err != NULL)
		*err = file->error;
	return r;
}

/* --- pcap ------------------------------------------------------------------------------------------- */

#define PCAP_HEADER_BYTES 24u
/* Of the link type's 32 bits: is the FCS length known, and what is it, in 16-bit words. */
#define PCAP_FCS_KNOWN (1u << 26)
#define PCAP_FCS_SHIFT 28u

static const struct pcap_variant {
	uint32_t magic;
	uint32_t fractions;
	size_t header_bytes; /* of a packet */
} variants[] = {
	{0xA1B2C3D4, 1000000, 16},
	{0xA1B23C4D, 1000000000, 16},
	{0xA1B2CD34, 1000000, 24}, /* Kuznetzov: interface, protocol and packet type behind the lengths */
};

static const struct pcap_variant *variant_find(uint32_t magic)
{
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
		if (variants[i].magic == magic)
			return &variants[i];
	return NULL;
}

static int pcap_next(struct fancap_capfile *file, struct fancap_capfile_packet *ret)
{
	int r = capfile_peek(file, file->header_bytes, "packet header");
	struct fancap_capfile_packet packet = {.linktype = file->interfaces[0].linktype};
	const uint8_t *p = file->buf + file->from;
	uint32_t fraction;

	if (r <= 0)
		return r;
	fraction = capfile_get32(file, p + 4);
	packet.caplen = capfile_get32(file, p + 8);
	packet.len = capfile_get32(file, p + 12);
	if (fraction >= file->fractions)
		return capfile_damaged(file, "%" PRIu32 " of the %" PRIu32 " fractions of a second",
				       fraction, file->fractions);
	if (packet.caplen > FANCAP_SNAPLEN_MAX)
		return capfile_damaged(file, "a packet of %" PRIu32 " bytes: %u at most", packet.caplen,
				       FANCAP_SNAPLEN_MAX);
	packet.time_ns = capfile_get32(file, p) * UINT64_C(1000000000) +
			 (uint64_t)fraction * (1000000000 / file->fractions);
	r = capfile_peek(file, file->header_bytes + packet.caplen, "packet with its header");
	if (r < 0)
		return r;
	packet.data = file->buf + file->from + file->header_bytes;
	packet.offset = file->offset;
	file->pending = file->header_bytes + packet.caplen;
	r = capfile_packet_check(file, &packet, file->interfaces[0].fcs_bytes);
	if (r < 0)
		return r;
	*ret = packet;
	return 1;
}

/* @return 1; 0 not the first bytes of a pcap file; -errno */
int capfile_pcap_start(struct fancap_capfile *file)
{
	uint32_t magic = capfile_get32(file, file->buf + file->from), linktype;
	const struct pcap_variant *variant = variant_find(magic);
	struct capfile_interface *interface;
	const uint8_t *p;
	int r;

	if (variant == NULL) {
		variant = variant_find(bswap_32(magic));
		file->swapped = variant != NULL;
	}
	if (variant == NULL)
		return 0;
	r = capfile_peek(file, PCAP_HEADER_BYTES, "file header");
	if (r < 0)
		return r;
	p = file->buf + file->from;
	if (capfile_get16(file, p + 4) != 2 || capfile_get16(file, p + 6) != 4)
		return capfile_damaged(file, "pcap version %u.%u: 2.4 is what can be read",
				       capfile_get16(file, p + 4), capfile_get16(file, p + 6));
	interface = capfile_interface_add(file);
	if (interface == NULL)
		return file->failed;
	linktype = capfile_get32(file, p + 20);
	interface->linktype = (uint16_t)linktype;
	if (linktype & PCAP_FCS_KNOWN)
		interface->fcs_bytes = (uint8_t)(2 * (linktype >> PCAP_FCS_SHIFT));
	file->header_bytes = variant->header_bytes;
	file->fractions = variant->fractions;
	file->pending = PCAP_HEADER_BYTES;
	file->next = pcap_next;
	return 1;
}
