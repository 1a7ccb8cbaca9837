// SPDX-License-Identifier: BSD-3-Clause
/* Timestamps: from synthetic blocks, and on a veth pair, whose ends have no clock. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fancap/group.h"
#include "fancap/ring.h"
#include "fancap/timestamp.h"
#include "tests/unit/blocks.h"
#include "tests/unit/netns.h"

#define SECOND 1000000000ull

static int make_link(void **state)
{
	(void)state;
	veth_add("ts0", "ts1");
	return 0;
}

static void the_status_says_who_stamped_a_packet(void **state)
{
	static const struct {
		uint32_t status;
		enum fancap_timestamp_source source;
	} rows[] = {
		{0, FANCAP_TIMESTAMP_RING},
		{TP_STATUS_CSUMNOTREADY | TP_STATUS_LOSING, FANCAP_TIMESTAMP_RING},
		{TP_STATUS_TS_SOFTWARE, FANCAP_TIMESTAMP_SOFTWARE},
		{TP_STATUS_TS_RAW_HARDWARE, FANCAP_TIMESTAMP_HARDWARE},
		{TP_STATUS_TS_RAW_HARDWARE | TP_STATUS_TS_SOFTWARE, FANCAP_TIMESTAMP_HARDWARE},
	};
	struct test_block block;
	struct fancap_packet packet;
	struct fancap_walk walk;

	(void)state;
	test_block_init(&block, 4096, 0, 2, 1);
	for (size_t i = 0; i < N_ELEMENTS(rows); i++)
		assert_true(test_block_add(&block, &(struct test_packet){.caplen = 60, .status = rows[i].status}));
	assert_int_equal(fancap_walk_start(&walk, block.bytes, block.size), 0);
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		assert_int_equal(fancap_walk_next(&walk, &packet), 1);
		assert_int_equal(fancap_packet_timestamp_source(&packet), rows[i].source);
	}
	test_block_done(&block);
}

static void a_stamp_within_the_limit_is_plausible(void **state)
{
	const uint64_t now = 1700000000 * SECOND, limit = 10 * SECOND;

	(void)state;
	assert_true(fancap_timestamp_plausible(now, now, 0));
	assert_true(fancap_timestamp_plausible(now + limit, now, limit));
	assert_true(fancap_timestamp_plausible(now - limit, now, limit));
	assert_false(fancap_timestamp_plausible(now + limit + 1, now, limit));
	assert_false(fancap_timestamp_plausible(now - limit - 1, now, limit));
	assert_false(fancap_timestamp_plausible(42 * SECOND, now, limit)); /* since the device was started */
	assert_false(fancap_timestamp_plausible(UINT64_MAX, 0, limit));
}

static void a_veth_has_no_clock(void **state)
{
	struct fancap_error err;

	(void)state;
	assert_int_equal(fancap_timestamp_device_enable("ts1", &err), -EOPNOTSUPP);
	assert_string_equal(err.text, "the device cannot stamp packets in hardware");
	assert_int_equal(fancap_timestamp_device_enable("ts9", &err), -ENODEV);
	assert_string_equal(err.text, "no such interface");
	assert_int_equal(fancap_timestamp_device_enable("a-name-of-more-than-15", NULL), -ENODEV);
}

/* --- devices that stamp, made up: there is none in a machine for tests -------------------------------------------- */

/* What a driver answers: errno or 0, and the filter that it says it has then. */
static struct {
	bool on;
	int get_error, get_filter, set_error, set_filter;
	unsigned sets;
	struct hwtstamp_config wanted; /* by the last set */
} driver;

int __real_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, void *arg);

int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	struct hwtstamp_config *config;
	int error;

	if (!driver.on || (request != SIOCGHWTSTAMP && request != SIOCSHWTSTAMP))
		return __real_ioctl(fd, request, arg);
	config = (void *)((struct ifreq *)arg)->ifr_data;
	error = request == SIOCGHWTSTAMP ? driver.get_error : driver.set_error;
	if (request == SIOCSHWTSTAMP) {
		driver.sets++;
		driver.wanted = *config;
	}
	if (error != 0) {
		errno = error;
		return -1;
	}
	if (request == SIOCGHWTSTAMP)
		config->tx_type = HWTSTAMP_TX_ON;
	config->rx_filter = request == SIOCGHWTSTAMP ? driver.get_filter : driver.set_filter;
	return 0;
}

