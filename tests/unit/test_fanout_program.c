// SPDX-License-Identifier: BSD-3-Clause
/* Fanout programs as the kernel runs them, on a veth pair: gp0 sends, groups are on gp1. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fancap/fanout_program.h"
#include "fancap/group.h"
#include "fancap/selfcheck.h"
#include "fancap/stats.h"
#include "tests/unit/netns.h"

#define MEMBERS 4u
#define HASH_MEMBERS 13u /* a prime: every bit of the hash matters */

static const struct fancap_filter everything;
static struct fancap_geometry geometry;
static int sender, sender_there;

static int make_link(void **state)
{
	(void)state;
	veth_add("gp0", "gp1");
	geometry = geometry_of(16, 1 << 16, 1514, 1);
	sender = sender_open("gp0");
	sender_there = sender_open("gp1");
	return 0;
}

static struct fancap_group group_with(const struct fancap_fanout_program *program, unsigned members)
{
	const struct fancap_group_params params = {
		.interface = "gp1", .ifindex = ifindex_of("gp1"), .members = members, .mode = program->mode,
		.geometry = &geometry, .program = program};
	struct fancap_group group;
	struct fancap_error err;

	if (fancap_group_open(&params, &group, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(fancap_group_gate_open(&group, &everything, NULL), 0);
	return group;
}

/* The one member that a frame goes to; fails unless there is just one. */
static unsigned member_of(const struct fancap_group *group, const void *frame, size_t n, int fd)
{
	unsigned found = UINT32_MAX, sum = 0;

	sender_send(fd, frame, n);
	for (unsigned tries = 0; sum == 0 && tries < 1000; tries++) {
		for (unsigned i = 0; i < group->members; i++) {
			struct fancap_stats stats = {0};

			assert_int_equal(fancap_stats_read(group->fds[i], &stats), 0);
			if (stats.packets > 0)
				found = i;
			sum += (unsigned)stats.packets;
		}
		if (sum == 0)
			sleep_ms(1);
	}
	assert_int_equal(sum, 1);
	return found;
}

/* --- what the default is to compute ------------------------------------------------------------------------------ */

struct flow {
	bool ip6;
	uint8_t protocol;
	uint8_t option_words;	/* IPv4 */
	uint16_t fragment;	/* IPv4 flags and offset */
	uint16_t number;
};

static uint32_t mixed(uint32_t hash)
{
	hash *= 0x9E3779B1u;
	hash ^= hash >> 16;
	hash *= 0xC2B2AE35u;
	return hash ^ hash >> 15;
}

static bool has_ports(const struct flow *flow)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_DCCP, IPPROTO_UDPLITE};

	return !(flow->fragment & 0x3FFF) && memchr(protocols, flow->protocol, sizeof(protocols)) != NULL;
}

