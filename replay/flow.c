// SPDX-License-Identifier: BSD-3-Clause
#include "replay/flow.h"

#include <net/ethernet.h>
#include <string.h>

#define TAGS_MAX 2u
#define TAG_BYTES 4u
#define TPID_8021AD 0x88A8u

static uint32_t type_at(const struct replay_packet *packet, uint32_t at)
{
	return at + 2 <= packet->len ? (uint32_t)packet->data[at] << 8 | packet->data[at + 1] : 0;
}

/* Where the network layer begins. */
static uint32_t network_offset(const struct replay_packet *packet, uint32_t *ret_type)
{
	uint32_t at = 2 * ETHER_ADDR_LEN;

	for (unsigned tags = 0; tags < TAGS_MAX; tags++) {
		uint32_t type = type_at(packet, at);

		if (type != ETHERTYPE_VLAN && type != TPID_8021AD)
			break;
		at += TAG_BYTES;
	}
	*ret_type = type_at(packet, at);
	return at + 2;
}

/* Two neighbouring addresses of n bytes, in either order; 0: they are not there. */
static uint32_t mix(const struct replay_packet *packet, uint32_t at, uint32_t n)
{
	uint32_t sum = 0;

	if (at + 2 * n > packet->len)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t a = packet->data[at + i], b = packet->data[at + n + i];

		/* Symmetric, and no sum of two pairs is likely that of another. */
		sum = sum * 31 + ((a + b) ^ (a * b) << 4);
	}
	return (sum ^ sum >> 16) * 0x45D9F3Bu >> 8;
}

uint32_t flow_hash(enum fancap_linktype linktype, const struct replay_packet *packet)
{
	uint32_t at = 0, type = 0;

	if (linktype == FANCAP_LINKTYPE_ETHERNET)
		at = network_offset(packet, &type);
	else
		type = packet->data[0] >> 4 == 4 ? ETHERTYPE_IP : ETHERTYPE_IPV6;
	switch (type) {
	case ETHERTYPE_IP: return mix(packet, at + 12, 4);
	case ETHERTYPE_IPV6: return mix(packet, at + 8, 16);
	default: return linktype == FANCAP_LINKTYPE_ETHERNET ? mix(packet, 0, ETHER_ADDR_LEN) : 0;
	}
}
