// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fancap/group.h"
#include "fancap/ring.h"
#include "fancap/stats.h"
#include "tests/unit/netns.h"

#define BLOCK_BYTES 4096u
#define BLOCKS 16u
#define FRAME_BYTES 1500u /* two of them a block, one when the timer comes between */
#define TIMEOUT_MS 1u
#define TOO_MANY 100u /* frames for BLOCKS blocks */

/* A ring on one end of a veth pair, and a sender on the other. */
struct capture {
	struct fancap_geometry geometry;
	struct fancap_group group;
	struct fancap_ring ring;
	struct fancap_stats stats;
	int sender;
	uint32_t sent;	 /* frames, numbered from 0 */
	uint32_t walked; /* frames seen in blocks, in order and right to the byte */
};

static int make_link(void **state)
{
	(void)state;
	veth_add("rg0", "rg1");
	return 0;
}

static void capture_open(struct capture *c, const struct fancap_geometry *geometry)
{
	const struct fancap_filter everything = {0};
	struct fancap_error err;

	*c = (struct capture){.geometry = *geometry, .sender = sender_open("rg0")};
	const struct fancap_group_params params = {.interface = "rg1", .ifindex = ifindex_of("rg1"),
						   .members = 1, .geometry = &c->geometry};

	if (fancap_group_open(&params, &c->group, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(fancap_ring_map(&c->ring, c->group.fds[0], geometry), 0);
	assert_int_equal(fancap_group_gate_open(&c->group, &everything, &err), 0);
}

static void capture_open_small(struct capture *c)
{
	const struct fancap_geometry geometry = geometry_of(BLOCKS, BLOCK_BYTES, 1514, TIMEOUT_MS);

	capture_open(c, &geometry);
}

static void capture_close(struct capture *c)
{
	fancap_ring_unmap(&c->ring);
	fancap_group_close(&c->group);
	close(c->sender);
}

static void send_frames(struct capture *c, unsigned n, size_t bytes)
{
	uint8_t frame[FRAME_MAX];

	while (n-- > 0) {
		frame_numbered(frame, bytes, c->sent++);
		sender_send(c->sender, frame, bytes);
	}
}

/* Walk a block, expecting the frames next in order. */
static void walk_block(struct capture *c, const void *block)
{
	struct fancap_packet packet;
	struct fancap_walk walk;

	assert_int_equal(fancap_walk_start(&walk, block, c->ring.block_bytes), 0);
	while (fancap_walk_next(&walk, &packet) == 1)
		assert_int_equal(frame_number(packet.data, packet.caplen), c->walked++);
	assert_int_equal(walk.left, 0);
}

/* The next block, waiting for it. */
static void *acquire_soon(struct capture *c)
{
	for (int i = 0; i < 5000; i++) {
		void *block = fancap_ring_acquire(&c->ring);

		if (block != NULL)
			return block;
		sleep_ms(1);
	}
	fail_msg("no block in 5 s: %u frames sent, %u walked", c->sent, c->walked);
	return NULL;
}

/* Take the next block, walk it, and check its place in the ring's life. */
static uint64_t take(struct capture *c)
{
	const void *block = acquire_soon(c);
	uint64_t position = c->ring.next - 1;

	assert_ptr_equal(block, fancap_ring_block(&c->ring, position));
	assert_int_equal(fancap_block_sequence(block), position + 1);
	walk_block(c, block);
	return position;
}

/* Walk and hand back until all that was sent is there. */
static void drain(struct capture *c)
{
	while (c->walked < c->sent)
		fancap_ring_release(&c->ring, take(c));
	assert_int_equal(c->walked, c->sent);
}

static void read_stats(struct capture *c)
{
	assert_int_equal(fancap_stats_read(c->group.fds[0], &c->stats), 0);
}

static void gives_nothing_before_traffic(void **state)
{
	struct capture c;

	(void)state;
	capture_open_small(&c);
	sleep_ms(5 * TIMEOUT_MS);
	assert_null(fancap_ring_acquire(&c.ring));
	assert_int_equal(c.ring.next, 0);
	read_stats(&c);
	assert_int_equal(c.stats.packets, 0);
	capture_close(&c);
}

static void gives_frames_whole_and_in_order(void **state)
{
	const struct fancap_geometry geometry = geometry_of(8, 1 << 18, 262144 / 2, TIMEOUT_MS);
	struct capture c;

	(void)state;
	capture_open(&c, &geometry);
	for (unsigned bytes = FRAME_MIN; bytes <= FRAME_MAX; bytes++) {
		send_frames(&c, 1, bytes);
		if (bytes % 8 == 0) /* the timer may give each a block of its own */
			drain(&c);
	}
	drain(&c);
	read_stats(&c);
	assert_int_equal(c.stats.packets, c.sent);
	assert_int_equal(c.stats.drops, 0);
	assert_int_equal(c.stats.freezes, 0);
	capture_close(&c);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void describes_a_frame(void **state)
{
	uint64_t before = now_ns();
	struct fancap_packet packet;
	struct fancap_walk walk;
	struct capture c;

	(void)state;
	capture_open_small(&c);
	send_frames(&c, 1, 61);
	assert_int_equal(fancap_walk_start(&walk, acquire_soon(&c), BLOCK_BYTES), 0);
	assert_int_equal(fancap_walk_next(&walk, &packet), 1);
	assert_int_equal(packet.caplen, 61);
	assert_int_equal(packet.len, 61);
	assert_int_equal(packet.mac_len, 14);
	assert_int_equal(packet.type, PACKET_OTHERHOST);
	assert_int_equal(packet.vlan_tpid, 0);
	assert_in_range(packet.time_ns, before, now_ns());
	assert_int_equal((uintptr_t)packet.data % 4, 0); /* what the reserve of 2 is for */
	assert_int_equal(fancap_walk_next(&walk, &packet), 0);
	capture_close(&c);
}

/* Bytes that a block's header and slots take, by their own offsets: the last packet has none. */
static uint32_t bytes_taken(const void *block)
{
	const struct tpacket_hdr_v1 *header = &((const struct tpacket_block_desc *)block)->hdr.bh1;
	uint32_t offset = header->offset_to_first_pkt;
	const struct tpacket3_hdr *slot = NULL;

	for (uint32_t i = 0; i < header->num_pkts; i++) {
		slot = (const struct tpacket3_hdr *)((const uint8_t *)block + offset);
		offset += slot->tp_next_offset;
	}
	return slot == NULL ? offset : offset + ((slot->tp_mac + slot->tp_snaplen + 7u) & ~7u);
}

/* As the kernel's psock_tpacket: 100 packets, sequence numbers one apart, lengths that add up. */
static void blocks_are_numbered_and_their_lengths_add_up(void **state)
{
	struct capture c;

	(void)state;
	capture_open_small(&c);
	while (c.walked < 100) {
		send_frames(&c, 4, 60 + c.sent);
		while (c.walked < c.sent) {
			uint64_t position = take(&c); /* which checks the sequence number */
			const void *block = fancap_ring_block(&c.ring, position);

			assert_int_equal(((const struct tpacket_block_desc *)block)->hdr.bh1.blk_len,
					 bytes_taken(block));
			fancap_ring_release(&c.ring, position);
		}
	}
	assert_int_equal(c.walked, 100);
	read_stats(&c);
	assert_int_equal(c.stats.packets, 100);
	capture_close(&c);
}

static void wraps_after_last_block(void **state)
{
	struct capture c;

	(void)state;
	capture_open_small(&c);
	for (unsigned i = 0; i < 100; i++) {
		send_frames(&c, 4, FRAME_BYTES);
		drain(&c);
	}
	assert_true(c.ring.next >= 10 * BLOCKS); /* laps */
	read_stats(&c);
	assert_int_equal(c.stats.packets, 400);
	assert_int_equal(c.stats.drops, 0);
	capture_close(&c);
}

static void release_stores_exactly_zero(void **state)
{
	struct tpacket_block_desc *block;
	struct capture c;

	(void)state;
	capture_open_small(&c);
	send_frames(&c, 1, FRAME_BYTES);
	block = acquire_soon(&c);
	assert_true(fancap_ring_block_ready(&c.ring, 0));
	block->hdr.bh1.block_status |= TP_STATUS_LOSING | TP_STATUS_COPY;
	fancap_ring_release(&c.ring, 0);
	assert_int_equal(block->hdr.bh1.block_status, 0);
	assert_false(fancap_ring_block_ready(&c.ring, 0));
	capture_close(&c);
}

static void may_be_released_out_of_order(void **state)
{
	struct capture c;
	uint64_t held[3];

	(void)state;
	capture_open_small(&c);
	for (unsigned lap = 0; lap < 5; lap++) {
		send_frames(&c, 6, FRAME_BYTES);
		for (unsigned i = 0; i < 3; i++)
			held[i] = take(&c);
		fancap_ring_release(&c.ring, held[2]);
		fancap_ring_release(&c.ring, held[0]);
		fancap_ring_release(&c.ring, held[1]);
		drain(&c);
	}
	read_stats(&c);
	assert_int_equal(c.stats.packets, c.sent);
	assert_int_equal(c.stats.drops, 0);
	capture_close(&c);
}

/* Numbers do not follow on after a loss: only count. */
static uint32_t count_ready(struct capture *c)
{
	uint32_t n = 0;
	void *block;

	sleep_ms(20 * TIMEOUT_MS);
	while ((block = fancap_ring_acquire(&c->ring)) != NULL) {
		n += fancap_block_packets(block);
		fancap_ring_release(&c->ring, c->ring.next - 1);
	}
	return n;
}

static void counts_what_found_no_room(void **state)
{
	struct capture c;
	uint32_t walked;
	uint64_t drops;

	(void)state;
	capture_open_small(&c);
	send_frames(&c, TOO_MANY, FRAME_BYTES); /* nobody hands blocks back meanwhile */
	read_stats(&c);
	assert_int_equal(c.stats.packets, TOO_MANY);
	assert_in_range(c.stats.drops, TOO_MANY - 2 * BLOCKS, TOO_MANY - BLOCKS);
	assert_int_equal(c.stats.freezes, 1);
	drops = c.stats.drops;
	walked = count_ready(&c);
	assert_int_equal(c.stats.packets, drops + walked);

	/* And it goes on by itself. */
	send_frames(&c, 4, FRAME_BYTES);
	assert_int_equal(count_ready(&c), 4);
	read_stats(&c);
	assert_int_equal(c.stats.packets, TOO_MANY + 4);
	assert_int_equal(c.stats.drops, drops);
	capture_close(&c);
}

static void flags_blocks_retired_after_drops(void **state)
{
	struct capture c;
	void *block;

	(void)state;
	capture_open_small(&c);
	send_frames(&c, TOO_MANY, FRAME_BYTES);
	assert_false(fancap_block_losing(acquire_soon(&c)));
	fancap_ring_release(&c.ring, 0);
	count_ready(&c);
	send_frames(&c, 1, FRAME_BYTES); /* statistics not read since */
	block = acquire_soon(&c);
	assert_true(fancap_block_losing(block));
	capture_close(&c);
}

static void statistics_add_up_over_reads(void **state)
{
	struct capture c;

	(void)state;
	capture_open_small(&c);
	for (unsigned i = 1; i <= 5; i++) {
		send_frames(&c, 3, FRAME_BYTES);
		read_stats(&c);
		assert_int_equal(c.stats.packets, 3 * i);
		drain(&c);
	}
	read_stats(&c);
	read_stats(&c);
	assert_int_equal(c.stats.packets, 15);
	capture_close(&c);
}

static void statistics_fail_without_a_packet_socket(void **state)
{
	struct fancap_stats stats = {.packets = 5};

	(void)state;
	assert_int_equal(fancap_stats_read(-1, &stats), -EBADF);
	assert_int_equal(stats.packets, 5);
}

/* As a replacement of a dead worker does: the same socket, mapped once more. */
static void take_over(struct capture *c, uint64_t position)
{
	struct fancap_ring ring;

	assert_int_equal(fancap_ring_map(&ring, c->group.fds[0], &c->geometry), 0);
	fancap_ring_unmap(&c->ring);
	c->ring = ring;
	fancap_ring_resume(&c->ring, position);
	assert_int_equal(c->ring.next, position);
}

static void resume_hands_back_what_was_held(void **state)
{
	struct capture c;

	(void)state;
	capture_open_small(&c);
	for (unsigned i = 0; i < 10; i++) { /* at every index of the ring */
		send_frames(&c, 6, FRAME_BYTES);
		take(&c);
		take(&c); /* both recorded, neither handed back */
		take_over(&c, c.ring.next);
		drain(&c);
	}
	read_stats(&c);
	assert_int_equal(c.stats.packets, c.sent);
	assert_int_equal(c.stats.drops, 0);
	capture_close(&c);
}

static void resume_gives_again_what_was_not_recorded(void **state)
{
	struct capture c;

	(void)state;
	capture_open_small(&c);
	for (unsigned i = 0; i < 10; i++) {
		send_frames(&c, 6, FRAME_BYTES);
		take(&c);
		acquire_soon(&c); /* died before it was recorded */
		take_over(&c, c.ring.next - 1);
		drain(&c);
	}
	read_stats(&c);
	assert_int_equal(c.stats.drops, 0);
	capture_close(&c);
}

static void resume_spares_blocks_filled_since(void **state)
{
	struct capture c;
	uint64_t position;

	(void)state;
	capture_open_small(&c);
	for (unsigned i = 0; i < 10; i++) {
		send_frames(&c, BLOCKS, FRAME_BYTES);
		drain(&c);
		position = c.ring.next;
		send_frames(&c, BLOCKS, FRAME_BYTES); /* the same memory, a lap later */
		sleep_ms(10 * TIMEOUT_MS);
		take_over(&c, position);
		drain(&c);
	}
	read_stats(&c);
	assert_int_equal(c.stats.packets, c.sent);
	assert_int_equal(c.stats.drops, 0);
	capture_close(&c);
}

static void resume_of_a_full_ring_starts_it_again(void **state)
{
	struct capture c;

	(void)state;
	capture_open_small(&c);
	send_frames(&c, TOO_MANY, FRAME_BYTES);
	for (unsigned i = 0; i < BLOCKS; i++)
		take(&c);
	c.sent = c.walked; /* the others were dropped */
	take_over(&c, BLOCKS);
	send_frames(&c, 5, FRAME_BYTES);
	drain(&c);
	capture_close(&c);
}

static void a_mapping_keeps_the_ring_alive(void **state)
{
	struct capture c;

	(void)state;
	capture_open_small(&c);
	fancap_group_close(&c.group);
	send_frames(&c, 3, FRAME_BYTES);
	drain(&c);
	capture_close(&c);
}

static void private_bytes_are_ours(void **state)
{
	const struct fancap_ring_params params = {
		.size_bytes = BLOCKS * BLOCK_BYTES, .block_bytes = BLOCK_BYTES, .snaplen = 1514,
		.block_timeout_ms = TIMEOUT_MS, .priv_bytes = 20};
	uint8_t mark[20];
	struct fancap_geometry geometry;
	struct capture c;

	(void)state;
	memset(mark, 0x77, sizeof(mark));
	assert_int_equal(fancap_geometry_plan(&params, &geometry, NULL), 0);
	capture_open(&c, &geometry);
	for (unsigned i = 0; i < BLOCKS; i++)
		memcpy((uint8_t *)fancap_ring_block(&c.ring, i) + 48, mark, sizeof(mark));
	for (unsigned i = 0; i < 50; i++) {
		send_frames(&c, 4, FRAME_BYTES);
		drain(&c);
	}
	for (unsigned i = 0; i < BLOCKS; i++)
		assert_memory_equal((uint8_t *)fancap_ring_block(&c.ring, i) + 48, mark, sizeof(mark));
	capture_close(&c);
}

static void a_held_block_may_be_overwritten(void **state)
{
	struct capture c;

	(void)state;
	capture_open_small(&c);
	for (unsigned i = 0; i < 100; i++) {
		send_frames(&c, 2, FRAME_BYTES);
		while (c.walked < c.sent) {
			uint64_t position = take(&c);

			memset(fancap_ring_block(&c.ring, position), 0xEF, BLOCK_BYTES);
			fancap_ring_release(&c.ring, position);
		}
	}
	assert_true(c.ring.next >= 5 * BLOCKS);
	capture_close(&c);
}

/* A frame larger than a block closes the open one, empty as it is, and fills the next to its last byte. */
static void an_oversize_frame_leaves_an_empty_block(void **state)
{
	uint8_t frame[9000] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xB5};
	struct fancap_packet packet;
	struct fancap_walk walk;
	struct capture c;

	(void)state;
	run("ip link set rg0 mtu 9000 && ip link set rg1 mtu 9000");
	capture_open_small(&c);
	sender_send(c.sender, frame, sizeof(frame));

	assert_int_equal(fancap_walk_start(&walk, acquire_soon(&c), BLOCK_BYTES), 0);
	assert_int_equal(walk.left, 0);
	assert_int_equal(fancap_walk_next(&walk, &packet), 0);
	fancap_ring_release(&c.ring, 0);

	assert_int_equal(fancap_walk_start(&walk, acquire_soon(&c), BLOCK_BYTES), 0);
	assert_int_equal(fancap_walk_next(&walk, &packet), 1);
	assert_int_equal(packet.caplen, BLOCK_BYTES - 48 - 84);
	assert_int_equal(packet.len, sizeof(frame));
	assert_ptr_equal(packet.data + packet.caplen, c.ring.map + 2 * BLOCK_BYTES);
	fancap_ring_release(&c.ring, 1);

	send_frames(&c, 4, FRAME_BYTES);
	drain(&c);
	run("ip link set rg0 mtu 1500 && ip link set rg1 mtu 1500");
	capture_close(&c);
}

static void retires_a_block_within_its_timeout(void **state)
{
	const struct fancap_geometry geometry = geometry_of(BLOCKS, BLOCK_BYTES, 1514, 300);
	struct capture c;
	uint64_t start;

	(void)state;
	capture_open(&c, &geometry);
	start = now_ns();
	send_frames(&c, 1, FRAME_BYTES);
	take(&c);
	assert_true(now_ns() - start < 2000u * 1000000u); /* 300 ms, and much patience with the machine */
	capture_close(&c);
}

static void cannot_map_what_has_no_ring(void **state)
{
	const struct fancap_geometry geometry = geometry_of(BLOCKS, BLOCK_BYTES, 1514, TIMEOUT_MS);
	struct fancap_ring ring = {0};

	(void)state;
	assert_int_equal(fancap_ring_map(&ring, -1, &geometry), -EBADF);
	assert_null(ring.map);
	fancap_ring_unmap(&ring);
	fancap_ring_unmap(&ring);
}

static void cannot_map_another_geometry(void **state)
{
	struct fancap_geometry other;
	struct fancap_ring ring = {0};
	struct capture c;

	(void)state;
	capture_open_small(&c);
	other = geometry_of(BLOCKS + 1, BLOCK_BYTES, 1514, TIMEOUT_MS);
	assert_int_equal(fancap_ring_map(&ring, c.group.fds[0], &other), -EINVAL);
	other = geometry_of(BLOCKS - 1, BLOCK_BYTES, 1514, TIMEOUT_MS);
	assert_int_equal(fancap_ring_map(&ring, c.group.fds[0], &other), -EINVAL);
	assert_null(ring.map);
	capture_close(&c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_nothing_before_traffic),
		cmocka_unit_test(gives_frames_whole_and_in_order),
		cmocka_unit_test(describes_a_frame),
		cmocka_unit_test(blocks_are_numbered_and_their_lengths_add_up),
		cmocka_unit_test(wraps_after_last_block),
		cmocka_unit_test(release_stores_exactly_zero),
		cmocka_unit_test(may_be_released_out_of_order),
		cmocka_unit_test(counts_what_found_no_room),
		cmocka_unit_test(flags_blocks_retired_after_drops),
		cmocka_unit_test(statistics_add_up_over_reads),
		cmocka_unit_test(statistics_fail_without_a_packet_socket),
		cmocka_unit_test(resume_hands_back_what_was_held),
		cmocka_unit_test(resume_gives_again_what_was_not_recorded),
		cmocka_unit_test(resume_spares_blocks_filled_since),
		cmocka_unit_test(resume_of_a_full_ring_starts_it_again),
		cmocka_unit_test(a_mapping_keeps_the_ring_alive),
		cmocka_unit_test(private_bytes_are_ours),
		cmocka_unit_test(a_held_block_may_be_overwritten),
		cmocka_unit_test(an_oversize_frame_leaves_an_empty_block),
		cmocka_unit_test(retires_a_block_within_its_timeout),
		cmocka_unit_test(cannot_map_what_has_no_ring),
		cmocka_unit_test(cannot_map_another_geometry),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests_name("ring", tests, make_link, NULL);
}