/* A frame of 120 bytes of a flow. @return the hash it is to have */
static uint32_t make_frame(uint8_t frame[120], const struct flow *flow, bool back)
{
	uint32_t source[4] = {htonl(0x0A010203), htonl(flow->number), htonl(7), htonl(0x01020300u + flow->number)};
	uint32_t destination[4] = {htonl(0xFD000000), 0, htonl(99), htonl(0xC0A80101u)}, hash = 0;
	uint16_t ports[2] = {htons((uint16_t)(flow->number * 7 + 1)), htons(443)};
	size_t words = flow->ip6 ? 4 : 1, header = flow->ip6 ? 40 : 20 + 4u * flow->option_words;
	uint8_t *ip = frame + 14;
	uint16_t type = htons(flow->ip6 ? ETH_P_IPV6 : ETH_P_IP), fragment = htons(flow->fragment);

	memset(frame, 0, 120);
	memcpy(frame, (const uint8_t[]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, 12);
	memcpy(frame + 12, &type, 2);
	ip[0] = flow->ip6 ? 0x60 : (uint8_t)(0x40 | (header / 4));
	ip[flow->ip6 ? 6 : 9] = flow->protocol;
	if (!flow->ip6)
		memcpy(ip + 6, &fragment, 2);
	memcpy(ip + (flow->ip6 ? 8 : 12) + (back ? words * 4 : 0), source + 4 - words, words * 4);
	memcpy(ip + (flow->ip6 ? 8 : 12) + (back ? 0 : words * 4), destination + 4 - words, words * 4);
	memcpy(ip + header + (back ? 2 : 0), &ports[0], 2);
	memcpy(ip + header + (back ? 0 : 2), &ports[1], 2);

	for (size_t i = 4 - words; i < 4; i++)
		hash ^= ntohl(source[i]) ^ ntohl(destination[i]);
	if (has_ports(flow))
		hash ^= (uint32_t)(ntohs(ports[0]) ^ ntohs(ports[1])) * 0x85EBCA6Bu;
	return mixed(hash);
}

static void check_default(enum fancap_fanout_mode mode)
{
	static const struct flow kinds[] = {
		{.protocol = IPPROTO_TCP}, {.protocol = IPPROTO_UDP}, {.protocol = IPPROTO_SCTP},
		{.protocol = IPPROTO_DCCP}, {.protocol = IPPROTO_UDPLITE}, {.protocol = IPPROTO_ICMP},
		{.protocol = IPPROTO_TCP, .option_words = 10}, {.protocol = IPPROTO_UDP, .fragment = 0x4000},
		{.protocol = IPPROTO_UDP, .fragment = 0x2000}, {.protocol = IPPROTO_UDP, .fragment = 0x00B9},
		{.ip6 = true, .protocol = IPPROTO_TCP}, {.ip6 = true, .protocol = IPPROTO_UDP},
		{.ip6 = true, .protocol = IPPROTO_UDPLITE}, {.ip6 = true, .protocol = IPPROTO_ICMPV6},
		{.ip6 = true, .protocol = IPPROTO_FRAGMENT},
	};
	struct fancap_fanout_program program;
	struct fancap_error err;
	struct fancap_group group;
	uint8_t frame[120];

	if (fancap_fanout_program_default(mode, &program, &err) < 0)
		fail_msg("%s", err.text);
	group = group_with(&program, HASH_MEMBERS);
	fancap_fanout_program_done(&program);
	for (size_t kind = 0; kind < N_ELEMENTS(kinds); kind++) {
		for (uint16_t i = 0; i < 5; i++) {
			struct flow flow = kinds[kind];

			flow.number = (uint16_t)(i * 1001);
			for (int back = 0; back < 2; back++) {
				uint32_t hash = make_frame(frame, &flow, back != 0);
				unsigned in = member_of(&group, frame, sizeof(frame), sender);
				unsigned out = member_of(&group, frame, sizeof(frame), sender_there);

				if (in != hash % HASH_MEMBERS || out != in)
					fail_msg("kind %zu, flow %u: %u in, %u out, not %u", kind, i, in, out,
						 hash % HASH_MEMBERS);
			}
		}
	}
	frame_numbered(frame, 60, 1); /* neither IPv4 nor IPv6: a hash of 0 */
	assert_int_equal(member_of(&group, frame, 60, sender), 0);
	fancap_group_close(&group);
}

static void classic_default_hashes_flows_both_ways_alike(void **state)
{
	(void)state;
	geometry = geometry_of(2, 1 << 13, 1514, 1);
	check_default(FANCAP_FANOUT_CBPF);
}

static void ebpf_default_hashes_flows_both_ways_alike(void **state)
{
	(void)state;
	check_default(FANCAP_FANOUT_EBPF);
}

static void only_two_modes_take_a_program(void **state)
{
	struct fancap_fanout_program program;
	struct fancap_error err;

	(void)state;
	assert_int_equal(fancap_fanout_program_default(FANCAP_FANOUT_LB, &program, &err), -EINVAL);
	assert_string_equal(err.text, "fanout mode lb takes no program: cbpf and ebpf do");
}

/* --- from a file ------------------------------------------------------------------------------------------------- */

static const char *write_file(const char *text)
{
	static char path[] = "program.bpf";
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	return path;
}

static void a_file_chooses_the_member(void **state)
{
	/* The UDP source port, as tcpdump -ddd and as bpf_asm would write it. */
	static const char *const texts[] = {"2\n40 0 0 4293918740\n22 0 0 0\n", "2,40 0 0 4293918740,22 0 0 0,"};
	struct fancap_fanout_program program;
	uint8_t frame[FRAME_UDP_BYTES];
	struct fancap_error err;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		struct fancap_group group;

		if (fancap_fanout_program_read(write_file(texts[i]), &program, &err) < 0)
			fail_msg("%s", err.text);
		group = group_with(&program, MEMBERS);
		fancap_fanout_program_done(&program);
		for (uint16_t flow = 0; flow < 2 * MEMBERS; flow++) {
			frame_udp(frame, flow, false);
			assert_int_equal(member_of(&group, frame, sizeof(frame), sender), (1024 + flow) % MEMBERS);
			assert_int_equal(member_of(&group, frame, sizeof(frame), sender_there),
					 (1024 + flow) % MEMBERS);
		}
		fancap_group_close(&group);
	}
	unlink("program.bpf");
}

