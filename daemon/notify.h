// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

/*
 * What systemd is told (sd_notify(3)). Without a $NOTIFY_SOCKET these do nothing. None of them blocks: what systemd has
 * no room for is lost, but for READY and STOPPING, which are told again with the next status.
 */

/** READY=1: every group is open. */
void notify_ready(void);
/** RELOADING=1; notify_ready() ends it. */
void notify_reloading(void);
/** STOPPING=1 */
void notify_stopping(void);
/** WATCHDOG=1, if the service manager wants it ($WATCHDOG_USEC). */
void notify_watchdog(void);
/** EXTEND_TIMEOUT_USEC=: be patient for so long from now. */
void notify_extend_timeout(unsigned ms);
/** STATUS=: one line for `systemctl status`. */
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/**
 * FDSTORE=1, FDPOLL=0: have a copy of a descriptor kept under a name. FDPOLL=0, or a link that goes down would make systemd
 * drop it. Unlike the others this waits for room, up to 5 s: it must not get lost.
 *
 * @return 0 or -errno
 */
int notify_store(const char *name, int fd);
/** FDSTOREREMOVE=1 */
void notify_store_remove(const char *name);

#endif
