// SPDX-License-Identifier: BSD-3-Clause
/*
 * sd_notify() waits while the receiver's queue is full (net.unix.max_dgram_qlen, 10 messages by default): a receiver
 * that hangs would make us hang. So this is its protocol, without the waiting.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "daemon/notify.h"

/* How long to wait for room for what must not get lost, looking so often. */
#define STORE_WAIT_MS 5000
#define ROOM_STEP_MS 10

/* A state that found no room: told again with the next status. */
static const char *untold;

/* What systemd listens on. @return its length, 0 nobody asked, -EINVAL */
static int notify_address(struct sockaddr_un *address)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path != NULL ? strlen(path) : 0;

	if (len == 0)
		return 0;
	if (len >= sizeof(address->sun_path) || (path[0] != '/' && path[0] != '@'))
		return -EINVAL;
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(address->sun_path, path, len);
	if (path[0] == '@')
		address->sun_path[0] = '\0';
	return (int)(offsetof(struct sockaddr_un, sun_path) + len);
}

static ssize_t send_waiting(int fd, const struct msghdr *message, int wait_ms)
{
	ssize_t sent = sendmsg(fd, message, MSG_NOSIGNAL);

	/* Of a socket that is not connected poll() says that there is room whether there is or not. */
	for (; sent < 0 && errno == EAGAIN && wait_ms > 0; wait_ms -= ROOM_STEP_MS) {
		poll(NULL, 0, ROOM_STEP_MS);
		sent = sendmsg(fd, message, MSG_NOSIGNAL);
	}
	return sent;
}

/* @return 0 told, or nobody asked; -EAGAIN no room for it now; another -errno */
static int notify_send_fd(const char *text, int passed_fd, int wait_ms)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
	struct sockaddr_un address;
	int length = notify_address(&address), fd, r;
	struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr message = {.msg_name = &address, .msg_namelen = (socklen_t)length, .msg_iov = &iov, .msg_iovlen = 1};

	if (length <= 0)
		return length;
	if (passed_fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &passed_fd, sizeof(passed_fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = send_waiting(fd, &message, wait_ms) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static int notify_send(const char *text)
{
	return notify_send_fd(text, -1, 0);
}

int notify_store(const char *name, int fd)
{
	char text[320];

	snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%.255s", name);
	return notify_send_fd(text, fd, STORE_WAIT_MS);
}

void notify_store_remove(const char *name)
{
	char text[320];

	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%.255s", name);
	(void)notify_send_fd(text, -1, STORE_WAIT_MS);
}

static void tell_state(const char *state)
{
	untold = notify_send(state) == -EAGAIN ? state : NULL;
}

void notify_ready(void)
{
	tell_state("READY=1");
}

void notify_reloading(void)
{
	char text[64];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	/* The time stamp is what Type=notify-reload of later systemd versions asks for. */
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)now.tv_sec * 1000000u + (unsigned long long)now.tv_nsec / 1000u);
	(void)notify_send(text);
}

void notify_stopping(void)
{
	tell_state("STOPPING=1");
}

void notify_watchdog(void)
{
	if (getenv("WATCHDOG_USEC") != NULL)
		(void)notify_send("WATCHDOG=1");
}

void notify_extend_timeout(unsigned ms)
{
	char text[48];

	snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%llu", ms * 1000ull);
	(void)notify_send(text);
}

void notify_status(const char *format, ...)
{
	char text[256];
	int used = snprintf(text, sizeof(text), "%s%sSTATUS=", untold != NULL ? untold : "",
			    untold != NULL ? "\n" : "");
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, sizeof(text) - (size_t)used, format, args);
	va_end(args);
	if (notify_send(text) != -EAGAIN)
		untold = NULL;
}