static void refuses_files_of_another_form(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{"", "does not begin with a number of instructions from 1 to 4096, as `tcpdump -ddd` writes it"},
		{"0\n", "does not begin with a number of instructions from 1 to 4096, as `tcpdump -ddd` writes it"},
		{"4097\n", "does not begin with a number of instructions from 1 to 4096, as `tcpdump -ddd` writes it"},
		{"(000) ret #1", "does not begin with a number of instructions from 1 to 4096, as `tcpdump -ddd` "
				 "writes it"},
		{"2\n6 0 0 1\n", "instruction 2 of 2: must be four decimal numbers, code, jt, jf and k"},
		{"1\n6 0 0\n", "instruction 1 of 1: must be four decimal numbers, code, jt, jf and k"},
		{"1\n6 0 256 1\n", "instruction 1 of 1: must be four decimal numbers, code, jt, jf and k"},
		{"1\n65536 0 0 1\n", "instruction 1 of 1: must be four decimal numbers, code, jt, jf and k"},
		{"1\n6 0 0 4294967296\n", "instruction 1 of 1: must be four decimal numbers, code, jt, jf and k"},
		{"1\n6 0 0 0x1\n", "instruction 1 of 1: must be four decimal numbers, code, jt, jf and k"},
		{"1\n6 0 0 -1\n", "instruction 1 of 1: must be four decimal numbers, code, jt, jf and k"},
		{"1\n6 0 0 1\n6 0 0 1\n", "goes on after the 1 instructions it announces"},
		{"1\n6 0 0 1\nx", "goes on after the 1 instructions it announces"},
	};
	struct fancap_fanout_program program;
	struct fancap_error err;
	char expected[200];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		snprintf(expected, sizeof(expected), "program.bpf: %s", rows[i].error);
		assert_int_equal(fancap_fanout_program_read(write_file(rows[i].text), &program, &err), -EINVAL);
		assert_string_equal(err.text, expected);
	}
	unlink("program.bpf");
	assert_int_equal(fancap_fanout_program_read("program.bpf", &program, &err), -ENOENT);
	assert_string_equal(err.text, "program.bpf: No such file or directory");
	assert_int_equal(fancap_fanout_program_read("/", &program, &err), -EIO);
}

