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

/* The same figures as a request, whatever they are worth: what the kernel is asked when we have refused them. */
static struct tpacket_req3 unchecked(const struct fancap_ring_params *p)
{
	unsigned blocks = p->block_bytes != 0 ? (unsigned)(p->size_bytes / p->block_bytes) : 1;

	return (struct tpacket_req3){
		.tp_block_size = p->block_bytes, .tp_block_nr = blocks, .tp_frame_size = p->block_bytes,
		.tp_frame_nr = blocks, .tp_retire_blk_tov = p->block_timeout_ms, .tp_sizeof_priv = p->priv_bytes};
}

/* At the bound the ring takes 2 GiB. */
static bool has_memory(void)
{
	struct sysinfo info;

	assert_int_equal(sysinfo(&info), 0);
	if ((uint64_t)info.freeram * info.mem_unit >= 6ull << 30)
		return true;
	print_message("not 6 GiB free: not tested\n");
	return false;
}

/*
 * Every constraint of fancap_geometry_plan(): accepted at the bound, by the kernel too; one step beyond refused, with
 * its own text. What the kernel says to that step is in the last column: 0 where the rule is ours, since the kernel
 * takes the ring but does not do with it what was meant.
 */
static const struct bound {
	struct fancap_ring_params at, beyond; /* size, block, timeout, snaplen, private and reserved bytes */
	const char *text;
	int kernel;
} bounds[] = {
	{{65536, 4096, 9, 1, 0, 0}, {65536, 4096, 9, 0, 0, 0}, "snaplen 0 keeps nothing of a packet: the least is 1", 0},
	{{65536, 4096, 1, 60, 0, 0}, {65536, 4096, 0, 60, 0, 0}, "block timeout 0 ms: 1 to 60000 ms are allowed", 0},
	{{65536, 4096, 60000, 60, 0, 0}, {65536, 4096, 60001, 60, 0, 0},
	 "block timeout 60001 ms: 1 to 60000 ms are allowed", 0},
	/* That the kernel drops every packet then is below: drops_everything_behind_too_great_a_reserve() */
	{{131072, 131072, 9, 60, 0, 65439}, {131072, 131072, 9, 60, 0, 65440},
	 "reserve of 65440 bytes puts packets where the kernel drops them: at most 65439 bytes are allowed", 0},
	{{65536, 4096, 9, 60, 0, 0}, {65536, 0, 9, 60, 0, 0},
	 "block size 0 is out of range: 4096 to 2147479552 bytes are allowed", -EINVAL},
	{{2147479552, 2147479552, 9, 60, 0, 0}, {2147483648, 2147483648, 9, 60, 0, 0},
	 "block size 2147483648 is out of range: 4096 to 2147479552 bytes are allowed", -EINVAL},
	{{65536, 8192, 9, 60, 0, 0}, {8192 + 16, 8192 + 16, 9, 60, 0, 0},
	 "block size 8208 is not a multiple of the page size 4096: the nearest that is, is 8192", -EINVAL},
	/* 48 + 3976 + 68 + 4 = 4096, but that leaves no room for a packet: our bound is the next rule's */
	{{65536, 4096, 9, 60, 3888, 0}, {65536, 4096, 9, 60, 3977, 0},
	 "block size 4096 cannot hold its own headers: 3977 private and 0 reserved bytes need at least 8192", -EINVAL},
	{{65536, 4096, 9, 60, 0, 3892}, {65536, 4096, 9, 60, 0, 3981},
	 "block size 4096 cannot hold its own headers: 0 private and 3981 reserved bytes need at least 8192", -EINVAL},
	{{65536, 4096, 9, 3952, 0, 0}, {65536, 4096, 9, 3953, 0, 0},
	 "block size 4096 cannot hold a packet of 3953 bytes, so packets would be cut short of snaplen 3953: "
	 "use a block size of at least 8192 or a snaplen of at most 3952", 0},
	/* A ring of no blocks is none: so it is taken away again. */
	{{4096, 4096, 9, 60, 0, 0}, {4095, 4096, 9, 60, 0, 0},
	 "ring size 4095 is smaller than one block of 4096 bytes: the least is 4096", 0},
	/* To the kernel a ring is so many blocks: it cannot be asked for a part of one. */
	{{8192, 4096, 9, 60, 0, 0}, {8193, 4096, 9, 60, 0, 0},
	 "ring size 8193 is not a multiple of the block size 4096: the nearest that is, is 8192", 0},
	/* The kernel allocates them all, but counts them in 16 bits. */
	{{65535 * 4096, 4096, 9, 60, 0, 0}, {65536 * 4096, 4096, 9, 60, 0, 0},
	 "ring of 65536 blocks: the kernel handles at most 65535; use blocks of at least 8192 bytes, or a ring size "
	 "of at most 268431360 is allowed", 0},
};

