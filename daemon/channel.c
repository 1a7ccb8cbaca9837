// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/channel.h"

static size_t body_bytes(enum channel_type type)
{
	switch (type) {
	case CHANNEL_STOP: return sizeof(uint64_t);
	case CHANNEL_CONFIGURE: return sizeof(struct recorder_settings);
	case CHANNEL_ROTATE:
	case CHANNEL_ROTATED: return sizeof(uint64_t);
	case CHANNEL_KEEP: return sizeof(struct keeper_settings);
	case CHANNEL_SEGMENTS: return sizeof(struct segments_message);
	case CHANNEL_LOG: return sizeof(struct channel_log);
	case CHANNEL_HELLO:
	case CHANNEL_LOSING: break;
	}
	return 0;
}

static size_t message_bytes(enum channel_type type)
{
	return offsetof(struct channel_message, stop_packets) + body_bytes(type);
}

int channel_pair(int ret_fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) < 0 ? -errno : 0;
}

int channel_send(int fd, const struct channel_message *message)
{
	ssize_t n = send(fd, message, message_bytes(message->type), MSG_NOSIGNAL);

	return n < 0 ? -errno : 0;
}

int channel_receive(int fd, struct channel_message *ret)
{
	ssize_t n = recv(fd, ret, sizeof(*ret), 0);

	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	if (n == 0)
		return 0;
	if ((size_t)n < sizeof(ret->type) || ret->type > CHANNEL_LOG ||
	    (size_t)n != message_bytes(ret->type))
		return -EBADMSG;
	if (ret->type == CHANNEL_LOG) {
		ret->log.message_id[sizeof(ret->log.message_id) - 1] = '\0';
		ret->log.text[sizeof(ret->log.text) - 1] = '\0';
	}
	return 1;
}
