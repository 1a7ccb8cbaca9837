// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_CAPTURE_H
#define DAEMON_CAPTURE_H

#include "daemon/config.h"
#include "daemon/ledger.h"
#include "daemon/recorder.h"
#include "daemon/statistics.h"
#include "daemon/store.h"
#include "fancap/group.h"
#include "fancap/link.h"
#include "fancap/stats.h"

/** One worker's ring as the supervisor holds it: outlives every worker that uses it. */
struct capture_ring {
	struct ledger *ledger;
	int ledger_fd;
};

/** One interface being captured: its group of sockets, and what is counted of it. */
struct capture {
	const struct config_interface *config;
	struct fancap_link link;
	struct fancap_geometry geometry;
	struct fancap_group group;
	bool hardware_timestamps; ///< as the device agreed to
	struct capture_ring *rings; ///< one per group member
	bool taken_over; ///< from an earlier fancapd
	char **folders;		    ///< recordings of this interface, absolute: one in each of storage.directories
	size_t n_folders;
	struct recorder_settings settings;
};

/**
 * Make everything that capturing an interface takes, with the gate closed: no packet is seen yet. Or, if the store has
 * rings of this interface that are as they would be made now, go on with those: their gate is open, and they go on filling.
 *
 * @param config borrowed, until capture_close() or capture_apply()
 * @param store  what is used of it is taken out
 * @param ret    filled in on success only; capture_close() ends it
 * @return 0 or -errno; err begins with the interface's name
 */
int capture_open(const struct config *config, const struct config_interface *interface, struct store *store,
		 struct capture *ret, struct fancap_error *err);

/** Put rings and ledgers into the service manager's store, so that they outlive this process. Says so if that fails. */
void capture_store(const struct capture *capture);

/** Compile the configured filter and let packets in. @return 0 or -errno */
int capture_gate_open(const struct capture *capture, struct fancap_error *err);
void capture_gate_close(const struct capture *capture);

/** Compile a filter for this interface as it now is. @return 0 or -errno */
int capture_filter_compile(const struct capture *capture, const struct config_interface *interface,
			   struct fancap_filter *ret, struct fancap_error *err);

/**
 * Go over to another configuration of the same interface that needs no new ring; attach its filter.
 *
 * @return 0, or -errno: the filter and the recorder's settings are as before
 */
int capture_apply(struct capture *capture, const struct config *config,
		  const struct config_interface *interface, const struct fancap_filter *filter,
		  struct fancap_error *err);

/** Read the kernel's counters of one ring, or of all. */
void capture_read_kernel(struct capture *capture, unsigned worker);
void capture_read_kernel_all(struct capture *capture);

/** Packets that the kernel has put into a worker's ring, as of the last reading. */
uint64_t capture_delivered(const struct capture *capture, unsigned worker);

/**
 * One worker's counters, but for worker_restarts. Reads the worker's before the kernel's, so that written never
 * exceeds delivered.
 */
void capture_count(struct capture *capture, unsigned worker, struct statistics_worker *ret);

/**
 * How long a worker may do nothing before its ring is full, at the link's speed and this mean length of packets.
 *
 * @return nanoseconds, 0: the link's speed is not known
 */
uint64_t capture_stall_ns(const struct capture *capture, uint32_t packet_bytes);

/** Close sockets, free rings. An all-zero capture is fine. */
void capture_close(struct capture *capture);

#endif
