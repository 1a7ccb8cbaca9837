// SPDX-License-Identifier: BSD-3-Clause
/* Every way in which a capture file may end, and every instant at which its recovery may. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fancap/recover.h"
#include "lib/recover_scan.h"
#include "tests/unit/capfiles.h"
#include "tests/unit/folder.h"
#include "tests/unit/torn.h"

#define CUTS (64u << 10)
#define NEVER (-1)

static char *folder;
static char from[256], to[256], temporary[280];
static struct torn_sample sample;
static uint8_t expected[TORN_BYTES_MAX];

/* --- system calls that reach the disk: the linker leads them to us (-Wl,--wrap) ------------------------------ */

static char calls[64];	     /* one letter each */
static int calls_left = NEVER; /* then we are killed, a write in its middle */
static int write_error, read_error;
static const char *finished_meanwhile; /* renamed before it can be locked, by who had the lock */

ssize_t __real_pwrite(int fd, const void *bytes, size_t n, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t offset);
int __real_ftruncate(int fd, off_t length);
int __wrap_ftruncate(int fd, off_t length);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __real_renameat2(int from_fd, const char *old, int to_fd, const char *new, unsigned flags);
int __wrap_renameat2(int from_fd, const char *old, int to_fd, const char *new, unsigned flags);
int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);
ssize_t __real_read(int fd, void *bytes, size_t n);
ssize_t __wrap_read(int fd, void *bytes, size_t n);

/* @return whether this is the one to be killed in */
static bool note_call(const char *name)
{
	if (strlen(calls) + 1 < sizeof(calls))
		strcat(calls, name);
	return calls_left != NEVER && calls_left-- == 0;
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
	if (note_call("w")) {
		(void)!__real_pwrite(fd, bytes, n / 2, offset);
		raise(SIGKILL);
	}
	if (write_error != 0) {
		errno = write_error;
		return -1;
	}
	return __real_pwrite(fd, bytes, n, offset);
}

int __wrap_ftruncate(int fd, off_t length)
{
	if (note_call("t"))
		raise(SIGKILL);
	return __real_ftruncate(fd, length);
}

int __wrap_fdatasync(int fd)
{
	(void)fd;
	if (note_call("d"))
		raise(SIGKILL);
	return 0; /* 65536 times; a kill does not need it */
}

int __wrap_fsync(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	if (note_call(S_ISDIR(st.st_mode) ? "F" : "f"))
		raise(SIGKILL);
	return 0;
}

int __wrap_renameat2(int from_fd, const char *old, int to_fd, const char *new, unsigned flags)
{
	if (note_call("r"))
		raise(SIGKILL);
	return __real_renameat2(from_fd, old, to_fd, new, flags);
}

static const char *finished_name(void)
{
	static char name[256];

	snprintf(name, sizeof(name), "%s/finished", folder);
	return name;
}

int __wrap_flock(int fd, int operation)
{
	struct stat st, named;

	if (finished_meanwhile != NULL && fstat(fd, &st) == 0 && stat(finished_meanwhile, &named) == 0 &&
	    st.st_ino == named.st_ino) {
		assert_int_equal(rename(finished_meanwhile, finished_name()), 0);
		finished_meanwhile = NULL;
	}
	return __real_flock(fd, operation);
}

ssize_t __wrap_read(int fd, void *bytes, size_t n)
{
	if (read_error != 0 && lseek(fd, 0, SEEK_CUR) > 0) {
		errno = read_error;
		return -1;
	}
	/* Less than was asked for, as from a disk that is about to fail. */
	return __real_read(fd, bytes, read_error != 0 && n > 4096 ? 4096 : n);
}

/* --- files ------------------------------------------------------------------------------------------------------ */

