// SPDX-License-Identifier: BSD-3-Clause
#include <assert.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <net/if_arp.h>
#include <sys/socket.h>

#include "tests/unit/frame.h"

#define SLL_OFFSET 32u /* TPACKET_ALIGN() of either header */

static uint32_t tag_status(const struct test_packet *packet)
{
	return packet->vlan_tpid != 0 ? TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID : 0;
}

static void fill_v1(struct tpacket_hdr *h, const struct test_packet *packet, uint32_t mac)
{
	*h = (struct tpacket_hdr){
		.tp_status = TP_STATUS_USER | packet->status,
		.tp_len = packet->len != 0 ? packet->len : packet->caplen,
		.tp_snaplen = packet->caplen,
		.tp_mac = (uint16_t)mac,
		.tp_net = TEST_FRAME_NET,
		.tp_sec = (uint32_t)(packet->time_ns / 1000000000u),
		.tp_usec = (uint32_t)(packet->time_ns % 1000000000u / 1000u),
	};
}

static void fill_v2(struct tpacket2_hdr *h, const struct test_packet *packet, uint32_t mac)
{
	*h = (struct tpacket2_hdr){
		.tp_status = TP_STATUS_USER | packet->status | tag_status(packet),
		.tp_len = packet->len != 0 ? packet->len : packet->caplen,
		.tp_snaplen = packet->caplen,
		.tp_mac = (uint16_t)mac,
		.tp_net = TEST_FRAME_NET,
		.tp_sec = (uint32_t)(packet->time_ns / 1000000000u),
		.tp_nsec = (uint32_t)(packet->time_ns % 1000000000u),
		.tp_vlan_tci = packet->vlan_tci,
		.tp_vlan_tpid = packet->vlan_tpid,
	};
}

void test_frame_fill(enum fancap_version version, void *frame, uint32_t bytes, const struct test_packet *packet)
{
	const struct sockaddr_ll sll = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = 7,
		.sll_hatype = ARPHRD_ETHER, .sll_pkttype = packet->type, .sll_halen = 6,
		.sll_addr = {2, 0, 0, 0, 0, 2}};
	uint32_t mac = packet->no_mac ? TEST_FRAME_NET : TEST_FRAME_MAC;
	uint8_t *data = (uint8_t *)frame + mac;

	assert(bytes >= mac && bytes - mac >= packet->caplen);
	memset(frame, 0xA5, bytes); /* what an earlier lap left behind */
	if (version == FANCAP_V1)
		fill_v1(frame, packet, mac);
	else
		fill_v2(frame, packet, mac);
	memcpy((uint8_t *)frame + SLL_OFFSET, &sll, sizeof(sll));
	for (uint32_t i = 0; i < packet->caplen; i++)
		data[i] = packet->data != NULL ? ((const uint8_t *)packet->data)[i] : (uint8_t)i;
}
