// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/netns.h"
#include "tests/unit/tx_pair.h"

#define PACKETS 100u

/* Lengths from the least to the most. */
static uint32_t len_of(uint32_t number)
{
	return TX_ETHER + number * 17 % (TX_MTU + 1);
}

static void sends_a_hundred(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), PACKETS);
	struct tx_pair pair;
	int bytes = 0;

	tx_pair_open(&pair, &params);
	assert_true(fancap_tx_packets(pair.tx) >= PACKETS);
	for (uint32_t i = 0; i < PACKETS; i++) {
		tx_queue(&pair, i, len_of(i));
		bytes += (int)len_of(i);
	}
	assert_int_equal(fancap_tx_pending(pair.tx), PACKETS);
	assert_int_equal(fancap_tx_send(pair.tx, true), bytes);
	assert_int_equal(tx_reap(&pair), PACKETS); /* all known: it waited */
	assert_int_equal(pair.sent, PACKETS);
	assert_int_equal(fancap_tx_pending(pair.tx), 0);
	for (uint32_t i = 0; i < PACKETS; i++)
		tx_expect(&pair, i, len_of(i));
	tx_expect_silence(&pair);
	tx_pair_close(&pair);
}

/* Fill the ring, send, take the fates, and again. */
static void send_in_laps(struct tx_pair *pair, bool wait, uint32_t n)
{
	uint32_t queued = 0;

	while (queued < n) {
		while (queued < n && fancap_tx_frame(pair->tx) != NULL) {
			tx_queue(pair, queued, len_of(queued));
			queued++;
		}
		assert_true(fancap_tx_send(pair->tx, wait) > 0);
		if (wait)
			tx_reap(pair);
		else
			tx_reap_all(pair);
	}
}

static void laps(enum fancap_version version, bool wait)
{
	struct fancap_tx_params params = tx_params(version, 8);
	struct tx_pair pair;

	tx_pair_open(&pair, &params);
	assert_int_equal(fancap_tx_packets(pair.tx), 8);
	send_in_laps(&pair, wait, PACKETS);
	assert_int_equal(pair.sent, PACKETS);
	for (uint32_t i = 0; i < PACKETS; i++)
		tx_expect(&pair, i, len_of(i));
	tx_expect_silence(&pair);
	tx_pair_close(&pair);
}

static void laps_of_a_small_ring_waiting(void **state)
{
	laps(tx_version(state), true);
}

static void laps_of_a_small_ring_not_waiting(void **state)
{
	laps(tx_version(state), false);
}

/* The kernel's selftest txring_overwrite: the second packet is written where the first was, before that was read. */
static void one_frame_is_enough(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 1);
	struct tx_pair pair;

	tx_pair_open(&pair, &params);
	assert_int_equal(fancap_tx_packets(pair.tx), 1);
	for (uint32_t number = 'a'; number <= 'b'; number++) {
		tx_queue(&pair, number, 60);
		assert_null(fancap_tx_frame(pair.tx));
		assert_int_equal(fancap_tx_send(pair.tx, true), 60);
		assert_null(fancap_tx_frame(pair.tx)); /* its fate comes first */
		tx_expect_fate(&pair, FANCAP_TX_SENT);
	}
	tx_expect(&pair, 'a', 60);
	tx_expect(&pair, 'b', 60);
	tx_pair_close(&pair);
}

static void says_when_there_is_no_frame(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 2);
	struct tx_pair pair;

	tx_pair_open(&pair, &params);
	tx_queue(&pair, 0, 60);
	tx_queue(&pair, 1, 60);
	assert_null(fancap_tx_frame(pair.tx));
	assert_int_equal(fancap_tx_queue(pair.tx, 60, 0), -ENOBUFS);
	assert_int_equal(tx_reap(&pair), 0); /* not sent yet */
	assert_int_equal(fancap_tx_send(pair.tx, true), 120);
	assert_int_equal(tx_reap(&pair), 2);
	assert_non_null(fancap_tx_frame(pair.tx));
	tx_pair_close(&pair);
}

