// SPDX-License-Identifier: BSD-3-Clause
#ifndef TESTS_UNIT_MANAGER_H
#define TESTS_UNIT_MANAGER_H

#include "tests/unit/unit.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/** A service manager with a store: what is told to it is to be received here. */
struct manager {
	int fd; ///< what it listens on
};

/** For this process from here on. */
static inline void manager_open(struct manager *ret)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[64];

	snprintf(path, sizeof(path), "@fancap-test-manager-%d", (int)getpid());
	memcpy(address.sun_path + 1, path + 1, strlen(path) - 1);
	ret->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(ret->fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))), 0);
	setenv("NOTIFY_SOCKET", path, 1);
	setenv("FDSTORE", "64", 1);
}

static inline void manager_close(struct manager *manager)
{
	close(manager->fd);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("FDSTORE");
}

/** The next message, "" if there is none. @return its descriptor, which the caller closes, or -1 */
static inline int manager_receive(const struct manager *manager, char *text, size_t size)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {text, size - 1};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(manager->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd = -1;

	if (n < 0) {
		text[0] = '\0';
		return -1;
	}
	text[n] = '\0';
	if (CMSG_FIRSTHDR(&message) != NULL)
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

#endif
