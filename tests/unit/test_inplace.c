// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fancap/inplace.h"
#include "tests/tools/reader.h"
#include "tests/unit/blocks.h"
#include "tests/unit/folder.h"

#define HEAD FANCAP_INPLACE_HEAD_BYTES
#define PACKETS_MAX 4096u
#define PACKET_BYTES_MAX 65536u
#define SNAPLEN 262144u
#define SLL_END 68u /* of a slot: tpacket3_hdr, aligned, and sockaddr_ll */

/* Ethernet, PACKET_RESERVE 2: the first packet's data in the block, and any one's in its slot. */
#define FIRST_DATA 132u
#define SLOT_DATA 84u

/* A block, and what was put into it. */
struct made {
	struct test_block block;
	struct test_packet packets[PACKETS_MAX];
	uint32_t n;
};

static uint8_t noise[PACKET_BYTES_MAX + 4096];
static struct fancap_inplace_row rows[PACKETS_MAX];

static const struct fancap_inplace_extra extra = {
	.statistics = {
		.time_ns = 1700000000000000003u, .start_ns = 1700000000000000001u, .end_ns = 1700000000000000002u,
		.received = 1000, .accepted = 900, .dropped = 10, .delivered = 890, .has_received = true},
	.dropcount = 0x0102030405060708,
	.first_packetid = 0xA1A2A3A4A5A6A7A8,
	.queue = 0xB1B2B3B4,
};

static int make_noise(void **state)
{
	uint32_t x = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++) {
		x = x * 1664525u + 1013904223u;
		noise[i] = (uint8_t)(x >> 24);
	}
	return 0;
}

static void *copy_of(const void *bytes, size_t n)
{
	void *copy = malloc(n);

	assert_non_null(copy);
	return memcpy(copy, bytes, n);
}

/* --- blocks -------------------------------------------------------------------------------------------------------- */

static struct made *make_block(uint32_t size)
{
	struct made *made = calloc(1, sizeof(*made));

	assert_non_null(made);
	test_block_init(&made->block, size, 0, 2, 1);
	return made;
}

static void free_block(struct made *made)
{
	test_block_done(&made->block);
	free(made);
}

/* Append a packet of caplen bytes of noise; of `like`, what is not 0. @return false: no room */
static bool add(struct made *made, uint32_t caplen, struct test_packet like)
{
	if (like.data == NULL)
		like.data = noise + made->n * 61 % 4096;
	like.caplen = caplen;
	if (like.len == 0)
		like.len = caplen;
	if (like.time_ns == 0)
		like.time_ns = 1700000000000000000u + made->n;
	if (made->n == PACKETS_MAX || !test_block_add(&made->block, &like))
		return false;
	made->packets[made->n++] = like;
	return true;
}

static const struct test_packet plain = {.type = PACKET_HOST};
static const struct test_packet tagged = {.type = PACKET_OUTGOING, .vlan_tpid = 0x88A8, .vlan_tci = 0xE005};

static bool add_mixed(struct made *made, uint32_t caplen)
{
	return add(made, caplen, made->n % 3 == 1 ? tagged : plain);
}

static void fill(struct made *made, uint32_t caplen)
{
	while (add_mixed(made, caplen))
		;
}

/* --- what became of them ------------------------------------------------------------------------------------------- */

struct result {
	struct fancap_inplace_plan plan;
	uint8_t *block; ///< the ring's
	uint8_t *head;
};

static int plan_of(const struct made *made, struct fancap_inplace_plan *ret)
{
	return fancap_inplace_plan(made->block.bytes, made->block.size, SNAPLEN, rows, PACKETS_MAX, ret);
}

static struct result rewrite(const struct made *made)
{
	struct result result;

	assert_int_equal(plan_of(made, &result.plan), 0);
	assert_int_equal(result.plan.packets, made->n);
	assert_int_equal(result.plan.bytes % FANCAP_INPLACE_ALIGN, 0);
	assert_true(result.plan.bytes <= made->block.size);
	result.block = copy_of(made->block.bytes, made->block.size);
	result.head = malloc(HEAD);
	assert_non_null(result.head);
	memset(result.head, 0xEE, HEAD);
	fancap_inplace_rewrite(result.block, &result.plan, rows, &extra, result.head);
	return result;
}

