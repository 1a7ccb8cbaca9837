// SPDX-License-Identifier: BSD-3-Clause
/*
 * The stream against a model: whatever is put, and however writes come to an end, each commit claims only bytes that are
 * in the file, and the file shows nothing but the stream's beginning. The disk is held in the test's hand: a write is made
 * when the test says so, or when the stream waits.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/stream.h"
#include "folder.h"
#include "ledgers.h"

#define FILE_MAX (24u << 20)
#define RECORDS_MAX 40000u
#define DIRECT_MAX (64u << 10)

static struct fixture {
	char *folder;
	char path[512];
	unsigned files;
	struct ledger *ledger;
	struct stream stream;
	uint8_t *expected;	      /* the file, as it is to be */
	uint64_t ends[RECORDS_MAX + 1]; /* offset behind the n-th record of this file */
	unsigned records;
	uint64_t base_block; /* next.block when this file began: each record is one block, and one packet */
	uint8_t *memory;     /* page-aligned: for direct writes, each in a place of its own */
	uint64_t direct_writes, publishes, failures;
} fx;

/* --- the disk ------------------------------------------------------------------------------------------------------ */

static struct disk_hand {
	bool held; /* writes are made when we say so; else when they are submitted */
	bool any_order; /* else the one submitted first is made first */
	struct disk_write *writes[STREAM_WRITES];
	unsigned n;
	int fail_with; /* the next write that is made */
	bool failed; /* one has, and those behind it are of no use: the file is still to be cut */
} hand;

static void make_write(unsigned i)
{
	struct disk_write *write = hand.writes[i];
	uint64_t at = write->offset;

	write->error = hand.fail_with;
	hand.failed |= hand.fail_with != 0;
	hand.fail_with = 0;
	for (unsigned v = 0; v < write->n_iov && write->error == 0; v++) {
		/* O_DIRECT: an unaligned one is refused by the file system. */
		ssize_t n = pwrite(write->fd, write->iov[v].iov_base, write->iov[v].iov_len, (off_t)at);

		assert_int_equal(at % SEGMENT_ALIGN, 0);
		assert_int_equal(write->iov[v].iov_len % SEGMENT_ALIGN, 0);
		assert_int_equal((uintptr_t)write->iov[v].iov_base % SEGMENT_ALIGN, 0);
		assert_int_equal(n, write->iov[v].iov_len);
		at += write->iov[v].iov_len;
	}
	write->done_ns = write->submitted_ns + 10;
	write->done = true;
	hand.n--;
	memmove(&hand.writes[i], &hand.writes[i + 1], (hand.n - i) * sizeof(hand.writes[0]));
}

static unsigned make_some(unsigned n)
{
	for (unsigned i = 0; i < n && hand.n > 0; i++)
		make_write(hand.any_order ? (unsigned)rand() % hand.n : 0);
	return n;
}

void __wrap_disk_submit(struct disk *disk, struct disk_write *write);
unsigned __wrap_disk_reap(struct disk *disk);
unsigned __wrap_disk_wait(struct disk *disk);
unsigned __wrap_disk_pending(const struct disk *disk);

void __wrap_disk_submit(struct disk *disk, struct disk_write *write)
{
	(void)disk;
	assert_true(hand.n < STREAM_WRITES);
	write->done = false;
	write->submitted_ns = 1000;
	hand.writes[hand.n++] = write;
	if (!hand.held)
		make_some(1);
}

unsigned __wrap_disk_reap(struct disk *disk)
{
	(void)disk;
	return 0; /* nobody asks how many */
}

unsigned __wrap_disk_wait(struct disk *disk)
{
	(void)disk;
	return make_some(hand.n > 0 ? 1 : 0);
}

unsigned __wrap_disk_pending(const struct disk *disk)
{
	(void)disk;
	return hand.n;
}

/* --- what is true of the file at any time -------------------------------------------------------------------------- */