static void the_kernel_checks_the_program(void **state)
{
	const struct fancap_group_params params = {
		.interface = "gp1", .ifindex = ifindex_of("gp1"), .members = 2, .mode = FANCAP_FANOUT_CBPF,
		.geometry = &geometry};
	struct fancap_group_params with = params;
	struct fancap_fanout_program program;
	struct fancap_group group;
	struct fancap_error err;
	unsigned fds = fd_count();

	(void)state;
	assert_int_equal(fancap_fanout_program_read(write_file("1\n0 0 0 1\n"), &program, NULL), 0);
	unlink("program.bpf");
	with.program = &program;
	assert_int_equal(fancap_group_open(&with, &group, &err), -EINVAL); /* does not end in a return */
	assert_string_equal(err.text, "gp1: PACKET_FANOUT_DATA: Invalid argument (not a program that the kernel "
				      "takes, or the mode is not cbpf)");
	fancap_fanout_program_done(&program);
	assert_int_equal(fancap_fanout_program_from_fd(0, &program, NULL), 0); /* no program at all */
	with.mode = FANCAP_FANOUT_EBPF;
	assert_true(fancap_group_open(&with, &group, &err) < 0);
	assert_has(err.text, "gp1: PACKET_FANOUT_DATA: ");
	fancap_fanout_program_done(&program);
	assert_int_equal(fd_count(), fds);
}

/* --- by expression ----------------------------------------------------------------------------------------------- */

static void an_expression_keeps_member_0_for_what_matches(void **state)
{
	struct fancap_fanout_program program;
	uint8_t frame[FRAME_UDP_BYTES];
	struct fancap_group group;
	struct fancap_error err;
	unsigned others[MEMBERS] = {0};

	(void)state;
	if (fancap_fanout_program_compile("udp port 1030 or udp port 1031", MEMBERS, &program, &err) < 0)
		fail_msg("%s", err.text);
	group = group_with(&program, MEMBERS);
	fancap_fanout_program_done(&program);
	for (uint16_t flow = 0; flow < 40; flow++) {
		unsigned member;

		frame_udp(frame, flow, false);
		member = member_of(&group, frame, sizeof(frame), sender);
		frame_udp(frame, flow, true);
		assert_int_equal(member_of(&group, frame, sizeof(frame), sender), member);
		assert_int_equal(member_of(&group, frame, sizeof(frame), sender_there), member);
		assert_int_equal(member == 0, flow == 6 || flow == 7);
		others[member]++;
	}
	for (unsigned i = 1; i < MEMBERS; i++)
		assert_true(others[i] > 3);
	frame_numbered(frame, sizeof(frame), 1); /* not IP at all */
	assert_int_equal(member_of(&group, frame, sizeof(frame), sender), 1);
	fancap_group_close(&group);
}

/* What the kernel does when a program loads from where there is nothing: no program can change that. */
static void a_packet_too_short_for_the_expression_is_member_0s(void **state)
{
	struct fancap_fanout_program program;
	uint8_t frame[FRAME_UDP_BYTES];
	struct fancap_group group;

	(void)state;
	assert_int_equal(fancap_fanout_program_compile("udp[40] == 7", MEMBERS, &program, NULL), 0);
	group = group_with(&program, MEMBERS);
	fancap_fanout_program_done(&program);
	for (uint16_t flow = 0; flow < 10; flow++) {
		frame_udp(frame, flow, false); /* whose UDP part ends after 26 bytes */
		assert_int_equal(member_of(&group, frame, sizeof(frame), sender), 0);
	}
	fancap_group_close(&group);
}

static void an_expression_does_for_one_member_too(void **state)
{
	struct fancap_fanout_program program;
	uint8_t frame[FRAME_UDP_BYTES];
	struct fancap_group group;

	(void)state;
	assert_int_equal(fancap_fanout_program_compile("udp", 1, &program, NULL), 0);
	group = group_with(&program, 1);
	fancap_fanout_program_done(&program);
	frame_udp(frame, 1, false);
	assert_int_equal(member_of(&group, frame, sizeof(frame), sender), 0);
	fancap_group_close(&group);
}

