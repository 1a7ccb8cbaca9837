// SPDX-License-Identifier: BSD-3-Clause
#ifndef REPLAY_PACKET_H
#define REPLAY_PACKET_H

#include <stdint.h>

/** A packet to be sent. Its data is somebody else's, and good until that one is asked for the next. */
struct replay_packet {
	const uint8_t *data;
	uint32_t len;
	uint64_t time_ns; ///< recorded
};

#endif
