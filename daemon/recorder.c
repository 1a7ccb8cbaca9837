// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/direct.h"
#include "daemon/clock.h"
#include "daemon/mailbox.h"
#include "daemon/messages.h"
#include "daemon/quarantine.h"
#include "daemon/recorder.h"
#include "daemon/segment.h"
#include "daemon/stream.h"
#include "fancap/block.h"
#include "fancap/filter.h"
#include "fancap/inplace.h"
#include "fancap/link.h"
#include "fancap/pcapng.h"
#include "fancap/timestamp.h"

#define NAME_ATTEMPTS 100

/* Interface statistics stand in the file at least so often, as long as there are packets. */
#define STATISTICS_NS 1000000000u

/* What a block is padded by to whole pages must not weigh against what is in it. */
#define DIRECT_BLOCK_BYTES (128u << 10)

struct recorder {
	struct recorder_params params;
	struct recorder_settings settings;
	struct ledger *ledger;
	struct stream stream;
	unsigned folder;	/* of the open segment, or of the one that failed last */
	uint64_t *retry_at_ns;	/* for each folder, CLOCK_MONOTONIC: not to be used before that; 0: all is well */
	uint64_t failed_packets; /* discarded since writing failed */
	enum discard_reason failure;
	unsigned inherited;	/* blocks that a worker before us has rewritten, and that we have not come to */
	uint64_t statistics_at_ns; /* CLOCK_MONOTONIC, of the last Interface Statistics Block */
	char os[256];
};

static struct ledger_commit *next(struct recorder *rec)
{
	return &rec->stream.next;
}

static bool is_open(const struct recorder *rec)
{
	return rec->stream.segment.fd >= 0;
}

/* --- failure --------------------------------------------------------------------------------------------------- */

static enum discard_reason failure_reason(int error)
{
	return error == ENOSPC || error == EDQUOT ? DISCARD_DISK_FULL : DISCARD_DISK_ERROR;
}

/* As often as it is tried: the keeper makes room, and the next attempt succeeds. */
static void post_full(struct recorder *rec)
{
	struct mailbox_message message = {.type = MAILBOX_FULL};

	snprintf(message.path, sizeof(message.path), "%s", rec->params.folders[rec->folder]);
	(void)mailbox_post(rec->params.mailbox_fd, &message);
}

static void enter_failure(struct recorder *rec, int error, const char *what)
{
	uint64_t *retry_at_ns = &rec->retry_at_ns[rec->folder];

	rec->failure = failure_reason(error);
	if (rec->failure == DISCARD_DISK_FULL && rec->params.mailbox_fd >= 0)
		post_full(rec);
	if (*retry_at_ns == 0)
		log_printf(LOG_ERR, MESSAGE_WRITE_FAILED, &rec->params.log,
			   "%s: cannot %s: %s; packets are counted as discarded (%s)%s, trying again every %llu ms",
			   ledger_segment_path(rec->ledger), what, strerror(error), discard_reason_name(rec->failure),
			   rec->params.n_folders > 1 ? " where no other directory takes them" : "",
			   (unsigned long long)(rec->params.retry_ns / 1000000u));
	*retry_at_ns = clock_monotonic_ns() + rec->params.retry_ns;
	ledger_set_failing(rec->ledger, rec->folder, true);
}

static void leave_failure(struct recorder *rec)
{
	if (rec->failed_packets > 0)
		log_printf(LOG_NOTICE, MESSAGE_WRITE_RESUMED, &rec->params.log,
			   "writing again, to %s; %llu packets were discarded", ledger_segment_path(rec->ledger),
			   (unsigned long long)rec->failed_packets);
	else /* by us: it was a predecessor that could not write */
		log_printf(LOG_NOTICE, MESSAGE_WRITE_RESUMED, &rec->params.log, "writing again, to %s",
			   ledger_segment_path(rec->ledger));
	rec->retry_at_ns[rec->folder] = 0;
	rec->failed_packets = 0;
	ledger_set_failing(rec->ledger, rec->folder, false);
}

static void discard(struct recorder *rec, uint64_t packets)
{
	next(rec)->discarded[rec->failure] += packets;
	rec->failed_packets += packets;
}

/* --- segments -------------------------------------------------------------------------------------------------- */

static void segment_forget(struct recorder *rec)
{
	segment_close(&rec->stream.segment);
	next(rec)->segment_state = SEGMENT_NONE;
	stream_publish(&rec->stream);
}