static void result_done(struct result *result)
{
	free(result->block);
	free(result->head);
}

static void assert_same(const struct result *a, const struct result *b)
{
	assert_memory_equal(&a->plan, &b->plan, sizeof(a->plan));
	assert_memory_equal(a->head, b->head, HEAD);
	assert_memory_equal(a->block + HEAD, b->block + HEAD, a->plan.bytes - HEAD);
}

static void write_all(int fd, const void *bytes, size_t n)
{
	assert_int_equal(write(fd, bytes, n), n);
}

static void write_start(int fd)
{
	static uint8_t bytes[FANCAP_PCAPNG_SHB_MAX + FANCAP_PCAPNG_IDB_MAX];
	size_t n = fancap_pcapng_shb(bytes, &(struct fancap_pcapng_section){.application = "test"});

	n += fancap_pcapng_idb(bytes + n, &(struct fancap_pcapng_interface){.linktype = 1, .snaplen = SNAPLEN});
	write_all(fd, bytes, n);
}

static void write_result(int fd, const struct result *result)
{
	write_all(fd, result->head, HEAD);
	write_all(fd, result->block + HEAD, result->plan.bytes - HEAD);
}

static void check_statistics(const struct reader_statistics *s)
{
	assert_int_equal(s->time_ns, extra.statistics.time_ns);
	assert_int_equal(s->ifrecv, 1000);
	assert_int_equal(s->filteraccept, 900);
	assert_int_equal(s->osdrop, 10);
	assert_int_equal(s->usrdeliv, 890);
}

static void check_packet(const struct reader_packet *read, const struct test_packet *source, uint32_t n)
{
	uint32_t tag = source->vlan_tpid != 0 ? 4 : 0;
	const uint8_t tag_bytes[] = {(uint8_t)(source->vlan_tpid >> 8), (uint8_t)source->vlan_tpid,
				     (uint8_t)(source->vlan_tci >> 8), (uint8_t)source->vlan_tci};
	const uint8_t *data = source->data;

	assert_int_equal(read->caplen, source->caplen + tag);
	assert_int_equal(read->len, source->len + tag);
	assert_int_equal(read->time_ns, source->time_ns);
	assert_int_equal(read->dropcount, n == 0 ? extra.dropcount : 0);
	if (tag == 0) {
		assert_memory_equal(read->data, data, source->caplen);
		return;
	}
	assert_memory_equal(read->data, data, 12);
	assert_memory_equal(read->data + 12, tag_bytes, 4);
	assert_memory_equal(read->data + 16, data + 12, source->caplen - 12);
}

/* Options of a packet with `room` bytes between its padded data and the next block. */
static void check_options(const struct reader_packet *read, const struct test_packet *source, uint32_t n, uint32_t room)
{
	uint32_t used = 16 + (n == 0 ? 12 : 0); /* flags, opt_endofopt and length; the dropcount */
	bool queue = room >= used + 8, packetid = room >= used + 20;

	assert_int_equal(read->flags, source->type == PACKET_OUTGOING ? 2 : 5);
	assert_int_equal(read->queue, queue ? extra.queue : UINT32_MAX);
	if (packetid)
		assert_true(read->packetid == extra.first_packetid + n);
	else
		assert_true(read->packetid == UINT64_MAX);
}

static uint32_t room_behind(const struct fancap_inplace_plan *plan, uint32_t n)
{
	uint32_t end = (rows[n].offset + rows[n].caplen + 3) / 4 * 4;

	return (n + 1 < plan->packets ? rows[n + 1].offset - 28 : plan->bytes) - end;
}

