// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_STORE_H
#define DAEMON_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/ledger.h"
#include "daemon/past.h"

/*
 * The service manager's file descriptor store (systemd.service(5), FileDescriptorStoreMax=): rings and ledgers that outlive
 * this process. While nobody runs, the kernel goes on filling the rings; the next fancapd finds them.
 *
 * Names are "ring-<interface>-<set>-<worker>" and "ledger-<interface>-<set>-<worker>", where <set> is when it was made: an
 * interface may have two sets of rings at a time. "past-<interface>" is what was counted with sets that are no more, and
 * "past" what was with interfaces that are no more.
 */

/** A ring with its ledger, as an earlier fancapd left them. */
struct store_ring {
	int ring_fd;	       ///< -1 once it has been taken
	int ledger_fd;
	struct ledger *ledger; ///< mapped: ledger_ring() tells what it is
};

struct store {
	struct store_ring *rings;
	size_t n;
	struct past **pasts; ///< NULL once it has been taken
	size_t n_pasts;
};

/**
 * Whether what is put into the store stays there: the service manager says how much it keeps ($FDSTORE), and there is a
 * $NOTIFY_SOCKET.
 */
bool store_available(void);

/** Whether a descriptor of this name is the store's. */
bool store_owns(const char *name);

/**
 * Take over what the service manager has handed to this process. Descriptors that are not ours, make no sense, have no
 * counterpart, or are of a version that we do not know are closed, removed from the store, and said to be lost in the log.
 *
 * @param fds,names,n as of sd_listen_fds_with_names(); those of other kinds (sockets to listen on) are left alone
 * @return 0 or -ENOMEM; store_done() or store_close() in any case
 */
int store_take(struct store *ret, const int *fds, char *const *names, size_t n);

/**
 * Hand a ring and its ledger to the service manager. The caller's descriptors stay its own.
 *
 * @return 0 (also when there is no store), or -errno: it did not take them
 */
int store_put(const struct ledger_ring *ring, int ring_fd, int ledger_fd);

/** Have them closed: they are no longer in use. */
void store_remove(const struct ledger_ring *ring);

/** Hand over what was counted of an interface. @param interface "": of those that are no more. @return as store_put() */
int store_put_past(const char *interface, int fd);
void store_remove_past(const char *interface);

/**
 * Take what was counted of an interface with sets that are no more out of the store. Its rings of these sets, which somebody
 * was about to let go, are let go.
 *
 * @return the caller frees it; NULL: there is nothing
 */
struct past *store_take_past(struct store *store, const char *interface);

/** Nobody wants what was not taken: close and remove it, saying what is lost; free. */
void store_done(struct store *store);

/** Close what was not taken, and free. It stays with the service manager, for a next start that gets further. */
void store_close(struct store *store);

#endif
