// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fancap/group.h"
#include "fancap/link.h"
#include "fancap/ring.h"
#include "fancap/selfcheck.h"

#define MEMBERS_MAX 256u
#define FLOWS_MAX 65536u
#define ROUNDS 2u
#define QUIET_MS 2000

#define BLOCK_BYTES (1u << 17)
#define BLOCKS 16u
#define BLOCK_TIMEOUT_MS 5u

/* Between readings a ring must not fill up: far fewer packets than 2 MiB hold. */
#define BURST 512u

#define SERVER_PORT 7u /* echo */
#define CLIENT_PORT 1024u

/* Ethernet, IPv4 or IPv6, UDP, and what makes the packet ours. */
#define FRAME_BYTES 82u
#define IP6_BYTES 40u

struct tag {
	uint8_t magic[8];
	uint32_t run; /* one of several checks at a time */
	uint32_t flow;
};

_Static_assert(ETH_HLEN + IP6_BYTES + 8 + sizeof(struct tag) <= FRAME_BYTES, "the tag fits");

static const uint8_t tag_magic[8] = "fancap?";

struct check {
	const struct fancap_selfcheck_params *params;
	struct fancap_geometry geometry;
	struct fancap_group group;
	struct fancap_ring *rings; /* one a member */
	unsigned *seen;		   /* packets a member */
	uint16_t *member_of;	   /* of each flow, +1; 0: not seen yet */
	bool *split;		   /* of each flow */
	int forth_fd, back_fd;
	uint32_t run;
	struct fancap_selfcheck result;
};

/* --- frames ------------------------------------------------------------------------------------------------------ */

static void put_be16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static bool flow_is_ip6(uint32_t flow)
{
	return flow % 2 != 0;
}

/* Flows differ in one address and one port; the network is the one set aside for benchmarks. */
static size_t put_ip4(uint8_t *ip, uint32_t flow, bool back)
{
	uint8_t *client = ip + (back ? 16 : 12), *server = ip + (back ? 12 : 16);

	memcpy(ip, (const uint8_t[]){0x45, 0, 0, FRAME_BYTES - ETH_HLEN, 0, 0, 0x40, 0, 64, IPPROTO_UDP}, 10);
	memcpy(client, (const uint8_t[]){198, 18, (uint8_t)(flow >> 8), (uint8_t)flow}, 4);
	memcpy(server, (const uint8_t[]){198, 19, 0, 1}, 4);
	return 20;
}

static size_t put_ip6(uint8_t *ip, uint32_t flow, bool back)
{
	static const uint8_t network[] = {0x20, 0x01, 0, 2};
	uint8_t *client = ip + (back ? 24 : 8), *server = ip + (back ? 8 : 24);

	ip[0] = 0x60;
	put_be16(ip + 4, FRAME_BYTES - ETH_HLEN - IP6_BYTES);
	ip[6] = IPPROTO_UDP;
	ip[7] = 64;
	memcpy(client, network, sizeof(network));
	memcpy(server, network, sizeof(network));
	put_be16(client + 14, flow & 0xFFFF);
	server[13] = 1; /* no client's */
	return IP6_BYTES;
}

static void frame_make(uint8_t frame[FRAME_BYTES], uint32_t run, uint32_t flow, bool back)
{
	static const uint8_t macs[12] = {2, 0, 0x5E, 0, 0, 1, 2, 0, 0x5E, 0, 0, 2};
	struct tag tag = {.run = run, .flow = flow};
	unsigned client = CLIENT_PORT + flow % (UINT16_MAX - CLIENT_PORT);
	uint8_t *ip = frame + ETH_HLEN, *udp;

	memset(frame, 0, FRAME_BYTES);
	memcpy(frame, macs, sizeof(macs));
	put_be16(frame + 12, flow_is_ip6(flow) ? ETH_P_IPV6 : ETH_P_IP);
	udp = ip + (flow_is_ip6(flow) ? put_ip6(ip, flow, back) : put_ip4(ip, flow, back));
	put_be16(udp, back ? SERVER_PORT : client);
	put_be16(udp + 2, back ? client : SERVER_PORT);
	put_be16(udp + 4, (unsigned)(frame + FRAME_BYTES - udp));
	memcpy(tag.magic, tag_magic, sizeof(tag.magic));
	memcpy(udp + 8, &tag, sizeof(tag));
}

