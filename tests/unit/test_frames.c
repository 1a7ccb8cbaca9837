// SPDX-License-Identifier: BSD-3-Clause
/* Frames in plain memory: no socket, no root. Each test is run for V1 and for V2. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>

#include "fancap/frames.h"
#include "tests/unit/frame.h"

#define FRAME_BYTES 256u
#define CAPLEN (FRAME_BYTES - TEST_FRAME_MAC) /* to the last byte */
#define TIME_NS 1700000000123456789u

static const enum fancap_version versions[] = {FANCAP_V1, FANCAP_V2};

static enum fancap_version version_of(void **state)
{
	return *(const enum fancap_version *)*state;
}

/* A frame in memory of exactly its size, so that a sanitizer sees every step outside. */
static uint8_t *frame_new(enum fancap_version version, const struct test_packet *packet)
{
	uint8_t *frame = malloc(FRAME_BYTES);

	assert_non_null(frame);
	test_frame_fill(version, frame, FRAME_BYTES, packet);
	return frame;
}

static unsigned touch(const struct fancap_packet *packet)
{
	unsigned sum = packet->link->sll_halen;

	for (uint32_t i = 0; i < packet->caplen; i++)
		sum += packet->data[i];
	return sum;
}

static void returns_every_field_of_a_packet(void **state)
{
	const struct test_packet packet = {
		.caplen = CAPLEN, .len = 1500, .time_ns = TIME_NS, .type = PACKET_BROADCAST,
		.status = TP_STATUS_LOSING | TP_STATUS_CSUMNOTREADY | TP_STATUS_TS_SOFTWARE};
	uint8_t *frame = frame_new(version_of(state), &packet);
	struct fancap_packet got;

	assert_int_equal(fancap_frame_parse(version_of(state), frame, FRAME_BYTES, &got), 1);
	assert_ptr_equal(got.data, frame + TEST_FRAME_MAC);
	assert_int_equal(got.caplen, CAPLEN);
	assert_int_equal(got.len, 1500);
	assert_int_equal(got.mac_len, 14);
	assert_int_equal(got.status, TP_STATUS_USER | packet.status);
	assert_int_equal(got.time_ns, version_of(state) == FANCAP_V1 ? TIME_NS - 789 : TIME_NS);
	assert_int_equal(got.type, PACKET_BROADCAST);
	assert_int_equal(got.vlan_tpid, 0);
	assert_false(got.cooked);
	assert_int_equal(ntohs(got.link->sll_protocol), ETH_P_IP);
	assert_int_equal(got.link->sll_ifindex, 7);
	assert_int_equal(got.link->sll_halen, 6);
	free(frame);
}

static void returns_a_tag_where_there_is_room_for_one(void **state)
{
	const struct test_packet packet = {.caplen = 60, .vlan_tpid = 0x88A8, .vlan_tci = 0xE005};
	uint8_t *frame = frame_new(version_of(state), &packet);
	struct fancap_packet got;

	assert_int_equal(fancap_frame_parse(version_of(state), frame, FRAME_BYTES, &got), 1);
	assert_int_equal(got.vlan_tpid, version_of(state) == FANCAP_V1 ? 0 : 0x88A8);
	assert_int_equal(got.vlan_tci, version_of(state) == FANCAP_V1 ? 0 : 0xE005);
	/* V1 in spite of the flag; V2 without a TPID of its own. */
	if (version_of(state) == FANCAP_V1)
		((struct tpacket_hdr *)frame)->tp_status |= TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
	else
		((struct tpacket2_hdr *)frame)->tp_status &= ~(uint32_t)TP_STATUS_VLAN_TPID_VALID;
	assert_int_equal(fancap_frame_parse(version_of(state), frame, FRAME_BYTES, &got), 1);
	assert_int_equal(got.vlan_tpid, version_of(state) == FANCAP_V1 ? 0 : 0x8100);
	free(frame);
}

static void knows_a_packet_without_link_layer_header(void **state)
{
	const struct test_packet packet = {.caplen = FRAME_BYTES - TEST_FRAME_NET, .no_mac = true};
	uint8_t *frame = frame_new(version_of(state), &packet);
	struct fancap_packet got;

	assert_int_equal(fancap_frame_parse(version_of(state), frame, FRAME_BYTES, &got), 1);
	assert_int_equal(got.mac_len, 0);
	assert_ptr_equal(got.data + got.caplen, frame + FRAME_BYTES);
	free(frame);
}

static void set_status(enum fancap_version version, void *frame, uint32_t status)
{
	if (version == FANCAP_V1)
		((struct tpacket_hdr *)frame)->tp_status = status;
	else
		((struct tpacket2_hdr *)frame)->tp_status = status;
}

