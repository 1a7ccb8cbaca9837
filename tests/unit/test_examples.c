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

static unsigned long arrived(const char *interface)
{
	char path[128];
	unsigned long n = 0;
	FILE *file;

	snprintf(path, sizeof(path),
		 "ip -j -s link show %s | sed 's/.*\"rx\":{\"bytes\":[0-9]*,\"packets\":\\([0-9]*\\).*/\\1/'", interface);
	file = popen(path, "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu", &n), 1);
	pclose(file);
	return n;
}

static void transmit_sends_what_it_says(void **state)
{
	(void)state;
	for (int version = 1; version <= 3; version++) {
		unsigned long before = arrived("ex1");
		char arguments[64];

		snprintf(arguments, sizeof(arguments), "transmit --version %d --count 1000 ex0", version);
		assert_string_equal(example_end(example_start(arguments), 0), "sent 1000, wrong 0, not sent 0\n");
		assert_int_equal(arrived("ex1") - before, 1000);
	}
	assert_string_equal(example_end(example_start("transmit --count 0 ex0"), 0), "sent 0, wrong 0, not sent 0\n");
}

/* A queue for two packets: the device says again and again that it takes no more. */
static void transmit_waits_for_a_full_queue(void **state)
{
	unsigned long before = arrived("ex1");

	(void)state;
	run("tc qdisc replace dev ex0 root tbf rate 8mbit burst 2kb limit 200");
	assert_string_equal(example_end(example_start("transmit --count 1000 ex0"), 0), "sent 1000, wrong 0, not sent 0\n");
	run("tc qdisc del dev ex0 root");
	assert_int_equal(arrived("ex1") - before, 1000);
}

static void transmit_says_what_is_wrong(void **state)
{
	(void)state;
	assert_has(example_end(example_start("transmit --version 4 ex0"), 2), "usage: transmit");
	assert_has(example_end(example_start("transmit --count 1x ex0"), 2), "usage: transmit");
	assert_has(example_end(example_start("transmit nonesuch"), 1), "nonesuch");
}

/* Every packet is at one member, and the kernel agrees. */
static void fanout_shares_packets_among_members(void **state)
{
	unsigned long members[3] = {0}, kernel = 0, dropped = 1;
	FILE *pipe = example_start("fanout lb 3 3 ex1");
	uint8_t bytes[100];
	const char *says;
	char line[64];
	int sender;

	(void)state;
	assert_non_null(fgets(line, sizeof(line), pipe));
	assert_has(line, "of 3 members is open");
	sender = sender_open("ex0");
	for (uint32_t i = 0; i < 300; i++) {
		frame_numbered(bytes, sizeof(bytes), i);
		sender_send(sender, bytes, sizeof(bytes));
	}
	says = example_end(pipe, 0);
	close(sender);
	for (int i = 0; i < 3; i++) {
		char start[32];

		snprintf(start, sizeof(start), "member %d: ", i);
		assert_has(says, start);
		members[i] = strtoul(strstr(says, start) + strlen(start), NULL, 10);
	}
	assert_has(says, "the kernel: ");
	assert_int_equal(sscanf(strstr(says, "the kernel: "), "the kernel: %lu packets, %lu", &kernel, &dropped), 2);
	assert_int_equal(kernel, 300);
	assert_int_equal(dropped, 0);
	assert_int_equal(members[0] + members[1] + members[2], 300);
	for (int i = 0; i < 3; i++)
		assert_int_equal(members[i], 100);
}

static void fanout_says_what_is_wrong(void **state)
{
	(void)state;
	assert_has(example_end(example_start("fanout nonsense 2 1 ex1"), 2), "usage: fanout");
	assert_has(example_end(example_start("fanout hash 2 1 nonesuch"), 1), "no such interface");
	assert_has(example_end(example_start("fanout hash 0 1 ex1"), 1), "1 to 65536 are allowed");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(receive_prints_packets),
		cmocka_unit_test(receive_prints_cooked_packets),
		cmocka_unit_test(receive_says_what_is_wrong),
		cmocka_unit_test(transmit_sends_what_it_says),
		cmocka_unit_test(transmit_waits_for_a_full_queue),
		cmocka_unit_test(transmit_says_what_is_wrong),
		cmocka_unit_test(fanout_shares_packets_among_members),
		cmocka_unit_test(fanout_says_what_is_wrong),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests_name("examples", tests, make_link, NULL);
}
