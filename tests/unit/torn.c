// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/torn.h"

#include <assert.h>
#include <linux/if_packet.h>
#include <string.h>

#include "fancap/pcapng.h"

#define START_NS UINT64_C(1700000000000000000)
#define PAGE 4096u
#define CUSTOM_OPTION 2989u
#define PEN 32473u

static struct torn_block *current(struct torn_sample *sample)
{
	return &sample->blocks[sample->n_blocks - 1];
}

/* n bytes have been appended that make a block. */
static struct torn_block *block_add(struct torn_sample *sample, size_t n)
{
	assert(sample->n_blocks < TORN_BLOCKS_MAX && n % 4 == 0);
	sample->blocks[sample->n_blocks] = *current(sample);
	sample->n_blocks++;
	sample->n += n;
	current(sample)->end = sample->n;
	return current(sample);
}

static void header_add(struct torn_sample *sample)
{
	const struct fancap_pcapng_section section = {.os = "Linux", .application = "test"};
	const struct fancap_pcapng_interface interface = {.linktype = 1, .snaplen = 65535, .name = "eth0"};

	block_add(sample, fancap_pcapng_shb(sample->bytes + sample->n, &section));
	block_add(sample, fancap_pcapng_idb(sample->bytes + sample->n, &interface));
}

static void packet_count(struct torn_block *block, uint64_t time_ns, uint64_t dropcount)
{
	block->packets++;
	block->dropcounts += dropcount;
	if (block->first_ns == 0 || time_ns < block->first_ns)
		block->first_ns = time_ns;
	if (time_ns > block->last_ns)
		block->last_ns = time_ns;
}

/* Not quite in order, as from a ring. */
static uint64_t packet_time(struct torn_sample *sample)
{
	uint64_t i = current(sample)->packets;

	return START_NS + 1000 * (i ^ 1);
}

static void packet_add(struct torn_sample *sample, uint32_t caplen, uint64_t dropcount)
{
	static uint8_t data[2048];
	const struct fancap_packet packet = {.data = data, .caplen = caplen, .len = caplen + 7, .type = PACKET_HOST,
					     .time_ns = packet_time(sample)};

	memset(data, (int)caplen, sizeof(data));
	packet_count(block_add(sample, fancap_pcapng_epb(sample->bytes + sample->n, &packet, 65535, dropcount)),
		     packet.time_ns, dropcount);
}

static uint8_t *put16(uint8_t *p, uint16_t value)
{
	memcpy(p, &value, 2);
	return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t value)
{
	memcpy(p, &value, 4);
	return p + 4;
}

static uint8_t *put64(uint8_t *p, uint64_t value)
{
	memcpy(p, &value, 8);
	return p + 8;
}

static uint8_t *put_time(uint8_t *p, uint64_t ns)
{
	p = put32(p, (uint32_t)(ns >> 32));
	return put32(p, (uint32_t)ns);
}

static uint8_t *put_counter(uint8_t *p, uint16_t code, uint64_t value)
{
	return put64(put16(put16(p, code), 8), value);
}

/* A packet of 100 bytes in a block that one custom option fills up to a page's end. */
static void packet_add_filled(struct torn_sample *sample)
{
	uint8_t *start = sample->bytes + sample->n, *p = start;
	uint64_t time_ns = packet_time(sample);
	uint32_t length = PAGE - (uint32_t)(sample->n % PAGE), filler;

	if (length < 28 + 100 + 16)
		length += PAGE;
	filler = length - 28 - 100 - 4 - 8;
	p = put32(put32(put32(p, 6), length), 0);
	p = put32(put32(put_time(p, time_ns), 100), 100);
	memset(p, 0x5A, 100);
	p = put32(put16(put16(p + 100, CUSTOM_OPTION), (uint16_t)filler), PEN);
	memset(p, 0, filler - 4);
	p = put32(p + filler - 4, 0); /* opt_endofopt */
	p = put32(p, length);
	assert(p == start + length);
	packet_count(block_add(sample, length), time_ns, 0);
}

static size_t statistics_put(uint8_t *p, const struct torn_block *block)
{
	uint8_t *start = p;

	p = put32(put32(put32(p, 5), TORN_CLOSING_BYTES), 0);
	p = put_time(p, block->last_ns);
	p = put_time(put16(put16(p, 2), 8), block->first_ns);
	p = put_time(put16(put16(p, 3), 8), block->last_ns);
	p = put_counter(p, 6, block->accepted);
	p = put_counter(p, 7, block->dropped);
	p = put_counter(p, 8, block->delivered);
	p = put32(put32(p, 0), TORN_CLOSING_BYTES);
	return (size_t)(p - start);
}

/* Three were discarded for every packet dropped. */
static void statistics_add(struct torn_sample *sample)
{
	struct torn_block *block = current(sample);
	struct torn_block now = *block;

	now.delivered = now.packets;
	now.dropped = now.dropcounts + 1;
	now.accepted = now.delivered + 4 * now.dropped;
	block = block_add(sample, statistics_put(sample->bytes + sample->n, &now));
	block->delivered = now.delivered;
	block->dropped = now.dropped;
	block->accepted = now.accepted;
}

void torn_sample_make(struct torn_sample *sample, size_t n)
{
	memset(sample, 0, sizeof(*sample));
	sample->n_blocks = 1;
	header_add(sample);
	for (unsigned i = 0; sample->n < n; i++) {
		for (uint32_t k = 0; k < 20; k++)
			packet_add(sample, (60 + 37 * k + i) % 1515, k == 7 ? 5 : 0);
		statistics_add(sample);
		packet_add_filled(sample);
		packet_add_filled(sample);
	}
	packet_add(sample, 61, 0);
}

const struct torn_block *torn_block_before(const struct torn_sample *sample, size_t cut)
{
	unsigned i = sample->n_blocks - 1;

	while (sample->blocks[i].end > cut)
		i--;
	return &sample->blocks[i];
}

size_t torn_expect(const struct torn_sample *sample, const struct torn_block *block, uint8_t *ret)
{
	struct torn_block closing = *block;

	memcpy(ret, sample->bytes, block->end);
	if (block->delivered == block->packets)
		return block->end;
	closing.delivered = block->packets;
	closing.dropped = block->dropped > block->dropcounts ? block->dropped : block->dropcounts;
	closing.accepted = closing.delivered + closing.dropped +
			   (block->accepted - block->dropped - block->delivered);
	return block->end + statistics_put(ret + block->end, &closing);
}
