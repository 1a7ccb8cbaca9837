// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fancap/geometry.h"

#define MIB (1u << 20)

static uint32_t page;

static int find_page_size(void **state)
{
	(void)state;
	page = (uint32_t)sysconf(_SC_PAGESIZE);
	return 0;
}

/* What a packet can have before it in a block: block header, slot headers, network header at a multiple of 16. */
#define HEAD (48u + 96u)

static struct fancap_ring_params usual(void)
{
	return (struct fancap_ring_params){
		.size_bytes = 64 * MIB, .block_bytes = MIB, .block_timeout_ms = 100,
		.snaplen = 262144, .reserve_bytes = 2};
}

static void accept_params(const struct fancap_ring_params *params)
{
	struct fancap_error err = {""};
	struct fancap_geometry g;

	if (fancap_geometry_plan(params, &g, &err) != 0)
		fail_msg("refused: %s", err.text);
	assert_string_equal(err.text, "");
	/* What every request that the kernel takes is like. */
	assert_int_equal(g.req.tp_block_size, params->block_bytes);
	assert_int_equal(g.req.tp_block_size % page, 0);
	assert_int_equal((uint64_t)g.req.tp_block_size * g.req.tp_block_nr, params->size_bytes);
	assert_int_equal(g.req.tp_frame_size % TPACKET_ALIGNMENT, 0);
	assert_int_equal(g.req.tp_block_size / g.req.tp_frame_size * g.req.tp_block_nr, g.req.tp_frame_nr);
	assert_int_equal(g.req.tp_retire_blk_tov, params->block_timeout_ms);
	assert_int_equal(g.req.tp_sizeof_priv, params->priv_bytes);
	assert_int_equal(g.reserve_bytes, params->reserve_bytes);
	assert_int_equal(g.map_bytes, params->size_bytes);
}

static void refuse_params(const struct fancap_ring_params *params, const char *text)
{
	struct fancap_geometry g = {.map_bytes = 1};
	struct fancap_error err = {""};

	assert_int_equal(fancap_geometry_plan(params, &g, &err), -EINVAL);
	assert_string_equal(err.text, text);
	assert_int_equal(g.map_bytes, 1); /* untouched */
	assert_int_equal(fancap_geometry_plan(params, &g, NULL), -EINVAL);
}

static void plans_the_usual_ring(void **state)
{
	struct fancap_ring_params p = usual();

	(void)state;
	accept_params(&p);
	p.size_bytes = p.block_bytes; /* a single block */
	accept_params(&p);
}

static void wants_snaplen_of_one_at_least(void **state)
{
	struct fancap_ring_params p = usual();

	(void)state;
	p.snaplen = 1;
	accept_params(&p);
	p.snaplen = 0;
	refuse_params(&p, "snaplen 0 keeps nothing of a packet: the least is 1");
}

static void wants_a_timeout_within_bounds(void **state)
{
	struct fancap_ring_params p = usual();

	(void)state;
	p.block_timeout_ms = 1;
	accept_params(&p);
	p.block_timeout_ms = 60000;
	accept_params(&p);
	p.block_timeout_ms = 0;
	refuse_params(&p, "block timeout 0 ms: 1 to 60000 ms are allowed");
	p.block_timeout_ms = 60001;
	refuse_params(&p, "block timeout 60001 ms: 1 to 60000 ms are allowed");
}

static void wants_blocks_within_the_kernels_int(void **state)
{
	struct fancap_ring_params p = usual();

	(void)state;
	if (page != 4096)
		return; /* the figures below are for 4 KiB pages */
	p.size_bytes = p.block_bytes = 2147479552;
	accept_params(&p);
	p.block_bytes = 2147483648;
	refuse_params(&p, "block size 2147483648 is out of range: 4096 to 2147479552 bytes are allowed");
	p.block_bytes = 2147483647; /* an int, but no multiple of the page size is near above */
	refuse_params(&p, "block size 2147483647 is out of range: 4096 to 2147479552 bytes are allowed");
	p.block_bytes = 0;
	refuse_params(&p, "block size 0 is out of range: 4096 to 2147479552 bytes are allowed");
}

