// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_CAPTURE_H
#define DAEMON_CAPTURE_H

#include "daemon/config.h"
#include "daemon/links.h"
#include "daemon/past.h"
#include "daemon/recorder.h"
#include "daemon/ringset.h"
#include "daemon/statistics.h"
#include "daemon/store.h"

/**
 * One interface being captured: its sets of rings, and what is counted of it.
 *
 * Packets come to one set, the newest. Those before it are being drained by workers of their own, and freed when that is
 * done: because their device has gone, say, whatever comes under its name later.
 */
struct capture {
	struct capture *next; ///< as configured, see struct captures
	char name[LINK_NAME_MAX]; ///< as configured
	const struct config_interface *config;
	bool removed; ///< from the configuration: to be drained, and forgotten
	struct config_interface last; ///< what config points to then
	char device[LINK_NAME_MAX]; ///< the device's name now: the configured one, unless it was renamed
	bool up;		    ///< the latest device: packets can arrive
	bool paused;		    ///< its gate stays closed, whatever device comes
	bool has_nic;
	struct link_counters nic; ///< as last heard
	int attach_error;	  ///< what the log said last of the device that cannot be captured from
	struct ring_set *sets;	  ///< newest first
	unsigned n_sets;
	struct past *past; ///< counted with sets that are no more, NULL: nothing
	char **folders;		    ///< recordings of this interface, absolute: one in each of storage.directories
	size_t n_folders;
	struct recorder_settings settings; ///< of sets to come; and of the newest. Has the filter that is in force
};

/** All interfaces, in order. All zero: none. */
struct captures {
	struct capture *first;
	size_t n;
	struct past *removed; ///< counted of interfaces that are no more, NULL: nothing
};

/** @return the interface of this name, or NULL */
struct capture *captures_find(const struct captures *captures, const char *name);

/** Every worker that has been asked for, of every set of every interface. @param child the one before; NULL: the first */
struct child *captures_next_child(const struct captures *captures, const struct child *child);

/** What an earlier fancapd counted of interfaces that are no more. To be taken before any interface is opened. */
void captures_take_past(struct captures *captures, struct store *store);

/** All interfaces are open: what was counted of others is counted in total only. */
void captures_settle_pasts(struct captures *captures, struct store *store);

/** How far the workers have come in their rings, in no unit: they get on as long as this changes. */
uint64_t captures_progress(const struct captures *captures);

/** Have one that was removed and has no sets any more counted in total only, and close it. */
void captures_forget(struct captures *captures, struct capture *capture);

/** Close all. */
void captures_close(struct captures *captures);

/**
 * Make everything that capturing an interface takes, with the gate closed: no packet is seen yet. Or, if the store has
 * rings of this interface, go on with those: their gate is open, and they go on filling. If they are not as they would be made
 * now, there is a new set as well, `coming`. Other rings of it in the store are to be drained. If there is no such device, and the configuration says to wait for it:
 * all but what takes the device.
 *
 * @param config borrowed, until capture_close() or capture_apply()
 * @param store  what is used of it is taken out
 * @param captures it is added to these, on success only; capture_close() ends it
 * @return 0 or -errno; err begins with the interface's name
 */
int capture_open(const struct config *config, const struct config_interface *interface, struct store *store,
		 struct captures *captures, struct fancap_error *err);

/**
 * Rings in the store whose interface is not configured any more are to be drained.
 *
 * @param captures those that are configured; the others are added, as `removed`
 * @return 0 or -errno
 */
int capture_open_left(const struct config *config, struct store *store, struct captures *captures, struct fancap_error *err);

/** Whether an interface could be captured as configured, as far as that is known without its device. @return 0 or -errno */
int capture_check(const struct config_interface *interface, struct fancap_error *err);

/**
 * Make a set for another configuration, with the gate closed, beside the one that there is: `coming`.
 *
 * @return 0, -EBUSY an older set is being drained yet, -errno
 */
int capture_regroup(struct capture *capture, const struct config *config, const struct config_interface *interface,
		    struct ring_set **ret, struct fancap_error *err);

/** It is not in the configuration any more, which is about to go: no set is made for it from now on. */
void capture_remove(struct capture *capture);

/** The set that packets come to, or came to last; NULL: none. */
struct ring_set *capture_current(const struct capture *capture);

/** The set on the device that is there; NULL: it is missing. A device that was deleted unheard of counts as missing. */
struct ring_set *capture_device(const struct capture *capture);

/** Whether its device was deleted and capture_detach() has not been called for it yet. */
bool capture_is_lost(const struct capture *capture);

/** Its device has another name. */
void capture_rename(struct capture *capture, const char *name);

/**
 * There is a device of the configured name (again): make sockets and rings for it and let packets in.
 *
 * @return 0; -EBUSY not now, two sets are being drained yet; -ENODEV it has gone again; -errno
 */
int capture_attach(struct capture *capture, struct fancap_error *err);

/** The device is no more: see to it that workers leave when the rings are drained, then capture_retire(). */
void capture_detach(struct capture *capture);

/** All workers have left a set that is `gone`: keep what was counted, free it. */
void capture_retire(struct capture *capture, struct ring_set *set);

/** Have all that is not there yet outlive this process. */
void capture_store(const struct capture *capture);

/** Let nothing more in, or in again. @return 0, or -errno: it cannot be opened, and stays paused */
int capture_pause(struct capture *capture, bool pause, struct fancap_error *err);

/**
 * Go over to another filter than the configured one, on the device that is there and on those to come, until
 * capture_apply().
 *
 * @return 0; -EINVAL it does not compile, and err is the compiler's text; -errno. All is as before then
 */
int capture_filter(struct capture *capture, const char *filter, struct fancap_error *err);

/** Compile the filter in force and let packets in, unless it is paused. @return 0 or -errno */
int capture_gate_open(struct capture *capture, struct fancap_error *err);
void capture_gate_close(const struct capture *capture);

/** Compile a filter for this interface as it now is, or for nothing, if it is missing. @return 0 or -errno */
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

/** How many workers there are to speak of: those configured, or those that drain a set that had more. */
unsigned capture_workers(const struct capture *capture);

/** One worker's counters and state, over all sets of this number. */
void capture_count(const struct capture *capture, unsigned worker, struct statistics_worker *ret);

/** Close sockets, free rings. Its children have been closed. NULL is fine. */
void capture_close(struct capture *capture);

#endif
