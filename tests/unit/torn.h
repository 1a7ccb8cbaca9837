// SPDX-License-Identifier: BSD-3-Clause
/* A recording as fancapd makes it, in memory, and what is to be recovered of it wherever it is cut. */
#ifndef TESTS_TORN_H
#define TESTS_TORN_H

#include <stddef.h>
#include <stdint.h>

#define TORN_BYTES_MAX (256u << 10)
#define TORN_BLOCKS_MAX 1024u
/** Bytes of the statistics block that recovering appends. */
#define TORN_CLOSING_BYTES 88u

/** What there is up to a block's end. */
struct torn_block {
	size_t end;
	uint64_t packets, dropcounts;
	uint64_t first_ns, last_ns;
	uint64_t accepted, dropped, delivered; ///< by the last statistics
};

struct torn_sample {
	uint8_t bytes[TORN_BYTES_MAX];
	size_t n;
	struct torn_block blocks[TORN_BLOCKS_MAX]; ///< the first one ends at 0
	unsigned n_blocks;
};

/** At least n bytes: packets packed and in 4 KiB pieces filled by options, statistics between them; the last block is a packet. */
void torn_sample_make(struct torn_sample *sample, size_t n);

/** The last block that ends at or before this. */
const struct torn_block *torn_block_before(const struct torn_sample *sample, size_t cut);

/** The recovered file: bytes up to there, and the closing block if it needs one. @return bytes */
size_t torn_expect(const struct torn_sample *sample, const struct torn_block *block, uint8_t *ret);

#endif
