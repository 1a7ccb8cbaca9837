// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_CAPTURE_H
#define DAEMON_CAPTURE_H

#include "daemon/config.h"
#include "daemon/ledger.h"
#include "daemon/links.h"
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

/**
 * One interface being captured: its group of sockets, and what is counted of it.
 *
 * The sockets belong to a device. When that is deleted they are dead, whatever comes under its name later: then the
 * workers drain the rings and leave, and new sockets are made for the next device. Should that come before the rings
 * are drained, its sockets and rings wait in `next`, and fill, until the workers are free.
 */
struct capture {
	const struct config_interface *config;
	char device[LINK_NAME_MAX]; ///< the device's name now: the configured one, unless it was renamed
	bool gone;		    ///< the device is: these rings only need to be drained
	bool up;		    ///< the latest device: packets can arrive
	bool has_nic;
	struct link_counters nic; ///< as last heard
	int attach_error;	  ///< what the log said last of the device that cannot be captured from
	struct capture *next;	  ///< group, rings and what they follow from, nothing else. NULL: none
	struct statistics_counters *past; ///< one per worker: counted with earlier devices
	struct fancap_link link;
	struct fancap_geometry geometry;
	struct fancap_group group; ///< without members: there is no device
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
 * If there is no such device, and the configuration says to wait for it: all but what takes the device.
 *
 * @param config borrowed, until capture_close() or capture_apply()
 * @param store  what is used of it is taken out
 * @param ret    filled in on success only; capture_close() ends it
 * @return 0 or -errno; err begins with the interface's name
 */
int capture_open(const struct config *config, const struct config_interface *interface, struct store *store,
		 struct capture *ret, struct fancap_error *err);

/**
 * The sockets on the device that is there: the capture itself or its `next`; NULL: it is missing. A device that was
 * deleted unheard of counts as missing.
 */
struct capture *capture_device(struct capture *capture);

/** Whether its device was deleted and capture_detach() has not been called for it yet. */
bool capture_is_lost(struct capture *capture);

/** Its device has another name. */
void capture_rename(struct capture *capture, const char *name);

/** Whether its workers have, or will have, rings: those of the device, or what one that is gone left in them. */
bool capture_has_rings(const struct capture *capture);

/**
 * There is a device of the configured name (again): make sockets and rings for it and let packets in. If earlier rings
 * are being drained yet, the new ones wait for capture_advance().
 *
 * @return 0; -EBUSY not now, an earlier device's rings wait already; -ENODEV it has gone again; -errno
 */
int capture_attach(struct capture *capture, struct fancap_error *err);

/** The device is no more: see to it that workers leave when the rings are drained, then capture_advance(). */
void capture_detach(struct capture *capture);

/** All workers have left rings that are `gone`: keep what was counted, free them, go over to the next, if any. */
void capture_advance(struct capture *capture);
/** Put rings and ledgers into the service manager's store, so that they outlive this process. Says so if that fails. */
void capture_store(const struct capture *capture);

/** Compile the configured filter and let packets in. @return 0 or -errno */
int capture_gate_open(struct capture *capture, struct fancap_error *err);
void capture_gate_close(const struct capture *capture);

/** Compile a filter for this interface as it now is, or for nothing, if it is missing. @return 0 or -errno */
int capture_filter_compile(struct capture *capture, const struct config_interface *interface,
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
 * One worker's counters, but for worker_restarts, over all devices. Reads the worker's before the kernel's, so that
 * written never exceeds delivered.
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
