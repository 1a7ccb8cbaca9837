// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fancap/capfile.h"
#include "tests/unit/capfiles.h"

#define US 1000u
#define PCAP_US 0xA1B2C3D4u
#define NEVER UINT64_MAX

/* The bytes as a file, open at its start. */
static struct fancap_capfile *open_bytes(const uint8_t *bytes, size_t n, struct fancap_error *err)
{
	struct fancap_capfile *file = NULL;
	int fd = memfd_create("capfile", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), (ssize_t)n);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	if (fancap_capfile_open_fd(fd, "memory", &file, err) < 0) {
		close(fd);
		return NULL;
	}
	return file;
}

static struct fancap_capfile *open_good(const struct test_capfile *made)
{
	struct fancap_error err = {""};
	struct fancap_capfile *file = open_bytes(made->bytes, made->n, &err);

	if (file == NULL)
		fail_msg("%s", err.text);
	return file;
}

/* All packets of n bytes. @return as the last fancap_capfile_next(), -EBADMSG if it did not even open */
static int read_all(const uint8_t *bytes, size_t n, unsigned *ret_packets, struct fancap_error *err)
{
	struct fancap_capfile *file = open_bytes(bytes, n, err);
	struct fancap_capfile_packet packet;
	int r;

	*ret_packets = 0;
	if (file == NULL)
		return -EBADMSG;
	while ((r = fancap_capfile_next(file, &packet, err)) == 1) {
		uint8_t last = 0;

		/* Every byte of it can be read. */
		for (uint32_t i = 0; i < packet.caplen; i++)
			last ^= packet.data[i];
		(void)last;
		assert_true(packet.caplen <= packet.len);
		++*ret_packets;
	}
	fancap_capfile_close(file);
	return r;
}

static void expect(struct fancap_capfile *file, uint64_t time_ns, uint32_t caplen, uint32_t len, uint16_t linktype,
		   uint8_t first)
{
	struct fancap_capfile_packet packet;
	struct fancap_error err = {""};
	int r = fancap_capfile_next(file, &packet, &err);

	if (r != 1)
		fail_msg("%d: %s", r, err.text);
	assert_int_equal(packet.time_ns, time_ns);
	assert_int_equal(packet.caplen, caplen);
	assert_int_equal(packet.len, len);
	assert_int_equal(packet.linktype, linktype);
	for (uint32_t i = 0; i < caplen; i++)
		assert_int_equal(packet.data[i], (uint8_t)(first + i));
}

static void expect_end(struct fancap_capfile *file)
{
	struct fancap_capfile_packet packet;

	assert_int_equal(fancap_capfile_next(file, &packet, NULL), 0);
	assert_int_equal(fancap_capfile_next(file, &packet, NULL), 0);
	fancap_capfile_close(file);
}

static void expect_damage(const struct test_capfile *made, unsigned packets, const char *text)
{
	struct fancap_error err = {""};
	unsigned n;

	assert_int_equal(read_all(made->bytes, made->n, &n, &err), -EBADMSG);
	assert_has(err.text, text);
	assert_has(err.text, "memory: offset ");
	assert_int_equal(n, packets);
}

/* --- what is right -------------------------------------------------------------------------------- */

static void reads_every_pcap_variant_in_both_byte_orders(void **state)
{
	static const uint64_t us[] = {1700000000999999 * UINT64_C(1000), 1700000001000000001 + 999};
	static const uint64_t ns[] = {1700000000000999999, 1700000001000000001};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct test_capfile made;
		const uint64_t *times = i / 2 == 1 ? ns : us;
		struct fancap_capfile *file;

		capfile_sample(i, &made);
		file = open_good(&made);
		expect(file, times[0], 15, 15, 1, 0x10);
		expect(file, 1700000001000000000, 0, 0, 1, 0);
		expect(file, times[1], 14, 60, 1, 0x20);
		expect_end(file);
	}
}

static void expect_sample_section(struct fancap_capfile *file)
{
	expect(file, 1700000000000001 * UINT64_C(1000), 15, 15, 1, 0x10);
	expect(file, 1700000000000001 * UINT64_C(1000), 16, 20, 1, 0x20);
	expect(file, 5000000000, 13, 99, 101, 0x30);
	expect(file, 5 * US, 4, 4, 1, 0x40);
}

