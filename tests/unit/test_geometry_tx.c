// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fancap/geometry_tx.h"
#include "tests/unit/netns.h"
#include "tests/unit/tx_pair.h"

static struct fancap_geometry_tx plan(enum fancap_version version, uint32_t packet_max, uint32_t packets)
{
	const struct fancap_ring_tx_params params = {
		.version = version, .packet_max = packet_max, .packets = packets};
	struct fancap_geometry_tx geometry;
	struct fancap_error err;

	if (fancap_geometry_tx_plan(&params, &geometry, &err) < 0)
		fail_msg("%s", err.text);
	return geometry;
}

static void expect_refused(enum fancap_version version, uint32_t packet_max, uint32_t packets, const char *text)
{
	const struct fancap_ring_tx_params params = {
		.version = version, .packet_max = packet_max, .packets = packets};
	struct fancap_geometry_tx geometry;
	struct fancap_error err;

	assert_int_equal(fancap_geometry_tx_plan(&params, &geometry, &err), -EINVAL);
	assert_string_equal(err.text, text);
	assert_int_equal(fancap_geometry_tx_plan(&params, &geometry, NULL), -EINVAL);
}

/* @return 0 or -errno, as the kernel sees it */
static int ask_kernel(enum fancap_version version, const struct tpacket_req3 *req)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int r = 0;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)), 0);
	if (setsockopt(fd, SOL_PACKET, PACKET_TX_RING, req, sizeof(*req)) < 0)
		r = -errno;
	close(fd);
	return r;
}

static void data_begins_behind_the_header(void **state)
{
	enum fancap_version version = tx_version(state);

	assert_int_equal(plan(version, 1514, 8).data_offset, version == FANCAP_V3 ? 48 : 32);
}

static void gives_a_power_of_two_exactly(void **state)
{
	for (uint32_t packets = 1; packets <= 32; packets *= 2) /* what fits a block */
		assert_int_equal(plan(tx_version(state), 1518, packets).req.tp_frame_nr, packets);
	for (uint32_t packets = 4; packets <= 4096; packets *= 2)
		assert_in_range(plan(tx_version(state), 1518, packets).map_bytes, packets * 1518, packets * 2048);
}

static void every_plan_suits_the_kernel(void **state)
{
	static const uint32_t sizes[] = {1, 19, 20, 21, 60, 1514, 2000, 4048, 4049, 4064, 4065,
					 9018, 65535, 65554, 131072};
	static const uint32_t counts[] = {1, 2, 3, 7, 100, 255, 1000};

	for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
		for (size_t j = 0; j < N_ELEMENTS(counts); j++) {
			struct fancap_geometry_tx geometry = plan(tx_version(state), sizes[i], counts[j]);

			assert_true(geometry.room >= sizes[i]);
			assert_true(geometry.req.tp_frame_nr >= counts[j]);
			assert_int_equal(geometry.map_bytes,
					 (size_t)geometry.req.tp_block_size * geometry.req.tp_block_nr);
			assert_int_equal(ask_kernel(tx_version(state), &geometry.req), 0);
		}
	}
}

/* The least frame that we plan is the least there can be: its header and a sockaddr_ll that nobody uses. */
static void kernel_wants_no_smaller_frame(void **state)
{
	uint32_t least = tx_version(state) == FANCAP_V3 ? 80 : 64;
	struct tpacket_req3 req = {.tp_block_size = 4096, .tp_block_nr = 1};

	req.tp_frame_size = least;
	req.tp_frame_nr = 4096 / least;
	assert_int_equal(ask_kernel(tx_version(state), &req), 0);
	assert_int_equal(plan(tx_version(state), 1, 4096 / least).req.tp_frame_size, least);
	req.tp_frame_size = least - 16;
	req.tp_frame_nr = 4096 / (least - 16);
	assert_int_equal(ask_kernel(tx_version(state), &req), -EINVAL);
}

/* What V3 has for receiving only. */
static void kernel_wants_no_v3_extras(void **state)
{
	const struct tpacket_req3 good = plan(FANCAP_V3, 1514, 8).req;
	struct tpacket_req3 req = good;

	(void)state;
	req.tp_retire_blk_tov = 1;
	assert_int_equal(ask_kernel(FANCAP_V3, &req), -EINVAL);
	req = good;
	req.tp_sizeof_priv = 8;
	assert_int_equal(ask_kernel(FANCAP_V3, &req), -EINVAL);
	req = good;
	req.tp_feature_req_word = TP_FT_REQ_FILL_RXHASH;
	assert_int_equal(ask_kernel(FANCAP_V3, &req), -EINVAL);
}

/* Each limit: at it, both we and the kernel take the ring; one beyond, we say why not. */
static void refuses_what_no_ring_can_be(void **state)
{
	enum fancap_version version = tx_version(state);
	struct fancap_geometry_tx geometry = plan(version, 1, 1);

	assert_int_equal(ask_kernel(version, &geometry.req), 0);
	geometry = plan(version, 131072, 1);
	assert_int_equal(ask_kernel(version, &geometry.req), 0);
	expect_refused(version, 0, 8, "packets of up to 0 bytes: 1 to 131072 are allowed");
	expect_refused(version, 131073, 8, "packets of up to 131073 bytes: 1 to 131072 are allowed");
	expect_refused(version, 1514, 0, "a transmit ring of no packets: the least is 1");
	expect_refused((enum fancap_version)3, 1514, 8, "ring version 4: there are V1, V2 and V3");
}

/* All of a full ring is sent in one call, whose result is an int. */
static void refuses_rings_beyond_what_send_can_count(void **state)
{
	uint32_t most = (1u << 15) * 41 - 41; /* 32767 blocks of 64 KiB, 41 frames of 1584 bytes each */

	if (tx_version(state) == FANCAP_V3)
		assert_int_equal(plan(FANCAP_V3, 1520, most).req.tp_block_nr, 32767);
	else
		assert_int_equal(plan(tx_version(state), 1536, most).req.tp_block_nr, 32767);
	expect_refused(FANCAP_V3, 1520, most + 1,
		       "a transmit ring of 1343448 packets of up to 1520 bytes: at most 1343447 of them are allowed");
	expect_refused(tx_version(state), 131072, UINT32_MAX,
		       "a transmit ring of 4294967295 packets of up to 131072 bytes: at most 8191 of them are allowed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH_VERSION(data_begins_behind_the_header),
		EACH_VERSION(gives_a_power_of_two_exactly),
		EACH_VERSION(every_plan_suits_the_kernel),
		EACH_VERSION(kernel_wants_no_smaller_frame),
		EACH_VERSION(refuses_what_no_ring_can_be),
		EACH_VERSION(refuses_rings_beyond_what_send_can_count),
		cmocka_unit_test(kernel_wants_no_v3_extras),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
