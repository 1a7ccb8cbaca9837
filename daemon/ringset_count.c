// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/ringset.h"

#include <string.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "fancap/planner.h"

void ring_set_read_kernel(struct ring_set *set, unsigned worker)
{
	struct ledger *ledger = set->rings[worker].ledger;
	const struct ledger_cut cut = ledger_cut(ledger);
	const uint64_t now_ns = clock_realtime_ns();
	struct fancap_stats kernel, fresh = {0};
	int r = fancap_stats_read(set->group.fds[worker], &fresh);

	/* What finds no room while another set has it is no loss. */
	if (now_ns < cut.begin_ns || now_ns >= cut.end_ns) {
		fresh.packets -= fresh.drops;
		fresh.drops = 0;
	}
	ledger_kernel(ledger, &kernel);
	kernel.packets += fresh.packets;
	kernel.drops += fresh.drops;
	kernel.freezes += fresh.freezes;
	if (r < 0)
		log_printf(LOG_ERR, NULL, &(struct log_context){set->interface, (int)worker},
			   "PACKET_STATISTICS: %s", strerror(-r));
	ledger_set_kernel(ledger, &kernel);
}

void ring_set_read_kernel_all(struct ring_set *set)
{
	for (unsigned i = 0; i < set->n; i++)
		ring_set_read_kernel(set, i);
}

uint64_t ring_set_delivered(const struct ring_set *set, unsigned worker)
{
	struct fancap_stats kernel;

	ledger_kernel(set->rings[worker].ledger, &kernel);
	return kernel.packets - kernel.drops;
}

/* The kernel does not reset these: whoever asks reads them. */
static void count_rollovers(const struct ring_set *set, unsigned worker, struct statistics_counters *counters)
{
	struct fancap_rollover_stats stats = {0};
	int r;

	if (!set->rollover)
		return;
	r = fancap_rollover_stats_read(set->group.fds[worker], &stats);
	if (r < 0)
		log_printf(LOG_ERR, NULL, &(struct log_context){set->interface, (int)worker},
			   "PACKET_ROLLOVER_STATS: %s", strerror(-r));
	counters->ring_rollovers = stats.packets;
	counters->ring_rollovers_huge = stats.huge;
	counters->ring_rollovers_failed = stats.failed;
}

static void count_recorded(const struct ledger_commit *commit, struct statistics_counters *counters)
{
	counters->packets_written = commit->packets_written;
	counters->bytes_written = commit->bytes_written;
	for (int i = 0; i < DISCARD_REASONS; i++)
		counters->discarded_by_reason[i] = commit->discarded[i];
	counters->blocks_direct = commit->blocks_direct;
	counters->blocks_staged = commit->blocks_staged;
	counters->writes = commit->writes;
	counters->write_ns = commit->write_ns;
	counters->write_max_ns = commit->write_max_ns;
}

static uint64_t accounted(const struct ledger_commit *commit)
{
	uint64_t sum = commit->packets_written;

	for (int i = 0; i < DISCARD_REASONS; i++)
		sum += commit->discarded[i];
	return sum;
}

/*
 * Packets in the ring that are its own. While a cut is set it is not known of those that are not recorded yet; what is said
 * here is never more than there will prove to be.
 */
static uint64_t own(struct ledger *ledger, const struct ledger_commit *commit, uint64_t delivered)
{
	struct ledger_cut cut = ledger_cut(ledger);
	uint64_t done = accounted(commit), floor = ledger_floor(ledger);

	if (cut.begin_ns != 0 && done + commit->packets_skipped >= ledger_mark(ledger)) {
		ledger_set_begin(ledger, 0);
		cut.begin_ns = 0;
	}
	if (ledger_cut_is_set(&cut))
		return floor > done ? floor : done;
	return delivered - commit->packets_skipped;
}

void ring_set_count(struct ring_set *set, unsigned worker, struct statistics_counters *sum)
{
	struct ledger *ledger = set->rings[worker].ledger;
	struct statistics_counters counters = {0};
	struct ledger_commit commit;
	struct fancap_stats kernel;

	ledger_read(ledger, &commit);
	ring_set_read_kernel(set, worker);
	ledger_kernel(ledger, &kernel);
	counters.packets_seen = own(ledger, &commit, kernel.packets - kernel.drops) + kernel.drops;
	counters.packets_dropped = kernel.drops;
	counters.ring_freezes = kernel.freezes;
	count_rollovers(set, worker, &counters);
	count_recorded(&commit, &counters);
	statistics_counters_add(sum, &counters);
}

void ring_set_uncut(struct ring_set *set)
{
	ring_set_read_kernel_all(set);
	for (unsigned i = 0; i < set->n; i++) {
		ledger_set_begin(set->rings[i].ledger, 0);
		ledger_set_end(set->rings[i].ledger, UINT64_MAX);
	}
}

void ring_set_show(const struct ring_set *set, unsigned worker, struct statistics_worker *ret)
{
	const struct ledger *ledger = set->rings[worker].ledger;
	const struct ledger_writer writer = ledger_writer(ledger);
	unsigned used_max = ledger_blocks_used_max(ledger);

	ret->ring_blocks += set->geometry.req.tp_block_nr;
	ret->ring_blocks_used += ledger_blocks_held(ledger);
	if (used_max > ret->ring_blocks_used_max)
		ret->ring_blocks_used_max = used_max;
	ret->io_uring |= writer.io_uring;
	ret->has_file |= writer.folder != LEDGER_NO_FOLDER;
	ret->direct_io |= writer.o_direct;
}

uint64_t ring_set_stall_ns(const struct ring_set *set, uint32_t packet_bytes)
{
	const struct tpacket_req3 *req = &set->geometry.req;
	const struct fancap_plan_params params = {
		.size_bytes = set->geometry.map_bytes,
		.bits_per_s = (uint64_t)set->link.speed_mbit * 1000000u,
		.packet_bytes = packet_bytes,
		.snaplen = set->settings.snaplen,
		.block_bytes = req->tp_block_size,
		.block_timeout_ms = req->tp_retire_blk_tov,
		.workers = set->n,
		.reserve_bytes = set->geometry.reserve_bytes,
	};
	struct fancap_plan plan;

	if (params.bits_per_s == 0 || fancap_plan(&params, &plan, NULL) < 0)
		return 0;
	return plan.stall_ns;
}
