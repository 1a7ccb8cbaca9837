// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include "fancap/filter.h"
#include "fancap/planner.h"

#define BLOCK_BYTES_DEFAULT (1u << 20)
#define BLOCK_BYTES_MAX (1u << 30)
#define BLOCK_TIMEOUT_DEFAULT_MS 100u
#define BLOCK_TIMEOUT_MAX_MS 60000u /* fancap_geometry_plan() */
#define BLOCKS_MAX 65535u
#define WORKERS_MAX 65536u

#define NS_PER_MS 1000000u
#define NS_PER_S 1000000000u

/*
 * Beyond these nothing is a plan, and below them no product overflows 128 bits or a quotient 64. The greatest ring has
 * the most blocks of the greatest size; the longest time is what all but one of its blocks take at the longest timeout.
 */
#define PACKETS_PER_S_MAX 1000000000000u
#define BITS_PER_S_MAX 1000000000000000u
#define RING_BYTES_MAX ((uint64_t)BLOCKS_MAX * BLOCK_BYTES_MAX)
#define BUFFER_MS_MAX ((BLOCKS_MAX - 1ull) * BLOCK_TIMEOUT_MAX_MS)

/* An Ethernet packet in a block: its headers end there, as tpacket_rcv() lays them out (TPACKET3_HDRLEN + 14 bytes). */
#define BLOCK_HEAD_BYTES 48u
#define SLOT_HEAD_BYTES 82u

