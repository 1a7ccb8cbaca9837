// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <event2/event.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/links.h"

_Static_assert(LINK_NAME_MAX == IFNAMSIZ, "interface names");

/* A device with many virtual functions says much of itself; what is longer is cut, and asked about again. */
#define RECEIVE_BYTES 65536u
/* The kernel's default is good for some hundred messages: a container host makes more at once. */
#define SOCKET_BYTES (1 << 20)
#define MESSAGES_PER_TURN 256

struct links {
	struct links_owner owner;
	struct mnl_socket *socket;
	struct event *event;
	uint32_t sequence;
	uint8_t buffer[RECEIVE_BYTES];
};

/* --- messages ---------------------------------------------------------------------------------------------------- */

/* Newer kernels say more than we know, older ones less: what is not there is 0. */
static void read_counters(const struct nlattr *attribute, struct link_news *ret)
{
	struct rtnl_link_stats64 stats = {0};
	size_t bytes = mnl_attr_get_payload_len(attribute);

	memcpy(&stats, mnl_attr_get_payload(attribute), bytes < sizeof(stats) ? bytes : sizeof(stats));
	ret->has_counters = true;
	ret->counters = (struct link_counters){
		.rx_packets = stats.rx_packets,
		.rx_errors = stats.rx_errors,
		.rx_dropped = stats.rx_dropped,
		.rx_missed = stats.rx_missed_errors,
		.rx_fifo = stats.rx_fifo_errors,
		.rx_nohandler = stats.rx_nohandler,
	};
}

static int read_attribute(const struct nlattr *attribute, struct link_news *ret)
{
	switch (mnl_attr_get_type(attribute)) {
	case IFLA_IFNAME:
		if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0 ||
		    mnl_attr_get_payload_len(attribute) > sizeof(ret->name))
			return -EBADMSG;
		strcpy(ret->name, mnl_attr_get_str(attribute));
		return 0;
	case IFLA_STATS64: read_counters(attribute, ret); return 0;
	default: return 0;
	}
}

/* @return as link_news_read() */
static int read_link(const struct nlmsghdr *header, struct link_news *ret)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(header);
	const struct nlattr *attribute;
	const uint8_t *end = (const uint8_t *)header + header->nlmsg_len;

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*info))
		return -EBADMSG;
	/* A bridge's word on its ports comes as link messages too; a port that is taken out is "deleted" then. */
	if (info->ifi_family != AF_UNSPEC)
		return 0;
	if (info->ifi_index <= 0)
		return -EBADMSG;
	*ret = (struct link_news){
		.ifindex = info->ifi_index,
		.gone = header->nlmsg_type == RTM_DELLINK,
		.up = (info->ifi_flags & IFF_UP) != 0,
		.carrier = (info->ifi_flags & IFF_LOWER_UP) != 0,
	};
	attribute = mnl_nlmsg_get_payload_offset(header, sizeof(*info));
	while (mnl_attr_ok(attribute, (int)(end - (const uint8_t *)attribute))) {
		int r = read_attribute(attribute, ret);

		if (r < 0)
			return r;
		attribute = mnl_attr_next(attribute);
	}
	/* It ends at what is no attribute: nothing may be left then. */
	return (const uint8_t *)attribute < end ? -EBADMSG : 1;
}

/* An error brings back what it is about: a question about an index that is not there is an answer. */
static int read_error(const struct nlmsghdr *header, struct link_news *ret)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(header);
	const struct ifinfomsg *info = (const struct ifinfomsg *)(error + 1);

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*error))
		return -EBADMSG;
	if (error->error != -ENODEV || error->msg.nlmsg_type != RTM_GETLINK)
		return 0;
	if (mnl_nlmsg_get_payload_len(header) < sizeof(*error) + sizeof(*info))
		return -EBADMSG;
	if (info->ifi_index <= 0)
		return 0; /* it was about a name */
	*ret = (struct link_news){.ifindex = info->ifi_index, .gone = true};
	return 1;
}

int link_news_read(const void *message, size_t bytes, struct link_news *ret, size_t *ret_used)
{
	const struct nlmsghdr *header = message;
	size_t used;

	/* libmnl counts in int. */
	if (bytes > RECEIVE_BYTES || !mnl_nlmsg_ok(header, (int)bytes))
		return -EBADMSG;
	used = NLMSG_ALIGN((size_t)header->nlmsg_len);
	*ret_used = used < bytes ? used : bytes;
	switch (header->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK: return read_link(header, ret);
	case NLMSG_ERROR: return read_error(header, ret);
	default: return 0;
	}
}

/* --- the socket -------------------------------------------------------------------------------------------------- */

static void tell(struct links *links, size_t bytes)
{
	const uint8_t *at = links->buffer;
	struct link_news news;
	size_t used;

	while (bytes > 0) {
		int r = link_news_read(at, bytes, &news, &used);

		if (r == 1)
			links->owner.news(&news, links->owner.arg);
		if (r == -EBADMSG)
			return; /* not of this kernel's making; nothing in it can be relied on */
		at += used;
		bytes -= used;
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct links *links = arg;

	(void)fd;
	(void)what;
	for (int i = 0; i < MESSAGES_PER_TURN; i++) {
		ssize_t bytes = mnl_socket_recvfrom(links->socket, links->buffer, sizeof(links->buffer));

		if (bytes > 0)
			tell(links, (size_t)bytes);
		else if (bytes < 0 && (errno == ENOBUFS || errno == ENOSPC))
			links->owner.lost(links->owner.arg);
		else
			return;
	}
}

static int socket_open(struct links *links)
{
	const int bytes = SOCKET_BYTES;

	links->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (links->socket == NULL)
		return -errno;
	/* As much as net.core.rmem_max allows. */
	(void)setsockopt(mnl_socket_get_fd(links->socket), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	return mnl_socket_bind(links->socket, RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
}

int links_open(struct event_base *base, const struct links_owner *owner, struct links **ret,
	       struct fancap_error *err)
{
	struct links *links = calloc(1, sizeof(*links));
	int r = links != NULL ? socket_open(links) : -ENOMEM;

	if (r == 0) {
		links->owner = *owner;
		links->event = event_new(base, mnl_socket_get_fd(links->socket), EV_READ | EV_PERSIST, on_readable, links);
		r = links->event != NULL ? 0 : -ENOMEM;
	}
	if (r < 0) {
		fancap_error_set(err, "cannot watch the interfaces (rtnetlink): %s", strerror(-r));
		links_close(links);
		return r;
	}
	*ret = links;
	return 0;
}

int links_start(struct links *links)
{
	return event_add(links->event, NULL) < 0 ? -EIO : 0;
}

static void ask(struct links *links, int ifindex, const char *name)
{
	uint8_t buffer[NLMSG_SPACE(sizeof(struct ifinfomsg)) + 64] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info;

	header->nlmsg_type = RTM_GETLINK;
	header->nlmsg_flags = NLM_F_REQUEST;
	header->nlmsg_seq = ++links->sequence;
	info = mnl_nlmsg_put_extra_header(header, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = ifindex;
	if (name != NULL)
		mnl_attr_put_strz(header, IFLA_IFNAME, name);
	(void)mnl_socket_sendto(links->socket, header, header->nlmsg_len);
}

void links_ask_index(struct links *links, int ifindex)
{
	ask(links, ifindex, NULL);
}

void links_ask_name(struct links *links, const char *name)
{
	ask(links, 0, name);
}

void links_close(struct links *links)
{
	if (links == NULL)
		return;
	if (links->event != NULL)
		event_free(links->event);
	if (links->socket != NULL)
		mnl_socket_close(links->socket);
	free(links);
}
