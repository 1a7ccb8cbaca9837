// SPDX-License-Identifier: BSD-3-Clause
#include "replay/feed.h"

#include <errno.h>
#include <net/ethernet.h>
#include <stdlib.h>

#include "fancap/filter.h"
#include "replay/merge.h"
#include "replay/store.h"

#define VLAN_TAG_BYTES 4u
#define MTU_MAX 65536u
/* In files only: what a raw IP interface also takes. */
#define LINKTYPE_IPV4 228
#define LINKTYPE_IPV6 229

struct feed {
	struct fancap_link link;
	const volatile int *stop;
	struct merge *merge;
	struct fancap_filter filter;
	bool preloaded;
	struct store store;
	struct replay_counts stored; /* skipped while it was filled: so many in each pass */
};

/* --- what fits -------------------------------------------------------------------------------------- */

static uint32_t header_bytes(const struct fancap_link *link)
{
	return link->linktype == FANCAP_LINKTYPE_ETHERNET ? ETHER_HDR_LEN : 0;
}

/*
 * Files of cooked packets fit nothing: their header is the capture's own, no link has it on the wire. Not even where we
 * capture cooked ourselves.
 */
static bool linktype_fits(const struct fancap_link *link, uint16_t linktype)
{
	if (link->linktype == FANCAP_LINKTYPE_LINUX_SLL2)
		return false;
	if (linktype == link->linktype)
		return true;
	return link->linktype == FANCAP_LINKTYPE_RAW &&
	       (linktype == LINKTYPE_IPV4 || linktype == LINKTYPE_IPV6);
}

/* tpacket_snd(): an 802.1Q tag goes beyond the MTU, others do not. */
static bool has_extra_tag(const struct fancap_link *link, const uint8_t *data)
{
	return link->linktype == FANCAP_LINKTYPE_ETHERNET && data[12] == ETHERTYPE_VLAN >> 8 &&
	       data[13] == (ETHERTYPE_VLAN & 0xFF);
}

uint32_t feed_mtu(const struct fancap_link *link)
{
	return link->mtu < MTU_MAX ? link->mtu : MTU_MAX;
}

uint32_t feed_packet_max(const struct fancap_link *link)
{
	uint32_t header = header_bytes(link);

	return feed_mtu(link) + header + (header != 0 ? VLAN_TAG_BYTES : 0);
}

enum skip_reason feed_fit(const struct fancap_link *link, uint16_t linktype, const struct replay_packet *packet)
{
	uint32_t header = header_bytes(link), max;

	if (!linktype_fits(link, linktype))
		return SKIP_LINK_TYPE;
	if (packet->len < header || packet->len == 0)
		return SKIP_TOO_SHORT;
	max = feed_mtu(link) + header + (has_extra_tag(link, packet->data) ? VLAN_TAG_BYTES : 0);
	return packet->len > max ? SKIP_TOO_LONG : SKIP_REASONS;
}

/* The order matters: the filter is compiled for the interface's link type, and wants to see all of the packet. */
static enum skip_reason judge(const struct feed *feed, const struct fancap_capfile_packet *packet,
			      struct replay_packet *ret)
{
	*ret = (struct replay_packet){.data = packet->data, .len = packet->len, .time_ns = packet->time_ns};
	if (!linktype_fits(&feed->link, packet->linktype))
		return SKIP_LINK_TYPE;
	if (!fancap_filter_matches(&feed->filter, packet->data, packet->caplen, packet->len))
		return SKIP_FILTER;
	if (packet->caplen < packet->len)
		return SKIP_CUT;
	return feed_fit(&feed->link, packet->linktype, ret);
}

/* --- the feed ---------------------------------------------------------------------------------------- */

int feed_open(const struct feed_params *params, struct feed **ret, struct fancap_error *err)
{
	struct feed *feed = calloc(1, sizeof(*feed));
	struct fancap_error why = {""};
	int r;

	if (feed == NULL) {
		fancap_error_set(err, "out of memory");
		return -ENOMEM;
	}
	feed->link = params->link;
	feed->stop = params->stop;
	r = fancap_filter_compile(params->filter, (int)params->link.linktype, FANCAP_SNAPLEN_MAX, NULL,
				  &feed->filter, &why);
	if (r < 0)
		fancap_error_set(err, "filter '%s': %.200s", params->filter, why.text);
	else
		r = merge_open(params->paths, params->n_paths, &feed->merge, err);
	if (r < 0) {
		feed_close(feed);
		return r;
	}
	*ret = feed;
	return 0;
}

void feed_close(struct feed *feed)
{
	if (feed == NULL)
		return;
	merge_close(feed->merge);
	fancap_filter_done(&feed->filter);
	store_done(&feed->store);
	free(feed);
}

static int next_of_files(struct feed *feed, struct replay_counts *counts, struct replay_packet *ret,
			 struct fancap_error *err)
{
	struct fancap_capfile_packet packet;
	int r;

	while (*feed->stop == 0) {
		enum skip_reason reason;

		r = merge_next(feed->merge, &packet, err);
		if (r == -EINTR)
			continue;
		if (r <= 0)
			return r;
		reason = judge(feed, &packet, ret);
		if (reason == SKIP_REASONS)
			return 1;
		counts->skipped[reason]++;
	}
	return -EINTR;
}

int feed_preload(struct feed *feed, struct fancap_error *err)
{
	struct replay_packet packet;
	int r;

	while ((r = next_of_files(feed, &feed->stored, &packet, err)) != 0) {
		if (r < 0)
			return r;
		if (store_add(&feed->store, &packet) == 0)
			continue;
		fancap_error_set(err, "out of memory after %zu MiB of packets: without --preload they are read "
				 "as they are sent", feed->store.n >> 20);
		return -ENOMEM;
	}
	feed->preloaded = true;
	return 0;
}

/* The packets that are not in the store are counted with the first one that is. */
static int next_of_store(struct feed *feed, struct replay_counts *counts, struct replay_packet *ret)
{
	if (feed->store.at == 0)
		for (unsigned i = 0; i < SKIP_REASONS; i++)
			counts->skipped[i] += feed->stored.skipped[i];
	return store_next(&feed->store, ret);
}

int feed_next(struct feed *feed, struct replay_counts *counts, struct replay_packet *ret, struct fancap_error *err)
{
	return feed->preloaded ? next_of_store(feed, counts, ret) : next_of_files(feed, counts, ret, err);
}

bool feed_may_wait(const struct feed *feed)
{
	return !feed->preloaded && merge_may_wait(feed->merge);
}

int feed_rewind(struct feed *feed, struct fancap_error *err)
{
	feed->store.at = 0;
	return feed->preloaded ? 0 : merge_rewind(feed->merge, err);
}
