// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_HOST_H
#define CTL_HOST_H

#include <stdbool.h>
#include <sys/types.h>

#include "ctl/command.h"
#include "ctl/ctl.h"

/** The other end of a connection to another machine: ssh, which runs `fancapctl stdio-bridge` there. */
struct host {
	pid_t pid; ///< 0: none
};

/** Whether a name may be given to ssh: one that begins with a hyphen would be an option of it. */
bool host_is_valid(const char *host);

/**
 * Run ssh (or what $FANCAPCTL_SSH names) with a socket as its standard input and output.
 *
 * @param ret to be ended with host_end() or host_stop()
 * @return the socket; -errno: said on ctl->err
 */
int host_start(const struct ctl *ctl, struct host *ret);

/**
 * Wait for ssh, which has closed its end of the socket, and say why it did not reach the daemon.
 *
 * @return CTL_OK it did, or there is no ssh; CTL_NOT_RUNNING, not said; otherwise what the exit status should be: said on
 *         ctl->err, by ssh, the bridge, or here
 */
enum ctl_exit host_end(struct host *host, const struct ctl *ctl);

/** End ssh, which may still be waiting for the other side. The socket has been closed. */
void host_stop(struct host *host);

/** The hidden command stdio-bridge: passes bytes between standard input and output and the control socket, both ways. */
enum ctl_exit run_stdio_bridge(const struct ctl *ctl, const struct arguments *arguments);

#endif
