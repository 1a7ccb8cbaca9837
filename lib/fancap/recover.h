// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_RECOVER_H
#define FANCAP_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "fancap/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Capture files that were never finished: by a power cut, a kill, a full disk. What remains is their prefix of whole,
 * valid blocks (pcapng, from whatever program) or records (pcap), closed as a finished file is.
 *
 * What is valid is what fancap/capfile.h reads, and more strictly: known blocks have known interfaces and their options
 * inside, unknown ones are framed right. Zeros are no block. The first contradiction ends the prefix: what stands behind it
 * is not looked for, but counted.
 *
 * A pcapng file gets a closing Interface Statistics Block for each interface of its last section that has packets, unless
 * one that counts all of them is there: isb_usrdeliv is what the file has, isb_osdrop what its last statistics or its
 * epb_dropcounts say (whichever is more), isb_filteraccept both and what was discarded by the last statistics' reckoning.
 * All are cumulative since the beginning of the section. Times are those of the first and the last packet.
 */

/*
 * A block of a ring that fancapd has set aside (DIRECTORY/quarantine/, *.block) becomes a pcapng file of the packets in it that
 * can be read. That is always a copy.
 */

enum fancap_recover_mode {
	FANCAP_RECOVER_COPY,	 ///< make a new file; the original stays as it is
	FANCAP_RECOVER_IN_PLACE, ///< cut the file itself, close it, rename it: quick, however large it is
};

/** What FANCAP_RECOVER_IN_PLACE cuts off without being told more: a torn end is as long as the writes under way were. */
#define FANCAP_RECOVER_CUT_MAX (UINT64_C(64) << 20)

/**
 * Called every few MiB.
 *
 * @param done  bytes
 * @param total bytes at most; may become less, never more
 * @return true to go on; false: end with -ECANCELED, as if it had been killed
 */
typedef bool (*fancap_recover_progress)(void *arg, uint64_t done, uint64_t total);

/** How to recover. Zeroed: a copy, without progress. */
struct fancap_recover_options {
	enum fancap_recover_mode mode;
	bool needed_only;  ///< make no copy of a file that is whole and closed
	uint64_t cut_max;  ///< in place: bytes, trailing zeros not counted; 0: FANCAP_RECOVER_CUT_MAX, UINT64_MAX: any
	fancap_recover_progress progress; ///< or NULL
	void *arg;	   ///< of progress
};

/** What was found, and what was done about it. */
struct fancap_recover_result {
	uint64_t packets;    ///< kept
	uint64_t first_ns;   ///< earliest time stamp of a packet, 0: none has one
	uint64_t last_ns;    ///< latest
	uint64_t bytes;	     ///< of the new file: what was kept, and the closing blocks
	uint64_t bytes_kept; ///< the prefix: where the original was cut, if bytes_cut is not 0
	uint64_t bytes_cut;  ///< of the original, behind the prefix
	uint64_t bytes_lost; ///< of these, without the zeros at the end
	bool changed;	     ///< the new file is not, byte for byte, the original
	bool made;	     ///< there is a file of the new name now that was not there before
	char reason[200];    ///< of the cut: what was found at bytes_kept; "" if nothing was cut
};

/**
 * Make a whole, closed capture file of one that may be neither. Blocks as the disk does; at any instant that it may be
 * killed at, the original or the new file is complete, and doing it again comes to the same end.
 *
 * A copy is written as TO.recovering, fdatasynced and renamed; in place the file is cut, closed, fdatasynced and renamed.
 * No file is ever replaced. The folder is fsynced.
 *
 * The original is locked by flock() meanwhile (shared for a copy, else exclusive), by a descriptor of its own: a caller
 * that holds such a lock itself keeps it out. Who writes a capture file and holds LOCK_EX on it is left alone.
 *
 * @param from a regular file
 * @param to   not the same name, on the same file system for FANCAP_RECOVER_IN_PLACE
 * @param ret  always set; of use on 0 and -EUCLEAN
 * @return 0; -ENODATA it is empty or has nothing but zeros; -EBADMSG no capture file, or its first block is torn; -EUCLEAN in
 *         place, more than cut_max would be cut off: nothing was done, a copy can be made; -EBUSY it is being written or
 *         recovered by somebody; -EEXIST the new name is taken; -ECANCELED; -EIO (err has the offset); -errno. On an
 *         error nothing of the new name was made, and a copy's original was not touched
 */
int fancap_recover_file(const char *from, const char *to, const struct fancap_recover_options *options,
			struct fancap_recover_result *ret, struct fancap_error *err);

#ifdef __cplusplus
}
#endif

#endif
