// SPDX-License-Identifier: BSD-3-Clause
/*
 * sd_notify() without its wait: it blocks while the receiver's queue is full (net.unix.max_dgram_qlen: 10 messages),
 * and whoever hangs there, the service manager or another, must not stop the supervisor.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "daemon/notify.h"

/* How long a change of state, which is not said again, waits for room. */
#define STATE_WAIT_MS 1000

/* @return bytes of the address, 0: there is nobody to notify */
static socklen_t receiver_address(struct sockaddr_un *ret)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path != NULL ? strlen(path) : 0;

	if (n < 2 || n >= sizeof(ret->sun_path) || (path[0] != '/' && path[0] != '@'))
		return 0;
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(ret->sun_path, path, n);
	if (path[0] == '@')
		ret->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

static void notify(const char *text, int flags)
{
	const struct timeval wait = {.tv_sec = STATE_WAIT_MS / 1000, .tv_usec = STATE_WAIT_MS % 1000 * 1000};
	struct sockaddr_un address;
	socklen_t len = receiver_address(&address);
	int fd;

	if (len == 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	/* Who does not listen is not told; there is nobody else to tell of that. */
	(void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL | flags, (const struct sockaddr *)&address, len);
	close(fd);
}

void notify_ready(void)
{
	notify("READY=1", 0);
}

void notify_reloading(void)
{
	struct timespec now;
	char text[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	/* The time stamp is what Type=notify-reload of later systemd versions asks for. */
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)now.tv_sec * 1000000u + (unsigned long long)now.tv_nsec / 1000u);
	notify(text, 0);
}

void notify_stopping(void)
{
	notify("STOPPING=1", 0);
}

void notify_status(const char *format, ...)
{
	char text[256] = "STATUS=";
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, sizeof(text) - used, format, args);
	va_end(args);
	/* The next one comes in a second. */
	notify(text, MSG_DONTWAIT);
}
