// SPDX-License-Identifier: BSD-3-Clause
#include "replay/sender.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "fancap/tx.h"
#include "replay/clock.h"
#include "replay/feed.h"

/*
 * A ring that stays in the processor's cache is faster than a large one. The kernel is asked to send when a batch has
 * come together, so a system call serves many packets.
 */
#define RING_BYTES (1u << 20)
#define RING_PACKETS_MIN 16u
#define RING_PACKETS_MAX 512u
#define BATCH_MAX 64u

#define FULL_WAIT_MS 1
#define STOP_LIMIT_NS CLOCK_NS_PER_S

struct sender {
	struct fancap_tx *tx;
	const char *interface;
	struct fancap_link link; /* as it was, but its MTU never greater than it is now */
	const volatile int *stop;
	bool qdisc;
	uint32_t batch;
	uint32_t unsent;      /* put since the last send */
	uint32_t *lens;	      /* of the packets whose fate is not known, a ring of n_lens */
	uint32_t n_lens;
	uint64_t put, reaped; /* how many packets; positions in lens */
};

static uint32_t ring_packets(uint32_t packet_max)
{
	uint32_t n = RING_PACKETS_MIN;

	while (n < RING_PACKETS_MAX && 2 * n * (packet_max + 64) <= RING_BYTES)
		n *= 2;
	return n;
}

static int open_ring(const struct sender_params *params, struct fancap_tx **ret, struct fancap_error *err)
{
	const struct fancap_tx_params wanted = {
		.interface = params->interface,
		.ifindex = params->link.ifindex,
		.version = FANCAP_V2,
		.type = FANCAP_RAW,
		.packet_max = params->packet_max,
		.packets = ring_packets(params->packet_max),
		.skip_wrong = true,
		.copy = true, /* feed_fit() sees to the lengths */
		.qdisc_bypass = !params->qdisc,
	};

	return fancap_tx_open(&wanted, ret, err);
}

int sender_open(const struct sender_params *params, struct sender **ret, struct fancap_error *err)
{
	struct sender *sender = calloc(1, sizeof(*sender));
	int r;

	if (sender == NULL) {
		fancap_error_set(err, "out of memory");
		return -ENOMEM;
	}
	sender->interface = params->interface;
	sender->link = params->link;
	sender->stop = params->stop;
	sender->qdisc = params->qdisc;
	r = open_ring(params, &sender->tx, err);
	if (r < 0)
		goto fail;
	sender->n_lens = fancap_tx_packets(sender->tx);
	sender->batch = sender->n_lens / 2 < BATCH_MAX ? sender->n_lens / 2 : BATCH_MAX;
	sender->lens = calloc(sender->n_lens, sizeof(*sender->lens));
	if (sender->lens == NULL) {
		fancap_error_set(err, "out of memory");
		r = -ENOMEM;
		goto fail;
	}
	*ret = sender;
	return 0;
fail:
	sender_close(sender);
	return r;
}

void sender_close(struct sender *sender)
{
	if (sender == NULL)
		return;
	fancap_tx_close(sender->tx);
	free(sender->lens);
	free(sender);
}

static void reap(struct sender *sender, struct replay_counts *counts)
{
	enum fancap_tx_fate fate;

	while (fancap_tx_reap(sender->tx, &fate) == 1) {
		uint32_t len = sender->lens[sender->reaped++ % sender->n_lens];

		if (fate == FANCAP_TX_SENT) {
			counts->packets_sent++;
			counts->bytes_sent += len;
		} else {
			counts->skipped[SKIP_REFUSED]++;
		}
	}
}

/* Whether the packets stay queued and will be accepted later, without more ado. */
static bool is_for_now(int error)
{
	return error == -EAGAIN || error == -ENOBUFS || error == -EINTR;
}

/* The kernel compares no lengths with the MTU (fancap_tx_params.copy), and the ring has room for the first MTU only. */
static void follow_mtu(struct sender *sender)
{
	struct ifreq ifr = {0};

	strncpy(ifr.ifr_name, sender->interface, sizeof(ifr.ifr_name) - 1);
	if (ioctl(fancap_tx_fd(sender->tx), SIOCGIFMTU, &ifr) < 0)
		return; /* gone: sending tells */
	if ((unsigned)ifr.ifr_mtu < sender->link.mtu)
		sender->link.mtu = (unsigned)ifr.ifr_mtu;
}

