// SPDX-License-Identifier: BSD-3-Clause
#include "replay/route.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The kernel fills no more than this of a dump's messages at a time. */
#define ANSWER_BYTES 32768u
/* A dump during which something changed ends with EINTR: it is asked for again. */
#define TRIES 10u

/* An interface. */
struct link {
	int index;
	int below;	/* what it lies on: of a VLAN, macvlan or tunnel, what sends for it; 0: none */
	bool elsewhere; /* that is in another network namespace: the index says nothing here */
	int master;	/* the bridge, bond or VRF that it is a port of; 0: none */
	bool shares;	/* it sends by the interface that we were asked about, or that one by it */
};

struct links {
	struct link *all;
	size_t n;
};

/* The routes of one address family, of all tables together. */
struct routes {
	const struct links *links;
	unsigned char family;
	/* Where addresses with this first byte are sent, all of them, leads through an interface that shares. */
	bool covered[256];
};

/* --- asking --------------------------------------------------------------------------------------------- */

/* Every type's own header begins with the family. */
static int ask(const struct mnl_socket *socket, uint16_t type, unsigned char family, size_t header_bytes)
{
	_Alignas(struct nlmsghdr) char buffer[64];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	unsigned char *header;

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header = mnl_nlmsg_put_extra_header(request, header_bytes);
	header[0] = family;
	return mnl_socket_sendto(socket, request, request->nlmsg_len) < 0 ? -errno : 0;
}

static int answer(const struct mnl_socket *socket, mnl_cb_t take, void *arg)
{
	_Alignas(struct nlmsghdr) char buffer[ANSWER_BYTES];
	int r;

	do {
		ssize_t n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));

		r = n < 0 ? -1 : mnl_cb_run(buffer, (size_t)n, 0, mnl_socket_get_portid(socket), take, arg);
	} while (r > MNL_CB_STOP);
	return r < 0 ? -errno : 0;
}

/* Of all that there is of a type. */
static int dump(uint16_t type, unsigned char family, size_t header_bytes, mnl_cb_t take, void *arg)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int r;

	if (socket == NULL)
		return -errno;
	r = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : ask(socket, type, family, header_bytes);
	if (r == 0)
		r = answer(socket, take, arg);
	mnl_socket_close(socket);
	return r;
}

/* --- interfaces ----------------------------------------------------------------------------------------- */

static struct link *link_find(const struct links *links, int index)
{
	for (size_t i = 0; i < links->n; i++)
		if (links->all[i].index == index)
			return &links->all[i];
	return NULL;
}

static int take_link_attribute(const struct nlattr *attribute, void *arg)
{
	struct link *link = arg;

	switch (mnl_attr_get_type(attribute)) {
	case IFLA_LINK: link->below = (int)mnl_attr_get_u32(attribute); break;
	case IFLA_MASTER: link->master = (int)mnl_attr_get_u32(attribute); break;
	case IFLA_LINK_NETNSID: link->elsewhere = true; break;
	default: break;
	}
	return MNL_CB_OK;
}

static int take_link(const struct nlmsghdr *message, void *arg)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct link link = {.index = header->ifi_index}, *all;
	struct links *links = arg;

	mnl_attr_parse(message, sizeof(*header), take_link_attribute, &link);
	all = realloc(links->all, (links->n + 1) * sizeof(*all));
	if (all == NULL)
		return MNL_CB_ERROR; /* errno is set */
	links->all = all;
	links->all[links->n++] = link;
	return MNL_CB_OK;
}

/* The ends of a pair (veth, netkit) name each other: what one sends, the other receives. That is no stack. */
static bool lies_on(const struct link *upper, const struct link *lower)
{
	return !upper->elsewhere && upper->below == lower->index && lower->below != upper->index;
}

/* What is sent through others by way of this one: masters, and what lies on it. */
static void mark_above(struct links *links, const struct link *lower)
{
	for (size_t i = 0; i < links->n; i++) {
		struct link *upper = &links->all[i];

		if (upper->shares || (upper->index != lower->master && !lies_on(upper, lower)))
			continue;
		upper->shares = true;
		mark_above(links, upper);
	}
}