static void refuses_expressions_that_it_cannot_answer(void **state)
{
	static const struct {
		const char *expression, *error;
	} rows[] = {
		{"", "the expression is empty"},
		{"udp port", "syntax error"},
		{"vlan 5", "VLAN"},
		{"ether host 02:00:00:00:00:01", "ethernet"},
		{"greater 100", "a fanout program cannot ask for the length"},
	};
	struct fancap_fanout_program program;
	struct fancap_error err;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		assert_int_equal(fancap_fanout_program_compile(rows[i].expression, 2, &program, &err), -EINVAL);
		assert_has(err.text, rows[i].error);
	}
}

static void a_program_is_replaced_while_running(void **state)
{
	struct fancap_fanout_program program;
	uint8_t frame[FRAME_UDP_BYTES];
	struct fancap_group group;

	(void)state;
	frame_udp(frame, 1, false);
	assert_int_equal(fancap_fanout_program_read(write_file("1\n6 0 0 2\n"), &program, NULL), 0);
	group = group_with(&program, MEMBERS);
	assert_int_equal(member_of(&group, frame, sizeof(frame), sender), 2);
	program.classic.filter[0].k = 7;
	assert_int_equal(fancap_group_set_program(&group, &program, NULL), 0);
	assert_int_equal(member_of(&group, frame, sizeof(frame), sender), 3);
	fancap_fanout_program_done(&program);
	fancap_group_close(&group);
	unlink("program.bpf");
}

/* --- eBPF of others ---------------------------------------------------------------------------------------------- */

static int pin(int fd, const char *path)
{
	union bpf_attr attr = {.pathname = (uintptr_t)path, .bpf_fd = (uint32_t)fd};

	return (int)syscall(SYS_bpf, BPF_OBJ_PIN, &attr, sizeof(attr));
}

/* A program that sends everything to one member, loaded by whoever it may be. @return its fd */
static int load_constant(int member)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = member},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insns = (uintptr_t)code, .insn_cnt = N_ELEMENTS(code),
		.license = (uintptr_t)"BSD"};
	int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	assert_true(fd >= 0);
	return fd;
}

static void a_given_program_chooses_the_member(void **state)
{
	struct fancap_fanout_program given;
	uint8_t frame[FRAME_UDP_BYTES];
	struct fancap_group group;
	unsigned fds = fd_count();

	(void)state;
	for (int member = 3; member >= 1; member--) {
		int fd = load_constant(member);

		assert_int_equal(fancap_fanout_program_from_fd(fd, &given, NULL), 0);
		close(fd); /* the caller's: ours is another one */
		group = group_with(&given, MEMBERS);
		fancap_fanout_program_done(&given); /* the kernel keeps it */
		for (uint16_t flow = 0; flow < 5; flow++) {
			frame_udp(frame, flow, false);
			assert_int_equal(member_of(&group, frame, sizeof(frame), sender), member);
		}
		fancap_group_close(&group);
	}
	assert_int_equal(fd_count(), fds);
}

static void refuses_a_descriptor_of_anything_else(void **state)
{
	const struct fancap_group_params params = {
		.interface = "gp1", .ifindex = ifindex_of("gp1"), .members = 1, .mode = FANCAP_FANOUT_EBPF,
		.geometry = &geometry};
	struct fancap_fanout_program given;
	struct fancap_group group;
	struct fancap_error err;

	(void)state;
	assert_int_equal(fancap_fanout_program_from_fd(-1, &given, &err), -EBADF);
	assert_int_equal(fancap_fanout_program_from_fd(sender, &given, &err), 0); /* the kernel is to say */
	assert_int_equal(fancap_group_open(&params, &group, &err), 0);
	assert_int_equal(fancap_group_set_program(&group, &given, &err), -EINVAL);
	assert_has(err.text, "not a socket filter program");
	fancap_fanout_program_done(&given);
	fancap_group_close(&group);
}

