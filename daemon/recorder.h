// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_RECORDER_H
#define DAEMON_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/config.h"
#include "daemon/ledger.h"
#include "daemon/log.h"

/** What may change while recording. */
struct recorder_settings {
	enum config_writer writer;
	uint64_t rotate_size_bytes;  ///< 0: not by size
	uint64_t rotate_interval_ns; ///< 0: not by time
	uint32_t snaplen;	     ///< bytes
	char filter[4096];	     ///< if_filter, "": none
	char device[16];	     ///< if_name: what the interface is called now
};

/** What does not. Texts are borrowed. */
struct recorder_params {
	const char *const *folders; ///< absolute, the interface's own, one for each directory (disk)
	unsigned n_folders;	    ///< >= 1: the worker's own is folders[worker % n_folders], others stand in for it
	const char *interface;	    ///< as configured: what files are named after
	unsigned worker;
	uint16_t linktype; ///< LINKTYPE_ value
	uint64_t settle_ns; ///< how long after a rotation is due a packet of before may still come out of the ring
	uint64_t retry_ns;  ///< pause after a failed write
	uint32_t gather_bytes; ///< that are worth a write before recorder_flush(); 0: any are
	int mailbox_fd;	    ///< of the storage keeper, who finishes files; -1: there is none, finish them here
	struct log_context log;
};

/**
 * Records blocks as pcapng segments, several writes of which are under way, and keeps the ledger.
 *
 * A block is rewritten in place and written from the ring, or its packets are packed into a buffer. It is done with when the
 * ledger's commit is past it; only then may it be handed back to the kernel. Write errors end the segment, count what was
 * on its way as discarded, and the next packets go to a new segment: in another directory, or after a pause.
 */
struct recorder;

/**
 * Start recording, or go on where the ledger says that somebody left off. Opens no file before there is a packet.
 *
 * @return 0 or -errno
 */
int recorder_open(const struct recorder_params *params, const struct recorder_settings *settings,
		  struct ledger *ledger, struct recorder **ret);

/**
 * Record a retired block: the one that the ledger's commit plus earlier calls lead to. Its memory stays the recorder's,
 * to be rewritten, until recorder_position() is past it. Blocks only while all writes it may have are under way.
 */
void recorder_block(struct recorder *recorder, void *block, uint32_t block_bytes);

/** Start writing what has been recorded. */
void recorder_flush(struct recorder *recorder);

/** Bytes recorded whose write has not been started. */
uint32_t recorder_unwritten(const struct recorder *recorder);

/** Take note of writes that are done. Cheap when none is. */
void recorder_reap(struct recorder *recorder);

/** Becomes readable (edge) when writes are done: recorder_reap() then. -1: writes are done when they are started. */
int recorder_fd(const struct recorder *recorder);

/** Position of the first block that is not done with. */
uint64_t recorder_position(const struct recorder *recorder);

/** Finish the current segment, waiting for its writes; the next packet opens another. */
void recorder_rotate(struct recorder *recorder);

/** Finish the current segment if its time has come though no packet says so. Call now and then when idle. */
void recorder_tick(struct recorder *recorder, uint64_t now_ns);

/** See whether the file being written is still there, and go on in a new one if somebody took it away. Call now and then. */
void recorder_check(struct recorder *recorder);

/** Take new settings. A segment whose header they make untrue is finished first. */
void recorder_configure(struct recorder *recorder, const struct recorder_settings *settings);

/** Packets dealt with so far, over all workers this ring has had: written, discarded or another set's. */
uint64_t recorder_packets_done(const struct recorder *recorder);

/** Finish the segment and free the recorder. NULL is fine. */
void recorder_close(struct recorder *recorder);

#endif
