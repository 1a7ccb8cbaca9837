// SPDX-License-Identifier: BSD-3-Clause
/*
 * The table of the kernel's own selftest (tools/testing/selftests/net/psock_fanout.c): two members with a V2 ring of 20
 * frames each; 15 packets of flow A and 5 of flow B, then 15 more of A; how many frames each member holds after both.
 */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fancap/fanout_program.h"
#include "fancap/filter.h"
#include "fancap/group.h"
#include "tests/unit/netns.h"

#define FRAMES 20u
#define FRAME_BYTES 2048u
#define RING_BYTES (FRAMES / 2 * 4096u)

#define UNIQUEID PACKET_FANOUT_FLAG_UNIQUEID

struct member {
	int fd;
	uint8_t *ring;
};

struct flow {
	struct sockaddr_in to;
	int fd;
	int receiver; /* else ICMP would answer, and take its turns in the group */
};

/* The selftest's programs choose by the first byte of the payload: a to member 0, b to member 1. */
enum payload { TO_0 = 'a', TO_1 = 'b' };

#define PAYLOAD_OFFSET 28u /* from the network header */

static struct flow flow_a, flow_b;

/* --- flows over loopback ----------------------------------------------------------------------------------------- */

static int udp_socket(struct sockaddr_in at, uint16_t port)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	at.sin_port = htons(port);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static struct flow flow_open(uint16_t port)
{
	struct flow flow = {
		.to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};

	flow.fd = udp_socket(flow.to, (uint16_t)(port + 1000));
	flow.receiver = udp_socket(flow.to, port);
	return flow;
}

static void flow_close(struct flow *flow)
{
	close(flow->fd);
	close(flow->receiver);
}

static void flow_send(const struct flow *flow, unsigned n, char payload)
{
	char data[100];

	memset(data, payload, sizeof(data));
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(sendto(flow->fd, data, sizeof(data), 0, (const struct sockaddr *)&flow->to,
					sizeof(flow->to)), sizeof(data));
}

static int open_flows(void **state)
{
	(void)state;
	flow_a = flow_open(8000);
	flow_b = flow_open(8001);
	return 0;
}

/* --- members ----------------------------------------------------------------------------------------------------- */

/* Only our UDP packets. Bound to ETH_P_IP, not ETH_P_ALL, sockets see what comes in and not what goes out. */
static void attach_filter(int fd)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_NET_OFF + 9)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 2),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)SKF_NET_OFF + PAYLOAD_OFFSET),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, TO_0, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 0xFFFF),
	};
	const struct fancap_filter filter = {.prog = {.len = N_ELEMENTS(insns), .filter = insns}};

	assert_int_equal(fancap_filter_attach(fd, &filter), 0);
}

static int bound_socket(void)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = ifindex_of("lo")};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	attach_filter(fd);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int join(int fd, uint16_t id, unsigned type_flags, unsigned members)
{
	struct fanout_args args = {
		.id = id, .type_flags = (uint16_t)type_flags, .max_num_members = members};

	return setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &args, sizeof(args)) < 0 ? -errno : 0;
}

static struct member member_open(uint16_t id, unsigned type_flags)
{
	struct tpacket_req req = {
		.tp_block_size = 4096, .tp_block_nr = FRAMES / 2, .tp_frame_size = FRAME_BYTES, .tp_frame_nr = FRAMES};
	struct member member = {.fd = bound_socket()};
	int version = TPACKET_V2, r = join(member.fd, id, type_flags, 0);

	if (r < 0)
		fail_msg("PACKET_FANOUT: %s", strerror(-r));
	assert_int_equal(setsockopt(member.fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)), 0);
	assert_int_equal(setsockopt(member.fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)), 0);
	member.ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, member.fd, 0);
	assert_ptr_not_equal(member.ring, MAP_FAILED);
	return member;
}

static void member_close(struct member *member)
{
	munmap(member->ring, RING_BYTES);
	close(member->fd);
}

static unsigned held(const struct member *member)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FRAMES; i++) {
		const struct tpacket2_hdr *h = (const void *)(member->ring + i * FRAME_BYTES);

		n += (__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) != 0;
	}
	return n;
}

static void sort_descending(unsigned counts[2])
{
	unsigned first = counts[0];

	if (first >= counts[1])
		return;
	counts[0] = counts[1];
	counts[1] = first;
}

/* Loopback delivers within send(), all but always: look again until it is so, or has had its time. */
static void check_held(const char *name, const char *burst, bool any_order, const struct member *members,
		       const unsigned expected[2])
{
	unsigned counts[2] = {0};

	for (int tries = 0; tries < 400; tries++) {
		for (unsigned i = 0; i < 2; i++)
			counts[i] = held(&members[i]);
		if (counts[0] + counts[1] >= expected[0] + expected[1] && tries > 0)
			break;
		sleep_ms(5);
	}
	if (any_order)
		sort_descending(counts);
	if (counts[0] != expected[0] || counts[1] != expected[1])
		fail_msg("%s: %s burst: %u,%u, not %u,%u", name, burst, counts[0], counts[1], expected[0],
			 expected[1]);
}

