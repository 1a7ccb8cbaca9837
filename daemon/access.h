// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_ACCESS_H
#define DAEMON_ACCESS_H

#include <stdbool.h>
#include <sys/types.h>

/** Members of this group may tell fancapd what to do. */
#define ACCESS_ADMIN_GROUP "fancap-admin"

/** What a method takes of its caller. */
enum access_level {
	ACCESS_READ, ///< nothing more: whoever the socket's mode lets in
	ACCESS_ACT,  ///< to be root, the daemon's own user, or a member of the admin group
};

/** Who may act besides root and the daemon's own user. */
struct access {
	const char *group; ///< by name; NULL: nobody else
	gid_t gid;	   ///< (gid_t)-1: there is no such group
};

/** The process at the other end of a connection, as it was when it connected. */
struct access_caller {
	uid_t uid; ///< (uid_t)-1: unknown
	pid_t pid; ///< 0: unknown, or in another PID namespace
	enum access_level level;
};

/** Look the group up. Asks the user database, which may take its time: at the start and at a reload only. */
void access_look_up(struct access *access);

/** Who is at the other end of a connected Unix socket, and what it may do. Of one that cannot be known: read. */
struct access_caller access_caller_of(const struct access *access, int fd);

#endif
