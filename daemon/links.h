// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_LINKS_H
#define DAEMON_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fancap/error.h"

struct event_base;

#define LINK_NAME_MAX 16 /* IFNAMSIZ */

/** What the device and its driver counted, as the kernel tells it (rtnl_link_stats64): since the device was made. */
struct link_counters {
	uint64_t rx_packets;
	uint64_t rx_errors;
	uint64_t rx_dropped;  ///< by driver or kernel, for want of room or of somebody to take them
	uint64_t rx_missed;   ///< by the device, for want of room: the kernel never saw them
	uint64_t rx_fifo;     ///< overruns of the device's own buffer
	uint64_t rx_nohandler; ///< came in by an inactive part of a bond, team or bridge
};

/** What the kernel says of one device. */
struct link_news {
	int ifindex;
	char name[LINK_NAME_MAX]; ///< "" if it did not say
	bool gone;		  ///< there is no such device (any more) here; nothing else is set but name, perhaps
	bool up;		  ///< administratively (IFF_UP): otherwise packet sockets see nothing
	bool carrier;		  ///< IFF_LOWER_UP
	bool has_counters;
	struct link_counters counters;
};

/**
 * Read one rtnetlink message. Pure: any memory will do.
 *
 * @param message  what claims to be a message with its header
 * @param bytes    how much of it there is
 * @param ret_used bytes that it takes with its padding; set unless -EBADMSG
 * @return 1 ret is set; 0 it is about something else; -EBADMSG no whole message, or one that contradicts itself
 */
int link_news_read(const void *message, size_t bytes, struct link_news *ret, size_t *ret_used);

/** Who wants to know. */
struct links_owner {
	void (*news)(const struct link_news *news, void *arg);
	/** The kernel had more to say than there was room for: ask for what matters. */
	void (*lost)(void *arg);
	void *arg;
};

/** The kernel's link messages (rtnetlink, group RTNLGRP_LINK). */
struct links;

/**
 * Begin to gather them. None is told before links_start(), so that there is no gap between opening sockets on a device
 * and learning what became of it.
 *
 * @param owner copied. @return 0 or -errno; links_close() ends it
 */
int links_open(struct event_base *base, const struct links_owner *owner, struct links **ret,
	       struct fancap_error *err);

/** Tell them from now on. @return 0 or -errno */
int links_start(struct links *links);

/**
 * Ask about one device; the answer comes as news: `gone` if there is no such index, none at all for an unknown name.
 * If a question or an answer gets lost, so be it: ask again in a second. The kernel answers under its RTNL lock.
 */
void links_ask_index(struct links *links, int ifindex);
void links_ask_name(struct links *links, const char *name);

/** NULL is fine. */
void links_close(struct links *links);

#endif