static void sends_nothing_when_nothing_is_queued(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 2);
	struct tx_pair pair;

	tx_pair_open(&pair, &params);
	assert_int_equal(fancap_tx_send(pair.tx, true), 0);
	assert_int_equal(fancap_tx_send(pair.tx, false), 0);
	assert_ptr_equal(fancap_tx_frame(pair.tx), fancap_tx_frame(pair.tx));
	assert_int_equal(fancap_tx_pending(pair.tx), 0);
	tx_expect_silence(&pair);
	tx_pair_close(&pair);
}

static void refuses_what_does_not_fit_a_frame(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 1);
	struct tx_pair pair;

	params.packet_max = 100; /* alone in its ring, the frame has the whole page */
	tx_pair_open(&pair, &params);
	assert_int_equal(fancap_tx_queue(pair.tx, 4096, 0), -EMSGSIZE);
	assert_int_equal(fancap_tx_queue(pair.tx, UINT32_MAX, 0), -EMSGSIZE);
	assert_int_equal(fancap_tx_queue(pair.tx, 60, 1), -EINVAL); /* no custom_offset */
	assert_int_equal(fancap_tx_pending(pair.tx), 0);
	tx_pair_close(&pair);
}

static void sends_from_any_offset(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 4);
	struct tx_pair pair;

	params.custom_offset = true;
	params.packet_max += 64;
	tx_pair_open(&pair, &params);
	for (uint32_t offset = 0; offset <= 64; offset++) { /* aligned and not */
		tx_queue_at(&pair, offset, TX_ETHER + TX_MTU, offset);
		tx_queue_at(&pair, 1000 + offset, 60, 64 - offset);
		assert_int_equal(fancap_tx_send(pair.tx, true), TX_ETHER + TX_MTU + 60);
		assert_int_equal(tx_reap(&pair), 2);
		tx_expect(&pair, offset, TX_ETHER + TX_MTU);
		tx_expect(&pair, 1000 + offset, 60);
	}
	assert_int_equal(pair.sent, 130);
	tx_pair_close(&pair);
}

/* The last byte of the packet is the last of the frame, and of the ring. */
static void sends_from_the_far_end_of_a_frame(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 1);
	uint32_t offset = 4096 - (tx_version(state) == FANCAP_V3 ? 48 : 32) - 60;
	struct tx_pair pair;

	params.custom_offset = true;
	tx_pair_open(&pair, &params);
	tx_queue_at(&pair, 7, 60, offset);
	assert_int_equal(fancap_tx_send(pair.tx, true), 60);
	tx_expect_fate(&pair, FANCAP_TX_SENT);
	tx_expect(&pair, 7, 60);
	assert_int_equal(fancap_tx_queue(pair.tx, 60, offset + 1), -EMSGSIZE);
	assert_int_equal(fancap_tx_queue(pair.tx, 60, UINT32_MAX - 30), -EMSGSIZE);
	tx_pair_close(&pair);
}

/* tp_mac and tp_net have 16 bits. */
static void refuses_offsets_that_the_header_cannot_hold(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 1);
	uint32_t most = 65535 - (tx_version(state) == FANCAP_V3 ? 48 : 32);
	struct tx_pair pair;

	params.custom_offset = true;
	params.packet_max = 100000;
	tx_pair_open(&pair, &params);
	tx_queue_at(&pair, 1, 60, most);
	assert_int_equal(fancap_tx_send(pair.tx, true), 60);
	tx_expect_fate(&pair, FANCAP_TX_SENT);
	tx_expect(&pair, 1, 60);
	assert_int_equal(fancap_tx_queue(pair.tx, 60, most + 1), -EMSGSIZE);
	tx_pair_close(&pair);
}

static struct fancap_tx_params dgram_params(enum fancap_version version)
{
	struct fancap_tx_params params = tx_params(version, 8);

