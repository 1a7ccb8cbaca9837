// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/store.h"

#define RING "ring-"
#define LEDGER "ledger-"
#define NAME_MAX_BYTES (sizeof(LEDGER) + IF_NAMESIZE + 48)

static void name_fill(char ret[NAME_MAX_BYTES], const char *kind, const struct ledger_ring *ring)
{
	snprintf(ret, NAME_MAX_BYTES, "%s%.*s-%llu-%u", kind, IF_NAMESIZE, ring->interface,
		 (unsigned long long)ring->created_ns, ring->worker);
}

bool store_available(void)
{
	const char *room = getenv("FDSTORE"), *notify = getenv("NOTIFY_SOCKET");

	return room != NULL && strtoul(room, NULL, 10) > 0 && notify != NULL && notify[0] != '\0';
}

int store_put(const struct ledger_ring *ring, int ring_fd, int ledger_fd)
{
	char name[NAME_MAX_BYTES];
	int r;

	if (!store_available())
		return 0;
	/* The ledger first: a ring without one cannot be gone on with. */
	name_fill(name, LEDGER, ring);
	r = notify_store(name, ledger_fd);
	if (r < 0)
		return r;
	name_fill(name, RING, ring);
	return notify_store(name, ring_fd);
}

void store_remove(const struct ledger_ring *ring)
{
	char name[NAME_MAX_BYTES];

	if (!store_available())
		return;
	name_fill(name, RING, ring);
	notify_store_remove(name);
	name_fill(name, LEDGER, ring);
	notify_store_remove(name);
}

/* --- what an earlier fancapd left --------------------------------------------------------------------------------- */

static bool is_named(const char *name, const char *kind)
{
	return strncmp(name, kind, strlen(kind)) == 0;
}

bool store_owns(const char *name)
{
	return is_named(name, RING) || is_named(name, LEDGER);
}

/* The descriptor of a name, taken: its place is -1 then. @return fd, or -1: there is none */
static int take_named(int *fds, char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		int fd = fds[i];

		if (fd >= 0 && strcmp(names[i], name) == 0) {
			fds[i] = -1;
			return fd;
		}
	}
	return -1;
}

static void forget(const char *name, int fd, const char *why)
{
	log_warning("%s in the service manager's store: %s; what is in it is lost", name, why);
	notify_store_remove(name);
	close(fd);
}

static const char *ledger_problem(int error)
{
	switch (error) {
	case -EBADMSG: return "not a ledger";
	case -EPROTO: return "of another version of fancapd";
	default: return strerror(-error);
	}
}

/* One ledger and, by its name, its ring. */
static void take_ring(struct store *store, int ledger_fd, const char *ledger_name, int *fds, char *const *names,
		      size_t n)
{
	struct store_ring ring = {.ledger_fd = ledger_fd, .ring_fd = -1};
	char name[256];
	int r;

	snprintf(name, sizeof(name), RING "%s", ledger_name + strlen(LEDGER));
	ring.ring_fd = take_named(fds, names, n, name);
	if (ring.ring_fd < 0) {
		forget(ledger_name, ledger_fd, "its ring is not there");
		return;
	}
	r = ledger_open(ledger_fd, &ring.ledger);
	if (r < 0) {
		forget(name, ring.ring_fd, "its ledger cannot be used");
		forget(ledger_name, ledger_fd, ledger_problem(r));
		return;
	}
	store->rings[store->n++] = ring;
}

int store_take(struct store *ret, const int *fds, char *const *names, size_t n)
{
	int *left = calloc(n + 1, sizeof(*left));

	*ret = (struct store){.rings = calloc(n + 1, sizeof(*ret->rings))};
	if (left == NULL || ret->rings == NULL) {
		free(left);
		return -ENOMEM;
	}
	memcpy(left, fds, n * sizeof(*left));
	for (size_t i = 0; i < n; i++) {
		int fd = left[i];

		if (fd < 0 || !is_named(names[i], LEDGER))
			continue;
		left[i] = -1;
		take_ring(ret, fd, names[i], left, names, n);
	}
	for (size_t i = 0; i < n; i++) {
		if (left[i] >= 0 && is_named(names[i], RING))
			forget(names[i], left[i], "its ledger is not there");
	}
	free(left);
	return 0;
}

void store_done(struct store *store)
{
	for (size_t i = 0; i < store->n; i++) {
		const struct store_ring *ring = &store->rings[i];
		const struct ledger_ring *about;

		if (ring->ring_fd < 0)
			continue;
		about = ledger_ring(ring->ledger);
		log_warning("%s: ring %u of an earlier fancapd is not used any more; what is in it is lost",
			    about->interface, about->worker);
		store_remove(about);
		ledger_unmap(ring->ledger);
		close(ring->ledger_fd);
		close(ring->ring_fd);
	}
	free(store->rings);
	*store = (struct store){0};
}
