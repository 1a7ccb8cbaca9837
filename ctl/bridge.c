// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/host.h"

#define BRIDGE_BYTES 65536

/** One way: what is read at `from` goes out at `to`. */
struct way {
	int from, to;
	bool ended; ///< nothing more comes, and `to` has been told
	size_t start, end;
	char bytes[BRIDGE_BYTES];
};

/* What is open only to one side is a pipe or a terminal, which takes no shutdown(); closing tells it as well. */
static void way_end(struct way *way)
{
	way->ended = true;
	if (shutdown(way->to, SHUT_WR) < 0)
		close(way->to);
}

/* @return 0, or -errno: no more can be passed on */
static int way_step(struct way *way, bool readable, bool writable)
{
	ssize_t n;

	if (readable && way->start == way->end) {
		n = read(way->from, way->bytes, sizeof(way->bytes));
		if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNRESET)
			return -errno;
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			way_end(way);
		way->start = 0;
		way->end = n > 0 ? (size_t)n : 0;
	} else if (writable && way->start < way->end) {
		n = write(way->to, way->bytes + way->start, way->end - way->start);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		way->start += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Wait for the way's next step: to read, or to write what was read. */
static void way_poll(const struct way *way, struct pollfd *from, struct pollfd *to)
{
	bool full = way->start < way->end;

	*from = (struct pollfd){ .fd = way->ended || full ? -1 : way->from, .events = POLLIN };
	/* Without events too: that nobody reads any more is always reported. */
	*to = (struct pollfd){ .fd = way->to, .events = full ? POLLOUT : 0 };
}

/*
 * Until the daemon's side has ended, or nobody is there any more to read what it says. That no more calls come is passed on:
 * a reply may still be on its way.
 */
static int bridge(struct way *calls, struct way *replies)
{
	while (!replies->ended) {
		struct pollfd fds[4];
		int r;

		way_poll(calls, &fds[0], &fds[1]);
		way_poll(replies, &fds[2], &fds[3]);
		/* That the daemon has gone is told by its replies ending; asking here as well would end each wait at once. */
		if (!fds[1].events)
			fds[1].fd = -1;
		if (poll(fds, 4, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (fds[3].revents & (POLLERR | POLLHUP))
			return -EPIPE;
		/* A daemon that does not listen any more may still have said why. */
		r = calls->ended ? 0 : way_step(calls, fds[0].revents, fds[1].revents);
		if (r == -EPIPE || r == -ECONNRESET) {
			calls->ended = true;
			calls->start = calls->end = 0;
		} else if (r < 0) {
			return r;
		}
		r = way_step(replies, fds[2].revents, fds[3].revents);
		if (r < 0)
			return r;
	}
	return 0;
}

enum ctl_exit run_stdio_bridge(const struct ctl *ctl, const struct arguments *arguments)
{
	static struct way calls, replies;
	enum ctl_exit result;
	int fd, r;

	(void)arguments;
	result = client_connect(ctl, &fd);
	if (result)
		return result; /* also CTL_NOT_RUNNING: who called us says so */
	calls = (struct way){ .from = STDIN_FILENO, .to = fd };
	replies = (struct way){ .from = fd, .to = STDOUT_FILENO };
	r = bridge(&calls, &replies);
	/* Nobody reads any more: that is how a caller goes. */
	if (r == 0 || r == -EPIPE)
		return CTL_OK;
	fprintf(ctl->err, "fancapctl: stdio-bridge: %s\n", strerror(-r));
	return CTL_FAILED;
}
