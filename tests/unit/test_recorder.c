// SPDX-License-Identifier: BSD-3-Clause
/* The recorder, fed with synthetic blocks; its files are read back by the test tools' own reader. */
#include "unit.h"

#include "ledgers.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "blocks.h"
#include "daemon/mailbox.h"
#include "daemon/recorder.h"
#include "folder.h"
#include "tests/tools/reader.h"

#define BLOCK_BYTES (64u << 10)
#define FRAME_BYTES 200u
#define START_NS UINT64_C(1700000000000000000) /* 22:13:20 UTC */
#define SECOND_NS UINT64_C(1000000000)
#define SEQS_MAX 200000u
#define RING_BLOCKS 512u

static struct fixture {
	char *folder;
	struct ledger *ledger;
	struct recorder *recorder;
	uint8_t *ring; /* shared with processes forked, as a real one is; no test has more blocks */
	struct recorder_params params;
	struct recorder_settings settings;
	uint64_t position;   /* of the next block */
	uint64_t next_seq;   /* of the next packet */
	uint64_t time_ns;    /* of the next packet */
	bool mixed;	     /* every fourth block has to be packed, whatever the writer */
	unsigned errors;     /* logged */
	unsigned resumed;
} fx;

/* --- set-up -------------------------------------------------------------------------------------------------- */

static void count_log(const struct log_message *message, void *arg)
{
	(void)arg;
	fx.errors += message->level == LOG_ERR;
	fx.resumed += strstr(message->text, "writing again") != NULL;
}

static void open_recorder(void)
{
	assert_int_equal(recorder_open(&fx.params, &fx.settings, fx.ledger, &fx.recorder), 0);
}

static int setup_writer(enum config_writer writer)
{
	memset(&fx, 0, sizeof(fx));
	fx.folder = folder_make();
	fx.ring = mmap(NULL, (size_t)RING_BLOCKS * BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(fx.ring, MAP_FAILED);
	fx.ledger = ledger_make(BLOCK_BYTES, NULL);
	fx.params = (struct recorder_params){
		.folders = (const char *const *)&fx.folder,
		.n_folders = 1,
		.mailbox_fd = -1,
		.interface = "eth0",
		.worker = 1,
		.linktype = 1,
		.settle_ns = SECOND_NS,
		.log = {"eth0", 1},
	};
	fx.settings.snaplen = 262144;
	fx.settings.writer = writer;
	fx.time_ns = START_NS;
	log_set_sink(count_log, NULL);
	open_recorder();
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return setup_writer(CONFIG_WRITER_STAGED);
}

static int setup_direct(void **state)
{
	(void)state;
	return setup_writer(CONFIG_WRITER_DIRECT);
}

static int teardown(void **state)
{
	(void)state;
	recorder_close(fx.recorder);
	ledger_unmap(fx.ledger);
	munmap(fx.ring, (size_t)RING_BLOCKS * BLOCK_BYTES);
	folder_remove(fx.folder);
	return 0;
}

/* --- feeding ------------------------------------------------------------------------------------------------- */

static void frame(uint8_t bytes[static FRAME_BYTES], uint64_t seq)
{
	memset(bytes, (int)(seq % 251), FRAME_BYTES);
	memcpy(bytes + 14, &seq, sizeof(seq));
}

static void fill_block(struct test_block *block, unsigned packets)
{
	uint8_t bytes[FRAME_BYTES];

	/* Without PACKET_RESERVE data is not aligned, and the block cannot be rewritten in place. */
	test_block_init(block, BLOCK_BYTES, 0, fx.mixed && fx.position % 4 == 1 ? 0 : 2, fx.position + 1);
	for (unsigned i = 0; i < packets; i++) {
		frame(bytes, fx.next_seq++);
		assert_true(test_block_add(block, &(struct test_packet){.data = bytes,
									.caplen = FRAME_BYTES,
									.time_ns = fx.time_ns++}));
	}
	fx.position++;
}

static uint8_t *ring_block(uint64_t position)
{
	return fx.ring + position % RING_BLOCKS * BLOCK_BYTES;
}

/* Into the ring, as the latest: it stays there while the recorder has it. */
static void place_block(struct test_block *block)
{
	memcpy(ring_block(fx.position - 1), block->bytes, block->size);
	test_block_done(block);
}

static void record_block(struct test_block *block)
{
	place_block(block);
	recorder_block(fx.recorder, ring_block(fx.position - 1), BLOCK_BYTES);
}

/* Until all that was recorded is written. */
static void flush(void)
{
	recorder_flush(fx.recorder);
	while (recorder_position(fx.recorder) < fx.position) {
		struct pollfd done = {.fd = recorder_fd(fx.recorder), .events = POLLIN};

		assert_int_equal(poll(&done, 1, 10000), 1);
		recorder_reap(fx.recorder);
	}
}

static void record(unsigned packets)
{
	struct test_block block;

	fill_block(&block, packets);
	record_block(&block);
}

static struct ledger_commit committed(void)
{
	struct ledger_commit commit;

	ledger_read(fx.ledger, &commit);
	return commit;
}

/* --- reading back -------------------------------------------------------------------------------------------- */

static struct found {
	uint8_t times[SEQS_MAX]; /* how often each was found */
	uint64_t packets, dropcount, files, file_bytes;
	uint64_t accepted, osdrop, delivered; /* sums of the last ISB of each file */
	uint64_t largest_file;
	uint64_t first_ns, last_ns; /* of the latest file */
} found;

static void check_packet(const struct reader_packet *packet)
{
	uint8_t expected[FRAME_BYTES];
	uint64_t seq;

	assert_int_equal(packet->caplen, FRAME_BYTES);
	memcpy(&seq, packet->data + 14, sizeof(seq));
	assert_true(seq < SEQS_MAX);
	frame(expected, seq);
	assert_memory_equal(packet->data, expected, FRAME_BYTES);
	found.times[seq]++;
	found.packets++;
	found.dropcount += packet->dropcount;
	if (found.first_ns == 0)
		found.first_ns = packet->time_ns;
	found.last_ns = packet->time_ns;
}

static void read_file(const char *path, void *arg)
{
	struct reader_statistics last = {0};
	struct reader_packet packet;
	uint64_t before = found.packets;
	struct reader *reader;
	enum reader_event event;
	struct stat st;

	(void)arg;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(reader_open(path, &reader), 0);
	found.first_ns = 0;
	while ((event = reader_next(reader, &packet, &last)) != READER_END) {
		if (event == READER_ERROR)
			fail_msg("%s: %s", path, reader_error(reader));
		if (event == READER_PACKET)
			check_packet(&packet);
		else /* statistics tell what is in the file up to there */
			assert_int_equal(last.usrdeliv, found.packets - before);
	}
	reader_close(reader);
	found.files++;
	found.file_bytes += (uint64_t)st.st_size;
	found.accepted += last.filteraccept;
	found.osdrop += last.osdrop;
	found.delivered += last.usrdeliv;
	if ((uint64_t)st.st_size > found.largest_file)
		found.largest_file = (uint64_t)st.st_size;
}

static void read_files(void)
{
	memset(&found, 0, sizeof(found));
	folder_each(fx.folder, ".pcapng", read_file, NULL);
}

static void assert_each_once(uint64_t n)
{
	for (uint64_t seq = 0; seq < n; seq++) {
		if (found.times[seq] != 1)
			fail_msg("packet %llu is there %u times", (unsigned long long)seq, found.times[seq]);
	}
	assert_int_equal(found.packets, n);
}

static void close_and_read(void)
{
	recorder_close(fx.recorder);
	fx.recorder = NULL;
	assert_int_equal(folder_count(fx.folder, ".part"), 0);
	read_files();
}

/* --- recording ------------------------------------------------------------------------------------------------ */

static void every_packet_is_in_the_file_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		record(i); /* the first is empty */
	close_and_read();
	assert_int_equal(found.files, 1);
	assert_each_once(99 * 100 / 2);
	assert_int_equal(committed().packets_written, found.packets);
	assert_int_equal(committed().bytes_written, found.file_bytes);
	assert_int_equal(committed().block, 100);
	assert_int_equal(found.accepted, found.packets);
	assert_int_equal(found.delivered, found.packets);
}

