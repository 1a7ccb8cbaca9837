// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <linux/if_ether.h>
#include <unistd.h>

#include "fancap/link.h"
#include "lib/newfile.h"
#include "lib/pcapng_private.h"
#include "lib/setaside.h"

#define SLOT_ALIGN 8u
#define HEAD_BYTES FANCAP_INPLACE_HEAD_BYTES
#define COPY_SUFFIX ".recovering"

/* --- writing ------------------------------------------------------------------------------------------------- */

static uint64_t rows_bytes(const struct setaside_header *header)
{
	return header->rows * (uint64_t)sizeof(struct fancap_inplace_row);
}

static bool has_head(const struct setaside_header *header)
{
	return header->state != SETASIDE_AS_RECEIVED;
}

int setaside_write(const char *path, const struct setaside_header *header, const struct setaside_parts *parts)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640), r;
	uint64_t at = SETASIDE_HEADER_BYTES + (uint64_t)header->block_bytes;

	if (fd < 0)
		return -errno;
	r = newfile_write(fd, header, sizeof(*header), 0);
	if (r == 0)
		r = newfile_write(fd, parts->block, header->block_bytes, SETASIDE_HEADER_BYTES);
	if (r == 0 && has_head(header))
		r = newfile_write(fd, parts->head, HEAD_BYTES, at);
	if (r == 0 && header->rows > 0)
		r = newfile_write(fd, parts->rows, rows_bytes(header), at + HEAD_BYTES);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r < 0)
		(void)unlink(path);
	return r;
}

/* --- reading ------------------------------------------------------------------------------------------------- */

/** A file, mapped, and what becomes of it. */
struct rescue {
	const struct setaside_header *header;
	const uint8_t *block, *head;
	const struct fancap_inplace_row *rows;
	size_t bytes; /* mapped */
	uint8_t *packed; /* room for one packet */
	struct newfile to;
	uint64_t end; /* of the new file */
	uint32_t skip; /* packets that are in a recording */
	struct fancap_recover_result *result;
};

bool setaside_is(int fd)
{
	char magic[sizeof(SETASIDE_MAGIC)];

	return pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
	       memcmp(magic, SETASIDE_MAGIC, sizeof(magic)) == 0;
}

static bool header_is_sound(const struct setaside_header *header, uint64_t bytes)
{
	uint64_t needed = SETASIDE_HEADER_BYTES + (uint64_t)header->block_bytes + rows_bytes(header) +
			  (has_head(header) ? HEAD_BYTES : 0);

	return header->header_bytes == SETASIDE_HEADER_BYTES && header->block_bytes >= HEAD_BYTES && bytes >= needed &&
	       header->block_bytes % HEAD_BYTES == 0 && header->state <= SETASIDE_REWRITTEN &&
	       memchr(header->interface, '\0', sizeof(header->interface)) != NULL &&
	       (!has_head(header) || (header->plan.bytes >= HEAD_BYTES && header->plan.bytes <= header->block_bytes)) &&
	       (header->state != SETASIDE_REWRITING || header->rows == header->plan.packets);
}

static int rescue_open(struct rescue *rescue, int fd)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)SETASIDE_HEADER_BYTES)
		return -EBADMSG;
	rescue->bytes = (size_t)st.st_size;
	map = mmap(NULL, rescue->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	rescue->header = map;
	if (!header_is_sound(rescue->header, rescue->bytes))
		return -EBADMSG;
	rescue->block = (const uint8_t *)map + SETASIDE_HEADER_BYTES;
	rescue->head = rescue->block + rescue->header->block_bytes;
	rescue->rows = (const struct fancap_inplace_row *)(rescue->head + HEAD_BYTES);
	rescue->skip = rescue->header->recorded;
	rescue->packed = malloc(FANCAP_PCAPNG_SHB_MAX + FANCAP_PCAPNG_IDB_MAX + rescue->header->block_bytes);
	return rescue->packed != NULL ? 0 : -ENOMEM;
}

static void rescue_close(struct rescue *rescue)
{
	newfile_discard(&rescue->to);
	free(rescue->packed);
	if (rescue->header != NULL)
		munmap((void *)rescue->header, rescue->bytes);
}

static int append(struct rescue *rescue, const void *bytes, size_t n)
{
	int r = newfile_write(rescue->to.fd, bytes, n, rescue->end);

	rescue->end += n;
	return r;
}

