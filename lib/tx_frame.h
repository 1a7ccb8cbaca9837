// SPDX-License-Identifier: BSD-3-Clause
/* The header of a frame in a transmit ring, whatever its version. Inside libfancap only. */
#ifndef FANCAP_TX_FRAME_H
#define FANCAP_TX_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "fancap/version.h"

/** Whose a frame is. Load-acquire: once it is ours again, what we write is not seen by whoever had it. */
uint32_t tx_frame_status(enum fancap_version version, const void *frame);

/** Set the status. Store-release: all else that was written to the frame is seen before. */
void tx_frame_set_status(enum fancap_version version, void *frame, uint32_t status);

/**
 * Fill in all of the header but its status.
 *
 * @param offset where the data begins, counted from the frame; looked at by the kernel with PACKET_TX_HAS_OFF only
 */
void tx_frame_describe(enum fancap_version version, void *frame, uint32_t len, uint16_t offset);

/** Bytes of the packet in a frame. */
uint32_t tx_frame_len(enum fancap_version version, const void *frame);

/** Where its data begins. */
uint16_t tx_frame_offset(enum fancap_version version, const void *frame);

#endif