static void reads_every_pcapng_block_in_both_byte_orders(void **state)
{
	(void)state;
	for (unsigned i = 6; i < CAPFILE_SAMPLES; i++) {
		struct test_capfile made;
		struct fancap_capfile *file;

		capfile_sample(i, &made);
		file = open_good(&made);
		expect_sample_section(file);
		if (i == CAPFILE_SAMPLES - 1)
			expect_sample_section(file);
		expect_end(file);
	}
}

static void reads_sections_of_different_byte_order(void **state)
{
	struct test_capfile made = {0};
	struct fancap_capfile *file;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		made.big_endian = i == 1;
		capfile_section(&made, UINT64_MAX);
		capfile_interface(&made, (uint16_t)(i + 1), 0);
		capfile_enhanced(&made, 0, i, 5, 5, (uint8_t)i);
	}
	file = open_good(&made);
	for (unsigned i = 0; i < 3; i++)
		expect(file, i * US, 5, 5, (uint16_t)(i + 1), (uint8_t)i);
	expect_end(file);
}

static void keeps_to_a_section_length_that_is_given(void **state)
{
	struct test_capfile made = {0};

	(void)state;
	capfile_section(&made, 20 + 36);
	capfile_interface(&made, 1, 0);
	capfile_enhanced(&made, 0, 1, 4, 4, 0);
	capfile_section(&made, 20);
	capfile_interface(&made, 1, 0);
	fancap_capfile_close(open_good(&made));
	struct fancap_capfile *file = open_good(&made);
	expect(file, 1 * US, 4, 4, 1, 0);
	expect_end(file);
	/* The same, torn where a block ends. */
	made.n -= 20;
	expect_damage(&made, 1, "the file ends 20 bytes before its section");
	capfile_section(&made, UINT64_MAX);
	expect_damage(&made, 1, "a new section, 20 bytes before the end of the last");
	made.n -= 28;
	capfile_interface(&made, 1, 0);
	capfile_interface(&made, 1, 0);
	expect_damage(&made, 1, "a block beyond the end of its section");
}

static const struct {
	uint8_t tsresol;
	int64_t tsoffset;
	uint64_t ticks, time_ns; /* NEVER: refused */
} clocks[] = {
	{0, 0, 5, 5000000000},
	{3, 0, 5, 5000000},
	{6, 0, 1700000000000001, 1700000000000001000},
	{9, 0, UINT64_MAX, UINT64_MAX},
	{10, 0, 19, 1},
	{28, 0, UINT64_MAX, 1},
	{29, 0, UINT64_MAX, 0},
	{127, 0, UINT64_MAX, 0},
	{0x80, 0, 3, 3000000000},
	{0x81, 0, 3, 1500000000},
	{0x80 | 30, 0, (1u << 30) + 1, 1000000000},
	{0x80 | 20, 0, 1u << 19, 500000000},
	{0x80 | 63, 0, UINT64_MAX, 1999999999},
	{0x80 | 64, 0, UINT64_C(1) << 63, 500000000},
	{0x80 | 127, 0, UINT64_MAX, 0},
	{6, 100, 1, 100000001000},
	{6, -100, 100000001, 1000},
	{0x80 | 10, -5, 5 * 1024 + 512, 500000000},
	/* out of range */
	{6, -1, 999999, NEVER},
	{6, 0, UINT64_MAX, NEVER},
	{0, 0, 18446744074, NEVER},
	{6, INT64_MAX, 0, NEVER},
	{6, INT64_MIN, UINT64_MAX, NEVER},
	{0x80, INT64_MAX, UINT64_MAX, NEVER},
};

static void understands_every_time_resolution_and_offset(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(clocks); i++) {
		struct test_capfile made = {.big_endian = i % 2 != 0};
		bool never = clocks[i].time_ns == NEVER && clocks[i].tsresol != 9;

		capfile_section(&made, UINT64_MAX);
		capfile_interface_timed(&made, 1, clocks[i].tsresol, clocks[i].tsoffset);
		capfile_enhanced(&made, 0, clocks[i].ticks, 4, 4, 0);
		if (never) {
			expect_damage(&made, 0, "offset 80: a time stamp out of range");
			continue;
		}
		struct fancap_capfile *file = open_good(&made);
		expect(file, clocks[i].time_ns, 4, 4, 1, 0);
		expect_end(file);
	}
}

