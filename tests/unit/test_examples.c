// SPDX-License-Identifier: BSD-3-Clause
/* The programs in examples/ do what they say. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/netns.h"

static int make_link(void **state)
{
	(void)state;
	veth_add("ex0", "ex1");
	run("ip link set ex0 mtu 9000 && ip link set ex1 mtu 9000");
	return 0;
}

static FILE *example_start(const char *arguments)
{
	const char *builddir = getenv("BUILDDIR");
	char line[4096];
	FILE *pipe;

	snprintf(line, sizeof(line), "timeout 20 %s/examples/%s 2>&1", builddir != NULL ? builddir : ".", arguments);
	pipe = popen(line, "re");
	assert_non_null(pipe);
	return pipe;
}

/* All it prints. */
static const char *example_end(FILE *pipe, int expected_status)
{
	static char output[16384];
	size_t n = fread(output, 1, sizeof(output) - 1, pipe);
	int status = pclose(pipe);

	output[n] = '\0';
	if (status != expected_status << 8)
		fail_msg("exit status %#x: %s", status, output);
	return output;
}

/* Until some packet socket is bound to an interface: fifth column of the table. */
static void await_receiver(void)
{
	run("for i in $(seq 500); do awk 'NR > 1 && $5 == %d { found = 1 } END { exit !found }' /proc/net/packet "
	    "&& exit 0; sleep 0.01; done; exit 1", ifindex_of("ex1"));
}

static void send_three(void)
{
	uint8_t frame[5000];
	int sender = sender_open("ex0");

	frame_numbered(frame, 60, 0);
	memset(frame + 60, 0x77, sizeof(frame) - 60);
	sender_send(sender, frame, 60);
	sender_send(sender, frame, 1000);
	sender_send(sender, frame, sizeof(frame));
	close(sender);
}

static void receive_prints_packets(void **state)
{
	static const struct {
		const char *arguments, *copied;
	} rows[] = {
		{"receive --version 1 --count 3 ex1", " copied"},
		{"receive --version 2 --count 3 ex1", " copied"},
		{"receive --count 3 ex1", ""},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		FILE *pipe = example_start(rows[i].arguments);
		char last[100];
		const char *says;

		await_receiver();
		send_three();
		says = example_end(pipe, 0);
		assert_has(says, " other protocol 0x88b5 length 60: 02 00 00 00 00 01 02 00 00 00 00 02 88 b5 00 00");
		assert_has(says, " other protocol 0x88b5 length 1000: 02 00");
		snprintf(last, sizeof(last), " length 5000%s: 02 00", rows[i].copied);
		assert_has(says, last);
		assert_has(says, "receive: 3 packets, 0 dropped");
	}
}

static void receive_prints_cooked_packets(void **state)
{
	FILE *pipe = example_start("receive --cooked --count 3 ex1");
	const char *says;

	(void)state;
	await_receiver();
	send_three();
	says = example_end(pipe, 0);
	assert_has(says, " other protocol 0x88b5 length 46: 00 00 00 00 ");
	assert_has(says, " length 4986: ");
}

static void receive_says_what_is_wrong(void **state)
{
	(void)state;
	assert_has(example_end(example_start("receive"), 2), "usage: receive");
	assert_has(example_end(example_start("receive --version 4 ex1"), 2), "usage: receive");
	assert_has(example_end(example_start("receive --count -1 ex1"), 2), "usage: receive");
	assert_has(example_end(example_start("receive nonesuch"), 1), "receive: no such interface");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(receive_prints_packets),
		cmocka_unit_test(receive_prints_cooked_packets),
		cmocka_unit_test(receive_says_what_is_wrong),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests_name("examples", tests, make_link, NULL);
}
