// SPDX-License-Identifier: BSD-3-Clause
/* Transmit rings when the link cannot take packets: down, gone, slow, full. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/unit/netns.h"
#include "tests/unit/tx_pair.h"

#define PACKETS 20u
#define LEN 1000u
#define ALL_BYTES ((int)(PACKETS * LEN))

static void queue_all(struct tx_pair *pair)
{
	for (uint32_t i = 0; i < PACKETS; i++)
		tx_queue(pair, i, LEN);
}

static void expect_all(struct tx_pair *pair)
{
	tx_reap_all(pair);
	assert_int_equal(pair->sent, PACKETS);
	for (uint32_t i = 0; i < PACKETS; i++)
		tx_expect(pair, i, LEN);
	tx_expect_silence(pair);
}

static void keeps_packets_while_the_link_is_down(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), PACKETS);
	struct tx_pair pair;

	tx_pair_open(&pair, &params);
	run("ip link set " TX_FROM " down");
	queue_all(&pair);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fancap_tx_send(pair.tx, i % 2), -ENETDOWN);
	assert_int_equal(tx_reap(&pair), 0);
	assert_int_equal(fancap_tx_pending(pair.tx), PACKETS);
	run("ip link set " TX_FROM " up");
	link_await_up(TX_FROM);
	assert_int_equal(fancap_tx_send(pair.tx, true), ALL_BYTES);
	expect_all(&pair);
	tx_pair_close(&pair);
}

static void opens_on_a_link_that_is_down(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), PACKETS);
	struct tx_pair pair;

	run("ip link set " TX_FROM " down");
	tx_pair_open(&pair, &params);
	queue_all(&pair);
	assert_int_equal(fancap_tx_send(pair.tx, true), -ENETDOWN);
	run("ip link set " TX_FROM " up");
	link_await_up(TX_FROM);
	assert_int_equal(fancap_tx_send(pair.tx, true), ALL_BYTES);
	expect_all(&pair);
	tx_pair_close(&pair);
}

/* Send again and again until all is accepted. @return how often it was refused */
static unsigned insist(struct tx_pair *pair, bool wait, int refusal)
{
	unsigned refused = 0;
	int bytes = 0;

	while (bytes < ALL_BYTES) {
		int r = fancap_tx_send(pair->tx, wait);

		if (r < 0) {
			assert_int_equal(r, refusal);
			refused++;
			sleep_ms(2);
		}
		bytes += r < 0 ? 0 : r;
		tx_reap(pair);
	}
	assert_int_equal(bytes, ALL_BYTES);
	return refused;
}

/*
 * No carrier is not "down". The driver refuses packets until the kernel has noticed; from then on it takes and drops
 * them, and to us they were sent.
 */
static void without_carrier_packets_count_as_sent(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), PACKETS);
	struct tx_pair pair;

	tx_pair_open(&pair, &params);
	run("ip link set " TX_TO " down");
	queue_all(&pair);
	insist(&pair, true, -ENOBUFS);
	tx_reap_all(&pair);
	assert_int_equal(pair.sent, PACKETS);
	run("ip link set " TX_TO " up");
	link_await_up(TX_FROM);
	tx_pair_close(&pair);
}

/* Past the queueing discipline there is nobody to take and drop them. */
static void without_carrier_a_bypass_takes_nothing(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), PACKETS);
	struct tx_pair pair;

	params.qdisc_bypass = true;
	tx_pair_open(&pair, &params);
	run("ip link set " TX_TO " down");
	queue_all(&pair);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(fancap_tx_send(pair.tx, i % 2), -ENOBUFS);
	assert_int_equal(tx_reap(&pair), 0);
	run("ip link set " TX_TO " up");
	link_await_up(TX_FROM);
	link_await_up(TX_TO);
	(void)recv(pair.receiver, &(char){0}, 1, 0); /* ENETDOWN from going down */
	assert_int_equal(fancap_tx_send(pair.tx, true), ALL_BYTES);
	expect_all(&pair);
	tx_pair_close(&pair);
}

static void link_that_is_gone_is_gone_for_good(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), PACKETS);
	struct tx_pair pair;

	tx_pair_open(&pair, &params);
	link_delete(TX_TO);
	queue_all(&pair);
	assert_int_equal(fancap_tx_send(pair.tx, true), -ENXIO);
	tx_link_make(NULL); /* the name is back, the interface is another */
	assert_int_equal(fancap_tx_send(pair.tx, true), -ENXIO);
	assert_int_equal(tx_reap(&pair), 0);
	assert_int_equal(fancap_tx_pending(pair.tx), PACKETS);
	tx_pair_close(&pair);
}

static void slow_down(unsigned kbit, unsigned queue_bytes)
{
	run("tc qdisc replace dev " TX_FROM " root tbf rate %ukbit burst 2kb limit %u", kbit, queue_bytes);
}

/* Rates so low that nothing gets through in a test's time, until they are raised. */
#define STANDSTILL_KBIT 8
static void end_standstill(void)
{
	slow_down(100000, 1000000);
}

static void speed_up(void)
{
	run("tc qdisc del dev " TX_FROM " root");
}

static void waiting_lasts_until_all_has_left(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), PACKETS);
	struct tx_pair pair;

	slow_down(2000, 1000000);
	tx_pair_open(&pair, &params);
	queue_all(&pair);
	assert_int_equal(fancap_tx_send(pair.tx, true), ALL_BYTES);
	assert_int_equal(tx_reap(&pair), PACKETS);
	expect_all(&pair);
	speed_up();
	tx_pair_close(&pair);
}

