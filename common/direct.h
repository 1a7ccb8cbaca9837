// SPDX-License-Identifier: BSD-3-Clause
#ifndef COMMON_DIRECT_H
#define COMMON_DIRECT_H

/**
 * With storage.writer auto, packets that take less than this in the ring, on the average, are packed into a buffer; others
 * are written from the ring, as they lie there. Rewriting a block costs the same whatever its packets' lengths; packing it costs
 * a copy. Below this mean length of slots the copy is cheaper.
 */
#define DIRECT_MEAN_BYTES 256u

#endif