/* A strict reader of other descent finds all that went in, and nothing else. */
static void check_read(const struct made *made, const struct result *result)
{
	struct reader_statistics statistics;
	struct reader_packet packet;
	struct reader *reader;
	char path[64];
	int fd = memfd_create("inplace", MFD_CLOEXEC);

	assert_true(fd >= 0);
	write_start(fd);
	write_result(fd, result);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(reader_open(path, &reader), 0);
	assert_int_equal(reader_next(reader, &packet, &statistics), READER_STATISTICS);
	check_statistics(&statistics);
	for (uint32_t n = 0; n < made->n; n++) {
		if (reader_next(reader, &packet, &statistics) != READER_PACKET)
			fail_msg("packet %u: %s", n, reader_error(reader));
		check_packet(&packet, &made->packets[n], n);
		check_options(&packet, &made->packets[n], n, room_behind(&result->plan, n));
	}
	assert_int_equal(reader_next(reader, &packet, &statistics), READER_END);
	reader_close(reader);
	close(fd);
}

/* The kernel's page, and what is not going to be written, are left alone. */
static void check_untouched(const struct made *made, const struct result *result)
{
	uint32_t bytes = result->plan.bytes;

	assert_memory_equal(result->block, made->block.bytes, HEAD);
	assert_memory_equal(result->block + bytes, made->block.bytes + bytes, made->block.size - bytes);
}

/* Change all that is neither a header nor a packet: what an earlier lap left there. */
static void change_leftovers(struct made *made)
{
	uint8_t *block = made->block.bytes;
	uint32_t end = made->block.size;

	for (uint32_t n = made->n; n-- > 0;) {
		uint8_t *slot = (uint8_t *)test_block_slot(&made->block, n);
		const struct tpacket3_hdr *h = (const struct tpacket3_hdr *)slot;
		uint32_t data_end = (uint32_t)(slot - block) + h->tp_mac + h->tp_snaplen;

		memset(block + data_end, 0x5A, end - data_end);
		memset(slot + SLL_END, 0x5A, h->tp_mac - SLL_END);
		end = (uint32_t)(slot - block);
	}
}

/* Nothing of an earlier lap gets into the file. */
static void check_no_leftovers(struct made *made, const struct result *result)
{
	struct result other;

	change_leftovers(made);
	other = rewrite(made);
	assert_same(&other, result);
	result_done(&other);
}

/* Stopped with all before `at` done, or all behind it, and done again from the same plan: the same comes out. */
static void check_again(const struct made *made, const struct result *result, uint32_t at)
{
	struct result again = {.plan = result->plan, .head = malloc(HEAD)};
	uint32_t size = made->block.size;

	assert_non_null(again.head);
	again.block = copy_of(made->block.bytes, size);
	memcpy(again.block, result->block, at);
	fancap_inplace_rewrite(again.block, &again.plan, rows, &extra, again.head);
	assert_same(&again, result);
	memcpy(again.block, made->block.bytes, at);
	fancap_inplace_rewrite(again.block, &again.plan, rows, &extra, again.head);
	assert_same(&again, result);
	result_done(&again);
}

static void check_made(struct made *made)
{
	struct result result = rewrite(made);

	check_read(made, &result);
	check_untouched(made, &result);
	check_again(made, &result, made->block.size);
	check_again(made, &result, result.plan.bytes / 2);
	check_no_leftovers(made, &result);
	result_done(&result);
}

/* --- fidelity ------------------------------------------------------------------------------------------------------ */

static void keeps_packets_of_every_size(void **state)
{
	(void)state;
	for (uint32_t caplen = 14; caplen <= 9000; caplen++) {
		struct made *made = make_block(caplen < 1600 ? 12288 : 32768);

		fill(made, caplen);
		/* Whether there is room for a trailer behind the last one is another test's business. */
		if (made->block.size - made->block.next >= 16)
			check_made(made);
		free_block(made);
	}
}

static void keeps_packets_as_large_as_they_come(void **state)
{
	(void)state;
	for (uint32_t caplen = 65500; caplen <= PACKET_BYTES_MAX; caplen++) {
		struct made *made = make_block(262144);

		fill(made, caplen);
		assert_int_equal(made->n, 3);
		check_made(made);
		free_block(made);
	}
}

static void keeps_packets_of_mixed_sizes(void **state)
{
	uint32_t x = 7;

	(void)state;
	for (unsigned round = 0; round < 50; round++) {
		struct made *made = make_block(262144);

		do
			x = x * 1664525u + 1013904223u;
		while (add_mixed(made, 14 + (x >> 20) % 1501));
		if (made->block.size - made->block.next >= 16)
			check_made(made);
		free_block(made);
	}
}

