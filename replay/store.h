// SPDX-License-Identifier: BSD-3-Clause
#ifndef REPLAY_STORE_H
#define REPLAY_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "replay/packet.h"

/** Packets in memory, one behind the other; zeroed: none. */
struct store {
	uint8_t *bytes;
	size_t n, room;
	size_t at; ///< of the next one to be read
};

void store_done(struct store *store);

/** Add a copy. @return 0 or -ENOMEM */
int store_add(struct store *store, const struct replay_packet *packet);

/** The next packet; reading begins with the first one and after store.at has been set to 0. @return 1, or 0: no more */
int store_next(struct store *store, struct replay_packet *ret);

#endif
