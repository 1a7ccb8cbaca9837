// SPDX-License-Identifier: BSD-3-Clause
#include "tests/tools/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ETHER_BYTES 12u /* both addresses */
#define IPV4_BYTES 20u
#define IPV6_BYTES 40u
#define UDP_BYTES 8u
#define MARK_BYTES 16u /* magic, run, sequence number */

#define TPID_8021Q 0x8100u
#define TPID_8021AD 0x88a8u
#define TYPE_IPV4 0x0800u
#define TYPE_IPV6 0x86ddu

/* Ports that no tshark dissector claims, so that random payload is not "malformed". */
#define PORT_SERVER 40000u
#define PORT_SERVERS 16u
#define PORT_CLIENT 49152u
#define PORT_CLIENTS 8192u

/* Nor may it open like a protocol that tshark guesses at (CLTP: 0x4? in the second byte). */
static const uint8_t magic[4] = {'f', 'n', 'c', 0xca};

/* What is drawn from a sequence number: one independent number for each purpose. */
enum draw { DRAW_FLOW = 1, DRAW_SIZE, DRAW_DIRECTION, DRAW_TAG, DRAW_INNER_TAG, DRAW_PAYLOAD, DRAW_FAMILY };

/* The finaliser of splitmix64: a bijection that scatters neighbours. */
static uint64_t scatter(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static uint64_t draw(const struct frame_params *params, uint64_t seq, enum draw purpose)
{
	return scatter(scatter(seq) ^ ((uint64_t)params->run << 8) ^ (uint64_t)purpose);
}

static uint8_t *put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
	return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t value)
{
	return put16(put16(p, value >> 16), value & 0xffff);
}

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

void frame_params_init(struct frame_params *params)
{
	*params = (struct frame_params){
		.flows = 1000,
		.min_bytes = 60,
		.max_bytes = 1514,
		.ipv6_percent = 25,
		.reverse_percent = 50,
		.tpid = TPID_8021Q,
		.vlans = 16,
	};
}

int frame_parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 0);
	if (errno || *end || value > max)
		return -EINVAL;
	*ret = value;
	return 0;
}

int frame_params_option(struct frame_params *params, int option, const char *value)
{
	static const uint64_t max[] = {UINT32_MAX, 60000, 65535, 65535, 100, 100, 0, 0, 0xffff, 4095};
	uint64_t n = 0;
	int index = option - FRAME_OPTION_BASE;

	if (index < 0 || (size_t)index >= sizeof(max) / sizeof(max[0]))
		return -EINVAL;
	if (max[index] && frame_parse_number(value, max[index], &n) < 0)
		return -EINVAL;
	switch (index) {
	case 0: params->run = (uint32_t)n; break;
	case 1: params->flows = (uint32_t)n; break;
	case 2: params->min_bytes = (uint32_t)n; break;
	case 3: params->max_bytes = (uint32_t)n; break;
	case 4: params->ipv6_percent = (unsigned)n; break;
	case 5: params->reverse_percent = (unsigned)n; break;
	case 6: params->tags = FRAME_TAGS_ONE; break;
	case 7: params->tags = FRAME_TAGS_QINQ; break;
	case 8: params->tpid = (uint16_t)n; break;
	case 9: params->vlans = (uint16_t)n; break;
	}
	return 0;
}

int frame_params_check(const struct frame_params *params)
{
	if (!params->flows || !params->vlans || params->min_bytes > params->max_bytes)
		return -EINVAL;
	return 0;
}

uint32_t frame_flow(const struct frame_params *params, uint64_t seq)
{
	return (uint32_t)(draw(params, seq, DRAW_FLOW) % params->flows);
}

bool frame_is_reverse(const struct frame_params *params, uint64_t seq)
{
	return draw(params, seq, DRAW_DIRECTION) % 100 < params->reverse_percent;
}

static bool flow_is_ipv6(const struct frame_params *params, uint32_t flow)
{
	return draw(params, flow, DRAW_FAMILY) % 100 < params->ipv6_percent;
}

static size_t tag_bytes(enum frame_tags tags)
{
	return tags == FRAME_TAGS_NONE ? 0 : tags == FRAME_TAGS_ONE ? 4 : 8;
}

static size_t frame_size(const struct frame_params *params, uint64_t seq, bool ipv6)
{
	size_t least = ETHER_BYTES + tag_bytes(params->tags) + 2 +
		       (ipv6 ? IPV6_BYTES : IPV4_BYTES) + UDP_BYTES + MARK_BYTES;
	size_t range = params->max_bytes - params->min_bytes + 1u;
	size_t size = params->min_bytes + (size_t)(draw(params, seq, DRAW_SIZE) % range);

	return size < least ? least : size;
}

static uint8_t *put_ether(uint8_t *p, bool reverse)
{
	static const uint8_t client[6] = {0x02, 0xfa, 0xca, 0, 0, 1};
	static const uint8_t server[6] = {0x02, 0xfa, 0xca, 0, 0, 2};

	memcpy(p, reverse ? client : server, 6);
	memcpy(p + 6, reverse ? server : client, 6);
	return p + ETHER_BYTES;
}

/* The TCI takes all values, 0 included: a present tag of zeros is a tag. */
static uint8_t *put_tag(uint8_t *p, uint32_t tpid, uint64_t random, uint16_t vlans)
{
	uint32_t priority = (uint32_t)(random >> 60);
	uint32_t vlan = (uint32_t)(random & 0xffffffff) % vlans;

	return put16(put16(p, tpid), priority << 12 | vlan);
}

