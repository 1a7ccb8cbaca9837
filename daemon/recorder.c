// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/messages.h"
#include "daemon/recorder.h"
#include "daemon/segment.h"
#include "fancap/block.h"
#include "fancap/filter.h"
#include "fancap/link.h"
#include "fancap/pcapng.h"

/* One write. Room for the largest record by far; small enough to stay in the cache while it is filled. */
#define BUFFER_BYTES (1u << 20)
#define BUFFER_ALIGN 4096u

/* Start write-back of what was written so long ago, so that finishing a large segment has little left to wait for. */
#define WRITEBACK_BYTES (16u << 20)

#define NAME_ATTEMPTS 100

_Static_assert(BUFFER_BYTES >= FANCAP_SNAPLEN_MAX + FANCAP_PCAPNG_SHB_MAX + FANCAP_PCAPNG_IDB_MAX + 256,
	       "a new segment's headers and the largest packet fit the buffer");

struct recorder {
	struct recorder_params params;
	struct recorder_settings settings;
	struct ledger *ledger;
	struct ledger_commit committed; /* what the ledger says */
	struct ledger_commit next;	/* what it will say when the buffer is written */
	int fd;				/* of the open segment, or -1 */
	uint8_t *buffer;
	size_t used;
	uint64_t writeback_bytes; /* of the segment, write-back was started up to here */
	uint64_t retry_at_ns;	  /* CLOCK_MONOTONIC; no writing before that, 0: all is well */
	uint64_t failed_packets;  /* discarded since writing failed */
	enum discard_reason failure;
	char os[256];
};

static void publish(struct recorder *rec)
{
	ledger_publish(rec->ledger, &rec->next);
	rec->committed = rec->next;
}

/* --- failure: nothing that is in the buffer will be in a file ------------------------------------------------- */

static enum discard_reason failure_reason(int error)
{
	return error == ENOSPC || error == EDQUOT ? DISCARD_DISK_FULL : DISCARD_DISK_ERROR;
}

static void enter_failure(struct recorder *rec, int error, const char *what)
{
	rec->failure = failure_reason(error);
	if (rec->retry_at_ns == 0)
		log_printf(LOG_ERR, MESSAGE_WRITE_FAILED, &rec->params.log,
			   "%s/%s: cannot %s: %s; packets are counted as discarded (%s), trying again every %llu ms",
			   rec->params.folder, ledger_segment_path(rec->ledger), what, strerror(error),
			   discard_reason_name(rec->failure),
			   (unsigned long long)(rec->params.retry_ns / 1000000u));
	rec->retry_at_ns = clock_monotonic_ns() + rec->params.retry_ns;
}

static void leave_failure(struct recorder *rec)
{
	if (rec->retry_at_ns == 0)
		return;
	log_printf(LOG_NOTICE, MESSAGE_WRITE_RESUMED, &rec->params.log,
		   "writing again, to %s/%s; %llu packets were discarded", rec->params.folder,
		   ledger_segment_path(rec->ledger), (unsigned long long)rec->failed_packets);
	rec->retry_at_ns = 0;
	rec->failed_packets = 0;
}

/* The buffered packets were never written: all that the next commit says of the segment is undone, they are discarded. */
static void discard_buffer(struct recorder *rec)
{
	uint64_t lost = rec->next.packets_written - rec->committed.packets_written;
	struct ledger_commit *next = &rec->next;

	next->discarded[rec->failure] += lost;
	rec->failed_packets += lost;
	next->packets_written = rec->committed.packets_written;
	next->bytes_written = rec->committed.bytes_written;
	next->segment_bytes = rec->committed.segment_bytes;
	next->segment_packets = rec->committed.segment_packets;
	next->drops_told = rec->committed.drops_told;
	next->told_discarded = rec->committed.told_discarded;
	next->told_drops = rec->committed.told_drops;
	rec->used = 0;
	publish(rec);
}

/* --- segments -------------------------------------------------------------------------------------------------- */

static void segment_forget(struct recorder *rec)
{
	rec->fd = -1;
	rec->next.segment_state = SEGMENT_NONE;
	publish(rec);
}

