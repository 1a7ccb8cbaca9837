// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_FRAMES_H
#define FANCAP_FRAMES_H

#include <stdint.h>

#include "fancap/block.h"
#include "fancap/geometry.h"
#include "fancap/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A frame's tp_status. Load-acquire: when TP_STATUS_USER is set, what the kernel wrote to the frame is visible.
 *
 * @param version FANCAP_V1 or FANCAP_V2
 * @param frame   at least 8 bytes, 8-byte aligned
 * @return TP_STATUS_* flags, OR-ed; TP_STATUS_KERNEL (0): nothing there yet
 */
uint32_t fancap_frame_status(enum fancap_version version, const void *frame);

/**
 * What a frame of a receive ring holds. Pure: looks at nothing but the frame's bytes, so any memory will do; every
 * offset is checked against the frame before it is followed.
 *
 * V1 tells times in microseconds, and nothing of a VLAN tag that was taken off. A frame too small for its own headers
 * leaves nothing of its packet: caplen is 0 then.
 *
 * @param version     FANCAP_V1 or FANCAP_V2
 * @param frame       frame_bytes of readable memory, 8-byte aligned
 * @param frame_bytes as in the ring's request
 * @param ret         set only on 1; points into the frame
 * @return 1 a packet, 0 the frame is the kernel's, -EBADMSG it makes no sense
 */
int fancap_frame_parse(enum fancap_version version, const void *frame, uint32_t frame_bytes,
		       struct fancap_packet *ret);

/**
 * A mapped TPACKET_V1 or V2 receive ring: one owner at a time.
 *
 * Frames are named by their position: 0 for the first frame of the ring's life, growing for ever; frame p is number
 * p % frames. Blocks hold whole frames only, so each may end in a gap.
 */
struct fancap_frames {
	uint8_t *map;
	size_t map_bytes;
	enum fancap_version version;
	uint32_t block_bytes;
	uint32_t frame_bytes;
	uint32_t frames_per_block;
	uint32_t frames;
};

/** Map the ring of a socket that has one of this geometry. The fd may be closed after. @return 0 or -errno */
int fancap_frames_map(struct fancap_frames *frames, int fd, const struct fancap_frame_geometry *geometry);

/** Unmap. A ring that was never mapped (all zero) is fine. The kernel keeps it while its socket lives. */
void fancap_frames_unmap(struct fancap_frames *frames);

/** The memory of the frame at a position. */
void *fancap_frames_at(const struct fancap_frames *frames, uint64_t position);

/**
 * Hand the frame at a position back. Store-release of exactly 0: reads of the frame are done before. The kernel fills
 * frames strictly in order, and drops packets while the next one is not its own.
 */
void fancap_frames_release(const struct fancap_frames *frames, uint64_t position);

#ifdef __cplusplus
}
#endif

#endif