/* Also when more of them come at once than writes may be under way. */
static void blocks_that_can_be_rewritten_are_not_packed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		record(150);
	close_and_read();
	assert_each_once(100 * 150);
	assert_int_equal(committed().blocks_direct, 100);
	assert_int_equal(committed().blocks_staged, 0);
}

static void no_packet_makes_no_file(void **state)
{
	(void)state;
	record(0);
	flush();
	assert_int_equal(committed().block, 1); /* handed back all the same */
	close_and_read();
	assert_int_equal(found.files, 0);
}

static void a_block_is_done_with_only_when_it_is_written(void **state)
{
	(void)state;
	record(10);
	assert_int_equal(committed().block, 0);
	assert_int_equal(committed().packets_written, 0);
	flush();
	assert_int_equal(committed().block, 1);
	assert_int_equal(committed().packets_written, 10);
	assert_int_equal(recorder_packets_done(fx.recorder), 10);
}

static void rotation_by_size_keeps_below_it(void **state)
{
	(void)state;
	fx.settings.rotate_size_bytes = 100000;
	recorder_configure(fx.recorder, &fx.settings);
	for (unsigned i = 0; i < 50; i++)
		record(100);
	close_and_read();
	assert_each_once(5000);
	assert_true(found.largest_file <= 100000);
	/* 5000 x 248 bytes; or 50 blocks of 32 KiB, two in a file */
	assert_in_range(found.files, 12, fx.settings.writer == CONFIG_WRITER_DIRECT ? 25 : 14);
	assert_int_equal(found.delivered, 5000);
}

static void rotation_by_time_is_aligned_to_the_clock(void **state)
{
	(void)state;
	fx.settings.rotate_interval_ns = 10 * SECOND_NS;
	recorder_configure(fx.recorder, &fx.settings);
	fx.time_ns = START_NS + 9 * SECOND_NS; /* 1 s before the boundary */
	record(5);
	fx.time_ns = START_NS + 10 * SECOND_NS - 2; /* 2 before, 3 at and after it */
	record(5);
	fx.time_ns = START_NS + 39 * SECOND_NS;
	record(5);
	close_and_read();
	assert_each_once(15);
	assert_int_equal(found.files, 3);
	assert_int_equal(found.first_ns, START_NS + 39 * SECOND_NS);
}

