// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fancap/pcapng.h"

/* The bytes below are little endian, as are the machines fancap supports. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "expected bytes are written for little endian");

#define U64_MAX_BYTES 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF

static void writes_the_least_section_header(void **state)
{
	static const uint8_t expected[] = {
		0x0A, 0x0D, 0x0D, 0x0A, 32, 0, 0, 0, /* type, length */
		0x4D, 0x3C, 0x2B, 0x1A, 1, 0, 0, 0,  /* byte order, version 1.0 */
		U64_MAX_BYTES,			     /* section length: unknown */
		0, 0, 0, 0, 32, 0, 0, 0,	     /* opt_endofopt, length */
	};
	const struct fancap_pcapng_section section = {.os = ""}; /* an empty text is none */
	uint8_t dst[sizeof(expected)];

	(void)state;
	assert_int_equal(fancap_pcapng_shb(dst, &section), sizeof(expected));
	assert_memory_equal(dst, expected, sizeof(expected));
}

static void writes_section_header_options(void **state)
{
	static const uint8_t expected[] = {
		0x0A, 0x0D, 0x0D, 0x0A, 60, 0, 0, 0,
		0x4D, 0x3C, 0x2B, 0x1A, 1, 0, 0, 0,
		U64_MAX_BYTES,
		2, 0, 4, 0, 'a', 'r', 'm', '6',		   /* shb_hardware, no padding */
		3, 0, 5, 0, 'L', 'i', 'n', 'u', 'x', 0, 0, 0, /* shb_os */
		4, 0, 2, 0, 'f', 'c', 0, 0,		   /* shb_userappl */
		0, 0, 0, 0, 60, 0, 0, 0,
	};
	const struct fancap_pcapng_section section = {
		.hardware = "arm6", .os = "Linux", .application = "fc"};
	uint8_t dst[sizeof(expected)];

	(void)state;
	assert_int_equal(fancap_pcapng_shb(dst, &section), sizeof(expected));
	assert_memory_equal(dst, expected, sizeof(expected));
}

static void writes_the_least_interface_description(void **state)
{
	static const uint8_t expected[] = {
		1, 0, 0, 0, 32, 0, 0, 0,
		101, 0, 0, 0, 0, 0, 4, 0, /* LINKTYPE_RAW, snaplen 262144 */
		9, 0, 1, 0, 9, 0, 0, 0,	  /* if_tsresol: nanoseconds */
		0, 0, 0, 0, 32, 0, 0, 0,
	};
	const struct fancap_pcapng_interface interface = {
		.linktype = 101, .snaplen = 262144, .filter = ""};
	uint8_t dst[sizeof(expected)];

	(void)state;
	assert_int_equal(fancap_pcapng_idb(dst, &interface), sizeof(expected));
	assert_memory_equal(dst, expected, sizeof(expected));
}

static void writes_interface_description_options(void **state)
{
	static const uint8_t expected[] = {
		1, 0, 0, 0, 64, 0, 0, 0,
		1, 0, 0, 0, 96, 0, 0, 0,
		2, 0, 4, 0, 'e', 't', 'h', '1',		  /* if_name */
		3, 0, 3, 0, 't', 'a', 'p', 0,		  /* if_description */
		9, 0, 1, 0, 9, 0, 0, 0,			  /* if_tsresol */
		11, 0, 3, 0, 0, 'i', 'p', 0,		  /* if_filter: kind 0, libpcap text */
		12, 0, 1, 0, 'L', 0, 0, 0,		  /* if_os */
		0, 0, 0, 0, 64, 0, 0, 0,
	};
	const struct fancap_pcapng_interface interface = {
		.linktype = 1, .snaplen = 96, .name = "eth1", .description = "tap",
		.filter = "ip", .os = "L"};
	uint8_t dst[sizeof(expected)];

	(void)state;
	assert_int_equal(fancap_pcapng_idb(dst, &interface), sizeof(expected));
	assert_memory_equal(dst, expected, sizeof(expected));
}

