// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_GEOMETRY_H
#define FANCAP_GEOMETRY_H

#include <stddef.h>
#include <stdint.h>
#include <linux/if_packet.h>

#include "fancap/error.h"

/** What a caller wants of a TPACKET_V3 receive ring. */
struct fancap_ring_params {
	uint64_t size_bytes;	   ///< of the whole ring: a multiple of block_bytes
	uint32_t block_bytes;	   ///< a multiple of the page size; a power of two wastes none
	uint32_t block_timeout_ms; ///< greatest age of a block with packets in it, 1 to 60000
	uint32_t snaplen;	   ///< bytes kept of a packet
	uint16_t priv_bytes;	   ///< at the start of every block, for us (tp_sizeof_priv)
	uint16_t reserve_bytes;	   ///< before each packet's headers (PACKET_RESERVE)
};

/** A request that the kernel accepts, computed from the params. */
struct fancap_geometry {
	struct tpacket_req3 req;
	uint16_t reserve_bytes;
	size_t map_bytes; ///< block size x block count
};

/**
 * Compute and validate a ring request, before any system call.
 *
 * Every constraint of the kernel (packet_set_ring in net/packet/af_packet.c) is checked here and nowhere else; the
 * text of an error names the rule broken, the value and the nearest valid one.
 *
 * @return 0, or -EINVAL
 */
int fancap_geometry_plan(const struct fancap_ring_params *params, struct fancap_geometry *ret,
			 struct fancap_error *err);

#endif