/* Each byte of an EPB comes to lie on both sides of the first page's end, with tags and without. */
static void crosses_the_first_page_anywhere(void **state)
{
	(void)state;
	for (uint32_t first = 3500; first <= 4200; first++) {
		for (unsigned tags = 0; tags < 4; tags++) {
			struct made *made = make_block(12288);

			assert_true(add(made, first, tags & 1 ? tagged : plain));
			assert_true(add(made, 99, tags & 2 ? tagged : plain));
			assert_true(add(made, 1500, plain));
			check_made(made);
			free_block(made);
		}
	}
}

static void keeps_a_single_packet_of_any_size(void **state)
{
	(void)state;
	for (uint32_t caplen = 14; caplen <= 9000; caplen += 3) {
		struct made *made = make_block(16384);

		assert_true(add_mixed(made, caplen));
		check_made(made);
		free_block(made);
	}
}

static void keeps_a_tag_of_a_packet_cut_behind_the_addresses(void **state)
{
	struct test_packet cut = tagged;

	(void)state;
	cut.len = 1500;
	for (uint32_t caplen = 12; caplen < 30; caplen++) {
		struct made *made = make_block(8192);

		assert_true(add(made, caplen, cut));
		assert_true(add(made, caplen, cut));
		check_made(made);
		free_block(made);
	}
}

static void keeps_packets_that_the_kernel_cut(void **state)
{
	struct made *made = make_block(8192);

	(void)state;
	while (add(made, 96, (struct test_packet){.len = 1514}))
		;
	check_made(made);
	free_block(made);
}

static void tells_the_earliest_and_latest_time(void **state)
{
	struct made *made = make_block(8192);
	struct fancap_inplace_plan plan;

	(void)state;
	add(made, 60, (struct test_packet){.time_ns = 5000000002});
	add(made, 60, (struct test_packet){.time_ns = 5000000001});
	add(made, 60, (struct test_packet){.time_ns = 5000000009});
	add(made, 60, (struct test_packet){.time_ns = 5000000004});
	assert_int_equal(plan_of(made, &plan), 0);
	assert_int_equal(plan.first_ns, 5000000001);
	assert_int_equal(plan.last_ns, 5000000009);
	free_block(made);
}

static void writes_no_dropcount_without_a_gap(void **state)
{
	struct fancap_inplace_extra none = extra;
	struct made *made = make_block(4096);
	uint8_t head[HEAD];
	struct fancap_inplace_plan plan;
	uint32_t option;

	(void)state;
	none.dropcount = 0;
	add(made, 60, plain);
	assert_int_equal(plan_of(made, &plan), 0);
	fancap_inplace_rewrite(made->block.bytes, &plan, rows, &none, head);
	memcpy(&option, head + FIRST_DATA + 60, sizeof(option));
	assert_int_equal(option, 4 << 16 | 2); /* epb_flags comes first */
	free_block(made);
}

/* --- room ---------------------------------------------------------------------------------------------------------- */

static void writes_whole_pages_only(void **state)
{
	(void)state;
	for (uint32_t caplen = 3900; caplen < 4000; caplen++) {
		struct made *made = make_block(12288);
		struct fancap_inplace_plan plan;

		add(made, caplen, plain);
		assert_int_equal(plan_of(made, &plan), 0);
		/* 28 bytes: flags, and a dropcount may have to go there. */
		assert_int_equal(plan.bytes, FIRST_DATA + (caplen + 3) / 4 * 4 + 28 <= 4096 ? 4096 : 8192);
		check_made(made);
		free_block(made);
	}
}

/* The second of two packets fills the block but for `spare` bytes; options are left out as room gets scarce. */
static void leaves_out_what_does_not_fit(void **state)
{
	(void)state;
	for (uint32_t spare = 0; spare < 64; spare++) {
		struct made *made = make_block(8192);
		struct fancap_inplace_plan plan;

		add(made, 60, plain);
		assert_true(add(made, test_block_room(&made->block) - spare, plain));
		if (spare < 16)
			assert_int_equal(plan_of(made, &plan), -EOPNOTSUPP);
		else
			check_made(made); /* which looks at each option */
		free_block(made);
	}
}

