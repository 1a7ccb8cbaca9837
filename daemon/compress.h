// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_COMPRESS_H
#define DAEMON_COMPRESS_H

#include <stdbool.h>

#include "fancap/error.h"

/** How to compress. Zeroed: zstd's default level, not to be stopped. */
struct compress_options {
	int level;		    ///< of zstd, 1 to 19; 0: its default
	bool (*stopped)(void *arg); ///< asked between pieces of some 100 KiB; NULL: never
	void *arg;		    ///< of stopped
};

/** What a name gets, with its dot. */
#define COMPRESS_SUFFIX ".zst"

/**
 * Compress a finished file with zstd: one frame, with content size and checksum. Blocks; the page cache is left as it was.
 *
 * Written as TO.part, fdatasynced, read back from the disk and decompressed against its checksum, renamed (never over a
 * file), folder fsynced: on 0 the original may be removed. It is neither removed nor changed here. Mode and time of
 * modification are the original's, and the owner's if that is allowed. A TO.part that somebody left behind is begun anew.
 *
 * @return 0; -ECANCELED stopped; -EEXIST there is a TO; -EBUSY somebody else compresses it, or it changed meanwhile;
 *         -EBADMSG what was read back is not what was written; -EOPNOTSUPP built without zstd; -errno. TO.part is gone then
 */
int compress_file(const char *from, const char *to, const struct compress_options *options, struct fancap_error *err);

#endif
