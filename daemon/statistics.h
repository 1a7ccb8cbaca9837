// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_STATISTICS_H
#define DAEMON_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/percent.h"
#include "daemon/links.h"

/** Why packets that reached a worker are in no file. */
enum discard_reason {
	DISCARD_DISK_FULL,    ///< no space, or quota reached
	DISCARD_DISK_ERROR,   ///< any other failure to open or write a file
	DISCARD_BAD_BLOCK,    ///< block or packet header that makes no sense
	DISCARD_WORKER_CRASH, ///< in a block that killed its worker twice
	DISCARD_REASONS
};

/** "disk_full", ...: the keys of discarded_by_reason. */
const char *discard_reason_name(enum discard_reason reason);

/**
 * What happened to packets: of one worker, of one interface or in total. All only grow while fancapd runs, across
 * restarts of workers too, but for packets_in_ring and write_mean_ns. seen = dropped + delivered; delivered = written + discarded +
 * in_ring.
 */
struct statistics_counters {
	uint64_t packets_seen;	    ///< passed the filter (kernel tp_packets, drops included)
	uint64_t packets_dropped;   ///< by the kernel, since the ring was full (tp_drops)
	uint64_t packets_delivered; ///< put into the ring
	uint64_t packets_written;   ///< in a file, by a write that is done
	uint64_t packets_discarded; ///< by us: sum of discarded_by_reason
	uint64_t discarded_by_reason[DISCARD_REASONS];
	uint64_t packets_in_ring; ///< waiting in the ring or in a worker's buffer, now
	uint64_t bytes_written;	  ///< pcapng bytes in files, headers included
	uint64_t ring_freezes;	  ///< times the kernel found no free block (tp_freeze_q_cnt)
	/*
	 * Of rollover groups (PACKET_ROLLOVER_STATS), counted for the worker whose turn it was; whoever got the packet
	 * counts it as seen. In mode rollover it is the first worker's turn for every packet.
	 */
	uint64_t ring_rollovers;	///< packets handed on to another ring (tp_all)
	uint64_t ring_rollovers_huge;	///< of these, early: of a flow that made most of recent packets (tp_huge)
	uint64_t ring_rollovers_failed; ///< packets for which no other ring had room (tp_failed)
	uint64_t blocks_direct; ///< ring blocks written from the ring
	uint64_t blocks_staged; ///< ring blocks packed into a buffer, or discarded on their way there
	uint64_t writes;	///< to files, and done
	uint64_t write_ns;	///< from submission until the worker knew that it was done, all writes together
	uint64_t write_mean_ns; ///< of one write; 0: there was none
	uint64_t write_max_ns;	///< the longest, of any worker
	uint64_t worker_restarts;
};

enum worker_state {
	WORKER_RUNNING,
	WORKER_RESTARTING, ///< dead, its replacement waits for its backoff
	WORKER_DEGRADED,   ///< dies again and again, or hangs
	WORKER_WAITING,	   ///< for its interface
};

const char *worker_state_name(enum worker_state state);

/** The first that is true, from below. */
enum interface_state {
	INTERFACE_UP,
	INTERFACE_DEGRADED, ///< a worker is being replaced; its ring goes on filling
	INTERFACE_DOWN,	    ///< nothing can arrive: taken down, or no carrier
	INTERFACE_PAUSED,   ///< somebody has closed its gate
	INTERFACE_MISSING,  ///< no such device; captured when it comes
};

const char *interface_state_name(enum interface_state state);

struct statistics_worker {
	unsigned worker; ///< from 0
	enum worker_state state;
	pid_t pid;   ///< 0 while restarting or waiting
	int cpu;     ///< the CPU it is pinned to, or -1
	unsigned ring_blocks;	   ///< of its ring
	unsigned ring_blocks_used; ///< of these, how many it has taken and not handed back, now
	unsigned ring_blocks_used_max; ///< the most that were in use at once, those that waited for the worker included
	bool io_uring;		       ///< writes are overlapped; else pwrite(2)
	bool has_file;		       ///< it has had one: direct_io means something
	bool direct_io;		       ///< its latest file is written past the page cache (O_DIRECT)
	struct statistics_counters counters;
};

struct statistics_interface {
	const char *name;   ///< as configured
	const char *device; ///< its name now, NULL: missing
	enum interface_state state; ///< but for DEGRADED, which statistics_sum() finds
	int ifindex;	    ///< 0: missing
	unsigned fanout_id;
	const char *fanout_mode; ///< "hash", ...
	double flow_balance; ///< packets_seen of the busiest worker over the mean: 1 (even) to n_workers; 0: none seen
	struct statistics_counters past; ///< of workers that are no more, numbered above those there are
	struct statistics_counters counters; ///< of all, `past` included
	bool has_nic;
	struct link_counters nic; ///< a second old at most
	struct statistics_worker *workers;
	size_t n_workers;
};

/** A snapshot. */
struct statistics {
	uint64_t time_ns;	///< CLOCK_REALTIME
	uint64_t started_ns;	///< CLOCK_REALTIME, when capture began
	struct statistics_counters past; ///< of interfaces that are no more
	struct statistics_counters total; ///< of all, `past` included
	struct statistics_interface *interfaces;
	size_t n_interfaces;
};

/**
 * Allocate a snapshot, all zero; interfaces[i].workers stay NULL until statistics_interface_alloc().
 *
 * Names and modes of interfaces are borrowed: they must outlive the snapshot.
 *
 * @return the caller frees it with statistics_free(); NULL: ENOMEM
 */
struct statistics *statistics_new(size_t n_interfaces);

/** Add counters up; what is derived too. */
void statistics_counters_add(struct statistics_counters *sum, const struct statistics_counters *c);

/** Give an interface its workers: numbered from 0, running, not pinned, all counters 0. @return 0 or -ENOMEM */
int statistics_interface_alloc(struct statistics_interface *interface, size_t n_workers);

void statistics_free(struct statistics *stats);

/**
 * Fill in what follows from the rest: per worker delivered, discarded and in_ring from seen, dropped, written and
 * discarded_by_reason; the mean of writes; sums (but the maximum of maxima) per interface and in total; flow balance;
 * whether an interface that is up is degraded.
 *
 * The identities hold if the worker's counters were read before the kernel's. More written and discarded than delivered
 * would be a bug of ours: packets_in_ring is 0 then, and the figures show it.
 */
void statistics_sum(struct statistics *stats);

#endif
