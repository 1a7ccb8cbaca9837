// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_LEDGER_H
#define DAEMON_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/if_packet.h>

#include "daemon/statistics.h"
#include "fancap/inplace.h"
#include "fancap/stats.h"

/** Blocks rewritten in place that a worker may have, not committed yet. */
#define LEDGER_BLOCKS_MAX 32u

/*
 * The ledger stands beside a ring, in memory that supervisor and worker share. It holds the worker's counters and says
 * how far the ring has been recorded and in which file, so that a worker may be killed at any instruction and its
 * replacement goes on from there: nothing is lost, nothing is in a file twice.
 *
 * The worker publishes a whole struct ledger_commit at once; what it did since the last one never happened as far as
 * anybody else is concerned: the blocks are still held, and the file is cut back to the committed length.
 *
 * But for one thing: a block that was rewritten in place is not what it was. So the ledger also has, for each such block
 * that is not committed, how it is (to be) rewritten, and the page that the file gets in place of its first.
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
	uint64_t blocks_direct; ///< written from the ring
	uint64_t blocks_staged; ///< packed into a buffer and written from there
	uint64_t writes;	///< writes to files
	uint64_t write_ns;	///< time they took, in all
	uint64_t write_max_ns;	///< the longest
	uint64_t discarded[DISCARD_REASONS];
	uint64_t packets_skipped; ///< another set of rings has them (see struct ledger_cut)
	uint64_t drops_told; ///< kernel drops that an epb_dropcount accounts for
	uint64_t segment_state; ///< enum segment_state
	uint64_t segment_bytes;
	uint64_t segment_packets;
	uint64_t segment_settings; ///< fingerprint of the settings that its header tells
	uint64_t segment_start_ns; ///< time of its first packet
	uint64_t segment_end_ns;   ///< packets from here on belong to the next one; UINT64_MAX: no such time
	/** What had been counted when the last Interface Statistics Block was written. */
	uint64_t told_discarded;
	uint64_t told_drops;
	uint64_t told_packets; ///< of the segment
	/** What had been told when the segment began: its statistics count from there. */
	uint64_t base_discarded;
	uint64_t base_drops;
};

/**
 * Which packets are this ring's to record, by their time stamps: from begin_ns on, and before end_ns. Where one set of rings
 * takes over from another both see everything for a while, and one instant tells whose a packet is.
 */
struct ledger_cut {
	uint64_t begin_ns; ///< 0: from the first; LEDGER_CUT_UNDECIDED: none yet
	uint64_t end_ns;   ///< UINT64_MAX: to the last
};
#define LEDGER_CUT_UNDECIDED UINT64_MAX

#define LEDGER_PATH_MAX 4096
#define LEDGER_NO_BLOCK UINT64_MAX

enum ledger_block_state {
	LEDGER_BLOCK_FREE,	///< not in use
	LEDGER_BLOCK_REWRITING, ///< the block is perhaps half rewritten: do it again, by plan and rows
	LEDGER_BLOCK_REWRITTEN, ///< it is pcapng, but for its first page, which is in head
};

/** A block rewritten in place and not yet committed. One of them at most is being rewritten. */
struct ledger_block {
	_Atomic uint32_t state; ///< enum ledger_block_state, stored with release
	uint64_t position;
	uint64_t drops_told; ///< kernel drops that its epb_dropcount accounts for, and all before
	struct fancap_inplace_plan plan;
	struct fancap_inplace_extra extra;
};

/** The ring that a ledger stands beside. Written once, by who made both; plain data of fixed layout. */
struct ledger_ring {
	char interface[16];
	uint32_t ifindex;
	uint32_t worker;  ///< from 0
	uint32_t members; ///< of its group
	uint32_t fanout_id;
	uint32_t linktype;
	uint32_t hardware_timestamps; ///< 1: the device's clock
	uint64_t shape; ///< fingerprint of the options that the group was made with
	struct tpacket_req3 req;
	uint32_t reserve_bytes;
	uint64_t created_ns; ///< CLOCK_REALTIME: counters count from then
};

struct ledger;

/**
 * Make the ledger of a ring: a memfd of fixed size, mapped, shared with processes forked later or given the descriptor.
 *
 * @return the descriptor (close-on-exec), which the caller closes; or -errno. ledger_unmap() ends the mapping
 */
int ledger_create(const struct ledger_ring *ring, struct ledger **ret);

/**
 * Map one that an earlier fancapd made. It is checked: kind, version, size.
 *
 * @param fd stays the caller's
 * @return 0; -EBADMSG not a ledger; -EPROTO one of another version; -errno
 */
int ledger_open(int fd, struct ledger **ret);

void ledger_unmap(struct ledger *ledger);

const struct ledger_ring *ledger_ring(const struct ledger *ledger);

/**
 * Worker: be the only one that writes to ledger and ring, until the process ends. A predecessor that is still about is
 * waited for.
 *
 * @param fd the ledger's, not to be closed while this process lives
 * @return 0; -EBUSY it does not go away; -errno
 */