static void wants_blocks_of_whole_pages(void **state)
{
	static const struct {
		uint32_t block_bytes;
		const char *text;
	} rows[] = {
		{1, "block size 1 is not a multiple of the page size 4096: the nearest that is, is 4096"},
		{4097, "block size 4097 is not a multiple of the page size 4096: the nearest that is, is 4096"},
		{6143, "block size 6143 is not a multiple of the page size 4096: the nearest that is, is 4096"},
		{6144, "block size 6144 is not a multiple of the page size 4096: the nearest that is, is 8192"},
		{8191, "block size 8191 is not a multiple of the page size 4096: the nearest that is, is 8192"},
	};
	struct fancap_ring_params p = usual();

	(void)state;
	p.snaplen = 60;
	p.block_bytes = page;
	accept_params(&p);
	p.block_bytes = 3 * page; /* no power of two, but fine */
	p.size_bytes = 30 * page;
	accept_params(&p);
	if (page != 4096)
		return;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		p.block_bytes = rows[i].block_bytes;
		refuse_params(&p, rows[i].text);
	}
}

static void wants_room_for_a_blocks_own_headers(void **state)
{
	struct fancap_ring_params p = usual();

	(void)state;
	if (page != 4096)
		return;
	p.block_bytes = 4096;
	p.size_bytes = 65536;
	p.reserve_bytes = 0;
	p.snaplen = 1;
	p.priv_bytes = 3976; /* 48 + 3976 + 68 = 4092: the kernel's rule is kept, but no packet fits */
	refuse_params(&p, "block size 4096 cannot hold a packet of 1 bytes, so packets would be cut short of "
			  "snaplen 1: use a block size of at least 8192");
	p.priv_bytes = 3977; /* rounded up to 3984 */
	refuse_params(&p, "block size 4096 cannot hold its own headers: 3977 private and 0 reserved bytes "
			  "need at least 8192");
	p.priv_bytes = 0;
	p.reserve_bytes = 3981; /* 48 + 68 + 3981 = 4097 */
	refuse_params(&p, "block size 4096 cannot hold its own headers: 0 private and 3981 reserved bytes "
			  "need at least 8192");
	p.priv_bytes = UINT16_MAX;
	p.reserve_bytes = 0;
	p.block_bytes = 65536;
	refuse_params(&p, "block size 65536 cannot hold its own headers: 65535 private and 0 reserved bytes "
			  "need at least 69632");
	p.block_bytes = 69632;
	p.size_bytes = 69632;
	accept_params(&p);
}

static void wants_blocks_that_hold_a_packet_of_snaplen(void **state)
{
	struct fancap_ring_params p = usual();

	(void)state;
	if (page != 4096)
		return;
	p.block_bytes = 4096;
	p.size_bytes = 65536;
	p.reserve_bytes = 0;
	p.snaplen = 4096 - HEAD;
	accept_params(&p);
	p.snaplen++;
	refuse_params(&p, "block size 4096 cannot hold a packet of 3953 bytes, so packets would be cut short of "
			  "snaplen 3953: use a block size of at least 8192 or a snaplen of at most 3952");
	p.reserve_bytes = 2;
	p.snaplen = 4096 - HEAD - 2;
	accept_params(&p);
	p.snaplen++;
	refuse_params(&p, "block size 4096 cannot hold a packet of 3951 bytes, so packets would be cut short of "
			  "snaplen 3951: use a block size of at least 8192 or a snaplen of at most 3950");
	p.snaplen -= 8;
	p.priv_bytes = 1; /* takes 8 */
	refuse_params(&p, "block size 4096 cannot hold a packet of 3943 bytes, so packets would be cut short of "
			  "snaplen 3943: use a block size of at least 8192 or a snaplen of at most 3942");
}

