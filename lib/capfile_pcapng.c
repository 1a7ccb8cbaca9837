// SPDX-License-Identifier: BSD-3-Clause
/* pcapng: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng */
#include <errno.h>
#include <inttypes.h>

#include "fancap/filter.h"
#include "lib/capfile_private.h"

#define BLOCK_SHB 0x0A0D0D0Au
#define BYTE_ORDER_MAGIC 0x1A2B3C4Du
#define BLOCK_FRAME_BYTES 12u /* type, length, length again */
#define SHB_BODY_BYTES 16u
#define NS_PER_S 1000000000u

enum option_code {
	OPT_ENDOFOPT = 0,
	IF_TSRESOL = 9,
	IF_FCSLEN = 13,
	IF_TSOFFSET = 14,
	EPB_FLAGS = 2,
};

#define TSRESOL_DEFAULT 6u /* microseconds */
#define TSRESOL_BINARY 0x80u
/* Bits 5 to 8 of epb_flags: bytes of the frame check sequence, 0 if that is not known. */
#define EPB_FCS_SHIFT 5u
#define EPB_FCS_MASK 0xFu

__extension__ typedef __int128 wide;

/* A block without its frame. */
struct body {
	const uint8_t *p;
	uint32_t n;
};

static uint64_t padded(uint64_t n)
{
	return (n + 3) & ~UINT64_C(3);
}

/* --- options ---------------------------------------------------------------------------------------- */

int capfile_options_walk(struct fancap_capfile *file, const uint8_t *p, uint32_t n, capfile_option_take *take,
			 void *result)
{
	struct body rest = {p, n};

	while (rest.n != 0) {
		struct capfile_option option;
		int r;

		if (rest.n < 4)
			return capfile_damaged(file, "%" PRIu32 " stray bytes behind the options", rest.n);
		option.code = capfile_get16(file, rest.p);
		option.n = capfile_get16(file, rest.p + 2);
		option.value = rest.p + 4;
		if (option.code == OPT_ENDOFOPT)
			return 0;
		if (padded(option.n) > rest.n - 4)
			return capfile_damaged(file, "option %u of %u bytes leaves its block", option.code,
					       option.n);
		r = take(file, &option, result);
		if (r < 0)
			return r;
		rest.p += 4 + padded(option.n);
		rest.n -= 4 + (uint32_t)padded(option.n);
	}
	return 0;
}

static int option_size(struct fancap_capfile *file, const struct capfile_option *option, uint16_t n,
		       const char *name)
{
	if (option->n == n)
		return 0;
	return capfile_damaged(file, "%s of %u bytes: it has %u", name, option->n, n);
}

static int take_interface_option(struct fancap_capfile *file, const struct capfile_option *option, void *result)
{
	struct capfile_interface *interface = result;
	int r = 0;

	switch (option->code) {
	case IF_TSRESOL:
		r = option_size(file, option, 1, "if_tsresol");
		if (r == 0)
			interface->tsresol = option->value[0];
		break;
	case IF_TSOFFSET:
		r = option_size(file, option, 8, "if_tsoffset");
		if (r == 0)
			interface->tsoffset_s = (int64_t)capfile_get64(file, option->value);
		break;
	case IF_FCSLEN:
		r = option_size(file, option, 1, "if_fcslen");
		/* Bits by the specification, bytes in many files; no sequence has 8 bits or fewer, nor 8 bytes. */
		if (r == 0)
			interface->fcs_bytes = option->value[0] > 8 ? option->value[0] / 8
								    : option->value[0];
		break;
	}
	return r;
}

static int take_packet_option(struct fancap_capfile *file, const struct capfile_option *option, void *result)
{
	uint32_t *fcs_bytes = result, n;

	if (option->code != EPB_FLAGS)
		return 0;
	if (option_size(file, option, 4, "epb_flags") < 0)
		return -EBADMSG;
	n = capfile_get32(file, option->value) >> EPB_FCS_SHIFT & EPB_FCS_MASK;
	if (n != 0)
		*fcs_bytes = n;
	return 0;
}

/* --- time stamps ------------------------------------------------------------------------------------- */

/* The part of 10^n that divides 64-bit ticks; beyond 10^19 they are all less than a nanosecond. */
static uint64_t power_of_ten(unsigned n)
{
	uint64_t power = 1;

	while (n-- > 0)
		power *= 10;
	return power;
}

static wide ticks_to_ns(uint64_t ticks, uint8_t tsresol)
{
	unsigned n = tsresol & ~TSRESOL_BINARY;

	if (tsresol & TSRESOL_BINARY) {
		/* The whole seconds apart from the rest, or the product takes more than 128 bits. */
		uint64_t seconds = n < 64 ? ticks >> n : 0;
		uint64_t rest = n < 64 ? ticks - (seconds << n) : ticks;
		wide ns = n < 128 ? (wide)rest * NS_PER_S >> n : 0;

		return (wide)seconds * NS_PER_S + ns;
	}
	if (n <= 9)
		return (wide)ticks * (wide)power_of_ten(9 - n);
	return n - 9 <= 19 ? (wide)(ticks / power_of_ten(n - 9)) : 0;
}

