// SPDX-License-Identifier: BSD-3-Clause
/* Builds capture files in memory, of any byte order, right or wrong. */
#ifndef TESTS_CAPFILES_H
#define TESTS_CAPFILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAPFILE_BYTES_MAX 8192u
#define CAPFILE_RECORDS_MAX 64u

/** A file being built; zeroed: empty, little endian. */
struct test_capfile {
	uint8_t bytes[CAPFILE_BYTES_MAX];
	size_t n;
	bool big_endian;
	size_t ends[CAPFILE_RECORDS_MAX];   ///< where header, records and blocks end
	unsigned packets[CAPFILE_RECORDS_MAX]; ///< how many packets there are up to there
	unsigned records;
	size_t block; ///< where the block being built begins
};

void capfile_put8(struct test_capfile *file, uint8_t value);
void capfile_put16(struct test_capfile *file, uint16_t value);
void capfile_put32(struct test_capfile *file, uint32_t value);
void capfile_put64(struct test_capfile *file, uint64_t value);
/** Overwrite 32 bits. */
void capfile_set32(struct test_capfile *file, size_t at, uint32_t value);
/** Bytes that count up from `first`. */
void capfile_put_bytes(struct test_capfile *file, uint8_t first, size_t n);

/** A pcap file header, version 2.4, snaplen 65535. */
void capfile_pcap(struct test_capfile *file, uint32_t magic, uint32_t linktype);
/** A packet of caplen bytes, from `first` up; extra: bytes of header that Kuznetzov's variant has behind the lengths. */
void capfile_pcap_packet(struct test_capfile *file, uint32_t seconds, uint32_t fraction, uint32_t caplen,
			 uint32_t len, uint8_t first, size_t extra);

/** What capfile_put*() puts between these two is a block's body. */
void capfile_block_start(struct test_capfile *file, uint32_t type);
void capfile_block_end(struct test_capfile *file, unsigned packets);

/** A section header; length -1: not given. */
void capfile_section(struct test_capfile *file, uint64_t length);
void capfile_option(struct test_capfile *file, uint16_t code, const void *bytes, uint16_t n);
/** An interface without options; with resolution (if_tsresol) and offset (if_tsoffset, seconds). */
void capfile_interface(struct test_capfile *file, uint16_t linktype, uint32_t snaplen);
void capfile_interface_timed(struct test_capfile *file, uint16_t linktype, uint8_t tsresol, int64_t tsoffset);
void capfile_enhanced(struct test_capfile *file, uint32_t interface, uint64_t ticks, uint32_t caplen, uint32_t len,
		      uint8_t first);
void capfile_obsolete(struct test_capfile *file, uint16_t interface, uint64_t ticks, uint32_t caplen, uint32_t len,
		      uint8_t first);
void capfile_simple(struct test_capfile *file, uint32_t caplen, uint32_t len, uint8_t first);

/** How many samples there are: small valid files of every format, variant, block and byte order. */
#define CAPFILE_SAMPLES 8u
const char *capfile_sample(unsigned i, struct test_capfile *file);

#endif