static uint64_t file_size(void)
{
	struct stat st;

	assert_int_equal(fstat(fx.stream.segment.fd, &st), 0);
	return (uint64_t)st.st_size;
}

static void assert_file_is_expected(uint64_t from, uint64_t to)
{
	static uint8_t bytes[1u << 20];

	while (from < to) {
		size_t n = to - from < sizeof(bytes) ? (size_t)(to - from) : sizeof(bytes);

		assert_int_equal(pread(fx.stream.segment.fd, bytes, n, (off_t)from), n);
		if (memcmp(bytes, fx.expected + from, n) != 0)
			fail_msg("the file is not the stream, between %llu and %llu", (unsigned long long)from,
				 (unsigned long long)(from + n));
		from += n;
	}
}

/* Who follows the file reads to its end: there is nothing but the stream's beginning. */
static void assert_file_can_be_followed(void)
{
	uint64_t size = file_size(), from = size > 3 * STREAM_BUFFER_BYTES ? size - 3 * STREAM_BUFFER_BYTES : 0;

	assert_true(size <= stream_offset(&fx.stream));
	assert_file_is_expected(from, size);
}

static void assert_claims_are_true(const struct ledger_commit *commit)
{
	uint64_t record = commit->block - fx.base_block, bytes = commit->segment_bytes;

	if (commit->segment_state != SEGMENT_OPEN)
		return;
	/* Whole records: as many as it says, in so many bytes. */
	assert_true(record <= fx.records);
	assert_int_equal(bytes, record == 0 ? 0 : fx.ends[record - 1]);
	assert_int_equal(commit->packets_written, commit->block);
	assert_true(bytes <= file_size());
	assert_file_is_expected(bytes > 2 * STREAM_BUFFER_BYTES ? bytes - 2 * STREAM_BUFFER_BYTES : 0, bytes);
}

void __real_ledger_publish(struct ledger *ledger, const struct ledger_commit *commit);
void __wrap_ledger_publish(struct ledger *ledger, const struct ledger_commit *commit);

void __wrap_ledger_publish(struct ledger *ledger, const struct ledger_commit *commit)
{
	static struct ledger_commit before;

	ledger_read(ledger, &before);
	assert_true(commit->block >= before.block);
	assert_true(commit->writes >= before.writes);
	assert_claims_are_true(commit);
	fx.publishes++;
	__real_ledger_publish(ledger, commit);
}

static struct ledger_commit committed(void)
{
	struct ledger_commit commit;

	ledger_read(fx.ledger, &commit);
	return commit;
}

/* --- set-up -------------------------------------------------------------------------------------------------------- */

static void begin_file(void)
{
	struct ledger_commit *next = &fx.stream.next;

	snprintf(fx.path, sizeof(fx.path), "%s/%u.pcapng", fx.folder, fx.files++);
	assert_int_equal(segment_create(fx.path, &fx.stream.segment), 0);
	assert_true(segment_is_direct(&fx.stream.segment));
	fx.records = 0;
	fx.base_block = next->block;
	next->segment_state = SEGMENT_OPEN;
	next->segment_bytes = 0;
	stream_publish(&fx.stream);
	stream_begin(&fx.stream);
}

