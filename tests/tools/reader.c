// SPDX-License-Identifier: BSD-3-Clause
#include "tests/tools/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_SHB 0x0a0d0d0au
#define BLOCK_IDB 1u
#define BLOCK_ISB 5u
#define BLOCK_EPB 6u
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define LINKTYPE_ETHERNET 1u

#define OPTION_END 0u
#define OPTION_COMMENT 1u
#define OPTION_CUSTOM_FIRST 2988u
#define OPTION_CUSTOM_LAST 19373u
#define OPTION_IF_TSRESOL 9u
#define OPTION_EPB_FLAGS 2u
#define OPTION_EPB_DROPCOUNT 4u
#define OPTION_EPB_PACKETID 5u
#define OPTION_EPB_QUEUE 6u
#define OPTION_LOCAL_FIRST 0x8000u /* the writer's own business, from here on */

struct reader {
	const uint8_t *data;
	size_t size;
	size_t at;
	bool in_section;
	bool have_interface;
	uint32_t snaplen;
	char error[256];
};

/* One block, its frame checked. */
struct block {
	size_t offset;
	uint32_t type;
	const uint8_t *body;
	size_t len; /* of the body */
};

struct option_walk {
	const uint8_t *p;
	size_t left;
	uint16_t code;
	uint16_t len;
	const uint8_t *value;
};

