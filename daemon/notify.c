// SPDX-License-Identifier: BSD-3-Clause
/*
 * sd_notify() waits while the receiver's queue is full (net.unix.max_dgram_qlen, 10 messages by default): a receiver
 * that hangs would make us hang. So this is its protocol, without the waiting.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "daemon/notify.h"

/* A state that found no room: told again with the next status. */
static const char *untold;

/* @return 0 told, or nobody asked; -EAGAIN no room for it now; another -errno */
static int notify_send(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = path != NULL ? strlen(path) : 0;
	ssize_t sent;
	int fd, r;

	if (len == 0)
		return 0;
	if (len >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
		return -EINVAL;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	r = sent < 0 ? -errno : 0;
	close(fd);
	return r;
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