static int setup(void **state)
{
	(void)state;
	folder = folder_make();
	snprintf(from, sizeof(from), "%s/x.pcapng.part", folder);
	snprintf(to, sizeof(to), "%s/x.pcapng", folder);
	snprintf(temporary, sizeof(temporary), "%s.recovering", to);
	calls[0] = '\0';
	calls_left = NEVER;
	write_error = read_error = 0;
	finished_meanwhile = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

static void save(const char *path, const void *bytes, size_t n)
{
	FILE *f = fopen(path, "wbe");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void assert_file(const char *path, const void *bytes, size_t n)
{
	static uint8_t there[TORN_BYTES_MAX + 1];
	FILE *f = fopen(path, "rbe");

	assert_non_null(f);
	assert_int_equal(fread(there, 1, sizeof(there), f), n);
	assert_int_equal(memcmp(there, bytes, n), 0);
	assert_int_equal(fclose(f), 0);
}

static int recover_as(enum fancap_recover_mode mode, struct fancap_recover_result *ret, struct fancap_error *err)
{
	const struct fancap_recover_options options = {.mode = mode};

	return fancap_recover_file(from, to, &options, ret, err);
}

static struct fancap_recover_result recover_good(enum fancap_recover_mode mode)
{
	struct fancap_recover_result result;
	struct fancap_error err = {""};
	int r = recover_as(mode, &result, &err);

	if (r < 0)
		fail_msg("%d: %s", r, err.text);
	return result;
}

static void assert_refused(enum fancap_recover_mode mode, int r, const char *text)
{
	struct fancap_recover_result result;
	struct fancap_error err = {""};

	assert_int_equal(recover_as(mode, &result, &err), r);
	assert_has(err.text, text);
	assert_false(result.made);
	assert_false(exists(temporary));
}

/* --- how a file ends ---------------------------------------------------------------------------------------------- */

/* A file of these bytes becomes what is expected of the block; both ways. */
static void assert_recovers(const uint8_t *bytes, size_t n, const struct torn_block *block, const char *reason)
{
	static const enum fancap_recover_mode modes[] = {FANCAP_RECOVER_COPY, FANCAP_RECOVER_IN_PLACE};
	size_t expected_bytes = torn_expect(&sample, block, expected);

	save(from, bytes, n);
	for (unsigned i = 0; i < 2; i++) {
		struct fancap_recover_result result = recover_good(modes[i]);

		assert_file(to, expected, expected_bytes);
		assert_int_equal(result.packets, block->packets);
		assert_int_equal(result.bytes, expected_bytes);
		assert_int_equal(result.bytes_kept, block->end);
		assert_int_equal(result.bytes_cut, n - block->end);
		assert_int_equal(result.first_ns, block->first_ns);
		assert_int_equal(result.last_ns, block->last_ns);
		assert_int_equal(result.changed, n != expected_bytes || block->end != n);
		assert_true(result.made);
		assert_has(result.reason, reason);
		if (modes[i] == FANCAP_RECOVER_COPY)
			assert_file(from, bytes, n);
		assert_int_equal(exists(from), modes[i] == FANCAP_RECOVER_COPY);
		assert_false(exists(temporary));
		unlink(to);
	}
}

/* Seen by the scanner at every byte; files are made of a cut beside each block's ends and every 97 bytes. */
static void a_cut_at_every_byte_leaves_the_whole_blocks(void **state)
{
	int fd = memfd_create("torn", MFD_CLOEXEC);
	unsigned made = 0;

	(void)state;
	torn_sample_make(&sample, CUTS + 2048);
	assert_int_equal(write(fd, sample.bytes, sample.n), sample.n);
	for (size_t cut = sample.n; cut > sample.n - CUTS; cut--) {
		const struct torn_block *block = torn_block_before(&sample, cut);
		size_t n = torn_expect(&sample, block, expected);
		struct fancap_capfile *file = NULL;
		struct recover_scan scan;

		assert_int_equal(__real_ftruncate(fd, (off_t)cut), 0);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(fancap_capfile_open_fd(dup(fd), "torn", &file, NULL), 0);
		assert_int_equal(recover_scan(file, NULL, NULL, &scan), 0);
		assert_int_equal(scan.end, block->end);
		assert_int_equal(scan.end + scan.closing_bytes, n);
		if (scan.closing_bytes != 0)
			assert_memory_equal(scan.closing, expected + block->end, scan.closing_bytes);
		assert_int_equal(scan.reason[0] != '\0', cut != block->end);
		recover_scan_done(&scan);
		fancap_capfile_close(file);
		if (cut - block->end <= 1 || cut % 97 == 0) {
			assert_recovers(sample.bytes, cut, block, "");
			made++;
		}
	}
	assert_true(made > 500);
	close(fd);
}

static void zeros_at_the_end_are_cut_off(void **state)
{
	static uint8_t bytes[TORN_BYTES_MAX];

	(void)state;
	torn_sample_make(&sample, 8192);
	memcpy(bytes, sample.bytes, sample.n);
	for (size_t zeros = 1; zeros <= 8192; zeros += zeros < 64 ? 1 : 61)
		assert_recovers(bytes, sample.n + zeros, torn_block_before(&sample, sample.n), "zeros up to the end");
	assert_recovers(bytes, sample.n + 8192, torn_block_before(&sample, sample.n), "zeros up to the end");
}

/* Preallocated or torn: what had been written of a block, then zeros. */
static void a_torn_block_with_zeros_behind_it_is_cut_off(void **state)
{
	static uint8_t bytes[TORN_BYTES_MAX];

	(void)state;
	torn_sample_make(&sample, 8192);
	for (size_t cut = sample.n - 4096; cut < sample.n; cut += 13) {
		memset(bytes, 0, sizeof(bytes));
		memcpy(bytes, sample.bytes, cut);
		/* Where zeros are what belongs there, a block may be whole all the same. */
		const struct torn_block *block = torn_block_before(&sample, cut), *next = block + 1;
		if (memcmp(bytes, sample.bytes, next->end) == 0)
			block = next;
		assert_recovers(bytes, sample.n + 4096, block, "");
	}
}

static void garbage_at_the_end_is_cut_off(void **state)
{
	static uint8_t bytes[TORN_BYTES_MAX];
	unsigned short seed[3] = {1, 2, 3};

	(void)state;
	torn_sample_make(&sample, 8192);
	memcpy(bytes, sample.bytes, sample.n);
	for (unsigned round = 0; round < 200; round++) {
		size_t n = 1 + (size_t)nrand48(seed) % 8192;

		for (size_t i = 0; i < n; i++)
			bytes[sample.n + i] = (uint8_t)nrand48(seed);
		bytes[sample.n + n - 1] |= 1;
		assert_recovers(bytes, sample.n + n, torn_block_before(&sample, sample.n), " ");
	}
}

static void damage_in_the_middle_ends_the_file_and_is_told(void **state)
{
	static uint8_t bytes[TORN_BYTES_MAX];
	const struct torn_block *block;
	struct fancap_recover_result result;

	(void)state;
	torn_sample_make(&sample, 32768);
	memcpy(bytes, sample.bytes, sample.n);
	block = torn_block_before(&sample, sample.n / 2);
	memset(bytes + block->end, 0, 512);
	assert_recovers(bytes, sample.n, block, "a block of 0 bytes");
	save(from, bytes, sample.n);
	result = recover_good(FANCAP_RECOVER_COPY);
	/* The last byte is a zero: of a length, but who knows. */
	assert_in_range(result.bytes_lost, sample.n - block->end - 3, sample.n - block->end - 1);
}

static void a_large_part_is_not_cut_off_in_place(void **state)
{
	struct fancap_recover_options options = {.mode = FANCAP_RECOVER_IN_PLACE, .cut_max = 4096};
	static uint8_t bytes[TORN_BYTES_MAX];
	struct fancap_recover_result result;
	struct fancap_error err = {""};

	(void)state;
	torn_sample_make(&sample, 32768);
	memcpy(bytes, sample.bytes, sample.n);
	bytes[torn_block_before(&sample, sample.n / 2)->end] ^= 1; /* a block's type: the length behind it will do */
	bytes[torn_block_before(&sample, sample.n / 2)->end + 4] ^= 1;
	save(from, bytes, sample.n);
	assert_int_equal(fancap_recover_file(from, to, &options, &result, &err), -EUCLEAN);
	assert_has(err.text, "bytes follow, too many to cut off");
	assert_file(from, bytes, sample.n);
	assert_false(exists(to));
	/* Zeros are nothing lost, however many. */
	memset(bytes + sample.n, 0, 32768);
	memcpy(bytes, sample.bytes, sample.n);
	save(from, bytes, sample.n + 32768);
	assert_int_equal(fancap_recover_file(from, to, &options, &result, &err), 0);
	assert_int_equal(result.bytes_lost, 0);
}

/* --- what is whole ------------------------------------------------------------------------------------------------ */

static void what_was_recovered_is_left_as_it_is(void **state)
{
	const struct fancap_recover_options needed = {.needed_only = true};
	struct fancap_recover_result result;
	struct stat before, after;
	size_t n;

	(void)state;
	torn_sample_make(&sample, 8192);
	n = torn_expect(&sample, torn_block_before(&sample, sample.n), expected);
	save(from, sample.bytes, sample.n);
	recover_good(FANCAP_RECOVER_IN_PLACE);
	assert_int_equal(rename(to, from), 0);
	assert_int_equal(stat(from, &before), 0);

	assert_int_equal(fancap_recover_file(from, to, &needed, &result, NULL), 0);
	assert_false(result.made || result.changed);
	assert_false(exists(to));

	calls[0] = '\0';
	result = recover_good(FANCAP_RECOVER_IN_PLACE);
	assert_true(result.made);
	assert_false(result.changed);
	assert_string_equal(calls, "drF");
	assert_file(to, expected, n);
	assert_int_equal(stat(to, &after), 0);
	assert_int_equal(memcmp(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim)), 0);
}

/* Foreign files: any byte order, several sections and interfaces, simple and obsolete blocks. */
static void any_capture_file_is_recovered_at_every_cut(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CAPFILE_SAMPLES; i++) {
		struct test_capfile made;
		unsigned record = 0;

		capfile_sample(i, &made);
		/* The samples' statistics have an interface that is none. */
		for (unsigned k = 0; i >= 6 && k + 1 < made.records; k++)
			if (made.bytes[made.ends[k] + (made.bytes[made.ends[k]] == 0 ? 3 : 0)] == 5)
				memset(made.bytes + made.ends[k] + 8, 0, 12);
		for (size_t cut = made.ends[0]; cut <= made.n; cut++) {
			struct fancap_recover_result result;

			while (record + 1 < made.records && made.ends[record + 1] <= cut)
				record++;
			save(from, made.bytes, cut);
			result = recover_good(FANCAP_RECOVER_COPY);
			assert_int_equal(result.packets, made.packets[record]);
			assert_int_equal(result.bytes_kept, made.ends[record]);
			/* What came of it is whole, with the same packets. */
			assert_int_equal(rename(to, from), 0);
			result = recover_good(FANCAP_RECOVER_IN_PLACE);
			assert_false(result.changed);
			assert_int_equal(result.packets, made.packets[record]);
			unlink(to);
		}
	}
}