/* Give a name to the file that rec->fd is, or drop it when there is nothing in it. */
static void segment_publish(struct recorder *rec)
{
	const char *path = ledger_segment_path(rec->ledger);
	int r = 0;

	if (rec->committed.segment_bytes == 0) {
		close(rec->fd);
		segment_remove_empty(rec->params.folder, path);
	} else {
		r = segment_finish(rec->fd, rec->params.folder, path);
	}
	if (r < 0)
		log_printf(LOG_ERR, MESSAGE_WRITE_FAILED, &rec->params.log, "%s/%s: cannot finish the file: %s",
			   rec->params.folder, path, strerror(-r));
	segment_forget(rec);
}

/* After a failed write: cut the file back to whole records, and leave it at that. One that ends torn stays .part. */
static void segment_abandon(struct recorder *rec)
{
	if (rec->fd < 0)
		return;
	if (ftruncate(rec->fd, (off_t)rec->committed.segment_bytes) == 0) {
		segment_publish(rec);
		return;
	}
	log_printf(LOG_ERR, NULL, &rec->params.log, "%s/%s: cannot be cut to its last whole record: %s; it stays .part",
		   rec->params.folder, ledger_segment_path(rec->ledger), strerror(errno));
	close(rec->fd);
	segment_forget(rec);
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
	int fd, r;

	r = segment_path(path, LEDGER_PATH_MAX, rec->params.interface, rec->params.worker, start_ns,
			 attempt);
	if (r < 0)
		return r;
	rec->next.segment_state = SEGMENT_NAMED;
	publish(rec);
	fd = segment_create(rec->params.folder, path);
	rec->next.segment_state = fd < 0 ? SEGMENT_NONE : SEGMENT_OPEN;
	publish(rec);
	return fd;
}

/* Of what the header says: a successor may have been told other settings. FNV-1a. */
static uint64_t header_fingerprint(const struct recorder_settings *settings)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ settings->snaplen;

	for (const char *p = settings->filter; *p != '\0'; p++)
		hash = (hash ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
	return hash;
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
		.name = rec->params.interface,
		.filter = rec->settings.filter,
		.os = rec->os,
	};

	rec->used += fancap_pcapng_shb(rec->buffer + rec->used, &section);
	rec->used += fancap_pcapng_idb(rec->buffer + rec->used, &interface);
	rec->next.segment_bytes = rec->used;
	rec->next.segment_settings = header_fingerprint(&rec->settings);
	rec->next.bytes_written += rec->used;
}

/* Called with an empty buffer, and the commit in step. */
static int segment_begin(struct recorder *rec, uint64_t start_ns)
{
	int fd = -EEXIST;

	rec->next.segment_bytes = 0;
	rec->next.segment_packets = 0;
	rec->next.segment_start_ns = start_ns;
	rec->next.segment_end_ns = interval_end(rec, start_ns);
	for (unsigned attempt = 0; fd == -EEXIST && attempt < NAME_ATTEMPTS; attempt++)
		fd = segment_open_named(rec, start_ns, attempt);
	if (fd < 0) {
		enter_failure(rec, -fd, "create the file");
		return fd;
	}
	rec->fd = fd;
	rec->writeback_bytes = 0;
	put_headers(rec);
	return 0;
}

/* Go on with the segment that the ledger says is open, or see what became of it. */
static void segment_take_over(struct recorder *rec)
{
	const char *path = ledger_segment_path(rec->ledger);

	switch ((enum segment_state)rec->committed.segment_state) {
	case SEGMENT_NONE:
		return;
	case SEGMENT_NAMED:
		/* Ours if it is empty: we write to a file only after the ledger says SEGMENT_OPEN. */
		segment_remove_empty(rec->params.folder, path);
		segment_forget(rec);
		return;
	case SEGMENT_OPEN:
		rec->fd = segment_reopen(rec->params.folder, path, rec->committed.segment_bytes);
		if (rec->fd == -ENOENT) /* renamed: the last thing before the ledger would have said so */
			segment_forget(rec);
		else if (rec->fd < 0) {
			enter_failure(rec, -rec->fd, "go on with the file");
			segment_forget(rec);
		} else if (rec->committed.segment_bytes == 0) {
			put_headers(rec);
		}
		rec->writeback_bytes = rec->committed.segment_bytes;
	}
}