/* Too often to be said to everybody: an event (daemon/events.c). */
static void log_complete(const struct recorder *rec)
{
	const struct ledger_commit *commit = &rec->stream.committed;

	log_printf(LOG_DEBUG, MESSAGE_FILE_COMPLETE, &rec->params.log, "%s is complete: %llu packets, %llu bytes",
		   ledger_segment_path(rec->ledger), (unsigned long long)commit->segment_packets,
		   (unsigned long long)commit->segment_bytes);
}

/* If the mailbox is full the keeper finds the file all the same, later. */
static void segment_post(struct recorder *rec)
{
	struct mailbox_message message = {
		.type = MAILBOX_FINISH,
		.bytes = rec->stream.committed.segment_bytes,
	};

	snprintf(message.path, sizeof(message.path), "%s", ledger_segment_path(rec->ledger));
	/* First: nobody goes on with a file that the keeper is at. */
	segment_forget(rec);
	(void)mailbox_post(rec->params.mailbox_fd, &message);
}

/* Give the open file its name, or drop it when there is nothing in it. */
static void segment_publish(struct recorder *rec)
{
	const char *path = ledger_segment_path(rec->ledger);
	uint64_t bytes = rec->stream.committed.segment_bytes;
	int r = 0;

	if (bytes != 0)
		log_complete(rec);
	if (bytes != 0 && rec->params.mailbox_fd >= 0) {
		segment_post(rec);
		return;
	}
	if (bytes == 0 && ftruncate(rec->stream.segment.fd, 0) == 0)
		segment_remove_empty(path);
	else
		r = segment_finish(&rec->stream.segment, path, bytes);
	if (r < 0)
		log_printf(LOG_ERR, MESSAGE_WRITE_FAILED, &rec->params.log, "%s: cannot finish the file: %s", path,
			   strerror(-r));
	segment_forget(rec);
}

/* A write has failed: all that is not committed is in no file. The segment ends at its last whole record. */
static void fail(struct recorder *rec)
{
	enter_failure(rec, -rec->stream.error, "write");
	discard(rec, stream_rollback(&rec->stream));
	stream_publish(&rec->stream);
	/*
	 * Now: a keeper that has not heard yet how long the file is publishes all whole records, and what was written of
	 * those that count as discarded would be among them. Where it fails, the keeper does it, as a rule.
	 */
	(void)!ftruncate(rec->stream.segment.fd, (off_t)rec->stream.committed.segment_bytes);
	segment_publish(rec);
}

/* @return whether a write has failed; if so, there is no segment any more */
static bool check_failed(struct recorder *rec)
{
	if (rec->stream.error == 0)
		return false;
	fail(rec);
	return true;
}

static uint64_t interval_end(const struct recorder *rec, uint64_t start_ns)
{
	uint64_t interval = rec->settings.rotate_interval_ns;

	return interval == 0 ? UINT64_MAX : (start_ns / interval + 1) * interval;
}

/* Claim a name in the ledger first, then create the file: whoever takes over knows what may be lying about. */
static int segment_open_named(struct recorder *rec, uint64_t start_ns, unsigned attempt)
{
	char *path = ledger_segment_path(rec->ledger);
	int r;

	r = segment_path(path, LEDGER_PATH_MAX, rec->params.folders[rec->folder], rec->params.interface,
			 rec->params.worker, start_ns, attempt);
	if (r < 0)
		return r;
	next(rec)->segment_state = SEGMENT_NAMED;
	stream_publish(&rec->stream);
	r = segment_create(path, &rec->stream.segment);
	next(rec)->segment_state = r < 0 ? SEGMENT_NONE : SEGMENT_OPEN;
	stream_publish(&rec->stream);
	return r;
}

/* With its end, so that no two texts in a row are like two others. FNV-1a. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	while (*text++ != '\0');
	return hash;
}

/* Of what the header says: a successor may have been told other settings. */
static uint64_t header_fingerprint(const struct recorder_settings *settings)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ settings->snaplen;

	hash = hash_text(hash, settings->device);
	return hash_text(hash, settings->filter);
}

static void put_headers(struct recorder *rec)
{
	const struct fancap_pcapng_section section = {
		.os = rec->os,
		.application = "fancapd " PACKAGE_VERSION,
	};
	const struct fancap_pcapng_interface interface = {
		.linktype = rec->params.linktype,
		.snaplen = rec->settings.snaplen,
		.name = rec->settings.device,
		.filter = rec->settings.filter,
		.os = rec->os,
	};
	struct stream *stream = &rec->stream;

	stream_put(stream, (uint32_t)fancap_pcapng_shb(stream_room(stream, FANCAP_PCAPNG_SHB_MAX), &section));
	stream_put(stream, (uint32_t)fancap_pcapng_idb(stream_room(stream, FANCAP_PCAPNG_IDB_MAX), &interface));
	next(rec)->segment_settings = header_fingerprint(&rec->settings);
}