static void writes_interface_statistics(void **state)
{
	static const uint8_t expected[] = {
		5, 0, 0, 0, 88, 0, 0, 0,
		0, 0, 0, 0,				    /* interface 0 */
		0x44, 0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55, /* time, high half first */
		2, 0, 8, 0, 1, 0, 0, 0, 2, 0, 0, 0,	    /* isb_starttime */
		3, 0, 8, 0, 3, 0, 0, 0, 4, 0, 0, 0,	    /* isb_endtime */
		6, 0, 8, 0, 8, 7, 6, 5, 4, 3, 2, 1,	    /* isb_filteraccept, an ordinary u64 */
		7, 0, 8, 0, 5, 0, 0, 0, 0, 0, 0, 0,	    /* isb_osdrop */
		8, 0, 8, 0, 6, 0, 0, 0, 0, 0, 0, 0,	    /* isb_usrdeliv */
		0, 0, 0, 0, 88, 0, 0, 0,
	};
	const struct fancap_pcapng_statistics statistics = {
		.time_ns = 0x1122334455667788, .start_ns = 0x0000000100000002,
		.end_ns = 0x0000000300000004, .accepted = 0x0102030405060708,
		.dropped = 5, .delivered = 6};
	uint8_t dst[FANCAP_PCAPNG_ISB_MAX];

	(void)state;
	assert_int_equal(fancap_pcapng_isb(dst, &statistics), sizeof(expected));
	assert_memory_equal(dst, expected, sizeof(expected));
}

static uint32_t word(const uint8_t *bytes, size_t offset)
{
	uint32_t value;

	memcpy(&value, bytes + offset, sizeof(value));
	return value;
}

static void writes_what_was_received_when_it_is_known(void **state)
{
	static const uint8_t expected[] = {4, 0, 8, 0, 8, 7, 6, 5, 4, 3, 2, 1};
	const struct fancap_pcapng_statistics statistics = {
		.received = 0x0102030405060708, .accepted = 9, .has_received = true};
	uint8_t dst[FANCAP_PCAPNG_ISB_MAX];

	(void)state;
	assert_int_equal(fancap_pcapng_isb(dst, &statistics), FANCAP_PCAPNG_ISB_MAX);
	assert_memory_equal(dst + 44, expected, sizeof(expected)); /* isb_ifrecv */
	assert_int_equal(word(dst, 56), 8 << 16 | 6);		   /* isb_filteraccept follows */
	assert_int_equal(word(dst, 4), sizeof(dst));
	assert_int_equal(word(dst, sizeof(dst) - 4), sizeof(dst));
}

/* What fills an ISB from offset `from`: nothing, an empty option of local use, or a custom one full of zeros. */
static void check_filler(const uint8_t *isb, size_t from, size_t to)
{
	if (to - from == 4)
		assert_int_equal(word(isb, from), 0xFFFF);
	else if (to > from) {
		assert_int_equal(word(isb, from), (to - from - 4) << 16 | 19373);
		assert_int_equal(word(isb, from + 4), 32473);
	}
	for (size_t i = from + 8; i < to; i++)
		assert_int_equal(isb[i], 0);
}

static void fills_statistics_up_to_any_length(void **state)
{
	uint8_t *dst = malloc(FANCAP_PCAPNG_ISB_PADDED_MAX);

	(void)state;
	assert_non_null(dst);
	for (unsigned received = 0; received < 2; received++) {
		const struct fancap_pcapng_statistics statistics = {
			.received = 7, .delivered = 6, .has_received = received != 0};
		uint8_t plain[FANCAP_PCAPNG_ISB_MAX];
		size_t least = fancap_pcapng_isb(plain, &statistics);

		for (size_t n = least; n <= FANCAP_PCAPNG_ISB_PADDED_MAX; n += n < 8192 ? 4 : 28 * 1024) {
			memset(dst, 0x5A, n);
			assert_int_equal(fancap_pcapng_isb_padded(dst, n, &statistics), n);
			assert_int_equal(word(dst, 4), n);
			assert_int_equal(word(dst, n - 4), n);
			assert_int_equal(word(dst, n - 8), 0); /* opt_endofopt */
			assert_memory_equal(dst + 8, plain + 8, least - 8 - 8);
			check_filler(dst, least - 8, n - 8);
		}
	}
	free(dst);
}

