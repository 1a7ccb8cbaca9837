// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fancap/timestamp.h"

enum fancap_timestamp_source fancap_packet_timestamp_source(const struct fancap_packet *packet)
{
	if (packet->status & TP_STATUS_TS_RAW_HARDWARE)
		return FANCAP_TIMESTAMP_HARDWARE;
	if (packet->status & TP_STATUS_TS_SOFTWARE)
		return FANCAP_TIMESTAMP_SOFTWARE;
	return FANCAP_TIMESTAMP_RING;
}

const char *fancap_timestamp_reason(int error)
{
	switch (error) {
	case EOPNOTSUPP: return "the device cannot stamp packets in hardware";
	case ERANGE: return "the device cannot stamp all packets in hardware, only some (PTP, most often)";
	case EPERM: return "making the device stamp packets in hardware needs CAP_NET_ADMIN";
	case EBUSY: return "the device's hardware timestamps are in other use just now";
	case ENODEV: return "no such interface";
	default: return strerror(error);
	}
}

/* Drivers may widen or narrow what was asked for, and say in the same struct what they do. */
static int device_enable(int fd, const char *interface)
{
	struct hwtstamp_config config = {.tx_type = HWTSTAMP_TX_OFF};
	struct ifreq ifr = {.ifr_data = (char *)&config};

	strncpy(ifr.ifr_name, interface, sizeof(ifr.ifr_name) - 1);
	if (ioctl(fd, SIOCGHWTSTAMP, &ifr) == 0 && config.rx_filter == HWTSTAMP_FILTER_ALL)
		return 0; /* asking takes no capability */
	config.flags = 0;
	config.rx_filter = HWTSTAMP_FILTER_ALL;
	if (ioctl(fd, SIOCSHWTSTAMP, &ifr) < 0)
		return errno == ENOTTY || errno == EINVAL ? -EOPNOTSUPP : -errno;
	return config.rx_filter == HWTSTAMP_FILTER_ALL ? 0 : -ERANGE;
}

int fancap_timestamp_device_enable(const char *interface, struct fancap_error *err)
{
	int fd, r;

	if (strlen(interface) >= IFNAMSIZ) {
		fancap_error_set(err, "%s", fancap_timestamp_reason(ENODEV));
		return -ENODEV;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	r = fd < 0 ? -errno : device_enable(fd, interface);
	if (r < 0)
		fancap_error_set(err, "%s", fancap_timestamp_reason(-r));
	if (fd >= 0)
		close(fd);
	return r;
}

int fancap_timestamp_socket_hardware(int fd, bool hardware)
{
	/* SOF_TIMESTAMPING_SYS_HARDWARE, which the old document prefers, has had no effect since Linux 3.17. */
	int flags = hardware ? SOF_TIMESTAMPING_RAW_HARDWARE : 0;

	return setsockopt(fd, SOL_PACKET, PACKET_TIMESTAMP, &flags, sizeof(flags)) < 0 ? -errno : 0;
}

int fancap_timestamp_socket_early(int fd, bool early)
{
	int on = early;

	return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0 ? -errno : 0;
}

bool fancap_timestamp_plausible(uint64_t time_ns, uint64_t now_ns, uint64_t limit_ns)
{
	return (time_ns > now_ns ? time_ns - now_ns : now_ns - time_ns) <= limit_ns;
}