/* Of a new segment. */
static void tell_writer(const struct recorder *rec)
{
	struct ledger_writer writer = ledger_writer(rec->ledger);

	writer.io_uring = disk_method(rec->stream.disk) == DISK_IO_URING;
	writer.o_direct = segment_is_direct(&rec->stream.segment);
	writer.folder = (int32_t)rec->folder;
	ledger_set_writer(rec->ledger, writer);
}

static int segment_begin_in(struct recorder *rec, unsigned folder, uint64_t start_ns)
{
	struct ledger_commit *commit = next(rec);
	int r = -EEXIST;

	rec->folder = folder;
	commit->segment_bytes = 0;
	commit->segment_packets = 0;
	commit->segment_start_ns = start_ns;
	commit->segment_end_ns = interval_end(rec, start_ns);
	commit->base_discarded = commit->told_discarded;
	commit->base_drops = commit->told_drops;
	commit->told_packets = 0;
	for (unsigned attempt = 0; r == -EEXIST && attempt < NAME_ATTEMPTS; attempt++)
		r = segment_open_named(rec, start_ns, attempt);
	if (r < 0) {
		enter_failure(rec, -r, "create the file");
		return r;
	}
	rec->stream.segment.limit = rec->settings.rotate_size_bytes;
	stream_begin(&rec->stream);
	tell_writer(rec);
	put_headers(rec);
	rec->statistics_at_ns = clock_monotonic_ns();
	return 0;
}

/*
 * In our own directory, or else in the next that is not known to fail. Called with nothing under way.
 *
 * @return whether there is a segment
 */
static bool segment_begin(struct recorder *rec, uint64_t start_ns)
{
	uint64_t now = 0;

	for (unsigned i = 0; i < rec->params.n_folders; i++) {
		unsigned folder = (rec->params.worker + i) % rec->params.n_folders;

		if (rec->retry_at_ns[folder] != 0 && now == 0)
			now = clock_monotonic_ns();
		if (rec->retry_at_ns[folder] <= now && segment_begin_in(rec, folder, start_ns) == 0)
			return true;
	}
	return false;
}

/* The folder that a segment of a worker before us is in: it may have been another's stand-in. */
static unsigned folder_of(const struct recorder *rec, const char *path)
{
	for (unsigned i = 0; i < rec->params.n_folders; i++) {
		size_t n = strlen(rec->params.folders[i]);

		if (strncmp(path, rec->params.folders[i], n) == 0 && path[n] == '/')
			return i;
	}
	return rec->params.worker % rec->params.n_folders;
}

static int segment_go_on(struct recorder *rec, const char *path)
{
	int r = segment_reopen(path, rec->stream.committed.segment_bytes, &rec->stream.segment);

	rec->stream.segment.limit = rec->settings.rotate_size_bytes;
	if (r == 0)
		r = stream_resume(&rec->stream);
	if (r == 0 && rec->stream.committed.segment_bytes == 0)
		put_headers(rec);
	return r;
}

/* Go on with the segment that the ledger says is open, or see what became of it. */
static void segment_take_over(struct recorder *rec)
{
	const char *path = ledger_segment_path(rec->ledger);
	int r;

	rec->folder = folder_of(rec, path);
	switch ((enum segment_state)rec->stream.committed.segment_state) {
	case SEGMENT_NONE:
		return;
	case SEGMENT_NAMED:
		/* Ours if it is empty: we write to a file only after the ledger says SEGMENT_OPEN. */
		segment_remove_empty(path);
		segment_forget(rec);
		return;
	case SEGMENT_OPEN:
		r = segment_go_on(rec, path);
		if (r < 0 && r != -ENOENT) /* renamed: the last thing before the ledger would have said so */
			enter_failure(rec, -r, "go on with the file");
		if (r < 0)
			segment_forget(rec);
		else
			tell_writer(rec);
	}
}

/* --- statistics in the file ------------------------------------------------------------------------------------- */

static uint64_t discarded_total(const struct ledger_commit *commit)
{
	uint64_t sum = 0;

	for (int i = 0; i < DISCARD_REASONS; i++)
		sum += commit->discarded[i];
	return sum;
}

/*
 * The kernel's drops as far as the next packet is to tell them. A block that a worker before us has rewritten has its
 * share in it already.
 */