static const uint8_t frame[64] = {
	0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x08, 0x00,
	0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7,
};

static struct fancap_packet packet_of(uint32_t caplen)
{
	return (struct fancap_packet){
		.data = frame, .caplen = caplen, .len = caplen, .mac_len = 14,
		.time_ns = 0x1122334455667788, .type = PACKET_HOST};
}

/* Write a packet to memory of exactly the size foretold, which the caller frees. */
static uint8_t *epb(const struct fancap_packet *packet, uint32_t snaplen, uint64_t dropcount,
		    size_t *ret_bytes)
{
	size_t bytes = fancap_pcapng_epb_bytes(packet, snaplen, dropcount);
	uint8_t *dst = malloc(bytes);

	assert_non_null(dst);
	memset(dst, 0x5A, bytes);
	assert_int_equal(fancap_pcapng_epb(dst, packet, snaplen, dropcount), bytes);
	*ret_bytes = bytes;
	return dst;
}

static void writes_a_packet(void **state)
{
	static const uint8_t expected[] = {
		6, 0, 0, 0, 60, 0, 0, 0,
		0, 0, 0, 0,
		0x44, 0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55,
		14, 0, 0, 0, 0xE8, 3, 0, 0, /* 14 kept of 1000 */
		0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x08, 0x00, 0, 0,
		2, 0, 4, 0, 5, 0, 0, 0,	 /* epb_flags: inbound, unicast */
		0, 0, 0, 0, 60, 0, 0, 0,
	};
	struct fancap_packet packet = packet_of(14);
	size_t bytes;
	uint8_t *dst;

	(void)state;
	packet.len = 1000;
	dst = epb(&packet, 262144, 0, &bytes);
	assert_int_equal(bytes, sizeof(expected));
	assert_memory_equal(dst, expected, sizeof(expected));
	free(dst);
}

static void writes_a_dropcount_at_a_gap(void **state)
{
	static const uint8_t expected[] = {
		6, 0, 0, 0, 64, 0, 0, 0,
		0, 0, 0, 0,
		0x44, 0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55,
		5, 0, 0, 0, 5, 0, 0, 0,
		0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0, 0, 0,
		2, 0, 4, 0, 2, 0, 0, 0,			/* outbound */
		4, 0, 8, 0, 8, 7, 6, 5, 4, 3, 2, 1,	/* epb_dropcount */
		0, 0, 0, 0, 64, 0, 0, 0,
	};
	struct fancap_packet packet = packet_of(5);
	size_t bytes;
	uint8_t *dst;

	(void)state;
	packet.type = PACKET_OUTGOING;
	dst = epb(&packet, 262144, 0x0102030405060708, &bytes);
	assert_int_equal(bytes, sizeof(expected));
	assert_memory_equal(dst, expected, sizeof(expected));
	free(dst);
}

static void tells_direction_and_kind_of_reception(void **state)
{
	static const struct {
		uint8_t type;
		uint32_t flags;
	} rows[] = {
		{PACKET_HOST, 0x05},	 {PACKET_BROADCAST, 0x0D}, {PACKET_MULTICAST, 0x09},
		{PACKET_OTHERHOST, 0x11}, {PACKET_OUTGOING, 0x02}, {PACKET_LOOPBACK, 0}, {255, 0},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct fancap_packet packet = packet_of(4);
		size_t bytes;
		uint8_t *dst;

		packet.type = rows[i].type;
		dst = epb(&packet, 262144, 0, &bytes);
		assert_int_equal(word(dst, 28 + 4), 4 << 16 | 2);
		assert_int_equal(word(dst, 28 + 8), rows[i].flags);
		free(dst);
	}
}

static void pads_every_length_with_zeros(void **state)
{
	(void)state;
	for (uint32_t caplen = 0; caplen <= sizeof(frame); caplen++) {
		struct fancap_packet packet = packet_of(caplen);
		uint32_t padded = (caplen + 3) / 4 * 4;
		size_t bytes;
		uint8_t *dst = epb(&packet, 262144, caplen % 2, &bytes);

		assert_int_equal(bytes, 28 + padded + 8 + (caplen % 2) * 12 + 8);
		assert_int_equal(word(dst, 4), bytes);
		assert_int_equal(word(dst, bytes - 4), bytes);
		assert_memory_equal(dst + 28, frame, caplen);
		for (uint32_t i = caplen; i < padded; i++)
			assert_int_equal(dst[28 + i], 0);
		free(dst);
	}
}

