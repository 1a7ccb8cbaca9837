// SPDX-License-Identifier: BSD-3-Clause
/*
 * A block of a ring in a file of its own, since recording it went wrong: as it lay in memory, for somebody to look into.
 *
 *     header (4096 bytes) | the block | the page in place of its first (4096 bytes) | rows
 *
 * Numbers are in host byte order. Page and rows are there if the block had been rewritten, or partly so.
 */
#ifndef LIB_SETASIDE_H
#define LIB_SETASIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "fancap/inplace.h"
#include "fancap/recover.h"

#define SETASIDE_SUFFIX ".block"
#define SETASIDE_MAGIC "fancap block 1\n"
#define SETASIDE_HEADER_BYTES 4096u

enum setaside_state {
	SETASIDE_AS_RECEIVED, ///< as the kernel left it
	SETASIDE_REWRITING,   ///< perhaps half rewritten in place, by plan and rows
	SETASIDE_REWRITTEN,   ///< pcapng, with the page in place of its first
};

/** Of fixed layout. */
struct setaside_header {
	char magic[16]; ///< SETASIDE_MAGIC
	uint32_t header_bytes;
	uint32_t block_bytes;
	uint32_t state; ///< enum setaside_state
	uint32_t linktype;
	uint32_t snaplen;
	uint32_t worker;
	uint32_t packets;  ///< that the block says it holds
	uint32_t recorded; ///< of these, the first so many are in a recording
	uint32_t rows;
	uint32_t reserved;
	uint64_t position; ///< in the ring, counted from its beginning
	uint64_t time_ns;  ///< of setting it aside
	char interface[16];
	struct fancap_inplace_plan plan; ///< if there are rows
	char text[SETASIDE_HEADER_BYTES - 88 - sizeof(struct fancap_inplace_plan)]; ///< for people: what this is, and why
};

_Static_assert(sizeof(struct setaside_header) == SETASIDE_HEADER_BYTES, "a whole page");

/** Where what follows the header is: any or all may be NULL if they are not there. */
struct setaside_parts {
	const void *block;
	const void *head;
	const struct fancap_inplace_row *rows;
};

/**
 * Write one. Copies bytes, looks into nothing.
 *
 * @param path not there yet; with less than all of it written it is removed again
 * @return 0 or -errno
 */
int setaside_write(const char *path, const struct setaside_header *header, const struct setaside_parts *parts);

/** Whether an open file is one. */
bool setaside_is(int fd);

/**
 * Make a pcapng file of the packets that can be read; slots that make no sense are stepped over. As fancap_recover_file(),
 * copying: bytes_cut and reason say what could not be read.
 *
 * @param fd of `from`, stays the caller's
 */
int setaside_recover(int fd, const char *from, const char *to, struct fancap_recover_result *ret, struct fancap_error *err);

#endif