	params.type = FANCAP_DGRAM;
	params.protocol = 0x88B5;
	params.address_bytes = 6;
	memcpy(params.address, "\2\0\0\0\0\7", 6);
	return params;
}

/* The kernel made a header of the address, its own and the protocol. */
static void expect_dgram(struct tx_pair *pair, uint32_t number, uint32_t len)
{
	uint8_t data[TX_ETHER + TX_MTU], payload[TX_MTU];
	int vlan;

	tx_fill(payload, number, len);
	assert_int_equal(tx_receive(pair, data, sizeof(data), &vlan), TX_ETHER + len);
	assert_memory_equal(data, "\2\0\0\0\0\7", 6);
	assert_memory_equal(data + 6, "\2\0\0\0\0\x63", 6);
	assert_memory_equal(data + 12, "\x88\xB5", 2);
	assert_memory_equal(data + TX_ETHER, payload, len);
}

static void dgram_gets_its_header_from_the_kernel(void **state)
{
	const uint32_t lens[] = {TX_MTU, 46, 1, 0, 13};
	struct fancap_tx_params params = dgram_params(tx_version(state));
	struct tx_pair pair;

	run("ip link set " TX_FROM " address 02:00:00:00:00:63");
	tx_pair_open(&pair, &params);
	for (unsigned lap = 0; lap < 3; lap++) {
		for (uint32_t i = 0; i < N_ELEMENTS(lens); i++)
			tx_queue(&pair, i, lens[i]);
		assert_int_equal(fancap_tx_send(pair.tx, true), TX_MTU + 46 + 1 + 13);
		assert_int_equal(tx_reap(&pair), N_ELEMENTS(lens));
		for (uint32_t i = 0; i < N_ELEMENTS(lens); i++)
			expect_dgram(&pair, i, lens[i]);
	}
	assert_int_equal(pair.sent, 3 * N_ELEMENTS(lens));
	tx_pair_close(&pair);
}

static void dgram_sends_from_any_offset(void **state)
{
	struct fancap_tx_params params = dgram_params(tx_version(state));
	struct tx_pair pair;

	run("ip link set " TX_FROM " address 02:00:00:00:00:63");
	params.custom_offset = true;
	tx_pair_open(&pair, &params);
	for (uint32_t offset = 0; offset < 20; offset++) {
		tx_queue_at(&pair, offset, 100, offset);
		assert_int_equal(fancap_tx_send(pair.tx, true), 100);
		tx_expect_fate(&pair, FANCAP_TX_SENT);
		expect_dgram(&pair, offset, 100);
	}
	tx_pair_close(&pair);
}

static void queue_vlan(struct tx_pair *pair, uint32_t number, uint32_t len)
{
	uint8_t *data = fancap_tx_frame(pair->tx);

	assert_non_null(data);
	tx_fill(data, number, len);
	memcpy(data + 12, "\x81\x00\x60\x2A\x88\xB5", 6);
	assert_int_equal(fancap_tx_queue(pair->tx, len, 0), 0);
}

/* Received without the tag, which is told beside. */
static void expect_vlan(struct tx_pair *pair, uint32_t number, uint32_t len)
{
	uint8_t data[TX_ETHER + TX_MTU], expected[sizeof(data) + 4];
	int vlan;

	tx_fill(expected, number, len);
	assert_int_equal(tx_receive(pair, data, sizeof(data), &vlan), len - 4);
	assert_int_equal(vlan, 0x602A);
	assert_memory_equal(data, expected, 12);
	assert_memory_equal(data + 12, "\x88\xB5", 2);
	assert_memory_equal(data + 14, expected + 18, len - 18);
}