/* @return whether it is one of this run's */
static bool frame_flow(const struct check *check, const struct fancap_packet *packet, uint32_t *ret_flow)
{
	struct tag tag;
	size_t ip_bytes;

	if (packet->caplen < FRAME_BYTES)
		return false;
	ip_bytes = packet->data[12] == (ETH_P_IPV6 >> 8) ? IP6_BYTES : 20;
	memcpy(&tag, packet->data + ETH_HLEN + ip_bytes + 8, sizeof(tag));
	if (memcmp(tag.magic, tag_magic, sizeof(tag.magic)) != 0 || tag.run != check->run ||
	    tag.flow >= check->params->flows)
		return false;
	*ret_flow = tag.flow;
	return true;
}

/* --- receiving --------------------------------------------------------------------------------------------------- */

static void count_packet(struct check *check, unsigned member, const struct fancap_packet *packet)
{
	uint32_t flow;

	if (!frame_flow(check, packet, &flow))
		return;
	check->result.packets_seen++;
	check->seen[member]++;
	if (check->member_of[flow] == 0)
		check->member_of[flow] = (uint16_t)(member + 1);
	else if (check->member_of[flow] != member + 1)
		check->split[flow] = true;
}

static void drain_member(struct check *check, unsigned member)
{
	struct fancap_ring *ring = &check->rings[member];
	struct fancap_packet packet;
	struct fancap_walk walk;
	void *block;

	while ((block = fancap_ring_acquire(ring)) != NULL) {
		if (fancap_walk_start(&walk, block, ring->block_bytes) == 0) {
			while (fancap_walk_next(&walk, &packet) == 1)
				count_packet(check, member, &packet);
		}
		fancap_ring_release(ring, ring->next - 1);
	}
}

/* Until all that was sent has been seen, or nothing comes any more. */
static void drain(struct check *check)
{
	const struct timespec pause = {.tv_nsec = BLOCK_TIMEOUT_MS * 1000000L};
	unsigned quiet_ms = 0;

	while (quiet_ms < QUIET_MS) {
		unsigned before = check->result.packets_seen;

		for (unsigned i = 0; i < check->group.members; i++)
			drain_member(check, i);
		if (check->result.packets_seen >= check->result.packets_sent)
			return;
		quiet_ms = check->result.packets_seen != before ? 0 : quiet_ms + BLOCK_TIMEOUT_MS;
		nanosleep(&pause, NULL);
	}
}

/* --- sending ----------------------------------------------------------------------------------------------------- */

static int sender_open(const char *interface, struct fancap_error *err)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET}; /* protocol 0: sends only */
	struct fancap_error why;
	struct fancap_link link;
	int fd, r;

	r = fancap_link_query(interface, &link, &why);
	if (r < 0) {
		fancap_error_set(err, "%s: %s", interface, why.text);
		return r;
	}
	address.sll_ifindex = link.ifindex;
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	r = -errno;
	fancap_error_set(err, "%s: socket to send with: %s", interface, strerror(-r));
	if (fd >= 0)
		close(fd);
	return r;
}

static int send_one(struct check *check, uint32_t flow, bool back, struct fancap_error *err)
{
	bool forth_only = (check->params->flags & FANCAP_FANOUT_FLAG_IGNORE_OUTGOING) != 0;
	int fd = back && !forth_only ? check->back_fd : check->forth_fd, r;
	uint8_t frame[FRAME_BYTES];

	frame_make(frame, check->run, flow, back);
	if (send(fd, frame, sizeof(frame), 0) < 0) {
		r = -errno;
		fancap_error_set(err, "%s: send: %s",
				 fd == check->back_fd ? check->params->interface : check->params->peer,
				 strerror(-r));
		return r;
	}
	check->result.packets_sent++;
	if (check->result.packets_sent % BURST == 0)
		drain(check);
	return 0;
}

static int send_all(struct check *check, struct fancap_error *err)
{
	int r = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		for (uint32_t flow = 0; flow < check->params->flows && r == 0; flow++) {
			r = send_one(check, flow, false, err);
			if (r == 0)
				r = send_one(check, flow, true, err);
		}
	}
	return r;
}

/* --- the whole --------------------------------------------------------------------------------------------------- */