static void demands_room_for_a_dropcount(void **state)
{
	(void)state;
	for (uint32_t spare = 0; spare < 64; spare++) {
		struct made *made = make_block(8192);
		struct fancap_inplace_plan plan;

		assert_true(add(made, test_block_room(&made->block) - spare, plain));
		if (spare < 28)
			assert_int_equal(plan_of(made, &plan), -EOPNOTSUPP);
		else
			check_made(made);
		free_block(made);
	}
}

/* Bytes kept for the owner of a ring (tp_sizeof_priv) make the space before the first packet larger. */
static void fills_any_space_before_the_first_packet(void **state)
{
	(void)state;
	for (uint16_t priv = 0; priv <= 4200; priv = (uint16_t)(priv + 8)) {
		struct made *made = make_block(16384);
		struct fancap_inplace_plan plan;

		test_block_done(&made->block);
		test_block_init(&made->block, 16384, priv, 2, 1);
		add_mixed(made, 1400);
		add_mixed(made, 1400);
		if (FIRST_DATA - 28 + priv <= HEAD)
			check_made(made);
		else
			assert_int_equal(plan_of(made, &plan), -EOPNOTSUPP);
		free_block(made);
	}
}

/* With a tag in band and another to be put back, as when QinQ goes out: 96 bytes are left, and 100 may be wanted. */
static void demands_room_for_statistics(void **state)
{
	struct fancap_inplace_plan plan;

	(void)state;
	for (unsigned tags = 0; tags < 2; tags++) {
		struct made *made = make_block(8192);

		add(made, 60, tags != 0 ? tagged : plain);
		test_block_slot(&made->block, 0)->tp_mac = SLOT_DATA - 4;
		assert_int_equal(plan_of(made, &plan), tags != 0 ? -EOPNOTSUPP : 0);
		free_block(made);
	}
}

/* --- what has to be packed instead --------------------------------------------------------------------------------- */

static void refuses_an_empty_block(void **state)
{
	struct made *made = make_block(4096);
	struct fancap_inplace_plan plan;

	(void)state;
	assert_int_equal(plan_of(made, &plan), -EOPNOTSUPP);
	free_block(made);
}

static void refuses_more_packets_than_rows(void **state)
{
	struct made *made = make_block(4096);
	struct fancap_inplace_plan plan;
	struct fancap_inplace_row *few;

	(void)state;
	fill(made, 60);
	few = malloc((made->n - 1) * sizeof(*few)); /* a sanitizer sees one too many */
	assert_non_null(few);
	assert_int_equal(fancap_inplace_plan(made->block.bytes, 4096, SNAPLEN, few, made->n - 1, &plan), -EOPNOTSUPP);
	free(few);
	few = malloc(made->n * sizeof(*few));
	assert_non_null(few);
	assert_int_equal(fancap_inplace_plan(made->block.bytes, 4096, SNAPLEN, few, made->n, &plan), 0);
	free(few);
	free_block(made);
}

static void refuses_data_that_is_not_aligned(void **state)
{
	struct fancap_inplace_plan plan;

	(void)state;
	for (uint16_t reserve = 0; reserve < 4; reserve++) {
		struct made *made = make_block(4096);

		made->block.reserve = reserve;
		add(made, 60, plain);
		assert_int_equal(plan_of(made, &plan), reserve == 2 ? 0 : -EOPNOTSUPP);
		free_block(made);
	}
}

static void refuses_packets_that_are_to_be_cut(void **state)
{
	struct made *made = make_block(4096);
	struct fancap_inplace_plan plan;

	(void)state;
	add(made, 60, plain);
	add(made, 100, tagged);
	assert_int_equal(fancap_inplace_plan(made->block.bytes, 4096, 104, rows, PACKETS_MAX, &plan), 0);
	assert_int_equal(fancap_inplace_plan(made->block.bytes, 4096, 103, rows, PACKETS_MAX, &plan), -EOPNOTSUPP);
	free_block(made);
}

