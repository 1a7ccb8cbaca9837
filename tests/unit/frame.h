// SPDX-License-Identifier: BSD-3-Clause
/* Synthetic TPACKET_V1 and V2 frames in plain memory, laid out as tpacket_rcv() lays them out. */
#ifndef TESTS_FRAME_H
#define TESTS_FRAME_H

#include <stdint.h>

#include "fancap/version.h"
#include "tests/unit/blocks.h"

/** Where the packet lies in such a frame, without PACKET_RESERVE: Ethernet, or no link-layer header. */
#define TEST_FRAME_MAC 66u
#define TEST_FRAME_NET 80u

/** Fill a frame. V1 has no room for the tag, and cuts the time to microseconds. @param bytes enough for the packet */
void test_frame_fill(enum fancap_version version, void *frame, uint32_t bytes, const struct test_packet *packet);

#endif