static uint64_t round_up(uint64_t value, uint64_t step)
{
	return (value + step - 1) / step * step;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* a * b / c, or UINT64_MAX where that is not enough. */
static uint64_t scale(uint64_t a, uint64_t b, uint64_t c)
{
	unsigned __int128 result = (unsigned __int128)a * b / c;

	return result > UINT64_MAX ? UINT64_MAX : (uint64_t)result;
}

static uint64_t divide_up(uint64_t a, uint64_t b)
{
	return a / b + (a % b != 0);
}

static int check_range(const char *what, uint64_t value, uint64_t max, struct fancap_error *err)
{
	if (value <= max)
		return 0;
	fancap_error_set(err, "%s %llu is out of range: at most %llu is allowed", what,
			 (unsigned long long)value, (unsigned long long)max);
	return -EINVAL;
}

static int check_ranges(const struct fancap_plan_params *params, struct fancap_error *err)
{
	const struct {
		const char *what;
		uint64_t value, max;
	} rows[] = {
		{"packet rate", params->packets_per_s, PACKETS_PER_S_MAX},
		{"bit rate", params->bits_per_s, BITS_PER_S_MAX},
		{"buffering time in ms", params->buffer_ms, BUFFER_MS_MAX},
		{"mean packet size", params->packet_bytes, FANCAP_SNAPLEN_MAX},
		{"number of workers", params->workers, WORKERS_MAX},
		{"block size", params->block_bytes, BLOCK_BYTES_MAX},
		{"ring size", params->size_bytes, RING_BYTES_MAX},
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && r == 0; i++)
		r = check_range(rows[i].what, rows[i].value, rows[i].max, err);
	return r;
}

/* --- rates: of packets, bits and mean size, two make the third --------------------------------------------------- */

static int plan_packet_size(struct fancap_plan *plan, struct fancap_error *err)
{
	uint64_t bytes = plan->bits_per_s / 8 / plan->packets_per_s;

	if (plan->packet_bytes == 0) {
		if (bytes == 0 || bytes > FANCAP_SNAPLEN_MAX) {
			fancap_error_set(err, "%llu bits and %llu packets per second make packets of %llu bytes: "
					 "1 to %u are possible", (unsigned long long)plan->bits_per_s,
					 (unsigned long long)plan->packets_per_s, (unsigned long long)bytes,
					 FANCAP_SNAPLEN_MAX);
			return -EINVAL;
		}
		plan->packet_bytes = (uint32_t)bytes;
		return 0;
	}
	/* What was rounded by hand agrees to the byte. */
	if (bytes + 1 < plan->packet_bytes || bytes > plan->packet_bytes + 1ull) {
		fancap_error_set(err, "%llu bits and %llu packets per second make packets of %llu bytes, not %u: "
				 "leave one of the three out", (unsigned long long)plan->bits_per_s,
				 (unsigned long long)plan->packets_per_s, (unsigned long long)bytes,
				 plan->packet_bytes);
		return -EINVAL;
	}
	return 0;
}

static int plan_rate(struct fancap_plan *plan, struct fancap_error *err)
{
	if (plan->packets_per_s != 0 && plan->bits_per_s != 0)
		return plan_packet_size(plan, err);
	if (plan->packets_per_s == 0 && plan->bits_per_s == 0)
		return 0;
	if (plan->packet_bytes == 0) {
		fancap_error_set(err, "a %s rate alone does not say how much memory packets take: give their mean "
				 "size too", plan->bits_per_s != 0 ? "bit" : "packet");
		return -EINVAL;
	}
	if (plan->packets_per_s == 0)
		plan->packets_per_s = divide_up(plan->bits_per_s, plan->packet_bytes * 8ull);
	else
		plan->bits_per_s = plan->packets_per_s * plan->packet_bytes * 8;
	return 0;
}

/* --- blocks ------------------------------------------------------------------------------------------------------ */

/*
 * The kernel puts a packet into an open block only if a byte remains behind it (prb_lookup: "<", not "<="), but for the
 * first.
 */
static uint32_t packets_per_block(const struct fancap_ring_params *ring, uint32_t packet_bytes)
{
	uint64_t head = BLOCK_HEAD_BYTES + round_up(ring->priv_bytes, 8);
	uint64_t slot = round_up(SLOT_HEAD_BYTES + ring->reserve_bytes + least(packet_bytes, ring->snaplen), 8);
	uint64_t room = ring->block_bytes > head ? ring->block_bytes - head - 1 : 0;

	return room < slot ? 1 : (uint32_t)(room / slot);
}

/* How long a block lasts, at the rate of one worker. */
static uint64_t block_ns(const struct fancap_plan *plan)
{
	uint64_t timeout_ns = (uint64_t)plan->ring.block_timeout_ms * NS_PER_MS;

	if (plan->packets_per_s == 0)
		return timeout_ns;
	return least(timeout_ns, scale((uint64_t)plan->packets_per_block * plan->workers, NS_PER_S,
				       plan->packets_per_s));
}

static void set_block(struct fancap_plan *plan, uint64_t bytes)
{
	plan->ring.block_bytes = (uint32_t)bytes;
	if (plan->packet_bytes != 0)
		plan->packets_per_block = packets_per_block(&plan->ring, plan->packet_bytes);
}

/* Blocks that the ring must have, as blocks now are; beyond what a ring can have it does not matter how many. */
static uint64_t blocks_needed(const struct fancap_plan *plan, const struct fancap_plan_params *params)
{
	uint64_t life_ns;

	if (params->size_bytes != 0)
		return divide_up(params->size_bytes, plan->ring.block_bytes);
	life_ns = block_ns(plan);
	return life_ns == 0 ? UINT32_MAX : least(divide_up(params->buffer_ms * NS_PER_MS, life_ns) + 1, UINT32_MAX);
}

static int too_slow(const struct fancap_plan *plan, const struct fancap_plan_params *params,
		    struct fancap_error *err)
{
	fancap_error_set(err, "%llu ms of buffering would take more than %u blocks of %u bytes, even if every one "
			 "lasts %u ms: use a longer block timeout, larger blocks or more workers",
			 (unsigned long long)params->buffer_ms, BLOCKS_MAX, plan->ring.block_bytes,
			 plan->ring.block_timeout_ms);
	return -EINVAL;
}

/* The block size that was asked for; or the usual one, or twice that and so on until blocks are few enough. */
static int plan_blocks(struct fancap_plan *plan, const struct fancap_plan_params *params, struct fancap_error *err)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
	bool fixed = params->block_bytes != 0;
	uint64_t blocks;

	set_block(plan, round_up(fixed ? params->block_bytes : BLOCK_BYTES_DEFAULT, page));
	blocks = blocks_needed(plan, params);
	while (blocks > BLOCKS_MAX && !fixed && plan->ring.block_bytes < BLOCK_BYTES_MAX) {
		set_block(plan, plan->ring.block_bytes * 2ull);
		blocks = blocks_needed(plan, params);
	}
	if (blocks > BLOCKS_MAX && params->size_bytes == 0)
		return too_slow(plan, params, err);
	plan->ring.size_bytes = blocks * plan->ring.block_bytes;
	return 0;
}