static uint64_t counter(const struct test_capfile *made, const uint8_t *p)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 8; i++)
		value = value << 8 | p[made->big_endian ? i : 7 - i];
	return value;
}

static void put_counter(struct test_capfile *made, uint16_t code, uint64_t value)
{
	capfile_put16(made, code);
	capfile_put16(made, 8);
	capfile_put64(made, value);
}

/* Two interfaces of the other byte order: each is closed on its own, with the figures that stood there. */
static void each_interface_is_closed_with_its_own_figures(void **state)
{
	struct test_capfile made = {.big_endian = true};
	static uint8_t there[CAPFILE_BYTES_MAX];
	const uint8_t *p = there;
	FILE *f;

	(void)state;
	capfile_section(&made, UINT64_MAX);
	capfile_interface(&made, 1, 0);
	capfile_interface(&made, 1, 0);
	capfile_interface(&made, 1, 0); /* without packets: nothing to close */
	capfile_enhanced(&made, 1, 70, 4, 4, 0);
	capfile_obsolete(&made, 0, 50, 4, 4, 0); /* 7 drops */
	capfile_block_start(&made, 5);
	capfile_put32(&made, 1);
	capfile_put64(&made, 0);
	put_counter(&made, 6, 100);
	put_counter(&made, 7, 30);
	put_counter(&made, 8, 1);
	capfile_block_end(&made, 0);
	capfile_enhanced(&made, 1, 60, 4, 4, 0);
	save(from, made.bytes, made.n);
	recover_good(FANCAP_RECOVER_COPY);
	f = fopen(to, "rbe");
	assert_non_null(f);
	assert_int_equal(fread(there, 1, sizeof(there), f), made.n + 2 * TORN_CLOSING_BYTES);
	fclose(f);
	for (unsigned i = 0; i < 2; i++) {
		/* 101: 2 packets, 30 drops and the 69 that the last statistics say were discarded. */
		static const uint64_t figures[2][6] = {{50, 50, 50, 8, 7, 1}, {70, 60, 70, 101, 30, 2}};
		static const unsigned at[] = {12, 24, 36, 48, 60, 72};

		p = there + made.n + i * TORN_CLOSING_BYTES;
		assert_int_equal(p[3], 5);
		assert_int_equal(p[11], i);
		for (unsigned k = 0; k < 6; k++)
			assert_int_equal(counter(&made, p + at[k]), figures[i][k]);
	}
}