static int open_group(struct check *check, struct fancap_error *err)
{
	const struct fancap_selfcheck_params *params = check->params;
	const struct fancap_ring_params ring = {
		.size_bytes = BLOCKS * BLOCK_BYTES, .block_bytes = BLOCK_BYTES,
		.block_timeout_ms = BLOCK_TIMEOUT_MS, .snaplen = 256};
	struct fancap_group_params group = {
		.interface = params->interface, .members = params->members, .mode = params->mode,
		.flags = params->flags, .geometry = &check->geometry, .program = params->program};
	const struct fancap_filter everything = {0};
	struct fancap_error why;
	struct fancap_link link;
	int r;

	r = fancap_link_query(params->interface, &link, &why);
	if (r < 0) {
		fancap_error_set(err, "%s: %s", params->interface, why.text);
		return r;
	}
	group.ifindex = link.ifindex;
	r = fancap_geometry_plan(&ring, &check->geometry, err);
	if (r == 0)
		r = fancap_group_open(&group, &check->group, err);
	if (r == 0)
		r = fancap_group_gate_open(&check->group, &everything, err);
	return r;
}

static int open_rings(struct check *check, struct fancap_error *err)
{
	unsigned members = check->params->members;
	int r;

	check->rings = calloc(members, sizeof(*check->rings));
	check->seen = calloc(members, sizeof(*check->seen));
	check->member_of = calloc(check->params->flows, sizeof(*check->member_of));
	check->split = calloc(check->params->flows, sizeof(*check->split));
	if (check->rings == NULL || check->seen == NULL || check->member_of == NULL || check->split == NULL) {
		fancap_error_set(err, "out of memory");
		return -ENOMEM;
	}
	for (unsigned i = 0; i < members; i++) {
		r = fancap_ring_map(&check->rings[i], check->group.fds[i], &check->geometry);
		if (r < 0) {
			fancap_error_set(err, "%s: mmap: %s", check->params->interface, strerror(-r));
			return r;
		}
	}
	return 0;
}

static int open_senders(struct check *check, struct fancap_error *err)
{
	check->forth_fd = sender_open(check->params->peer, err);
	if (check->forth_fd < 0)
		return check->forth_fd;
	check->back_fd = sender_open(check->params->interface, err);
	return check->back_fd < 0 ? check->back_fd : 0;
}

static void check_done(struct check *check)
{
	for (unsigned i = 0; check->rings != NULL && i < check->params->members; i++)
		fancap_ring_unmap(&check->rings[i]);
	free(check->rings);
	free(check->seen);
	free(check->member_of);
	free(check->split);
	if (check->forth_fd >= 0)
		close(check->forth_fd);
	if (check->back_fd >= 0)
		close(check->back_fd);
	fancap_group_close(&check->group);
}

static void summarise(struct check *check)
{
	struct fancap_selfcheck *result = &check->result;
	unsigned members = check->params->members;

	for (unsigned i = 0; i < members; i++) {
		result->members_used += check->seen[i] > 0;
		if (check->seen[i] > result->member_max)
			result->member_max = check->seen[i];
	}
	for (uint32_t flow = 0; flow < check->params->flows; flow++)
		result->flows_split += check->split[flow];
	if (result->packets_seen > 0)
		result->balance = (double)result->member_max * members / result->packets_seen;
}

int fancap_selfcheck(const struct fancap_selfcheck_params *params, struct fancap_selfcheck *ret,
		     struct fancap_error *err)
{
	struct check check = {.params = params, .forth_fd = -1, .back_fd = -1};
	struct timespec now;
	int r;

	if (params->members < 1 || params->members > MEMBERS_MAX || params->flows < 1 ||
	    params->flows > FLOWS_MAX) {
		fancap_error_set(err, "%u members and %u flows: 1 to %u and 1 to %u are allowed",
				 params->members, params->flows, MEMBERS_MAX, FLOWS_MAX);
		return -EINVAL;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	check.run = (uint32_t)now.tv_nsec ^ (uint32_t)getpid() << 16;
	r = open_group(&check, err);
	if (r == 0)
		r = open_rings(&check, err);
	if (r == 0)
		r = open_senders(&check, err);
	if (r == 0)
		r = send_all(&check, err);
	if (r == 0) {
		drain(&check);
		summarise(&check);
		*ret = check.result;
	}
	check_done(&check);
	return r;
}
