// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "lib/recover_scan.h"

#define PROGRESS_BYTES (UINT64_C(4) << 20)
#define SECTION_LENGTH_AT 16u /* in its block */

enum block_type {
	BLOCK_SHB = 0x0A0D0D0A,
	BLOCK_IDB = 1,
	BLOCK_PACKET = 2,
	BLOCK_SPB = 3,
	BLOCK_ISB = 5,
	BLOCK_EPB = 6,
};

enum option_code {
	OPT_ENDOFOPT = 0,
	EPB_DROPCOUNT = 4,
	ISB_STARTTIME = 2,
	ISB_ENDTIME = 3,
	ISB_FILTERACCEPT = 6,
	ISB_OSDROP = 7,
	ISB_USRDELIV = 8,
};

#define PACKET_DROPS_UNKNOWN 0xFFFFu
#define PACKET_FIXED_BYTES 20u
#define ISB_FIXED_BYTES 12u
/* With all options that closing_put() knows. */
#define CLOSING_BYTES 88u

/* What an Interface Statistics Block says. Its options may be left out; UINT64_MAX: not said. */
struct statistics {
	uint64_t accepted, dropped, delivered;
};

/* What the section has of an interface. */
struct tally {
	uint64_t packets;
	uint64_t dropcounts;	  /* sum of epb_dropcount */
	uint64_t first, last;	  /* earliest and latest time stamp, in the interface's own ticks */
	bool timed;		  /* there are such */
	bool stated;		  /* there are statistics: the last ones follow */
	bool stated_last;	  /* behind the last packet */
	struct statistics stated_as;
};

struct walk {
	struct fancap_capfile *file;
	struct recover_scan *scan;
	struct tally *tallies;
	uint32_t n_tallies, max_tallies; /* of this section */
	uint64_t section_at;		 /* where the section's header begins */
	uint64_t section_body;		 /* where it ends */
	uint64_t section_told;		 /* its length, UINT64_MAX: not given */
	bool swapped;			 /* its byte order; the reader's may be that of a damaged header behind it */
};

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* --- the blocks that count ------------------------------------------------------------------------------ */

static int take_counter(struct fancap_capfile *file, const struct capfile_option *option, uint64_t *ret)
{
	if (option->n != 8)
		return capfile_damaged(file, "a counter (option %u) of %u bytes: it has 8", option->code, option->n);
	*ret = capfile_get64(file, option->value);
	return 0;
}

static int take_packet_option(struct fancap_capfile *file, const struct capfile_option *option, void *result)
{
	return option->code == EPB_DROPCOUNT ? take_counter(file, option, result) : 0;
}

static int take_statistics_option(struct fancap_capfile *file, const struct capfile_option *option, void *result)
{
	struct statistics *statistics = result;

	switch (option->code) {
	case ISB_FILTERACCEPT: return take_counter(file, option, &statistics->accepted);
	case ISB_OSDROP: return take_counter(file, option, &statistics->dropped);
	case ISB_USRDELIV: return take_counter(file, option, &statistics->delivered);
	default: return 0;
	}
}

static int take_any_option(struct fancap_capfile *file, const struct capfile_option *option, void *result)
{
	(void)file;
	(void)option;
	(void)result;
	return 0;
}

/* The length that a section gives is taken for what it is once the section's end is known: who died did not set it. */
static int walk_section(struct walk *walk, const struct capfile_block *block)
{
	struct fancap_capfile *file = walk->file;
	uint64_t length = file->offset - walk->section_body;

	if (walk->section_body != 0 && walk->section_told != UINT64_MAX && walk->section_told != length)
		return capfile_damaged(file, "a new section after %" PRIu64 " of the %" PRIu64 " bytes of the last", length,
				       walk->section_told);
	if (capfile_options_walk(file, block->body + 16, block->n - 16, take_any_option, NULL) < 0)
		return -EBADMSG;
	walk->section_at = file->offset;
	walk->section_body = file->offset + file->pending;
	walk->section_told = file->section_sized ? file->section_left : UINT64_MAX;
	walk->swapped = file->swapped;
	file->section_sized = false;
	walk->n_tallies = 0;
	return 0;
}

static int walk_interface(struct walk *walk)
{
	if (walk->n_tallies == walk->max_tallies) {
		uint32_t max = walk->max_tallies != 0 ? 2 * walk->max_tallies : 4;
		struct tally *tallies = reallocarray(walk->tallies, max, sizeof(*tallies));

		if (tallies == NULL)
			return -ENOMEM;
		walk->tallies = tallies;
		walk->max_tallies = max;
	}
	walk->tallies[walk->n_tallies++] = (struct tally){0};
	return 0;
}

