// SPDX-License-Identifier: BSD-3-Clause
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/check/gather.h"

/** A device, to be asked. */
struct device {
	int fd;
	struct ifreq request;
};

/* @param data an ethtool structure, whose first member says what is asked */
static bool device_ask(struct device *device, void *data)
{
	device->request.ifr_data = data;
	return ioctl(device->fd, SIOCETHTOOL, &device->request) == 0;
}

/* @return 1 on, 0 off, -1 not known */
static int flag_ask(struct device *device, uint32_t command, uint32_t bit)
{
	struct ethtool_value value = {.cmd = command};

	if (!device_ask(device, &value))
		return -1;
	return (value.data & bit) != 0;
}

static void queues_ask(struct device *device, struct facts_interface *interface)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ethtool_ringparam ring = {.cmd = ETHTOOL_GRINGPARAM};

	if (device_ask(device, &channels)) {
		interface->queues = channels.combined_count + channels.rx_count;
		interface->queues_max = channels.max_combined ? channels.max_combined : channels.max_rx;
	}
	if (device_ask(device, &ring)) {
		interface->nic_ring = ring.rx_pending;
		interface->nic_ring_max = ring.rx_max_pending;
	}
}

/*
 * The Toeplitz hash of both directions is the same if its key repeats every 16 bits: addresses and ports may then change
 * places. Newer drivers can also be told so (RXH_XFRM_SYM_XOR).
 */
static bool key_repeats(const uint8_t *key, uint32_t size)
{
	for (uint32_t i = 2; i < size; i++)
		if (key[i] != key[i - 2])
			return false;
	return size > 2;
}

static void symmetry_ask(struct device *device, struct facts_interface *interface)
{
	struct ethtool_rxfh sizes = {.cmd = ETHTOOL_GRSSH}, *rss;
	size_t bytes;

	if (!device_ask(device, &sizes) || !sizes.key_size)
		return;
	bytes = sizeof(*rss) + sizes.indir_size * sizeof(uint32_t) + sizes.key_size;
	rss = calloc(1, bytes);
	if (!rss)
		return;
	*rss = sizes;
	rss->cmd = ETHTOOL_GRSSH;
	if (device_ask(device, rss))
		interface->rss_symmetric = key_repeats((const uint8_t *)rss + sizeof(*rss) + rss->indir_size * sizeof(uint32_t),
						       rss->key_size);
	free(rss);
}

void gather_device(struct facts_interface *interface)
{
	struct device device = {.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};

	interface->gro = interface->lro = interface->rxvlan = interface->rss_symmetric = -1;
	interface->queues = interface->queues_max = interface->nic_ring = interface->nic_ring_max = -1;
	if (device.fd < 0)
		return;
	memcpy(device.request.ifr_name, interface->name, sizeof(device.request.ifr_name));
	interface->gro = flag_ask(&device, ETHTOOL_GGRO, ~0u);
	interface->lro = flag_ask(&device, ETHTOOL_GFLAGS, ETH_FLAG_LRO);
	interface->rxvlan = flag_ask(&device, ETHTOOL_GFLAGS, ETH_FLAG_RXVLAN);
	queues_ask(&device, interface);
	symmetry_ask(&device, interface);
	close(device.fd);
}