static void each_interval_has_its_own_packets_only(const char *path, void *arg)
{
	(void)arg;
	read_file(path, NULL);
	assert_int_equal(found.first_ns / (10 * SECOND_NS), found.last_ns / (10 * SECOND_NS));
}

static void a_file_holds_one_interval(void **state)
{
	(void)state;
	fx.settings.rotate_interval_ns = 10 * SECOND_NS;
	recorder_configure(fx.recorder, &fx.settings);
	for (unsigned i = 0; i < 100; i++) {
		fx.time_ns = START_NS + i * SECOND_NS;
		record(3);
	}
	recorder_close(fx.recorder);
	fx.recorder = NULL;
	memset(&found, 0, sizeof(found));
	folder_each(fx.folder, ".pcapng", each_interval_has_its_own_packets_only, NULL);
	assert_int_equal(found.files, 10);
	assert_each_once(300);
}

static void a_clock_set_back_starts_a_new_file(void **state)
{
	(void)state;
	fx.settings.rotate_interval_ns = 10 * SECOND_NS;
	recorder_configure(fx.recorder, &fx.settings);
	record(1);
	fx.time_ns = START_NS - 86400 * SECOND_NS;
	record(1);
	close_and_read();
	assert_int_equal(found.files, 2);
}

static void a_quiet_link_closes_its_file_in_time(void **state)
{
	uint64_t due = START_NS + 10 * SECOND_NS;

	(void)state;
	fx.settings.rotate_interval_ns = 10 * SECOND_NS;
	recorder_configure(fx.recorder, &fx.settings);
	record(3);
	flush();
	recorder_tick(fx.recorder, due - 1);
	recorder_tick(fx.recorder, due + fx.params.settle_ns - 1);
	assert_int_equal(folder_count(fx.folder, ".part"), 1);
	recorder_tick(fx.recorder, due + fx.params.settle_ns);
	assert_int_equal(folder_count(fx.folder, ".part"), 0);
	read_files();
	assert_each_once(3);
}

static void a_name_in_use_is_not_taken(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		fx.time_ns = START_NS;
		record(1);
		recorder_rotate(fx.recorder);
	}
	close_and_read();
	assert_int_equal(found.files, 3);
	assert_each_once(3);
	assert_int_equal(folder_count(fx.folder, "-2.pcapng"), 1);
}

static void kernel_drops_stand_at_the_next_packet_and_in_the_statistics(void **state)
{
	(void)state;
	record(5);
	flush();
	ledger_set_kernel(fx.ledger, &(struct fancap_stats){.packets = 100, .drops = 17});
	record(5);
	recorder_rotate(fx.recorder);
	record(1);
	ledger_set_kernel(fx.ledger, &(struct fancap_stats){.packets = 100, .drops = 20});
	close_and_read(); /* no packet after the last drops: only the statistics tell */
	assert_int_equal(found.files, 2);
	assert_int_equal(found.dropcount, 17);
	assert_int_equal(found.osdrop, 20);
	assert_int_equal(found.accepted, 31);
	assert_int_equal(found.delivered, 11);
}

static void a_new_filter_begins_a_new_file(void **state)
{
	(void)state;
	record(1);
	snprintf(fx.settings.filter, sizeof(fx.settings.filter), "udp");
	recorder_configure(fx.recorder, &fx.settings);
	record(1);
	recorder_configure(fx.recorder, &fx.settings); /* nothing new */
	record(1);
	close_and_read();
	assert_int_equal(found.files, 2);
	assert_each_once(3);
}

static void a_new_device_name_begins_a_new_file(void **state)
{
	(void)state;
	record(1);
	snprintf(fx.settings.device, sizeof(fx.settings.device), "wan0");
	recorder_configure(fx.recorder, &fx.settings);
	record(1);
	recorder_configure(fx.recorder, &fx.settings); /* nothing new */
	record(1);
	close_and_read();
	assert_int_equal(found.files, 2);
	assert_each_once(3);
}

/* --- blocks that are not as they should be ------------------------------------------------------------------------ */

static void the_rest_of_a_bad_block_is_counted(void **state)
{
	struct test_block block;

	(void)state;
	fill_block(&block, 10);
	test_block_slot(&block, 4)->tp_snaplen = UINT32_MAX;
	record_block(&block);
	record(1);
	close_and_read();
	assert_int_equal(found.packets, 5);
	assert_int_equal(committed().discarded[DISCARD_BAD_BLOCK], 6);
	assert_int_equal(found.accepted, 11);
}

static void a_block_with_a_bad_header_is_counted(void **state)
{
	struct test_block block;

	(void)state;
	fill_block(&block, 10);
	test_block_header(&block)->blk_len = BLOCK_BYTES + 8;
	record_block(&block);
	flush();
	assert_int_equal(committed().discarded[DISCARD_BAD_BLOCK], 10);
	assert_int_equal(committed().block, 1);
}