static int put_headers(struct rescue *rescue)
{
	const struct setaside_header *header = rescue->header;
	const struct fancap_pcapng_section section = {.application = "fancap " PACKAGE_VERSION};
	const struct fancap_pcapng_interface interface = {
		.linktype = (uint16_t)header->linktype,
		.snaplen = header->snaplen,
		.name = header->interface,
	};
	size_t n = fancap_pcapng_shb(rescue->packed, &section);

	n += fancap_pcapng_idb(rescue->packed + n, &interface);
	return append(rescue, rescue->packed, n);
}

static void note_time(struct fancap_recover_result *result, uint64_t time_ns)
{
	if (result->packets == 0 || time_ns < result->first_ns)
		result->first_ns = time_ns;
	if (time_ns > result->last_ns)
		result->last_ns = time_ns;
}

/* At once: what is written is there, should the next one be the one that kills. */
static int put_packet(struct rescue *rescue, const struct fancap_packet *packet)
{
	if (rescue->skip > 0) {
		rescue->skip--;
		return 0;
	}
	note_time(rescue->result, packet->time_ns);
	rescue->result->packets++;
	return append(rescue, rescue->packed, fancap_pcapng_epb(rescue->packed, packet, rescue->header->snaplen, 0));
}

static void note_unreadable(struct rescue *rescue, uint32_t offset, uint32_t bytes)
{
	struct fancap_recover_result *result = rescue->result;

	if (result->bytes_cut == 0) {
		result->bytes_kept = SETASIDE_HEADER_BYTES + offset;
		snprintf(result->reason, sizeof(result->reason), "a packet that makes no sense");
	}
	result->bytes_cut += bytes;
	result->bytes_lost = result->bytes_cut;
}

/* --- as the kernel left it ----------------------------------------------------------------------------------- */

/* What a slot there tells by itself, wherever it says that the next one is. @return whether it may be one */
static bool slot_at(const struct rescue *rescue, uint32_t offset, uint32_t limit, struct fancap_packet *ret)
{
	struct fancap_walk walk = {.block = rescue->block, .limit = limit, .offset = offset, .left = 1};

	/* The kernel says AF_PACKET in each. */
	return fancap_walk_next(&walk, ret) == 1 && ret->link->sll_family == AF_PACKET &&
	       ((const struct tpacket3_hdr *)(rescue->block + offset))->tp_nsec < 1000000000u;
}

/* No slot follows where the one at the walk's offset says. @return where the next one begins; the limit: none */
static uint32_t next_slot(const struct rescue *rescue, const struct fancap_walk *walk, uint32_t from)
{
	uint32_t at = (from + SLOT_ALIGN - 1) & ~(SLOT_ALIGN - 1);
	struct fancap_packet packet;

	while (at < walk->limit && !slot_at(rescue, at, walk->limit, &packet))
		at += SLOT_ALIGN;
	return at < walk->limit ? at : walk->limit;
}

static int put_received_packet(struct rescue *rescue, struct fancap_packet *packet)
{
	packet->cooked = rescue->header->linktype == FANCAP_LINKTYPE_LINUX_SLL2;
	return put_packet(rescue, packet);
}

/*
 * The walk goes no further. The slot that it stands at may be sound but for where it says that the next one is; or be the last one:
 * how many were stepped over before is not known.
 */
static int step_over(struct rescue *rescue, struct fancap_walk *walk)
{
	uint32_t from = walk->offset;
	struct fancap_packet packet;
	int r = 0;

	if (slot_at(rescue, from, walk->limit, &packet)) {
		from = (uint32_t)(packet.data - rescue->block) + packet.caplen;
		r = put_received_packet(rescue, &packet);
	}
	walk->offset = next_slot(rescue, walk, from > walk->offset ? from : from + 1);
	walk->left -= walk->left > 1;
	if (walk->offset - from >= sizeof(struct tpacket3_hdr)) /* room for one */
		note_unreadable(rescue, from, walk->offset - from);
	return r;
}

static int put_received(struct rescue *rescue)
{
	const struct setaside_header *header = rescue->header;
	struct fancap_packet packet;
	struct fancap_walk walk;
	int r, written = 0;

	if (fancap_walk_start(&walk, rescue->block, header->block_bytes) < 0) {
		note_unreadable(rescue, 0, header->block_bytes);
		return 0;
	}
	while (written == 0 && (r = fancap_walk_next(&walk, &packet)) != 0) {
		if (r > 0)
			written = put_received_packet(rescue, &packet);
		else if (walk.offset < walk.limit)
			written = step_over(rescue, &walk);
		else
			break;
	}
	return written;
}

