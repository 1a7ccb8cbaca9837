// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/netns.h"
#include "tests/unit/tx_pair.h"

#define GOOD_MAX (TX_ETHER + TX_MTU)
#define WRONG (GOOD_MAX + 1)
#define PACKETS 5u

/* Numbers 0 to n - 1; the bits of wrong say which of them are too long. */
static void queue_some(struct tx_pair *pair, unsigned n, unsigned wrong)
{
	for (uint32_t i = 0; i < n; i++)
		tx_queue(pair, i, wrong >> i & 1 ? WRONG : 60 + i);
}

static void expect_the_good(struct tx_pair *pair, unsigned n, unsigned wrong)
{
	for (uint32_t i = 0; i < n; i++) {
		if ((wrong >> i & 1) == 0)
			tx_expect(pair, i, 60 + i);
	}
	tx_expect_silence(pair);
}

static void expect_fates(struct tx_pair *pair, unsigned n, unsigned wrong)
{
	for (uint32_t i = 0; i < n; i++)
		tx_expect_fate(pair, wrong >> i & 1 ? FANCAP_TX_WRONG : FANCAP_TX_SENT);
	assert_int_equal(fancap_tx_pending(pair->tx), 0);
}

/* Each of the 32 ways in which five frames can be wrong or right: a call an error, and one for the rest. */
static void stops_at_each_wrong_frame(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), PACKETS);
	struct tx_pair pair;

	tx_pair_open(&pair, &params);
	for (unsigned wrong = 0; wrong < 1u << PACKETS; wrong++) {
		queue_some(&pair, PACKETS, wrong);
		for (int i = 0; i < __builtin_popcount(wrong); i++)
			assert_int_equal(fancap_tx_send(pair.tx, true), -EINVAL);
		assert_true(fancap_tx_send(pair.tx, true) >= 0);
		expect_fates(&pair, PACKETS, wrong);
		expect_the_good(&pair, PACKETS, wrong);
	}
	tx_pair_close(&pair);
}

/* Up to the error: what was before it has gone, what is behind waits. */
static void sends_what_is_before_a_wrong_frame(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), PACKETS);
	enum fancap_tx_fate fate;
	struct tx_pair pair;

	tx_pair_open(&pair, &params);
	for (unsigned at = 0; at < PACKETS; at++) {
		queue_some(&pair, PACKETS, 1u << at);
		assert_int_equal(fancap_tx_send(pair.tx, true), -EINVAL);
		expect_the_good(&pair, at, 0);
		for (unsigned i = 0; i < at; i++)
			tx_expect_fate(&pair, FANCAP_TX_SENT);
		tx_expect_fate(&pair, FANCAP_TX_WRONG);
		assert_int_equal(fancap_tx_reap(pair.tx, &fate), 0);
		assert_int_equal(fancap_tx_pending(pair.tx), PACKETS - 1 - at);
		assert_true(fancap_tx_send(pair.tx, true) >= 0);
		for (uint32_t i = at + 1; i < PACKETS; i++)
			tx_expect(&pair, i, 60 + i);
		assert_int_equal(tx_reap(&pair), PACKETS - 1 - at);
	}
	tx_pair_close(&pair);
}

static void skips_wrong_frames(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), PACKETS);
	struct tx_pair pair;

	params.skip_wrong = true;
	tx_pair_open(&pair, &params);
	for (unsigned wrong = 0; wrong < 1u << PACKETS; wrong++) {
		int bytes = 0;

		for (int i = 0; i < (int)PACKETS; i++)
			bytes += wrong >> i & 1 ? 0 : 60 + i;
		queue_some(&pair, PACKETS, wrong);
		assert_int_equal(fancap_tx_send(pair.tx, wrong % 2), bytes);
		expect_fates(&pair, PACKETS, wrong);
		expect_the_good(&pair, PACKETS, wrong);
	}
	tx_pair_close(&pair);
}