static void refuses_a_tag_that_has_no_place(void **state)
{
	struct test_packet no_mac = tagged;
	struct fancap_inplace_plan plan;
	struct made *made = make_block(4096);

	(void)state;
	add(made, 11, tagged); /* cut within the addresses */
	assert_int_equal(plan_of(made, &plan), -EOPNOTSUPP);
	free_block(made);
	made = make_block(4096);
	no_mac.no_mac = true;
	made->block.reserve = 0;
	add(made, 60, no_mac);
	assert_int_equal(plan_of(made, &plan), -EOPNOTSUPP);
	free_block(made);
}

static void refuses_a_packet_longer_than_it_was(void **state)
{
	struct made *made = make_block(4096);
	struct fancap_inplace_plan plan;

	(void)state;
	add(made, 60, (struct test_packet){.len = 59});
	assert_int_equal(plan_of(made, &plan), -EOPNOTSUPP);
	free_block(made);
}

static void refuses_a_gap_that_the_kernel_does_not_leave(void **state)
{
	struct made *made = make_block(32768);
	struct fancap_inplace_plan plan;

	(void)state;
	add(made, 60, plain);
	add(made, 20000, plain);
	add(made, 60, plain);
	test_block_slot(&made->block, 1)->tp_snaplen = 60;
	assert_int_equal(plan_of(made, &plan), -EOPNOTSUPP);
	free_block(made);
}

static void refuses_blocks_that_make_no_sense(void **state)
{
	struct fancap_inplace_plan plan;

	(void)state;
	for (unsigned spoilt = 0; spoilt < 6; spoilt++) {
		struct made *made = make_block(8192);

		fill(made, 200);
		switch (spoilt) {
		case 0: test_block_header(&made->block)->blk_len = 8193; break;
		case 1: test_block_header(&made->block)->num_pkts++; break;
		case 2: test_block_slot(&made->block, 3)->tp_next_offset = 8; break;
		case 3: test_block_slot(&made->block, 3)->tp_next_offset = 0x80000000; break;
		case 4: test_block_slot(&made->block, 3)->tp_snaplen = UINT32_MAX - 83; break;
		case 5: test_block_slot(&made->block, 3)->tp_mac = 8; break;
		}
		assert_int_equal(plan_of(made, &plan), -EBADMSG);
		free_block(made);
	}
}

static void a_plan_changes_nothing(void **state)
{
	struct made *made = make_block(65536);
	struct fancap_inplace_plan plan;
	uint8_t *before;

	(void)state;
	fill(made, 333);
	before = copy_of(made->block.bytes, made->block.size);
	assert_int_equal(plan_of(made, &plan), 0);
	assert_memory_equal(before, made->block.bytes, made->block.size);
	free(before);
	free_block(made);
}

/* --- done again ---------------------------------------------------------------------------------------------------- */

static void may_stop_anywhere_and_be_done_again(void **state)
{
	static const uint32_t sizes[] = {64, 333, 1514, 3980};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
		struct made *made = make_block(12288);
		struct result result;

		fill(made, sizes[i]);
		result = rewrite(made);
		for (uint32_t at = HEAD; at <= made->block.size; at++)
			check_again(made, &result, at);
		result_done(&result);
		free_block(made);
	}
}

/* --- other people's readers ---------------------------------------------------------------------------------------- */

/* Run a shell command, in which $FILE is the file. @return what it printed, until the next call */
static const char *output_of(const char *command)
{
	static char output[4096];
	FILE *f = popen(command, "re");
	size_t n;

	assert_non_null(f);
	n = fread(output, 1, sizeof(output) - 1, f);
	output[n] = '\0';
	if (pclose(f) != 0)
		fail_msg("%s: failed: %s", command, output);
	return output;
}