/* A tagged frame may be 4 bytes longer than the MTU allows. (One below 20 leaves too, but no kernel receives it.) */
static void sends_vlan_tags_in_band(void **state)
{
	const uint32_t lens[] = {20, 64, TX_ETHER + TX_MTU, TX_ETHER + TX_MTU + 4};
	struct fancap_tx_params params = tx_params(tx_version(state), 4);
	struct tx_pair pair;

	tx_pair_open(&pair, &params);
	for (uint32_t i = 0; i < N_ELEMENTS(lens); i++)
		queue_vlan(&pair, i, lens[i]);
	assert_true(fancap_tx_send(pair.tx, true) > 0);
	assert_int_equal(tx_reap(&pair), N_ELEMENTS(lens));
	assert_int_equal(pair.sent, N_ELEMENTS(lens));
	for (uint32_t i = 0; i < N_ELEMENTS(lens); i++)
		expect_vlan(&pair, i, lens[i]);
	tx_pair_close(&pair);
}

static void bypasses_the_qdisc(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 8);
	struct tx_pair pair;

	run("tc qdisc add dev " TX_FROM " root pfifo");
	params.qdisc_bypass = true;
	tx_pair_open(&pair, &params);
	send_in_laps(&pair, true, PACKETS);
	for (uint32_t i = 0; i < PACKETS; i++)
		tx_expect(&pair, i, len_of(i));
	run("tc -s qdisc show dev " TX_FROM " | grep -q 'Sent 0 bytes 0 pkt'");
	run("tc qdisc del dev " TX_FROM " root");
	tx_pair_close(&pair);
}

/* Copied or not, packets are the same, and wrong ones are found; lengths are the caller's. */
static void copies_packets(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 8);
	struct tx_pair pair;

	params.copy = true;
	params.skip_wrong = true;
	tx_pair_open(&pair, &params);
	assert_int_equal(fancap_tx_queue(pair.tx, params.packet_max + 4096, 0), -EMSGSIZE);
	for (uint32_t i = 0; i < PACKETS; i += 4) {
		for (uint32_t n = i; n < i + 4; n++)
			tx_queue(&pair, n, len_of(n));
		tx_queue(&pair, 1000, TX_ETHER - 1);
		assert_int_equal(fancap_tx_send(pair.tx, true),
				 len_of(i) + len_of(i + 1) + len_of(i + 2) + len_of(i + 3));
		tx_reap_all(&pair);
	}
	assert_int_equal(pair.sent, PACKETS);
	assert_int_equal(pair.wrong, PACKETS / 4);
	for (uint32_t i = 0; i < PACKETS; i++)
		tx_expect(&pair, i, len_of(i));
	tx_expect_silence(&pair);
	tx_pair_close(&pair);
}

static void receives_nothing(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 2);
	int sender = sender_open(TX_TO);
	struct pollfd ready = {.events = POLLIN | POLLOUT};
	uint8_t frame[60];
	struct tx_pair pair;

	tx_pair_open(&pair, &params);
	ready.fd = fancap_tx_fd(pair.tx);
	tx_fill(frame, 0, sizeof(frame));
	sender_send(sender, frame, sizeof(frame));
	tx_receive(&pair, frame, sizeof(frame), &(int){0}); /* that one has seen it go */
	assert_int_equal(poll(&ready, 1, 20), 1);
	assert_int_equal(ready.revents, POLLOUT);
	close(sender);
	tx_pair_close(&pair);
}

static void expect_refusal(const struct fancap_tx_params *params, int error, const char *text)
{
	unsigned fds = fd_count();
	struct fancap_tx *tx = NULL;
	struct fancap_error err;

	assert_int_equal(fancap_tx_open(params, &tx, &err), error);
	assert_null(tx);
	assert_has(err.text, text);
	assert_int_equal(fd_count(), fds);
	assert_int_equal(fancap_tx_open(params, &tx, NULL), error);
	assert_int_equal(fd_count(), fds);
}

static void copies_only_raw_packets_at_the_usual_offset(void **state)
{
	struct fancap_tx_params params = tx_params(FANCAP_V2, 8);

	(void)state;
	params.copy = params.custom_offset = true;
	expect_refusal(&params, -EINVAL, "copied packets are of RAW sockets");
	params.custom_offset = false;
	params.type = FANCAP_DGRAM;
	expect_refusal(&params, -EINVAL, "copied packets are of RAW sockets");
}

