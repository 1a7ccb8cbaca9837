// SPDX-License-Identifier: BSD-3-Clause
/* What becomes of packets that are put into fancap-replay's ring, on a veth pair. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fancap/link.h"
#include "replay/feed.h"
#include "replay/sender.h"

#define FRAME_MAX 1514u

/* Not those of tests/unit/netns.h, which has a sender_open() too. */
static void run(const char *command)
{
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static int make_link(void **state)
{
	(void)state;
	run("ip link add rs0 type veth peer name rs1");
	run("ip link set rs1 up");
	run("ip link set rs0 up");
	return 0;
}

static int put(struct sender *sender, uint32_t len, struct replay_counts *counts)
{
	static uint8_t frame[FRAME_MAX];
	const struct replay_packet packet = {.data = frame, .len = len};

	return sender_put(sender, &packet, counts, NULL);
}

static void skips_what_has_become_too_long(void **state)
{
	volatile int stop = 0;
	struct sender_params params = {.interface = "rs0", .stop = &stop};
	struct replay_counts counts = {0};
	struct sender *sender;

	(void)state;
	assert_int_equal(fancap_link_query("rs0", &params.link, NULL), 0);
	params.packet_max = feed_packet_max(&params.link);
	assert_int_equal(sender_open(&params, &sender, NULL), 0);
	assert_int_equal(put(sender, 1514, &counts), 1);
	run("ip link set rs0 mtu 1000");
	assert_int_equal(sender_flush(sender, &counts, NULL), 0);
	assert_int_equal(sender_mtu(sender), 1000);
	assert_int_equal(put(sender, 1014, &counts), 1);
	assert_int_equal(put(sender, 1015, &counts), 0);
	run("ip link set rs0 mtu 1500");
	assert_int_equal(sender_finish(sender, &counts, NULL), 0);
	assert_int_equal(sender_mtu(sender), 1000); /* what was once skipped stays so */
	assert_int_equal(counts.packets_sent, 2);
	assert_int_equal(counts.bytes_sent, 1514 + 1014);
	assert_int_equal(counts.skipped[SKIP_TOO_LONG], 1);
	sender_close(sender);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(skips_what_has_become_too_long),
	};

	if (unshare(CLONE_NEWNET) < 0) {
		printf("1..0 # SKIP no network namespace of its own: %s (run as root)\n", strerror(errno));
		return 0;
	}
	return cmocka_run_group_tests_name("replay_sender", tests, make_link, NULL);
}