/*
 * Without carrier the driver takes nothing, for as long as that lasts; the queueing discipline takes all of it, and sends
 * none. Flags are cheap to ask for, but a moment behind: they may not yet say that a link has come up.
 */
static bool has_lost_carrier(const struct sender *sender)
{
	struct ifreq ifr = {0};
	struct fancap_link link;

	strncpy(ifr.ifr_name, sender->interface, sizeof(ifr.ifr_name) - 1);
	if (ioctl(fancap_tx_fd(sender->tx), SIOCGIFFLAGS, &ifr) < 0 || (ifr.ifr_flags & IFF_RUNNING) != 0)
		return false;
	return fancap_link_query(sender->interface, &link, NULL) == 0 && link.up && !link.carrier;
}

uint32_t sender_mtu(const struct sender *sender)
{
	return feed_mtu(&sender->link);
}

int sender_flush(struct sender *sender, struct replay_counts *counts, struct fancap_error *err)
{
	int r = fancap_tx_send(sender->tx, false);

	sender->unsent = 0;
	reap(sender, counts);
	follow_mtu(sender);
	if ((r == -ENOBUFS || sender->qdisc) && has_lost_carrier(sender)) {
		fancap_error_set(err, "%s: " SENDER_NO_CARRIER, sender->interface);
		return -ENETDOWN;
	}
	if (r >= 0 || is_for_now(r))
		return 0;
	fancap_error_set(err, "%s: sending: %s", sender->interface, strerror(-r));
	return r;
}

/* POLLOUT does not prove that there is room, so the wait is short in any case. */
static void wait_for_room(struct sender *sender)
{
	struct pollfd fd = {.fd = fancap_tx_fd(sender->tx), .events = POLLOUT};

	if (poll(&fd, 1, FULL_WAIT_MS) > 0)
		poll(NULL, 0, FULL_WAIT_MS);
}

/* @return room for a packet, or NULL and *ret_error as sender_put() */
static void *frame(struct sender *sender, struct replay_counts *counts, struct fancap_error *err, int *ret_error)
{
	for (;;) {
		void *frame = fancap_tx_frame(sender->tx);

		if (frame != NULL)
			return frame;
		reap(sender, counts);
		frame = fancap_tx_frame(sender->tx);
		if (frame != NULL)
			return frame;
		*ret_error = *sender->stop != 0 ? -EINTR : sender_flush(sender, counts, err);
		if (*ret_error < 0)
			return NULL;
		if (fancap_tx_frame(sender->tx) == NULL)
			wait_for_room(sender);
	}
}

/* Most are shorter than any MTU, and need no second look. */
static bool has_become_too_long(const struct sender *sender, const struct replay_packet *packet)
{
	return packet->len > sender->link.mtu &&
	       feed_fit(&sender->link, (uint16_t)sender->link.linktype, packet) == SKIP_TOO_LONG;
}

int sender_put(struct sender *sender, const struct replay_packet *packet, struct replay_counts *counts,
	       struct fancap_error *err)
{
	int r = 0;
	void *data;

	if (has_become_too_long(sender, packet)) {
		counts->skipped[SKIP_TOO_LONG]++;
		return 0;
	}
	data = frame(sender, counts, err, &r);
	if (data == NULL)
		return r;
	memcpy(data, packet->data, packet->len);
	r = fancap_tx_queue(sender->tx, packet->len, 0);
	if (r < 0) {
		fancap_error_set(err, "%s: a packet of %u bytes: %s", sender->interface, packet->len, strerror(-r));
		return r;
	}
	sender->lens[sender->put++ % sender->n_lens] = packet->len;
	if (++sender->unsent < sender->batch)
		return 1;
	r = sender_flush(sender, counts, err);
	return r < 0 ? r : 1;
}

int sender_finish(struct sender *sender, struct replay_counts *counts, struct fancap_error *err)
{
	uint64_t limit_ns = 0;

	for (;;) {
		int r = sender_flush(sender, counts, err);

		if (r < 0 || fancap_tx_pending(sender->tx) == 0)
			return r;
		if (*sender->stop != 0 && limit_ns == 0)
			limit_ns = clock_now_ns() + STOP_LIMIT_NS;
		if (limit_ns != 0 && clock_now_ns() > limit_ns)
			return -ETIME;
		wait_for_room(sender);
	}
}