/* The bounds are of the packet, with or without what goes in front of it. */
static void takes_the_same_lengths_copied_or_not(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 8);
	struct tx_pair pair;

	for (unsigned copy = 0; copy < 2; copy++) {
		params.copy = copy != 0;
		params.packet_max = 0;
		expect_refusal(&params, -EINVAL, TX_FROM ": packets of up to 0 bytes: 1 to 131072 are allowed");
		params.packet_max = 131073;
		expect_refusal(&params, -EINVAL, "packets of up to 131073 bytes: 1 to 131072 are allowed");
		params.packet_max = UINT32_MAX;
		expect_refusal(&params, -EINVAL, "packets of up to 4294967295 bytes: 1 to 131072 are allowed");
		params.packet_max = 131072;
		tx_pair_open(&pair, &params);
		assert_int_equal(fancap_tx_queue(pair.tx, 131072, 0), 0);
		tx_pair_close(&pair);
	}
}

static void failing_leaves_nothing_behind(void **state)
{
	const struct fancap_tx_params good = tx_params(tx_version(state), 4);
	struct fancap_tx_params params = good;

	params.ifindex = 999999;
	expect_refusal(&params, -ENODEV, TX_FROM ": bind: No such device");
	params = good;
	params.packets = 0;
	expect_refusal(&params, -EINVAL, TX_FROM ": a transmit ring of no packets");
	params = good;
	params.address_bytes = 9;
	expect_refusal(&params, -EINVAL, TX_FROM ": an address of 9 bytes: at most 8 are allowed");
	params = good;
	params.version = (enum fancap_version)7;
	expect_refusal(&params, -EINVAL, "there are V1, V2 and V3");
}

static void closing_leaves_nothing_behind(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 4);
	unsigned fds = fd_count();
	struct tx_pair pair;

	for (unsigned i = 0; i < 10; i++) {
		tx_pair_open(&pair, &params);
		tx_queue(&pair, i, 60); /* never sent */
		tx_pair_close(&pair);
	}
	fancap_tx_close(NULL);
	assert_int_equal(fd_count(), fds);
}

static int try_as_nobody(const struct fancap_tx_params *params)
{
	struct fancap_tx *tx;
	struct fancap_error err;

	if (setgid(65534) < 0 || setuid(65534) < 0)
		return 1;
	if (fancap_tx_open(params, &tx, &err) != -EPERM)
		return 2;
	return strstr(err.text, "CAP_NET_RAW") != NULL ? 0 : 3;
}

static void says_which_privilege_is_missing(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), 4);
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0)
		_exit(try_as_nobody(&params));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH_VERSION(sends_a_hundred),
		EACH_VERSION(laps_of_a_small_ring_waiting),
		EACH_VERSION(laps_of_a_small_ring_not_waiting),
		EACH_VERSION(one_frame_is_enough),
		EACH_VERSION(says_when_there_is_no_frame),
		EACH_VERSION(sends_nothing_when_nothing_is_queued),
		EACH_VERSION(refuses_what_does_not_fit_a_frame),
		EACH_VERSION(sends_from_any_offset),
		EACH_VERSION(sends_from_the_far_end_of_a_frame),
		EACH_VERSION(refuses_offsets_that_the_header_cannot_hold),
		EACH_VERSION(dgram_gets_its_header_from_the_kernel),
		EACH_VERSION(dgram_sends_from_any_offset),
		EACH_VERSION(sends_vlan_tags_in_band),
		EACH_VERSION(bypasses_the_qdisc),
		EACH_VERSION(copies_packets),
		cmocka_unit_test(copies_only_raw_packets_at_the_usual_offset),
		EACH_VERSION(takes_the_same_lengths_copied_or_not),
		EACH_VERSION(receives_nothing),
		EACH_VERSION(failing_leaves_nothing_behind),
		EACH_VERSION(closing_leaves_nothing_behind),
		EACH_VERSION(says_which_privilege_is_missing),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests(tests, tx_link_make, NULL);
}