static void expects_no_frames_beyond_gro_size(void **state)
{
	struct fancap_ring_params p = usual();

	(void)state;
	if (page != 4096)
		return;
	p.reserve_bytes = 0;
	p.block_bytes = 69632; /* 65558 + 144 and what is missing to a page */
	p.size_bytes = 10 * p.block_bytes;
	accept_params(&p);
	p.block_bytes = 65536;
	refuse_params(&p, "block size 65536 cannot hold a packet of 65558 bytes, so packets would be cut short of "
			  "snaplen 262144: use a block size of at least 69632 or a snaplen of at most 65392");
}

static void wants_a_reserve_that_leaves_packets_in_reach(void **state)
{
	struct fancap_ring_params p = usual();

	(void)state;
	p.reserve_bytes = 65439; /* netoff = 96 + 65439 = 65535 */
	accept_params(&p);
	p.reserve_bytes = 65440;
	refuse_params(&p, "reserve of 65440 bytes puts packets where the kernel drops them: at most 65439 bytes "
			  "are allowed");
}

static void wants_a_whole_number_of_blocks(void **state)
{
	struct fancap_ring_params p = usual();

	(void)state;
	p.size_bytes = MIB - 1;
	refuse_params(&p, "ring size 1048575 is smaller than one block of 1048576 bytes: the least is 1048576");
	p.size_bytes = 0;
	refuse_params(&p, "ring size 0 is smaller than one block of 1048576 bytes: the least is 1048576");
	p.size_bytes = 4 * MIB + 1;
	refuse_params(&p, "ring size 4194305 is not a multiple of the block size 1048576: the nearest that is, "
			  "is 4194304");
	p.size_bytes = 5 * MIB - 1;
	refuse_params(&p, "ring size 5242879 is not a multiple of the block size 1048576: the nearest that is, "
			  "is 5242880");
	p.size_bytes = 65536ull * MIB - 1; /* a block more would be one too many */
	refuse_params(&p, "ring size 68719476735 is not a multiple of the block size 1048576: the nearest that is, "
			  "is 68718428160");
	p.size_bytes = UINT64_MAX;
	refuse_params(&p, "ring of 17592186044415 blocks: the kernel handles at most 65535; a ring size of at most "
			  "68718428160 is allowed");
}

static void wants_no_more_blocks_than_the_kernel_counts(void **state)
{
	struct fancap_ring_params p = usual();

	(void)state;
	if (page != 4096)
		return;
	p.snaplen = 1500;
	p.block_bytes = 4096;
	p.size_bytes = 65535ull * 4096;
	accept_params(&p);
	p.size_bytes += 4096;
	refuse_params(&p, "ring of 65536 blocks: the kernel handles at most 65535; use blocks of at least 8192 "
			  "bytes, or a ring size of at most 268431360 is allowed");
	p.block_bytes = 8192;
	accept_params(&p);
}

static void computes_large_rings_in_64_bits(void **state)
{
	struct fancap_ring_params p = usual();

	(void)state;
	p.size_bytes = 4096ull * MIB; /* 2^32: nothing is left of it in 32 bits */
	accept_params(&p);
	p.size_bytes = 4097ull * MIB;
	accept_params(&p);
	p.size_bytes = 65535ull * MIB;
	accept_params(&p);
	p.size_bytes = UINT64_MAX / MIB * MIB;
	refuse_params(&p, "ring of 17592186044415 blocks: the kernel handles at most 65535; a ring size of at "
			  "most 68718428160 is allowed");
}

/* --- frames: V1 and V2 ------------------------------------------------------------------------------------------ */

static struct fancap_frame_params usual_frames(void)
{
	return (struct fancap_frame_params){
		.version = FANCAP_V2, .size_bytes = 1 << 20, .block_bytes = 1 << 16, .frame_bytes = 2048,
		.reserve_bytes = 2};
}