/* --- programs: the first byte of the payload, a or b ------------------------------------------------------------- */

static void set_classic(int fd)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)SKF_NET_OFF + PAYLOAD_OFFSET),
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, TO_0),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	const struct fancap_fanout_program program = {
		.mode = FANCAP_FANOUT_CBPF, .classic = {.len = N_ELEMENTS(insns), .filter = insns}};
	const struct fancap_group group = {.fds = &fd, .members = 1};

	assert_int_equal(fancap_group_set_program(&group, &program, NULL), 0);
}

static void set_ebpf(int fd)
{
	static const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1},
		{.code = BPF_LD | BPF_ABS | BPF_B, .imm = SKF_NET_OFF + (int)PAYLOAD_OFFSET},
		{.code = BPF_ALU64 | BPF_SUB | BPF_K, .imm = TO_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insns = (uintptr_t)insns, .insn_cnt = N_ELEMENTS(insns),
		.license = (uintptr_t)"BSD"};
	struct fancap_fanout_program program = {.mode = FANCAP_FANOUT_EBPF};
	const struct fancap_group group = {.fds = &fd, .members = 1};

	program.fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (program.fd < 0)
		fail_msg("BPF_PROG_LOAD: %s", strerror(errno));
	assert_int_equal(fancap_group_set_program(&group, &program, NULL), 0);
	fancap_fanout_program_done(&program);
}

/* --- the table --------------------------------------------------------------------------------------------------- */

static void send_first(void)
{
	flow_send(&flow_a, 15, TO_0);
	flow_send(&flow_b, 5, TO_1);
}

static void send_second(void)
{
	flow_send(&flow_a, 15, TO_1);
}

/*
 * Which member a hash takes for a flow depends on a key that each boot has: as the selftest does, look for a pair of
 * flows that go to different members, and let the first be A.
 */
static bool flows_are_apart(uint16_t id, unsigned type_flags)
{
	struct member members[2] = {member_open(id, type_flags), member_open(id, type_flags)};
	bool apart;

	flow_send(&flow_a, 1, TO_0);
	sleep_ms(2);
	apart = held(&members[0]) == 1 && held(&members[1]) == 0;
	flow_send(&flow_b, 1, TO_1);
	sleep_ms(2);
	apart = apart && held(&members[0]) == 1 && held(&members[1]) == 1;
	member_close(&members[0]);
	member_close(&members[1]);
	return apart;
}

static void choose_flows(uint16_t id, unsigned type_flags)
{
	for (uint16_t i = 0; i < 200; i++) {
		flow_close(&flow_a);
		flow_close(&flow_b);
		flow_a = flow_open((uint16_t)(8010 + 2 * i));
		flow_b = flow_open((uint16_t)(8011 + 2 * i));
		if (flows_are_apart(id, type_flags))
			return;
	}
	fail_msg("no two flows go to different members");
}

struct row {
	const char *name;
	unsigned type_flags;
	void (*set_program)(int fd);
	bool by_flow;
	bool any_order; /* whose turn is first is the kernel's choice */
	unsigned first[2], second[2];
};

static void check_row(const struct row *row)
{
	struct member members[2];

	if (row->by_flow)
		choose_flows(1, row->type_flags);
	for (unsigned i = 0; i < 2; i++)
		members[i] = member_open(1, row->type_flags);
	if (row->set_program != NULL)
		row->set_program(members[0].fd);
	send_first();
	check_held(row->name, "first", row->any_order, members, row->first);
	send_second();
	check_held(row->name, "second", row->any_order, members, row->second);
	member_close(&members[0]);
	member_close(&members[1]);
}

static void spreads_as_the_table_says(void **state)
{
	static const struct row rows[] = {
		{"hash", PACKET_FANOUT_HASH, NULL, true, false, {15, 5}, {20, 5}},
		{"hash, rollover", PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_ROLLOVER, NULL, true, false, {15, 5}, {20, 15}},
		{"lb", PACKET_FANOUT_LB, NULL, false, true, {10, 10}, {18, 17}},
		{"rollover", PACKET_FANOUT_ROLLOVER, NULL, false, false, {15, 5}, {20, 15}},
		{"cbpf", PACKET_FANOUT_CBPF, set_classic, false, false, {15, 5}, {15, 20}},
		{"ebpf", PACKET_FANOUT_EBPF, set_ebpf, false, false, {15, 5}, {15, 20}},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++)
		check_row(&rows[i]);
}

/* As the selftest does: what CPU a packet is sent on, it is received on. */
static void cpu_mode_goes_by_the_cpu(void **state)
{
	cpu_set_t before, one;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	for (unsigned cpu = 0; cpu < 2; cpu++) {
		const struct row row = {
			.name = cpu == 0 ? "cpu 0" : "cpu 1", .type_flags = PACKET_FANOUT_CPU,
			.first = {cpu == 0 ? 20 : 0, cpu == 0 ? 0 : 20},
			.second = {cpu == 0 ? 20 : 0, cpu == 0 ? 0 : 20}};

		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one) == 0)
			check_row(&row);
		else
			print_message("# there is no CPU %u to send from\n", cpu);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