static void leaves_the_kernels_frames_alone(void **state)
{
	const struct test_packet packet = {.caplen = 60};
	uint8_t *frame = frame_new(version_of(state), &packet);
	struct fancap_packet got = {.len = 77};

	set_status(version_of(state), frame, TP_STATUS_KERNEL);
	assert_int_equal(fancap_frame_status(version_of(state), frame), 0);
	assert_int_equal(fancap_frame_parse(version_of(state), frame, FRAME_BYTES, &got), 0);
	set_status(version_of(state), frame, TP_STATUS_LOSING); /* nobody's */
	assert_int_equal(fancap_frame_parse(version_of(state), frame, FRAME_BYTES, &got), -EBADMSG);
	assert_int_equal(got.len, 77); /* untouched */
	free(frame);
}

/* The figures of a frame that lead somewhere. */
struct places {
	uint16_t mac;
	uint16_t net;
	uint32_t snaplen;
};

static void set_places(enum fancap_version version, void *frame, const struct places *places)
{
	if (version == FANCAP_V1) {
		struct tpacket_hdr *h = frame;

		h->tp_mac = places->mac;
		h->tp_net = places->net;
		h->tp_snaplen = places->snaplen;
	} else {
		struct tpacket2_hdr *h = frame;

		h->tp_mac = places->mac;
		h->tp_net = places->net;
		h->tp_snaplen = places->snaplen;
	}
}

static void refuses_what_leads_outside(void **state)
{
	static const struct places rows[] = {
		{0, 80, 60},			   /* into the header */
		{51, 80, 60},			   /* into the address */
		{66, 65, 60},			   /* network header before link-layer header */
		{66, 80, CAPLEN + 1},		   /* a byte too many */
		{67, 80, CAPLEN},
		{256, 256, 1},
		{257, 257, 1},
		{UINT16_MAX, UINT16_MAX, 1},
		{66, 80, UINT32_MAX},
		{66, 80, UINT32_MAX - 65},	   /* the sum wraps to 0 */
		{66, 80, 0x80000000},
		{0, 0, 0},
	};
	const struct test_packet packet = {.caplen = CAPLEN};
	uint8_t *frame = frame_new(version_of(state), &packet);
	struct fancap_packet got = {.len = 77};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		set_places(version_of(state), frame, &rows[i]);
		if (fancap_frame_parse(version_of(state), frame, FRAME_BYTES, &got) != -EBADMSG)
			fail_msg("row %zu passes", i);
		assert_int_equal(got.len, 77); /* untouched */
	}
	free(frame);
}

/* What the kernel leaves in frames of 64 bytes: tp_mac behind the frame, and not a byte of the packet. */
static void takes_frames_without_room_for_a_packet(void **state)
{
	static const struct places rows[] = {{66, 80, 0}, {256, 270, 0}, {300, 314, 0}};
	const struct test_packet packet = {.caplen = CAPLEN};
	uint8_t *frame = frame_new(version_of(state), &packet);
	struct fancap_packet got;

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		set_places(version_of(state), frame, &rows[i]);
		assert_int_equal(fancap_frame_parse(version_of(state), frame, FRAME_BYTES, &got), 1);
		assert_int_equal(got.caplen, 0);
		assert_in_range(got.data - frame, 0, FRAME_BYTES);
	}
	free(frame);
}

static void refuses_frames_smaller_than_their_headers(void **state)
{
	uint8_t *frame = calloc(1, 51);
	struct fancap_packet got;

	assert_non_null(frame);
	set_status(version_of(state), frame, TP_STATUS_USER);
	for (uint32_t bytes = 0; bytes < 52; bytes++)
		assert_int_equal(fancap_frame_parse(version_of(state), frame, bytes, &got), -EBADMSG);
	free(frame);
}

/* Frames never straddle blocks: 3 of 1040 bytes in each block of 4096, then a gap. */
static void spaces_frames_by_blocks(void **state)
{
	uint8_t *memory = calloc(2, 4096);
	const struct fancap_frames frames = {
		.map = memory, .version = version_of(state), .block_bytes = 4096, .frame_bytes = 1040,
		.frames_per_block = 3, .frames = 6};
	static const uint32_t offsets[] = {0, 1040, 2080, 4096, 5136, 6176};

	assert_non_null(memory);
	for (uint64_t p = 0; p < 20; p++)
		assert_ptr_equal(fancap_frames_at(&frames, p), memory + offsets[p % 6]);
	assert_ptr_equal(fancap_frames_at(&frames, (1ull << 40) * 6 + 5), memory + 6176);
	free(memory);
}