static void accept_frames(const struct fancap_frame_params *params)
{
	struct fancap_error err = {""};
	struct fancap_frame_geometry g;

	if (fancap_geometry_frames(params, &g, &err) != 0)
		fail_msg("refused: %s", err.text);
	assert_string_equal(err.text, "");
	assert_int_equal(g.version, params->version);
	assert_int_equal(g.req.tp_block_size, params->block_bytes);
	assert_int_equal((uint64_t)g.req.tp_block_size * g.req.tp_block_nr, params->size_bytes);
	assert_int_equal(g.req.tp_frame_size, params->frame_bytes);
	assert_int_equal(g.req.tp_block_size / g.req.tp_frame_size * g.req.tp_block_nr, g.req.tp_frame_nr);
	assert_int_equal(g.reserve_bytes, params->reserve_bytes);
	assert_int_equal(g.map_bytes, params->size_bytes);
}

static void refuse_frames(const struct fancap_frame_params *params, const char *text)
{
	struct fancap_frame_geometry g = {.map_bytes = 1};
	struct fancap_error err = {""};

	assert_int_equal(fancap_geometry_frames(params, &g, &err), -EINVAL);
	assert_string_equal(err.text, text);
	assert_int_equal(g.map_bytes, 1); /* untouched */
	assert_int_equal(fancap_geometry_frames(params, &g, NULL), -EINVAL);
}

static void plans_frames_of_versions_1_and_2(void **state)
{
	struct fancap_frame_params p = usual_frames();

	(void)state;
	accept_frames(&p);
	p.version = FANCAP_V1;
	accept_frames(&p);
	p.version = FANCAP_V3;
	refuse_frames(&p, "TPACKET_V3 has no frames of fixed size: V1 and V2 have");
}

static void wants_frames_that_hold_their_headers(void **state)
{
	struct fancap_frame_params p = usual_frames();

	(void)state;
	p.reserve_bytes = 0;
	p.frame_bytes = 64;
	accept_frames(&p);
	p.reserve_bytes = 12;
	accept_frames(&p);
	p.reserve_bytes = 13;
	refuse_frames(&p, "frame size 64 cannot hold its own headers: with 13 reserved bytes they need at least 80");
	p.reserve_bytes = 0;
	p.frame_bytes = 48;
	refuse_frames(&p, "frame size 48 cannot hold its own headers: with 0 reserved bytes they need at least 64");
	p.frame_bytes = 0;
	p.version = FANCAP_V1;
	refuse_frames(&p, "frame size 0 cannot hold its own headers: with 0 reserved bytes they need at least 64");
}

static void wants_frames_at_multiples_of_16(void **state)
{
	struct fancap_frame_params p = usual_frames();

	(void)state;
	p.frame_bytes = 2064; /* no divisor of the block size, but fine */
	accept_frames(&p);
	p.frame_bytes = 2056;
	refuse_frames(&p, "frame size 2056 is not a multiple of 16: the nearest that is, is 2064");
	p.frame_bytes = 2055;
	refuse_frames(&p, "frame size 2055 is not a multiple of 16: the nearest that is, is 2048");
	p.reserve_bytes = 0;
	p.frame_bytes = 53; /* holds its 52 bytes of headers; 48 would not */
	refuse_frames(&p, "frame size 53 is not a multiple of 16: the nearest that is, is 64");
}

static void wants_frames_within_a_block(void **state)
{
	struct fancap_frame_params p = usual_frames();

	(void)state;
	p.frame_bytes = p.block_bytes;
	accept_frames(&p);
	p.frame_bytes += 16;
	refuse_frames(&p, "frame size 65552 is more than a block of 65536 bytes: frames do not straddle blocks");
}

static void wants_frames_in_valid_blocks(void **state)
{
	struct fancap_frame_params p = usual_frames();

	(void)state;
	if (page != 4096)
		return;
	p.block_bytes = 4097;
	refuse_frames(&p, "block size 4097 is not a multiple of the page size 4096: the nearest that is, is 4096");
	p.block_bytes = 0;
	refuse_frames(&p, "block size 0 is out of range: 4096 to 2147479552 bytes are allowed");
	p.block_bytes = 3 * 4096;
	p.size_bytes = 2 * 4096;
	refuse_frames(&p, "ring size 8192 is smaller than one block of 12288 bytes: the least is 12288");
	p.size_bytes = 4 * 4096;
	refuse_frames(&p, "ring size 16384 is not a multiple of the block size 12288: the nearest that is, "
			  "is 12288");
}

