// SPDX-License-Identifier: BSD-3-Clause
#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/check/gather.h"

#define FEATURES_MAX 256u

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

/** Features that ethtool has no flag for are found by their names. */
struct feature_names {
	struct ethtool_gstrings head;
	char names[FEATURES_MAX][ETH_GSTRING_LEN];
};

struct feature_states {
	struct ethtool_gfeatures head;
	struct ethtool_get_features_block blocks[FEATURES_MAX / 32];
};

/* @return 1 on, 0 off, -1 not known */
static int feature_ask(struct device *device, const char *name)
{
	static struct feature_names names;
	struct feature_states states = {.head = {.cmd = ETHTOOL_GFEATURES, .size = FEATURES_MAX / 32}};
	struct {
		struct ethtool_sset_info head;
		uint32_t count;
	} set = {.head = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES}};

	if (!device_ask(device, &set) || !set.head.sset_mask || set.count > FEATURES_MAX)
		return -1;
	names.head = (struct ethtool_gstrings){.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES, .len = set.count};
	if (!device_ask(device, &names) || !device_ask(device, &states))
		return -1;
	for (uint32_t i = 0; i < names.head.len && i < FEATURES_MAX; i++)
		if (strncmp(names.names[i], name, ETH_GSTRING_LEN) == 0)
			return (states.blocks[i / 32].active >> i % 32) & 1;
	return -1;
}

static void stamps_ask(struct device *device, struct facts_interface *interface)
{
	struct ethtool_ts_info info = {.cmd = ETHTOOL_GET_TS_INFO};

	if (device_ask(device, &info))
		interface->stamps = (info.so_timestamping & SOF_TIMESTAMPING_RX_HARDWARE) &&
				    (info.rx_filters & (1u << HWTSTAMP_FILTER_ALL));
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

	interface->gro = interface->gro_hw = interface->lro = interface->rxvlan = -1;
	interface->rss_symmetric = interface->stamps = -1;
	interface->queues = interface->queues_max = interface->nic_ring = interface->nic_ring_max = -1;
	if (device.fd < 0)
		return;
	memcpy(device.request.ifr_name, interface->name, sizeof(device.request.ifr_name));
	interface->gro = flag_ask(&device, ETHTOOL_GGRO, ~0u);
	interface->gro_hw = feature_ask(&device, "rx-gro-hw");
	interface->lro = flag_ask(&device, ETHTOOL_GFLAGS, ETH_FLAG_LRO);
	interface->rxvlan = flag_ask(&device, ETHTOOL_GFLAGS, ETH_FLAG_RXVLAN);
	queues_ask(&device, interface);
	symmetry_ask(&device, interface);
	stamps_ask(&device, interface);
	close(device.fd);
}
