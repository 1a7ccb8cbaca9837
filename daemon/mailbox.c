// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/mailbox.h"

int mailbox_open(int ret_fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) < 0 ? -errno : 0;
}

int mailbox_post(int fd, const struct mailbox_message *message)
{
	size_t length = strnlen(message->path, sizeof(message->path) - 1) + 1;
	ssize_t n = send(fd, message, offsetof(struct mailbox_message, path) + length, MSG_NOSIGNAL);

	return n < 0 ? -errno : 0;
}

int mailbox_take(int fd, struct mailbox_message *ret)
{
	ssize_t n = recv(fd, ret, sizeof(*ret), 0);

	if (n < 0)
		return -errno;
	if (n == 0)
		return 0;
	if ((size_t)n <= offsetof(struct mailbox_message, path) || ((const char *)ret)[n - 1] != '\0' ||
	    ret->type > MAILBOX_FULL || ret->path[0] != '/')
		return -EBADMSG;
	return 1;
}
