// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_STREAM_H
#define DAEMON_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/disk.h"
#include "daemon/ledger.h"
#include "daemon/segment.h"

/*
 * The open segment as a stream of bytes, several writes of which are under way, and the ledger that follows it: what a
 * write makes true is published when it and all before it are done.
 *
 * Bytes come in two ways: packed into a buffer (stream_room(), stream_put()), or from where they lie (stream_direct()).
 * Large writes are direct (O_DIRECT) and so begin and end at multiples of SEGMENT_ALIGN; what is left over at the end of one
 * is carried to the beginning of the next. If it must not wait for that, it goes out through the page cache, and so does what
 * is missing of its last page. The file is never padded, and never longer than what has been written: it may be followed.
 */

#define STREAM_BUFFER_BYTES (1u << 20)
#define STREAM_BUFFERS 8u
#define STREAM_WRITES 8u ///< that may be under way

/** A write under way, and what is true when it is done. */
struct stream_write {
	struct disk_write disk;
	struct ledger_commit after;
	uint32_t bytes;
	unsigned buffers; ///< that are in it
};

struct stream {
	struct ledger *ledger;
	struct disk *disk;
	struct segment segment;
	struct ledger_commit committed; ///< what the ledger says
	struct ledger_commit next;	///< what it will say when all is written: the caller's to keep, but for bytes and writes
	int error; ///< of a write: 0 or -errno; from then on nothing more is written until stream_rollback()

	/* staged bytes: of the file from base on; in a buffer if loaded, else (less than SEGMENT_ALIGN) in carry */
	uint64_t base;
	uint32_t written; ///< of these, so many are in the file already
	uint32_t used;
	bool loaded;
	bool flushing; ///< all of it is to be written, as soon as nothing is under way
	struct ledger_commit mark; ///< next as of the last record that ends in a whole page
	uint8_t *carry;

	/* writes[head % N] ... writes[(tail - 1) % N] are under way; writes[tail % N] may be gathering */
	uint64_t head, tail;
	struct stream_write writes[STREAM_WRITES];
	bool gathering;
	uint32_t gather_bytes; ///< a write with so much is submitted, others at stream_flush(); 0: at once. Set by the caller

	/* buffers from buffer_head on are in these writes; buffers[buffer_tail % N] is to be filled */
	uint64_t buffer_head, buffer_tail;
	uint8_t *buffers;
};

/** @param method as for disk_open(). @return 0 or -errno; stream_close() in any case */
int stream_open(struct stream *stream, struct ledger *ledger, enum disk_method method);
void stream_close(struct stream *stream);

/** Where the next byte will be in the file. */
uint64_t stream_offset(const struct stream *stream);

/** Begin an empty file: stream->segment has been opened. */
void stream_begin(struct stream *stream);
/** Go on at the end of a file: at next.segment_bytes. @return 0 or -errno */
int stream_resume(struct stream *stream);

/** Room for n <= FANCAP_SNAPLEN_MAX + 1024 bytes at the end. May start a write, may wait for one. */
void *stream_room(struct stream *stream, uint32_t n);
/** n bytes were put there: one whole pcapng block. What next says of packets is about those before it. */
void stream_put(struct stream *stream, uint32_t n);

/** Wait until one more write may be under way. @return false after an error */
bool stream_await_room(struct stream *stream);
/** Wait until one more write is done. @return false after an error, or if there is none */
bool stream_await_write(struct stream *stream);

/** What was put ends at a multiple of SEGMENT_ALIGN: bytes from where they lie are to follow. */
void stream_seal(struct stream *stream);
/**
 * Write from where the bytes lie, after stream_seal(): all lengths and addresses are multiples of SEGMENT_ALIGN, two pieces
 * at most. The memory is the caller's again once the ledger's commit is past what next says when this is called; so
 * next.segment_bytes has been counted up, and all else.
 */
void stream_direct(struct stream *stream, const struct iovec *iov, unsigned n_iov);

/** Start writing all there is; less than a page of it, or what is not worth a direct write, when nothing is under way. */
void stream_flush(struct stream *stream);
/** Bytes that are not on their way yet. */
uint32_t stream_unwritten(const struct stream *stream);

/** Take note of writes that are done, publish, go on with what stream_flush() has left. Cheap when there is nothing. */
void stream_reap(struct stream *stream);
/** stream_flush(), and wait until all is done. @return 0 or stream->error */
int stream_drain(struct stream *stream);

/** Publish next as it is: nothing is under way or unwritten. */
void stream_publish(struct stream *stream);

/**
 * After an error: wait for what is under way, forget all that is not committed. next then says of files and packets
 * written what committed says; where it stands in the ring is left.
 *
 * @return packets that next counted as written and that are not
 */
uint64_t stream_rollback(struct stream *stream);

#endif
