// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fancap/link.h"

static void link_kind(int hatype, struct fancap_link *ret)
{
	switch (hatype) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		ret->linktype = FANCAP_LINKTYPE_ETHERNET;
		ret->type = FANCAP_RAW;
		ret->reserve_bytes = 2; /* with a header of 14 bytes, packets begin at offset 84 */
		return;
	case ARPHRD_NONE:
		ret->linktype = FANCAP_LINKTYPE_RAW;
		ret->type = FANCAP_RAW;
		ret->reserve_bytes = 0;
		return;
	default:
		/*
		 * Their headers, where they have any, are of a hundred kinds, and some drivers' are not what the kind
		 * says. Cooked packets start with the network header, at offset 96.
		 */
		ret->linktype = FANCAP_LINKTYPE_LINUX_SLL2;
		ret->type = FANCAP_DGRAM;
		ret->reserve_bytes = 0;
	}
}

/* Asks twice: the first answer says, as a negative number, how long the link mode masks are that come with the second. */
static uint32_t link_speed(int fd, const char *name)
{
	struct {
		struct ethtool_link_settings settings;
		uint32_t masks[3 * 127]; /* three of int8_t words each, at most */
	} request = {.settings = {.cmd = ETHTOOL_GLINKSETTINGS}};
	struct ifreq ifr = {.ifr_data = (char *)&request};

	strcpy(ifr.ifr_name, name);
	if (ioctl(fd, SIOCETHTOOL, &ifr) < 0 || request.settings.link_mode_masks_nwords >= 0)
		return 0;
	request.settings.cmd = ETHTOOL_GLINKSETTINGS;
	request.settings.link_mode_masks_nwords = (int8_t)-request.settings.link_mode_masks_nwords;
	if (ioctl(fd, SIOCETHTOOL, &ifr) < 0 || request.settings.speed == (uint32_t)SPEED_UNKNOWN)
		return 0;
	return request.settings.speed;
}

/* As the kernel asks before it sends. IFF_RUNNING says the same, but a moment later. */
static bool has_carrier(int fd, const char *name)
{
	struct ethtool_value value = {.cmd = ETHTOOL_GLINK};
	struct ifreq ifr = {.ifr_data = (char *)&value};

	strcpy(ifr.ifr_name, name);
	return ioctl(fd, SIOCETHTOOL, &ifr) < 0 || value.data != 0;
}

static int query(int fd, struct ifreq *ifr, struct fancap_link *ret)
{
	if (ioctl(fd, SIOCGIFINDEX, ifr) < 0)
		return -errno;
	ret->ifindex = ifr->ifr_ifindex;
	if (ioctl(fd, SIOCGIFFLAGS, ifr) < 0)
		return -errno;
	ret->up = (ifr->ifr_flags & IFF_UP) != 0;
	ret->carrier = ret->up && has_carrier(fd, ifr->ifr_name);
	if (ioctl(fd, SIOCGIFMTU, ifr) < 0)
		return -errno;
	ret->mtu = (unsigned)ifr->ifr_mtu;
	if (ioctl(fd, SIOCGIFHWADDR, ifr) < 0)
		return -errno;
	link_kind(ifr->ifr_hwaddr.sa_family, ret);
	ret->speed_mbit = link_speed(fd, ifr->ifr_name);
	return 0;
}

int fancap_link_query(const char *name, struct fancap_link *ret, struct fancap_error *err)
{
	struct fancap_link link = {0};
	struct ifreq ifr = {0};
	int fd, r;

	if (strlen(name) >= sizeof(ifr.ifr_name)) {
		fancap_error_set(err, "interface name \"%s\" is longer than %zu characters", name,
				 sizeof(ifr.ifr_name) - 1);
		return -EINVAL;
	}
	strcpy(ifr.ifr_name, name);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		r = -errno;
		fancap_error_set(err, "socket: %s", strerror(-r));
		return r;
	}
	r = query(fd, &ifr, &link);
	close(fd);
	if (r == -ENODEV)
		fancap_error_set(err, "no such interface");
	else if (r < 0)
		fancap_error_set(err, "interface cannot be looked up: %s", strerror(-r));
	else
		*ret = link;
	return r;
}
