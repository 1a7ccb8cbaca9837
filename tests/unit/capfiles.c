// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/capfiles.h"

#include <assert.h>
#include <string.h>

void capfile_put8(struct test_capfile *file, uint8_t value)
{
	assert(file->n < sizeof(file->bytes));
	file->bytes[file->n++] = value;
}

/* The n low bytes of a number. */
static void put_number(struct test_capfile *file, uint64_t value, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		capfile_put8(file, (uint8_t)(value >> 8 * (file->big_endian ? n - 1 - i : i)));
}

void capfile_put16(struct test_capfile *file, uint16_t value)
{
	put_number(file, value, 2);
}

void capfile_put32(struct test_capfile *file, uint32_t value)
{
	put_number(file, value, 4);
}

void capfile_put64(struct test_capfile *file, uint64_t value)
{
	put_number(file, value, 8);
}

void capfile_set32(struct test_capfile *file, size_t at, uint32_t value)
{
	size_t n = file->n;

	file->n = at;
	capfile_put32(file, value);
	file->n = n;
}

void capfile_put_bytes(struct test_capfile *file, uint8_t first, size_t n)
{
	for (size_t i = 0; i < n; i++)
		capfile_put8(file, (uint8_t)(first + i));
}

static void pad(struct test_capfile *file)
{
	while (file->n % 4 != 0)
		capfile_put8(file, 0);
}

static void record_end(struct test_capfile *file, unsigned packets)
{
	assert(file->records < CAPFILE_RECORDS_MAX);
	file->ends[file->records] = file->n;
	file->packets[file->records] = packets + (file->records ? file->packets[file->records - 1] : 0);
	file->records++;
}

void capfile_pcap(struct test_capfile *file, uint32_t magic, uint32_t linktype)
{
	capfile_put32(file, magic);
	capfile_put16(file, 2);
	capfile_put16(file, 4);
	capfile_put64(file, 0);
	capfile_put32(file, 65535);
	capfile_put32(file, linktype);
	record_end(file, 0);
}

void capfile_pcap_packet(struct test_capfile *file, uint32_t seconds, uint32_t fraction, uint32_t caplen,
			 uint32_t len, uint8_t first, size_t extra)
{
	capfile_put32(file, seconds);
	capfile_put32(file, fraction);
	capfile_put32(file, caplen);
	capfile_put32(file, len);
	capfile_put_bytes(file, 0xEE, extra);
	capfile_put_bytes(file, first, caplen);
	record_end(file, 1);
}

void capfile_block_start(struct test_capfile *file, uint32_t type)
{
	file->block = file->n;
	capfile_put32(file, type);
	capfile_put32(file, 0);
}

void capfile_block_end(struct test_capfile *file, unsigned packets)
{
	uint32_t length;

	pad(file);
	length = (uint32_t)(file->n - file->block) + 4;
	capfile_put32(file, length);
	capfile_set32(file, file->block + 4, length);
	record_end(file, packets);
}

void capfile_section(struct test_capfile *file, uint64_t length)
{
	capfile_block_start(file, 0x0A0D0D0A);
	capfile_put32(file, 0x1A2B3C4D);
	capfile_put16(file, 1);
	capfile_put16(file, 0);
	capfile_put64(file, length);
	capfile_block_end(file, 0);
}

void capfile_option(struct test_capfile *file, uint16_t code, const void *bytes, uint16_t n)
{
	capfile_put16(file, code);
	capfile_put16(file, n);
	for (uint16_t i = 0; i < n; i++)
		capfile_put8(file, ((const uint8_t *)bytes)[i]);
	pad(file);
}

static void interface_start(struct test_capfile *file, uint16_t linktype, uint32_t snaplen)
{
	capfile_block_start(file, 1);
	capfile_put16(file, linktype);
	capfile_put16(file, 0);
	capfile_put32(file, snaplen);
}

void capfile_interface(struct test_capfile *file, uint16_t linktype, uint32_t snaplen)
{
	interface_start(file, linktype, snaplen);
	capfile_block_end(file, 0);
}

