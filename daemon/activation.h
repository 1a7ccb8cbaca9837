// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_ACTIVATION_H
#define DAEMON_ACTIVATION_H

#include <stddef.h>

#include "fancap/error.h"

/** What a service manager has passed to this process (sd_listen_fds(3)): sockets, and what it stored for us. */
struct activation {
	int *fds;
	char **names; ///< of each
	size_t n;
};

/** Take note of it, once. @return 0, also when there is nothing, or -errno; activation_done() in any case */
int activation_take(struct activation *ret, struct fancap_error *err);

/**
 * The control socket among them: named "control", as in fancapd.socket, or not named at all. What is neither that nor the
 * store's is closed, which is said in the log. control_socket_adopt() sees whether it is a socket of the right kind.
 *
 * @return the descriptor, the caller's; -ENOENT there is none; -EINVAL there are several
 */
int activation_control(const struct activation *activation, struct fancap_error *err);

/** Free the list; the descriptors stay. An all-zero one is fine. */
void activation_done(struct activation *activation);

#endif
