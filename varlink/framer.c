// SPDX-License-Identifier: BSD-3-Clause
#include "varlink/framer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN ((size_t)1024)

void varlink_framer_init(struct varlink_framer *framer, size_t max_bytes)
{
	*framer = (struct varlink_framer){ .max_bytes = max_bytes };
}

void varlink_framer_done(struct varlink_framer *framer)
{
	free(framer->bytes);
	*framer = (struct varlink_framer){ .max_bytes = framer->max_bytes };
}

/* Move what is left to the front, so that taken messages make room before memory does. */
static void framer_compact(struct varlink_framer *framer)
{
	if (!framer->start)
		return;

	memmove(framer->bytes, framer->bytes + framer->start, framer->end - framer->start);
	framer->scanned -= framer->start;
	framer->end -= framer->start;
	framer->start = 0;
}

static int framer_reserve(struct varlink_framer *framer, size_t n_bytes)
{
	size_t capacity = framer->capacity ? framer->capacity : CAPACITY_MIN;
	char *grown;

	if (framer->capacity - framer->end >= n_bytes)
		return 0;
	framer_compact(framer);

	while (capacity - framer->end < n_bytes)
		if (__builtin_mul_overflow(capacity, (size_t)2, &capacity))
			return -ENOMEM;
	if (capacity == framer->capacity)
		return 0;

	grown = realloc(framer->bytes, capacity);
	if (!grown)
		return -ENOMEM;
	framer->bytes = grown;
	framer->capacity = capacity;
	return 0;
}

int varlink_framer_feed(struct varlink_framer *framer, const void *bytes, size_t n_bytes)
{
	int r;

	if (!n_bytes)
		return 0;
	r = framer_reserve(framer, n_bytes);
	if (r < 0)
		return r;

	memcpy(framer->bytes + framer->end, bytes, n_bytes);
	framer->end += n_bytes;
	return 0;
}

int varlink_framer_next(struct varlink_framer *framer, const char **ret_text, size_t *ret_len)
{
	const char *nul = NULL;
	size_t len;

	/* Each byte is looked at once, however small the pieces. */
	if (framer->scanned < framer->end)
		nul = memchr(framer->bytes + framer->scanned, '\0', framer->end - framer->scanned);

	len = (nul ? (size_t)(nul - framer->bytes) : framer->end) - framer->start;
	if (len > framer->max_bytes)
		return -EMSGSIZE;
	if (!nul) {
		framer->scanned = framer->end;
		return 0;
	}

	*ret_text = framer->bytes + framer->start;
	*ret_len = len;
	framer->start += len + 1;
	framer->scanned = framer->start;
	return 1;
}

bool varlink_framer_partial(const struct varlink_framer *framer)
{
	return framer->start < framer->end;
}