static void start_writeback(struct recorder *rec)
{
	uint64_t written = rec->committed.segment_bytes;

	if (written - rec->writeback_bytes < WRITEBACK_BYTES)
		return;
	/* Only a hint; a real error will come back from fdatasync(). */
	(void)sync_file_range(rec->fd, (off_t)rec->writeback_bytes, (off_t)(written - rec->writeback_bytes),
			      SYNC_FILE_RANGE_WRITE);
	rec->writeback_bytes = written;
}

void recorder_flush(struct recorder *rec)
{
	int r;

	if (rec->used == 0) {
		/* Nothing for the file, but perhaps blocks that are done with. */
		if (rec->next.block != rec->committed.block || rec->next.packet != rec->committed.packet)
			publish(rec);
		return;
	}
	r = segment_write(rec->fd, rec->buffer, rec->used, rec->committed.segment_bytes);
	if (r < 0) {
		enter_failure(rec, -r, "write");
		discard_buffer(rec);
		segment_abandon(rec);
		return;
	}
	leave_failure(rec);
	rec->used = 0;
	publish(rec);
	start_writeback(rec);
}

static uint64_t discarded_total(const struct ledger_commit *commit)
{
	uint64_t sum = 0;

	for (int i = 0; i < DISCARD_REASONS; i++)
		sum += commit->discarded[i];
	return sum;
}

/* What happened to packets since the last such block, by this worker's reckoning: it closes by itself. */
static void put_statistics(struct recorder *rec)
{
	struct ledger_commit *next = &rec->next;
	uint64_t drops = ledger_kernel_drops(rec->ledger);
	uint64_t discarded = discarded_total(next);
	uint64_t now = clock_realtime_ns();
	const struct fancap_pcapng_statistics statistics = {
		.time_ns = now,
		.start_ns = next->segment_start_ns,
		.end_ns = now,
		.accepted = next->segment_packets + (discarded - next->told_discarded) +
			    (drops - next->told_drops),
		.dropped = drops - next->told_drops,
		.delivered = next->segment_packets,
	};
	size_t n = fancap_pcapng_isb(rec->buffer + rec->used, &statistics);

	rec->used += n;
	next->segment_bytes += n;
	next->bytes_written += n;
	next->told_discarded = discarded;
	next->told_drops = drops;
}

void recorder_rotate(struct recorder *rec)
{
	recorder_flush(rec);
	if (rec->fd < 0)
		return;
	put_statistics(rec);
	recorder_flush(rec);
	if (rec->fd >= 0)
		segment_publish(rec);
}

/* --- packets --------------------------------------------------------------------------------------------------- */

static bool rotation_due(const struct recorder *rec, uint64_t time_ns, size_t record_bytes)
{
	const struct ledger_commit *next = &rec->next;
	uint64_t limit = rec->settings.rotate_size_bytes;

	if (time_ns >= next->segment_end_ns)
		return true;
	/* The clock was set back by more than an interval: the end is far away, so start afresh. */
	if (next->segment_end_ns != UINT64_MAX &&
	    time_ns + rec->settings.rotate_interval_ns < next->segment_start_ns)
		return true;
	return limit != 0 && next->segment_packets > 0 &&
	       next->segment_bytes + record_bytes + FANCAP_PCAPNG_ISB_MAX > limit;
}

/* Make a segment and room in the buffer for a packet. false: it cannot be recorded. */
static bool prepare(struct recorder *rec, const struct fancap_packet *packet, size_t record_bytes)
{
	if (rec->fd >= 0 && rotation_due(rec, packet->time_ns, record_bytes))
		recorder_rotate(rec);
	if (rec->used + record_bytes > BUFFER_BYTES)
		recorder_flush(rec);
	if (rec->fd >= 0)
		return true;
	if (rec->retry_at_ns != 0 && clock_monotonic_ns() < rec->retry_at_ns)
		return false;
	return segment_begin(rec, packet->time_ns) == 0;
}