static uint64_t drops_now(const struct recorder *rec)
{
	uint64_t drops = ledger_kernel_drops(rec->ledger);

	for (unsigned i = 0; rec->inherited > 0 && i < LEDGER_BLOCKS_MAX; i++) {
		const struct ledger_block *block = ledger_block(rec->ledger, i);
		uint64_t before = block->drops_told - block->extra.dropcount;

		if (block->state != LEDGER_BLOCK_FREE && block->position >= rec->stream.next.block && before < drops)
			drops = before;
	}
	return drops;
}

/* What happened to packets since the segment began, by this worker's reckoning: it closes by itself. */
static struct fancap_pcapng_statistics statistics(const struct recorder *rec)
{
	const struct ledger_commit *commit = &rec->stream.next;
	uint64_t drops = drops_now(rec), discarded = discarded_total(commit), now = clock_realtime_ns();
	struct fancap_pcapng_statistics ret = {
		.time_ns = now,
		.start_ns = commit->segment_start_ns,
		.end_ns = now,
		.accepted = commit->segment_packets + (discarded - commit->base_discarded) +
			    (drops - commit->base_drops),
		.dropped = drops - commit->base_drops,
		.delivered = commit->segment_packets,
	};

	/* What a filter rejects the kernel does not count. */
	ret.has_received = rec->settings.filter[0] == '\0';
	ret.received = ret.accepted;
	return ret;
}

/* These figures are in the file. */
static void note_told(struct recorder *rec, const struct fancap_pcapng_statistics *told)
{
	struct ledger_commit *commit = next(rec);

	commit->told_packets = told->delivered;
	commit->told_drops = commit->base_drops + told->dropped;
	commit->told_discarded = commit->base_discarded + told->accepted - told->dropped - told->delivered;
	rec->statistics_at_ns = clock_monotonic_ns();
}

/* @param bytes what the block is to be filled up to, 0: not at all */
static void put_statistics(struct recorder *rec, uint32_t bytes)
{
	const struct fancap_pcapng_statistics told = statistics(rec);
	void *place = stream_room(&rec->stream, bytes > 0 ? bytes : FANCAP_PCAPNG_ISB_MAX);

	stream_put(&rec->stream, (uint32_t)(bytes > 0 ? fancap_pcapng_isb_padded(place, bytes, &told)
						      : fancap_pcapng_isb(place, &told)));
	note_told(rec, &told);
}

