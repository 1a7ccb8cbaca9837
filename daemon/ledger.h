// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_LEDGER_H
#define DAEMON_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/statistics.h"
#include "fancap/stats.h"

/*
 * The ledger stands beside a ring, in memory that supervisor and worker share. It holds the worker's counters and says
 * how far the ring has been recorded and in which file, so that a worker may be killed at any instruction and its
 * replacement goes on from there: nothing is lost, nothing is in a file twice.
 *
 * The worker publishes a whole struct ledger_commit at once; what it did since the last one never happened as far as
 * anybody else is concerned: the blocks are still held, and the file is cut back to the committed length.
 */

enum segment_state {
	SEGMENT_NONE,
	SEGMENT_NAMED, ///< the path is chosen; a file of that name may be ours, if it is empty
	SEGMENT_OPEN,  ///< the file is ours, up to segment_bytes
};

/** One consistent picture. All members are uint64_t, so that it is copied as such. */
struct ledger_commit {
	uint64_t block;	 ///< position in the ring of the first block not done with
	uint64_t packet; ///< packets of that block which are done with
	uint64_t packets_written;
	uint64_t bytes_written; ///< pcapng bytes in all segments
	uint64_t discarded[DISCARD_REASONS];
	uint64_t drops_told; ///< kernel drops that an epb_dropcount accounts for
	uint64_t segment_state; ///< enum segment_state
	uint64_t segment_bytes;
	uint64_t segment_packets;
	uint64_t segment_settings; ///< fingerprint of the settings that its header tells
	uint64_t segment_start_ns; ///< time of its first packet
	uint64_t segment_end_ns;   ///< packets from here on belong to the next one; UINT64_MAX: no such time
	/** What had been counted when the last Interface Statistics Block was written; the next says what came since. */
	uint64_t told_discarded;
	uint64_t told_drops;
};

#define LEDGER_PATH_MAX 256
#define LEDGER_NO_BLOCK UINT64_MAX

struct ledger;

/** Map a new one, shared with processes forked later. NULL: errno. ledger_unmap() ends it. */
struct ledger *ledger_map(void);
void ledger_unmap(struct ledger *ledger);

/** Worker: publish a commit. One release store makes it the current one. */
void ledger_publish(struct ledger *ledger, const struct ledger_commit *commit);
/** Anybody: the current commit, consistent even while the worker publishes. */
void ledger_read(const struct ledger *ledger, struct ledger_commit *ret);

/** Worker: the segment's path relative to the interface's folder; change it in SEGMENT_NONE only. */
char *ledger_segment_path(struct ledger *ledger);

/** Supervisor: kernel counters; it alone reads PACKET_STATISTICS. Worker: look at the drops. */
void ledger_set_kernel(struct ledger *ledger, const struct fancap_stats *stats);
uint64_t ledger_kernel_drops(const struct ledger *ledger);
/** How often ledger_set_kernel() was called. */
uint64_t ledger_kernel_reads(const struct ledger *ledger);

/** Worker: the block it is about to look into, LEDGER_NO_BLOCK when it is not in any. */
void ledger_set_attempt(struct ledger *ledger, uint64_t position);
/** Supervisor, of a dead worker: note which block it died in. */
void ledger_note_crash(struct ledger *ledger);
/** Whether this block has killed two workers in a row: leave it alone. */
bool ledger_block_is_poison(const struct ledger *ledger, uint64_t position);

/** Worker: ring blocks it has taken and not handed back. Anybody may read it. */
void ledger_set_blocks_held(struct ledger *ledger, uint32_t blocks);
uint32_t ledger_blocks_held(const struct ledger *ledger);

#endif