static void a_block_that_killed_two_workers_is_left_alone(void **state)
{
	char own[256], *whole = fx.folder;
	const char *const folders[] = {own};

	(void)state;
	recorder_close(fx.recorder);
	snprintf(own, sizeof(own), "%s/eth0", fx.folder);
	fx.params.folders = folders;
	open_recorder();
	for (int i = 0; i < 2; i++) {
		ledger_set_attempt(fx.ledger, 1);
		ledger_note_crash(fx.ledger);
	}
	record(3);
	record(4);
	assert_int_equal(committed().block, 2); /* or the next one that kills would make it forgotten */
	record(5);
	fx.folder = own;
	close_and_read();
	fx.folder = whole;
	assert_int_equal(found.packets, 8);
	assert_int_equal(committed().discarded[DISCARD_WORKER_CRASH], 4);
	assert_int_equal(committed().block, 3);
	assert_int_equal(folder_count(fx.folder, ".block"), 1);
}

/* --- disks that fail ------------------------------------------------------------------------------------------- */

static void limit_file_size(rlim_t bytes)
{
	const struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_failed_write_is_counted_and_recording_resumes(void **state)
{
	(void)state;
	record(100);
	flush();
	limit_file_size(30000); /* 25 kB are there: some of the next fit, but not all */
	record(100);
	flush();
	limit_file_size(RLIM_INFINITY);
	assert_int_equal(committed().packets_written, 100);
	assert_int_equal(committed().discarded[DISCARD_DISK_ERROR], 100);
	assert_int_equal(fx.errors, 1);
	record(100);
	close_and_read();
	assert_int_equal(fx.resumed, 1);
	assert_int_equal(found.files, 2); /* the first was cut to its last whole record, and finished */
	assert_int_equal(found.packets, 200);
	assert_int_equal(found.accepted, 200); /* the first could not be given its statistics */
	assert_int_equal(committed().packets_written, 200);
	assert_int_equal(committed().bytes_written, found.file_bytes);
}

static void measure_file(const char *path, void *arg)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	*(uint64_t *)arg = (uint64_t)st.st_size;
}

/* Packets that count as discarded are in no file, whoever finishes it: the keeper may find it before it is told. */
/* A worker that is killed while its disk fails has said so; its successor says that it is over. */
static void a_successor_says_that_it_writes_again(void **state)
{
	(void)state;
	ledger_set_failing(fx.ledger, 0, true);
	recorder_close(fx.recorder);
	open_recorder();
	record(100);
	flush();
	assert_int_equal(fx.resumed, 1);
	assert_int_equal(fx.errors, 0);
	assert_false(ledger_failing(fx.ledger, 0));
	limit_file_size(10000);
	record(100);
	recorder_flush(fx.recorder);
	recorder_rotate(fx.recorder);
	limit_file_size(RLIM_INFINITY);
	assert_true(ledger_failing(fx.ledger, 0));
}

static void a_failed_write_leaves_nothing_behind_what_counts(void **state)
{
	int mailbox[2];
	uint64_t bytes = 0;

	(void)state;
	assert_int_equal(mailbox_open(mailbox), 0);
	recorder_close(fx.recorder);
	fx.params.mailbox_fd = mailbox[1];
	open_recorder();
	record(100);
	flush();
	limit_file_size(30000);
	record(100);
	flush();
	limit_file_size(RLIM_INFINITY);
	assert_int_equal(committed().discarded[DISCARD_DISK_ERROR], 100);
	folder_each(fx.folder, ".part", measure_file, &bytes);
	assert_int_equal(bytes, committed().segment_bytes);
	recorder_close(fx.recorder);
	fx.recorder = NULL;
	close(mailbox[0]);
	close(mailbox[1]);
}

static void while_waiting_to_retry_packets_are_counted(void **state)
{
	(void)state;
	recorder_close(fx.recorder);
	fx.params.retry_ns = 3600 * SECOND_NS;
	open_recorder();
	limit_file_size(1);
	record(10);
	flush();
	limit_file_size(RLIM_INFINITY);
	record(10);
	flush();
	assert_int_equal(committed().discarded[DISCARD_DISK_ERROR], 20);
	assert_int_equal(committed().packets_written, 0);
	assert_int_equal(committed().block, 2);
	assert_int_equal(fx.errors, 1);
	close_and_read();
	assert_int_equal(found.files, 0); /* no empty file is left behind */
}

/* Else a ring would fill up, and packets be dropped, that could be counted. */
static void a_block_is_handed_back_at_once_when_there_is_nowhere_to_write_it(void **state)
{
	(void)state;
	recorder_close(fx.recorder);
	fx.params.retry_ns = 3600 * SECOND_NS;
	open_recorder();
	limit_file_size(1);
	record(10);
	flush();
	for (uint64_t position = 2; position < 20; position++) {
		record(10);
		assert_int_equal(recorder_position(fx.recorder), position);
	}
	limit_file_size(RLIM_INFINITY);
	assert_int_equal(committed().discarded[DISCARD_DISK_ERROR], 190);
}

static void drops_told_in_a_lost_buffer_are_told_again(void **state)
{
	(void)state;
	ledger_set_kernel(fx.ledger, &(struct fancap_stats){.drops = 9});
	limit_file_size(1);
	record(10);
	flush();
	limit_file_size(RLIM_INFINITY);
	record(10);
	close_and_read();
	assert_int_equal(found.dropcount, 9);
	assert_int_equal(found.osdrop, 9);
	assert_int_equal(found.accepted, 29);
}

