// SPDX-License-Identifier: BSD-3-Clause
#include <assert.h>

#include "lib/pcapng_private.h"

static uint8_t *pad(uint8_t *p, size_t n)
{
	size_t padding = -n & 3u;

	memset(p, 0, padding);
	return p + padding;
}

static uint8_t *option_bytes(uint8_t *p, enum option code, const void *bytes, size_t n)
{
	p = option_header(p, code, n);
	p = put(p, bytes, n);
	return pad(p, n);
}

static uint8_t *option_text(uint8_t *p, enum option code, const char *text)
{
	if (text == NULL || text[0] == '\0')
		return p;
	return option_bytes(p, code, text, strnlen(text, FANCAP_PCAPNG_TEXT_MAX));
}

static uint8_t *option_time(uint8_t *p, enum option code, uint64_t time_ns)
{
	p = option_header(p, code, 8);
	return put_time(p, time_ns);
}

/* The block's length goes behind its type and at its end. */
static size_t block_end(uint8_t *start, uint8_t *p)
{
	uint32_t length;

	p = option_header(p, OPT_ENDOFOPT, 0);
	length = (uint32_t)(p - start) + 4;
	put32(p, length);
	put32(start + 4, length);
	return length;
}

size_t fancap_pcapng_shb(void *dst, const struct fancap_pcapng_section *section)
{
	uint8_t *p = dst;

	p = put32(p, BLOCK_SHB);
	p = put32(p, 0); /* length, by block_end() */
	p = put32(p, 0x1A2B3C4D);
	p = put16(p, 1); /* version 1.0 */
	p = put16(p, 0);
	p = put64(p, UINT64_MAX); /* section length: not given, the file may still grow */
	p = option_text(p, SHB_HARDWARE, section->hardware);
	p = option_text(p, SHB_OS, section->os);
	p = option_text(p, SHB_USERAPPL, section->application);
	return block_end(dst, p);
}

size_t fancap_pcapng_idb(void *dst, const struct fancap_pcapng_interface *interface)
{
	const uint8_t nanoseconds = 9;
	uint8_t *p = dst;

	p = put32(p, BLOCK_IDB);
	p = put32(p, 0);
	p = put16(p, interface->linktype);
	p = put16(p, 0);
	p = put32(p, interface->snaplen);
	p = option_text(p, IF_NAME, interface->name);
	p = option_text(p, IF_DESCRIPTION, interface->description);
	p = option_bytes(p, IF_TSRESOL, &nanoseconds, sizeof(nanoseconds));
	if (interface->filter != NULL && interface->filter[0] != '\0') {
		size_t n = strnlen(interface->filter, FANCAP_PCAPNG_TEXT_MAX - 1);

		p = option_header(p, IF_FILTER, n + 1);
		*p++ = 0; /* what follows is a libpcap expression */
		p = put(p, interface->filter, n);
		p = pad(p, n + 1);
	}
	p = option_text(p, IF_OS, interface->os);
	return block_end(dst, p);
}

/* All but the block's end. */
static uint8_t *put_statistics(uint8_t *p, const struct fancap_pcapng_statistics *s)
{
	p = put32(p, BLOCK_ISB);
	p = put32(p, 0);
	p = put32(p, 0); /* interface */
	p = put_time(p, s->time_ns);
	p = option_time(p, ISB_STARTTIME, s->start_ns);
	p = option_time(p, ISB_ENDTIME, s->end_ns);
	if (s->has_received)
		p = option_u64(p, ISB_IFRECV, s->received);
	p = option_u64(p, ISB_FILTERACCEPT, s->accepted);
	p = option_u64(p, ISB_OSDROP, s->dropped);
	return option_u64(p, ISB_USRDELIV, s->delivered);
}

size_t fancap_pcapng_isb(void *dst, const struct fancap_pcapng_statistics *statistics)
{
	return block_end(dst, put_statistics(dst, statistics));
}

size_t fancap_pcapng_isb_padded(void *dst, size_t bytes, const struct fancap_pcapng_statistics *statistics)
{
	uint8_t *p = put_statistics(dst, statistics), *end = (uint8_t *)dst + bytes - BLOCK_END_BYTES;

	assert(bytes % 4 == 0 && bytes <= FANCAP_PCAPNG_ISB_PADDED_MAX && p <= end);
	return block_end(dst, put_filler(p, (size_t)(end - p)));
}

/*
 * A cooked packet's own header, LINKTYPE_LINUX_SLL2, network byte order:
 * https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html
 */