/* Right then but for what is appended, never set, for more than there is. */
static void a_section_length_that_is_wrong_is_taken_back(void **state)
{
	static const uint64_t told[] = {20 + 36, 0, 20, 20 + 36 + 36};
	const uint64_t unknown = UINT64_MAX;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(told); i++) {
		static uint8_t there[CAPFILE_BYTES_MAX];
		struct test_capfile made = {0};
		struct fancap_recover_result result;
		FILE *f;

		capfile_section(&made, told[i]);
		capfile_interface(&made, 1, 0);
		capfile_enhanced(&made, 0, 1, 4, 4, 0);
		save(from, made.bytes, made.n);
		result = recover_good(FANCAP_RECOVER_COPY);
		assert_int_equal(result.packets, 1);
		assert_int_equal(result.bytes_cut, 0);
		assert_true(result.changed);
		f = fopen(to, "rbe");
		assert_non_null(f);
		assert_int_equal(fread(there, 1, sizeof(there), f), made.n + TORN_CLOSING_BYTES);
		fclose(f);
		memcpy(made.bytes + 16, &unknown, 8);
		assert_memory_equal(there, made.bytes, made.n);
		assert_int_equal(rename(to, from), 0);
		assert_false(recover_good(FANCAP_RECOVER_IN_PLACE).changed);
		unlink(to);
	}
}