static int setup(void **state)
{
	(void)state;
	memset(&fx, 0, sizeof(fx));
	memset(&hand, 0, sizeof(hand));
	fx.folder = folder_make();
	fx.ledger = ledger_make(1u << 16, NULL);
	fx.expected = malloc(FILE_MAX);
	fx.memory = mmap(NULL, FILE_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_non_null(fx.expected);
	assert_ptr_not_equal(fx.memory, MAP_FAILED);
	srand(1);
	assert_int_equal(stream_open(&fx.stream, fx.ledger, DISK_PWRITE), 0);
	begin_file();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	make_some(hand.n);
	stream_close(&fx.stream);
	ledger_unmap(fx.ledger);
	free(fx.expected);
	munmap(fx.memory, FILE_MAX);
	folder_remove(fx.folder);
	return 0;
}

/* --- what is put ----------------------------------------------------------------------------------------------------- */

/* Bytes of the stream from an offset on, none of them zero. */
static void fill(uint8_t *p, uint64_t offset, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		p[i] = (uint8_t)(1 + (offset + i + fx.files * 7) * 31 % 255);
}

static uint64_t end(void)
{
	return fx.records == 0 ? 0 : fx.ends[fx.records - 1];
}

static void note_record(uint32_t n)
{
	fill(fx.expected + end(), end(), n);
	fx.ends[fx.records] = end() + n;
	fx.records++;
}

/* One record, which is a block of its own. */
static void put(uint32_t n)
{
	uint64_t offset = end();
	void *place = stream_room(&fx.stream, n);

	if (fx.stream.error == 0)
		assert_int_equal(stream_offset(&fx.stream), offset);
	note_record(n);
	fill(place, offset, n);
	stream_put(&fx.stream, n);
	fx.stream.next.packets_written++;
	fx.stream.next.block++;
}

static void put_many(unsigned n, uint32_t bytes)
{
	while (n-- > 0)
		put(bytes);
}

/* From where it lies, in one piece or two. */
static void put_direct(uint32_t n, bool split)
{
	uint64_t offset = end();
	uint8_t *from = fx.memory + offset;
	const struct iovec iov[2] = {{from, split ? SEGMENT_ALIGN : n}, {from + SEGMENT_ALIGN, n - SEGMENT_ALIGN}};

	assert_int_equal(offset % SEGMENT_ALIGN, 0);
	assert_int_equal(stream_offset(&fx.stream), offset);
	note_record(n);
	fill(from, offset, n);
	fx.stream.next.segment_bytes += n;
	fx.stream.next.bytes_written += n;
	fx.stream.next.packets_written++;
	fx.stream.next.block++;
	stream_direct(&fx.stream, iov, split ? 2 : 1);
	fx.direct_writes++;
}

/* As the recorder does: fill up to a whole page. */
static void align(void)
{
	uint32_t gap = (uint32_t)(-end() & (SEGMENT_ALIGN - 1));

	if (gap > 0)
		put(gap);
	stream_seal(&fx.stream);
}

static void drain(void)
{
	assert_int_equal(stream_drain(&fx.stream), 0);
	assert_int_equal(hand.n, 0);
	assert_int_equal(stream_unwritten(&fx.stream), 0);
	assert_int_equal(committed().segment_bytes, end());
	assert_int_equal(committed().block, fx.base_block + fx.records);
	assert_int_equal(file_size(), end());
}

static void assert_whole_file(void)
{
	drain();
	assert_file_is_expected(0, end());
}

/* --- records of all sizes ------------------------------------------------------------------------------------------- */

/* Each length at least once, whole pages and buffers crossed at all kinds of places. */
static void each_commit_claims_what_is_in_the_file(void **state)
{
	(void)state;
	for (uint32_t n = 16; n <= 5000; n += 4)
		put(n);
	assert_true(fx.publishes > 2); /* three buffers */
	assert_whole_file();
}

static void a_buffer_filled_to_its_last_byte_is_written_whole(void **state)
{
	(void)state;
	hand.held = true;
	put_many(STREAM_BUFFER_BYTES / 4096, 4096);
	assert_int_equal(hand.n, 0);
	put(16); /* there is no room for it */
	assert_int_equal(hand.n, 1);
	make_some(1);
	stream_reap(&fx.stream);
	assert_int_equal(committed().segment_bytes, STREAM_BUFFER_BYTES);
	assert_whole_file();
}

static void the_largest_records_fit(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++)
		put(262144 + 1024 - 4 * i);
	assert_whole_file();
}