static void put_due_statistics(struct recorder *rec)
{
	if (is_open(rec) && next(rec)->segment_packets != next(rec)->told_packets &&
	    clock_monotonic_ns() - rec->statistics_at_ns >= STATISTICS_NS)
		put_statistics(rec, 0);
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

static void settle(struct recorder *rec)
{
	if (!check_failed(rec) && is_open(rec) && rec->retry_at_ns[rec->folder] != 0 &&
	    rec->stream.committed.segment_bytes > 0)
		leave_failure(rec);
}

void recorder_reap(struct recorder *rec)
{
	stream_reap(&rec->stream);
	settle(rec);
}

void recorder_flush(struct recorder *rec)
{
	put_due_statistics(rec);
	stream_flush(&rec->stream);
	settle(rec);
}

void recorder_rotate(struct recorder *rec)
{
	if (is_open(rec))
		put_statistics(rec, 0);
	stream_drain(&rec->stream);
	settle(rec);
	if (is_open(rec))
		segment_publish(rec);
}

uint32_t recorder_unwritten(const struct recorder *rec)
{
	return stream_unwritten(&rec->stream);
}

int recorder_fd(const struct recorder *rec)
{
	return disk_fd(rec->stream.disk);
}

uint64_t recorder_position(const struct recorder *rec)
{
	return rec->stream.committed.block;
}

/* --- packets, packed --------------------------------------------------------------------------------------------- */

static bool time_is_up(const struct recorder *rec, uint64_t time_ns)
{
	const struct ledger_commit *commit = &rec->stream.next;

	if (time_ns >= commit->segment_end_ns)
		return true;
	/* The clock was set back by more than an interval: the end is far away, so start afresh. */
	return commit->segment_end_ns != UINT64_MAX &&
	       time_ns + rec->settings.rotate_interval_ns < commit->segment_start_ns;
}

/* Whether so many bytes more, and the closing statistics, would make the file larger than it may be. */
static bool too_large(const struct recorder *rec, uint64_t bytes)
{
	uint64_t limit = rec->settings.rotate_size_bytes;

	return limit != 0 && rec->stream.next.segment_bytes + bytes + FANCAP_PCAPNG_ISB_MAX > limit;
}

/* See to a segment for a packet. @return whether there is one */
static bool prepare(struct recorder *rec, const struct fancap_packet *packet, size_t bytes)
{
	if (is_open(rec) && (time_is_up(rec, packet->time_ns) ||
			     (too_large(rec, bytes) && next(rec)->segment_packets > 0)))
		recorder_rotate(rec);
	return is_open(rec) || segment_begin(rec, packet->time_ns);
}

static void record_packet(struct recorder *rec, const struct fancap_packet *packet)
{
	/* Room is made for a dropcount in any case: the figure may change meanwhile. */
	uint32_t room = (uint32_t)fancap_pcapng_epb_bytes(packet, rec->settings.snaplen, 1);
	struct ledger_commit *commit = next(rec);
	uint64_t drops;
	void *place;

	if (!prepare(rec, packet, room)) {
		discard(rec, 1);
		commit->packet++;
		return;
	}
	place = stream_room(&rec->stream, room);
	if (check_failed(rec)) {
		discard(rec, 1);
		commit->packet++;
		return;
	}
	drops = drops_now(rec);
	stream_put(&rec->stream, (uint32_t)fancap_pcapng_epb(place, packet, rec->settings.snaplen,
							     drops - commit->drops_told));
	commit->drops_told = drops;
	commit->segment_packets++;
	commit->packets_written++;
	commit->packet++;
}

/*
 * Whether a packet is another set's to record. A device's clock is not the one that the cut is made by: what it stamped came
 * at another time, for no socket is told to use its stamps while one set takes over from another.
 */
static bool is_foreign(const struct ledger_cut *cut, const struct fancap_packet *packet)
{
	return (packet->time_ns < cut->begin_ns || packet->time_ns >= cut->end_ns) &&
	       fancap_packet_timestamp_source(packet) != FANCAP_TIMESTAMP_HARDWARE;
}

static void skip_packet(struct recorder *rec)
{
	next(rec)->packets_skipped++;
	next(rec)->packet++;
}

/*
 * Record what is left of a block, but for the packets that a worker before us has recorded.
 *
 * @param cut NULL: all packets are ours
 */
static int record_packets(struct recorder *rec, struct fancap_walk *walk, uint64_t skip, const struct ledger_cut *cut)
{
	struct fancap_packet packet;
	int r;

	while ((r = fancap_walk_next(walk, &packet)) > 0) {
		packet.cooked = rec->params.linktype == FANCAP_LINKTYPE_LINUX_SLL2;
		if (skip > 0)
			skip--;
		else if (cut != NULL && is_foreign(cut, &packet))
			skip_packet(rec);
		else
			record_packet(rec, &packet);
	}
	return r;
}

/* One that has killed two workers: its packets are given up, whatever becomes of the file. @param packets that it holds */
static void set_aside(struct recorder *rec, struct quarantine_block *block, uint32_t packets)
{
	block->packets = packets;
	block->snaplen = rec->settings.snaplen;
	block->position = next(rec)->block;
	quarantine_store(&rec->params, rec->params.folders[rec->folder], block);
	next(rec)->discarded[DISCARD_WORKER_CRASH] += packets > block->recorded ? packets - block->recorded : 0;
}

/* Only the last block that killed is remembered: the next one may, too, and this one must not be looked into again then. */
static void commit_at_once(struct recorder *rec)
{
	stream_drain(&rec->stream);
	settle(rec);
}

static void record_staged(struct recorder *rec, const void *block, uint32_t block_bytes, const struct ledger_cut *cut)
{
	bool poison = ledger_block_is_poison(rec->ledger, next(rec)->block);
	uint64_t skip = next(rec)->packet;
	struct fancap_walk walk;
	int r;

	r = fancap_walk_start(&walk, block, block_bytes);
	if (r == 0 && poison)
		set_aside(rec, &(struct quarantine_block){.state = SETASIDE_AS_RECEIVED, .bytes = block_bytes,
							  .recorded = (uint32_t)skip, .parts.block = block}, walk.left);
	else if (r == 0)
		r = record_packets(rec, &walk, skip, cut);
	if (r < 0)
		next(rec)->discarded[DISCARD_BAD_BLOCK] += walk.left;
	next(rec)->blocks_staged++;
	next(rec)->block++;
	next(rec)->packet = 0;
	/* Nothing of it is to be written: while a disk fails, the kernel gets its blocks back without waiting for a flush. */
	if (!is_open(rec))
		stream_publish(&rec->stream);
	else if (poison)
		commit_at_once(rec);
}

/* --- blocks, from the ring --------------------------------------------------------------------------------------- */

/* Bytes of statistics that make the next byte's offset a multiple of SEGMENT_ALIGN. */
static uint32_t alignment_gap(const struct recorder *rec)
{
	uint32_t gap = (uint32_t)(-stream_offset(&rec->stream) & (SEGMENT_ALIGN - 1));

	return gap == 0 || gap >= FANCAP_PCAPNG_ISB_MAX ? gap : gap + SEGMENT_ALIGN;
}

static bool too_large_direct(const struct recorder *rec, const struct fancap_inplace_plan *plan)
{
	return too_large(rec, alignment_gap(rec) + plan->bytes);
}

static bool is_free(const struct recorder *rec, unsigned i)
{
	const struct ledger_block *record = ledger_block(rec->ledger, i);

	return record->state == LEDGER_BLOCK_FREE || record->position < rec->stream.committed.block;
}

/* @return a free record, or LEDGER_BLOCKS_MAX */
static unsigned find_free(const struct recorder *rec)
{
	unsigned i = 0;

	while (i < LEDGER_BLOCKS_MAX && !is_free(rec, i))
		i++;
	return i;
}

/*
 * See to a segment for a whole block, and that it stands right.
 *
 * @param must the block can go nowhere else, though the file may get larger than it should
 * @return whether there is one
 */
static bool prepare_direct(struct recorder *rec, const struct fancap_inplace_plan *plan, bool must)
{
	uint32_t gap;

	if (is_open(rec) && (time_is_up(rec, plan->first_ns) ||
			     (too_large_direct(rec, plan) && next(rec)->segment_packets > 0)))
		recorder_rotate(rec);
	if (!is_open(rec) && !segment_begin(rec, plan->first_ns))
		return false;
	if (!must && (plan->last_ns >= next(rec)->segment_end_ns || too_large_direct(rec, plan)))
		return false;
	gap = alignment_gap(rec);
	if (gap > 0)
		put_statistics(rec, gap);
	stream_seal(&rec->stream);
	/* And for a record. Packing the block instead would have to wait just as long. */
	(void)stream_await_room(&rec->stream);
	while (!must && find_free(rec) == LEDGER_BLOCKS_MAX && stream_await_write(&rec->stream))
		;
	return !check_failed(rec);
}

static void submit_rewritten(struct recorder *rec, unsigned i, void *block)
{
	const struct ledger_block *record = ledger_block(rec->ledger, i);
	const struct fancap_inplace_plan *plan = &record->plan;
	struct ledger_commit *commit = next(rec);
	const struct iovec iov[2] = {
		{ledger_block_head(rec->ledger, i), FANCAP_INPLACE_HEAD_BYTES},
		{(uint8_t *)block + FANCAP_INPLACE_HEAD_BYTES, plan->bytes - FANCAP_INPLACE_HEAD_BYTES},
	};

	note_told(rec, &record->extra.statistics);
	if (record->drops_told > commit->drops_told)
		commit->drops_told = record->drops_told;
	commit->segment_bytes += plan->bytes;
	commit->bytes_written += plan->bytes;
	commit->segment_packets += plan->packets;
	commit->packets_written += plan->packets;
	commit->blocks_direct++;
	commit->block++;
	commit->packet = 0;
	stream_direct(&rec->stream, iov, plan->bytes > FANCAP_INPLACE_HEAD_BYTES ? 2 : 1);
	settle(rec);
}

/* From plan and rows, as often as it takes. */
static void rewrite(struct recorder *rec, unsigned i, void *block)
{
	struct ledger_block *record = ledger_block(rec->ledger, i);

	fancap_inplace_rewrite(block, &record->plan, ledger_rows(rec->ledger), &record->extra,
			       ledger_block_head(rec->ledger, i));
	atomic_store_explicit(&record->state, LEDGER_BLOCK_REWRITTEN, memory_order_release);
}

/* @return the record of a block that a worker before us has rewritten, or LEDGER_BLOCKS_MAX */
static unsigned find_inherited(const struct recorder *rec, uint64_t position)
{
	unsigned i = 0;

	while (i < LEDGER_BLOCKS_MAX && (is_free(rec, i) || ledger_block(rec->ledger, i)->position != position))
		i++;
	return i;
}

/*
 * What a block says before its first packet: it may have been meant for another file. As often as it takes, too: the
 * length, which stands second in any pcapng block, is never another one.
 */
static void renew_statistics(struct recorder *rec, unsigned i)
{
	struct ledger_block *record = ledger_block(rec->ledger, i);
	uint8_t *head = ledger_block_head(rec->ledger, i), renewed[FANCAP_INPLACE_HEAD_BYTES];
	uint32_t bytes;

	memcpy(&bytes, head + sizeof(bytes), sizeof(bytes));
	record->extra.statistics = statistics(rec);
	fancap_pcapng_isb_padded(renewed, bytes, &record->extra.statistics);
	memcpy(head, renewed, bytes);
}

static void set_aside_inherited(struct recorder *rec, unsigned i, const void *block, uint32_t block_bytes)
{
	const struct ledger_block *record = ledger_block(rec->ledger, i);
	bool rewriting = record->state == LEDGER_BLOCK_REWRITING;
	struct quarantine_block what = {
		.state = rewriting ? SETASIDE_REWRITING : SETASIDE_REWRITTEN,
		.bytes = block_bytes,
		.plan = record->plan,
		.parts = {block, ledger_block_head(rec->ledger, i), rewriting ? ledger_rows(rec->ledger) : NULL},
	};

	set_aside(rec, &what, record->plan.packets);
}

static void record_inherited(struct recorder *rec, unsigned i, void *block, uint32_t block_bytes)
{
	struct ledger_block *record = ledger_block(rec->ledger, i);

	rec->inherited--;
	if (ledger_block_is_poison(rec->ledger, record->position)) {
		set_aside_inherited(rec, i, block, block_bytes);
		next(rec)->block++;
		commit_at_once(rec);
		return;
	}
	if (record->state == LEDGER_BLOCK_REWRITING)
		rewrite(rec, i, block);
	if (prepare_direct(rec, &record->plan, true)) {
		renew_statistics(rec, i);
		submit_rewritten(rec, i, block);
		return;
	}
	discard(rec, record->plan.packets);
	next(rec)->block++;
}

/* Whether rewriting is likely to cost less than packing; the plan has the last word. */
static bool is_worth_rewriting(const struct recorder *rec, const void *block)
{
	uint32_t packets = fancap_block_packets(block), bytes = fancap_block_bytes(block);

	if (rec->settings.writer != CONFIG_WRITER_AUTO)
		return rec->settings.writer == CONFIG_WRITER_DIRECT;
	return bytes >= DIRECT_BLOCK_BYTES && bytes / DIRECT_MEAN_BYTES >= packets;
}

/* @return whether the block has been seen to; if not, it is as it was */
static bool record_direct(struct recorder *rec, void *block, uint32_t block_bytes, const struct ledger_cut *cut)
{
	struct ledger_commit *commit = next(rec);
	struct fancap_inplace_plan plan;
	struct ledger_block *record;
	uint64_t drops;
	unsigned i;

	if (commit->packet != 0 || rec->inherited > 0 || rec->params.linktype == FANCAP_LINKTYPE_LINUX_SLL2 ||
	    !is_worth_rewriting(rec, block) || ledger_block_is_poison(rec->ledger, commit->block))
		return false;
	if (fancap_inplace_plan(block, block_bytes, rec->settings.snaplen, ledger_rows(rec->ledger),
				ledger_rows_max(rec->ledger), &plan) < 0)
		return false;
	/* Only as a whole. */
	if (cut != NULL && (plan.first_ns < cut->begin_ns || plan.last_ns >= cut->end_ns))
		return false;
	if (!prepare_direct(rec, &plan, false))
		return false;
	i = find_free(rec);
	if (i == LEDGER_BLOCKS_MAX)
		return false;
	drops = drops_now(rec);
	record = ledger_block(rec->ledger, i);
	atomic_store_explicit(&record->state, LEDGER_BLOCK_FREE, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst); /* nothing of what follows before that: we may die in between */
	record->position = commit->block;
	record->drops_told = drops;
	record->plan = plan;
	record->extra = (struct fancap_inplace_extra){
		.statistics = statistics(rec),
		.dropcount = drops - commit->drops_told,
		.first_packetid = commit->packets_written,
		.queue = rec->params.worker,
	};
	/* From here on, the block is only what the record says of it. */
	atomic_store_explicit(&record->state, LEDGER_BLOCK_REWRITING, memory_order_release);
	rewrite(rec, i, block);
	submit_rewritten(rec, i, block);
	return true;
}

void recorder_block(struct recorder *rec, void *block, uint32_t block_bytes)
{
	unsigned i = rec->inherited > 0 ? find_inherited(rec, next(rec)->block) : LEDGER_BLOCKS_MAX;
	/* Once per block: what is stamped at an instant not yet decided upon comes later than this block. */
	const struct ledger_cut now = ledger_cut(rec->ledger), *cut = ledger_cut_is_set(&now) ? &now : NULL;

	if (i < LEDGER_BLOCKS_MAX)
		record_inherited(rec, i, block, block_bytes); /* all of it was ours when it was rewritten */
	else if (!record_direct(rec, block, block_bytes, cut))
		record_staged(rec, block, block_bytes, cut);
}

/* --- life ------------------------------------------------------------------------------------------------------ */

static unsigned count_inherited(const struct recorder *rec)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LEDGER_BLOCKS_MAX; i++)
		n += !is_free(rec, i);
	return n;
}

