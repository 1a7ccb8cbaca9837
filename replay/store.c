// SPDX-License-Identifier: BSD-3-Clause
#include "replay/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES (1u << 20)

/* In front of each packet, so that reading goes through memory in one direction. */
struct record {
	uint64_t time_ns;
	uint32_t len;
	uint32_t bytes; /* to the next record */
};

void store_done(struct store *store)
{
	free(store->bytes);
	*store = (struct store){0};
}

/* realloc() of much memory moves pages, not bytes. */
static int make_room(struct store *store, size_t more)
{
	size_t room = store->room != 0 ? store->room : FIRST_BYTES;
	uint8_t *larger;

	while (room - store->n < more) {
		if (room > SIZE_MAX / 2)
			return -ENOMEM;
		room *= 2;
	}
	if (room == store->room)
		return 0;
	larger = realloc(store->bytes, room);
	if (larger == NULL)
		return -ENOMEM;
	store->bytes = larger;
	store->room = room;
	return 0;
}

int store_add(struct store *store, const struct replay_packet *packet)
{
	struct record record = {.time_ns = packet->time_ns, .len = packet->len};

	record.bytes = (uint32_t)(sizeof(record) + ((packet->len + 7u) & ~7u));
	if (make_room(store, record.bytes) < 0)
		return -ENOMEM;
	memcpy(store->bytes + store->n, &record, sizeof(record));
	memcpy(store->bytes + store->n + sizeof(record), packet->data, packet->len);
	store->n += record.bytes;
	return 0;
}

int store_next(struct store *store, struct replay_packet *ret)
{
	struct record record;

	if (store->at == store->n)
		return 0;
	memcpy(&record, store->bytes + store->at, sizeof(record));
	*ret = (struct replay_packet){
		.data = store->bytes + store->at + sizeof(record), .len = record.len, .time_ns = record.time_ns};
	store->at += record.bytes;
	return 1;
}