static int walk_statistics(struct walk *walk, const struct capfile_block *block)
{
	struct fancap_capfile *file = walk->file;
	struct statistics statistics = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
	uint32_t interface;
	int r;

	if (block->n < ISB_FIXED_BYTES)
		return capfile_damaged(file, "statistics of %" PRIu32 " bytes: %u at least", block->n, ISB_FIXED_BYTES);
	interface = capfile_get32(file, block->body);
	if (interface >= walk->n_tallies)
		return capfile_damaged(file, "statistics of interface %" PRIu32 " of %" PRIu32, interface, walk->n_tallies);
	r = capfile_options_walk(file, block->body + ISB_FIXED_BYTES, block->n - ISB_FIXED_BYTES, take_statistics_option,
				 &statistics);
	if (r < 0)
		return r;
	walk->tallies[interface].stated = walk->tallies[interface].stated_last = true;
	walk->tallies[interface].stated_as = statistics;
	return 0;
}

static void note_time(struct recover_scan *scan, uint64_t time_ns)
{
	if (scan->first_ns == 0 || time_ns < scan->first_ns)
		scan->first_ns = time_ns;
	if (time_ns > scan->last_ns)
		scan->last_ns = time_ns;
}

static void tally_time(struct tally *tally, uint64_t ticks)
{
	if (!tally->timed || ticks < tally->first)
		tally->first = ticks;
	if (!tally->timed || ticks > tally->last)
		tally->last = ticks;
	tally->timed = true;
}

/* Enhanced and obsolete packet blocks. */
static int walk_timed_packet(struct walk *walk, const struct capfile_block *block, struct tally *tally,
			     uint64_t dropcount)
{
	struct fancap_capfile *file = walk->file;
	const uint8_t *p = block->body;
	/* Not the packet's: that is without the frame check sequence. */
	uint32_t options = PACKET_FIXED_BYTES + ((capfile_get32(file, p + 12) + 3) & ~3u);
	int r = 0;

	if (block->type == BLOCK_EPB)
		r = capfile_options_walk(file, p + options, block->n - options, take_packet_option, &dropcount);
	if (r < 0)
		return r;
	tally->dropcounts = add_saturating(tally->dropcounts, dropcount);
	tally_time(tally, (uint64_t)capfile_get32(file, p + 4) << 32 | capfile_get32(file, p + 8));
	note_time(walk->scan, block->packet.time_ns);
	return 0;
}

static int walk_packet(struct walk *walk, const struct capfile_block *block)
{
	const uint8_t *p = block->body;
	uint32_t interface = 0;
	uint64_t dropcount = 0;
	struct tally *tally;
	int r = 0;

	if (block->type == BLOCK_EPB) {
		interface = capfile_get32(walk->file, p);
	} else if (block->type == BLOCK_PACKET) {
		interface = capfile_get16(walk->file, p);
		dropcount = capfile_get16(walk->file, p + 2);
		if (dropcount == PACKET_DROPS_UNKNOWN)
			dropcount = 0;
	}
	tally = &walk->tallies[interface]; /* the reader has seen to it that there is one */
	if (block->type != BLOCK_SPB)
		r = walk_timed_packet(walk, block, tally, dropcount);
	if (r < 0)
		return r;
	tally->packets++;
	tally->stated_last = false;
	walk->scan->packets++;
	return 0;
}

static int walk_block(struct walk *walk)
{
	struct capfile_block block;
	int r = capfile_pcapng_block(walk->file, &block);

	if (r <= 0)
		return r;
	if (block.type == BLOCK_SHB)
		r = walk_section(walk, &block);
	else if (block.type == BLOCK_IDB)
		r = walk_interface(walk);
	else if (block.type == BLOCK_ISB)
		r = walk_statistics(walk, &block);
	else if (block.is_packet)
		r = walk_packet(walk, &block);
	else
		r = 0;
	return r < 0 ? r : 1;
}

/* A pcap file has packets only. */
static int walk_record(struct walk *walk)
{
	struct fancap_capfile_packet packet;
	int r = fancap_capfile_next(walk->file, &packet, NULL);

	if (r == 1) {
		walk->scan->packets++;
		note_time(walk->scan, packet.time_ns);
	}
	return r;
}

/* --- closing --------------------------------------------------------------------------------------------- */

static bool is_closed(const struct tally *tally)
{
	if (tally->packets == 0 && tally->dropcounts == 0)
		return true;
	if (!tally->stated)
		return false;
	return tally->stated_as.delivered == UINT64_MAX ? tally->stated_last
							: tally->stated_as.delivered == tally->packets;
}

static uint64_t figure(uint64_t stated)
{
	return stated == UINT64_MAX ? 0 : stated;
}

/* What the last statistics say was neither dropped by the kernel nor delivered. */
static uint64_t discarded(const struct tally *tally)
{
	const struct statistics *s = &tally->stated_as;
	uint64_t rest = tally->stated ? figure(s->accepted) : 0;

	rest -= figure(s->dropped) < rest ? figure(s->dropped) : rest;
	return rest - (figure(s->delivered) < rest ? figure(s->delivered) : rest);
}