/* Packets move up over the ring's end, whatever their length, place and number of wrong ones before. */
static void keeps_order_and_bytes_over_many_laps(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 4);
	uint32_t random = 1, number = 0;
	struct tx_pair pair;

	params.skip_wrong = true;
	params.custom_offset = true;
	params.packet_max += 16;
	tx_pair_open(&pair, &params);
	for (unsigned lap = 0; lap < 300; lap++) {
		uint32_t first = number, lens[4], n = 0;

		while (n < 1 + lap % 4) {
			random = random * 1103515245u + 12345;
			lens[n] = random >> 30 == 0 ? WRONG + (random >> 20) % 4 : TX_ETHER + (random >> 16) % TX_MTU;
			tx_queue_at(&pair, number++, lens[n++], (random >> 8) % 16);
		}
		assert_true(fancap_tx_send(pair.tx, lap % 3 != 0) >= 0);
		for (uint32_t i = 0; i < n; i++) {
			tx_expect_fate(&pair, lens[i] > GOOD_MAX ? FANCAP_TX_WRONG : FANCAP_TX_SENT);
			if (lens[i] <= GOOD_MAX)
				tx_expect(&pair, first + i, lens[i]);
		}
	}
	assert_true(pair.wrong > 100);
	tx_expect_silence(&pair);
	tx_pair_close(&pair);
}

/* They have left the ring, yet are remembered: no more than there are frames. */
static void remembers_wrong_frames_until_asked(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 4);
	struct tx_pair pair;

	params.skip_wrong = true;
	tx_pair_open(&pair, &params);
	for (unsigned i = 0; i < 4; i++) {
		tx_queue(&pair, i, i == 2 ? 60 : WRONG);
		assert_int_equal(fancap_tx_send(pair.tx, true), i == 2 ? 60 : 0);
		assert_int_equal(fancap_tx_pending(pair.tx), i + 1);
	}
	assert_null(fancap_tx_frame(pair.tx));
	expect_fates(&pair, 4, 1 << 0 | 1 << 1 | 1 << 3);
	assert_non_null(fancap_tx_frame(pair.tx));
	tx_expect(&pair, 2, 60);
	tx_pair_close(&pair);
}

static void one_frame_ring_survives_a_wrong_one(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 1);
	struct tx_pair pair;

	tx_pair_open(&pair, &params);
	for (unsigned i = 0; i < 5; i++) {
		tx_queue(&pair, i, WRONG);
		assert_int_equal(fancap_tx_send(pair.tx, true), -EINVAL);
		tx_expect_fate(&pair, FANCAP_TX_WRONG);
		tx_queue(&pair, i, 60);
		assert_int_equal(fancap_tx_send(pair.tx, true), 60);
		tx_expect_fate(&pair, FANCAP_TX_SENT);
		tx_expect(&pair, i, 60);
	}
	tx_pair_close(&pair);
}

static void send_one(struct tx_pair *pair, uint32_t len, uint16_t ethertype, enum fancap_tx_fate fate)
{
	uint8_t *data = fancap_tx_frame(pair->tx);

	assert_non_null(data);
	tx_fill(data, 1, len < 16 ? 16 : len);
	data[12] = (uint8_t)(ethertype >> 8);
	data[13] = (uint8_t)ethertype;
	assert_int_equal(fancap_tx_queue(pair->tx, len, 0), 0);
	assert_int_equal(fancap_tx_send(pair->tx, true), fate == FANCAP_TX_SENT ? (int)len : -EINVAL);
	tx_expect_fate(pair, fate);
}

/* The kernel's bounds: from a whole header to the MTU, 4 more with an 802.1Q tag (not with 802.1ad's). */
static void tells_right_from_wrong_to_the_byte(void **state)
{
	static const struct {
		uint32_t len;
		uint16_t ethertype;
		enum fancap_tx_fate fate;
	} cases[] = {
		{0, 0x88B5, FANCAP_TX_WRONG},
		{1, 0x88B5, FANCAP_TX_WRONG},
		{TX_ETHER - 1, 0x88B5, FANCAP_TX_WRONG},
		{TX_ETHER, 0x88B5, FANCAP_TX_SENT},
		{TX_ETHER + 1, 0x88B5, FANCAP_TX_SENT},
		{TX_ETHER + TX_MTU, 0x88B5, FANCAP_TX_SENT},
		{TX_ETHER + TX_MTU + 1, 0x88B5, FANCAP_TX_WRONG},
		{TX_ETHER + TX_MTU + 4, 0x88B5, FANCAP_TX_WRONG},
		{TX_ETHER + TX_MTU + 4, 0x88A8, FANCAP_TX_WRONG},
		{TX_ETHER + TX_MTU + 4, 0x8100, FANCAP_TX_SENT},
		{TX_ETHER + TX_MTU + 5, 0x8100, FANCAP_TX_WRONG},
		{TX_ETHER + TX_MTU + 8, 0x8100, FANCAP_TX_WRONG},
	};
	struct fancap_tx_params params = tx_params(tx_version(state), 2);
	struct tx_pair pair;

	tx_pair_open(&pair, &params);
	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		send_one(&pair, cases[i].len, cases[i].ethertype, cases[i].fate);
	tx_pair_close(&pair);
}

