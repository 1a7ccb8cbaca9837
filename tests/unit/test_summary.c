// SPDX-License-Identifier: BSD-3-Clause
/* What a file says at its end: as we wrote it, cut anywhere, and as nobody would write it but to harm. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/summary.h"
#include "tests/unit/capfiles.h"
#include "tests/unit/torn.h"

#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

#define STATISTICS 5u
#define PACKET 6u
#define USRDELIV 8u
#define TIME_NS UINT64_C(1700000000123456789)
#define UNKNOWN SUMMARY_PACKETS_UNKNOWN

static int file_of(const void *bytes, size_t n)
{
	int fd = memfd_create("recording", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	return fd;
}

static void assert_file_says(int fd, uint64_t packets, uint64_t last_ns)
{
	struct summary summary = summary_read(fd);

	assert_int_equal(summary.packets, packets);
	assert_int_equal(summary.last_ns, last_ns);
}

static void assert_says(const struct test_capfile *file, uint64_t packets, uint64_t last_ns)
{
	int fd = file_of(file->bytes, file->n);

	assert_file_says(fd, packets, last_ns);
	close(fd);
}

/* --- files being built ------------------------------------------------------------------------------------------- */

static void put_time(struct test_capfile *file, uint64_t ns)
{
	capfile_put32(file, (uint32_t)(ns >> 32));
	capfile_put32(file, (uint32_t)ns);
}

/* Up to its options. */
static void statistics_start(struct test_capfile *file)
{
	capfile_block_start(file, STATISTICS);
	capfile_put32(file, 0);
	put_time(file, TIME_NS + 1);
}

static void put_delivered(struct test_capfile *file, uint64_t packets)
{
	capfile_put16(file, USRDELIV);
	capfile_put16(file, 8);
	capfile_put64(file, packets);
}

static void put_statistics(struct test_capfile *file, uint64_t packets)
{
	statistics_start(file);
	put_delivered(file, packets);
	capfile_put32(file, 0);
	capfile_block_end(file, 0);
}

/* A section with one packet. */
static struct test_capfile file_start_of(bool big_endian)
{
	struct test_capfile file = {.big_endian = big_endian};

	capfile_section(&file, UINT64_MAX);
	capfile_interface(&file, 1, 65535);
	capfile_block_start(&file, PACKET);
	capfile_put32(&file, 0);
	put_time(&file, TIME_NS);
	capfile_put32(&file, 60);
	capfile_put32(&file, 60);
	capfile_put_bytes(&file, 1, 60);
	capfile_block_end(&file, 1);
	return file;
}

static struct test_capfile file_start(void)
{
	return file_start_of(false);
}

/* --- as we write them -------------------------------------------------------------------------------------------- */

static void last_packet_and_their_number_are_told(void **state)
{
	struct test_capfile file = file_start();

	(void)state;
	put_statistics(&file, 123456789012);
	assert_says(&file, 123456789012, TIME_NS);
}

/* A worker that ends leaves a few, the last of which counts. */
static void statistics_may_follow_each_other(void **state)
{
	struct test_capfile file = file_start();

	(void)state;
	for (uint64_t i = 1; i <= 7; i++)
		put_statistics(&file, i);
	assert_says(&file, 7, TIME_NS);
	/* No file of ours has so many: the number of reads has an end. */
	put_statistics(&file, 8);
	assert_says(&file, 8, 0);
}

static void file_without_statistics_at_its_end_has_no_number(void **state)
{
	struct test_capfile file = file_start();

	(void)state;
	assert_says(&file, UNKNOWN, TIME_NS);
	put_statistics(&file, 1);
	capfile_interface(&file, 1, 65535);
	assert_says(&file, UNKNOWN, 0);
}

static void file_without_packets_has_no_last_one(void **state)
{
	struct test_capfile file = {.n = 0};

	(void)state;
	capfile_section(&file, UINT64_MAX);
	capfile_interface(&file, 1, 65535);
	assert_says(&file, UNKNOWN, 0);
	put_statistics(&file, 0);
	assert_says(&file, 0, 0);
}

/* --- torn -------------------------------------------------------------------------------------------------------- */

/* What the recording says when it ends after this block. */
static struct summary expect(const struct torn_sample *sample, unsigned block)
{
	const struct torn_block *blocks = sample->blocks;
	struct summary summary = {.packets = UNKNOWN};
	const uint8_t *stamp;
	uint32_t high, low;

	if (blocks[block].delivered != blocks[block - 1].delivered)
		summary.packets = blocks[block--].delivered;
	if (blocks[block].packets == blocks[block - 1].packets)
		return summary;
	stamp = sample->bytes + blocks[block - 1].end + 12;
	memcpy(&high, stamp, sizeof(high));
	memcpy(&low, stamp + 4, sizeof(low));
	summary.last_ns = (uint64_t)high << 32 | low;
	return summary;
}