static void statistics_that_were_not_written_are_told_by_the_next(void **state)
{
	struct test_block block;

	(void)state;
	fill_block(&block, 10);
	test_block_slot(&block, 4)->tp_snaplen = UINT32_MAX; /* 6 are discarded */
	record_block(&block);
	ledger_set_kernel(fx.ledger, &(struct fancap_stats){.drops = 7});
	record(1);
	flush();
	limit_file_size(committed().segment_bytes);
	recorder_rotate(fx.recorder);
	limit_file_size(RLIM_INFINITY);
	record(1);
	close_and_read();
	assert_int_equal(found.files, 2);
	assert_int_equal(found.packets, 6);
	assert_int_equal(found.delivered, 1); /* the first file has no statistics */
	assert_int_equal(found.osdrop, 7);
	assert_int_equal(found.accepted, 1 + 6 + 7);
}

static void a_folder_that_vanished_is_made_again(void **state)
{
	char command[512];

	(void)state;
	record(1);
	recorder_rotate(fx.recorder);
	snprintf(command, sizeof(command), "rm -rf '%s'", fx.folder);
	assert_int_equal(system(command), 0);
	record(1);
	close_and_read();
	assert_int_equal(found.packets, 1);
	assert_int_equal(committed().packets_written, 2);
}

/* What is written to a file without a name is in no file: it must not go on until the next rotation. */
static void a_file_that_was_taken_away_is_given_up(void **state)
{
	char from[528], to[600];

	(void)state;
	record(1);
	flush();
	recorder_check(fx.recorder);
	record(1);
	flush();
	assert_int_equal(folder_count(fx.folder, ".part"), 1);
	snprintf(from, sizeof(from), "%s.part", ledger_segment_path(fx.ledger));
	assert_int_equal(unlink(from), 0);
	recorder_check(fx.recorder);
	assert_int_equal(fx.errors, 1);
	recorder_check(fx.recorder); /* none is open */
	record(1);
	flush();
	snprintf(from, sizeof(from), "%s.part", ledger_segment_path(fx.ledger));
	snprintf(to, sizeof(to), "%s.moved", from);
	assert_int_equal(rename(from, to), 0);
	recorder_check(fx.recorder);
	assert_int_equal(fx.errors, 2);
	record(1);
	close_and_read();
	assert_int_equal(fx.errors, 2);
	assert_int_equal(found.files, 1);
	assert_int_equal(found.packets, 1);
	assert_int_equal(found.delivered, 1);
	assert_int_equal(committed().packets_written, 4); /* they were */
}

/* A real full disk: a small tmpfs, in a mount namespace of our own. Run in a child, for the namespace's sake. */
static int record_to_full_disk(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", fx.folder, "tmpfs", 0, "size=256k") < 0)
		return 77;
	for (unsigned i = 0; i < 20; i++) {
		record(200);
		flush();
	}
	if (committed().discarded[DISCARD_DISK_FULL] == 0 || committed().packets_written == 0)
		return 1;
	if (committed().discarded[DISCARD_DISK_FULL] + committed().packets_written != 4000)
		return 2;
	read_files();
	if (found.packets != committed().packets_written)
		return 3;
	/* Room is made; the next packets are written. */
	if (mount("tmpfs", fx.folder, "tmpfs", MS_REMOUNT, "size=1m") < 0)
		return 4;
	record(200);
	recorder_close(fx.recorder);
	read_files();
	return found.packets == committed().packets_written && found.times[4199] == 1 ? 0 : 5;
}

static void a_full_disk_is_counted_and_recording_resumes(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0) {
		print_message("# without root there is no small disk to fill: not tested\n");
		return;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(record_to_full_disk());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		fail_msg("no mount namespace, or no tmpfs");
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- workers that are killed ------------------------------------------------------------------------------------- */

#define KILL_BLOCKS 400u
#define KILL_PACKETS 60u

static void record_from(uint64_t position)
{
	for (; position < KILL_BLOCKS; position++) {
		recorder_block(fx.recorder, ring_block(position), BLOCK_BYTES);
		if (position % 3 == 0)
			recorder_flush(fx.recorder);
	}
}

/* One block for every byte from the parent, who is told of each. */
static void __attribute__((noreturn)) record_as_told(int go_fd, int done_fd)
{
	char byte;

	open_recorder();
	for (uint64_t position = committed().block; position < KILL_BLOCKS; position++) {
		if (read(go_fd, &byte, 1) != 1)
			_exit(1);
		recorder_block(fx.recorder, ring_block(position), BLOCK_BYTES);
		if (position % 3 == 0)
			recorder_flush(fx.recorder);
		if (write(done_fd, "", 1) != 1)
			_exit(1);
	}
	recorder_close(fx.recorder);
	_exit(0);
}

/* A worker that is killed so long after it began the next block, or while it writes, or finishes its file. */
static void record_and_be_killed(unsigned whole_blocks, unsigned microseconds)
{
	int go[2], done[2], status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(done), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		close(done[0]);
		record_as_told(go[0], done[1]);
	}
	close(go[0]);
	close(done[1]);
	for (unsigned i = 0; i < whole_blocks && write(go[1], "", 1) == 1 && read(done[0], &byte, 1) == 1; i++)
		;
	(void)!write(go[1], "", 1);
	usleep(microseconds);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(go[1]);
	close(done[0]);
}