static void takes_the_frame_check_sequence_off(void **state)
{
	struct test_capfile made = {0};
	struct fancap_capfile *file;

	(void)state;
	capfile_pcap(&made, PCAP_US, 1 | 1u << 26 | 2u << 28);
	capfile_pcap_packet(&made, 0, 0, 20, 20, 7, 0);
	capfile_pcap_packet(&made, 0, 1, 18, 20, 7, 0); /* cut within the sequence: the frame is whole */
	capfile_pcap_packet(&made, 0, 2, 3, 3, 7, 0);
	file = open_good(&made);
	expect(file, 0, 16, 16, 1, 7);
	expect(file, 1 * US, 16, 16, 1, 7);
	expect(file, 2 * US, 0, 0, 1, 7);
	expect_end(file);
}

static void capfile_interface_fcs(struct test_capfile *made, uint8_t length)
{
	capfile_block_start(made, 1);
	capfile_put16(made, 1);
	capfile_put16(made, 0);
	capfile_put32(made, 0);
	capfile_option(made, 13, &length, 1);
	capfile_block_end(made, 0);
}

static void takes_if_fcslen_in_bits_and_in_bytes(void **state)
{
	struct test_capfile made = {0};
	struct fancap_capfile *file;

	(void)state;
	capfile_section(&made, UINT64_MAX);
	capfile_interface_fcs(&made, 32);
	capfile_interface_fcs(&made, 4);
	capfile_enhanced(&made, 0, 1, 20, 20, 7);
	capfile_enhanced(&made, 1, 2, 20, 20, 7);
	capfile_block_start(&made, 6);
	capfile_put32(&made, 0);
	capfile_put64(&made, 0);
	capfile_put32(&made, 20);
	capfile_put32(&made, 20);
	capfile_put_bytes(&made, 7, 20);
	capfile_put16(&made, 2);
	capfile_put16(&made, 4);
	capfile_put32(&made, 2u << 5); /* epb_flags: two bytes here */
	capfile_block_end(&made, 1);
	file = open_good(&made);
	expect(file, 1 * US, 16, 16, 1, 7);
	expect(file, 2 * US, 16, 16, 1, 7);
	expect(file, 0, 18, 18, 1, 7);
	expect_end(file);
}

static void reads_packets_larger_than_its_buffer(void **state)
{
	const size_t size = 40 + FANCAP_CAPFILE_BLOCK_MAX;
	uint8_t *bytes = calloc(1, size);
	struct test_capfile made = {0};
	struct fancap_error err;
	unsigned n;

	(void)state;
	assert_non_null(bytes);
	capfile_pcap(&made, PCAP_US, 1);
	capfile_pcap_packet(&made, 0, 0, 0, 0, 0, 0);
	capfile_set32(&made, 32, 262144);
	capfile_set32(&made, 36, 262144);
	memcpy(bytes, made.bytes, 40);
	assert_int_equal(read_all(bytes, 40 + 262144, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(read_all(bytes, 39 + 262144, &n, &err), -EBADMSG);
	assert_has(err.text, "memory: offset 24: the file ends after 262159 of the 262160 bytes");
	made.n = 0;
	capfile_section(&made, UINT64_MAX);
	capfile_block_start(&made, 77); /* unknown: skipped */
	capfile_set32(&made, 32, FANCAP_CAPFILE_BLOCK_MAX);
	memcpy(bytes, made.bytes, made.n);
	memcpy(bytes + 28 + FANCAP_CAPFILE_BLOCK_MAX - 4, bytes + 32, 4);
	assert_int_equal(read_all(bytes, 28 + FANCAP_CAPFILE_BLOCK_MAX, &n, &err), 0);
	free(bytes);
}

static void begins_again(void **state)
{
	struct fancap_capfile_packet packet;
	struct test_capfile made;
	struct fancap_capfile *file;

	(void)state;
	capfile_sample(1, &made);
	file = open_good(&made);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(fancap_capfile_next(file, &packet, NULL), 1);
		assert_int_equal(packet.offset, 24);
		assert_int_equal(fancap_capfile_next(file, &packet, NULL), 1);
		assert_int_equal(fancap_capfile_rewind(file, NULL), 0);
	}
	fancap_capfile_close(file);
}

static void reads_a_pipe_and_does_not_rewind_it(void **state)
{
	struct fancap_error err = {""};
	struct fancap_capfile *file;
	struct test_capfile made;
	int fds[2];

	(void)state;
	capfile_sample(0, &made);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], made.bytes, made.n), (ssize_t)made.n);
	close(fds[1]);
	assert_int_equal(fancap_capfile_open_fd(fds[0], "pipe", &file, &err), 0);
	expect(file, 1700000000999999000, 15, 15, 1, 0x10);
	assert_int_equal(fancap_capfile_rewind(file, &err), -ESPIPE);
	assert_has(err.text, "pipe: beginning again: Illegal seek");
	fancap_capfile_close(file);
}

