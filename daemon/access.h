// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_ACCESS_H
#define DAEMON_ACCESS_H

#include <stdbool.h>
#include <sys/types.h>

/** Members of this group may tell fancapd what to do. */
#define ACCESS_ADMIN_GROUP "fancap-admin"

/** What a method takes of its caller. */
enum access_level {
	ACCESS_NONE, ///< what nobody needs: a stranger's, whom the socket's mode should not have let in
	ACCESS_READ, ///< to be a member of the readers' group, or of what follows
	ACCESS_ACT,  ///< to be root, the daemon's own user, or a member of the admin group
};

#define ACCESS_NAME_MAX 64

/**
 * Who may call besides root and the daemon's own user. The socket's mode says so too; but a socket may be made by somebody
 * else, and a descriptor be handed on.
 */
struct access {
	gid_t readers; ///< the socket's group; (gid_t)-1: our own
	char readers_name[ACCESS_NAME_MAX]; ///< access_look_up(): for messages
	const char *group; ///< who may act, by name; NULL: nobody else
	gid_t gid;	   ///< access_look_up(): (gid_t)-1: there is no such group
};

/** The process at the other end of a connection, as it was when it connected. */
struct access_caller {
	uid_t uid; ///< (uid_t)-1: unknown
	pid_t pid; ///< 0: unknown, or in another PID namespace
	enum access_level level;
	const char *readers; ///< the name of the group that may read: borrowed from the access
};

/** Look the groups up. Asks the user database, which may take its time: at the start and at a reload only. */
void access_look_up(struct access *access);

/** Who is at the other end of a connected Unix socket, and what it may do. Of one that cannot be known: nothing. */
struct access_caller access_caller_of(const struct access *access, int fd);

#endif