static uint8_t *put_tags(uint8_t *p, const struct frame_params *params, uint64_t seq)
{
	uint64_t outer = draw(params, seq, DRAW_TAG);

	switch (params->tags) {
	case FRAME_TAGS_NONE: break;
	case FRAME_TAGS_ONE: p = put_tag(p, params->tpid, outer, params->vlans); break;
	case FRAME_TAGS_QINQ:
		p = put_tag(p, TPID_8021AD, outer, params->vlans);
		p = put_tag(p, TPID_8021Q, draw(params, seq, DRAW_INNER_TAG), params->vlans);
		break;
	}
	return p;
}

static uint32_t sum16(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += get16(p + i);
	if (len & 1)
		sum += (uint32_t)p[len - 1] << 8;
	return sum;
}

static uint32_t sum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static uint8_t *put_ipv4(uint8_t *ip, uint32_t flow, bool reverse, uint64_t seq, size_t udp_len)
{
	uint32_t client = 0x0a010000u + flow, server = 0x0a020000u + flow;
	uint8_t *p = ip;

	p = put16(p, 0x4500);
	p = put16(p, (uint32_t)(IPV4_BYTES + udp_len));
	p = put32(p, (uint32_t)(seq & 0xffff) << 16);
	p = put16(p, 64 << 8 | 17);
	p = put16(p, 0);
	p = put32(p, reverse ? server : client);
	p = put32(p, reverse ? client : server);
	put16(ip + 10, sum_fold(sum16(ip, IPV4_BYTES, 0)));
	return p;
}

static uint8_t *put_ipv6_address(uint8_t *p, uint32_t host)
{
	static const uint8_t net[12] = {0xfd, 0, 0, 0xfa, 0, 0xca};

	memcpy(p, net, sizeof(net));
	return put32(p + sizeof(net), host);
}

static uint8_t *put_ipv6(uint8_t *p, uint32_t flow, bool reverse, size_t udp_len)
{
	uint32_t client = 0x00010000u + flow, server = 0x00020000u + flow;

	p = put32(p, 0x60000000);
	p = put16(p, (uint32_t)udp_len);
	p = put16(p, 17 << 8 | 64);
	p = put_ipv6_address(p, reverse ? server : client);
	return put_ipv6_address(p, reverse ? client : server);
}

static void put_random(uint8_t *p, size_t len, uint64_t seed)
{
	for (size_t at = 0; at < len; at += 8) {
		uint64_t word = scatter(seed + at);
		size_t n = len - at < 8 ? len - at : 8;

		for (size_t i = 0; i < n; i++)
			p[at + i] = (uint8_t)(word >> (8 * i));
	}
}

static void put_mark(uint8_t *p, uint32_t run, uint64_t seq)
{
	memcpy(p, magic, sizeof(magic));
	p = put32(p + sizeof(magic), run);
	p = put32(p, (uint32_t)(seq >> 32));
	put32(p, (uint32_t)seq);
}

/* The UDP datagram; addresses are what stands right before it. */
static void put_udp(uint8_t *udp, size_t len, const struct frame_params *params, uint64_t seq,
		    size_t address_bytes)
{
	uint32_t flow = frame_flow(params, seq);
	uint32_t client = PORT_CLIENT + flow % PORT_CLIENTS, server = PORT_SERVER + flow % PORT_SERVERS;
	bool reverse = frame_is_reverse(params, seq);

	put16(udp, reverse ? server : client);
	put16(udp + 2, reverse ? client : server);
	put16(udp + 4, (uint32_t)len);
	put16(udp + 6, 0);
	put_mark(udp + UDP_BYTES, params->run, seq);
	put_random(udp + UDP_BYTES + MARK_BYTES, len - UDP_BYTES - MARK_BYTES,
		   draw(params, seq, DRAW_PAYLOAD));

	uint32_t sum = sum16(udp - address_bytes, address_bytes, (uint32_t)len + 17);
	sum = sum_fold(sum16(udp, len, sum));
	put16(udp + 6, sum ? sum : 0xffff);
}

size_t frame_build(const struct frame_params *params, uint64_t seq, uint8_t *buf)
{
	uint32_t flow = frame_flow(params, seq);
	bool reverse = frame_is_reverse(params, seq), ipv6 = flow_is_ipv6(params, flow);
	size_t size = frame_size(params, seq, ipv6);
	uint8_t *p = put_tags(put_ether(buf, reverse), params, seq);

	p = put16(p, ipv6 ? TYPE_IPV6 : TYPE_IPV4);
	size_t udp_len = size - (size_t)(p - buf) - (ipv6 ? IPV6_BYTES : IPV4_BYTES);
	if (ipv6)
		p = put_ipv6(p, flow, reverse, udp_len);
	else
		p = put_ipv4(p, flow, reverse, seq, udp_len);
	put_udp(p, udp_len, params, seq, ipv6 ? 32 : 8);
	return size;
}

static bool mark_at(const uint8_t *data, size_t len, size_t at, uint32_t run, uint64_t *ret_seq)
{
	if (len < at + MARK_BYTES || memcmp(data + at, magic, sizeof(magic)) != 0 ||
	    get32(data + at + 4) != run)
		return false;
	*ret_seq = (uint64_t)get32(data + at + 8) << 32 | get32(data + at + 12);
	return true;
}

/*
 * The mark is looked for at every place where a frame of ours can have it, rather than where this one's headers say:
 * a frame with broken headers or a lost tag is then a corrupt frame of ours, not somebody else's.
 */
bool frame_identify(const uint8_t *data, size_t len, uint32_t run, uint64_t *ret_seq)
{
	for (size_t tags = 0; tags <= 8; tags += 4) {
		size_t ip = ETHER_BYTES + tags + 2;

		if (mark_at(data, len, ip + IPV4_BYTES + UDP_BYTES, run, ret_seq) ||
		    mark_at(data, len, ip + IPV6_BYTES + UDP_BYTES, run, ret_seq))
			return true;
	}
	return false;
}