static void a_record_on_both_sides_of_a_page_is_not_claimed_early(void **state)
{
	(void)state;
	hand.held = true;
	put(DIRECT_MAX);
	put(4092);
	put(200); /* ends behind the last whole page */
	stream_flush(&fx.stream);
	assert_int_equal(hand.n, 1);
	make_some(1);
	stream_reap(&fx.stream);
	assert_whole_file();
}

/* --- flushing ---------------------------------------------------------------------------------------------------------- */

static void what_little_is_there_is_written_at_once_when_nothing_is_under_way(void **state)
{
	(void)state;
	hand.held = true;
	put(100);
	stream_flush(&fx.stream);
	assert_int_equal(hand.n, 0);
	assert_int_equal(committed().segment_bytes, 100);
	assert_file_can_be_followed();
	put(3000);
	stream_flush(&fx.stream);
	assert_int_equal(committed().segment_bytes, 3100);
	put(3000);
	stream_flush(&fx.stream);
	assert_int_equal(committed().segment_bytes, 6100);
	assert_whole_file();
}

/* Else the file would be longer than what has been written, with zeros where a write is still under way. */
static void the_rest_is_not_written_before_what_stands_before_it(void **state)
{
	(void)state;
	hand.held = true;
	put(200000);
	stream_flush(&fx.stream);
	assert_int_equal(hand.n, 1);
	assert_int_equal(file_size(), 0);
	assert_int_equal(stream_unwritten(&fx.stream), 200000 % SEGMENT_ALIGN);
	make_some(1);
	stream_reap(&fx.stream); /* by itself: nobody has to flush again */
	assert_int_equal(committed().segment_bytes, 200000);
	assert_int_equal(stream_unwritten(&fx.stream), 0);
	assert_whole_file();
}

static void what_came_while_the_rest_waited_goes_with_it(void **state)
{
	(void)state;
	hand.held = true;
	put(200000);
	stream_flush(&fx.stream);
	put(300000);
	make_some(1);
	stream_reap(&fx.stream); /* worth a write of its own by now */
	assert_int_equal(hand.n, 1);
	make_some(1);
	stream_reap(&fx.stream);
	assert_int_equal(committed().segment_bytes, 500000);
	assert_whole_file();
}

/*
 * A page that has been written in part, through the page cache, is in the cache of those who follow the file. A direct
 * write over it would for a moment leave them with the new length and the old page, zeros behind its old end.
 */
static void a_page_that_is_in_the_file_in_part_is_not_written_past_the_cache(void **state)
{
	(void)state;
	hand.held = true;
	put(5000);
	stream_flush(&fx.stream);
	put(200000);
	stream_flush(&fx.stream);
	assert_int_equal(hand.n, 1);
	assert_int_equal(hand.writes[0]->offset, 8192);
	assert_int_equal(file_size(), 8192);
	assert_file_can_be_followed();
	assert_whole_file();
}

static void a_page_filled_exactly_is_done_without_a_direct_write(void **state)
{
	(void)state;
	hand.held = true;
	put(5000);
	stream_flush(&fx.stream);
	align();
	stream_reap(&fx.stream);
	assert_int_equal(hand.n, 0);
	assert_int_equal(committed().segment_bytes, 8192);
	put_direct(8192, true);
	assert_int_equal(hand.n, 1);
	assert_whole_file();
}

/* Blocks with nothing in them are done with all the same, but not before those that stand before them. */
static void progress_without_bytes_is_published_in_its_turn(void **state)
{
	(void)state;
	hand.held = true;
	fx.stream.next.packet++;
	stream_flush(&fx.stream);
	assert_int_equal(committed().packet, 1);
	put(8192);
	stream_flush(&fx.stream);
	fx.stream.next.packet++;
	stream_flush(&fx.stream);
	assert_int_equal(committed().packet, 1);
	make_some(1);
	stream_reap(&fx.stream);
	assert_int_equal(committed().packet, 2);
	assert_whole_file();
}

/* --- direct ------------------------------------------------------------------------------------------------------------ */

