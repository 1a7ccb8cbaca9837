// SPDX-License-Identifier: BSD-3-Clause
#include <linux/if_packet.h>
#include <stdbool.h>

#include "lib/scout.h"

#define SCOUTS 16u
#define SLOT_ALIGN 8u
#define CACHE_LINE 64u

/* What is read of a header here. Behind it there is an address, and the packet's first bytes. */
#define HEADER_BYTES ((uint32_t)sizeof(struct tpacket3_hdr))

/* So far a scout looks for a header: few packets are longer, and with such there are few headers to be fetched. */
#define LOOK_BYTES 2048u

struct scout {
	uint32_t at;  ///< offset of a header
	uint32_t end; ///< where the next scout began
};

/*
 * To be written to: the line may be a changed one in the cache of the processor that received the packet, and asking for
 * it twice, to read and then to write, would cost twice.
 */
#ifndef SCOUT_FETCH_LINE /* a test's own */
#ifdef __x86_64__
/* No instruction of the baseline's; processors that do not know it do nothing. */
#define SCOUT_FETCH_LINE(p) __asm__ volatile("prefetchw %0" : : "m"(*(p)))
#else
#define SCOUT_FETCH_LINE(p) __builtin_prefetch(p, 1)
#endif
#endif

static inline const struct tpacket3_hdr *header(const uint8_t *block, uint32_t at)
{
	return (const struct tpacket3_hdr *)(const void *)(block + at);
}

static inline uint32_t step_of(const struct tpacket3_hdr *h)
{
	return (h->tp_mac + h->tp_snaplen + SLOT_ALIGN - 1) & ~(SLOT_ALIGN - 1);
}

/* Random bytes pass for a header about never; another packet's header inside of a packet may. */
static inline bool is_like(const struct tpacket3_hdr *h, const struct tpacket3_hdr *model)
{
	return h->tp_next_offset == step_of(h) && h->tp_mac == model->tp_mac && h->tp_sec - model->tp_sec <= 1;
}

/* @return offset of what looks like a header, the first one from `at` on; limit: none is near */
static uint32_t find(const uint8_t *block, uint32_t at, uint32_t limit, const struct tpacket3_hdr *model)
{
	uint32_t end = limit - at < LOOK_BYTES ? limit : at + LOOK_BYTES;

	for (; at + HEADER_BYTES <= end; at += SLOT_ALIGN)
		if (is_like(header(block, at), model))
			return at;
	return limit;
}

/* One header on, and never back: what looks like one may be somebody's who means ill. @return whether there is more */
static inline bool advance(struct scout *scout, const uint8_t *block)
{
	uint32_t step = header(block, scout->at)->tp_next_offset, room = scout->end - scout->at;

	if (step < HEADER_BYTES || step % SLOT_ALIGN != 0 || step > room || room - step < HEADER_BYTES) {
		scout->at = scout->end;
		return false;
	}
	scout->at += step;
	SCOUT_FETCH_LINE(block + scout->at);
	SCOUT_FETCH_LINE(block + scout->at + CACHE_LINE);
	return true;
}

static unsigned send_out(struct scout scouts[SCOUTS], const uint8_t *block, uint32_t at, uint32_t end)
{
	const struct tpacket3_hdr *first = header(block, at);
	uint32_t part = ((end - at) / SCOUTS) & ~(SLOT_ALIGN - 1);
	unsigned n = 0;

	for (unsigned i = 0; i < SCOUTS; i++) {
		uint32_t begin = i == 0 ? at : find(block, at + i * part, end, first);

		if (begin == end)
			continue;
		if (n > 0)
			scouts[n - 1].end = begin;
		scouts[n++] = (struct scout){.at = begin, .end = end};
	}
	return n;
}

uint32_t scout_fetch(const uint8_t *block, uint32_t at, uint32_t limit)
{
	uint32_t end = limit - at < SCOUT_BYTES ? limit : at + SCOUT_BYTES;
	struct scout scouts[SCOUTS];
	unsigned n, under_way;

	if (at % SLOT_ALIGN != 0 || end - at < SCOUTS * LOOK_BYTES)
		return end;
	n = send_out(scouts, block, at, end);
	do {
		under_way = 0;
		for (unsigned i = 0; i < n; i++)
			under_way += scouts[i].at < scouts[i].end && advance(&scouts[i], block);
	} while (under_way > 0);
	return end;
}