int ledger_claim(int fd, unsigned wait_ms);

/** Worker: publish a commit. One release store makes it the current one. */
void ledger_publish(struct ledger *ledger, const struct ledger_commit *commit);
/** Anybody: the current commit, consistent even while the worker publishes. */
void ledger_read(const struct ledger *ledger, struct ledger_commit *ret);

/** Worker: the segment's path, absolute, as it will be in the end; change it in SEGMENT_NONE only. */
char *ledger_segment_path(struct ledger *ledger);

/** Supervisor: kernel counters; it alone reads PACKET_STATISTICS. */
void ledger_set_kernel(struct ledger *ledger, const struct fancap_stats *stats);
void ledger_kernel(const struct ledger *ledger, struct fancap_stats *ret);
/** Worker: the drops of these. */
uint64_t ledger_kernel_drops(const struct ledger *ledger);
/** How often ledger_set_kernel() was called. */
uint64_t ledger_kernel_reads(const struct ledger *ledger);

/** Supervisor: the cut, each end by itself. To be set before any packet is stamped that it makes a difference to. */
void ledger_set_begin(struct ledger *ledger, uint64_t begin_ns);
void ledger_set_end(struct ledger *ledger, uint64_t end_ns);
/** Anybody. */
struct ledger_cut ledger_cut(const struct ledger *ledger);
/** Whether there is one: some packets may not be this ring's. */
bool ledger_cut_is_set(const struct ledger_cut *cut);

/**
 * Supervisor: what it has to know of the ring as long as a cut is set.
 *
 * floor: packets that are this ring's for certain; the others are counted when they have been recorded, so that counters
 * only grow. mark: with so many packets dealt with, those before begin_ns are over. UINT64_MAX: not known yet.
 */
void ledger_set_floor(struct ledger *ledger, uint64_t packets);
uint64_t ledger_floor(const struct ledger *ledger);
void ledger_set_mark(struct ledger *ledger, uint64_t packets);
uint64_t ledger_mark(const struct ledger *ledger);

/** Worker: the block it is about to look into, LEDGER_NO_BLOCK when it is not in any. */
void ledger_set_attempt(struct ledger *ledger, uint64_t position);
/** Supervisor, of a dead worker: note which block it died in. */
void ledger_note_crash(struct ledger *ledger);
/** Whether this block has killed two workers in a row: leave it alone. */
bool ledger_block_is_poison(const struct ledger *ledger, uint64_t position);

/** Supervisor: how often a worker of this ring was replaced. */
void ledger_set_restarts(struct ledger *ledger, uint64_t restarts);
uint64_t ledger_restarts(const struct ledger *ledger);

/**
 * Worker: it is alive and gets on, whatever the traffic: now and then, and ledger_publish() says so too.
 *
 * @param now_ns CLOCK_MONOTONIC
 */
void ledger_beat(struct ledger *ledger, uint64_t now_ns);
/** Supervisor: when it last said so. */
uint64_t ledger_heartbeat_ns(const struct ledger *ledger);

/** Worker: ring blocks it has taken and not handed back. Anybody may read it. */
void ledger_set_blocks_held(struct ledger *ledger, uint32_t blocks);
uint32_t ledger_blocks_held(const struct ledger *ledger);

/** Worker: the most ring blocks that were in use at once, over all workers this ring has had. Anybody may read it. */
void ledger_set_blocks_used_max(struct ledger *ledger, uint32_t blocks);
uint32_t ledger_blocks_used_max(const struct ledger *ledger);

/** Worker: the i-th record of a rewritten block, i < LEDGER_BLOCKS_MAX. */
struct ledger_block *ledger_block(struct ledger *ledger, unsigned i);
/** Worker: FANCAP_INPLACE_HEAD_BYTES, aligned to as much: what the file gets in place of that block's first page. */
void *ledger_block_head(struct ledger *ledger, unsigned i);
/** Worker: rows of the block that is being rewritten. */
struct fancap_inplace_row *ledger_rows(struct ledger *ledger);
/** How many rows there are: a block with more packets is not rewritten in place. */
uint32_t ledger_rows_max(const struct ledger *ledger);

/** Worker: that writing to a folder of the recorder's (one of 64) fails, or no longer does; its successors want to know. */
void ledger_set_failing(struct ledger *ledger, unsigned folder, bool failing);
bool ledger_failing(const struct ledger *ledger, unsigned folder);

/** How a worker writes, for the supervisor to show. */
struct ledger_writer {
	bool io_uring; ///< else pwrite
	bool o_direct; ///< of the latest segment
	uint16_t io_uring_error; ///< errno that io_uring was refused to the worker with, 0: it was not
	int32_t folder;		 ///< of the latest segment: which of the recorder's; LEDGER_NO_FOLDER
};
#define LEDGER_NO_FOLDER (-1) ///< there was none yet

void ledger_set_writer(struct ledger *ledger, struct ledger_writer writer);
/** Anybody. A worker that has gone wrong may have put any folder there. */
struct ledger_writer ledger_writer(const struct ledger *ledger);

#endif
