// SPDX-License-Identifier: BSD-3-Clause
/* What the two formats' readers share: a buffer over the file, and the error that ends it. */
#ifndef LIB_CAPFILE_PRIVATE_H
#define LIB_CAPFILE_PRIVATE_H

#include <byteswap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fancap/capfile.h"

/** An interface of a pcapng section, or the one of a pcap file. */
struct capfile_interface {
	uint16_t linktype;
	uint8_t fcs_bytes; ///< at the end of each packet
	uint8_t tsresol;   ///< as in if_tsresol
	uint32_t snaplen;
	int64_t tsoffset_s;
};

struct fancap_capfile {
	int fd;
	char *name;
	struct fancap_error error; ///< of failed
	int failed;		   ///< -errno that ended the file, or 0
	char damage[160];	   ///< of failed -EBADMSG: what is wrong, without the place

	uint8_t *buf;
	size_t room;
	size_t from, to; ///< what has been read and not consumed
	size_t pending;	 ///< of these: the record that the caller has
	uint64_t offset; ///< of `from` in the file

	int (*next)(struct fancap_capfile *file, struct fancap_capfile_packet *ret);
	bool swapped; ///< the other byte order than ours
	uint64_t time_ns; ///< of the last packet

	/* pcap */
	size_t header_bytes;	///< of a packet's header
	uint32_t fractions;	///< of a second: 1000000 or 1000000000

	/* interface 0 is the pcap file's */
	struct capfile_interface *interfaces;
	uint32_t n_interfaces, max_interfaces;

	/* pcapng */
	bool section_sized;    ///< the section says how long it is
	uint64_t section_left; ///< bytes
};

/** Note what is wrong with the record at the current offset. @return -EBADMSG */
int capfile_damaged(struct fancap_capfile *file, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * Have n bytes at file->buf + file->from.
 *
 * @param what they are, for the error
 * @return 1; 0 the file ends right here; -EBADMSG it ends within; -EINTR; -errno
 */
int capfile_peek(struct fancap_capfile *file, size_t n, const char *what);

/** Forget the record that the caller had. */
void capfile_consume(struct fancap_capfile *file);

/** Room for another interface, zeroed. @return NULL: out of memory */
struct capfile_interface *capfile_interface_add(struct fancap_capfile *file);

/** Take the frame check sequence off, and check the lengths. @return 0 or -EBADMSG */
int capfile_packet_check(struct fancap_capfile *file, struct fancap_capfile_packet *packet,
			 uint32_t fcs_bytes);

int capfile_pcap_start(struct fancap_capfile *file);
int capfile_pcapng_next(struct fancap_capfile *file, struct fancap_capfile_packet *ret);

/** A block of a pcapng file, without its frame. */
struct capfile_block {
	uint32_t type;
	const uint8_t *body; ///< until the next call
	uint32_t n;
	bool is_packet;
	struct fancap_capfile_packet packet; ///< of a packet block
};

/** The next block, of any type; it ends at file->offset + file->pending. @return as fancap_capfile_next() */
int capfile_pcapng_block(struct fancap_capfile *file, struct capfile_block *ret);

/** An option of a block. */
struct capfile_option {
	uint16_t code;
	uint16_t n;
	const uint8_t *value;
};

/** @return 0; -EBADMSG by capfile_damaged(), which ends the walk */
typedef int capfile_option_take(struct fancap_capfile *file, const struct capfile_option *option, void *result);

/** Give each option to take(). The list may end without opt_endofopt, but not within an option. */
int capfile_options_walk(struct fancap_capfile *file, const uint8_t *p, uint32_t n, capfile_option_take *take,
			 void *result);

static inline uint16_t capfile_get16(const struct fancap_capfile *file, const uint8_t *p)
{
	uint16_t value;

	memcpy(&value, p, sizeof(value));
	return file->swapped ? bswap_16(value) : value;
}

static inline uint32_t capfile_get32(const struct fancap_capfile *file, const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return file->swapped ? bswap_32(value) : value;
}

static inline uint64_t capfile_get64(const struct fancap_capfile *file, const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return file->swapped ? bswap_64(value) : value;
}

#endif