/* --- what is wrong --------------------------------------------------------------------------------- */

/* How many packets there are in the first n bytes, and whether they end where a record does. */
static unsigned packets_within(const struct test_capfile *made, size_t n, bool *ret_clean)
{
	unsigned packets = 0;

	*ret_clean = false;
	for (unsigned i = 0; i < made->records && made->ends[i] <= n; i++) {
		packets = made->packets[i];
		*ret_clean = made->ends[i] == n;
	}
	return packets;
}

static void names_the_offset_wherever_a_file_is_torn(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CAPFILE_SAMPLES; i++) {
		struct test_capfile made;
		const char *name = capfile_sample(i, &made);

		for (size_t cut = 0; cut <= made.n; cut++) {
			struct fancap_error err = {""};
			unsigned expected, n;
			bool clean;
			int r = read_all(made.bytes, cut, &n, &err);

			expected = packets_within(&made, cut, &clean);
			if (r != (clean ? 0 : -EBADMSG) || n != expected)
				fail_msg("%s cut at %zu: %d after %u packets of %u: %s", name, cut, r, n, expected,
					 err.text);
			if (!clean)
				assert_has(err.text, "memory: offset ");
		}
	}
}

static void says_the_same_when_asked_again(void **state)
{
	struct fancap_error first = {""}, second = {""};
	struct fancap_capfile_packet packet;
	struct fancap_capfile *file;
	struct test_capfile made;

	(void)state;
	capfile_sample(0, &made);
	made.n = 60;
	file = open_good(&made);
	assert_int_equal(fancap_capfile_next(file, &packet, &first), 1);
	assert_int_equal(fancap_capfile_next(file, &packet, &first), -EBADMSG);
	assert_int_equal(fancap_capfile_next(file, &packet, &second), -EBADMSG);
	assert_string_equal(first.text, second.text);
	assert_string_equal(first.text, "memory: offset 55: the file ends after 5 of the 16 bytes of a packet header");
	fancap_capfile_close(file);
}

/* A word of the sample pcap file of either byte order, changed. */
static const struct {
	size_t at;
	uint32_t value;
	unsigned packets;
	const char *text;
} pcap_damages[] = {
	{4, 5, 0, "offset 0: pcap version"},
	{28, 1000000, 0, "offset 24: 1000000 of the 1000000 fractions of a second"},
	{32, 262145, 0, "offset 24: a packet of 262145 bytes: 262144 at most"},
	{32, UINT32_MAX, 0, "offset 24: a packet of 4294967295 bytes"},
	{36, 14, 0, "offset 24: 15 bytes of a packet that had only 14"},
	{63, 262144, 1, "offset 55: the file ends after 46 of the 262160 bytes"},
};

static void refuses_what_no_pcap_record_can_be(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 2; order++) {
		for (size_t i = 0; i < N_ELEMENTS(pcap_damages); i++) {
			struct test_capfile made;

			capfile_sample(order, &made);
			capfile_set32(&made, pcap_damages[i].at, pcap_damages[i].value);
			if (pcap_damages[i].at == 63)
				capfile_set32(&made, 67, 262144);
			expect_damage(&made, pcap_damages[i].packets, pcap_damages[i].text);
		}
	}
}