static void asks_a_device_for_every_packet_and_believes_its_answer(void **state)
{
	static const struct {
		int get_error, get_filter, set_error, set_filter;
		unsigned sets;
		int expected;
	} rows[] = {
		{0, HWTSTAMP_FILTER_ALL, EPERM, 0, 0, 0}, /* it does already: that takes no capability */
		{0, HWTSTAMP_FILTER_NONE, 0, HWTSTAMP_FILTER_ALL, 1, 0},
		{0, HWTSTAMP_FILTER_PTP_V2_EVENT, 0, HWTSTAMP_FILTER_ALL, 1, 0},
		{EOPNOTSUPP, 0, 0, HWTSTAMP_FILTER_ALL, 1, 0}, /* an old driver that does not tell */
		{0, HWTSTAMP_FILTER_NONE, 0, HWTSTAMP_FILTER_PTP_V2_EVENT, 1, -ERANGE}, /* took less */
		{0, HWTSTAMP_FILTER_NONE, ERANGE, 0, 1, -ERANGE},
		{0, HWTSTAMP_FILTER_NONE, EPERM, 0, 1, -EPERM},
		{0, HWTSTAMP_FILTER_NONE, EBUSY, 0, 1, -EBUSY},
		{EOPNOTSUPP, 0, EOPNOTSUPP, 0, 1, -EOPNOTSUPP},
		{ENOTTY, 0, ENOTTY, 0, 1, -EOPNOTSUPP},
		{EINVAL, 0, EINVAL, 0, 1, -EOPNOTSUPP},
		{ENODEV, 0, ENODEV, 0, 1, -ENODEV},
		{EIO, 0, EIO, 0, 1, -EIO},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct fancap_error err = {""};

		driver.on = true;
		driver.get_error = rows[i].get_error;
		driver.get_filter = rows[i].get_filter;
		driver.set_error = rows[i].set_error;
		driver.set_filter = rows[i].set_filter;
		driver.sets = 0;
		assert_int_equal(fancap_timestamp_device_enable("ts1", &err), rows[i].expected);
		driver.on = false;
		assert_string_equal(err.text, rows[i].expected < 0 ? fancap_timestamp_reason(-rows[i].expected) : "");
		assert_int_equal(driver.sets, rows[i].sets);
		if (driver.sets == 0)
			continue;
		assert_int_equal(driver.wanted.rx_filter, HWTSTAMP_FILTER_ALL);
		/* What it does with packets it sends is left as it is. */
		assert_int_equal(driver.wanted.tx_type, rows[i].get_error == 0 ? HWTSTAMP_TX_ON : HWTSTAMP_TX_OFF);
	}
}

static void every_failure_has_a_text_of_its_own(void **state)
{
	static const int errors[] = {EOPNOTSUPP, ERANGE, EPERM, EBUSY, ENODEV, EIO};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(errors); i++) {
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(fancap_timestamp_reason(errors[i]), fancap_timestamp_reason(errors[j]));
	}
	assert_has(fancap_timestamp_reason(EPERM), "CAP_NET_ADMIN");
	assert_has(fancap_timestamp_reason(ERANGE), "only some");
}

static uint64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/* Send one frame. @return who stamped it; its time lies between sending and now */
static enum fancap_timestamp_source stamp_one(bool hardware, bool early)
{
	struct fancap_geometry geometry = geometry_of(2, 1 << 16, 1514, 1);
	const struct fancap_group_params params = {
		.interface = "ts1", .ifindex = ifindex_of("ts1"), .members = 1, .geometry = &geometry};
	const struct fancap_filter everything = {0};
	struct fancap_packet packet = {0};
	struct fancap_group group;
	struct fancap_walk walk;
	struct fancap_ring ring;
	uint8_t frame[60];
	uint64_t before;
	void *block;
	int sender = sender_open("ts0");

	assert_int_equal(fancap_group_open(&params, &group, NULL), 0);
	assert_int_equal(fancap_timestamp_socket_hardware(group.fds[0], hardware), 0);
	assert_int_equal(fancap_timestamp_socket_early(group.fds[0], early), 0);
	assert_int_equal(fancap_group_gate_open(&group, &everything, NULL), 0);
	assert_int_equal(fancap_ring_map(&ring, group.fds[0], &geometry), 0);
	before = realtime_ns();
	frame_numbered(frame, sizeof(frame), 1);
	sender_send(sender, frame, sizeof(frame));
	for (int i = 0; (block = fancap_ring_acquire(&ring)) == NULL && i < 1000; i++)
		sleep_ms(1);
	assert_non_null(block);
	assert_int_equal(fancap_walk_start(&walk, block, ring.block_bytes), 0);
	assert_int_equal(fancap_walk_next(&walk, &packet), 1);
	assert_in_range(packet.time_ns, before, realtime_ns());
	fancap_ring_unmap(&ring);
	fancap_group_close(&group);
	close(sender);
	return fancap_packet_timestamp_source(&packet);
}

#define PACKETS 500u