static void direct_writes_follow_staged_ones_and_the_other_way_round(void **state)
{
	(void)state;
	hand.held = true;
	for (unsigned i = 0; i < 50; i++) {
		put_many(i % 7, 60 + 4 * i);
		align();
		put_direct(SEGMENT_ALIGN * (1 + i % 5), i % 2 == 0 && i % 5 > 0);
		assert_file_can_be_followed();
		if (i % 3 == 0)
			make_some(1);
		stream_reap(&fx.stream);
	}
	assert_whole_file();
}

static void direct_writes_back_to_back_wait_for_a_free_place(void **state)
{
	(void)state;
	hand.held = true;
	for (unsigned i = 0; i < 3 * STREAM_WRITES; i++)
		put_direct(SEGMENT_ALIGN, false);
	assert_int_equal(hand.n, STREAM_WRITES);
	assert_int_equal(committed().block, 2 * STREAM_WRITES);
	assert_whole_file();
}

/* The fourth write is done first: nothing is true yet. */
static void writes_count_in_the_order_of_the_file(void **state)
{
	(void)state;
	hand.held = true;
	for (unsigned i = 0; i < 4; i++)
		put_direct(SEGMENT_ALIGN, false);
	for (unsigned i = 4; i-- > 0;) {
		make_write(i);
		stream_reap(&fx.stream);
		assert_int_equal(committed().block, i == 0 ? 4 : 0);
	}
	assert_int_equal(committed().writes, 4);
	assert_int_equal(committed().write_ns, 40);
	assert_int_equal(committed().write_max_ns, 10);
	assert_whole_file();
}

/* --- gathered ---------------------------------------------------------------------------------------------------------- */

static void what_is_gathered_is_one_write(void **state)
{
	(void)state;
	hand.held = true;
	fx.stream.gather_bytes = 6 * SEGMENT_ALIGN;
	put_direct(2 * SEGMENT_ALIGN, true);
	put_direct(2 * SEGMENT_ALIGN, true);
	assert_int_equal(hand.n, 0);
	assert_int_equal(stream_unwritten(&fx.stream), 4 * SEGMENT_ALIGN);
	put_direct(2 * SEGMENT_ALIGN, false);
	assert_int_equal(hand.n, 1);
	assert_int_equal(stream_unwritten(&fx.stream), 0);
	make_some(1);
	stream_reap(&fx.stream);
	assert_int_equal(committed().block, 3);
	assert_int_equal(committed().writes, 1);
	assert_whole_file();
}

static void what_is_gathered_goes_out_when_flushed(void **state)
{
	(void)state;
	hand.held = true;
	fx.stream.gather_bytes = FILE_MAX;
	put(100);
	put(SEGMENT_ALIGN - 100);
	stream_seal(&fx.stream);
	put_direct(2 * SEGMENT_ALIGN, false);
	put(300); /* waits for what stands before it */
	assert_int_equal(hand.n, 0);
	stream_flush(&fx.stream);
	assert_int_equal(hand.n, 1);
	assert_int_equal(hand.writes[0]->offset, 0);
	assert_int_equal(hand.writes[0]->n_iov, 2);
	assert_int_equal(stream_unwritten(&fx.stream), 300);
	make_some(1);
	stream_reap(&fx.stream);
	assert_int_equal(committed().block, 4);
	assert_whole_file();
}

/* Blocks without packets are done with when what stands before them is. */
static void progress_counts_with_what_is_gathered(void **state)
{
	(void)state;
	hand.held = true;
	fx.stream.gather_bytes = FILE_MAX;
	put_direct(SEGMENT_ALIGN, false);
	fx.stream.next.packet++;
	stream_flush(&fx.stream);
	assert_int_equal(hand.n, 1);
	assert_int_equal(committed().packet, 0);
	make_some(1);
	stream_reap(&fx.stream);
	assert_int_equal(committed().packet, 1);
	assert_int_equal(committed().writes, 1);
	assert_whole_file();
}

