// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_RING_H
#define FANCAP_RING_H

#include <stdint.h>

#include "fancap/block.h"
#include "fancap/geometry.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A mapped TPACKET_V3 receive ring: one owner at a time.
 *
 * Blocks are named by their position: 0 for the first block of the ring's life, growing for ever; block p lies at index
 * p % blocks, and carries sequence number p + 1.
 */
struct fancap_ring {
	uint8_t *map;
	size_t map_bytes;
	uint32_t block_bytes;
	uint32_t blocks;
	uint64_t next; ///< position of the block to be acquired next
};

/** Map the ring of a socket that has one of this geometry. The fd may be closed after. @return 0 or -errno */
int fancap_ring_map(struct fancap_ring *ring, int fd, const struct fancap_geometry *geometry);

/** Unmap. A ring that was never mapped (all zero) is fine. The kernel keeps it while its socket lives. */
void fancap_ring_unmap(struct fancap_ring *ring);

/** The memory of the block at a position. */
void *fancap_ring_block(const struct fancap_ring *ring, uint64_t position);

/**
 * Whether the block at a position has been retired and not been handed back. Load-acquire: what the kernel wrote is
 * visible after. Looks at the block's sequence number, so whoever overwrites a block header must not ask again.
 */
bool fancap_ring_block_ready(const struct fancap_ring *ring, uint64_t position);

/**
 * Take the next block the kernel has retired. Never blocks.
 *
 * The block belongs to the caller until fancap_ring_release(); several may be held and be released in any order, but
 * the kernel fills them strictly in ring order and drops packets while the next one is held.
 *
 * @return the block, or NULL when none is ready
 */
void *fancap_ring_acquire(struct fancap_ring *ring);

/** Hand the block at a position back. Store-release of exactly 0: reads of the block are done before. */
void fancap_ring_release(struct fancap_ring *ring, uint64_t position);

/**
 * Take over a ring that somebody used before: go on at the position, and hand back what lies before it and was not
 * handed back yet.
 */
void fancap_ring_resume(struct fancap_ring *ring, uint64_t position);

#ifdef __cplusplus
}
#endif

#endif