static uint16_t get16(const uint8_t *p)
{
	uint16_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

/* Times are stored high half first, whatever the byte order. */
static uint64_t get_time(const uint8_t *p)
{
	return (uint64_t)get32(p) << 32 | get32(p + 4);
}

static size_t padded(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

static int __attribute__((format(printf, 3, 4))) fail(struct reader *reader, size_t offset,
						      const char *format, ...)
{
	va_list ap;
	int n = snprintf(reader->error, sizeof(reader->error), "offset %zu: ", offset);

	va_start(ap, format);
	vsnprintf(reader->error + n, sizeof(reader->error) - (size_t)n, format, ap);
	va_end(ap);
	return -EINVAL;
}

int reader_open(const char *path, struct reader **ret)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	struct stat st;
	int r = -ENOMEM, fd = open(path, O_RDONLY | O_CLOEXEC);

	if (!reader)
		goto out;
	if (fd < 0 || fstat(fd, &st) < 0) {
		r = -errno;
		goto out;
	}
	reader->size = (size_t)st.st_size;
	if (reader->size) {
		void *map = mmap(NULL, reader->size, PROT_READ, MAP_PRIVATE, fd, 0);

		if (map == MAP_FAILED) {
			r = -errno;
			goto out;
		}
		reader->data = map;
	}
	*ret = reader;
	reader = NULL;
	r = 0;
out:
	if (fd >= 0)
		close(fd);
	free(reader);
	return r;
}

void reader_close(struct reader *reader)
{
	if (!reader)
		return;
	if (reader->data)
		munmap((void *)(uintptr_t)reader->data, reader->size);
	free(reader);
}

uint32_t reader_snaplen(const struct reader *reader)
{
	return reader->snaplen;
}

const char *reader_error(const struct reader *reader)
{
	return reader->error;
}

/* @return 1 a block, 0 the end of the file, -EINVAL */
static int next_block(struct reader *reader, struct block *ret)
{
	size_t left = reader->size - reader->at, offset = reader->at;
	const uint8_t *p = reader->data + offset;

	if (left == 0)
		return 0;
	if (left < 12)
		return fail(reader, offset, "file ends within a block header (%zu bytes)", left);
	uint32_t len = get32(p + 4);
	if (len < 12 || len % 4)
		return fail(reader, offset, "block length %u", len);
	if (len > left)
		return fail(reader, offset, "block of %u bytes, file has %zu more", len, left);
	if (get32(p + len - 4) != len)
		return fail(reader, offset, "block length %u at its start, %u at its end", len,
			    get32(p + len - 4));
	*ret = (struct block){offset, get32(p), p + 8, len - 12u};
	reader->at += len;
	return 1;
}

/*
 * Step to the next option.
 *
 * @return 1 an option, 0 no more; -EINVAL a broken one, or padding that is not zero
 */
static int next_option(struct reader *reader, size_t offset, struct option_walk *walk)
{
	if (walk->left == 0)
		return 0;
	if (walk->left < 4)
		return fail(reader, offset, "%zu stray bytes after the options", walk->left);
	walk->code = get16(walk->p);
	walk->len = get16(walk->p + 2);
	walk->value = walk->p + 4;
	if (walk->code == OPTION_END) {
		if (walk->len || walk->left != 4)
			return fail(reader, offset, "opt_endofopt of %u bytes, %zu bytes before the end",
				    walk->len, walk->left);
		walk->left = 0;
		return 0;
	}
	size_t total = 4 + padded(walk->len);
	if (total > walk->left)
		return fail(reader, offset, "option %u of %u bytes, block has %zu", walk->code,
			    walk->len, walk->left - 4);
	for (size_t i = 4u + walk->len; i < total; i++)
		if (walk->p[i])
			return fail(reader, offset, "option %u: padding is not zero", walk->code);
	walk->p += total;
	walk->left -= total;
	if (walk->left == 0)
		return fail(reader, offset, "options end without opt_endofopt");
	return 1;
}

static int expect_option(struct reader *reader, size_t offset, const struct option_walk *walk,
			 size_t len)
{
	if (walk->len == len)
		return 0;
	return fail(reader, offset, "option %u has %u bytes, not %zu", walk->code, walk->len, len);
}

static bool is_known_everywhere(uint16_t code)
{
	return code == OPTION_COMMENT || (code >= OPTION_CUSTOM_FIRST && code <= OPTION_CUSTOM_LAST) ||
	       code >= OPTION_LOCAL_FIRST;
}

static int read_section(struct reader *reader, const struct block *block)
{
	struct option_walk walk;
	int r;

	if (reader->in_section)
		return fail(reader, block->offset, "a second section");
	if (block->len < 16)
		return fail(reader, block->offset, "section header of %zu bytes", block->len);
	if (get32(block->body) != BYTE_ORDER_MAGIC)
		return fail(reader, block->offset, "byte-order magic 0x%08x", get32(block->body));
	if (get16(block->body + 4) != 1 || get16(block->body + 6) != 0)
		return fail(reader, block->offset, "version %u.%u", get16(block->body + 4),
			    get16(block->body + 6));
	uint64_t len = get64(block->body + 8);
	if (len != UINT64_MAX && len != reader->size - reader->at)
		return fail(reader, block->offset, "section length is not the rest of the file");
	walk = (struct option_walk){.p = block->body + 16, .left = block->len - 16};
	while ((r = next_option(reader, block->offset, &walk)) > 0)
		if (walk.code > 4 && !is_known_everywhere(walk.code))
			return fail(reader, block->offset, "section option %u", walk.code);
	reader->in_section = true;
	return r;
}

static int read_interface(struct reader *reader, const struct block *block)
{
	struct option_walk walk;
	bool nanoseconds = false;
	int r;

	if (reader->have_interface)
		return fail(reader, block->offset, "a second interface");
	if (block->len < 8)
		return fail(reader, block->offset, "interface description of %zu bytes", block->len);
	if (get16(block->body) != LINKTYPE_ETHERNET || get16(block->body + 2) != 0)
		return fail(reader, block->offset, "link type %u, reserved %u", get16(block->body),
			    get16(block->body + 2));
	reader->snaplen = get32(block->body + 4);
	walk = (struct option_walk){.p = block->body + 8, .left = block->len - 8};
	while ((r = next_option(reader, block->offset, &walk)) > 0) {
		if (walk.code > 18 && !is_known_everywhere(walk.code))
			return fail(reader, block->offset, "interface option %u", walk.code);
		if (walk.code == OPTION_IF_TSRESOL && walk.len == 1)
			nanoseconds = walk.value[0] == 9;
	}
	if (r == 0 && !nanoseconds)
		return fail(reader, block->offset, "if_tsresol is not 9");
	reader->have_interface = true;
	return r;
}

static int read_packet_options(struct reader *reader, const struct block *block, size_t at,
			       struct reader_packet *ret)
{
	struct option_walk walk = {.p = block->body + at, .left = block->len - at};
	int r;

	while ((r = next_option(reader, block->offset, &walk)) > 0) {
		int bad = 0;

		if (walk.code == OPTION_EPB_FLAGS) {
			bad = expect_option(reader, block->offset, &walk, 4);
			ret->flags = bad ? 0 : get32(walk.value);
		} else if (walk.code == OPTION_EPB_DROPCOUNT) {
			bad = expect_option(reader, block->offset, &walk, 8);
			ret->dropcount = bad ? 0 : get64(walk.value);
		} else if (walk.code == OPTION_EPB_PACKETID) {
			bad = expect_option(reader, block->offset, &walk, 8);
			ret->packetid = bad ? 0 : get64(walk.value);
		} else if (walk.code == OPTION_EPB_QUEUE) {
			bad = expect_option(reader, block->offset, &walk, 4);
			ret->queue = bad ? 0 : get32(walk.value);
		} else if (walk.code > 7 && !is_known_everywhere(walk.code)) {
			bad = fail(reader, block->offset, "packet option %u", walk.code);
		}
		if (bad)
			return bad;
	}
	return r;
}

static int read_packet(struct reader *reader, const struct block *block, struct reader_packet *ret)
{
	const uint8_t *body = block->body;

	if (!reader->have_interface)
		return fail(reader, block->offset, "a packet before the interface description");
	if (block->len < 20)
		return fail(reader, block->offset, "packet block of %zu bytes", block->len);
	*ret = (struct reader_packet){
		.data = body + 20,
		.caplen = get32(body + 12),
		.len = get32(body + 16),
		.time_ns = get_time(body + 4),
		.packetid = UINT64_MAX,
		.queue = UINT32_MAX,
	};
	if (get32(body) != 0)
		return fail(reader, block->offset, "packet of interface %u", get32(body));
	if (padded(ret->caplen) > block->len - 20)
		return fail(reader, block->offset, "caplen %u in a block of %zu", ret->caplen,
			    block->len);
	if (ret->caplen > ret->len || (reader->snaplen && ret->caplen > reader->snaplen))
		return fail(reader, block->offset, "caplen %u, len %u, snaplen %u", ret->caplen,
			    ret->len, reader->snaplen);
	for (size_t i = ret->caplen; i < padded(ret->caplen); i++)
		if (ret->data[i])
			return fail(reader, block->offset, "packet padding is not zero");
	return read_packet_options(reader, block, 20 + padded(ret->caplen), ret);
}

/* The counter that an ISB option holds, or NULL. */
static uint64_t *statistics_counter(struct reader_statistics *statistics, uint16_t code)
{
	switch (code) {
	case 4: return &statistics->ifrecv;
	case 5: return &statistics->ifdrop;
	case 6: return &statistics->filteraccept;
	case 7: return &statistics->osdrop;
	case 8: return &statistics->usrdeliv;
	}
	return NULL;
}

static int read_statistics(struct reader *reader, const struct block *block,
			   struct reader_statistics *ret)
{
	struct option_walk walk;
	int r;

	if (!reader->have_interface)
		return fail(reader, block->offset, "statistics before the interface description");
	if (block->len < 12 || get32(block->body) != 0)
		return fail(reader, block->offset, "statistics block of %zu bytes", block->len);
	memset(ret, 0xff, sizeof(*ret));
	ret->time_ns = get_time(block->body + 4);
	walk = (struct option_walk){.p = block->body + 12, .left = block->len - 12};
	while ((r = next_option(reader, block->offset, &walk)) > 0) {
		uint64_t *counter = statistics_counter(ret, walk.code);

		if (walk.code > 8 && !is_known_everywhere(walk.code))
			return fail(reader, block->offset, "statistics option %u", walk.code);
		if (walk.code >= 2 && walk.code <= 8 &&
		    expect_option(reader, block->offset, &walk, 8) < 0)
			return -EINVAL;
		if (counter)
			*counter = get64(walk.value);
	}
	return r;
}

enum reader_event reader_next(struct reader *reader, struct reader_packet *ret_packet,
			      struct reader_statistics *ret_statistics)
{
	struct block block = {.body = NULL};
	int r;

	while ((r = next_block(reader, &block)) > 0) {
		if (!reader->in_section && block.type != BLOCK_SHB) {
			fail(reader, block.offset, "no section header first");
			return READER_ERROR;
		}
		switch (block.type) {
		case BLOCK_SHB: r = read_section(reader, &block); break;
		case BLOCK_IDB: r = read_interface(reader, &block); break;
		case BLOCK_EPB:
			return read_packet(reader, &block, ret_packet) < 0 ? READER_ERROR
									   : READER_PACKET;
		case BLOCK_ISB:
			return read_statistics(reader, &block, ret_statistics) < 0
				       ? READER_ERROR
				       : READER_STATISTICS;
		default: r = fail(reader, block.offset, "block type 0x%08x", block.type);
		}
		if (r < 0)
			return READER_ERROR;
	}
	if (r == 0 && !reader->have_interface) {
		fail(reader, reader->at, "no interface description");
		return READER_ERROR;
	}
	return r < 0 ? READER_ERROR : READER_END;
}
