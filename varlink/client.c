// SPDX-License-Identifier: BSD-3-Clause
#include "varlink/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BUSY_WAIT_MS 20
#define RECEIVE_BYTES 65536

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- trouble ------------------------------------------------------------------------------------------- */

static enum varlink_trouble in_trouble(struct varlink_client *client, enum varlink_trouble trouble)
{
	client->problem = (struct varlink_problem){ .trouble = trouble };
	return trouble;
}

static enum varlink_trouble failed(struct varlink_client *client, const char *step, int error)
{
	client->problem = (struct varlink_problem){ .trouble = VARLINK_FAILED, .step = step, .error = error };
	return VARLINK_FAILED;
}

static enum varlink_trouble no_reply(struct varlink_client *client, enum varlink_fault fault)
{
	client->problem = (struct varlink_problem){ .trouble = VARLINK_NO_REPLY, .fault = fault };
	return VARLINK_NO_REPLY;
}

/* --- the connection -------------------------------------------------------------------------------------- */

void varlink_client_init(struct varlink_client *client)
{
	*client = (struct varlink_client){ .fd = -1, .deadline_ms = -1 };
	varlink_framer_init(&client->framer, VARLINK_REPLY_MAX_BYTES);
}

void varlink_client_done(struct varlink_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	varlink_framer_done(&client->framer);
	varlink_client_init(client);
}

void varlink_client_set_timeout(struct varlink_client *client, int64_t timeout_ms)
{
	client->deadline_ms = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
}

/* Wait for events, or (with events 0) just for a moment. */
static enum varlink_trouble client_wait(struct varlink_client *client, short events)
{
	struct pollfd pollfd = { .fd = events ? client->fd : -1, .events = events };
	int64_t left = client->deadline_ms < 0 ? -1 : client->deadline_ms - now_ms();

	if (client->deadline_ms >= 0 && left <= 0)
		return in_trouble(client, VARLINK_TIMED_OUT);
	if (!events && (left < 0 || left > BUSY_WAIT_MS))
		left = BUSY_WAIT_MS;
	if (poll(&pollfd, 1, left > INT32_MAX ? INT32_MAX : (int)left) < 0 && errno != EINTR)
		return failed(client, "poll", errno);
	return VARLINK_NO_TROUBLE;
}

static enum varlink_trouble connect_failed(struct varlink_client *client, int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED: return in_trouble(client, VARLINK_NOT_LISTENING);
	case EACCES:
	case EPERM: return in_trouble(client, VARLINK_KEPT_OUT);
	default: return failed(client, "cannot connect", error);
	}
}

enum varlink_trouble varlink_client_connect(struct varlink_client *client, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	enum varlink_trouble trouble;

	if (strlen(path) >= sizeof(address.sun_path))
		return failed(client, "cannot connect", ENAMETOOLONG);
	strcpy(address.sun_path, path);

	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (client->fd < 0)
		return failed(client, "socket", errno);
	while (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		/* A Unix socket connects at once or not at all; EAGAIN: the daemon's queue is full. */
		if (errno != EAGAIN && errno != EINTR)
			return connect_failed(client, errno);
		trouble = client_wait(client, 0);
		if (trouble)
			return trouble;
	}
	return VARLINK_NO_TROUBLE;
}

enum varlink_trouble varlink_client_adopt(struct varlink_client *client, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	client->fd = fd;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return failed(client, "fcntl", errno);
	return VARLINK_NO_TROUBLE;
}

int varlink_client_take_fd(struct varlink_client *client)
{
	int fd = client->fd;

	client->fd = -1;
	return fd;
}

/* --- calls and replies ------------------------------------------------------------------------------------- */

static enum varlink_trouble send_bytes(struct varlink_client *client, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(client->fd, bytes, len, MSG_NOSIGNAL);
		enum varlink_trouble trouble;

		if (n >= 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			/* It does not listen (any more), but may have said why. */
			return VARLINK_NO_TROUBLE;
		} else if (errno != EAGAIN && errno != EINTR) {
			return failed(client, "cannot send", errno);
		} else {
			trouble = client_wait(client, POLLOUT);
			if (trouble)
				return trouble;
		}
	}
	return VARLINK_NO_TROUBLE;
}

enum varlink_trouble varlink_client_send(struct varlink_client *client, const char *method, json_t *parameters,
					 bool more)
{
	enum varlink_trouble trouble;
	size_t len = 0;
	char *call = varlink_call_build(method, parameters, more, &len);

	if (!call)
		return failed(client, "cannot call", ENOMEM);
	trouble = send_bytes(client, call, len);
	free(call);
	return trouble;
}

/* Receive some, into the framer. What is there already is taken without waiting, whatever the deadline. */
static enum varlink_trouble receive_bytes(struct varlink_client *client)
{
	char bytes[RECEIVE_BYTES];
	ssize_t n = recv(client->fd, bytes, sizeof(bytes), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return client_wait(client, POLLIN);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return in_trouble(client, VARLINK_ENDED);
	if (n < 0)
		return failed(client, "cannot receive", errno);
	if (varlink_framer_feed(&client->framer, bytes, (size_t)n) < 0)
		return failed(client, "cannot receive", ENOMEM);
	return VARLINK_NO_TROUBLE;
}

enum varlink_trouble varlink_client_receive(struct varlink_client *client, struct varlink_reply *ret_reply)
{
	enum varlink_trouble trouble;
	enum varlink_fault fault;
	const char *text;
	size_t len;
	int r;

	while ((r = varlink_framer_next(&client->framer, &text, &len)) == 0) {
		trouble = receive_bytes(client);
		if (trouble)
			return trouble;
	}
	fault = r < 0 ? VARLINK_TOO_LARGE : varlink_reply_parse(text, len, ret_reply);
	return fault ? no_reply(client, fault) : VARLINK_NO_TROUBLE;
}