static void release_stores_exactly_zero(void **state)
{
	uint8_t *memory = malloc(4096);
	const struct fancap_frames frames = {
		.map = memory, .version = version_of(state), .block_bytes = 4096, .frame_bytes = 2048,
		.frames_per_block = 2, .frames = 2};
	size_t status_bytes = version_of(state) == FANCAP_V1 ? sizeof(unsigned long) : 4;

	assert_non_null(memory);
	memset(memory, 0xFF, 4096);
	fancap_frames_release(&frames, 1);
	for (size_t i = 0; i < 4096; i++)
		assert_int_equal(memory[i], i >= 2048 && i < 2048 + status_bytes ? 0 : 0xFF);
	free(memory);
}

static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Half a word at a time, so that tp_mac and tp_net come in too. */
static void spoil_randomly(uint8_t *frame, uint64_t *seed)
{
	static const uint16_t edges[] = {0, 1, 51, 52, 66, 80, CAPLEN, FRAME_BYTES, 0x7FFF, 0x8000, UINT16_MAX};

	for (uint64_t i = random_next(seed) % 3 + 1; i > 0; i--) {
		uint64_t r = random_next(seed);
		uint8_t *at = frame + (r >> 8) % 26 * 2;
		uint16_t half;

		memcpy(&half, at, sizeof(half));
		switch (r % 4) {
		case 0: half = edges[(r >> 16) % N_ELEMENTS(edges)]; break;
		case 1: half = (uint16_t)(half + (r >> 16) % 33 - 16); break;
		case 2: half = (uint16_t)(half ^ 1u << (r >> 16) % 16); break;
		default: half = (uint16_t)(r >> 16);
		}
		memcpy(at, &half, sizeof(half));
	}
}

static void survives_200000_random_mutations(void **state)
{
	const struct test_packet packet = {.caplen = CAPLEN, .vlan_tpid = 0x8100, .vlan_tci = 5};
	uint8_t *frame = frame_new(version_of(state), &packet), pristine[FRAME_BYTES];
	uint64_t seed = 0x4652414D4553; /* always the same run */
	unsigned results[3] = {0}, sum = 0;
	struct fancap_packet got;

	memcpy(pristine, frame, FRAME_BYTES);
	for (int i = 0; i < 200000; i++) {
		int r;

		memcpy(frame, pristine, FRAME_BYTES);
		spoil_randomly(frame, &seed);
		r = fancap_frame_parse(version_of(state), frame, FRAME_BYTES, &got);
		assert_true(r == 1 || r == 0 || r == -EBADMSG);
		if (r == 1) {
			assert_true(got.data >= frame && got.caplen <= frame + FRAME_BYTES - got.data);
			sum += touch(&got);
		}
		results[r < 0 ? 2 : r]++;
	}
	assert_int_not_equal(sum, 0);
	/* Neither all caught at the door nor all harmless. */
	assert_true(results[1] > 10000 && results[2] > 10000 && results[0] > 100);
	free(frame);
}

static void cannot_map_what_has_no_ring(void **state)
{
	const struct fancap_frame_params params = {
		.version = version_of(state), .size_bytes = 65536, .block_bytes = 65536, .frame_bytes = 2048};
	struct fancap_frame_geometry geometry;
	struct fancap_frames frames = {0};

	assert_int_equal(fancap_geometry_frames(&params, &geometry, NULL), 0);
	assert_int_equal(fancap_frames_map(&frames, -1, &geometry), -EBADF);
	assert_null(frames.map);
	fancap_frames_unmap(&frames);
	fancap_frames_unmap(&frames);
}

#define FOR(v, test) \
	{.name = "v" #v "_" #test, .test_func = test, .initial_state = (void *)(uintptr_t)&versions[v - 1]}
#define FOR_BOTH(test) FOR(1, test), FOR(2, test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOR_BOTH(returns_every_field_of_a_packet),
		FOR_BOTH(returns_a_tag_where_there_is_room_for_one),
		FOR_BOTH(knows_a_packet_without_link_layer_header),
		FOR_BOTH(leaves_the_kernels_frames_alone),
		FOR_BOTH(refuses_what_leads_outside),
		FOR_BOTH(takes_frames_without_room_for_a_packet),
		FOR_BOTH(refuses_frames_smaller_than_their_headers),
		FOR_BOTH(spaces_frames_by_blocks),
		FOR_BOTH(release_stores_exactly_zero),
		FOR_BOTH(survives_200000_random_mutations),
		FOR_BOTH(cannot_map_what_has_no_ring),
	};

	return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}