static void not_waiting_leaves_fates_open(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), PACKETS);
	struct tx_pair pair;

	slow_down(STANDSTILL_KBIT, 1000000);
	tx_pair_open(&pair, &params);
	queue_all(&pair);
	assert_int_equal(fancap_tx_send(pair.tx, false), ALL_BYTES);
	assert_in_range(tx_reap(&pair), 0, PACKETS / 2);
	assert_int_equal(fancap_tx_send(pair.tx, false), 0); /* nothing more to accept */
	end_standstill();
	expect_all(&pair);
	speed_up();
	tx_pair_close(&pair);
}

/* A packet that the queue refused stays where it is: none is lost, none goes twice. */
static void full_queue_refuses_and_loses_nothing(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), PACKETS);

	slow_down(2000, 3000);
	for (unsigned wait = 0; wait < 2; wait++) {
		struct tx_pair pair;

		tx_pair_open(&pair, &params);
		queue_all(&pair);
		assert_int_not_equal(insist(&pair, wait, -ENOBUFS), 0);
		expect_all(&pair);
		tx_pair_close(&pair);
	}
	speed_up();
}

static void full_socket_says_again(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), PACKETS);
	struct tx_pair pair;
	int least = 1;

	slow_down(2000, 1000000);
	tx_pair_open(&pair, &params);
	assert_int_equal(setsockopt(fancap_tx_fd(pair.tx), SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)), 0);
	queue_all(&pair);
	assert_int_not_equal(insist(&pair, false, -EAGAIN), 0);
	expect_all(&pair);
	speed_up();
	tx_pair_close(&pair);
}

/* The wrong one is known before those in front of it have left; fates keep their order all the same. */
static void fates_wait_for_those_before(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), PACKETS);
	struct tx_pair pair;

	slow_down(500, 1000000);
	params.skip_wrong = true;
	tx_pair_open(&pair, &params);
	for (uint32_t i = 0; i < PACKETS; i++)
		tx_queue(&pair, i, i == PACKETS / 2 ? TX_ETHER + TX_MTU + 1 : LEN);
	assert_int_equal(fancap_tx_send(pair.tx, false), ALL_BYTES - (int)LEN);
	for (uint32_t i = 0; i < PACKETS; i++)
		tx_expect_fate(&pair, i == PACKETS / 2 ? FANCAP_TX_WRONG : FANCAP_TX_SENT);
	for (uint32_t i = 0; i < PACKETS; i++) {
		if (i != PACKETS / 2)
			tx_expect(&pair, i, LEN);
	}
	speed_up();
	tx_pair_close(&pair);
}

static void ignore(int number)
{
	(void)number;
}

static void signals_end_the_waiting(void **state)
{
	const struct sigaction on_alarm = {.sa_handler = ignore}; /* no SA_RESTART */
	const struct itimerval often = {.it_interval.tv_usec = 20000, .it_value.tv_usec = 20000};
	const struct itimerval never = {0};
	struct fancap_tx_params params = tx_params(tx_version(state), PACKETS);
	struct tx_pair pair;

	slow_down(STANDSTILL_KBIT, 1000000);
	tx_pair_open(&pair, &params);
	queue_all(&pair);
	assert_int_equal(sigaction(SIGALRM, &on_alarm, NULL), 0);
	setitimer(ITIMER_REAL, &often, NULL);
	assert_int_equal(fancap_tx_send(pair.tx, true), -EINTR);
	setitimer(ITIMER_REAL, &never, NULL);
	assert_int_not_equal(fancap_tx_pending(pair.tx), 0);
	end_standstill();
	assert_int_equal(fancap_tx_send(pair.tx, true), 0); /* all accepted before; this one waits */
	expect_all(&pair);
	speed_up();
	tx_pair_close(&pair);
}

/* What is on its way leaves the ring's memory only when it has gone: closing does not wait, and takes nothing back. */
static void closing_lets_packets_go(void **state)
{
	struct fancap_tx_params params = tx_params(tx_version(state), PACKETS);
	struct tx_pair pair;

	slow_down(2000, 1000000);
	tx_pair_open(&pair, &params);
	queue_all(&pair);
	assert_int_equal(fancap_tx_send(pair.tx, false), ALL_BYTES);
	fancap_tx_close(pair.tx);
	pair.tx = NULL;
	for (uint32_t i = 0; i < PACKETS; i++)
		tx_expect(&pair, i, LEN);
	speed_up();
	tx_pair_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH_VERSION(keeps_packets_while_the_link_is_down),
		EACH_VERSION(opens_on_a_link_that_is_down),
		EACH_VERSION(without_carrier_packets_count_as_sent),
		EACH_VERSION(without_carrier_a_bypass_takes_nothing),
		EACH_VERSION(link_that_is_gone_is_gone_for_good),
		EACH_VERSION(waiting_lasts_until_all_has_left),
		EACH_VERSION(not_waiting_leaves_fates_open),
		EACH_VERSION(full_queue_refuses_and_loses_nothing),
		EACH_VERSION(full_socket_says_again),
		EACH_VERSION(fates_wait_for_those_before),
		EACH_VERSION(signals_end_the_waiting),
		EACH_VERSION(closing_lets_packets_go),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests(tests, tx_link_make, NULL);
}
