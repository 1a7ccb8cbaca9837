// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_GEOMETRY_H
#define FANCAP_GEOMETRY_H

#include <stddef.h>
#include <stdint.h>
#include <linux/if_packet.h>

#include "fancap/error.h"
#include "fancap/version.h"

#ifdef __cplusplus
extern "C" {
#endif

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

/** What a caller wants of a receive ring of fixed frames: TPACKET_V1 or V2. */
struct fancap_frame_params {
	enum fancap_version version;
	uint64_t size_bytes;	///< of the whole ring: a multiple of block_bytes
	uint32_t block_bytes;	///< a multiple of the page size; what frames leave of it at its end is unused
	uint32_t frame_bytes;	///< headers included, a multiple of 16: fancap_geometry_frame_bytes()
	uint16_t reserve_bytes; ///< before each packet's headers (PACKET_RESERVE)
};

/** A request that the kernel accepts, computed from the params. */
struct fancap_frame_geometry {
	enum fancap_version version;
	struct tpacket_req req;
	uint16_t reserve_bytes;
	size_t map_bytes; ///< block size x block count
};

/**
 * Compute and validate a request for a ring of frames, before any system call; as fancap_geometry_plan().
 *
 * That a frame is large enough for the packets to come is not asked: what does not fit is cut, or fetched whole with
 * PACKET_COPY_THRESH.
 *
 * @return 0, or -EINVAL
 */
int fancap_geometry_frames(const struct fancap_frame_params *params, struct fancap_frame_geometry *ret,
			   struct fancap_error *err);

/** The least valid frame size that holds a packet of so many bytes whole, whatever its link-layer header. */
uint32_t fancap_geometry_frame_bytes(enum fancap_version version, uint32_t packet_bytes, uint16_t reserve_bytes);

#ifdef __cplusplus
}
#endif

#endif