/* The packet as it was on the wire: the tag behind the addresses. */
static void tagged_frame(uint8_t ret[static 68], uint16_t tpid, uint16_t tci)
{
	const uint8_t tag[4] = {(uint8_t)(tpid >> 8), (uint8_t)tpid, (uint8_t)(tci >> 8), (uint8_t)tci};

	memcpy(ret, frame, 12);
	memcpy(ret + 12, tag, 4);
	memcpy(ret + 16, frame + 12, sizeof(frame) - 12);
}

static void check_tagged(uint32_t caplen, uint32_t snaplen, uint16_t tpid, uint16_t tci)
{
	struct fancap_packet packet = packet_of(caplen);
	uint32_t kept = caplen < 12 ? caplen : caplen + 4;
	uint8_t wire[68], *dst;
	size_t bytes;

	if (kept > snaplen)
		kept = snaplen;
	packet.len = 64;
	packet.vlan_tpid = tpid;
	packet.vlan_tci = tci;
	tagged_frame(wire, tpid, tci);
	dst = epb(&packet, snaplen, 0, &bytes);
	assert_int_equal(word(dst, 20), kept);
	assert_int_equal(word(dst, 24), 68); /* the wire's length, however little is kept */
	assert_memory_equal(dst + 28, wire, kept);
	assert_int_equal(word(dst, 4), bytes);
	assert_int_equal(word(dst, bytes - 4), bytes);
	free(dst);
}

static void puts_a_tag_back(void **state)
{
	(void)state;
	check_tagged(64, 262144, 0x8100, 5);
}

static void puts_priority_and_drop_bits_back(void **state)
{
	(void)state;
	check_tagged(64, 262144, 0x8100, 0xFFFF);
	check_tagged(64, 262144, 0x8100, 0); /* a priority tag of priority 0 */
}

static void puts_a_service_tag_back(void **state)
{
	(void)state;
	check_tagged(64, 262144, 0x88A8, 0x2064);
}

static void cuts_a_tagged_packet_anywhere(void **state)
{
	(void)state;
	for (uint32_t snaplen = 1; snaplen <= 70; snaplen++)
		check_tagged(64, snaplen, 0x88A8, 0x1234);
}

/* The kernel cuts before the tag is back: what it left may end inside the header. */
static void puts_a_tag_back_into_a_cut_packet(void **state)
{
	(void)state;
	for (uint32_t caplen = 12; caplen <= 20; caplen++) {
		check_tagged(caplen, 262144, 0x8100, 0x0FFF);
		for (uint32_t snaplen = 10; snaplen <= 24; snaplen++)
			check_tagged(caplen, snaplen, 0x8100, 0x0FFF);
	}
}

static void counts_a_tag_that_has_no_place(void **state)
{
	(void)state;
	for (uint32_t caplen = 0; caplen < 12; caplen++)
		check_tagged(caplen, 262144, 0x8100, 5);
}

static void puts_no_tag_into_a_packet_without_addresses(void **state)
{
	struct fancap_packet packet = packet_of(64);
	size_t bytes;
	uint8_t *dst;

	(void)state;
	packet.mac_len = 0;
	packet.vlan_tpid = 0x8100;
	dst = epb(&packet, 262144, 0, &bytes);
	assert_int_equal(word(dst, 20), 64);
	assert_int_equal(word(dst, 24), 64);
	assert_memory_equal(dst + 28, frame, 64);
	free(dst);
}

static void cuts_an_untagged_packet(void **state)
{
	struct fancap_packet packet = packet_of(64);
	size_t bytes;
	uint8_t *dst;

	(void)state;
	dst = epb(&packet, 17, 0, &bytes);
	assert_int_equal(word(dst, 20), 17);
	assert_int_equal(word(dst, 24), 64);
	assert_memory_equal(dst + 28, frame, 17);
	assert_int_equal(word(dst, 28 + 16) & 0xFFFFFF00, 0);
	free(dst);
}