static void a_pinned_program_is_found_by_its_path(void **state)
{
	struct fancap_fanout_program loaded, pinned;
	struct fancap_group group;
	struct fancap_error err;
	unsigned fds = fd_count();
	char folder[] = "/tmp/fancap-bpf-XXXXXX", path[64];

	(void)state;
	/* Mounts of our own: nothing is left behind, whatever fails. */
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_non_null(mkdtemp(folder));
	assert_int_equal(mount("bpf", folder, "bpf", 0, NULL), 0);
	snprintf(path, sizeof(path), "%s/flow", folder);
	assert_int_equal(fancap_fanout_program_default(FANCAP_FANOUT_EBPF, &loaded, &err), 0);
	assert_int_equal(pin(loaded.fd, path), 0);
	fancap_fanout_program_done(&loaded);
	if (fancap_fanout_program_pinned(path, &pinned, &err) < 0)
		fail_msg("%s", err.text);
	group = group_with(&pinned, 2);
	fancap_fanout_program_done(&pinned);
	fancap_group_close(&group);
	unlink(path);
	assert_int_equal(fancap_fanout_program_pinned(path, &pinned, &err), -ENOENT);
	assert_has(err.text, "/flow: BPF_OBJ_GET: No such file or directory");
	assert_int_equal(umount(folder), 0);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(fd_count(), fds);
}

/* --- rollover statistics ----------------------------------------------------------------------------------------- */

static void rollover_is_counted_and_does_not_start_again(void **state)
{
	struct fancap_geometry small = geometry_of(2, 4096, 1514, 1000);
	struct fancap_group_params params = {
		.interface = "gp1", .ifindex = ifindex_of("gp1"), .members = 2, .mode = FANCAP_FANOUT_HASH,
		.flags = FANCAP_FANOUT_FLAG_ROLLOVER, .geometry = &small};
	struct fancap_rollover_stats stats[2], again;
	struct fancap_group group;
	uint8_t frame[FRAME_UDP_BYTES];

	(void)state;
	assert_int_equal(fancap_group_open(&params, &group, NULL), 0);
	assert_int_equal(fancap_group_gate_open(&group, &everything, NULL), 0);
	frame_udp(frame, 1, false); /* one flow, far more than both rings hold */
	for (unsigned i = 0; i < 400; i++)
		sender_send(sender, frame, sizeof(frame));
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(fancap_rollover_stats_read(group.fds[i], &stats[i]), 0);
	assert_true(stats[0].packets + stats[1].packets > 20);
	assert_true(stats[0].failed + stats[1].failed > 20);
	assert_int_equal(fancap_rollover_stats_read(group.fds[0], &again), 0);
	assert_memory_equal(&again, &stats[0], sizeof(again));
	fancap_group_close(&group);

	params.flags = 0;
	assert_int_equal(fancap_group_open(&params, &group, NULL), 0);
	assert_int_equal(fancap_rollover_stats_read(group.fds[0], &again), -EINVAL);
	fancap_group_close(&group);
}

/* --- the self-check ---------------------------------------------------------------------------------------------- */