static void recording_torn_anywhere_says_what_is_whole(void **state)
{
	static struct torn_sample sample;
	unsigned block = 0, known = 0;
	int fd;

	(void)state;
	torn_sample_make(&sample, 8192);
	fd = file_of(sample.bytes, sample.n);
	for (size_t cut = sample.n + 1; cut-- > 0;) {
		struct summary expected = {.packets = UNKNOWN};

		block = (unsigned)(torn_block_before(&sample, cut) - sample.blocks);
		if (block > 0 && sample.blocks[block].end == cut)
			expected = expect(&sample, block);
		assert_int_equal(ftruncate(fd, (off_t)cut), 0);
		assert_file_says(fd, expected.packets, expected.last_ns);
		known += expected.packets != UNKNOWN;
	}
	assert_true(known > 0);
	close(fd);
}

/* Room was reserved, and the end never written. */
static void zeros_at_the_end_say_nothing(void **state)
{
	struct test_capfile file = file_start();

	(void)state;
	put_statistics(&file, 1);
	capfile_put32(&file, 0);
	assert_says(&file, UNKNOWN, 0);
	capfile_put64(&file, 0);
	capfile_put64(&file, 0);
	assert_says(&file, UNKNOWN, 0);
}

static void tiny_files_say_nothing(void **state)
{
	uint8_t bytes[16];

	(void)state;
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			int fd;

			memset(bytes, (int)byte, sizeof(bytes));
			fd = file_of(bytes, n);
			assert_file_says(fd, UNKNOWN, 0);
			close(fd);
		}
	}
}

/* --- hostile ----------------------------------------------------------------------------------------------------- */

static void lengths_lead_nowhere_else(void **state)
{
	struct test_capfile whole = file_start(), file;
	size_t start = whole.n;

	(void)state;
	put_statistics(&whole, 1);
	const uint32_t length = (uint32_t)(whole.n - start);
	const uint32_t lengths[] = {0, 1, 4, 8, 11, 12, 13, 16, length - 4, length + 4, (uint32_t)whole.n,
				    (uint32_t)whole.n + 4, INT32_MAX - 3, UINT32_MAX - 3, UINT32_MAX};

	for (size_t i = 0; i < N_ELEMENTS(lengths); i++) {
		file = whole;
		capfile_set32(&file, file.n - 4, lengths[i]);
		assert_says(&file, UNKNOWN, 0);
		/* The one at the block's beginning: the two have to be the same. */
		file = whole;
		capfile_set32(&file, start + 4, lengths[i]);
		assert_says(&file, UNKNOWN, 0);
	}
}

/* What is behind the damage is known all the same. */
static void damage_before_the_statistics_hides_the_packet_only(void **state)
{
	struct test_capfile file = file_start();
	size_t end = file.n;

	(void)state;
	put_statistics(&file, 1);
	capfile_set32(&file, end - 4, 0x10000000);
	assert_says(&file, 1, 0);
}

/* @param option its code, length and bytes of value that are there */
static void assert_option_says(uint16_t code, uint16_t length, size_t bytes, uint64_t packets)
{
	struct test_capfile file = file_start();

	statistics_start(&file);
	capfile_put16(&file, code);
	capfile_put16(&file, length);
	capfile_put_bytes(&file, 1, bytes);
	capfile_block_end(&file, 0);
	assert_says(&file, packets, TIME_NS);
}

static void options_are_bounded_by_their_block(void **state)
{
	(void)state;
	assert_option_says(USRDELIV, 8, 8, UINT64_C(0x0807060504030201));
	assert_option_says(USRDELIV, 8, 4, UNKNOWN); /* the rest would be behind the block's end */
	assert_option_says(USRDELIV, 8, 0, UNKNOWN);
	assert_option_says(USRDELIV, 4, 8, UNKNOWN);
	assert_option_says(USRDELIV, 12, 12, UNKNOWN);
	assert_option_says(USRDELIV, UINT16_MAX, 8, UNKNOWN);
	assert_option_says(4, UINT16_MAX, 16, UNKNOWN);
	assert_option_says(4, 0, 0, UNKNOWN);
}

static void options_behind_the_last_one_are_none(void **state)
{
	struct test_capfile file = file_start();

	(void)state;
	statistics_start(&file);
	capfile_put32(&file, 0);
	put_delivered(&file, 1);
	capfile_block_end(&file, 0);
	assert_says(&file, UNKNOWN, TIME_NS);
}

/* Others of odd lengths before it; and too many, so that it is beyond what is read of a block. */
static void options_before_it_are_skipped(void **state)
{
	(void)state;
	for (size_t n = 0; n <= 64; n++) {
		struct test_capfile file = file_start();

		statistics_start(&file);
		for (size_t i = 0; i < n; i++)
			capfile_option(&file, 1, "?????", 5);
		put_delivered(&file, 77);
		capfile_put32(&file, 0);
		capfile_block_end(&file, 0);
		/* 20 bytes before them, 12 each; it takes 12 itself. */
		assert_says(&file, 20 + 12 * n + 12 <= 256 ? 77 : UNKNOWN, TIME_NS);
	}
}