/* A text of n times 'x', which the caller frees. */
static char *long_text(size_t n)
{
	char *text = malloc(n + 1);

	assert_non_null(text);
	memset(text, 'x', n);
	text[n] = '\0';
	return text;
}

static void cuts_oversize_texts_of_a_section(void **state)
{
	char *text = long_text(70000);
	const struct fancap_pcapng_section section = {
		.hardware = text, .os = text, .application = text};
	uint8_t *dst = malloc(FANCAP_PCAPNG_SHB_MAX);
	size_t bytes;

	(void)state;
	assert_non_null(dst);
	bytes = fancap_pcapng_shb(dst, &section);
	assert_int_equal(bytes, 24 + 3 * (4 + FANCAP_PCAPNG_TEXT_MAX) + 8);
	assert_true(bytes <= FANCAP_PCAPNG_SHB_MAX);
	assert_int_equal(word(dst, 4), bytes);
	assert_int_equal(word(dst, bytes - 4), bytes);
	assert_int_equal(word(dst, 24), FANCAP_PCAPNG_TEXT_MAX << 16 | 2);
	free(dst);
	free(text);
}

static void cuts_oversize_texts_of_an_interface(void **state)
{
	char *text = long_text(70000);
	const struct fancap_pcapng_interface interface = {
		.name = text, .description = text, .filter = text, .os = text};
	uint8_t *dst = malloc(FANCAP_PCAPNG_IDB_MAX);
	size_t bytes;

	(void)state;
	assert_non_null(dst);
	bytes = fancap_pcapng_idb(dst, &interface);
	assert_int_equal(bytes, 16 + 4 * (4 + FANCAP_PCAPNG_TEXT_MAX) + 8 + 8);
	assert_true(bytes <= FANCAP_PCAPNG_IDB_MAX);
	assert_int_equal(word(dst, 4), bytes);
	assert_int_equal(word(dst, bytes - 4), bytes);
	free(dst);
	free(text);
}

static void keeps_texts_of_the_greatest_size(void **state)
{
	char *text = long_text(FANCAP_PCAPNG_TEXT_MAX);
	const struct fancap_pcapng_section section = {.os = text};
	uint8_t *dst = malloc(FANCAP_PCAPNG_SHB_MAX);

	(void)state;
	assert_non_null(dst);
	for (size_t n = FANCAP_PCAPNG_TEXT_MAX; n > FANCAP_PCAPNG_TEXT_MAX - 5; n--) {
		text[n] = '\0';
		assert_int_equal(fancap_pcapng_shb(dst, &section), 24 + 4 + (n + 3) / 4 * 4 + 8);
		assert_int_equal(word(dst, 24), n << 16 | 3);
	}
	free(dst);
	free(text);
}

/* --- cooked packets ---------------------------------------------------------------------------------------------- */

static struct sockaddr_ll link_of(void)
{
	return (struct sockaddr_ll){
		.sll_family = AF_PACKET, .sll_protocol = htons(0x86DD), .sll_ifindex = 0x01020304,
		.sll_hatype = 512, .sll_pkttype = PACKET_OUTGOING, .sll_halen = 6,
		.sll_addr = {0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xEE, 0xEE}};
}

static struct fancap_packet cooked_of(const struct sockaddr_ll *link, uint32_t caplen)
{
	struct fancap_packet packet = packet_of(caplen);

	packet.cooked = true;
	packet.mac_len = 0;
	packet.type = link->sll_pkttype;
	packet.link = link;
	return packet;
}

static void writes_an_sll2_header(void **state)
{
	static const uint8_t expected[] = {
		0x86, 0xDD, 0, 0, 1, 2, 3, 4, /* protocol, reserved, interface */
		2, 0, 4, 6,		      /* device type, kind, address length */
		0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0, 0,
	};
	const struct sockaddr_ll link = link_of();
	const struct fancap_packet packet = cooked_of(&link, 10);
	uint8_t dst[FANCAP_PCAPNG_SLL2_MAX];

	(void)state;
	assert_int_equal(fancap_pcapng_sll2(dst, &packet), sizeof(expected));
	assert_memory_equal(dst, expected, sizeof(expected));
}