static void expect_taken(const struct fancap_ring_params *p)
{
	struct fancap_geometry geometry;
	struct fancap_error err = {""};

	if (fancap_geometry_plan(p, &geometry, &err) < 0)
		fail_msg("we refuse: %s", err.text);
	if (p->size_bytes < 1u << 30 || has_memory())
		assert_int_equal(request(&geometry.req, geometry.reserve_bytes), 0);
}

static void agrees_on_every_bound(void **state)
{
	(void)state;
	if (sysconf(_SC_PAGESIZE) != 4096) {
		print_message("the figures are for pages of 4 KiB: not tested\n");
		return;
	}
	for (size_t i = 0; i < N_ELEMENTS(bounds); i++) {
		const struct bound *bound = &bounds[i];
		const struct tpacket_req3 req = unchecked(&bound->beyond);
		struct fancap_geometry geometry;
		struct fancap_error err = {""};

		print_message("# %s\n", bound->text);
		expect_taken(&bound->at);
		assert_int_equal(fancap_geometry_plan(&bound->beyond, &geometry, &err), -EINVAL);
		assert_string_equal(err.text, bound->text);
		assert_int_equal(request(&req, bound->beyond.reserve_bytes), bound->kernel);
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

/* Ask the plan and, with the same figures, the kernel. @param text ours, when it is refused */
static void ask_both(const struct fancap_frame_params *p, int expected, const char *text)
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
	assert_string_equal(err.text, text);
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
		const char *text;
	} rows[] = {
		{4, 4096, 2048, 0, 0, ""},
		{4, 4096 + 16, 2048, 0, -EINVAL,
		 "block size 4112 is not a multiple of the page size 4096: the nearest that is, is 4096"},
		{4, 12288, 2048, 0, 0, ""}, /* whole pages, no power of two */
		{1, 4096, 64, 0, 0, ""},    /* the least frame */
		{1, 4096, 48, 0, -EINVAL,
		 "frame size 48 cannot hold its own headers: with 0 reserved bytes they need at least 64"},
		{1, 4096, 64, 12, 0, ""}, /* 52 + 12 */
		{1, 4096, 64, 13, -EINVAL,
		 "frame size 64 cannot hold its own headers: with 13 reserved bytes they need at least 80"},
		{1, 4096, 4096, 4044, 0, ""}, /* nothing but headers */
		{1, 4096, 4096, 4045, -EINVAL,
		 "frame size 4096 cannot hold its own headers: with 4045 reserved bytes they need at least 4112"},
		{4, 4096, 1040, 0, 0, ""}, /* does not divide the block size */
		{4, 4096, 1048, 0, -EINVAL, "frame size 1048 is not a multiple of 16: the nearest that is, is 1056"},
		{4, 4096, 4096, 0, 0, ""}, /* a block a frame */
		{4, 4096, 4112, 0, -EINVAL,
		 "frame size 4112 is more than a block of 4096 bytes: frames do not straddle blocks"},
	};

	(void)state;
	if (sysconf(_SC_PAGESIZE) != 4096) {
		print_message("the figures are for pages of 4 KiB: not tested\n");
		return;
	}
	for (size_t i = 0; i < 2 * N_ELEMENTS(rows); i++) {
		struct fancap_frame_params p = {
			.version = i % 2 == 0 ? FANCAP_V1 : FANCAP_V2,
			.block_bytes = rows[i / 2].block_bytes,
			.size_bytes = (uint64_t)rows[i / 2].blocks * rows[i / 2].block_bytes,
			.frame_bytes = rows[i / 2].frame_bytes, .reserve_bytes = rows[i / 2].reserve_bytes};

		ask_both(&p, rows[i / 2].expected, rows[i / 2].text);
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

static void agrees_on_the_most_blocks_and_frames(void **state)
{
	/* Both bounds at once: 524288 blocks of 64 frames, 32 Mi frames. */
	struct fancap_frame_params p = {.version = FANCAP_V2, .block_bytes = 4096, .frame_bytes = 64,
					.size_bytes = 524288ull * 4096};

	(void)state;
	if (sysconf(_SC_PAGESIZE) != 4096) {
		print_message("the figures are for pages of 4 KiB: not tested\n");
		return;
	}
	if (has_memory())
		ask_both(&p, 0, "");
	p.size_bytes += 4096;
	ask_both(&p, -ENOMEM, "ring of 524289 blocks: the kernel handles at most 524288; use blocks of at least 8192 bytes, or "
			      "a ring size of at most 2147483648 is allowed");
	/* Blocks enough, too many frames. */
	p.block_bytes = 8192;
	p.size_bytes = 262145ull * 8192;
	if (has_memory())
		ask_both(&p, -ENOMEM, "ring of 33554560 frames: the kernel handles at most 33554432; a ring size of at most "
				      "2147483648 is allowed, or larger frames");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_we_take),
		cmocka_unit_test(agrees_on_every_bound),
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