static int packet_time(struct fancap_capfile *file, const struct capfile_interface *interface,
		       const uint8_t *halves, uint64_t *ret_ns)
{
	/* The high half comes first, whatever the byte order. */
	uint64_t ticks = (uint64_t)capfile_get32(file, halves) << 32 | capfile_get32(file, halves + 4);
	wide ns = ticks_to_ns(ticks, interface->tsresol) + (wide)interface->tsoffset_s * NS_PER_S;

	if (ns < 0 || ns > UINT64_MAX)
		return capfile_damaged(file, "a time stamp out of range: %" PRIu64 " with resolution 0x%02x "
				       "and offset %" PRId64, ticks, interface->tsresol,
				       interface->tsoffset_s);
	*ret_ns = (uint64_t)ns;
	return 0;
}

/* --- blocks -------------------------------------------------------------------------------------------- */

/* Handlers return 1 a packet, 0 none in this block, -EBADMSG, -errno. */
typedef int block_take(struct fancap_capfile *file, struct body body, struct fancap_capfile_packet *ret);

static int take_section(struct fancap_capfile *file, struct body body, struct fancap_capfile_packet *ret)
{
	uint16_t major = capfile_get16(file, body.p + 4), minor = capfile_get16(file, body.p + 6);

	(void)ret;
	if (major != 1)
		return capfile_damaged(file, "pcapng version %u.%u: 1.0 is what can be read", major, minor);
	file->section_left = capfile_get64(file, body.p + 8);
	file->section_sized = file->section_left != UINT64_MAX;
	file->n_interfaces = 0;
	return 0;
}

static int take_interface(struct fancap_capfile *file, struct body body, struct fancap_capfile_packet *ret)
{
	struct capfile_interface *interface;

	(void)ret;
	if (file->n_interfaces == FANCAP_CAPFILE_INTERFACES_MAX)
		return capfile_damaged(file, "more than %u interfaces", FANCAP_CAPFILE_INTERFACES_MAX);
	interface = capfile_interface_add(file);
	if (interface == NULL)
		return file->failed;
	interface->linktype = capfile_get16(file, body.p);
	interface->snaplen = capfile_get32(file, body.p + 4);
	interface->tsresol = TSRESOL_DEFAULT;
	return capfile_options_walk(file, body.p + 8, body.n - 8, take_interface_option, interface);
}

static const struct capfile_interface *interface_find(struct fancap_capfile *file, uint32_t id)
{
	if (id < file->n_interfaces)
		return &file->interfaces[id];
	capfile_damaged(file, "a packet of interface %" PRIu32 " of %" PRIu32, id, file->n_interfaces);
	return NULL;
}

/* The data of a packet and its padding must be in the block. */
static int data_check(struct fancap_capfile *file, uint32_t caplen, uint32_t room)
{
	if (caplen > FANCAP_SNAPLEN_MAX)
		return capfile_damaged(file, "a packet of %" PRIu32 " bytes: %u at most", caplen,
				       FANCAP_SNAPLEN_MAX);
	if (padded(caplen) > room)
		return capfile_damaged(file, "a packet of %" PRIu32 " bytes in a block with room for %" PRIu32,
				       caplen, room);
	return 0;
}

/* What enhanced and obsolete packet blocks have in common: times, lengths, data, options at 4. */
static int take_timed(struct fancap_capfile *file, struct body body, uint32_t id,
		      struct fancap_capfile_packet *ret)
{
	const struct capfile_interface *interface = interface_find(file, id);
	struct fancap_capfile_packet packet = {.data = body.p + 20, .offset = file->offset};
	uint32_t fcs_bytes, data_bytes;
	const uint8_t *options;

	if (interface == NULL)
		return -EBADMSG;
	packet.linktype = interface->linktype;
	packet.caplen = capfile_get32(file, body.p + 12);
	packet.len = capfile_get32(file, body.p + 16);
	fcs_bytes = interface->fcs_bytes;
	if (data_check(file, packet.caplen, body.n - 20) < 0 ||
	    packet_time(file, interface, body.p + 4, &packet.time_ns) < 0)
		return -EBADMSG;
	data_bytes = (uint32_t)padded(packet.caplen);
	options = packet.data + data_bytes;
	if (capfile_options_walk(file, options, body.n - 20 - data_bytes, take_packet_option, &fcs_bytes) < 0 ||
	    capfile_packet_check(file, &packet, fcs_bytes) < 0)
		return -EBADMSG;
	*ret = packet;
	return 1;
}

static int take_enhanced(struct fancap_capfile *file, struct body body, struct fancap_capfile_packet *ret)
{
	return take_timed(file, body, capfile_get32(file, body.p), ret);
}

/* The other 16 bits count drops. */
static int take_obsolete(struct fancap_capfile *file, struct body body, struct fancap_capfile_packet *ret)
{
	return take_timed(file, body, capfile_get16(file, body.p), ret);
}