/* 0: section; 28: interface; 48: packet of 5 bytes: id 56, time 60, caplen 68, len 72, data 76, end 84. */
static const struct {
	size_t at;
	uint32_t value;
	const char *text;
} pcapng_damages[] = {
	{8, 0x11223344, "offset 0: a section header without byte-order magic"},
	{4, 8, "offset 0: a block of 8 bytes"},
	{4, 24, "offset 0: a block of 24 bytes that ends with"},
	{24, 32, "offset 0: a block of 28 bytes that ends with 32"},
	{32, 0, "offset 28: a block of 0 bytes"},
	{32, 22, "offset 28: a block of 22 bytes: multiples of 4"},
	{32, 0x80000000, "offset 28: a block of 2147483648 bytes"},
	{32, FANCAP_CAPFILE_BLOCK_MAX, "offset 28: the file ends after 60 of the 16777216 bytes of a block"},
	{44, 24, "offset 28: a block of 20 bytes that ends with 24"},
	{28, 6, "offset 28: a block of type 6 with 8 bytes in it: 20 at least"},
	{28, 3, "offset 28: a packet of interface 0 of 0"},
	{56, 1, "offset 48: a packet of interface 1 of 1"},
	{56, UINT32_MAX, "offset 48: a packet of interface 4294967295 of 1"},
	{60, 0xFFFFFFFF, "offset 48: a time stamp out of range"},
	{68, 9, "offset 48: a packet of 9 bytes in a block with room for 8"},
	{68, UINT32_MAX, "offset 48: a packet of 4294967295 bytes: 262144 at most"},
	{68, UINT32_MAX - 2, "offset 48: a packet of 4294967293 bytes"},
	{72, 4, "offset 48: 5 bytes of a packet that had only 4"},
};

static void make_small_pcapng(struct test_capfile *made)
{
	capfile_section(made, UINT64_MAX);
	capfile_interface(made, 1, 0);
	capfile_enhanced(made, 0, 1, 5, 5, 0);
}

static void refuses_what_no_pcapng_block_can_be(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 2; order++) {
		for (size_t i = 0; i < N_ELEMENTS(pcapng_damages); i++) {
			struct test_capfile made = {.big_endian = order != 0};

			make_small_pcapng(&made);
			capfile_set32(&made, pcapng_damages[i].at, pcapng_damages[i].value);
			expect_damage(&made, 0, pcapng_damages[i].text);
		}
	}
}

static const struct {
	uint16_t code, n;
	const char *text;
} option_damages[] = {
	{9, 4, "if_tsresol of 4 bytes: it has 1"},
	{14, 4, "if_tsoffset of 4 bytes: it has 8"},
	{13, 2, "if_fcslen of 2 bytes: it has 1"},
	{1, 5, "option 1 of 5 bytes leaves its block"},
	{1, 65535, "option 1 of 65535 bytes leaves its block"},
};

static void refuses_options_that_cannot_be(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(option_damages); i++) {
		struct test_capfile made = {0};

		capfile_section(&made, UINT64_MAX);
		capfile_block_start(&made, 1);
		capfile_put64(&made, 1);
		capfile_put16(&made, option_damages[i].code);
		capfile_put16(&made, option_damages[i].n);
		capfile_put32(&made, 0);
		capfile_block_end(&made, 0);
		expect_damage(&made, 0, option_damages[i].text);
	}
}

static void refuses_other_versions_and_other_files(void **state)
{
	static const struct {
		uint8_t bytes[4];
		const char *text;
	} others[] = {
		{{0x1F, 0x8B, 8, 0}, "offset 0: this is a gzip file: unpack it first"},
		{{0x28, 0xB5, 0x2F, 0xFD}, "a zstd file"},
		{{0x04, 0x22, 0x4D, 0x18}, "a lz4 file"},
		{"#!/b", "offset 0: neither pcap nor pcapng: it begins with 23 21 2f 62"},
	};
	struct test_capfile made = {0};

	(void)state;
	make_small_pcapng(&made);
	made.bytes[12] = 2;
	expect_damage(&made, 0, "offset 0: pcapng version 2.0");
	for (size_t i = 0; i < N_ELEMENTS(others); i++) {
		memcpy(made.bytes, others[i].bytes, 4);
		expect_damage(&made, 0, others[i].text);
	}
	made.n = 0;
	expect_damage(&made, 0, "offset 0: the file is empty");
}

