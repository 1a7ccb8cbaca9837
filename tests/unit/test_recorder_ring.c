// SPDX-License-Identifier: BSD-3-Clause
/*
 * The recorder on a small ring that the kernel fills, lap after lap: blocks held for long, all of them at times. Whatever
 * is written into them, the kernel must never find a status word but its own, or 0.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/recorder.h"
#include "fancap/group.h"
#include "fancap/ring.h"
#include "fancap/stats.h"
#include "tests/tools/reader.h"
#include "tests/unit/folder.h"
#include "tests/unit/ledgers.h"
#include "tests/unit/netns.h"

#define BLOCKS 6u
#define BLOCK_BYTES (64u << 10)
#define TIMEOUT_MS 5u
#define SNAPLEN 2000u
#define STEPS 5000u
#define FRAMES_MAX 400000u

/* What the kernel makes of a block that it gives to us: tpacket_rcv() and prb_close_block() know no more. */
#define KERNEL_STATUS (TP_STATUS_USER | TP_STATUS_LOSING | TP_STATUS_BLK_TMO | TP_STATUS_COPY | TP_STATUS_CSUMNOTREADY)

static struct fixture {
	char *folder;
	struct fancap_geometry geometry;
	struct fancap_group group;
	struct fancap_ring ring;
	struct ledger *ledger;
	struct recorder *recorder;
	struct recorder_params params;
	struct recorder_settings settings;
	struct fancap_stats stats;
	int sender;
	uint32_t sent;
	uint64_t released; /* position of the first block not handed back */
	uint32_t status[BLOCKS]; /* of blocks held: as it was when we got it */
	uint64_t full;		 /* how often we held the whole ring */
} fx;

static struct found {
	uint8_t times[FRAMES_MAX];
	uint64_t packets, direct, dropcount, osdrop, accepted, delivered;
	uint32_t last; /* number of the packet before */
} found;

/* --- set-up -------------------------------------------------------------------------------------------------- */

static int make_link(void **state)
{
	(void)state;
	veth_add("rr0", "rr1");
	return 0;
}