static struct fancap_selfcheck selfcheck(enum fancap_fanout_mode mode, unsigned flags,
					 const struct fancap_fanout_program *program)
{
	const struct fancap_selfcheck_params params = {
		.interface = "gp1", .peer = "gp0", .members = MEMBERS, .mode = mode, .flags = flags,
		.program = program, .flows = 1000};
	struct fancap_selfcheck result;
	struct fancap_error err;

	if (fancap_selfcheck(&params, &result, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(result.packets_sent, 4000);
	assert_int_equal(result.packets_seen, 4000);
	return result;
}

static void check_symmetric_and_fair(const struct fancap_selfcheck *result)
{
	assert_int_equal(result->flows_split, 0);
	assert_int_equal(result->members_used, MEMBERS);
	assert_true(result->balance >= 1.0 && result->balance < 1.25);
	assert_true(result->balance * 1000 == result->member_max);
}

static void selfcheck_finds_flow_modes_symmetric(void **state)
{
	static const enum fancap_fanout_mode modes[] = {FANCAP_FANOUT_CBPF, FANCAP_FANOUT_EBPF};
	struct fancap_selfcheck result = selfcheck(FANCAP_FANOUT_HASH, 0, NULL);

	(void)state;
	check_symmetric_and_fair(&result);
	result = selfcheck(FANCAP_FANOUT_HASH, FANCAP_FANOUT_FLAG_IGNORE_OUTGOING, NULL);
	check_symmetric_and_fair(&result);
	for (size_t i = 0; i < N_ELEMENTS(modes); i++) {
		struct fancap_fanout_program program;

		assert_int_equal(fancap_fanout_program_default(modes[i], &program, NULL), 0);
		result = selfcheck(modes[i], 0, &program);
		check_symmetric_and_fair(&result);
		fancap_fanout_program_done(&program);
	}
}

static void selfcheck_finds_round_robin_asymmetric(void **state)
{
	struct fancap_selfcheck result = selfcheck(FANCAP_FANOUT_LB, 0, NULL);

	(void)state;
	assert_int_equal(result.flows_split, 1000);
	assert_int_equal(result.member_max, 1000);
	assert_true(result.balance == 1.0);
}

static void selfcheck_finds_a_lone_member(void **state)
{
	/* Without a program everything goes to the first one. */
	struct fancap_selfcheck result = selfcheck(FANCAP_FANOUT_CBPF, 0, NULL);

	(void)state;
	assert_int_equal(result.members_used, 1);
	assert_true(result.balance == MEMBERS);
	assert_int_equal(result.flows_split, 0);
}

static void selfcheck_says_what_is_wrong(void **state)
{
	struct fancap_selfcheck_params params = {
		.interface = "gp1", .peer = "gp9", .members = 2, .mode = FANCAP_FANOUT_HASH, .flows = 1};
	struct fancap_selfcheck result;
	struct fancap_error err;
	unsigned fds = fd_count();

	(void)state;
	assert_int_equal(fancap_selfcheck(&params, &result, &err), -ENODEV);
	assert_string_equal(err.text, "gp9: no such interface");
	params.interface = "gp8";
	assert_int_equal(fancap_selfcheck(&params, &result, &err), -ENODEV);
	assert_string_equal(err.text, "gp8: no such interface");
	params.flows = 0;
	assert_int_equal(fancap_selfcheck(&params, &result, &err), -EINVAL);
	assert_string_equal(err.text, "2 members and 0 flows: 1 to 256 and 1 to 65536 are allowed");
	assert_int_equal(fd_count(), fds);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(classic_default_hashes_flows_both_ways_alike),
		cmocka_unit_test(ebpf_default_hashes_flows_both_ways_alike),
		cmocka_unit_test(only_two_modes_take_a_program),
		cmocka_unit_test(a_file_chooses_the_member),
		cmocka_unit_test(refuses_files_of_another_form),
		cmocka_unit_test(the_kernel_checks_the_program),
		cmocka_unit_test(an_expression_keeps_member_0_for_what_matches),
		cmocka_unit_test(a_packet_too_short_for_the_expression_is_member_0s),
		cmocka_unit_test(an_expression_does_for_one_member_too),
		cmocka_unit_test(refuses_expressions_that_it_cannot_answer),
		cmocka_unit_test(a_program_is_replaced_while_running),
		cmocka_unit_test(a_given_program_chooses_the_member),
		cmocka_unit_test(refuses_a_descriptor_of_anything_else),
		cmocka_unit_test(a_pinned_program_is_found_by_its_path),
		cmocka_unit_test(rollover_is_counted_and_does_not_start_again),
		cmocka_unit_test(selfcheck_finds_flow_modes_symmetric),
		cmocka_unit_test(selfcheck_finds_round_robin_asymmetric),
		cmocka_unit_test(selfcheck_finds_a_lone_member),
		cmocka_unit_test(selfcheck_says_what_is_wrong),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests_name("fanout_program", tests, make_link, NULL);
}