static void shows_the_offset_behind_a_long_name(void **state)
{
	struct fancap_error err = {""};
	struct fancap_capfile *file;
	char name[1024];
	int fd = memfd_create("capfile", MFD_CLOEXEC);

	(void)state;
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(fancap_capfile_open_fd(fd, name, &file, &err), -EBADMSG);
	assert_has(err.text, "x: offset 0: the file is empty");
	close(fd);
	assert_int_equal(fancap_capfile_open("/nowhere/at/all", &file, &err), -ENOENT);
	assert_string_equal(err.text, "/nowhere/at/all: No such file or directory");
	assert_int_equal(fancap_capfile_open("/", &file, &err), -EISDIR);
	fancap_capfile_close(NULL);
}

/* --- what is anything at all ------------------------------------------------------------------------ */

static uint32_t random_next(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*seed >> 33);
}

/* Values that lengths, counts and types are compared with. */
static void mutate(struct test_capfile *made, uint64_t *seed)
{
	static const uint32_t words[] = {0, 1, 3, 4, 11, 12, 28, 262144, 262145, 0x0A0D0D0A, 0x7FFFFFFF, 0xFFFFFFFC,
					 0xFFFFFFFF};
	unsigned n = 1 + random_next(seed) % 4;

	while (n-- > 0) {
		size_t at = random_next(seed) % made->n;

		switch (random_next(seed) % 4) {
		case 0: made->bytes[at] = (uint8_t)random_next(seed); break;
		case 1: made->bytes[at] ^= (uint8_t)(1u << random_next(seed) % 8); break;
		case 2: capfile_set32(made, at & ~(size_t)3, words[random_next(seed) % N_ELEMENTS(words)]); break;
		case 3: made->n = at + 1; break;
		}
	}
}

static void survives_any_mutation(void **state)
{
	uint64_t seed = 20240607;
	unsigned damaged = 0;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		struct test_capfile made;
		struct fancap_error err = {""};
		unsigned n;

		capfile_sample(i % CAPFILE_SAMPLES, &made);
		mutate(&made, &seed);
		if (read_all(made.bytes, made.n, &n, &err) == -EBADMSG) {
			assert_has(err.text, "memory: offset ");
			damaged++;
		}
	}
	assert_in_range(damaged, 40000, 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_pcap_variant_in_both_byte_orders),
		cmocka_unit_test(reads_every_pcapng_block_in_both_byte_orders),
		cmocka_unit_test(reads_sections_of_different_byte_order),
		cmocka_unit_test(keeps_to_a_section_length_that_is_given),
		cmocka_unit_test(understands_every_time_resolution_and_offset),
		cmocka_unit_test(takes_the_frame_check_sequence_off),
		cmocka_unit_test(takes_if_fcslen_in_bits_and_in_bytes),
		cmocka_unit_test(reads_packets_larger_than_its_buffer),
		cmocka_unit_test(begins_again),
		cmocka_unit_test(reads_a_pipe_and_does_not_rewind_it),
		cmocka_unit_test(names_the_offset_wherever_a_file_is_torn),
		cmocka_unit_test(says_the_same_when_asked_again),
		cmocka_unit_test(refuses_what_no_pcap_record_can_be),
		cmocka_unit_test(refuses_what_no_pcapng_block_can_be),
		cmocka_unit_test(refuses_options_that_cannot_be),
		cmocka_unit_test(refuses_other_versions_and_other_files),
		cmocka_unit_test(shows_the_offset_behind_a_long_name),
		cmocka_unit_test(survives_any_mutation),
	};

	return cmocka_run_group_tests_name("capfile", tests, NULL, NULL);
}
