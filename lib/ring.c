// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <sys/mman.h>

#include "fancap/ring.h"

int fancap_ring_map(struct fancap_ring *ring, int fd, const struct fancap_geometry *geometry)
{
	void *map = mmap(NULL, geometry->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	*ring = (struct fancap_ring){
		.map = map,
		.map_bytes = geometry->map_bytes,
		.block_bytes = geometry->req.tp_block_size,
		.blocks = geometry->req.tp_block_nr,
	};
	/* Packets are nobody's business in a core dump. Best effort: an old kernel only makes a larger dump. */
	(void)madvise(map, geometry->map_bytes, MADV_DONTDUMP);
	return 0;
}

void fancap_ring_unmap(struct fancap_ring *ring)
{
	if (ring->map != NULL)
		munmap(ring->map, ring->map_bytes);
	*ring = (struct fancap_ring){0};
}

void *fancap_ring_block(const struct fancap_ring *ring, uint64_t position)
{
	return ring->map + (size_t)(position % ring->blocks) * ring->block_bytes;
}

static uint32_t *status_word(const struct fancap_ring *ring, uint64_t position)
{
	return &((struct tpacket_block_desc *)fancap_ring_block(ring, position))->hdr.bh1.block_status;
}

bool fancap_ring_block_ready(const struct fancap_ring *ring, uint64_t position)
{
	/*
	 * When the whole ring is held, the block at this index is ours still from the lap before: only its sequence
	 * number says so. The kernel numbers blocks in the order in which it opens them.
	 */
	return (__atomic_load_n(status_word(ring, position), __ATOMIC_ACQUIRE) & TP_STATUS_USER) != 0 &&
	       fancap_block_sequence(fancap_ring_block(ring, position)) == position + 1;
}

void *fancap_ring_acquire(struct fancap_ring *ring)
{
	if (!fancap_ring_block_ready(ring, ring->next))
		return NULL;
	return fancap_ring_block(ring, ring->next++);
}

void fancap_ring_release(struct fancap_ring *ring, uint64_t position)
{
	/* Exactly TP_STATUS_KERNEL: on any other value the kernel reopens the block for ever, counting no drops. */
	__atomic_store_n(status_word(ring, position), TP_STATUS_KERNEL, __ATOMIC_RELEASE);
}

void fancap_ring_resume(struct fancap_ring *ring, uint64_t position)
{
	uint64_t oldest = position > ring->blocks ? position - ring->blocks : 0;

	for (uint64_t p = oldest; p < position; p++) {
		if (fancap_ring_block_ready(ring, p))
			fancap_ring_release(ring, p);
	}
	ring->next = position;
}
