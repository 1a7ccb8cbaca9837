// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_CAPFILE_H
#define FANCAP_CAPFILE_H

#include <stddef.h>
#include <stdint.h>

#include "fancap/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Reading capture files strictly: pcap (microseconds, nanoseconds, Kuznetzov's variant; either byte order) and pcapng
 * (any number of sections and interfaces, every tsresol, enhanced, simple and obsolete packet blocks).
 *
 * libpcap reads both, but refuses pcapng files whose interfaces differ in link type or snaplen, takes what it can of a
 * damaged file, and does not say where the damage is. Here every length is checked before it is used, the first
 * contradiction ends the file, and the error names its offset. A file is read as a stream, in a buffer as large as its largest
 * record: it may be larger than memory, a pipe, or shrink while it is read (a mapping would end in SIGBUS).
 */

/** The largest pcapng block (bytes) that is taken for one; packets are FANCAP_SNAPLEN_MAX bytes at most. */
#define FANCAP_CAPFILE_BLOCK_MAX (16u << 20)
/** How many interfaces a pcapng section may have. */
#define FANCAP_CAPFILE_INTERFACES_MAX 65536u

/** A capture file being read: one owner at a time. */
struct fancap_capfile;

/** A packet of a file. */
struct fancap_capfile_packet {
	const uint8_t *data; ///< caplen bytes, without the frame check sequence, until the file's next call
	uint32_t caplen;     ///< bytes that the file has of it
	uint32_t len;	     ///< bytes that it had, at least caplen
	uint64_t time_ns;    ///< since 1970; of a simple packet block, which has none: that of the packet before
	uint64_t offset;     ///< in the file, of its record or block
	uint16_t linktype;   ///< LINKTYPE_ value
};

/**
 * Open a file and look at its first bytes.
 *
 * @param ret set only on success; fancap_capfile_close() frees it
 * @return 0; -EBADMSG not a capture file; -errno. err reads "PATH: ..." or "PATH: offset N: ..."
 */
int fancap_capfile_open(const char *path, struct fancap_capfile **ret, struct fancap_error *err);

/** The same with an open descriptor, which becomes the file's on success. @param name for messages, copied */
int fancap_capfile_open_fd(int fd, const char *name, struct fancap_capfile **ret,
			   struct fancap_error *err);

/** End reading: free all, close the file. NULL is fine. */
void fancap_capfile_close(struct fancap_capfile *file);

/**
 * The next packet. May block as read() does.
 *
 * @param ret set only on 1
 * @return 1; 0 the file ends, where a record may end; -EBADMSG torn or damaged (again, however often it is asked);
 *         -EINTR a signal came (call again); -errno
 */
int fancap_capfile_next(struct fancap_capfile *file, struct fancap_capfile_packet *ret,
			struct fancap_error *err);

/** Begin again. @return 0; -ESPIPE it is a pipe or the like; as fancap_capfile_open() */
int fancap_capfile_rewind(struct fancap_capfile *file, struct fancap_error *err);

#ifdef __cplusplus
}
#endif

#endif
