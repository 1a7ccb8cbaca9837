// SPDX-License-Identifier: BSD-3-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fancap/group.h"

/* Debian 12's headers do not know this one, nor does its own kernel (Linux 6.2). */
#ifndef PACKET_FANOUT_FLAG_IGNORE_OUTGOING
#define PACKET_FANOUT_FLAG_IGNORE_OUTGOING 0x4000
#endif

#define MEMBERS_MAX 65536u /* PACKET_FANOUT_MAX in net/packet/internal.h */

_Static_assert((int)FANCAP_FANOUT_FLAG_ROLLOVER == PACKET_FANOUT_FLAG_ROLLOVER, "fanout flag");
_Static_assert((int)FANCAP_FANOUT_FLAG_IGNORE_OUTGOING == PACKET_FANOUT_FLAG_IGNORE_OUTGOING, "fanout flag");
_Static_assert((int)FANCAP_FANOUT_FLAG_DEFRAGMENT == PACKET_FANOUT_FLAG_DEFRAG, "fanout flag");
_Static_assert((int)FANCAP_FANOUT_EBPF == PACKET_FANOUT_EBPF, "fanout mode");

static int set_int(int fd, int option, int value)
{
	return setsockopt(fd, SOL_PACKET, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int set_ring(int fd, const struct tpacket_req3 *req)
{
	return setsockopt(fd, SOL_PACKET, PACKET_RX_RING, req, sizeof(*req)) < 0 ? -errno : 0;
}

/* ETH_P_ALL: a socket bound to one protocol would lose VLAN tags. */
static int bind_all(int fd, int ifindex)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = ifindex,
	};

	return bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

/*
 * Binding to an interface that is down succeeds and leaves ENETDOWN behind; reading clears it. Such a socket captures
 * as soon as the link comes up, so that one is no failure.
 */
static int pending_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return error == ENETDOWN ? 0 : -error;
}

static int set_promiscuous(int fd, int ifindex)
{
	struct packet_mreq mreq = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC};

	return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof(mreq)) < 0 ? -errno : 0;
}

/* The first member lets the kernel choose an unused id, so that nobody's group is joined by accident. */
static int join(int fd, const struct fancap_group_params *params, bool first, uint16_t *id)
{
	struct fanout_args args = {
		.id = first ? 0 : *id,
		.type_flags = (uint16_t)((unsigned)params->mode | params->flags |
					 (first ? PACKET_FANOUT_FLAG_UNIQUEID : 0)),
		.max_num_members = params->members, /* full from the last of ours on */
	};
	int packed = 0;
	socklen_t len = sizeof(packed);

	if (setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &args, sizeof(args)) < 0)
		return -errno;
	if (!first)
		return 0;
	if (getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &packed, &len) < 0)
		return -errno;
	*id = (uint16_t)packed;
	return 0;
}

/* One member, in the order the kernel wants. *step names where it failed. */
static int member_set_up(int fd, const struct fancap_group_params *params, bool first, uint16_t *id,
			 const char **step)
{
	const struct fancap_geometry *geometry = params->geometry;
	int r;

	*step = "PACKET_VERSION";
	r = set_int(fd, PACKET_VERSION, TPACKET_V3);
	if (r < 0)
		return r;
	*step = "PACKET_RESERVE";
	r = set_int(fd, PACKET_RESERVE, geometry->reserve_bytes);
	if (r < 0)
		return r;
	*step = "PACKET_RX_RING";
	r = set_ring(fd, &geometry->req);
	if (r < 0)
		return r;
	*step = "SO_ATTACH_FILTER";
	r = fancap_filter_attach_drop_all(fd);
	if (r < 0)
		return r;
	*step = "bind";
	r = bind_all(fd, params->ifindex);
	if (r == 0)
		r = pending_error(fd);
	if (r < 0)
		return r;
	if (params->promiscuous) {
		*step = "PACKET_ADD_MEMBERSHIP";
		r = set_promiscuous(fd, params->ifindex);
		if (r < 0)
			return r;
	}
	*step = "PACKET_FANOUT";
	return join(fd, params, first, id);
}

static const char *hint(const char *step, int error)
{
	switch (error) {
	case EINVAL:
		return strcmp(step, "PACKET_FANOUT") == 0
			       ? " (modes are 0, hash, to 7, ebpf; mode rollover takes no rollover flag)" : "";
	case EPERM: return " (capturing needs CAP_NET_RAW)";
	case ENOMEM: return " (not enough memory for the ring: make it smaller)";
	default: return "";
	}
}

static int member_open(const struct fancap_group_params *params, unsigned index, uint16_t *id,
		       struct fancap_error *err)
{
	const char *step = "socket";
	int fd, r;