/* However much is to be gathered, there is an end to vectors and to buffers. */
static void no_more_is_gathered_than_there_is_room_for(void **state)
{
	(void)state;
	hand.held = true;
	fx.stream.gather_bytes = FILE_MAX;
	for (unsigned i = 0; hand.n == 0; i++) {
		assert_true(i < DISK_IOV_MAX);
		put_direct(2 * SEGMENT_ALIGN, true);
	}
	assert_in_range(hand.writes[0]->n_iov, DISK_IOV_MAX - 2, DISK_IOV_MAX);
	drain();
	while (hand.n == 0)
		put(100000);
	assert_in_range(end(), STREAM_BUFFERS / 2 * STREAM_BUFFER_BYTES, STREAM_BUFFERS * STREAM_BUFFER_BYTES);
	assert_whole_file();
}

static void what_is_gathered_is_taken_back_with_a_failed_write(void **state)
{
	(void)state;
	hand.held = true;
	put_direct(SEGMENT_ALIGN, false);
	fx.stream.gather_bytes = FILE_MAX;
	put_direct(SEGMENT_ALIGN, false);
	put_direct(SEGMENT_ALIGN, false);
	hand.fail_with = -EIO;
	make_some(1);
	stream_reap(&fx.stream);
	assert_int_equal(fx.stream.error, -EIO);
	assert_false(stream_await_write(&fx.stream));
	assert_int_equal(stream_rollback(&fx.stream), 3);
	assert_int_equal(stream_unwritten(&fx.stream), 0);
	assert_int_equal(hand.n, 0);
}

/* It shows while a flush waits for a free place: what is left over after that must not be written, and nothing be claimed. */
static void an_error_found_while_flushing_claims_nothing(void **state)
{
	(void)state;
	hand.held = true;
	for (unsigned i = 0; i < STREAM_WRITES; i++)
		put_direct(SEGMENT_ALIGN, false);
	put(200000);
	hand.fail_with = -EIO;
	stream_flush(&fx.stream);
	assert_int_equal(fx.stream.error, -EIO);
	assert_int_equal(committed().block, 0);
	assert_int_equal(stream_rollback(&fx.stream), fx.records);
}

/* What is put then goes nowhere, so that it ends in a whole page is no longer true. */
static void an_error_found_while_filling_up_to_a_page_is_no_end(void **state)
{
	(void)state;
	hand.held = true;
	put(200000);
	stream_flush(&fx.stream);
	hand.fail_with = -ENOSPC;
	make_some(1);
	align();
	assert_int_equal(fx.stream.error, -ENOSPC);
	assert_int_equal(stream_rollback(&fx.stream), fx.records);
	assert_int_equal(hand.n, 0);
}

/* --- ends of workers ----------------------------------------------------------------------------------------------------- */

/* The process is gone; of its writes some are made, in this order or that, some not. */
static void die(void)
{
	make_some(hand.n > 0 ? (unsigned)rand() % (hand.n + 1) : 0);
	hand.n = 0;
	fx.stream.head = fx.stream.tail;
	stream_close(&fx.stream);
}

/* Go on as a successor does. */
static void take_over(void)
{
	uint32_t gather_bytes = fx.stream.gather_bytes;

	assert_int_equal(stream_open(&fx.stream, fx.ledger, DISK_PWRITE), 0);
	fx.stream.gather_bytes = gather_bytes;
	fx.records = (unsigned)(fx.stream.next.block - fx.base_block);
	assert_int_equal(segment_reopen(fx.path, fx.stream.committed.segment_bytes, &fx.stream.segment), 0);
	assert_int_equal(file_size(), end());
	hand.failed = false;
	assert_int_equal(stream_resume(&fx.stream), 0);
	assert_int_equal(stream_offset(&fx.stream), end());
	assert_file_is_expected(0, end());
}

