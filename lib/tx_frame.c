// SPDX-License-Identifier: BSD-3-Clause
#include <linux/if_packet.h>

#include "tx_frame.h"

uint32_t tx_frame_status(enum fancap_version version, const void *frame)
{
	const struct tpacket_hdr *v1 = frame;
	const struct tpacket2_hdr *v2 = frame;
	const struct tpacket3_hdr *v3 = frame;

	switch (version) {
	case FANCAP_V1: return (uint32_t)__atomic_load_n(&v1->tp_status, __ATOMIC_ACQUIRE);
	case FANCAP_V2: return __atomic_load_n(&v2->tp_status, __ATOMIC_ACQUIRE);
	default: return __atomic_load_n(&v3->tp_status, __ATOMIC_ACQUIRE);
	}
}

void tx_frame_set_status(enum fancap_version version, void *frame, uint32_t status)
{
	struct tpacket_hdr *v1 = frame;
	struct tpacket2_hdr *v2 = frame;
	struct tpacket3_hdr *v3 = frame;

	switch (version) {
	case FANCAP_V1: __atomic_store_n(&v1->tp_status, status, __ATOMIC_RELEASE); break;
	case FANCAP_V2: __atomic_store_n(&v2->tp_status, status, __ATOMIC_RELEASE); break;
	default: __atomic_store_n(&v3->tp_status, status, __ATOMIC_RELEASE); break;
	}
}

static void describe_v1(struct tpacket_hdr *header, uint32_t len, uint16_t offset)
{
	header->tp_len = len;
	header->tp_mac = offset;
	header->tp_net = offset;
}

static void describe_v2(struct tpacket2_hdr *header, uint32_t len, uint16_t offset)
{
	header->tp_len = len;
	header->tp_mac = offset;
	header->tp_net = offset;
}

/* tp_next_offset: anything but 0 is refused, frames of varying size were never made for transmission. */
static void describe_v3(struct tpacket3_hdr *header, uint32_t len, uint16_t offset)
{
	header->tp_next_offset = 0;
	header->tp_len = len;
	header->tp_mac = offset;
	header->tp_net = offset;
}

/* SOCK_RAW looks at tp_mac and SOCK_DGRAM at tp_net: both say the same here. */
void tx_frame_describe(enum fancap_version version, void *frame, uint32_t len, uint16_t offset)
{
	switch (version) {
	case FANCAP_V1: describe_v1(frame, len, offset); break;
	case FANCAP_V2: describe_v2(frame, len, offset); break;
	case FANCAP_V3: describe_v3(frame, len, offset); break;
	}
}

uint32_t tx_frame_len(enum fancap_version version, const void *frame)
{
	switch (version) {
	case FANCAP_V1: return ((const struct tpacket_hdr *)frame)->tp_len;
	case FANCAP_V2: return ((const struct tpacket2_hdr *)frame)->tp_len;
	default: return ((const struct tpacket3_hdr *)frame)->tp_len;
	}
}

uint16_t tx_frame_offset(enum fancap_version version, const void *frame)
{
	switch (version) {
	case FANCAP_V1: return ((const struct tpacket_hdr *)frame)->tp_mac;
	case FANCAP_V2: return ((const struct tpacket2_hdr *)frame)->tp_mac;
	default: return ((const struct tpacket3_hdr *)frame)->tp_mac;
	}
}
