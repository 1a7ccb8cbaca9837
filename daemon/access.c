// SPDX-License-Identifier: BSD-3-Clause
/*
 * The kernel notes the credentials of a Unix socket's peer when it connects: what the process becomes afterwards, or who
 * else gets hold of its descriptor, changes nothing about them.
 */
#include "daemon/access.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

#define GID_NONE ((gid_t)-1)

void access_look_up(struct access *access)
{
	const struct group *group = access->group ? getgrnam(access->group) : NULL;

	access->gid = group ? group->gr_gid : GID_NONE;
}

/* The peer's supplementary groups; the caller frees them. @return how many, 0 also if they cannot be had */
static size_t peer_groups(int fd, gid_t **ret_groups)
{
	socklen_t bytes = 0;

	*ret_groups = NULL;
	/* Told to fill nothing, the kernel says how much there is. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &bytes) == 0 || errno != ERANGE)
		return 0;
	*ret_groups = malloc(bytes);
	if (!*ret_groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, *ret_groups, &bytes) < 0)
		return 0;
	return bytes / sizeof(gid_t);
}

static bool peer_is_member(int fd, gid_t gid)
{
	gid_t *groups;
	size_t n = peer_groups(fd, &groups), i = 0;

	while (i < n && groups[i] != gid)
		i++;
	free(groups);
	return i < n;
}

struct access_caller access_caller_of(const struct access *access, int fd)
{
	struct access_caller caller = { .uid = (uid_t)-1, .level = ACCESS_READ };
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return caller;
	caller.uid = peer.uid;
	caller.pid = peer.pid;
	/* A process of our own user could do worse to us than call a method. */
	if (peer.uid == 0 || peer.uid == geteuid() ||
	    (access->gid != GID_NONE && (peer.gid == access->gid || peer_is_member(fd, access->gid))))
		caller.level = ACCESS_ACT;
	return caller;
}