static void nothing_is_lost_or_doubled_by_killed_workers(void **state)
{
	unsigned killed = 0;

	(void)state;
	recorder_close(fx.recorder);
	fx.recorder = NULL;
	fx.settings.rotate_size_bytes = 150000; /* so that some die while rotating */
	fx.mixed = true;
	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < KILL_BLOCKS; i++) {
		struct test_block block;

		fill_block(&block, i % 3 == 2 ? 1 : KILL_PACKETS);
		place_block(&block);
	}
	srand(1);
	while (committed().block < KILL_BLOCKS - 20 && killed++ < 1000)
		record_and_be_killed((unsigned)rand() % 12, (unsigned)rand() % 300);
	assert_true(killed > 20);
	open_recorder();
	record_from(committed().block);
	close_and_read();
	assert_each_once(fx.next_seq);
	assert_int_equal(committed().packets_written, found.packets);
	assert_int_equal(committed().bytes_written, found.file_bytes);
	assert_int_equal(found.delivered, found.packets);
}

static void a_name_claimed_but_not_created_is_given_up(void **state)
{
	struct ledger_commit commit = {.segment_state = SEGMENT_NAMED};

	(void)state;
	recorder_close(fx.recorder);
	snprintf(ledger_segment_path(fx.ledger), LEDGER_PATH_MAX, "%s/2023-11-14/x.pcapng", fx.folder);
	ledger_publish(fx.ledger, &commit);
	open_recorder();
	assert_int_equal(committed().segment_state, SEGMENT_NONE);
	record(1);
	close_and_read();
	assert_each_once(1);
}

