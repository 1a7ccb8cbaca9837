// SPDX-License-Identifier: BSD-3-Clause
/* Whether the kernel agrees with lib/geometry.c: takes what we take, refuses what we call its rule. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "fancap/geometry.h"
#include "fancap/group.h"
#include "fancap/stats.h"
#include "tests/unit/netns.h"

/* Ask the kernel for a ring. @return 0 or -errno */
static int request(const struct tpacket_req3 *req, int reserve)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), version = TPACKET_V3, r;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_RESERVE, &reserve, sizeof(reserve)), 0);
	r = setsockopt(fd, SOL_PACKET, PACKET_RX_RING, req, sizeof(*req)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static void takes_what_we_take(void **state)
{
	static const struct fancap_ring_params rows[] = {
		{.size_bytes = 4096, .block_bytes = 4096, .block_timeout_ms = 1, .snaplen = 1},
		{.size_bytes = 4096, .block_bytes = 4096, .block_timeout_ms = 60000, .snaplen = 3952},
		{.size_bytes = 12288, .block_bytes = 12288, .block_timeout_ms = 9, .snaplen = 1514},
		{.size_bytes = 4096, .block_bytes = 4096, .block_timeout_ms = 9, .snaplen = 1,
		 .priv_bytes = 3944},
		{.size_bytes = 4096, .block_bytes = 4096, .block_timeout_ms = 9, .snaplen = 1,
		 .reserve_bytes = 3951},
		{.size_bytes = 69632, .block_bytes = 69632, .block_timeout_ms = 9, .snaplen = 1,
		 .priv_bytes = 65535},
		{.size_bytes = 131072, .block_bytes = 131072, .block_timeout_ms = 9, .snaplen = 1,
		 .reserve_bytes = 65439},
		{.size_bytes = 8 << 20, .block_bytes = 8 << 20, .block_timeout_ms = 9, .snaplen = 262144,
		 .reserve_bytes = 2},
		/* The most blocks: 256 MiB. */
		{.size_bytes = 65535 * 4096, .block_bytes = 4096, .block_timeout_ms = 9, .snaplen = 60},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct fancap_geometry geometry;
		struct fancap_error err;

		if (fancap_geometry_plan(&rows[i], &geometry, &err) < 0)
			fail_msg("row %zu: %s", i, err.text);
		if (request(&geometry.req, geometry.reserve_bytes) < 0)
			fail_msg("row %zu: the kernel refuses", i);
	}
}

/* One block of whole pages with one frame in it, as fancap_geometry_plan() does it. */
static struct tpacket_req3 one_block(unsigned block_bytes)
{
	return (struct tpacket_req3){
		.tp_block_size = block_bytes, .tp_block_nr = 1, .tp_frame_size = block_bytes,
		.tp_frame_nr = 1, .tp_retire_blk_tov = 9};
}

static void refuses_blocks_of_no_whole_pages(void **state)
{
	struct tpacket_req3 req = one_block(4096 + 16);

	(void)state;
	assert_int_equal(request(&req, 0), -EINVAL);
	req = one_block(0x80000000);
	assert_int_equal(request(&req, 0), -EINVAL);
}

static void refuses_blocks_without_room_for_their_headers(void **state)
{
	struct tpacket_req3 req = one_block(4096);

	(void)state;
	if (sysconf(_SC_PAGESIZE) != 4096)
		return;
	req.tp_sizeof_priv = 3976; /* 48 + 3976 + 68 = 4092 */
	assert_int_equal(request(&req, 0), 0);
	assert_int_equal(request(&req, 4), 0);
	assert_int_equal(request(&req, 5), -EINVAL);
	req.tp_sizeof_priv = 3977;
	assert_int_equal(request(&req, 0), -EINVAL);
	req.tp_sizeof_priv = 0;
	assert_int_equal(request(&req, 3980), 0);
	assert_int_equal(request(&req, 3981), -EINVAL);
}

static void refuses_frames_that_do_not_fit_the_blocks(void **state)
{
	struct tpacket_req3 req = one_block(4096);

	(void)state;
	req.tp_frame_nr = 2;
	assert_int_equal(request(&req, 0), -EINVAL);
	req = one_block(4096);
	req.tp_frame_size = 4096 - 8; /* not a multiple of 16 */
	assert_int_equal(request(&req, 0), -EINVAL);
	req.tp_frame_size = 64; /* less than the headers */
	req.tp_frame_nr = 64;
	assert_int_equal(request(&req, 0), -EINVAL);
	req = one_block(4096);
	req.tp_frame_size = 8192;
	assert_int_equal(request(&req, 0), -EINVAL);
}

static int request_v3_frames(unsigned frame_bytes, unsigned frames, int reserve)
{
	struct tpacket_req3 req = one_block(4096);

	req.tp_frame_size = frame_bytes;
	req.tp_frame_nr = frames;
	return request(&req, reserve);
}

/* We make one frame of a block, and so keep all of these; here is that they are the kernel's, to the step. */
static void has_bounds_where_we_take_them_to_be(void **state)
{
	struct tpacket_req3 req = one_block(4096);

	(void)state;
	if (sysconf(_SC_PAGESIZE) != 4096)
		return;
	assert_int_equal(request(&req, 0), 0); /* one page; a step of 16 on: see above */
	assert_int_equal(request_v3_frames(80, 51, 0), 0); /* 68 bytes of headers, rounded up to 16 */
	assert_int_equal(request_v3_frames(64, 64, 0), -EINVAL);
	assert_int_equal(request_v3_frames(80, 51, 12), 0); /* with the reserve: 80 */
	assert_int_equal(request_v3_frames(80, 51, 13), -EINVAL);
	assert_int_equal(request_v3_frames(2048, 2, 0), 0);
	assert_int_equal(request_v3_frames(2048 - 16, 2, 0), 0); /* need not divide the block */
	assert_int_equal(request_v3_frames(2048 - 8, 2, 0), -EINVAL);
	assert_int_equal(request_v3_frames(2048, 1, 0), -EINVAL); /* exactly as many as there are */
	assert_int_equal(request_v3_frames(2048, 3, 0), -EINVAL);
	assert_int_equal(request_v3_frames(4096, 1, 0), 0);
	assert_int_equal(request_v3_frames(4096 + 16, 1, 0), -EINVAL); /* none fits */
	req.tp_block_size = 0x7FFFF000 + 0x1000u; /* an int, for the kernel */
	assert_int_equal(request(&req, 0), -EINVAL);
	req = one_block(4096);
	req.tp_block_nr = 0; /* would end the ring */
	assert_int_equal(request(&req, 0), -EINVAL);
}

/* Send one frame to a group of one. @return whether it got past the ring's own checks */
static bool receives_with_reserve(uint16_t reserve)
{
	struct fancap_geometry geometry = geometry_of(2, 1 << 18, 1514, 1);
	const struct fancap_group_params params = {
		.interface = "gk1", .ifindex = ifindex_of("gk1"), .members = 1, .geometry = &geometry};
	const struct fancap_filter everything = {0};
	struct fancap_stats stats = {0};
	struct fancap_group group;
	struct fancap_error err;
	uint8_t frame[60];
	int sender;

	geometry.reserve_bytes = reserve;
	if (fancap_group_open(&params, &group, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(fancap_group_gate_open(&group, &everything, &err), 0);
	frame_numbered(frame, sizeof(frame), 1);
	sender = sender_open("gk0");
	sender_send(sender, frame, sizeof(frame));
	sleep_ms(20);
	assert_int_equal(fancap_stats_read(group.fds[0], &stats), 0);
	assert_int_equal(stats.packets, 1);
	close(sender);
	fancap_group_close(&group);
	return stats.drops == 0;
}

static void drops_everything_behind_too_great_a_reserve(void **state)
{
	(void)state;
	veth_add("gk0", "gk1");
	assert_true(receives_with_reserve(65439));
	assert_false(receives_with_reserve(65440));
	link_delete("gk0");
}

/* --- frames: V1 and V2 ------------------------------------------------------------------------------------------ */

static int request_frames(enum fancap_version version, const struct tpacket_req *req, int reserve)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), v = (int)version, r;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VERSION, &v, sizeof(v)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_RESERVE, &reserve, sizeof(reserve)), 0);
	r = setsockopt(fd, SOL_PACKET, PACKET_RX_RING, req, sizeof(*req)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* Ask the plan and, with the same figures, the kernel. */
static void ask_both(const struct fancap_frame_params *p, int expected)
{
	const struct tpacket_req req = {
		.tp_block_size = p->block_bytes,
		.tp_block_nr = (unsigned)(p->size_bytes / p->block_bytes),
		.tp_frame_size = p->frame_bytes,
		.tp_frame_nr = (unsigned)(p->size_bytes / p->block_bytes) * (p->block_bytes / p->frame_bytes)};
	struct fancap_frame_geometry g;
	struct fancap_error err = {""};
	int r = fancap_geometry_frames(p, &g, &err);

	if (r != (expected < 0 ? -EINVAL : 0))
		fail_msg("we say %d: %s", r, err.text);
	assert_int_equal(request_frames(p->version, &req, p->reserve_bytes), expected);
	if (r == 0)
		assert_memory_equal(&g.req, &req, sizeof(req));
}

static void agrees_on_frames_at_every_bound(void **state)
{
	static const struct {
		uint32_t blocks, block_bytes, frame_bytes;
		uint16_t reserve_bytes;
		int expected;
	} rows[] = {
		{4, 4096, 2048, 0, 0},
		{4, 4096 + 16, 2048, 0, -EINVAL},  /* no whole pages */
		{4, 12288, 2048, 0, 0},		   /* whole pages, no power of two */
		{1, 4096, 64, 0, 0},		   /* the least frame */
		{1, 4096, 48, 0, -EINVAL},
		{1, 4096, 64, 12, 0},		   /* 52 + 12 */
		{1, 4096, 64, 13, -EINVAL},
		{1, 4096, 4096, 4044, 0},	   /* nothing but headers */
		{1, 4096, 4096, 4045, -EINVAL},
		{4, 4096, 1040, 0, 0},		   /* does not divide the block size */
		{4, 4096, 1048, 0, -EINVAL},	   /* no multiple of 16 */
		{4, 4096, 4096, 0, 0},		   /* a block a frame */
		{4, 4096, 4112, 0, -EINVAL},	   /* would straddle blocks */
	};

	(void)state;
	for (size_t i = 0; i < 2 * N_ELEMENTS(rows); i++) {
		struct fancap_frame_params p = {
			.version = i % 2 == 0 ? FANCAP_V1 : FANCAP_V2,
			.block_bytes = rows[i / 2].block_bytes,
			.size_bytes = (uint64_t)rows[i / 2].blocks * rows[i / 2].block_bytes,
			.frame_bytes = rows[i / 2].frame_bytes, .reserve_bytes = rows[i / 2].reserve_bytes};

		ask_both(&p, rows[i / 2].expected);
	}
}

static void refuses_a_wrong_count_of_frames(void **state)
{
	struct tpacket_req req = {
		.tp_block_size = 4096, .tp_block_nr = 4, .tp_frame_size = 1040, .tp_frame_nr = 12};

	(void)state;
	assert_int_equal(request_frames(FANCAP_V2, &req, 0), 0);
	req.tp_frame_nr = 11;
	assert_int_equal(request_frames(FANCAP_V2, &req, 0), -EINVAL);
	req.tp_frame_nr = 15; /* as if blocks did not matter: 16384 / 1040 */
	assert_int_equal(request_frames(FANCAP_V1, &req, 0), -EINVAL);
}

/* At the bound the ring takes 2 GiB. */
static bool has_memory(void)
{
	struct sysinfo info;

	assert_int_equal(sysinfo(&info), 0);
	if (sysconf(_SC_PAGESIZE) == 4096 && (uint64_t)info.freeram * info.mem_unit >= 6ull << 30)
		return true;
	print_message("not 6 GiB free, in pages of 4 KiB: not tested\n");
	return false;
}

static void agrees_on_the_most_blocks_and_frames(void **state)
{
	/* Both bounds at once: 524288 blocks of 64 frames, 32 Mi frames. */
	struct fancap_frame_params p = {.version = FANCAP_V2, .block_bytes = 4096, .frame_bytes = 64,
					.size_bytes = 524288ull * 4096};

	(void)state;
	if (has_memory())
		ask_both(&p, 0);
	p.size_bytes += 4096;
	ask_both(&p, -ENOMEM);
	/* Blocks enough, too many frames. */
	p.block_bytes = 8192;
	p.size_bytes = 262145ull * 8192;
	if (has_memory())
		ask_both(&p, -ENOMEM);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_we_take),
		cmocka_unit_test(refuses_blocks_of_no_whole_pages),
		cmocka_unit_test(refuses_blocks_without_room_for_their_headers),
		cmocka_unit_test(refuses_frames_that_do_not_fit_the_blocks),
		cmocka_unit_test(has_bounds_where_we_take_them_to_be),
		cmocka_unit_test(drops_everything_behind_too_great_a_reserve),
		cmocka_unit_test(agrees_on_frames_at_every_bound),
		cmocka_unit_test(refuses_a_wrong_count_of_frames),
		cmocka_unit_test(agrees_on_the_most_blocks_and_frames),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests_name("geometry_kernel", tests, NULL, NULL);
}