/* --- what follows ------------------------------------------------------------------------------------------------ */

/* Of a size and a time, the greatest rate. */
static int plan_greatest_rate(struct fancap_plan *plan, uint64_t buffer_ms, struct fancap_error *err)
{
	uint64_t blocks = plan->geometry.req.tp_block_nr;
	uint64_t timeouts_ms = (blocks - 1) * plan->ring.block_timeout_ms;

	if (timeouts_ms < buffer_ms) {
		fancap_error_set(err, "a ring of %llu blocks rides out %llu ms at most, however few packets come, "
				 "since a block is done after its timeout of %u ms: %llu ms take %llu blocks",
				 (unsigned long long)blocks, (unsigned long long)timeouts_ms,
				 plan->ring.block_timeout_ms, (unsigned long long)buffer_ms,
				 (unsigned long long)divide_up(buffer_ms, plan->ring.block_timeout_ms) + 1);
		return -EINVAL;
	}
	if (plan->packet_bytes == 0) {
		fancap_error_set(err, "ring size and buffering time give a rate only with the mean packet size");
		return -EINVAL;
	}
	plan->packets_per_s = scale((blocks - 1) * plan->packets_per_block * plan->workers, 1000, buffer_ms);
	plan->bits_per_s = scale(plan->packets_per_s, plan->packet_bytes * 8ull, 1);
	return 0;
}

static void plan_times(struct fancap_plan *plan)
{
	uint64_t blocks = plan->geometry.req.tp_block_nr;

	plan->packets_per_ring = blocks * plan->packets_per_block;
	plan->total_bytes = scale(plan->ring.size_bytes, plan->workers, 1);
	plan->retire_max_ns = (uint64_t)plan->ring.block_timeout_ms * NS_PER_MS;
	if (plan->packets_per_s == 0)
		return;
	plan->retire_ns = block_ns(plan);
	/* Not in steps of whole nanoseconds a block, which may be long against the block's life. */
	plan->stall_ns = least((blocks - 1) * plan->retire_max_ns,
			       scale((blocks - 1) * plan->packets_per_block * plan->workers, NS_PER_S,
				     plan->packets_per_s));
}

static int check_sufficient(const struct fancap_plan *plan, const struct fancap_plan_params *params,
			    struct fancap_error *err)
{
	const char *text = NULL;

	if (params->size_bytes == 0 && params->buffer_ms == 0)
		text = "give the size of the ring, or how long it is to buffer";
	else if (params->size_bytes == 0 && plan->packets_per_s == 0)
		text = "a buffering time alone does not say how much comes in it: give a packet or bit rate, or the "
		       "size of the ring";
	else if (params->size_bytes != 0 && params->buffer_ms != 0 && plan->packets_per_s != 0)
		text = "ring size, buffering time and rate: any two give the third, leave one out";
	if (text == NULL)
		return 0;
	fancap_error_set(err, "%s", text);
	return -EINVAL;
}

int fancap_plan(const struct fancap_plan_params *params, struct fancap_plan *ret, struct fancap_error *err)
{
	struct fancap_plan plan = {
		.ring = {
			.block_timeout_ms = params->block_timeout_ms != 0 ? params->block_timeout_ms
									  : BLOCK_TIMEOUT_DEFAULT_MS,
			.snaplen = params->snaplen != 0 ? params->snaplen : FANCAP_SNAPLEN_MAX,
			.priv_bytes = params->priv_bytes,
			.reserve_bytes = params->reserve_bytes,
		},
		.workers = params->workers != 0 ? params->workers : 1,
		.packets_per_s = params->packets_per_s,
		.bits_per_s = params->bits_per_s,
		.packet_bytes = params->packet_bytes,
	};
	int r = check_ranges(params, err);

	if (r == 0)
		r = plan_rate(&plan, err);
	if (r == 0)
		r = check_sufficient(&plan, params, err);
	if (r == 0)
		r = plan_blocks(&plan, params, err);
	if (r == 0)
		r = fancap_geometry_plan(&plan.ring, &plan.geometry, err);
	if (r == 0 && params->size_bytes != 0 && params->buffer_ms != 0)
		r = plan_greatest_rate(&plan, params->buffer_ms, err);
	if (r < 0)
		return r;
	plan_times(&plan);
	*ret = plan;
	return 0;
}
