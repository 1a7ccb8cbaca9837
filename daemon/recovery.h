// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_RECOVERY_H
#define DAEMON_RECOVERY_H

#include "fancap/recover.h"

/**
 * Publish a recording whose worker is gone: PATH.part is cut to its last whole block, closed, and renamed PATH, in place.
 * Blocks as the disk does.
 *
 * One that would lose more than a torn end is not cut: it is kept as PATH.damaged, and PATH is a copy of what is whole.
 *
 * @param part ends in SEGMENT_PART; one that somebody holds a lock on is left alone
 * @return 0; as fancap_recover_file(), -EUCLEAN excepted
 */
int recovery_publish(const char *part, fancap_recover_progress progress, void *arg,
		     struct fancap_recover_result *ret_result, struct fancap_error *err);

/**
 * fancapd --recover: publish every recording (*.pcapng.part) below each folder, and each file given. A file that does not
 * end in SEGMENT_PART stays, and gets a recovered one beside it.
 *
 * Says on stdout what became of each file, on stderr what failed, there with progress if it is a terminal.
 *
 * @param paths ends with NULL
 * @return the exit status: 0, or 1 if something failed
 */
int recovery_run(char *const *paths);

#endif