/* A block of packets of a size, and a last one that leaves `spare` bytes. @return packets; 0: not to be rewritten */
static uint32_t write_block(int fd, uint32_t caplen, uint32_t spare)
{
	/* An EtherType for experiments: no payload to complain of. */
	static uint8_t frame[8192] = {[12] = 0x88, [13] = 0xB5};
	struct test_packet like = {.data = frame};
	struct made *made = make_block(8192);
	struct fancap_inplace_plan plan;
	uint32_t packets = 0;

	while (test_block_room(&made->block) > 2 * caplen + 200) {
		like.vlan_tpid = made->n % 3 == 1 ? 0x8100 : 0;
		add(made, caplen, like);
	}
	add(made, test_block_room(&made->block) - spare, like);
	if (plan_of(made, &plan) == 0) {
		struct result result = rewrite(made);

		write_result(fd, &result);
		packets = made->n;
		result_done(&result);
	}
	free_block(made);
	return packets;
}

static uint32_t write_file(const char *path)
{
	FILE *f = fopen(path, "we");
	uint32_t packets = 0;

	assert_non_null(f);
	write_start(fileno(f));
	for (uint32_t caplen = 60; caplen <= 1514; caplen++)
		packets += write_block(fileno(f), caplen, caplen % 80);
	assert_int_equal(fclose(f), 0);
	return packets;
}

static void other_readers_have_nothing_to_say(void **state)
{
	char *folder = folder_make(), path[512];
	uint32_t packets;

	(void)state;
	snprintf(path, sizeof(path), "%s/inplace.pcapng", folder);
	setenv("FILE", path, 1);
	packets = write_file(path);
	assert_true(packets > 10000);
	if (system("command -v tshark capinfos tcpdump >/dev/null") != 0) {
		print_message("no tshark, capinfos or tcpdump here: left out\n");
		folder_remove(folder);
		return;
	}
	assert_int_equal(strtoul(output_of("capinfos -Tmrc $FILE | cut -d, -f2"), NULL, 10), packets);
	output_of("tcpdump -w $FILE.copy -r $FILE 2>&1"); /* whose exit status tells of damage */
	assert_int_equal(strtoul(output_of("capinfos -Tmrc $FILE.copy | cut -d, -f2"), NULL, 10), packets);
	assert_int_equal(strtoul(output_of("set -e; tshark -nr $FILE -T fields -e frame.number >$FILE.numbers "
					   "2>/dev/null; tail -n 1 $FILE.numbers"), NULL, 10), packets);
	assert_string_equal(output_of("tshark -nr $FILE -Y '_ws.malformed or _ws.expert or frame.comment' "
				      "2>/dev/null"), "");
	folder_remove(folder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_packets_of_every_size),
		cmocka_unit_test(keeps_packets_as_large_as_they_come),
		cmocka_unit_test(keeps_packets_of_mixed_sizes),
		cmocka_unit_test(crosses_the_first_page_anywhere),
		cmocka_unit_test(keeps_a_single_packet_of_any_size),
		cmocka_unit_test(keeps_a_tag_of_a_packet_cut_behind_the_addresses),
		cmocka_unit_test(keeps_packets_that_the_kernel_cut),
		cmocka_unit_test(tells_the_earliest_and_latest_time),
		cmocka_unit_test(writes_no_dropcount_without_a_gap),
		cmocka_unit_test(writes_whole_pages_only),
		cmocka_unit_test(leaves_out_what_does_not_fit),
		cmocka_unit_test(demands_room_for_a_dropcount),
		cmocka_unit_test(fills_any_space_before_the_first_packet),
		cmocka_unit_test(demands_room_for_statistics),
		cmocka_unit_test(refuses_an_empty_block),
		cmocka_unit_test(refuses_more_packets_than_rows),
		cmocka_unit_test(refuses_data_that_is_not_aligned),
		cmocka_unit_test(refuses_packets_that_are_to_be_cut),
		cmocka_unit_test(refuses_a_tag_that_has_no_place),
		cmocka_unit_test(refuses_a_packet_longer_than_it_was),
		cmocka_unit_test(refuses_a_gap_that_the_kernel_does_not_leave),
		cmocka_unit_test(refuses_blocks_that_make_no_sense),
		cmocka_unit_test(a_plan_changes_nothing),
		cmocka_unit_test(may_stop_anywhere_and_be_done_again),
		cmocka_unit_test(other_readers_have_nothing_to_say),
	};

	return cmocka_run_group_tests_name("inplace", tests, make_noise, NULL);
}
