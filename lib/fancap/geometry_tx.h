// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_GEOMETRY_TX_H
#define FANCAP_GEOMETRY_TX_H

#include <stddef.h>
#include <stdint.h>
#include <linux/if_packet.h>

#include "fancap/error.h"
#include "fancap/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a caller wants of a transmit ring. */
struct fancap_ring_tx_params {
	enum fancap_version version;
	uint32_t packet_max; ///< bytes a frame must have room for, 1 to 131072
	uint32_t packets;    ///< how many frames there must be at least
	uint16_t head_bytes; ///< before each packet, not counted in packet_max: a struct virtio_net_hdr, or 0
};

/** A request that the kernel accepts, computed from the params. */
struct fancap_geometry_tx {
	struct tpacket_req3 req; ///< V1 and V2 read the four fields they know of
	uint32_t frames_per_block;
	uint32_t data_offset; ///< where a frame's data (head_bytes first) begins, unless it has an offset of its own
	uint32_t room;	      ///< bytes from there to the end of the frame, head_bytes and packet_max at least
	size_t map_bytes;     ///< block size x block count
};

/**
 * Compute and validate the request of a transmit ring, before any system call.
 *
 * Asking for a power of two of packets gives exactly that many, as long as they fit one block.
 *
 * @return 0, or -EINVAL with the rule broken and what is allowed in err
 */
int fancap_geometry_tx_plan(const struct fancap_ring_tx_params *params, struct fancap_geometry_tx *ret,
			    struct fancap_error *err);

#ifdef __cplusplus
}
#endif

#endif