static void writes_a_tag_behind_the_sll2_header(void **state)
{
	static const uint8_t tag[] = {0xE0, 0x05, 0x86, 0xDD};
	const struct sockaddr_ll link = link_of();
	struct fancap_packet packet = cooked_of(&link, 10);
	uint8_t dst[FANCAP_PCAPNG_SLL2_MAX];

	(void)state;
	packet.vlan_tpid = 0x88A8;
	packet.vlan_tci = 0xE005;
	assert_int_equal(fancap_pcapng_sll2(dst, &packet), 24);
	assert_int_equal(dst[0] << 8 | dst[1], 0x88A8);
	assert_memory_equal(dst + 20, tag, sizeof(tag));
}

static void cuts_an_address_too_long_for_sll2(void **state)
{
	struct sockaddr_ll link = link_of();
	const struct fancap_packet packet = cooked_of(&link, 10);
	uint8_t dst[FANCAP_PCAPNG_SLL2_MAX];

	(void)state;
	link.sll_halen = 255;
	assert_int_equal(fancap_pcapng_sll2(dst, &packet), 20);
	assert_int_equal(dst[11], 8);
	assert_memory_equal(dst + 12, link.sll_addr, 8);
}

static void keeps_snaplen_bytes_of_header_and_packet(void **state)
{
	const struct sockaddr_ll link = link_of();
	uint8_t head[FANCAP_PCAPNG_SLL2_MAX];

	(void)state;
	for (unsigned tagged = 0; tagged < 2; tagged++) {
		struct fancap_packet packet = cooked_of(&link, 40);
		uint32_t n;

		packet.len = 1000;
		packet.vlan_tpid = tagged ? 0x8100 : 0;
		n = (uint32_t)fancap_pcapng_sll2(head, &packet);
		for (uint32_t snaplen = 1; snaplen < 80; snaplen++) {
			uint32_t kept = snaplen < n + 40 ? snaplen : n + 40;
			size_t bytes;
			uint8_t *block = epb(&packet, snaplen, 0, &bytes);

			assert_int_equal(word(block, 20), kept);
			assert_int_equal(word(block, 24), n + 1000);
			assert_memory_equal(block + 28, head, kept < n ? kept : n);
			if (kept > n)
				assert_memory_equal(block + 28 + n, frame, kept - n);
			free(block);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_the_least_section_header),
		cmocka_unit_test(writes_section_header_options),
		cmocka_unit_test(writes_the_least_interface_description),
		cmocka_unit_test(writes_interface_description_options),
		cmocka_unit_test(writes_interface_statistics),
		cmocka_unit_test(writes_what_was_received_when_it_is_known),
		cmocka_unit_test(fills_statistics_up_to_any_length),
		cmocka_unit_test(writes_a_packet),
		cmocka_unit_test(writes_a_dropcount_at_a_gap),
		cmocka_unit_test(tells_direction_and_kind_of_reception),
		cmocka_unit_test(pads_every_length_with_zeros),
		cmocka_unit_test(puts_a_tag_back),
		cmocka_unit_test(puts_priority_and_drop_bits_back),
		cmocka_unit_test(puts_a_service_tag_back),
		cmocka_unit_test(cuts_a_tagged_packet_anywhere),
		cmocka_unit_test(puts_a_tag_back_into_a_cut_packet),
		cmocka_unit_test(counts_a_tag_that_has_no_place),
		cmocka_unit_test(puts_no_tag_into_a_packet_without_addresses),
		cmocka_unit_test(cuts_an_untagged_packet),
		cmocka_unit_test(cuts_oversize_texts_of_a_section),
		cmocka_unit_test(cuts_oversize_texts_of_an_interface),
		cmocka_unit_test(keeps_texts_of_the_greatest_size),
		cmocka_unit_test(writes_an_sll2_header),
		cmocka_unit_test(writes_a_tag_behind_the_sll2_header),
		cmocka_unit_test(cuts_an_address_too_long_for_sll2),
		cmocka_unit_test(keeps_snaplen_bytes_of_header_and_packet),
	};

	return cmocka_run_group_tests_name("pcapng", tests, NULL, NULL);
}