	/* Protocol 0: receives nothing until it is bound. */
	fd = socket(AF_PACKET, (params->type == FANCAP_DGRAM ? SOCK_DGRAM : SOCK_RAW) | SOCK_CLOEXEC, 0);
	r = fd < 0 ? -errno : member_set_up(fd, params, index == 0, id, &step);
	if (r < 0) {
		fancap_error_set(err, "%s: socket %u of %u: %s: %s%s", params->interface, index + 1,
				 params->members, step, strerror(-r), hint(step, -r));
		if (fd >= 0)
			close(fd);
		return r;
	}
	return fd;
}

int fancap_group_set_program(const struct fancap_group *group, const struct fancap_fanout_program *program,
			     struct fancap_error *err)
{
	bool classic = program->mode == FANCAP_FANOUT_CBPF;
	const void *data = classic ? (const void *)&program->classic : &program->fd;
	socklen_t len = classic ? sizeof(program->classic) : sizeof(program->fd);
	int r;

	/* Through any member: the program is the group's. */
	if (setsockopt(group->fds[0], SOL_PACKET, PACKET_FANOUT_DATA, data, len) == 0)
		return 0;
	r = -errno;
	fancap_error_set(err, "PACKET_FANOUT_DATA: %s%s", strerror(-r),
			 r != -EINVAL ? "" : classic ? " (not a program that the kernel takes, or the mode is not cbpf)"
						     : " (not a socket filter program, or the mode is not ebpf)");
	return r;
}

static int program_set_up(const struct fancap_group *group, const struct fancap_group_params *params,
			  struct fancap_error *err)
{
	struct fancap_error why;
	int r;

	if (params->program == NULL)
		return 0;
	r = fancap_group_set_program(group, params->program, &why);
	if (r < 0)
		fancap_error_set(err, "%s: %s", params->interface, why.text);
	return r;
}

int fancap_group_open(const struct fancap_group_params *params, struct fancap_group *ret,
		      struct fancap_error *err)
{
	struct fancap_group group = {0};
	int fd, r;

	if (params->members == 0 || params->members > MEMBERS_MAX) {
		fancap_error_set(err, "%s: %u sockets: 1 to %u are allowed", params->interface,
				 params->members, MEMBERS_MAX);
		return -EINVAL;
	}
	group.fds = calloc(params->members, sizeof(int));
	if (group.fds == NULL) {
		fancap_error_set(err, "%s: out of memory", params->interface);
		return -ENOMEM;
	}
	while (group.members < params->members) {
		fd = member_open(params, group.members, &group.id, err);
		if (fd < 0) {
			fancap_group_close(&group);
			return fd;
		}
		group.fds[group.members++] = fd;
	}
	r = program_set_up(&group, params, err);
	if (r < 0) {
		fancap_group_close(&group);
		return r;
	}
	*ret = group;
	return 0;
}

/*
 * Before Linux 6.2 the kernel takes PACKET_FANOUT_FLAG_IGNORE_OUTGOING, tells it to who asks, and does not act on it. And
 * PACKET_IGNORE_OUTGOING, which is older, is a socket's: it says nothing to a group.
 */
static bool is_to_ignore_outgoing(const struct fancap_group *group)
{
	unsigned packed = 0;
	socklen_t len = sizeof(packed);

	return group->members > 0 &&
	       getsockopt(group->fds[0], SOL_PACKET, PACKET_FANOUT, &packed, &len) == 0 &&
	       (packed >> 16 & PACKET_FANOUT_FLAG_IGNORE_OUTGOING) != 0;
}

static int attach_to_all(const struct fancap_group *group, const struct fancap_filter *filter,
			 struct fancap_error *err)
{
	for (unsigned i = 0; i < group->members; i++) {
		int r = fancap_filter_attach(group->fds[i], filter);

		if (r < 0) {
			fancap_error_set(err, "socket %u of %u: SO_ATTACH_FILTER: %s", i + 1,
					 group->members, strerror(-r));
			return r;
		}
	}
	return 0;
}

int fancap_group_gate_open(const struct fancap_group *group, const struct fancap_filter *filter,
			   struct fancap_error *err)
{
	struct fancap_filter incoming = {0};
	int r;

	if (!is_to_ignore_outgoing(group))
		return attach_to_all(group, filter, err);
	r = fancap_filter_incoming(filter, &incoming);
	if (r < 0) {
		fancap_error_set(err, "filter for incoming packets: %s",
				 r == -EINVAL ? "it takes more instructions than the 4096 that the kernel allows"
					      : strerror(-r));
		return r;
	}
	r = attach_to_all(group, &incoming, err);
	fancap_filter_done(&incoming);
	return r;
}

int fancap_group_gate_close(const struct fancap_group *group)
{
	int result = 0;

	/* All of them, whatever one says. */
	for (unsigned i = 0; i < group->members; i++) {
		int r = fancap_filter_attach_drop_all(group->fds[i]);

		if (r < 0)
			result = r;
	}
	return result;
}

void fancap_group_close(struct fancap_group *group)
{
	for (unsigned i = 0; i < group->members; i++)
		close(group->fds[i]);
	free(group->fds);
	*group = (struct fancap_group){0};
}