static uint8_t *put_sll2_header(uint8_t *p, const struct sockaddr_ll *link, uint16_t protocol, uint8_t type)
{
	uint8_t address_bytes = link->sll_halen;

	/* Longer addresses (InfiniBand has 20 bytes) are cut to what there is room for, as libpcap does. */
	if (address_bytes > sizeof(link->sll_addr))
		address_bytes = sizeof(link->sll_addr);
	p = put16(p, protocol);
	p = put16(p, 0);
	p = put32(p, htonl((uint32_t)link->sll_ifindex));
	p = put16(p, htons(link->sll_hatype));
	*p++ = type; /* LINUX_SLL_HOST ... are PACKET_HOST ... */
	*p++ = address_bytes;
	memset(p, 0, sizeof(link->sll_addr));
	memcpy(p, link->sll_addr, address_bytes);
	return p + sizeof(link->sll_addr);
}

size_t fancap_pcapng_sll2(void *dst, const struct fancap_packet *packet)
{
	uint8_t *p;

	if (packet->vlan_tpid == 0)
		return (size_t)(put_sll2_header(dst, packet->link, packet->link->sll_protocol, packet->type) -
				(uint8_t *)dst);
	/* As on the wire: the header's protocol is the tag's, and the packet's own follows the TCI. */
	p = put_sll2_header(dst, packet->link, htons(packet->vlan_tpid), packet->type);
	p = put16(p, htons(packet->vlan_tci));
	p = put16(p, packet->link->sll_protocol);
	return (size_t)(p - (uint8_t *)dst);
}

/* Bytes that stand before a cooked packet. */
static uint32_t cooked_bytes(const struct fancap_packet *packet)
{
	return FANCAP_PCAPNG_SLL2_BYTES + (packet->vlan_tpid != 0 ? VLAN_TAG_BYTES : 0);
}

/* Bytes that are to be recorded of what is there. */
static uint32_t whole_bytes(const struct fancap_packet *packet)
{
	if (packet->cooked)
		return cooked_bytes(packet) + packet->caplen;
	return packet->caplen + (pcapng_tag_fits(packet) ? VLAN_TAG_BYTES : 0);
}

/* What the packet's length was, with all that we put back. */
static uint32_t original_bytes(const struct fancap_packet *packet)
{
	return packet->len + (packet->cooked ? cooked_bytes(packet) : pcapng_tag_bytes(packet));
}

static uint32_t kept_bytes(const struct fancap_packet *packet, uint32_t snaplen)
{
	uint32_t whole = whole_bytes(packet);

	return whole < snaplen ? whole : snaplen;
}

static size_t epb_bytes(uint32_t kept, uint64_t dropcount)
{
	return EPB_FIXED_BYTES + ((kept + 3u) & ~3u) + EPB_FLAGS_BYTES +
	       (dropcount != 0 ? EPB_DROPCOUNT_BYTES : 0) + BLOCK_END_BYTES;
}

size_t fancap_pcapng_epb_bytes(const struct fancap_packet *packet, uint32_t snaplen, uint64_t dropcount)
{
	return epb_bytes(kept_bytes(packet, snaplen), dropcount);
}

/* The packet with its tag back in place, cut to kept bytes. */
static uint8_t *put_tagged(uint8_t *p, const struct fancap_packet *packet, uint32_t kept)
{
	uint8_t head[MAC_ADDRESSES_BYTES + VLAN_TAG_BYTES];

	put_tag(put(head, packet->data, MAC_ADDRESSES_BYTES), packet->vlan_tpid, packet->vlan_tci);
	if (kept <= sizeof(head))
		return put(p, head, kept);
	p = put(p, head, sizeof(head));
	return put(p, packet->data + MAC_ADDRESSES_BYTES, kept - sizeof(head));
}

/* The packet behind its header, cut to kept bytes. */
static uint8_t *put_cooked(uint8_t *p, const struct fancap_packet *packet, uint32_t kept)
{
	uint8_t head[FANCAP_PCAPNG_SLL2_MAX];
	uint32_t n = (uint32_t)fancap_pcapng_sll2(head, packet);

	if (kept <= n)
		return put(p, head, kept);
	p = put(p, head, n);
	return put(p, packet->data, kept - n);
}

static uint8_t *put_packet(uint8_t *p, const struct fancap_packet *packet, uint32_t kept)
{
	if (packet->cooked)
		return put_cooked(p, packet, kept);
	if (pcapng_tag_fits(packet))
		return put_tagged(p, packet, kept);
	return put(p, packet->data, kept);
}

size_t fancap_pcapng_epb(void *dst, const struct fancap_packet *packet, uint32_t snaplen,
			 uint64_t dropcount)
{
	uint32_t kept = kept_bytes(packet, snaplen);
	uint32_t length = (uint32_t)epb_bytes(kept, dropcount);
	uint8_t *p = dst;

	p = put_epb_header(p, length, packet->time_ns, kept, original_bytes(packet));
	p = put_packet(p, packet, kept);
	p = pad(p, kept);
	p = option_u32(p, EPB_FLAGS, pcapng_epb_flags(packet->type));
	if (dropcount != 0)
		p = option_u64(p, EPB_DROPCOUNT, dropcount);
	p = option_header(p, OPT_ENDOFOPT, 0);
	put32(p, length);
	return length;
}
