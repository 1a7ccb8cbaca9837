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
#include "fancap/stats.h"

#define RING "ring-"
#define LEDGER "ledger-"
#define PAST "past"
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

static void name_past(char ret[NAME_MAX_BYTES], const char *interface)
{
	snprintf(ret, NAME_MAX_BYTES, PAST "%s%.*s", interface[0] != '\0' ? "-" : "", IF_NAMESIZE, interface);
}

int store_put_past(const char *interface, int fd)
{
	char name[NAME_MAX_BYTES];

	name_past(name, interface);
	return store_available() ? notify_store(name, fd) : 0;
}

void store_remove_past(const char *interface)
{
	char name[NAME_MAX_BYTES];

	name_past(name, interface);
	if (store_available())
		notify_store_remove(name);
}

/* --- what an earlier fancapd left --------------------------------------------------------------------------------- */

static bool is_named(const char *name, const char *kind)
{
	return strncmp(name, kind, strlen(kind)) == 0;
}

bool store_owns(const char *name)
{
	return is_named(name, RING) || is_named(name, LEDGER) || is_named(name, PAST);
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

static const char *problem(int error)
{
	switch (error) {
	case -EBADMSG: return "not what its name says";
	case -EPROTO: return "of another version of fancapd";
	default: return strerror(-error);
	}
}

/* Every look at the kernel's counters resets them: they tell what came since the last one. */
static void forget_ring(const char *name, int fd)
{
	char why[128] = "its ledger cannot be used";
	struct fancap_stats stats = {0};

	if (fancap_stats_read(fd, &stats) == 0)
		snprintf(why, sizeof(why), "its ledger cannot be used, and %llu packets came since it was last looked at",
			 (unsigned long long)(stats.packets - stats.drops));
	forget(name, fd, why);
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
		forget_ring(name, ring.ring_fd);
		forget(ledger_name, ledger_fd, problem(r));
		return;
	}
	store->rings[store->n++] = ring;
}

static void take_one_past(struct store *store, int fd, const char *name)
{
	int r = past_open(fd, &store->pasts[store->n_pasts]);

	if (r < 0)
		forget(name, fd, problem(r));
	else
		store->n_pasts++;
}

int store_take(struct store *ret, const int *fds, char *const *names, size_t n)
{
	int *left = calloc(n + 1, sizeof(*left));

	*ret = (struct store){
		.rings = calloc(n + 1, sizeof(*ret->rings)),
		.pasts = calloc(n + 1, sizeof(struct past *)),
	};
	if (left == NULL || ret->rings == NULL || ret->pasts == NULL) {
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
		else if (left[i] >= 0 && is_named(names[i], PAST))
			take_one_past(ret, left[i], names[i]);
	}
	free(left);
	return 0;
}

static void close_ring(struct store_ring *ring)
{
	ledger_unmap(ring->ledger);
	close(ring->ledger_fd);
	close(ring->ring_fd);
	ring->ring_fd = -1;
}

static void let_go(struct store_ring *ring)
{
	store_remove(ledger_ring(ring->ledger));
	close_ring(ring);
}


static void let_go_added(struct store *store, const struct past *past)
{
	for (size_t i = 0; i < store->n; i++) {
		struct store_ring *ring = &store->rings[i];

		if (ring->ring_fd >= 0 && strcmp(ledger_ring(ring->ledger)->interface, past_interface(past)) == 0 &&
		    past_has(past, ledger_ring(ring->ledger)->created_ns))
			let_go(ring);
	}
}

struct past *store_take_past(struct store *store, const char *interface)
{
	for (size_t i = 0; i < store->n_pasts; i++) {
		struct past *past = store->pasts[i];

		if (past == NULL || strcmp(past_interface(past), interface) != 0)
			continue;
		store->pasts[i] = NULL;
		let_go_added(store, past);
		return past;
	}
	return NULL;
}

void store_close(struct store *store)
{
	for (size_t i = 0; i < store->n; i++) {
		if (store->rings[i].ring_fd >= 0)
			close_ring(&store->rings[i]);
	}
	for (size_t i = 0; i < store->n_pasts; i++)
		past_free(store->pasts[i]);
	free(store->rings);
	free(store->pasts);
	*store = (struct store){0};
}

void store_done(struct store *store)
{
	for (size_t i = 0; i < store->n; i++) {
		struct store_ring *ring = &store->rings[i];
		const struct ledger_ring *about;

		if (ring->ring_fd < 0)
			continue;
		about = ledger_ring(ring->ledger);
		log_warning("%s: ring %u of an earlier fancapd is not used any more; what is in it is lost",
			    about->interface, about->worker);
		let_go(ring);
	}
	store_close(store);
}
