// SPDX-License-Identifier: BSD-3-Clause
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/blocks.h"

#define ETHERNET_BYTES 14u
#define SLL_OFFSET 48u /* TPACKET_ALIGN(sizeof(struct tpacket3_hdr)) */
#define SLOT_HEADERS_BYTES (SLL_OFFSET + (uint32_t)sizeof(struct sockaddr_ll)) /* TPACKET3_HDRLEN */

static uint32_t align(uint32_t value, uint32_t step)
{
	return (value + step - 1) / step * step;
}

/* tpacket_rcv(): netoff is for the network header, the packet starts its link-layer header before that. */
static uint32_t net_offset(const struct test_block *block)
{
	return align(SLOT_HEADERS_BYTES + 16, TPACKET_ALIGNMENT) + block->reserve;
}

static uint32_t mac_offset(const struct test_block *block, bool no_mac)
{
	return net_offset(block) - (no_mac ? 0 : ETHERNET_BYTES);
}

void test_block_init(struct test_block *block, uint32_t size, uint16_t priv_bytes, uint16_t reserve,
		     uint64_t sequence)
{
	uint32_t first = (uint32_t)sizeof(struct tpacket_block_desc) + align(priv_bytes, 8);
	struct tpacket_block_desc *desc;

	assert(size >= first);
	*block = (struct test_block){
		.bytes = malloc(size), .size = size, .next = first, .reserve = reserve};
	assert(block->bytes != NULL);
	memset(block->bytes, 0xA5, size); /* what an earlier lap left behind */
	desc = (struct tpacket_block_desc *)block->bytes;
	*desc = (struct tpacket_block_desc){
		.version = 1, /* of the descriptor, not TPACKET_V3 */
		.offset_to_priv = sizeof(*desc),
		.hdr.bh1 = {
			.block_status = TP_STATUS_USER,
			.offset_to_first_pkt = first,
			.blk_len = first,
			.seq_num = sequence,
		},
	};
}

void test_block_done(struct test_block *block)
{
	free(block->bytes);
	*block = (struct test_block){0};
}

struct tpacket_hdr_v1 *test_block_header(const struct test_block *block)
{
	return &((struct tpacket_block_desc *)block->bytes)->hdr.bh1;
}

static void put_data(uint8_t *dst, const struct test_packet *packet)
{
	if (packet->data != NULL) {
		memcpy(dst, packet->data, packet->caplen);
		return;
	}
	for (uint32_t i = 0; i < packet->caplen; i++)
		dst[i] = (uint8_t)i;
}

static void put_slot(const struct test_block *block, uint8_t *slot, const struct test_packet *packet)
{
	struct tpacket3_hdr *h = (struct tpacket3_hdr *)slot;
	struct sockaddr_ll *sll = (struct sockaddr_ll *)(slot + SLL_OFFSET);

	*h = (struct tpacket3_hdr){
		.tp_sec = (uint32_t)(packet->time_ns / 1000000000u),
		.tp_nsec = (uint32_t)(packet->time_ns % 1000000000u),
		.tp_snaplen = packet->caplen,
		.tp_len = packet->len != 0 ? packet->len : packet->caplen,
		.tp_status = TP_STATUS_USER | packet->status,
		.tp_mac = (uint16_t)mac_offset(block, packet->no_mac),
		.tp_net = (uint16_t)net_offset(block),
	};
	if (packet->vlan_tpid != 0) {
		h->tp_status |= TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
		h->hv1.tp_vlan_tci = packet->vlan_tci;
		h->hv1.tp_vlan_tpid = packet->vlan_tpid;
	}
	*sll = (struct sockaddr_ll){.sll_family = AF_PACKET, .sll_pkttype = packet->type};
	put_data(slot + h->tp_mac, packet);
}

bool test_block_add(struct test_block *block, const struct test_packet *packet)
{
	struct tpacket_hdr_v1 *header = test_block_header(block);
	uint64_t bytes = ((uint64_t)mac_offset(block, packet->no_mac) + packet->caplen + 7) & ~7ull;

	if (bytes > block->size - block->next)
		return false;
	put_slot(block, block->bytes + block->next, packet);
	if (block->last != 0)
		((struct tpacket3_hdr *)(block->bytes + block->last))->tp_next_offset =
			block->next - block->last;
	block->last = block->next;
	block->next += (uint32_t)bytes;
	header->num_pkts++;
	header->blk_len = block->next;
	return true;
}

uint32_t test_block_room(const struct test_block *block)
{
	uint32_t head = mac_offset(block, false), room = block->size - block->next;

	return room > head ? room - head : 0;
}

struct tpacket3_hdr *test_block_slot(const struct test_block *block, unsigned n)
{
	uint8_t *slot = block->bytes + test_block_header(block)->offset_to_first_pkt;

	while (n-- > 0)
		slot += ((struct tpacket3_hdr *)slot)->tp_next_offset;
	return (struct tpacket3_hdr *)slot;
}