static int open_stream(struct recorder *rec)
{
	int r = stream_open(&rec->stream, rec->ledger, DISK_IO_URING);
	struct ledger_writer writer = ledger_writer(rec->ledger);

	if (rec->stream.disk == NULL)
		return r;
	rec->stream.gather_bytes = rec->params.gather_bytes;
	/* Without io_uring it works as well; the supervisor says so, once for all workers. */
	writer.io_uring = r == 0;
	writer.io_uring_error = (uint16_t)-r;
	ledger_set_writer(rec->ledger, writer);
	return 0;
}

int recorder_open(const struct recorder_params *params, const struct recorder_settings *settings,
		  struct ledger *ledger, struct recorder **ret)
{
	struct recorder *rec = calloc(1, sizeof(*rec));
	struct utsname os;
	int r;

	if (rec == NULL)
		return -ENOMEM;
	rec->params = *params;
	rec->settings = *settings;
	rec->ledger = ledger;
	rec->retry_at_ns = calloc(params->n_folders, sizeof(*rec->retry_at_ns));
	if (uname(&os) == 0)
		snprintf(rec->os, sizeof(rec->os), "%s %s", os.sysname, os.release);
	r = rec->retry_at_ns != NULL ? open_stream(rec) : -ENOMEM;
	if (r < 0) {
		stream_close(&rec->stream);
		free(rec->retry_at_ns);
		free(rec);
		return r;
	}
	/* A predecessor has said so: it is tried again at once, and that it works again is said. */
	for (unsigned i = 0; i < params->n_folders; i++)
		rec->retry_at_ns[i] = ledger_failing(ledger, i);
	rec->inherited = count_inherited(rec);
	segment_take_over(rec);
	/* The settings changed while nobody was there to be told. */
	if (is_open(rec) && next(rec)->segment_settings != header_fingerprint(settings))
		recorder_rotate(rec);
	*ret = rec;
	return 0;
}