static uint16_t group_id(int fd)
{
	int packed = 0;
	socklen_t len = sizeof(packed);

	assert_int_equal(getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &packed, &len), 0);
	return (uint16_t)packed;
}

/* One member each: both groups see everything, as much as their rings hold. */
static void unique_ids_make_two_groups(void **state)
{
	static const unsigned expected[2] = {20, 20};
	struct member members[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		members[i] = member_open(0, PACKET_FANOUT_HASH | UNIQUEID);
	assert_int_not_equal(group_id(members[0].fd), group_id(members[1].fd));
	send_first();
	check_held("unique ids", "first", false, members, expected);
	send_second();
	check_held("unique ids", "second", false, members, expected);
	for (unsigned i = 0; i < 2; i++)
		member_close(&members[i]);
}

/* --- joins ------------------------------------------------------------------------------------------------------- */

static void refuses_a_join_with_another_mode_or_flags(void **state)
{
	static const unsigned others[] = {
		PACKET_FANOUT_LB, PACKET_FANOUT_ROLLOVER, PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_DEFRAG,
		PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_ROLLOVER,
	};
	int first = bound_socket(), second = bound_socket();

	(void)state;
	assert_int_equal(join(first, 5, PACKET_FANOUT_HASH, 0), 0);
	for (size_t i = 0; i < N_ELEMENTS(others); i++)
		assert_int_equal(join(second, 5, others[i], 0), -EINVAL);
	assert_int_equal(join(second, 5, PACKET_FANOUT_HASH, 0), 0);
	assert_int_equal(join(second, 5, PACKET_FANOUT_HASH, 0), -EALREADY);
	close(first);
	close(second);
}

static void refuses_rollover_of_rollover(void **state)
{
	int fd = bound_socket();

	(void)state;
	assert_int_equal(join(fd, 5, PACKET_FANOUT_ROLLOVER | PACKET_FANOUT_FLAG_ROLLOVER, 0), -EINVAL);
	assert_int_equal(join(fd, 5, PACKET_FANOUT_ROLLOVER, 0), 0);
	close(fd);
}

static void refuses_a_join_before_the_bind(void **state)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(join(fd, 5, PACKET_FANOUT_HASH, 0), -EINVAL);
	close(fd);
}

static void refuses_an_id_that_is_to_be_unique(void **state)
{
	int fd = bound_socket();

	(void)state;
	assert_int_equal(join(fd, 5, PACKET_FANOUT_HASH | UNIQUEID, 0), -EINVAL);
	assert_int_equal(join(fd, 0, PACKET_FANOUT_HASH | UNIQUEID, 0), 0);
	close(fd);
}

static void groups_are_limited_to_65536(void **state)
{
	int fd = bound_socket();

	(void)state;
	assert_int_equal(join(fd, 5, PACKET_FANOUT_HASH, 65537), -EINVAL);
	assert_int_equal(join(fd, 5, PACKET_FANOUT_HASH, 65536), 0);
	close(fd);
}

/* As many as the group was made for; asking for another number later is refused. */
static void a_group_made_for_256_takes_no_257(void **state)
{
	int first = bound_socket(), second = bound_socket();

	(void)state;
	assert_int_equal(join(first, 5, PACKET_FANOUT_HASH, 256), 0);
	assert_int_equal(join(second, 5, PACKET_FANOUT_HASH, 257), -EINVAL);
	assert_int_equal(join(second, 5, PACKET_FANOUT_HASH, 256), 0);
	close(first);
	close(second);
}

static void a_full_group_takes_no_more(void **state)
{
	int fds[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		fds[i] = bound_socket();
	assert_int_equal(join(fds[0], 5, PACKET_FANOUT_HASH, 2), 0);
	assert_int_equal(join(fds[1], 5, PACKET_FANOUT_HASH, 2), 0);
	assert_int_equal(join(fds[2], 5, PACKET_FANOUT_HASH, 2), -ENOSPC);
	close(fds[1]);
	assert_int_equal(join(fds[2], 5, PACKET_FANOUT_HASH, 2), 0);
	close(fds[0]);
	close(fds[2]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(spreads_as_the_table_says),
		cmocka_unit_test(cpu_mode_goes_by_the_cpu),
		cmocka_unit_test(unique_ids_make_two_groups),
		cmocka_unit_test(refuses_a_join_with_another_mode_or_flags),
		cmocka_unit_test(refuses_rollover_of_rollover),
		cmocka_unit_test(refuses_a_join_before_the_bind),
		cmocka_unit_test(refuses_an_id_that_is_to_be_unique),
		cmocka_unit_test(groups_are_limited_to_65536),
		cmocka_unit_test(a_group_made_for_256_takes_no_257),
		cmocka_unit_test(a_full_group_takes_no_more),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests_name("fanout_kernel", tests, open_flows, NULL);
}