/* By what it is sent itself. Others that lie on the same are not meant: VLANs of one trunk, say. */
static void mark_below(const struct links *links, const struct link *upper)
{
	struct link *lower = link_find(links, upper->below);

	if (lower == NULL || lower->shares || !lies_on(upper, lower))
		return;
	lower->shares = true;
	mark_below(links, lower);
}

/* @return 0; -ENODEV; -errno */
static int find_links(int ifindex, struct links *ret)
{
	int r = dump(RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), take_link, ret);
	struct link *asked = link_find(ret, ifindex);

	if (r < 0 || asked == NULL)
		return r < 0 ? r : -ENODEV;
	asked->shares = true;
	mark_above(ret, asked);
	mark_below(ret, asked);
	return 0;
}

/* --- routes --------------------------------------------------------------------------------------------- */

static bool shares(const struct links *links, int index)
{
	const struct link *link = link_find(links, index);

	return link != NULL && link->shares;
}

static bool any_hop_shares(const struct links *links, const struct nlattr *attribute)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(attribute);
	int left = mnl_attr_get_payload_len(attribute);

	for (; RTNH_OK(hop, left); left -= RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
		if (shares(links, hop->rtnh_ifindex))
			return true;
	return false;
}

/* What a route says of itself. */
struct route {
	const struct links *links;
	uint8_t first_byte; /* of its destination */
	bool shares;
	bool has_hop, has_hop_id;
};

static int take_route_attribute(const struct nlattr *attribute, void *arg)
{
	struct route *route = arg;

	switch (mnl_attr_get_type(attribute)) {
	case RTA_DST: route->first_byte = *(const uint8_t *)mnl_attr_get_payload(attribute); break;
	case RTA_OIF:
		route->has_hop = true;
		route->shares |= shares(route->links, (int)mnl_attr_get_u32(attribute));
		break;
	case RTA_MULTIPATH:
		route->has_hop = true;
		route->shares |= any_hop_shares(route->links, attribute);
		break;
	case RTA_NH_ID: route->has_hop_id = true; break;
	default: break;
	}
	return MNL_CB_OK;
}

/* A route that leads nowhere (unreachable, blackhole) is not of type unicast. */
static int take_route(const struct nlmsghdr *message, void *arg)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	struct routes *routes = arg;
	struct route route = {.links = routes->links};

	/* Without the protocol the kernel answers with the routes of others. Of longer ones it would take hundreds. */
	if (header->rtm_family != routes->family || header->rtm_type != RTN_UNICAST || header->rtm_dst_len > 8)
		return MNL_CB_OK;
	mnl_attr_parse(message, sizeof(*header), take_route_attribute, &route);
	/* Without net.ipv4.nexthop_compat_mode the kernel does not say what a next hop object is: it may be ours. */
	if (!route.shares && (route.has_hop || !route.has_hop_id))
		return MNL_CB_OK;
	memset(&routes->covered[route.first_byte], true, 256u >> header->rtm_dst_len);
	return MNL_CB_OK;
}

/* The addresses of the world, by their first bytes. */
static const struct world {
	unsigned char family;
	uint8_t first, last, except;
} worlds[] = {
	{AF_INET, 1, 223, 127},	    /* up to multicast; 127 is loopback */
	{AF_INET6, 0x20, 0x3F, 0}, /* 2000::/3: as good as ::/0, and often given in its place */
};

/* @return 1 they are all covered, 0 not, -errno */
static int find_default(const struct links *links, const struct world *world)
{
	struct routes routes = {.links = links, .family = world->family};
	int r = dump(RTM_GETROUTE, world->family, sizeof(struct rtmsg), take_route, &routes);

	if (r < 0) /* a kernel without the protocol has no such route */
		return r == -EOPNOTSUPP || r == -EAFNOSUPPORT ? 0 : r;
	for (unsigned byte = world->first; byte <= world->last; byte++)
		if (!routes.covered[byte] && byte != world->except)
			return 0;
	return 1;
}

static int try(int ifindex)
{
	struct links links = {0};
	int r = find_links(ifindex, &links);

	for (size_t i = 0; r == 0 && i < sizeof(worlds) / sizeof(worlds[0]); i++)
		r = find_default(&links, &worlds[i]);
	free(links.all);
	return r;
}

int route_is_default(int ifindex)
{
	int r = -EINTR;

	for (unsigned i = 0; r == -EINTR && i < TRIES; i++)
		r = try(ifindex);
	return r;
}