/* --- rewritten ----------------------------------------------------------------------------------------------- */

static uint8_t type_of(uint32_t flags)
{
	uint8_t type = PACKET_HOST;

	while (type < PACKET_OUTGOING && pcapng_epb_flags(type) != flags)
		type++;
	return type;
}

/* Data is nowhere written to; the addresses before a tag that is put back are in the row. */
static int put_row(struct rescue *rescue, const struct fancap_inplace_row *row)
{
	uint32_t tag = row->vlan_tpid != 0 ? VLAN_TAG_BYTES : 0, least = tag != 0 ? tag + MAC_ADDRESSES_BYTES : 0;
	struct fancap_packet packet = {
		.caplen = row->caplen - tag, .len = row->len - tag, .time_ns = row->time_ns,
		.vlan_tci = row->vlan_tci, .vlan_tpid = row->vlan_tpid, .mac_len = ETH_HLEN, .type = type_of(row->flags),
	};
	uint8_t *data;
	int r;

	if (row->offset > rescue->header->block_bytes || row->caplen > rescue->header->block_bytes - row->offset ||
	    row->caplen < least || row->len < row->caplen) {
		note_unreadable(rescue, 0, row->caplen);
		return 0;
	}
	data = malloc(packet.caplen + 1u);
	if (data == NULL)
		return -ENOMEM;
	memcpy(data, rescue->block + row->offset + tag, packet.caplen);
	if (tag != 0)
		memcpy(data, row->addresses, MAC_ADDRESSES_BYTES);
	packet.data = data;
	r = put_packet(rescue, &packet);
	free(data);
	return r;
}

static int put_rows(struct rescue *rescue)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < rescue->header->rows; i++)
		r = put_row(rescue, &rescue->rows[i]);
	return r;
}

static int put_rewritten(struct rescue *rescue)
{
	int r = append(rescue, rescue->head, HEAD_BYTES);

	rescue->result->packets = rescue->header->plan.packets;
	rescue->result->first_ns = rescue->header->plan.first_ns;
	rescue->result->last_ns = rescue->header->plan.last_ns;
	return r == 0 ? append(rescue, rescue->block + HEAD_BYTES, rescue->header->plan.bytes - HEAD_BYTES) : r;
}

/* --- all of it ----------------------------------------------------------------------------------------------- */

static int put_packets(struct rescue *rescue)
{
	switch ((enum setaside_state)rescue->header->state) {
	case SETASIDE_AS_RECEIVED: return put_received(rescue);
	case SETASIDE_REWRITING: return put_rows(rescue);
	case SETASIDE_REWRITTEN: return put_rewritten(rescue);
	}
	return -EBADMSG;
}

static int put_closing(struct rescue *rescue)
{
	const struct fancap_recover_result *result = rescue->result;
	const struct fancap_pcapng_statistics statistics = {
		.time_ns = result->last_ns,
		.start_ns = result->first_ns,
		.end_ns = result->last_ns,
		.accepted = result->packets,
		.delivered = result->packets,
	};

	return append(rescue, rescue->packed, fancap_pcapng_isb(rescue->packed, &statistics));
}

static int rescue_run(struct rescue *rescue, int fd, const char *to)
{
	struct stat st;
	int r = rescue_open(rescue, fd);

	if (r < 0)
		return r;
	if (lstat(to, &st) == 0)
		return -EEXIST;
	r = newfile_open(to, COPY_SUFFIX, &rescue->to);
	if (r == 0)
		r = put_headers(rescue);
	if (r == 0)
		r = put_packets(rescue);
	if (r == 0)
		r = put_closing(rescue);
	if (r == 0 && fstat(fd, &st) == 0 && fchmod(rescue->to.fd, st.st_mode & 0777) < 0)
		r = -errno;
	return r == 0 ? newfile_publish(&rescue->to) : r;
}

int setaside_recover(int fd, const char *from, const char *to, struct fancap_recover_result *ret, struct fancap_error *err)
{
	struct rescue rescue = {.result = ret, .to = {.fd = -1}};
	int r = rescue_run(&rescue, fd, to);

	if (r == -EBADMSG)
		fancap_error_set(err, "%s: not a whole block that was set aside", from);
	else if (r < 0)
		fancap_error_set(err, "%s: %s", r == -EEXIST ? to : from, strerror(-r));
	rescue_close(&rescue);
	ret->bytes = rescue.end;
	if (ret->bytes_cut == 0)
		ret->bytes_kept = ret->bytes;
	ret->changed = ret->made = r == 0;
	return r;
}
