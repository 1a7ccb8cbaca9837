// SPDX-License-Identifier: BSD-3-Clause
#ifndef LIB_SCOUT_H
#define LIB_SCOUT_H

#include <stdint.h>

/*
 * Fetches slot headers of a block into the cache, ahead of who walks it.
 *
 * Each slot tells where the next one is, so a walker waits for memory once for every packet: unless packets are all of a
 * size, nobody can tell where the next header but one is. So scouts go ahead, several at a time, from places spread over
 * the block: memory serves them side by side. Where a slot begins there they guess by what a header looks like. A wrong
 * guess fetches what nobody needs, that is all: nothing is believed of what they find.
 */

/** At a time, so much of a block: its headers find room in a small cache. */
#define SCOUT_BYTES (512u << 10)

/**
 * @param block from its beginning
 * @param at    offset of a slot header
 * @param limit of the block's bytes: none is read from there on
 * @return offset up to which headers were fetched: SCOUT_BYTES behind `at`, or limit
 */
uint32_t scout_fetch(const uint8_t *block, uint32_t at, uint32_t limit);

#endif