/* Up to any byte of a page, and with what was put then in the file in part. */
static void goes_on_at_any_offset(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= 2 * SEGMENT_ALIGN; n += 97) {
		put(n);
		drain();
		put(3 * n);
		die();
		take_over();
		put_many(3, 700);
		if (n % 2 == 0) {
			align();
			put_direct(SEGMENT_ALIGN, false);
		}
		assert_file_can_be_followed();
	}
	assert_whole_file();
}

/* --- failing writes ------------------------------------------------------------------------------------------------------- */

/* Some writes are done, one fails, one comes later: what was done counts, the rest never happened. */
static void a_failed_write_takes_back_what_stands_behind_it(void **state)
{
	uint64_t lost;

	(void)state;
	hand.held = true;
	for (unsigned i = 0; i < 5; i++)
		put_direct(SEGMENT_ALIGN, false);
	put(100);
	make_some(2);
	hand.fail_with = -ENOSPC;
	make_some(2);
	stream_reap(&fx.stream);
	assert_int_equal(fx.stream.error, -ENOSPC);
	assert_int_equal(committed().block, 2);
	assert_int_equal(hand.n, 0); /* those behind it have come to an end, too */
	put_many(1000, 5000);	     /* go nowhere, and do no harm */
	stream_flush(&fx.stream);
	stream_direct(&fx.stream, &(struct iovec){fx.memory, SEGMENT_ALIGN}, 1);
	assert_int_equal(hand.n, 0);
	assert_int_not_equal(stream_drain(&fx.stream), 0);
	fx.stream.next.discarded[DISCARD_DISK_FULL] += 3;
	lost = stream_rollback(&fx.stream);
	assert_int_equal(lost, 3 + 1 + 1000);
	assert_int_equal(fx.stream.error, 0);
	assert_int_equal(fx.stream.next.packets_written, 2);
	assert_int_equal(fx.stream.next.segment_bytes, 2 * SEGMENT_ALIGN);
	assert_int_equal(fx.stream.next.bytes_written, 2 * SEGMENT_ALIGN);
	assert_int_equal(fx.stream.next.discarded[DISCARD_DISK_FULL], 3);
	assert_int_equal(fx.stream.next.block, 1006); /* where it stands in the ring is left */
}

static void an_error_of_a_staged_write_is_found_when_waiting_for_room(void **state)
{
	(void)state;
	hand.held = true;
	hand.fail_with = -EIO;
	while (fx.stream.error == 0)
		put(100000);
	assert_int_equal(fx.stream.error, -EIO);
	assert_int_equal(committed().block, 0);
	assert_int_equal(stream_rollback(&fx.stream), fx.records);
}

/* The file takes nothing through the page cache either. */
static void a_rest_that_cannot_be_written_is_an_error(void **state)
{
	int fd;

	(void)state;
	put(200000);
	drain();
	fd = fx.stream.segment.fd;
	fx.stream.segment.fd = open(fx.folder, O_RDONLY | O_CLOEXEC);
	put(100);
	assert_int_equal(stream_drain(&fx.stream), -EBADF);
	assert_int_equal(stream_rollback(&fx.stream), 1);
	close(fx.stream.segment.fd);
	fx.stream.segment.fd = fd;
}

/* --- all of it at random ------------------------------------------------------------------------------------------------------ */

static uint32_t random_size(void)
{
	switch (rand() % 20) {
	case 0: return 4u * (1u + (unsigned)rand() % 65000); /* up to 260 kB */
	case 1: return SEGMENT_ALIGN * (1u + (unsigned)rand() % 4);
	default: return 16u + 4u * ((unsigned)rand() % 1247); /* 16 to 5000 */
	}
}

/* A write has failed: go on in another file, as the recorder does. */
static void give_up(void)
{
	/* The model knows of no discarded packets. */
	fx.stream.next.packets_written += stream_rollback(&fx.stream);
	assert_int_equal(segment_finish(&fx.stream.segment, fx.path, committed().segment_bytes), 0);
	fx.stream.next.segment_state = SEGMENT_NONE;
	stream_publish(&fx.stream);
	begin_file();
	hand.failed = false;
	fx.failures++;
}