/* Without a link-layer header in it, the MTU is the bound itself, and nothing is too short. */
static void dgram_has_no_least_length(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 2);
	struct tx_pair pair;

	params.type = FANCAP_DGRAM;
	params.protocol = 0x88B5;
	params.address_bytes = 6;
	tx_pair_open(&pair, &params);
	send_one(&pair, 0, 0x88B5, FANCAP_TX_SENT);
	send_one(&pair, 1, 0x88B5, FANCAP_TX_SENT);
	send_one(&pair, TX_MTU, 0x88B5, FANCAP_TX_SENT);
	send_one(&pair, TX_MTU + 1, 0x88B5, FANCAP_TX_WRONG);
	send_one(&pair, TX_MTU + 5, 0x88B5, FANCAP_TX_WRONG);
	tx_pair_close(&pair);
}

static void follows_a_change_of_mtu(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 2);
	struct tx_pair pair;

	tx_pair_open(&pair, &params);
	send_one(&pair, GOOD_MAX, 0x88B5, FANCAP_TX_SENT);
	run("ip link set " TX_FROM " mtu 1000");
	send_one(&pair, GOOD_MAX, 0x88B5, FANCAP_TX_WRONG);
	send_one(&pair, TX_ETHER + 1000, 0x88B5, FANCAP_TX_SENT);
	run("ip link set " TX_FROM " mtu 1500");
	send_one(&pair, GOOD_MAX, 0x88B5, FANCAP_TX_SENT);
	tx_pair_close(&pair);
}

/* PACKET_LOSS: the kernel goes on by itself, and the library says no more than it can know. */
static void packet_loss_skips_in_the_kernel(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), PACKETS);
	const unsigned all = (1u << PACKETS) - 1;
	struct tx_pair pair;

	params.packet_loss = true;
	tx_pair_open(&pair, &params);
	for (unsigned wrong = 0; wrong <= all; wrong++) {
		queue_some(&pair, PACKETS, wrong);
		assert_true(fancap_tx_send(pair.tx, wrong % 2) >= 0);
		if (wrong == 0 || wrong == all)
			expect_fates(&pair, PACKETS, wrong);
		else
			tx_reap_all(&pair);
		expect_the_good(&pair, PACKETS, wrong);
	}
	assert_int_equal(pair.sent, PACKETS);
	assert_int_equal(pair.wrong, PACKETS);
	assert_int_equal(pair.unknown, PACKETS * (all - 1));
	tx_pair_close(&pair);
}

/* Sent one by one, fates are exact; but an empty packet leaves no trace in a count of bytes. */
static void packet_loss_is_exact_one_by_one(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 2);
	const uint32_t lens[] = {60, WRONG, 60, 13, GOOD_MAX};
	struct tx_pair pair;

	params.packet_loss = true;
	tx_pair_open(&pair, &params);
	for (uint32_t i = 0; i < N_ELEMENTS(lens); i++) {
		bool good = i % 2 == 0;

		tx_queue(&pair, i, lens[i]);
		assert_int_equal(fancap_tx_send(pair.tx, true), good ? (int)lens[i] : 0);
		tx_expect_fate(&pair, good ? FANCAP_TX_SENT : FANCAP_TX_WRONG);
		if (good)
			tx_expect(&pair, i, lens[i]);
	}
	tx_queue(&pair, 9, 0);
	assert_int_equal(fancap_tx_send(pair.tx, true), 0);
	tx_expect_fate(&pair, FANCAP_TX_UNKNOWN);
	tx_expect_silence(&pair);
	tx_pair_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH_VERSION(stops_at_each_wrong_frame),
		EACH_VERSION(sends_what_is_before_a_wrong_frame),
		EACH_VERSION(skips_wrong_frames),
		EACH_VERSION(keeps_order_and_bytes_over_many_laps),
		EACH_VERSION(remembers_wrong_frames_until_asked),
		EACH_VERSION(one_frame_ring_survives_a_wrong_one),
		EACH_VERSION(tells_right_from_wrong_to_the_byte),
		EACH_VERSION(dgram_has_no_least_length),
		EACH_VERSION(follows_a_change_of_mtu),
		EACH_VERSION(packet_loss_skips_in_the_kernel),
		EACH_VERSION(packet_loss_is_exact_one_by_one),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests(tests, tx_link_make, NULL);
}