static void wants_frames_whose_packets_the_kernel_can_place(void **state)
{
	struct fancap_frame_params p = usual_frames();

	(void)state;
	p.block_bytes = 1 << 17;
	p.frame_bytes = 1 << 17;
	p.reserve_bytes = 65535 - 80;
	accept_frames(&p);
	p.reserve_bytes++;
	refuse_frames(&p, "reserve of 65456 bytes puts packets where the kernel drops them: at most 65455 bytes "
			  "are allowed");
}

static void wants_a_table_of_blocks_that_the_kernel_can_allocate(void **state)
{
	struct fancap_frame_params p = usual_frames();

	(void)state;
	if (page != 4096 || sizeof(void *) != 8)
		return;
	p.block_bytes = 4096;
	p.size_bytes = 524288ull * 4096;
	accept_frames(&p);
	p.size_bytes += 4096;
	refuse_frames(&p, "ring of 524289 blocks: the kernel handles at most 524288; use blocks of at least 8192 "
			  "bytes, or a ring size of at most 2147483648 is allowed");
}

static void wants_no_more_frames_than_the_kernel_keeps_track_of(void **state)
{
	struct fancap_frame_params p = usual_frames();

	(void)state;
	p.reserve_bytes = 0;
	p.block_bytes = 8192;
	p.frame_bytes = 64;
	p.size_bytes = 262144ull * 8192;
	accept_frames(&p);
	p.size_bytes += 8192;
	refuse_frames(&p, "ring of 33554560 frames: the kernel handles at most 33554432; a ring size of at most "
			  "2147483648 is allowed, or larger frames");
}

static void finds_the_frame_for_a_packet(void **state)
{
	(void)state;
	assert_int_equal(fancap_geometry_frame_bytes(FANCAP_V1, 0, 0), 80);
	assert_int_equal(fancap_geometry_frame_bytes(FANCAP_V1, 1, 0), 96);
	assert_int_equal(fancap_geometry_frame_bytes(FANCAP_V2, 16, 0), 96);
	assert_int_equal(fancap_geometry_frame_bytes(FANCAP_V2, 1514, 2), 1600);
	assert_int_equal(fancap_geometry_frame_bytes(FANCAP_V2, UINT32_MAX, 0), UINT32_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans_the_usual_ring),
		cmocka_unit_test(wants_snaplen_of_one_at_least),
		cmocka_unit_test(wants_a_timeout_within_bounds),
		cmocka_unit_test(wants_blocks_within_the_kernels_int),
		cmocka_unit_test(wants_blocks_of_whole_pages),
		cmocka_unit_test(wants_room_for_a_blocks_own_headers),
		cmocka_unit_test(wants_blocks_that_hold_a_packet_of_snaplen),
		cmocka_unit_test(expects_no_frames_beyond_gro_size),
		cmocka_unit_test(wants_a_reserve_that_leaves_packets_in_reach),
		cmocka_unit_test(wants_a_whole_number_of_blocks),
		cmocka_unit_test(wants_no_more_blocks_than_the_kernel_counts),
		cmocka_unit_test(computes_large_rings_in_64_bits),
		cmocka_unit_test(plans_frames_of_versions_1_and_2),
		cmocka_unit_test(wants_frames_that_hold_their_headers),
		cmocka_unit_test(wants_frames_at_multiples_of_16),
		cmocka_unit_test(wants_frames_within_a_block),
		cmocka_unit_test(wants_frames_in_valid_blocks),
		cmocka_unit_test(wants_frames_whose_packets_the_kernel_can_place),
		cmocka_unit_test(wants_a_table_of_blocks_that_the_kernel_can_allocate),
		cmocka_unit_test(wants_no_more_frames_than_the_kernel_keeps_track_of),
		cmocka_unit_test(finds_the_frame_for_a_packet),
	};

	return cmocka_run_group_tests_name("geometry", tests, find_page_size, NULL);
}
