// SPDX-License-Identifier: BSD-3-Clause
/*
 * The kernel notes the credentials of a Unix socket's peer when it connects: what the process becomes afterwards, or who
 * else gets hold of its descriptor, changes nothing about them.
 */
#include "daemon/access.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

#define GID_NONE ((gid_t)-1)

static gid_t readers_of(const struct access *access)
{
	return access->readers != GID_NONE ? access->readers : getegid();
}

void access_look_up(struct access *access)
{
	const struct group *group = access->group ? getgrnam(access->group) : NULL;

	access->gid = group ? group->gr_gid : GID_NONE;
	group = getgrgid(readers_of(access));
	if (group)
		snprintf(access->readers_name, sizeof(access->readers_name), "%s", group->gr_name);
	else
		snprintf(access->readers_name, sizeof(access->readers_name), "%ld", (long)readers_of(access));
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

static bool is_of(const struct ucred *peer, int fd, gid_t gid)
{
	return gid != GID_NONE && (peer->gid == gid || peer_is_member(fd, gid));
}

struct access_caller access_caller_of(const struct access *access, int fd)
{
	struct access_caller caller = { .uid = (uid_t)-1, .level = ACCESS_NONE,
					.readers = access->readers_name };
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return caller;
	caller.uid = peer.uid;
	caller.pid = peer.pid;
	/* A process of our own user could do worse to us than call a method. */
	if (peer.uid == 0 || peer.uid == geteuid() || is_of(&peer, fd, access->gid))
		caller.level = ACCESS_ACT;
	else if (is_of(&peer, fd, readers_of(access)))
		caller.level = ACCESS_READ;
	return caller;
}