static void drain_or_give_up(void)
{
	if (stream_drain(&fx.stream) != 0)
		give_up();
	else
		drain();
}

static void step(void)
{
	if (rand() % 500 == 0)
		hand.fail_with = -EIO;
	switch (rand() % 16) {
	case 0: stream_flush(&fx.stream); break;
	case 1: stream_reap(&fx.stream); break;
	case 2: make_some(1 + (unsigned)rand() % 3); break;
	case 3:
		align();
		if (fx.stream.error == 0)
			put_direct(SEGMENT_ALIGN * (2u + (unsigned)rand() % 15), rand() % 2 == 0);
		break;
	case 4:
		if (rand() % 4 == 0)
			drain_or_give_up();
		break;
	default: put(random_size());
	}
	if (fx.stream.error != 0)
		give_up();
}

/* @param any_order writes are made in any order: then the file may for a while show zeros, but no commit may claim them */
static void run_at_random(bool any_order)
{
	static const uint32_t gather_bytes[] = {0, 100000, 1000000, FILE_MAX};

	for (unsigned round = 0; round < 12; round++) {
		hand.held = true;
		hand.any_order = any_order;
		fx.stream.gather_bytes = gather_bytes[round % N_ELEMENTS(gather_bytes)];
		while (end() < FILE_MAX / 16 * (1 + round % 4)) {
			step();
			if (!any_order && !hand.failed)
				assert_file_can_be_followed();
			if (rand() % 200 == 0) {
				die();
				take_over();
			}
		}
		hand.fail_with = 0;
		drain_or_give_up();
		assert_whole_file();
		assert_int_equal(segment_finish(&fx.stream.segment, fx.path, end()), 0);
		fx.stream.next.segment_state = SEGMENT_NONE;
		stream_publish(&fx.stream);
		begin_file();
	}
	assert_true(fx.direct_writes > 100);
	assert_true(fx.failures > 5);
}

static void anything_at_all_in_order(void **state)
{
	(void)state;
	run_at_random(false);
}

static void anything_at_all_in_any_order(void **state)
{
	(void)state;
	run_at_random(true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_commit_claims_what_is_in_the_file),
		TEST(a_buffer_filled_to_its_last_byte_is_written_whole),
		TEST(the_largest_records_fit),
		TEST(a_record_on_both_sides_of_a_page_is_not_claimed_early),
		TEST(what_little_is_there_is_written_at_once_when_nothing_is_under_way),
		TEST(the_rest_is_not_written_before_what_stands_before_it),
		TEST(what_came_while_the_rest_waited_goes_with_it),
		TEST(a_page_that_is_in_the_file_in_part_is_not_written_past_the_cache),
		TEST(a_page_filled_exactly_is_done_without_a_direct_write),
		TEST(progress_without_bytes_is_published_in_its_turn),
		TEST(direct_writes_follow_staged_ones_and_the_other_way_round),
		TEST(direct_writes_back_to_back_wait_for_a_free_place),
		TEST(writes_count_in_the_order_of_the_file),
		TEST(what_is_gathered_is_one_write),
		TEST(what_is_gathered_goes_out_when_flushed),
		TEST(progress_counts_with_what_is_gathered),
		TEST(no_more_is_gathered_than_there_is_room_for),
		TEST(what_is_gathered_is_taken_back_with_a_failed_write),
		TEST(an_error_found_while_flushing_claims_nothing),
		TEST(an_error_found_while_filling_up_to_a_page_is_no_end),
		TEST(goes_on_at_any_offset),
		TEST(a_failed_write_takes_back_what_stands_behind_it),
		TEST(an_error_of_a_staged_write_is_found_when_waiting_for_room),
		TEST(a_rest_that_cannot_be_written_is_an_error),
		TEST(anything_at_all_in_order),
		TEST(anything_at_all_in_any_order),
	};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
