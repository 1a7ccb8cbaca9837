// SPDX-License-Identifier: BSD-3-Clause
/*
 * A pcapng block ends in its length, so a file can be read backwards: each step is bounded by what is left of it, and
 * hostile lengths lead nowhere but to "not known".
 */
#include "daemon/summary.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/pcapng_private.h"

/* Behind the last packet there is one such block, or a few. */
#define BLOCKS_MAX 8u
/* Of a statistics block: more than ours have of what is read; what fills it up comes after that. */
#define HEAD_MAX 256u
#define BLOCK_MIN_BYTES 12u
#define ISB_FIXED_BYTES 20u /* type, length, interface, time */

struct tail_block {
	uint64_t start;
	uint32_t type, length;
	uint8_t head[HEAD_MAX];
	size_t n; /* bytes of head */
};

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

/* The block that ends at an offset. @return whether there is one */
static bool block_read(int fd, uint64_t end, struct tail_block *ret)
{
	uint8_t bytes[LENGTH_BYTES];

	if (end < BLOCK_MIN_BYTES || pread(fd, bytes, sizeof(bytes), (off_t)(end - sizeof(bytes))) != sizeof(bytes))
		return false;
	ret->length = get32(bytes);
	if (ret->length < BLOCK_MIN_BYTES || ret->length % 4 != 0 || ret->length > end)
		return false;
	ret->start = end - ret->length;
	ret->n = ret->length - LENGTH_BYTES < HEAD_MAX ? ret->length - LENGTH_BYTES : HEAD_MAX;
	if (pread(fd, ret->head, ret->n, (off_t)ret->start) != (ssize_t)ret->n)
		return false;
	ret->type = get32(ret->head);
	return get32(ret->head + 4) == ret->length;
}

/* isb_usrdeliv, which is the packets of the file before the block. */
static uint64_t delivered(const struct tail_block *block)
{
	for (size_t at = ISB_FIXED_BYTES; at + 4 <= block->n;) {
		uint16_t code, n;

		memcpy(&code, block->head + at, sizeof(code));
		memcpy(&n, block->head + at + 2, sizeof(n));
		if (code == OPT_ENDOFOPT)
			break;
		if (code == ISB_USRDELIV && n == 8 && at + 12 <= block->n)
			return get64(block->head + at + 4);
		at += 4 + ((n + 3u) & ~3u);
	}
	return SUMMARY_PACKETS_UNKNOWN;
}

struct summary summary_read(int fd)
{
	struct summary summary = {.packets = SUMMARY_PACKETS_UNKNOWN};
	struct tail_block block;
	struct stat st;
	uint64_t end;

	if (fstat(fd, &st) < 0)
		return summary;
	end = (uint64_t)st.st_size;
	for (unsigned i = 0; i < BLOCKS_MAX && block_read(fd, end, &block); i++, end = block.start) {
		if (i == 0 && block.type == BLOCK_ISB)
			summary.packets = delivered(&block);
		if (block.type == BLOCK_EPB && block.n >= EPB_FIXED_BYTES)
			summary.last_ns = (uint64_t)get32(block.head + 12) << 32 | get32(block.head + 16);
		if (block.type != BLOCK_ISB)
			break;
	}
	return summary;
}