static void a_segment_renamed_before_the_ledger_knew_is_left(void **state)
{
	char from[528], to[512];
	int status;
	pid_t pid;

	(void)state;
	recorder_close(fx.recorder);
	fx.recorder = NULL;
	/* Killed right after rename(): all that is left of it is the file and the ledger. */
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		open_recorder();
		record(3);
		flush();
		snprintf(to, sizeof(to), "%s", ledger_segment_path(fx.ledger));
		snprintf(from, sizeof(from), "%s.part", to);
		_exit(rename(from, to) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(committed().segment_state, SEGMENT_OPEN);
	open_recorder();
	assert_int_equal(committed().segment_state, SEGMENT_NONE);
	assert_int_equal(fx.errors, 0); /* no failure, so no pause in recording either */
	fx.next_seq = 3;
	fx.time_ns++;
	record(2);
	close_and_read();
	assert_int_equal(found.files, 2);
	assert_each_once(5);
}

/* Leave as a killed worker does: the file is open, and nobody said so. */
static void record_and_vanish(unsigned packets)
{
	int status;
	pid_t pid;

	recorder_close(fx.recorder);
	fx.recorder = NULL;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		open_recorder();
		record(packets);
		flush();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fx.next_seq += packets;
	fx.time_ns += packets;
}

static void a_successor_goes_on_in_the_same_file(void **state)
{
	(void)state;
	record_and_vanish(3);
	open_recorder();
	record(2);
	close_and_read();
	assert_int_equal(found.files, 1);
	assert_each_once(5);
	assert_int_equal(found.delivered, 5);
}

static void a_successor_with_another_filter_begins_a_new_file(void **state)
{
	(void)state;
	record_and_vanish(3);
	snprintf(fx.settings.filter, sizeof(fx.settings.filter), "udp");
	open_recorder();
	record(2);
	close_and_read();
	assert_int_equal(found.files, 2);
	assert_each_once(5);
	assert_int_equal(found.delivered, 5);
}

/* Its statistics counted from the beginning of a file that has been finished meanwhile. */
static void an_inherited_block_tells_of_the_file_that_it_goes_to(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	recorder_close(fx.recorder);
	fx.recorder = NULL;
	ledger_set_kernel(fx.ledger, &(struct fancap_stats){.drops = 9});
	for (unsigned i = 0; i < 4; i++) {
		struct test_block block;

		fill_block(&block, 100);
		place_block(&block);
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		open_recorder();
		recorder_block(fx.recorder, ring_block(0), BLOCK_BYTES);
		fx.position = 1;
		flush();
		for (uint64_t position = 1; position < 4; position++)
			recorder_block(fx.recorder, ring_block(position), BLOCK_BYTES);
		_exit(0); /* with writes under way */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	snprintf(fx.settings.filter, sizeof(fx.settings.filter), "udp");
	open_recorder();
	for (uint64_t position = committed().block; position < 4; position++)
		recorder_block(fx.recorder, ring_block(position), BLOCK_BYTES);
	close_and_read();
	assert_int_equal(found.files, 2);
	assert_each_once(400);
	assert_int_equal(found.delivered, 400);
	assert_int_equal(found.osdrop, 9);
	assert_int_equal(found.dropcount, 9);
}

/* --- one set of rings takes over from another -------------------------------------------------------------------- */

static void cut(uint64_t begin_ns, uint64_t end_ns)
{
	ledger_set_begin(fx.ledger, begin_ns);
	ledger_set_end(fx.ledger, end_ns);
}

static void assert_recorded(uint64_t first, uint64_t end, uint64_t of)
{
	for (uint64_t seq = 0; seq < of; seq++) {
		if (found.times[seq] != (seq >= first && seq < end))
			fail_msg("packet %llu is there %u times", (unsigned long long)seq, found.times[seq]);
	}
	assert_int_equal(committed().packets_written, end - first);
	assert_int_equal(committed().packets_skipped, of - (end - first));
	assert_int_equal(found.delivered, end - first);
	assert_int_equal(found.accepted, end - first);
	assert_int_equal(recorder_packets_done(fx.recorder), of);
}

/* Packets are stamped a nanosecond apart: number n at START_NS + n. */
static void packets_outside_a_cut_are_skipped(void **state)
{
	(void)state;
	cut(START_NS + 130, START_NS + 270);
	for (unsigned i = 0; i < 8; i++)
		record(50);
	recorder_rotate(fx.recorder);
	read_files();
	assert_recorded(130, 270, 400);
	assert_int_equal(committed().blocks_staged + committed().blocks_direct, 8);
	/* Blocks that are inside as a whole go the way they always do. */
	assert_int_equal(committed().blocks_direct, fx.settings.writer == CONFIG_WRITER_DIRECT ? 2 : 0);
}

/* The order of stamps is not that of packets. */
static void each_packet_is_judged_by_its_own_stamp(void **state)
{
	(void)state;
	fx.time_ns = START_NS + 100;
	record(50);
	fx.time_ns = START_NS + 90;
	record(50); /* 50 to 59 before the cut */
	cut(START_NS + 100, UINT64_MAX);
	fx.time_ns = START_NS + 80;
	record(50); /* 100 to 119 before it */
	recorder_rotate(fx.recorder);
	read_files();
	assert_int_equal(committed().packets_skipped, 20);
	assert_int_equal(committed().packets_written, 130); /* what was recorded before it was set is not taken back */
	for (unsigned seq = 0; seq < 150; seq++)
		assert_int_equal(found.times[seq], seq < 100 || seq >= 120);
}

static void nothing_is_recorded_before_the_instant_is_decided(void **state)
{
	(void)state;
	cut(LEDGER_CUT_UNDECIDED, UINT64_MAX);
	record(50);
	flush();
	assert_int_equal(committed().packets_skipped, 50);
	assert_int_equal(recorder_position(fx.recorder), 1);
	assert_int_equal(folder_count(fx.folder, ".part"), 0);
	cut(START_NS + 75, UINT64_MAX);
	record(50);
	cut(0, UINT64_MAX);
	record(50);
	recorder_rotate(fx.recorder);
	read_files();
	assert_recorded(75, 150, 150);
}

/* A device's clock says nothing of what came before what. */
static void stamps_of_a_device_are_not_judged(void **state)
{
	struct test_block block;
	uint8_t bytes[FRAME_BYTES];

	(void)state;
	cut(START_NS + 10, START_NS + 20);
	test_block_init(&block, BLOCK_BYTES, 0, 2, ++fx.position);
	for (unsigned i = 0; i < 30; i++) {
		frame(bytes, fx.next_seq++);
		assert_true(test_block_add(&block, &(struct test_packet){.data = bytes, .caplen = FRAME_BYTES,
									.time_ns = START_NS + i,
									.status = i == 5 || i == 25 ? TP_STATUS_TS_RAW_HARDWARE
												    : TP_STATUS_TS_SOFTWARE}));
	}
	record_block(&block);
	recorder_rotate(fx.recorder);
	read_files();
	assert_int_equal(committed().packets_written, 12);
	assert_int_equal(committed().packets_skipped, 18);
	for (unsigned seq = 0; seq < 30; seq++)
		assert_int_equal(found.times[seq], (seq >= 10 && seq < 20) || seq == 5 || seq == 25);
}

static void a_failed_write_does_not_bring_back_what_was_skipped(void **state)
{
	(void)state;
	fx.params.retry_ns = 3600 * SECOND_NS;
	recorder_close(fx.recorder);
	open_recorder();
	cut(START_NS + 10, UINT64_MAX);
	limit_file_size(4096);
	record(200);
	record(200);
	recorder_rotate(fx.recorder);
	limit_file_size(RLIM_INFINITY);
	assert_int_equal(committed().packets_skipped, 10);
	assert_int_equal(recorder_packets_done(fx.recorder), 400);
}

/* The old set's ring and the new one's, as it were, one after the other: every packet is in exactly one of them. */
static void killed_workers_agree_on_the_cut(void **state)
{
	const size_t bytes = (size_t)KILL_BLOCKS * BLOCK_BYTES;
	uint8_t *seen = malloc(bytes);
	uint64_t skipped = 0;
	unsigned killed = 0;

	(void)state;
	assert_non_null(seen);
	recorder_close(fx.recorder);
	fx.recorder = NULL;
	fx.settings.rotate_size_bytes = 150000;
	fx.mixed = true;
	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < KILL_BLOCKS; i++) {
		struct test_block block;

		fill_block(&block, KILL_PACKETS);
		place_block(&block);
	}
	memcpy(seen, fx.ring, bytes);
	srand(2);
	for (unsigned half = 0; half < 2; half++) {
		memcpy(fx.ring, seen, bytes); /* the other set's ring has the same packets */
		ledger_unmap(fx.ledger);
		fx.ledger = ledger_make(BLOCK_BYTES, NULL);
		cut(half == 0 ? 0 : START_NS + fx.next_seq / 2 + 7, half == 0 ? START_NS + fx.next_seq / 2 + 7 : UINT64_MAX);
		killed = 0;
		while (committed().block < KILL_BLOCKS - 20 && killed++ < 1000)
			record_and_be_killed((unsigned)rand() % 24, (unsigned)rand() % 300);
		assert_true(killed > 10);
		open_recorder();
		record_from(committed().block);
		recorder_close(fx.recorder);
		fx.recorder = NULL;
		skipped += committed().packets_skipped;
	}
	free(seen);
	read_files();
	assert_each_once(fx.next_seq);
	assert_int_equal(skipped, fx.next_seq);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_DIRECT(name) {"directly_" #name, name, setup_direct, teardown, NULL}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_packet_is_in_the_file_once),
		TEST(no_packet_makes_no_file),
		TEST(a_block_is_done_with_only_when_it_is_written),
		TEST(rotation_by_size_keeps_below_it),
		TEST(rotation_by_time_is_aligned_to_the_clock),
		TEST(a_file_holds_one_interval),
		TEST(a_clock_set_back_starts_a_new_file),
		TEST(a_quiet_link_closes_its_file_in_time),
		TEST(a_name_in_use_is_not_taken),
		TEST(kernel_drops_stand_at_the_next_packet_and_in_the_statistics),
		TEST(a_new_filter_begins_a_new_file),
		TEST(a_new_device_name_begins_a_new_file),
		TEST(the_rest_of_a_bad_block_is_counted),
		TEST(a_block_with_a_bad_header_is_counted),
		TEST(a_block_that_killed_two_workers_is_left_alone),
		TEST(a_failed_write_is_counted_and_recording_resumes),
		TEST(a_successor_says_that_it_writes_again),
		TEST(a_failed_write_leaves_nothing_behind_what_counts),
		TEST(while_waiting_to_retry_packets_are_counted),
		TEST(a_block_is_handed_back_at_once_when_there_is_nowhere_to_write_it),
		TEST(drops_told_in_a_lost_buffer_are_told_again),
		TEST(statistics_that_were_not_written_are_told_by_the_next),
		TEST(a_folder_that_vanished_is_made_again),
		TEST(a_file_that_was_taken_away_is_given_up),
		TEST(a_full_disk_is_counted_and_recording_resumes),
		TEST(nothing_is_lost_or_doubled_by_killed_workers),
		TEST(a_name_claimed_but_not_created_is_given_up),
		TEST(a_segment_renamed_before_the_ledger_knew_is_left),
		TEST(packets_outside_a_cut_are_skipped),
		TEST_DIRECT(packets_outside_a_cut_are_skipped),
		TEST(each_packet_is_judged_by_its_own_stamp),
		TEST_DIRECT(each_packet_is_judged_by_its_own_stamp),
		TEST(nothing_is_recorded_before_the_instant_is_decided),
		TEST_DIRECT(nothing_is_recorded_before_the_instant_is_decided),
		TEST(stamps_of_a_device_are_not_judged),
		TEST_DIRECT(stamps_of_a_device_are_not_judged),
		TEST(a_failed_write_does_not_bring_back_what_was_skipped),
		TEST(killed_workers_agree_on_the_cut),
		TEST_DIRECT(killed_workers_agree_on_the_cut),
		TEST(a_successor_goes_on_in_the_same_file),
		TEST(a_successor_with_another_filter_begins_a_new_file),
		TEST_DIRECT(blocks_that_can_be_rewritten_are_not_packed),
		TEST_DIRECT(every_packet_is_in_the_file_once),
		TEST_DIRECT(rotation_by_size_keeps_below_it),
		TEST_DIRECT(rotation_by_time_is_aligned_to_the_clock),
		TEST_DIRECT(a_file_holds_one_interval),
		TEST_DIRECT(kernel_drops_stand_at_the_next_packet_and_in_the_statistics),
		TEST_DIRECT(a_new_filter_begins_a_new_file),
		TEST_DIRECT(the_rest_of_a_bad_block_is_counted),
		TEST_DIRECT(a_block_with_a_bad_header_is_counted),
		TEST_DIRECT(a_block_that_killed_two_workers_is_left_alone),
		TEST_DIRECT(while_waiting_to_retry_packets_are_counted),
		TEST_DIRECT(a_block_is_handed_back_at_once_when_there_is_nowhere_to_write_it),
		TEST_DIRECT(drops_told_in_a_lost_buffer_are_told_again),
		TEST_DIRECT(a_file_that_was_taken_away_is_given_up),
		TEST_DIRECT(a_full_disk_is_counted_and_recording_resumes),
		TEST_DIRECT(nothing_is_lost_or_doubled_by_killed_workers),
		TEST_DIRECT(a_successor_goes_on_in_the_same_file),
		TEST_DIRECT(an_inherited_block_tells_of_the_file_that_it_goes_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