/* A length that is right is not touched: the file is closed, so nothing is. */
static void a_section_length_that_is_right_stays(void **state)
{
	struct test_capfile made = {0};

	(void)state;
	capfile_section(&made, 20);
	capfile_interface(&made, 1, 0);
	capfile_section(&made, 20);
	capfile_interface(&made, 1, 0);
	save(from, made.bytes, made.n);
	assert_false(recover_good(FANCAP_RECOVER_COPY).changed);
	assert_file(to, made.bytes, made.n);
	unlink(to);
	/* Of a section that is followed by another, it is damage. */
	made.bytes[16]++;
	save(from, made.bytes, made.n);
	assert_int_equal(recover_good(FANCAP_RECOVER_COPY).bytes_kept, 48);
}

/* The header of a section that is not there any more says nothing about the byte order of what is. */
static void a_torn_second_section_does_not_turn_the_first(void **state)
{
	struct test_capfile made = {0};
	struct fancap_recover_result result;
	size_t whole;

	(void)state;
	capfile_section(&made, UINT64_MAX);
	capfile_interface(&made, 1, 0);
	capfile_enhanced(&made, 0, 1, 4, 4, 0);
	whole = made.n;
	made.big_endian = true;
	capfile_section(&made, UINT64_MAX);
	for (size_t cut = whole + 1; cut < made.n; cut++) {
		save(from, made.bytes, cut);
		result = recover_good(FANCAP_RECOVER_COPY);
		assert_int_equal(result.bytes_kept, whole);
		assert_int_equal(rename(to, from), 0);
		assert_false(recover_good(FANCAP_RECOVER_IN_PLACE).changed);
		unlink(to);
	}
}

enum nonsense {
	STATISTICS_OF_NONE,
	STATISTICS_SHORT,
	STATISTICS_COUNTER,
	STATISTICS_OPTION,
	PACKET_OF_NONE,
	PACKET_LONG,
	PACKET_DROPCOUNT,
	PACKET_OPTION,
	INTERFACE_SHORT,
	SECTION_OPTION,
	LENGTH_ODD,
	LENGTHS_DIFFER,
	NONSENSE,
};

static const char *const nonsense_reasons[NONSENSE] = {
	[STATISTICS_OF_NONE] = "statistics of interface 1 of 1",
	[STATISTICS_SHORT] = "statistics of 8 bytes",
	[STATISTICS_COUNTER] = "a counter (option 7) of 4 bytes",
	[STATISTICS_OPTION] = "option 5 of 40 bytes leaves its block",
	[PACKET_OF_NONE] = "a packet of interface 1 of 1",
	[PACKET_LONG] = "a packet of 40 bytes in a block with room for 0",
	[PACKET_DROPCOUNT] = "a counter (option 4) of 4 bytes",
	[PACKET_OPTION] = "option 1 of 40 bytes leaves its block",
	[INTERFACE_SHORT] = "a block of type 1 with 4 bytes in it",
	[SECTION_OPTION] = "option 2 of 40 bytes leaves its block",
	[LENGTH_ODD] = "a block of 18 bytes",
	[LENGTHS_DIFFER] = "a block of 16 bytes that ends with 20",
};

