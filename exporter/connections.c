// SPDX-License-Identifier: BSD-3-Clause
#include "exporter/connections.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LOOKS_PER_PATIENCE 10

/** A descriptor that is a connection, as long as its other end is this one. */
struct place {
	struct sockaddr_storage peer;
	int64_t since_ms; ///< CLOCK_MONOTONIC
};

struct connections {
	struct event *look;
	unsigned patience_ms;
	size_t n_places;
	struct place places[]; ///< by descriptor
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* @return whether it is a connection over a network */
static bool peer_of(int fd, struct sockaddr_storage *ret)
{
	socklen_t len = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	return getpeername(fd, (struct sockaddr *)ret, &len) == 0 &&
	       (ret->ss_family == AF_INET || ret->ss_family == AF_INET6);
}

/* evhttp closes what has ended, and nobody else's descriptor is closed under its feet. */
static void place_look(struct place *place, int fd, unsigned patience_ms)
{
	struct sockaddr_storage peer;

	if (!peer_of(fd, &peer))
		*place = (struct place){ .since_ms = 0 };
	else if (memcmp(&peer, &place->peer, sizeof(peer)) != 0)
		*place = (struct place){ .peer = peer, .since_ms = now_ms() };
	else if (now_ms() - place->since_ms > patience_ms)
		(void)shutdown(fd, SHUT_RDWR);
}

static void on_look(evutil_socket_t none, short what, void *arg)
{
	struct connections *connections = arg;

	(void)none;
	(void)what;
	for (size_t fd = 0; fd < connections->n_places; fd++)
		place_look(&connections->places[fd], (int)fd, connections->patience_ms);
}

void connections_renew(struct connections *connections, int fd)
{
	struct sockaddr_storage peer;

	if (fd >= 0 && (size_t)fd < connections->n_places && peer_of(fd, &peer))
		connections->places[fd] = (struct place){ .peer = peer, .since_ms = now_ms() };
}

/* The lowest descriptor that is free tells how many there are: none has been closed so far but at the end. @return 0 or -errno */
static int descriptors_limit(size_t *ret_limit)
{
	int lowest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	struct rlimit limit;
	rlim_t wanted;

	if (lowest < 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	close(lowest);
	wanted = (rlim_t)lowest + HTTP_CONNECTIONS_MAX;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	*ret_limit = (size_t)limit.rlim_cur;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

struct connections *connections_new(struct event_base *base, unsigned patience_ms, struct fancap_error *err)
{
	const unsigned look_ms = patience_ms / LOOKS_PER_PATIENCE;
	const struct timeval interval = { .tv_sec = look_ms / 1000, .tv_usec = look_ms % 1000 * 1000 };
	struct connections *connections;
	size_t limit = 0;
	int r = descriptors_limit(&limit);

	if (r < 0) {
		fancap_error_set(err, "cannot limit how many connections there are: %s", strerror(-r));
		return NULL;
	}
	connections = calloc(1, sizeof(*connections) + limit * sizeof(connections->places[0]));
	if (connections) {
		connections->patience_ms = patience_ms;
		connections->n_places = limit;
		connections->look = event_new(base, -1, EV_PERSIST, on_look, connections);
	}
	if (connections && connections->look && event_add(connections->look, &interval) == 0)
		return connections;
	connections_free(connections);
	fancap_error_set(err, "%s", strerror(ENOMEM));
	return NULL;
}

void connections_free(struct connections *connections)
{
	if (connections && connections->look)
		event_free(connections->look);
	free(connections);
}
