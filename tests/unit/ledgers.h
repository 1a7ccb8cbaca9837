// SPDX-License-Identifier: BSD-3-Clause
#ifndef TESTS_UNIT_LEDGERS_H
#define TESTS_UNIT_LEDGERS_H

#include <unistd.h>

#include "daemon/ledger.h"

/** The ledger of a ring with blocks of this size. NULL: it cannot be made. @param ret_fd its descriptor; NULL: closed */
static inline struct ledger *ledger_make(uint32_t block_bytes, int *ret_fd)
{
	const struct ledger_ring ring = {.interface = "eth0", .req = {.tp_block_size = block_bytes}};
	struct ledger *ledger = NULL;
	int fd = ledger_create(&ring, &ledger);

	if (ret_fd != NULL)
		*ret_fd = fd;
	else if (fd >= 0)
		close(fd);
	return fd < 0 ? NULL : ledger;
}

#endif
