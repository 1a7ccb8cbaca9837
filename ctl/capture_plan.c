// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/capture_plan.h"

#include <errno.h>
#include <stdio.h>

#include "common/direct.h"
#include "common/units.h"
#include "fancap/filter.h"
#include "fancap/pcapng.h"

#define MS_PER_S 1000u
#define NS_PER_S 1000000000u
#define GIB (1ull << 30)
#define TIB (1ull << 40)

/* What fancapd asks the kernel to leave free before packets, so that their data is aligned. */
#define RESERVE_BYTES 2u

/* The defaults of fancapd that a plan stands on: files of storage.rotate.size, storage.retain.free of a file system. */
#define FILE_BYTES GIB
#define FILE_SYSTEM_PERCENT 95u

/* --- what fancapd.yaml can say ---------------------------------------------------------------------------- */

struct range {
	const char *what;
	uint64_t value, min, max;
	void (*format)(uint64_t number, char text[UNITS_TEXT_MAX]);
};

static void format_number(uint64_t number, char text[UNITS_TEXT_MAX])
{
	snprintf(text, UNITS_TEXT_MAX, "%llu", (unsigned long long)number);
}

static int ranges_check(const struct range *ranges, size_t n, struct fancap_error *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct range *range = &ranges[i];
		char value[UNITS_TEXT_MAX], min[UNITS_TEXT_MAX], max[UNITS_TEXT_MAX];

		if (!range->value || (range->value >= range->min && range->value <= range->max))
			continue;
		range->format(range->value, value);
		range->format(range->min, min);
		range->format(range->max, max);
		fancap_error_set(err, "%s %s is out of range: fancapd takes %s to %s", range->what, value, min, max);
		return -EINVAL;
	}
	return 0;
}

static int wish_check(const struct capture_wish *wish, struct fancap_error *err)
{
	const struct range ranges[] = {
		{"mean packet size", wish->packet_bytes, 1, FANCAP_SNAPLEN_MAX, format_number},
		{"snaplen", wish->snaplen, 1, FANCAP_SNAPLEN_MAX, format_number},
		{"number of workers", wish->workers, 1, 256, format_number},
		{"block size", wish->block_bytes, 4096, 1ull << 30, units_format_size},
		{"ring size", wish->ring_bytes, 4096, 16 * TIB, units_format_size},
		{"time to keep", wish->keep_ms, MS_PER_S, 36500ull * 86400 * MS_PER_S, units_format_duration},
	};

	return ranges_check(ranges, sizeof(ranges) / sizeof(ranges[0]), err);
}

static int plan_check(const struct capture_plan *plan, struct fancap_error *err)
{
	const struct range ranges[] = {
		{"ring size", plan->rings.ring.size_bytes, 4096, 16 * TIB, units_format_size},
		{"room for recordings", plan->retain_bytes, 1ull << 20, 1024 * TIB, units_format_size},
	};

	return ranges_check(ranges, sizeof(ranges) / sizeof(ranges[0]), err);
}

/* --- arithmetic ------------------------------------------------------------------------------------------- */

/* a * b / c, rounded up, or UINT64_MAX where that is not enough. */
static uint64_t scale_up(uint64_t a, uint64_t b, uint64_t c)
{
	unsigned __int128 result = ((unsigned __int128)a * b + c - 1) / c;

	return result > UINT64_MAX ? UINT64_MAX : (uint64_t)result;
}

static uint64_t round_up(uint64_t value, uint64_t step)
{
	return value > UINT64_MAX - step ? UINT64_MAX / step * step : (value + step - 1) / step * step;
}

/* What lies in the ring goes into the file with the gaps between packets; what is packed goes without. */
static uint64_t record_bytes(const struct fancap_plan *rings)
{
	uint32_t caplen = rings->packet_bytes < rings->ring.snaplen ? rings->packet_bytes : rings->ring.snaplen;
	struct fancap_packet packet = {.caplen = caplen, .len = rings->packet_bytes};
	uint64_t packed = fancap_pcapng_epb_bytes(&packet, rings->ring.snaplen, 0);
	uint64_t slot = scale_up(rings->ring.block_bytes, 1, rings->packets_per_block);

	return slot < DIRECT_MEAN_BYTES ? packed : slot;
}

/* How much the recordings may take, the open files included, in whole GiB; fancapd wants two files for each worker. */
static uint64_t retain_bytes(const struct capture_plan *plan)
{
	uint64_t closed = scale_up(plan->written_per_s, plan->keep_ms, MS_PER_S);
	uint64_t files = plan->rings.workers * FILE_BYTES;
	uint64_t all = closed > UINT64_MAX - files ? UINT64_MAX : closed + files;

	return round_up(all > 2 * files ? all : 2 * files, GIB);
}

static void plan_disk(struct capture_plan *plan)
{
	const struct fancap_plan *rings = &plan->rings;

	plan->record_bytes = record_bytes(rings);
	plan->written_per_s = scale_up(rings->packets_per_s, plan->record_bytes, 1);
	plan->file_ns = scale_up(FILE_BYTES * rings->workers, NS_PER_S, plan->written_per_s);
	if (!plan->keep_ms)
		return;
	plan->retain_bytes = retain_bytes(plan);
	plan->file_system_bytes = scale_up(plan->retain_bytes, 100, FILE_SYSTEM_PERCENT);
}

int capture_plan(const struct capture_wish *wish, struct capture_plan *ret, struct fancap_error *err)
{
	struct capture_plan plan = {.keep_ms = wish->keep_ms};
	int r = wish_check(wish, err);

	if (r == 0) {
		const struct fancap_plan_params params = {
			.size_bytes = wish->ring_bytes,
			.buffer_ms = wish->outage_ms,
			.packets_per_s = wish->packets_per_s,
			.bits_per_s = wish->bits_per_s,
			.packet_bytes = (uint32_t)wish->packet_bytes,
			.snaplen = (uint32_t)wish->snaplen,
			.block_bytes = (uint32_t)wish->block_bytes,
			.workers = (unsigned)wish->workers,
			.reserve_bytes = RESERVE_BYTES,
		};

		r = fancap_plan(&params, &plan.rings, err);
	}
	if (r == 0 && plan.keep_ms && !plan.rings.packets_per_s) {
		fancap_error_set(err, "how much disk that takes depends on what comes: give a packet or bit rate");
		r = -EINVAL;
	}
	if (r < 0)
		return r;
	plan.memory_bytes = plan.rings.total_bytes + plan.rings.workers * CAPTURE_PLAN_WORKER_BYTES;
	if (plan.rings.packets_per_s)
		plan_disk(&plan);
	r = plan_check(&plan, err);
	if (r == 0)
		*ret = plan;
	return r;
}