void capfile_interface_timed(struct test_capfile *file, uint16_t linktype, uint8_t tsresol, int64_t tsoffset)
{
	interface_start(file, linktype, 0);
	capfile_option(file, 2, "if0", 3);
	capfile_option(file, 9, &tsresol, 1);
	capfile_put16(file, 14);
	capfile_put16(file, 8);
	capfile_put64(file, (uint64_t)tsoffset);
	capfile_option(file, 0, NULL, 0);
	capfile_block_end(file, 0);
}

/* From the time on, enhanced and obsolete blocks are the same. */
static void put_packet(struct test_capfile *file, uint64_t ticks, uint32_t caplen, uint32_t len, uint8_t first)
{
	capfile_put32(file, (uint32_t)(ticks >> 32));
	capfile_put32(file, (uint32_t)ticks);
	capfile_put32(file, caplen);
	capfile_put32(file, len);
	capfile_put_bytes(file, first, caplen);
	pad(file);
}

void capfile_enhanced(struct test_capfile *file, uint32_t interface, uint64_t ticks, uint32_t caplen, uint32_t len,
		      uint8_t first)
{
	capfile_block_start(file, 6);
	capfile_put32(file, interface);
	put_packet(file, ticks, caplen, len, first);
	capfile_block_end(file, 1);
}

void capfile_obsolete(struct test_capfile *file, uint16_t interface, uint64_t ticks, uint32_t caplen, uint32_t len,
		      uint8_t first)
{
	capfile_block_start(file, 2);
	capfile_put16(file, interface);
	capfile_put16(file, 7); /* drops */
	put_packet(file, ticks, caplen, len, first);
	capfile_block_end(file, 1);
}

void capfile_simple(struct test_capfile *file, uint32_t caplen, uint32_t len, uint8_t first)
{
	capfile_block_start(file, 3);
	capfile_put32(file, len);
	capfile_put_bytes(file, first, caplen);
	capfile_block_end(file, 1);
}

/* --- samples --------------------------------------------------------------------------------------- */

static void sample_pcap(struct test_capfile *file, uint32_t magic, size_t extra)
{
	capfile_pcap(file, magic, 1);
	capfile_pcap_packet(file, 1700000000, 999999, 15, 15, 0x10, extra);
	capfile_pcap_packet(file, 1700000001, 0, 0, 0, 0, extra);
	capfile_pcap_packet(file, 1700000001, 1, 14, 60, 0x20, extra);
}

/* Every block and option that is looked at, and some that are not. */
static void sample_pcapng(struct test_capfile *file)
{
	const uint8_t flags[4] = {0};

	capfile_section(file, UINT64_MAX);
	capfile_interface(file, 1, 16);
	capfile_interface_timed(file, 101, 0x8A, -5);
	capfile_enhanced(file, 0, 1700000000000001, 15, 15, 0x10);
	capfile_simple(file, 16, 20, 0x20);
	capfile_block_start(file, 5); /* statistics */
	capfile_put_bytes(file, 0, 12);
	capfile_block_end(file, 0);
	capfile_obsolete(file, 1, 10 * 1024, 13, 99, 0x30);
	capfile_block_start(file, 6);
	capfile_put32(file, 0);
	put_packet(file, 5, 4, 4, 0x40);
	capfile_option(file, 1, "comment", 7);
	capfile_option(file, 2, flags, 4);
	capfile_option(file, 0, NULL, 0);
	capfile_block_end(file, 1);
}

const char *capfile_sample(unsigned i, struct test_capfile *file)
{
	memset(file, 0, sizeof(*file));
	file->big_endian = i % 2 != 0;
	switch (i / 2) {
	case 0: sample_pcap(file, 0xA1B2C3D4, 0); break;
	case 1: sample_pcap(file, 0xA1B23C4D, 0); break;
	case 2: sample_pcap(file, 0xA1B2CD34, 8); break;
	default: sample_pcapng(file); break;
	}
	if (i == CAPFILE_SAMPLES - 1) { /* a second section, in the other byte order */
		file->big_endian = false;
		sample_pcapng(file);
	}
	static const char *const names[CAPFILE_SAMPLES] = {
		"pcap-us-le", "pcap-us-be", "pcap-ns-le", "pcap-ns-be",
		"pcap-kuznetzov-le", "pcap-kuznetzov-be", "pcapng-le", "pcapng-be-le"};
	return names[i];
}