static void put_option_header(struct test_capfile *made, uint16_t code, uint16_t n)
{
	capfile_put16(made, code);
	capfile_put16(made, n);
}

static void put_zeros(struct test_capfile *made, size_t n)
{
	while (n-- > 0)
		capfile_put8(made, 0);
}

static void put_nonsense(struct test_capfile *made, enum nonsense which)
{
	static const uint32_t types[NONSENSE] = {5, 5, 5, 5, 6, 6, 6, 6, 1, 0x0A0D0D0A, 99, 99};
	bool of_none = which == STATISTICS_OF_NONE || which == PACKET_OF_NONE;

	capfile_block_start(made, types[which]);
	if (types[which] == 0x0A0D0D0A) {
		capfile_put32(made, 0x1A2B3C4D);
		capfile_put32(made, 1); /* version 1.0 */
		capfile_put64(made, UINT64_MAX);
	} else {
		capfile_put32(made, of_none);
		if (types[which] >= 5 && types[which] != 99)
			put_zeros(made, which == STATISTICS_SHORT ? 4 : 8);
	}
	if (types[which] == 6) {
		capfile_put32(made, which == PACKET_LONG ? 40 : 0);
		capfile_put32(made, which == PACKET_LONG ? 40 : 0);
	}
	switch (which) {
	case STATISTICS_COUNTER: put_option_header(made, 7, 4); put_zeros(made, 4); break;
	case PACKET_DROPCOUNT: put_option_header(made, 4, 4); put_zeros(made, 4); break;
	case STATISTICS_OPTION: put_option_header(made, 5, 40); break;
	case PACKET_OPTION: put_option_header(made, 1, 40); break;
	case SECTION_OPTION: put_option_header(made, 2, 40); break;
	default: break;
	}
	capfile_block_end(made, 0);
	if (which == LENGTH_ODD)
		capfile_set32(made, made->block + 4, 18);
	if (which == LENGTHS_DIFFER)
		capfile_set32(made, made->n - 4, 20);
}

static void a_block_that_makes_no_sense_ends_the_prefix(void **state)
{
	(void)state;
	for (int which = 0; which < NONSENSE; which++) {
		struct test_capfile made = {0};
		struct fancap_recover_result result;
		size_t whole;

		capfile_section(&made, UINT64_MAX);
		capfile_interface(&made, 1, 0);
		capfile_enhanced(&made, 0, 1, 4, 4, 0);
		whole = made.n;
		put_nonsense(&made, (enum nonsense)which);
		capfile_enhanced(&made, 0, 2, 4, 4, 0);
		save(from, made.bytes, made.n);
		result = recover_good(FANCAP_RECOVER_COPY);
		assert_has(result.reason, nonsense_reasons[which]);
		assert_int_equal(result.bytes_kept, whole);
		assert_int_equal(result.packets, 1);
		unlink(to);
	}
}

/* --- what is refused ------------------------------------------------------------------------------------------------ */

static void what_is_no_capture_file_makes_nothing(void **state)
{
	static const uint8_t zeros[8192];

	(void)state;
	for (int mode = FANCAP_RECOVER_COPY; mode <= FANCAP_RECOVER_IN_PLACE; mode++) {
		save(from, "", 0);
		assert_refused(mode, -ENODATA, "the file is empty");
		save(from, zeros, sizeof(zeros));
		assert_refused(mode, -ENODATA, "nothing but zeros");
		save(from, "no capture file", 15);
		assert_refused(mode, -EBADMSG, "neither pcap nor pcapng");
		torn_sample_make(&sample, 1);
		for (size_t n = 1; n < sample.blocks[1].end; n++) {
			save(from, sample.bytes, n);
			assert_refused(mode, -EBADMSG, "x.pcapng.part: offset 0: ");
			assert_file(from, sample.bytes, n);
		}
		unlink(from);
		assert_refused(mode, -ENOENT, "No such file");
		assert_int_equal(mkdir(from, 0700), 0);
		if (mode == FANCAP_RECOVER_COPY)
			assert_refused(mode, -EINVAL, "not a regular file");
		else
			assert_refused(mode, -EISDIR, "Is a directory");
		rmdir(from);
		assert_int_equal(mkfifo(from, 0600), 0);
		assert_refused(mode, -EINVAL, "not a regular file");
		unlink(from);
		assert_false(exists(to));
	}
}

