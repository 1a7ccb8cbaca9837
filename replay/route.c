// SPDX-License-Identifier: BSD-3-Clause
#include "replay/route.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel fills no more than this of a dump's messages at a time. */
#define ANSWER_BYTES 32768u
/* Ports of a bond in a bridge in a VRF: more is a mistake. */
#define LINKS_MAX 8u

/* The interface and its masters. */
struct links {
	int index[LINKS_MAX];
	unsigned n;
};

/* @return 1 that is it, 0 go on, -errno */
typedef int message_take(struct links *links, const struct nlmsghdr *message);

static bool is_among(const struct links *links, int index)
{
	for (unsigned i = 0; i < links->n; i++)
		if (links->index[i] == index)
			return true;
	return false;
}

static int attribute_int(const struct rtattr *attribute)
{
	int value = 0;

	if (RTA_PAYLOAD(attribute) >= sizeof(value))
		memcpy(&value, RTA_DATA(attribute), sizeof(value));
	return value;
}

/* --- asking --------------------------------------------------------------------------------------------- */

static int walk(const char *answer, size_t n, message_take *take, struct links *links, bool *ret_more)
{
	const struct nlmsghdr *message = (const void *)answer;
	int r = 0;

	for (; NLMSG_OK(message, n) && r == 0; message = NLMSG_NEXT(message, n)) {
		if (message->nlmsg_type == NLMSG_ERROR)
			r = ((const struct nlmsgerr *)NLMSG_DATA(message))->error;
		else if (message->nlmsg_type != NLMSG_DONE)
			r = take(links, message);
		if (message->nlmsg_type == NLMSG_DONE || !(message->nlmsg_flags & NLM_F_MULTI))
			*ret_more = false;
	}
	return r;
}

static int ask(const struct nlmsghdr *request, message_take *take, struct links *links)
{
	_Alignas(struct nlmsghdr) char answer[ANSWER_BYTES];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), r = 0;
	bool more = true;

	if (fd < 0)
		return -errno;
	if (send(fd, request, request->nlmsg_len, 0) < 0)
		r = -errno;
	while (r == 0 && more) {
		ssize_t n = recv(fd, answer, sizeof(answer), 0);

		r = n < 0 ? -errno : walk(answer, (size_t)n, take, links, &more);
	}
	close(fd);
	return r;
}

/* --- masters -------------------------------------------------------------------------------------------- */

static int take_master(struct links *links, const struct nlmsghdr *message)
{
	const struct ifinfomsg *link = NLMSG_DATA(message);
	const struct rtattr *attribute = IFLA_RTA(link);
	size_t left = IFLA_PAYLOAD(message);

	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left))
		if (attribute->rta_type == IFLA_MASTER)
			links->index[links->n++] = attribute_int(attribute);
	return 1;
}

static int find_masters(struct links *links)
{
	unsigned before;

	do {
		const struct {
			struct nlmsghdr header;
			struct ifinfomsg link;
		} request = {
			.header = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST},
			.link = {.ifi_family = AF_UNSPEC, .ifi_index = links->index[links->n - 1]},
		};
		int r;

		before = links->n;
		r = ask(&request.header, take_master, links);
		if (r < 0)
			return r;
	} while (links->n > before && links->n < LINKS_MAX);
	return 0;
}

/* --- routes --------------------------------------------------------------------------------------------- */

static bool is_any_hop(const struct links *links, const struct rtattr *attribute)
{
	const struct rtnexthop *hop = RTA_DATA(attribute);
	int left = (int)RTA_PAYLOAD(attribute);

	for (; left >= (int)sizeof(*hop) && RTNH_OK(hop, left); left -= RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
		if (is_among(links, hop->rtnh_ifindex))
			return true;
	return false;
}

/* A default route that leads nowhere (unreachable, blackhole) is not of type unicast. */
static int take_route(struct links *links, const struct nlmsghdr *message)
{
	const struct rtmsg *route = NLMSG_DATA(message);
	const struct rtattr *attribute = RTM_RTA(route);
	size_t left = RTM_PAYLOAD(message);

	if (message->nlmsg_type != RTM_NEWROUTE || route->rtm_dst_len != 0 || route->rtm_type != RTN_UNICAST)
		return 0;
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		if (attribute->rta_type == RTA_OIF && is_among(links, attribute_int(attribute)))
			return 1;
		if (attribute->rta_type == RTA_MULTIPATH && is_any_hop(links, attribute))
			return 1;
	}
	return 0;
}

static int find_route(struct links *links, unsigned char family)
{
	const struct {
		struct nlmsghdr header;
		struct rtmsg route;
	} request = {
		.header = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETROUTE,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.route = {.rtm_family = family},
	};
	int r = ask(&request.header, take_route, links);

	/* A kernel without the protocol has no such route. */
	return r == -EOPNOTSUPP || r == -EAFNOSUPPORT ? 0 : r;
}

int route_is_default(int ifindex)
{
	struct links links = {.index = {ifindex}, .n = 1};
	int r = find_masters(&links);

	if (r == 0)
		r = find_route(&links, AF_INET);
	if (r == 0)
		r = find_route(&links, AF_INET6);
	return r;
}