/* The times of all packets in a ring, by their numbers. */
static void times_in_ring(int fd, const struct fancap_geometry *geometry, uint64_t ret[PACKETS])
{
	struct fancap_packet packet;
	struct fancap_walk walk;
	struct fancap_ring ring;
	unsigned n = 0, waited = 0;
	uint64_t position = 0;
	void *block;

	assert_int_equal(fancap_ring_map(&ring, fd, geometry), 0);
	while (n < PACKETS) {
		block = fancap_ring_acquire(&ring);
		if (block == NULL) {
			assert_true(waited++ < 5000);
			sleep_ms(1);
			continue;
		}
		assert_int_equal(fancap_walk_start(&walk, block, ring.block_bytes), 0);
		for (; fancap_walk_next(&walk, &packet) == 1; n++) {
			assert_int_equal(fancap_packet_timestamp_source(&packet), FANCAP_TIMESTAMP_SOFTWARE);
			assert_true(n < PACKETS);
			assert_int_equal(frame_number(packet.data, packet.caplen), n);
			ret[n] = packet.time_ns;
		}
		fancap_ring_release(&ring, position++);
	}
	fancap_ring_unmap(&ring);
}

/* The kernel begins to stamp early some time after it was asked: a work queue does it. */
static void await_software_stamp(bool hardware)
{
	int asking = sender_open("ts0"); /* all the while, so that it stays on once it is */

	assert_int_equal(fancap_timestamp_socket_early(asking, true), 0);
	for (int i = 0; i < 500; i++) {
		if (stamp_one(hardware, true) == FANCAP_TIMESTAMP_SOFTWARE)
			break;
		assert_int_not_equal(i, 499);
	}
	close(asking);
}

static void a_stamp_may_be_made_earlier_than_in_the_ring(void **state)
{
	(void)state;
	await_software_stamp(false);
}

/* Two groups that see all packets: what makes it possible to go from one ring to another at an instant. */
static void an_early_stamp_is_the_same_in_every_ring(void **state)
{
	struct fancap_geometry geometry = geometry_of(8, 1 << 16, 1514, 1);
	const struct fancap_group_params params = {
		.interface = "ts1", .ifindex = ifindex_of("ts1"), .members = 1, .geometry = &geometry};
	const struct fancap_filter everything = {0};
	struct fancap_group groups[2];
	int asking = sender_open("ts0"), sender = sender_open("ts0");
	uint64_t times[2][PACKETS];
	uint8_t frame[60];

	(void)state;
	assert_int_equal(fancap_timestamp_socket_early(asking, true), 0);
	await_software_stamp(false);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fancap_group_open(&params, &groups[i], NULL), 0);
		assert_int_equal(fancap_group_gate_open(&groups[i], &everything, NULL), 0);
	}
	for (uint32_t i = 0; i < PACKETS; i++) {
		frame_numbered(frame, sizeof(frame), i);
		sender_send(sender, frame, sizeof(frame));
	}
	for (unsigned i = 0; i < 2; i++)
		times_in_ring(groups[i].fds[0], &geometry, times[i]);
	assert_memory_equal(times[0], times[1], sizeof(times[0]));
	for (unsigned i = 0; i < 2; i++)
		fancap_group_close(&groups[i]);
	close(asking);
	close(sender);
}

/* Packets without a stamp of the device keep the kernel's. */
static void asking_for_what_a_packet_lacks_is_no_error(void **state)
{
	(void)state;
	assert_int_not_equal(stamp_one(true, false), FANCAP_TIMESTAMP_HARDWARE);
	await_software_stamp(true);
}

static void the_socket_is_told(void **state)
{
	int fd = sender_open("ts0"), value = -1;
	socklen_t len = sizeof(value);

	(void)state;
	assert_int_equal(fancap_timestamp_socket_hardware(fd, true), 0);
	assert_int_equal(getsockopt(fd, SOL_PACKET, PACKET_TIMESTAMP, &value, &len), 0);
	assert_int_equal(value, SOF_TIMESTAMPING_RAW_HARDWARE);
	assert_int_equal(fancap_timestamp_socket_hardware(fd, false), 0);
	assert_int_equal(getsockopt(fd, SOL_PACKET, PACKET_TIMESTAMP, &value, &len), 0);
	assert_int_equal(value, 0);
	close(fd);
	assert_int_equal(fancap_timestamp_socket_hardware(-1, true), -EBADF);
	assert_int_equal(fancap_timestamp_socket_early(-1, true), -EBADF);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_status_says_who_stamped_a_packet),
		cmocka_unit_test(a_stamp_within_the_limit_is_plausible),
		cmocka_unit_test(a_veth_has_no_clock),
		cmocka_unit_test(asks_a_device_for_every_packet_and_believes_its_answer),
		cmocka_unit_test(every_failure_has_a_text_of_its_own),
		cmocka_unit_test(a_stamp_may_be_made_earlier_than_in_the_ring),
		cmocka_unit_test(an_early_stamp_is_the_same_in_every_ring),
		cmocka_unit_test(asking_for_what_a_packet_lacks_is_no_error),
		cmocka_unit_test(the_socket_is_told),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests_name("timestamp", tests, make_link, NULL);
}
