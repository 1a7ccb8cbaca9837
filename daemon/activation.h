// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_ACTIVATION_H
#define DAEMON_ACTIVATION_H

#include "fancap/error.h"

/** FileDescriptorName= of fancapd.socket: what systemd calls the control socket that it passes. */
#define ACTIVATION_CONTROL "control"

/**
 * The control socket that a service manager has passed to us (sd_listen_fds(3)), which control_socket_adopt() takes. Call
 * it once.
 *
 * @return the descriptor; -ENOENT nothing was passed; -EINVAL something else was, or more; another -errno
 */
int activation_control(struct fancap_error *err);

#endif