static void setup(enum config_writer writer, uint32_t gather_bytes)
{
	const struct fancap_filter everything = {0};
	struct fancap_error err;

	memset(&fx, 0, sizeof(fx));
	fx.folder = folder_make();
	fx.geometry = geometry_of(BLOCKS, BLOCK_BYTES, SNAPLEN, TIMEOUT_MS);
	fx.sender = sender_open("rr0");
	const struct fancap_group_params group = {
		.interface = "rr1", .ifindex = ifindex_of("rr1"), .members = 1, .geometry = &fx.geometry};

	if (fancap_group_open(&group, &fx.group, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(fancap_ring_map(&fx.ring, fx.group.fds[0], &fx.geometry), 0);
	fx.ledger = ledger_make(BLOCK_BYTES, NULL);
	fx.params = (struct recorder_params){
		.folders = (const char *const *)&fx.folder, .n_folders = 1, .interface = "rr1", .linktype = 1, .mailbox_fd = -1,
		.gather_bytes = gather_bytes, .log = {"rr1", 0}};
	fx.settings = (struct recorder_settings){.writer = writer, .snaplen = SNAPLEN, .rotate_size_bytes = 5u << 20};
	assert_int_equal(recorder_open(&fx.params, &fx.settings, fx.ledger, &fx.recorder), 0);
	assert_int_equal(fancap_group_gate_open(&fx.group, &everything, &err), 0);
}

static void teardown(void)
{
	fancap_ring_unmap(&fx.ring);
	fancap_group_close(&fx.group);
	close(fx.sender);
	ledger_unmap(fx.ledger);
	folder_remove(fx.folder);
}

/* --- the ring ------------------------------------------------------------------------------------------------ */

static uint32_t status_of(uint64_t position)
{
	const struct tpacket_block_desc *block = fancap_ring_block(&fx.ring, position);

	return __atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE);
}

/* Held: as the kernel gave it to us, number and all. Else the kernel's: exactly 0, or given to us again by now. */
static void check_status_words(void)
{
	for (uint64_t position = fx.released; position < fx.released + BLOCKS; position++) {
		uint32_t status = status_of(position);

		if (position < fx.ring.next) {
			assert_int_equal(status, fx.status[position % BLOCKS]);
			assert_int_equal(fancap_block_sequence(fancap_ring_block(&fx.ring, position)), position + 1);
		} else if (status != TP_STATUS_KERNEL) {
			assert_true((status & TP_STATUS_USER) != 0);
			assert_int_equal(status & ~(uint32_t)KERNEL_STATUS, 0);
		}
	}
}

static bool record_one(void)
{
	uint64_t position = fx.ring.next;
	void *block = fancap_ring_acquire(&fx.ring);

	if (block == NULL)
		return false;
	fx.status[position % BLOCKS] = status_of(position);
	recorder_block(fx.recorder, block, BLOCK_BYTES);
	check_status_words();
	fx.full += fx.ring.next - fx.released == BLOCKS;
	return true;
}

/* At most so many of those that are done with. */
static void release_some(unsigned n)
{
	recorder_reap(fx.recorder);
	while (n-- > 0 && fx.released < recorder_position(fx.recorder)) {
		fancap_ring_release(&fx.ring, fx.released++);
		check_status_words();
	}
}

/* The supervisor's part: what the kernel has counted. */
static void read_kernel(void)
{
	assert_int_equal(fancap_stats_read(fx.group.fds[0], &fx.stats), 0);
	ledger_set_kernel(fx.ledger, &fx.stats);
}

static void send_some(unsigned n, size_t bytes)
{
	uint8_t frame[FRAME_MAX];

	while (n-- > 0 && fx.sent < FRAMES_MAX) {
		size_t length = bytes != 0 ? bytes : FRAME_MIN + (size_t)rand() % (FRAME_MAX - FRAME_MIN + 1);

		frame_numbered(frame, length, fx.sent++);
		sender_send(fx.sender, frame, length);
	}
}

/* Until all that the kernel took is written and handed back. */
static void settle(void)
{
	for (unsigned i = 0; i < 5000; i++) {
		while (record_one())
			;
		recorder_flush(fx.recorder);
		release_some(BLOCKS);
		read_kernel();
		if (recorder_packets_done(fx.recorder) + fx.stats.drops == fx.sent && fx.released == fx.ring.next)
			return;
		sleep_ms(1);
	}
	fail_msg("%llu recorded, %llu dropped of %u", (unsigned long long)recorder_packets_done(fx.recorder),
		 (unsigned long long)fx.stats.drops, fx.sent);
}

/* --- reading back -------------------------------------------------------------------------------------------- */

static void check_packet(const struct reader_packet *packet)
{
	uint32_t number = frame_number(packet->data, packet->caplen);

	assert_true(number < fx.sent);
	assert_true(found.packets == 0 || number > found.last);
	found.last = number;
	found.times[number]++;
	found.packets++;
	found.direct += packet->queue != UINT32_MAX;
	found.dropcount += packet->dropcount;
}

static void read_file(const char *path, void *arg)
{
	struct reader_statistics last = {0};
	struct reader_packet packet;
	struct reader *reader;
	enum reader_event event;

	(void)arg;
	assert_int_equal(reader_open(path, &reader), 0);
	while ((event = reader_next(reader, &packet, &last)) != READER_END) {
		if (event == READER_ERROR)
			fail_msg("%s: %s", path, reader_error(reader));
		if (event == READER_PACKET)
			check_packet(&packet);
	}
	reader_close(reader);
	found.osdrop += last.osdrop;
	found.accepted += last.filteraccept;
	found.delivered += last.usrdeliv;
}

/* --- laps ------------------------------------------------------------------------------------------------------ */

static void step(void)
{
	switch (rand() % 8) {
	case 0: recorder_flush(fx.recorder); break;
	case 1: read_kernel(); break;
	case 2: sleep_ms(1); break;
	case 3: /* hold all there is, until the kernel has no room */
		if (rand() % 10 == 0) {
			for (unsigned i = 0; i < BLOCKS; i++) {
				send_some(100, FRAME_MAX);
				(void)record_one();
			}
		}
		break;
	case 4: send_some((unsigned)rand() % 200, 60); break;
	default: send_some((unsigned)rand() % 40, rand() % 2 == 0 ? 0 : FRAME_MAX);
	}
	check_status_words();
	if (rand() % 3 > 0)
		(void)record_one();
	release_some((unsigned)rand() % 3);
	check_status_words();
}

static void run_laps(enum config_writer writer, uint32_t gather_bytes)
{
	srand(7);
	setup(writer, gather_bytes);
	for (unsigned i = 0; i < STEPS; i++)
		step();
	settle();
	send_some(10, 500); /* at one of these the last gap is told */
	settle();
	recorder_close(fx.recorder);
	assert_int_equal(folder_count(fx.folder, ".part"), 0);
	memset(&found, 0, sizeof(found));
	folder_each(fx.folder, ".pcapng", read_file, NULL);
	assert_true(fx.ring.next > 20 * BLOCKS);
	assert_true(fx.full > 10);
	assert_true(fx.stats.drops > 0);
	assert_int_equal(fx.sent, found.packets + fx.stats.drops);
	assert_int_equal(found.delivered, found.packets);
	assert_int_equal(found.dropcount, fx.stats.drops);
	assert_int_equal(found.osdrop, fx.stats.drops);
	assert_int_equal(found.accepted, fx.sent);
	assert_int_equal(fx.stats.packets, fx.sent);
	teardown();
}

static void laps_written_from_the_ring(void **state)
{
	(void)state;
	run_laps(CONFIG_WRITER_DIRECT, 0);
	assert_true(found.direct > found.packets / 2);
}

/* Held until there are three of them, or until somebody asks. */
static void laps_gathered(void **state)
{
	(void)state;
	run_laps(CONFIG_WRITER_DIRECT, 3 * BLOCK_BYTES);
	assert_true(found.direct > found.packets / 2);
}

static void laps_packed(void **state)
{
	(void)state;
	run_laps(CONFIG_WRITER_STAGED, 0);
	assert_int_equal(found.direct, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(laps_written_from_the_ring),
		cmocka_unit_test(laps_gathered),
		cmocka_unit_test(laps_packed),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests_name("recorder on a ring", tests, make_link, NULL);
}