static int take_simple(struct fancap_capfile *file, struct body body, struct fancap_capfile_packet *ret)
{
	const struct capfile_interface *interface = interface_find(file, 0);
	struct fancap_capfile_packet packet = {
		.data = body.p + 4, .offset = file->offset, .time_ns = file->time_ns};

	if (interface == NULL)
		return -EBADMSG;
	packet.linktype = interface->linktype;
	packet.len = packet.caplen = capfile_get32(file, body.p);
	if (interface->snaplen != 0 && packet.caplen > interface->snaplen)
		packet.caplen = interface->snaplen;
	if (data_check(file, packet.caplen, body.n - 4) < 0 ||
	    capfile_packet_check(file, &packet, interface->fcs_bytes) < 0)
		return -EBADMSG;
	*ret = packet;
	return 1;
}

/* Other blocks are skipped: only their frames are looked at. */
static const struct block_row {
	uint32_t type;
	uint32_t body_bytes; /* at least */
	block_take *take;
} rows[] = {
	{BLOCK_SHB, SHB_BODY_BYTES, take_section},
	{1, 8, take_interface},
	{2, 20, take_obsolete},
	{3, 4, take_simple},
	{6, 20, take_enhanced},
};

static const struct block_row *row_find(uint32_t type)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].type == type)
			return &rows[i];
	return NULL;
}

/* A section header says in which byte order to read it. */
static int section_order(struct fancap_capfile *file, const uint8_t *p)
{
	file->swapped = false;
	if (capfile_get32(file, p + 8) == BYTE_ORDER_MAGIC)
		return 0;
	file->swapped = true;
	if (capfile_get32(file, p + 8) == BYTE_ORDER_MAGIC)
		return 0;
	return capfile_damaged(file, "a section header without byte-order magic");
}

/* A section that says how long it is ends there, at a block's end. */
static int section_check(struct fancap_capfile *file, uint32_t type, uint32_t length)
{
	bool header = type == BLOCK_SHB;

	if (!file->section_sized || (header ? file->section_left == 0 : length <= file->section_left))
		return 0;
	return capfile_damaged(file, header ? "a new section, %" PRIu64 " bytes before the end of the last"
					    : "a block beyond the end of its section, %" PRIu64 " bytes from here",
			       file->section_left);
}

/* Have a whole block. @return 1; 0 the file ends; -EBADMSG; -errno */
static int block_peek(struct fancap_capfile *file, uint32_t *ret_type, struct body *ret)
{
	int r = capfile_peek(file, BLOCK_FRAME_BYTES, "block");
	const uint8_t *p = file->buf + file->from;
	uint32_t length;

	if (r == 0 && file->section_sized && file->section_left != 0)
		return capfile_damaged(file, "the file ends %" PRIu64 " bytes before its section",
				       file->section_left);
	if (r <= 0)
		return r;
	*ret_type = capfile_get32(file, p);
	if (*ret_type == BLOCK_SHB && section_order(file, p) < 0)
		return -EBADMSG;
	length = capfile_get32(file, p + 4);
	if (length < BLOCK_FRAME_BYTES || length % 4 != 0 || length > FANCAP_CAPFILE_BLOCK_MAX)
		return capfile_damaged(file, "a block of %" PRIu32 " bytes: multiples of 4 from %u to %u", length,
				       BLOCK_FRAME_BYTES, FANCAP_CAPFILE_BLOCK_MAX);
	if (section_check(file, *ret_type, length) < 0)
		return -EBADMSG;
	r = capfile_peek(file, length, "block");
	if (r < 0)
		return r;
	p = file->buf + file->from;
	if (capfile_get32(file, p + length - 4) != length)
		return capfile_damaged(file, "a block of %" PRIu32 " bytes that ends with %" PRIu32, length,
				       capfile_get32(file, p + length - 4));
	file->pending = length;
	file->section_left -= file->section_sized ? length : 0;
	*ret = (struct body){p + 8, length - BLOCK_FRAME_BYTES};
	return 1;
}

int capfile_pcapng_block(struct fancap_capfile *file, struct capfile_block *ret)
{
	const struct block_row *row;
	struct body body;
	int r;

	capfile_consume(file);
	r = block_peek(file, &ret->type, &body);
	if (r <= 0)
		return r;
	row = row_find(ret->type);
	ret->body = body.p;
	ret->n = body.n;
	ret->is_packet = false;
	if (row == NULL)
		return 1;
	if (body.n < row->body_bytes)
		return capfile_damaged(file, "a block of type %" PRIu32 " with %" PRIu32 " bytes in it: "
				       "%" PRIu32 " at least", ret->type, body.n, row->body_bytes);
	r = row->take(file, body, &ret->packet);
	ret->is_packet = r == 1;
	return r < 0 ? r : 1;
}

int capfile_pcapng_next(struct fancap_capfile *file, struct fancap_capfile_packet *ret)
{
	struct capfile_block block;
	int r;

	do
		r = capfile_pcapng_block(file, &block);
	while (r == 1 && !block.is_packet);
	if (r == 1)
		*ret = block.packet;
	return r;
}
