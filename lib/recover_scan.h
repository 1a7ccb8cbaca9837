// SPDX-License-Identifier: BSD-3-Clause
/* How far a capture file is whole, and what it lacks to be closed. Reads only. */
#ifndef LIB_RECOVER_SCAN_H
#define LIB_RECOVER_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/capfile_private.h"

struct recover_scan {
	uint64_t end; ///< of the prefix of whole, valid blocks
	uint64_t packets;
	uint64_t first_ns; ///< of the packets that have a time stamp; 0: none
	uint64_t last_ns;
	char reason[160]; ///< why the prefix ends; "": the file does

	/** Where the last section's header gives a length that is, or will be, wrong; 0: nowhere. All ones mean unknown. */
	uint64_t section_length_at;
	uint8_t *closing; ///< blocks to be appended, or NULL
	size_t closing_bytes;
};

/** @return true to go on */
typedef bool recover_scan_progress(void *arg, uint64_t offset);

/**
 * Read a file from its beginning to its end or its damage.
 *
 * @param ret recover_scan_done() frees what is in it, in any case
 * @return 0; -ECANCELED; -errno, file->error says more
 */
int recover_scan(struct fancap_capfile *file, recover_scan_progress *progress, void *arg, struct recover_scan *ret);

void recover_scan_done(struct recover_scan *scan);

#endif