static void blocks_without_room_for_their_fields_say_nothing(void **state)
{
	(void)state;
	for (uint32_t type = STATISTICS; type <= PACKET; type++) {
		for (size_t n = 0; n <= 16; n += 4) {
			struct test_capfile file = file_start();

			capfile_block_start(&file, type);
			for (size_t i = 0; i < n; i++)
				capfile_put8(&file, 0xAA);
			capfile_block_end(&file, 0);
			assert_says(&file, UNKNOWN, type == STATISTICS ? TIME_NS : 0);
		}
	}
}

/* Ours are of this machine's byte order; and what compressed bytes look like is chance. */
static void other_formats_say_nothing(void **state)
{
	struct test_capfile file = file_start_of(true);

	(void)state;
	put_statistics(&file, 1);
	assert_says(&file, UNKNOWN, 0);
	for (unsigned i = 0; i < CAPFILE_SAMPLES; i++) {
		if (strncmp(capfile_sample(i, &file), "pcap-", 5) == 0)
			assert_says(&file, UNKNOWN, 0);
	}
#ifdef HAVE_ZSTD
	uint8_t bytes[2 * CAPFILE_BYTES_MAX];
	size_t n;
	int fd;

	file = file_start();
	put_statistics(&file, 1);
	n = ZSTD_compress(bytes, sizeof(bytes), file.bytes, file.n, 3);
	assert_false(ZSTD_isError(n));
	fd = file_of(bytes, n);
	assert_file_says(fd, UNKNOWN, 0);
	close(fd);
#endif
}

/* --- huge -------------------------------------------------------------------------------------------------------- */

static void huge_files_are_read_at_their_end(void **state)
{
	struct test_capfile file = file_start();
	const off_t start = (off_t)1 << 50;
	int fd = file_of("", 0);

	(void)state;
	put_statistics(&file, UINT64_MAX - 1);
	assert_int_equal(pwrite(fd, file.bytes, file.n, start), file.n);
	assert_file_says(fd, UINT64_MAX - 1, TIME_NS);
	/* Before them is nothing but a hole. */
	assert_int_equal(ftruncate(fd, start), 0);
	assert_file_says(fd, UNKNOWN, 0);
	close(fd);
}

/* The longest there may be, of which only its beginning is read. */
static void huge_blocks_are_stepped_over(void **state)
{
	static const uint32_t length = UINT32_MAX - 3;
	const uint32_t head[] = {PACKET, length, 0, (uint32_t)(TIME_NS >> 32), (uint32_t)TIME_NS, length - 32, length - 32};
	struct test_capfile file = {.n = 0};
	const off_t start = 4096;
	int fd = file_of("", 0);

	(void)state;
	put_statistics(&file, 5);
	assert_int_equal(pwrite(fd, head, sizeof(head), start), sizeof(head));
	assert_int_equal(pwrite(fd, &length, 4, start + length - 4), 4);
	assert_int_equal(pwrite(fd, file.bytes, file.n, start + length), file.n);
	assert_file_says(fd, 5, TIME_NS);
	close(fd);
}

/* --- what is no file --------------------------------------------------------------------------------------------- */

static void what_cannot_be_read_says_nothing(void **state)
{
	int pipes[2], folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), only;
	struct test_capfile file = file_start();
	char path[64];
	int fd;

	(void)state;
	put_statistics(&file, 1);
	fd = file_of(file.bytes, file.n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	only = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(only >= 0 && folder >= 0 && pipe(pipes) == 0);
	assert_int_equal(write(pipes[1], file.bytes, file.n), file.n);
	assert_file_says(only, UNKNOWN, 0);
	assert_file_says(folder, UNKNOWN, 0);
	assert_file_says(pipes[0], UNKNOWN, 0);
	close(only);
	close(folder);
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
	assert_file_says(fd, UNKNOWN, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_packet_and_their_number_are_told),
		cmocka_unit_test(statistics_may_follow_each_other),
		cmocka_unit_test(file_without_statistics_at_its_end_has_no_number),
		cmocka_unit_test(file_without_packets_has_no_last_one),
		cmocka_unit_test(recording_torn_anywhere_says_what_is_whole),
		cmocka_unit_test(zeros_at_the_end_say_nothing),
		cmocka_unit_test(tiny_files_say_nothing),
		cmocka_unit_test(lengths_lead_nowhere_else),
		cmocka_unit_test(damage_before_the_statistics_hides_the_packet_only),
		cmocka_unit_test(options_are_bounded_by_their_block),
		cmocka_unit_test(options_behind_the_last_one_are_none),
		cmocka_unit_test(options_before_it_are_skipped),
		cmocka_unit_test(blocks_without_room_for_their_fields_say_nothing),
		cmocka_unit_test(other_formats_say_nothing),
		cmocka_unit_test(huge_files_are_read_at_their_end),
		cmocka_unit_test(huge_blocks_are_stepped_over),
		cmocka_unit_test(what_cannot_be_read_says_nothing),
	};

	return cmocka_run_group_tests_name("summary", tests, NULL, NULL);
}