static void a_file_of_the_new_name_is_not_replaced(void **state)
{
	(void)state;
	torn_sample_make(&sample, 8192);
	save(from, sample.bytes, sample.n - 1);
	save(to, "precious", 8);
	for (int mode = FANCAP_RECOVER_COPY; mode <= FANCAP_RECOVER_IN_PLACE; mode++) {
		assert_refused(mode, -EEXIST, "x.pcapng: File exists");
		assert_file(from, sample.bytes, sample.n - 1);
		assert_file(to, "precious", 8);
	}
}

static void a_file_that_somebody_writes_is_left_alone(void **state)
{
	int fd;

	(void)state;
	torn_sample_make(&sample, 8192);
	save(from, sample.bytes, sample.n - 1);
	fd = open(from, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	for (int mode = FANCAP_RECOVER_COPY; mode <= FANCAP_RECOVER_IN_PLACE; mode++)
		assert_refused(mode, -EBUSY, "it is being written");
	close(fd);
	/* Another one that recovers it. */
	fd = open(temporary, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	struct fancap_recover_result result;
	assert_int_equal(recover_as(FANCAP_RECOVER_COPY, &result, NULL), -EBUSY);
	close(fd);
	recover_good(FANCAP_RECOVER_COPY);
}

static void a_file_that_is_finished_meanwhile_is_not_touched(void **state)
{
	(void)state;
	torn_sample_make(&sample, 8192);
	for (int mode = FANCAP_RECOVER_COPY; mode <= FANCAP_RECOVER_IN_PLACE; mode++) {
		save(from, sample.bytes, sample.n - 1);
		finished_meanwhile = from;
		assert_refused(mode, -ENOENT, "No such file");
		assert_file(finished_name(), sample.bytes, sample.n - 1);
	}
	/* Nor what somebody else has just recovered under our temporary name. */
	save(from, sample.bytes, sample.n - 1);
	save(temporary, "recovered by another", 20);
	finished_meanwhile = temporary;
	recover_good(FANCAP_RECOVER_COPY);
	assert_file(finished_name(), "recovered by another", 20);
	assert_file(to, expected, torn_expect(&sample, torn_block_before(&sample, sample.n - 1), expected));
}

static void a_symbolic_link_is_not_cut(void **state)
{
	char target[256];

	(void)state;
	snprintf(target, sizeof(target), "%s/target", folder);
	torn_sample_make(&sample, 8192);
	save(target, sample.bytes, sample.n - 1);
	assert_int_equal(symlink(target, from), 0);
	assert_refused(FANCAP_RECOVER_IN_PLACE, -ELOOP, "x.pcapng.part");
	assert_file(target, sample.bytes, sample.n - 1);
}

/* --- what goes wrong ------------------------------------------------------------------------------------------------- */

static void a_full_disk_leaves_the_original(void **state)
{
	(void)state;
	torn_sample_make(&sample, 8192);
	save(from, sample.bytes, sample.n - 1);
	write_error = ENOSPC;
	assert_refused(FANCAP_RECOVER_COPY, -ENOSPC, "No space left on device");
	assert_file(from, sample.bytes, sample.n - 1);
	assert_refused(FANCAP_RECOVER_IN_PLACE, -ENOSPC, "No space left on device");
	write_error = 0;
	recover_good(FANCAP_RECOVER_IN_PLACE);
	assert_file(to, expected, torn_expect(&sample, torn_block_before(&sample, sample.n - 1), expected));
}

static void an_error_of_the_disk_is_told_with_its_place(void **state)
{
	(void)state;
	torn_sample_make(&sample, 8192);
	save(from, sample.bytes, sample.n);
	read_error = EIO;
	assert_refused(FANCAP_RECOVER_COPY, -EIO, "reading at offset 4096: Input/output error");
	assert_refused(FANCAP_RECOVER_IN_PLACE, -EIO, "reading at offset 4096: Input/output error");
	assert_file(from, sample.bytes, sample.n);
}

static bool stop_at_once(void *arg, uint64_t done, uint64_t total)
{
	assert_true(done <= total);
	++*(unsigned *)arg;
	return false;
}

static void it_can_be_stopped(void **state)
{
	unsigned asked = 0;
	struct fancap_recover_options options = {.progress = stop_at_once, .arg = &asked};
	struct fancap_recover_result result;
	struct fancap_error err = {""};
	FILE *f;

	(void)state;
	torn_sample_make(&sample, 200 << 10);
	f = fopen(from, "wbe");
	assert_non_null(f);
	for (unsigned i = 0; i < 50; i++) /* sections: 10 MiB */
		assert_int_equal(fwrite(sample.bytes, sample.n, 1, f), 1);
	fclose(f);
	assert_int_equal(fancap_recover_file(from, to, &options, &result, &err), -ECANCELED);
	assert_int_equal(asked, 1);
	assert_false(exists(to) || exists(temporary));
}

/* Kill it in the nth call that reaches the disk. @return whether it had that many */
static bool kill_in_call(enum fancap_recover_mode mode, int n)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct fancap_recover_result result;

		calls_left = n;
		_exit(recover_as(mode, &result, NULL) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status);
}

static void assert_survives_kills(enum fancap_recover_mode mode, size_t cut, const char *order)
{
	size_t n = torn_expect(&sample, torn_block_before(&sample, cut), expected);
	int killed = 0;

	save(from, sample.bytes, cut);
	for (bool done = false; !done; killed++) {
		done = !kill_in_call(mode, killed);
		if (exists(to)) {
			assert_file(to, expected, n);
			assert_int_equal(exists(from), mode == FANCAP_RECOVER_COPY);
		} else if (mode == FANCAP_RECOVER_COPY) {
			assert_file(from, sample.bytes, cut);
		}
		/* Again, and to the end: the same comes of it. */
		if (!exists(to))
			recover_good(mode);
		assert_file(to, expected, n);
		assert_false(exists(temporary));
		unlink(to);
		save(from, sample.bytes, cut);
	}
	assert_int_equal(killed - 1, strlen(order));
	calls[0] = '\0';
	recover_good(mode);
	assert_string_equal(calls, order);
	unlink(to);
}

static void a_kill_at_any_instant_loses_nothing(void **state)
{
	(void)state;
	torn_sample_make(&sample, 8192);
	/* Cut, close, data on the disk, renamed, name on the disk; a copy's first cut is of what somebody left there. */
	assert_survives_kills(FANCAP_RECOVER_IN_PLACE, sample.n - 1, "twdrF");
	assert_survives_kills(FANCAP_RECOVER_IN_PLACE, sample.n, "wdrF");
	assert_survives_kills(FANCAP_RECOVER_COPY, sample.n - 1, "twwdrF");
}

/* A copy's rights are its original's. */
static void rights_stay(void **state)
{
	struct stat st;

	(void)state;
	torn_sample_make(&sample, 8192);
	save(from, sample.bytes, sample.n);
	assert_int_equal(chmod(from, 0640), 0);
	recover_good(FANCAP_RECOVER_COPY);
	assert_int_equal(stat(to, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_cut_at_every_byte_leaves_the_whole_blocks),
		TEST(zeros_at_the_end_are_cut_off),
		TEST(a_torn_block_with_zeros_behind_it_is_cut_off),
		TEST(garbage_at_the_end_is_cut_off),
		TEST(damage_in_the_middle_ends_the_file_and_is_told),
		TEST(a_large_part_is_not_cut_off_in_place),
		TEST(what_was_recovered_is_left_as_it_is),
		TEST(any_capture_file_is_recovered_at_every_cut),
		TEST(each_interface_is_closed_with_its_own_figures),
		TEST(a_section_length_that_is_wrong_is_taken_back),
		TEST(a_section_length_that_is_right_stays),
		TEST(a_torn_second_section_does_not_turn_the_first),
		TEST(a_block_that_makes_no_sense_ends_the_prefix),
		TEST(what_is_no_capture_file_makes_nothing),
		TEST(a_file_of_the_new_name_is_not_replaced),
		TEST(a_file_that_somebody_writes_is_left_alone),
		TEST(a_file_that_is_finished_meanwhile_is_not_touched),
		TEST(a_symbolic_link_is_not_cut),
		TEST(a_full_disk_leaves_the_original),
		TEST(an_error_of_the_disk_is_told_with_its_place),
		TEST(it_can_be_stopped),
		TEST(a_kill_at_any_instant_loses_nothing),
		TEST(rights_stay),
	};

	return cmocka_run_group_tests_name("recover", tests, NULL, NULL);
}
