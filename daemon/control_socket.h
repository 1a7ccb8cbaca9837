// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_CONTROL_SOCKET_H
#define DAEMON_CONTROL_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "fancap/error.h"

/** A listening Unix socket in the file system, and the lock that makes it ours. */
struct control_socket {
	int fd;	     ///< -1: none
	int lock_fd; ///< -1: none, since the socket was given to us
	bool bound;  ///< the file is there, and ours to remove
	char *path;
	char *lock_path;
};

/** A socket that is not open; control_socket_close() accepts it. */
#define CONTROL_SOCKET_NONE { .fd = -1, .lock_fd = -1 }

/**
 * Make the socket, mode 0660, and listen on it.
 *
 * @param owner      (uid_t)-1: us
 * @param group      (gid_t)-1: ours
 * @param ret_socket set on success only; closed with control_socket_close()
 * @return 0, -EADDRINUSE another process answers there, or another -errno
 */
int control_socket_open(const char *path, uid_t owner, gid_t group, struct control_socket *ret_socket,
			struct fancap_error *err);

/** Take a socket over that is listening already. It is closed in the end, not removed. @return 0 or -errno */
int control_socket_adopt(int fd, struct control_socket *ret_socket, struct fancap_error *err);

/** Remove what control_socket_open() made, and close. */
void control_socket_close(struct control_socket *socket);

#endif