static void record_packet(struct recorder *rec, const struct fancap_packet *packet)
{
	struct ledger_commit *next = &rec->next;
	uint64_t drops;
	size_t n;

	/* Room is made for a dropcount in any case: the figure may change meanwhile. */
	if (!prepare(rec, packet, fancap_pcapng_epb_bytes(packet, rec->settings.snaplen, 1))) {
		next->discarded[rec->failure]++;
		rec->failed_packets++;
		next->packet++;
		return;
	}
	drops = ledger_kernel_drops(rec->ledger);
	n = fancap_pcapng_epb(rec->buffer + rec->used, packet, rec->settings.snaplen,
			      drops - next->drops_told);
	next->drops_told = drops;
	rec->used += n;
	next->segment_bytes += n;
	next->bytes_written += n;
	next->segment_packets++;
	next->packets_written++;
	next->packet++;
}

/* Record what is left of a block, but for the packets that a worker before us has recorded. */
static int record_packets(struct recorder *rec, struct fancap_walk *walk, uint64_t skip)
{
	struct fancap_packet packet;
	int r;

	while ((r = fancap_walk_next(walk, &packet)) > 0) {
		packet.cooked = rec->params.linktype == FANCAP_LINKTYPE_LINUX_SLL2;
		if (skip > 0)
			skip--;
		else
			record_packet(rec, &packet);
	}
	return r;
}

void recorder_block(struct recorder *rec, const void *block, uint32_t block_bytes)
{
	uint64_t skip = rec->next.packet;
	struct fancap_walk walk;
	int r;

	r = fancap_walk_start(&walk, block, block_bytes);
	if (r == 0 && ledger_block_is_poison(rec->ledger, rec->next.block))
		rec->next.discarded[DISCARD_WORKER_CRASH] += walk.left > skip ? walk.left - skip : 0;
	else if (r == 0)
		r = record_packets(rec, &walk, skip);
	if (r < 0)
		rec->next.discarded[DISCARD_BAD_BLOCK] += walk.left;
	rec->next.block++;
	rec->next.packet = 0;
}

/* --- life ------------------------------------------------------------------------------------------------------ */

int recorder_open(const struct recorder_params *params, const struct recorder_settings *settings,
		  struct ledger *ledger, struct recorder **ret)
{
	struct recorder *rec = calloc(1, sizeof(*rec));
	struct utsname os;

	if (rec == NULL)
		return -ENOMEM;
	rec->buffer = aligned_alloc(BUFFER_ALIGN, BUFFER_BYTES);
	if (rec->buffer == NULL) {
		free(rec);
		return -ENOMEM;
	}
	rec->params = *params;
	rec->settings = *settings;
	rec->ledger = ledger;
	rec->fd = -1;
	if (uname(&os) == 0)
		snprintf(rec->os, sizeof(rec->os), "%s %s", os.sysname, os.release);
	ledger_read(ledger, &rec->committed);
	rec->next = rec->committed;
	segment_take_over(rec);
	/* The settings changed while nobody was there to be told. */
	if (rec->fd >= 0 && rec->next.segment_settings != header_fingerprint(settings))
		recorder_rotate(rec);
	*ret = rec;
	return 0;
}

void recorder_tick(struct recorder *rec, uint64_t now_ns)
{
	uint64_t end = rec->next.segment_end_ns;

	if (rec->fd >= 0 && end != UINT64_MAX && now_ns >= end && now_ns - end >= rec->params.settle_ns)
		recorder_rotate(rec);
}

void recorder_configure(struct recorder *rec, const struct recorder_settings *settings)
{
	bool header_changes = settings->snaplen != rec->settings.snaplen ||
			      strcmp(settings->filter, rec->settings.filter) != 0;

	if (header_changes || settings->rotate_interval_ns != rec->settings.rotate_interval_ns)
		recorder_rotate(rec);
	rec->settings = *settings;
}

uint64_t recorder_packets_done(const struct recorder *rec)
{
	return rec->committed.packets_written + discarded_total(&rec->committed);
}

void recorder_close(struct recorder *rec)
{
	if (rec == NULL)
		return;
	recorder_rotate(rec);
	free(rec->buffer);
	free(rec);
}