void recorder_tick(struct recorder *rec, uint64_t now_ns)
{
	uint64_t end = next(rec)->segment_end_ns;

	if (is_open(rec) && end != UINT64_MAX && now_ns >= end && now_ns - end >= rec->params.settle_ns)
		recorder_rotate(rec);
}

void recorder_check(struct recorder *rec)
{
	if (!is_open(rec) || segment_is_there(&rec->stream.segment, ledger_segment_path(rec->ledger)))
		return;
	stream_drain(&rec->stream);
	if (check_failed(rec))
		return;
	/* They have been written, and count as such; whoever took the file away has them, or wanted none. */
	log_printf(LOG_ERR, MESSAGE_WRITE_FAILED, &rec->params.log,
		   "%s" SEGMENT_PART ": somebody took the file away, with %llu packets in it; going on in a new one",
		   ledger_segment_path(rec->ledger), (unsigned long long)next(rec)->segment_packets);
	segment_forget(rec);
}

void recorder_configure(struct recorder *rec, const struct recorder_settings *settings)
{
	bool header_changes = settings->snaplen != rec->settings.snaplen ||
			      strcmp(settings->filter, rec->settings.filter) != 0 ||
			      strcmp(settings->device, rec->settings.device) != 0;

	if (header_changes || settings->rotate_interval_ns != rec->settings.rotate_interval_ns)
		recorder_rotate(rec);
	rec->settings = *settings;
}

uint64_t recorder_packets_done(const struct recorder *rec)
{
	const struct ledger_commit *commit = &rec->stream.committed;

	return commit->packets_written + discarded_total(commit) + commit->packets_skipped;
}

void recorder_close(struct recorder *rec)
{
	if (rec == NULL)
		return;
	recorder_rotate(rec);
	stream_close(&rec->stream);
	free(rec->retry_at_ns);
	free(rec);
}