/* In the section's own byte order. */
static uint8_t *put16(bool swapped, uint8_t *p, uint16_t value)
{
	value = swapped ? bswap_16(value) : value;
	memcpy(p, &value, sizeof(value));
	return p + sizeof(value);
}

static uint8_t *put32(bool swapped, uint8_t *p, uint32_t value)
{
	value = swapped ? bswap_32(value) : value;
	memcpy(p, &value, sizeof(value));
	return p + sizeof(value);
}

static uint8_t *put_time(bool swapped, uint8_t *p, uint64_t ticks)
{
	p = put32(swapped, p, (uint32_t)(ticks >> 32));
	return put32(swapped, p, (uint32_t)ticks);
}

static uint8_t *option_header(bool swapped, uint8_t *p, uint16_t code, uint16_t n)
{
	p = put16(swapped, p, code);
	return put16(swapped, p, n);
}

static uint8_t *option_time(bool swapped, uint8_t *p, uint16_t code, uint64_t ticks)
{
	return put_time(swapped, option_header(swapped, p, code, 8), ticks);
}

static uint8_t *option_counter(bool swapped, uint8_t *p, uint16_t code, uint64_t value)
{
	p = option_header(swapped, p, code, sizeof(value));
	value = swapped ? bswap_64(value) : value;
	memcpy(p, &value, sizeof(value));
	return p + sizeof(value);
}

static uint8_t *closing_put(bool swapped, uint8_t *p, uint32_t interface, const struct tally *tally)
{
	uint64_t dropped = tally->stated ? figure(tally->stated_as.dropped) : 0;
	uint8_t *start = p;
	uint32_t length;

	if (tally->dropcounts > dropped)
		dropped = tally->dropcounts;
	p = put32(swapped, p, BLOCK_ISB);
	p = put32(swapped, p, 0);
	p = put32(swapped, p, interface);
	p = put_time(swapped, p, tally->last);
	if (tally->timed) {
		p = option_time(swapped, p, ISB_STARTTIME, tally->first);
		p = option_time(swapped, p, ISB_ENDTIME, tally->last);
	}
	p = option_counter(swapped, p, ISB_FILTERACCEPT,
			   add_saturating(add_saturating(tally->packets, dropped), discarded(tally)));
	p = option_counter(swapped, p, ISB_OSDROP, dropped);
	p = option_counter(swapped, p, ISB_USRDELIV, tally->packets);
	p = option_header(swapped, p, OPT_ENDOFOPT, 0);
	length = (uint32_t)(p - start) + 4;
	put32(swapped, start + 4, length);
	return put32(swapped, p, length);
}

static int closing_make(struct walk *walk)
{
	struct recover_scan *scan = walk->scan;
	uint32_t n = 0;
	uint8_t *p;

	for (uint32_t i = 0; i < walk->n_tallies; i++)
		n += !is_closed(&walk->tallies[i]);
	if (n == 0)
		return 0;
	scan->closing = p = malloc((size_t)n * CLOSING_BYTES);
	if (p == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < walk->n_tallies; i++)
		if (!is_closed(&walk->tallies[i]))
			p = closing_put(walk->swapped, p, i, &walk->tallies[i]);
	scan->closing_bytes = (size_t)(p - scan->closing);
	return 0;
}

/* --- the whole --------------------------------------------------------------------------------------------- */

/* To the end or the damage. @return 0, -ECANCELED, -errno */
static int walk_all(struct walk *walk, int (*step)(struct walk *walk), recover_scan_progress *progress, void *arg)
{
	uint64_t next = PROGRESS_BYTES;
	int r;

	do {
		r = step(walk);
		if (walk->file->offset >= next) {
			next = walk->file->offset + PROGRESS_BYTES;
			if (!progress(arg, walk->file->offset))
				return -ECANCELED;
		}
	} while (r == 1 || r == -EINTR);
	walk->scan->end = walk->file->offset;
	if (r != -EBADMSG)
		return r;
	memcpy(walk->scan->reason, walk->file->damage, sizeof(walk->scan->reason));
	return 0;
}

int recover_scan(struct fancap_capfile *file, recover_scan_progress *progress, void *arg, struct recover_scan *ret)
{
	struct walk walk = {.file = file, .scan = ret, .section_told = UINT64_MAX};
	bool pcapng = file->next == capfile_pcapng_next;
	int r;

	*ret = (struct recover_scan){0};
	r = walk_all(&walk, pcapng ? walk_block : walk_record, progress, arg);
	if (r == 0 && pcapng)
		r = closing_make(&walk);
	if (walk.section_told != UINT64_MAX && walk.section_told != ret->end - walk.section_body + ret->closing_bytes)
		ret->section_length_at = walk.section_at + SECTION_LENGTH_AT;
	free(walk.tallies);
	return r;
}

void recover_scan_done(struct recover_scan *scan)
{
	free(scan->closing);
	scan->closing = NULL;
}
