// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_RINGSET_H
#define DAEMON_RINGSET_H

#include "daemon/config.h"
#include "daemon/ledger.h"
#include "daemon/recorder.h"
#include "daemon/statistics.h"
#include "daemon/store.h"
#include "fancap/group.h"
#include "fancap/link.h"

struct capture;
struct child;

/** One worker's ring as the supervisor holds it: outlives every worker that uses it. */
struct set_ring {
	struct ledger *ledger;
	int ledger_fd; ///< -1: none
	int cpu;       ///< that its worker is to run on, -1: any
};

/**
 * A set of rings: one fanout group on one device, a ring and a ledger for each member, and the workers that serve them.
 *
 * It has all it takes to drain it, so the configuration and the device that it was made for may be others by then, or gone.
 */
struct ring_set {
	struct ring_set *next;	 ///< the next older one of the interface
	struct capture *capture; ///< whose it is
	char interface[LINK_NAME_MAX]; ///< as configured
	uint64_t created_ns;	 ///< CLOCK_REALTIME: tells the sets of an interface apart
	struct fancap_link link;
	struct fancap_geometry geometry;
	struct fancap_group group;
	uint64_t shape; ///< fingerprint of what else the group was made with
	bool rollover;	///< members hand packets on
	bool hardware_timestamps; ///< as the device agreed to
	bool stored;	///< the service manager has it
	bool taken_over; ///< from an earlier fancapd
	enum config_timestamps timestamps; ///< as configured
	bool coming; ///< it is to take over from the one before it, and has not yet
	bool abandoned; ///< it was to, and will not: there is nothing in it
	bool gone; ///< nothing comes to it any more: it only needs to be drained
	unsigned n; ///< members of the group, all its life
	struct set_ring *rings;
	struct child *children; ///< workers, one per ring; NULL: none have been asked for
	struct recorder_settings settings; ///< of its files
};

/**
 * Make sockets, rings and ledgers, with the gate closed: no packet is seen yet. Has no workers.
 *
 * @param interface borrowed for the call
 * @param settings  copied
 * @return 0, and *ret is to be freed with ring_set_free(); -ENODEV there is no such device, or it has gone meanwhile; -errno.
 *         err begins with the interface's name
 */
int ring_set_open(const struct config_interface *interface, const struct recorder_settings *settings, struct ring_set **ret,
		  struct fancap_error *err);

/** One without anything, for so many workers. NULL: no memory */
struct ring_set *ring_set_new(const char *interface, unsigned n);

/** What a set takes from a configuration that it fits. */
void ring_set_configure(struct ring_set *set, const struct config_interface *interface,
			const struct recorder_settings *settings);

/** Close sockets, free rings. NULL is fine. Its children have been closed. */
void ring_set_free(struct ring_set *set);

/** Whether its sockets are on the device they were made for; the kernel takes them off one that is deleted. */
bool ring_set_is_bound(const struct ring_set *set);

/**
 * Have packets stamped once, by the kernel and before any socket, so that two sets see the same stamp. It takes the kernel a
 * moment (a work queue) if nobody else had it do so.
 *
 * @return 0 or -errno
 */
int ring_set_stamp_early(const struct ring_set *set);
/** Have them stamped as configured, or as the device agreed to. */
void ring_set_stamp_as_configured(const struct ring_set *set);

/** Let nothing more in. Says so if that fails. */
void ring_set_gate_close(const struct ring_set *set);

/* --- beyond this process (ringset_store.c) --- */

/**
 * The set of an interface that an earlier fancapd left, taken out of the store.
 *
 * @return 1 *ret is set, 0 there is none, -errno
 */
int ring_set_take(struct store *store, const char *interface, struct ring_set **ret);

/**
 * The process that had one set take over from another may have died in the middle of it: finish what had been decided.
 *
 * @param sets all of an interface. Those that had not been let take over yet are `abandoned`: others have all that is in them
 */
void ring_set_settle(struct ring_set *sets);

/** Nothing that was stamped before its begin comes to it any more: see when its workers are past that. */
void ring_set_mark(struct ring_set *set);

/** Whether it has been told where to end. */
bool ring_set_has_end(const struct ring_set *set);

/** Why a set is not as it would be made now, for this interface and device; NULL: it is. */
const char *ring_set_misfit(const struct ring_set *set, const struct config_interface *interface,
			    const struct fancap_link *link);

/** What a ledger is to say of a ring. */
struct ledger_ring ring_set_describe(const struct ring_set *set, unsigned worker);

/** Fingerprint of what a group is made of beside its geometry, and that cannot be changed afterwards. */
uint64_t ring_set_shape(const struct config_interface *interface, const struct fancap_link *link);

/** Put rings and ledgers into the service manager's store, so that they outlive this process. Says so if that fails. */
void ring_set_store(struct ring_set *set);

/** Have the service manager let go of them. */
void ring_set_unstore(struct ring_set *set);

/* --- counting (ringset_count.c) --- */

/** Read the kernel's counters of one ring, or of all. */
void ring_set_read_kernel(struct ring_set *set, unsigned worker);
void ring_set_read_kernel_all(struct ring_set *set);

/** Packets that the kernel has put into a worker's ring, as of the last reading; those of another set included. */
uint64_t ring_set_delivered(const struct ring_set *set, unsigned worker);

/**
 * Add what was counted of a ring, but for worker_restarts. Reads the worker's counters before the kernel's, so that
 * written never exceeds delivered.
 */
void ring_set_count(struct ring_set *set, unsigned worker, struct statistics_counters *sum);

/** There is nothing left to be recorded: what was counted is all there is. */
void ring_set_uncut(struct ring_set *set);

/** Add what there is to show of a ring and its worker beside counters. */
void ring_set_show(const struct ring_set *set, unsigned worker, struct statistics_worker *ret);

/**
 * How long a worker may do nothing before its ring is full, at the link's speed and this mean length of packets.
 *
 * @return nanoseconds, 0: the link's speed is not known
 */
uint64_t ring_set_stall_ns(const struct ring_set *set, uint32_t packet_bytes);

#endif
