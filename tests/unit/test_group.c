// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fancap/group.h"
#include "fancap/ring.h"
#include "fancap/stats.h"
#include "tests/unit/netns.h"

#define MEMBERS_MAX 4u
#define FLOWS 40u

static const struct fancap_filter everything;
static struct fancap_geometry geometry;
static int sender; /* on gg0; groups are on gg1 */

static int make_link(void **state)
{
	(void)state;
	veth_add("gg0", "gg1");
	geometry = geometry_of(64, 1 << 16, 1514, 1);
	sender = sender_open("gg0");
	return 0;
}

static struct fancap_group_params usual(unsigned members)
{
	return (struct fancap_group_params){
		.interface = "gg1", .ifindex = ifindex_of("gg1"), .members = members,
		.mode = FANCAP_FANOUT_HASH, .geometry = &geometry};
}

static struct fancap_group group_open(const struct fancap_group_params *params)
{
	struct fancap_group group;
	struct fancap_error err = {""};

	if (fancap_group_open(params, &group, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(err.text, "");
	assert_int_equal(group.members, params->members);
	return group;
}

static void gate_open(const struct fancap_group *group)
{
	assert_int_equal(fancap_group_gate_open(group, &everything, NULL), 0);
}

/* Frames of every flow, in both directions when asked for. @return how many */
static unsigned send_flows(unsigned rounds, bool replies)
{
	uint8_t frame[FRAME_UDP_BYTES];
	unsigned sent = 0;

	for (unsigned i = 0; i < rounds * FLOWS; i++) {
		frame_udp(frame, (uint16_t)(i % FLOWS), false);
		sender_send(sender, frame, sizeof(frame));
		sent++;
		if (!replies)
			continue;
		frame_udp(frame, (uint16_t)(i % FLOWS), true);
		sender_send(sender, frame, sizeof(frame));
		sent++;
	}
	return sent;
}

/* What a member has seen since it was last asked. */
static unsigned seen(const struct fancap_group *group, unsigned member)
{
	struct fancap_stats stats = {0};

	assert_int_equal(fancap_stats_read(group->fds[member], &stats), 0);
	return (unsigned)stats.packets;
}

/* Fails unless all members together have seen just so many, given a moment. */
static void check_seen(const struct fancap_group *group, unsigned expected)
{
	unsigned sum = 0;

	for (int i = 0; i < 200; i++) {
		for (unsigned m = 0; m < group->members; m++)
			sum += seen(group, m);
		if (sum >= expected && i > 0) /* one look more for what is too much */
			break;
		sleep_ms(5);
	}
	assert_int_equal(sum, expected);
}

static void shares_every_packet_once_in_every_mode(void **state)
{
	static const unsigned members[] = {1, 2, 4};

	(void)state;
	/* Without a program, CBPF and EBPF give everything to the first member. */
	for (int mode = FANCAP_FANOUT_HASH; mode <= FANCAP_FANOUT_EBPF; mode++) {
		for (size_t i = 0; i < N_ELEMENTS(members); i++) {
			struct fancap_group_params params = usual(members[i]);
			struct fancap_group group;
			unsigned sent;

			params.mode = (enum fancap_fanout_mode)mode;
			group = group_open(&params);
			gate_open(&group);
			sent = send_flows(5, false);
			check_seen(&group, sent);
			fancap_group_close(&group);
		}
	}
}

static void lb_shares_evenly(void **state)
{
	struct fancap_group_params params = usual(4);
	struct fancap_group group;

	(void)state;
	params.mode = FANCAP_FANOUT_LB;
	group = group_open(&params);
	gate_open(&group);
	assert_int_equal(send_flows(10, false), 400);
	sleep_ms(5);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(seen(&group, i), 100);
	fancap_group_close(&group);
}

static void takes_every_flag(void **state)
{
	static const unsigned flags[] = {
		FANCAP_FANOUT_FLAG_ROLLOVER, FANCAP_FANOUT_FLAG_IGNORE_OUTGOING,
		FANCAP_FANOUT_FLAG_DEFRAGMENT,
		FANCAP_FANOUT_FLAG_ROLLOVER | FANCAP_FANOUT_FLAG_IGNORE_OUTGOING |
			FANCAP_FANOUT_FLAG_DEFRAGMENT,
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(flags); i++) {
		struct fancap_group_params params = usual(2);
		struct fancap_group group;
		int packed = 0;
		socklen_t len = sizeof(packed);
		unsigned sent;

		params.flags = flags[i];
		group = group_open(&params);
		gate_open(&group);
		sent = send_flows(2, false);
		check_seen(&group, sent);
		assert_int_equal(getsockopt(group.fds[0], SOL_PACKET, PACKET_FANOUT, &packed, &len), 0);
		assert_int_equal((unsigned)packed >> 16 & flags[i], flags[i]);
		fancap_group_close(&group);
	}
}

/* Ten frames leave gg1: how many a group there with these flags sees. */
static void check_outgoing(unsigned flags, unsigned expected)
{
	struct fancap_group_params params = usual(2);
	int sender_there = sender_open("gg1");
	struct fancap_group group;
	uint8_t frame[FRAME_UDP_BYTES];

	params.flags = flags;
	group = group_open(&params);
	gate_open(&group);
	for (uint16_t i = 0; i < 10; i++) {
		frame_udp(frame, i, false);
		sender_send(sender_there, frame, sizeof(frame));
	}
	check_seen(&group, expected);
	fancap_group_close(&group);
	close(sender_there);
}

static void sees_outgoing_packets_unless_told_not_to(void **state)
{
	(void)state;
	check_outgoing(0, 10);
	check_outgoing(FANCAP_FANOUT_FLAG_IGNORE_OUTGOING, 0);
}

/* A plain socket on gg1 with the filter that a group's member has. */
static int socket_with_filter_of(int member)
{
	const struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex_of("gg1")};
	struct sock_filter insns[BPF_MAXINSNS];
	struct fancap_filter filter = {.prog = {.filter = insns}};
	socklen_t len = BPF_MAXINSNS; /* of instructions, here */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(getsockopt(member, SOL_SOCKET, SO_GET_FILTER, insns, &len), 0);
	filter.prog.len = (unsigned short)len;
	assert_int_equal(fancap_filter_attach(fd, &filter), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static unsigned received(int fd)
{
	uint8_t frame[FRAME_UDP_BYTES];
	unsigned n = 0;

	sleep_ms(10);
	while (recv(fd, frame, sizeof(frame), 0) > 0)
		n++;
	return n;
}

/* Kernels before 6.2 take the flag and do nothing. So the filter says it too: its word alone does where no flag is. */
static void ignores_outgoing_packets_without_the_kernels_help(void **state)
{
	struct fancap_group_params params = usual(2);
	int sender_there = sender_open("gg1");
	uint8_t frame[FRAME_UDP_BYTES];
	struct fancap_group group;

	(void)state;
	params.flags = FANCAP_FANOUT_FLAG_IGNORE_OUTGOING;
	group = group_open(&params);
	gate_open(&group);
	frame_udp(frame, 1, false);
	for (unsigned i = 0; i < 2; i++) {
		int plain = socket_with_filter_of(group.fds[i]);

		sender_send(sender_there, frame, sizeof(frame));
		assert_int_equal(received(plain), 0);
		sender_send(sender, frame, sizeof(frame));
		assert_int_equal(received(plain), 1);
		close(plain);
	}
	fancap_group_close(&group);
	close(sender_there);
}

static void rollover_flag_moves_on_from_a_full_member(void **state)
{
	struct fancap_geometry small = geometry_of(2, 4096, 1514, 1000);
	struct fancap_group_params params = usual(2);
	struct fancap_stats stats[2] = {{0}};
	struct fancap_group group;
	uint8_t frame[FRAME_UDP_BYTES];

	(void)state;
	params.geometry = &small;
	params.flags = FANCAP_FANOUT_FLAG_ROLLOVER;
	group = group_open(&params);
	gate_open(&group);
	frame_udp(frame, 1, false); /* a single flow: hash alone would fill a single member */
	for (unsigned i = 0; i < 80; i++)
		sender_send(sender, frame, sizeof(frame));
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(fancap_stats_read(group.fds[i], &stats[i]), 0);
	assert_true(stats[0].packets - stats[0].drops > 20);
	assert_true(stats[1].packets - stats[1].drops > 20);
	fancap_group_close(&group);
}

/* Which member every frame went to: flow by flow, -1 for both. */
static void hash_keeps_both_directions_together(void **state)
{
	struct fancap_group_params params = usual(MEMBERS_MAX);
	struct fancap_group group = group_open(&params);
	int member_of[FLOWS], members_used = 0;
	unsigned found = 0, sent;

	(void)state;
	for (unsigned i = 0; i < FLOWS; i++)
		member_of[i] = -1;
	gate_open(&group);
	sent = send_flows(5, true);
	sleep_ms(20); /* every block is retired */
	for (unsigned i = 0; i < group.members; i++) {
		unsigned before = found;
		struct fancap_packet packet;
		struct fancap_walk walk;
		struct fancap_ring ring;
		void *block;

		assert_int_equal(fancap_ring_map(&ring, group.fds[i], &geometry), 0);
		while ((block = fancap_ring_acquire(&ring)) != NULL) {
			assert_int_equal(fancap_walk_start(&walk, block, ring.block_bytes), 0);
			while (fancap_walk_next(&walk, &packet) == 1) {
				int *member = &member_of[frame_flow(packet.data)];

				if (*member < 0)
					*member = (int)i;
				assert_int_equal(*member, i);
				found++;
			}
			fancap_ring_release(&ring, ring.next - 1);
		}
		fancap_ring_unmap(&ring);
		members_used += found > before;
	}
	assert_int_equal(found, sent);
	assert_true(members_used > 1);
	fancap_group_close(&group);
}

/* The least that a stranger needs to join: bound to the same device and protocol. */
static int stranger(void)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex_of("gg1")};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int join(int fd, uint16_t id, unsigned members)
{
	struct fanout_args args = {
		.id = id, .type_flags = PACKET_FANOUT_HASH, .max_num_members = members};

	return setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &args, sizeof(args)) < 0 ? -errno : 0;
}

static void nobody_else_can_join(void **state)
{
	struct fancap_group_params params = usual(2);
	struct fancap_group group = group_open(&params);
	int fd = stranger();

	(void)state;
	assert_int_equal(join(fd, group.id, 2), -ENOSPC);
	assert_int_equal(join(fd, group.id, 0), -ENOSPC); /* 0: whatever the group has */
	assert_int_equal(join(fd, group.id, 3), -EINVAL);
	close(fd);
	fancap_group_close(&group);
}

static void groups_have_ids_of_their_own(void **state)
{
	struct fancap_group_params params = usual(2);
	struct fancap_group a = group_open(&params), b = group_open(&params);
	unsigned sent;

	(void)state;
	assert_int_not_equal(a.id, b.id);
	gate_open(&a);
	gate_open(&b);
	sent = send_flows(2, false);
	check_seen(&a, sent); /* each sees everything */
	check_seen(&b, sent);
	fancap_group_close(&a);
	fancap_group_close(&b);
}

static void an_id_in_use_is_avoided(void **state)
{
	struct fancap_group_params params = usual(1);
	struct fancap_group group;
	int fd = stranger();

	(void)state;
	assert_int_equal(join(fd, 0, 0), 0);
	group = group_open(&params);
	assert_int_not_equal(group.id, 0);
	fancap_group_close(&group);
	close(fd);
}

static void gate_decides_what_comes_in(void **state)
{
	struct fancap_group_params params = usual(MEMBERS_MAX);
	struct fancap_group group = group_open(&params);
	unsigned sent;

	(void)state;
	send_flows(3, true);
	check_seen(&group, 0);
	gate_open(&group);
	sent = send_flows(3, true);
	check_seen(&group, sent);
	assert_int_equal(fancap_group_gate_close(&group), 0);
	send_flows(3, true);
	check_seen(&group, 0);
	gate_open(&group);
	sent = send_flows(1, true);
	check_seen(&group, sent);
	fancap_group_close(&group);
}

static void opens_the_gate_to_what_passes_a_filter(void **state)
{
	struct fancap_group_params params = usual(2);
	struct fancap_group group = group_open(&params);
	struct fancap_filter filter;

	(void)state;
	assert_int_equal(fancap_filter_compile("udp src port 53", 1, 262144, "gg1", &filter, NULL), 0);
	assert_int_equal(fancap_group_gate_open(&group, &filter, NULL), 0);
	send_flows(1, true);
	check_seen(&group, FLOWS);
	fancap_filter_done(&filter);
	fancap_group_close(&group);
}

static void a_failing_gate_says_which_socket(void **state)
{
	struct sock_filter broken = {.code = 0xFFFF};
	const struct fancap_filter filter = {.prog = {.len = 1, .filter = &broken}};
	struct fancap_group_params params = usual(2);
	struct fancap_group group = group_open(&params);
	struct fancap_error err;

	(void)state;
	assert_int_equal(fancap_group_gate_open(&group, &filter, &err), -EINVAL);
	assert_string_equal(err.text, "socket 1 of 2: SO_ATTACH_FILTER: Invalid argument");
	fancap_group_close(&group);
}

static void sockets_close_on_exec(void **state)
{
	struct fancap_group_params params = usual(2);
	struct fancap_group group = group_open(&params);

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		assert_true(fcntl(group.fds[i], F_GETFD) & FD_CLOEXEC);
	fancap_group_close(&group);
	fancap_group_close(&group); /* all zero by now */
	assert_int_equal(group.members, 0);
}

/* IFF_PROMISC is not shown for packet memberships: count them. */
static int promiscuity(void)
{
	FILE *pipe = popen("ip -d -o link show gg1 | sed 's/.*promiscuity \\([0-9]*\\).*/\\1/'", "r");
	int n = -1;

	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%d", &n), 1);
	pclose(pipe);
	return n;
}

static void is_promiscuous_when_asked(void **state)
{
	struct fancap_group_params params = usual(2);
	struct fancap_group group = group_open(&params);

	(void)state;
	assert_int_equal(promiscuity(), 0);
	fancap_group_close(&group);
	params.promiscuous = true;
	group = group_open(&params);
	assert_true(promiscuity() > 0);
	fancap_group_close(&group);
	assert_int_equal(promiscuity(), 0);
}

/* A link that is down is captured from as soon as it comes up. */
static void a_link_may_be_down(void **state)
{
	struct fancap_group_params params = usual(2);
	struct fancap_group group;
	unsigned sent;

	(void)state;
	run("ip link set gg1 down");
	group = group_open(&params);
	gate_open(&group);
	run("ip link set gg1 up");
	link_await_up("gg1");
	link_await_up("gg0");
	sent = send_flows(1, false);
	check_seen(&group, sent);
	fancap_group_close(&group);
}

/* --- failures: which step, which text, and nothing left behind ---------------------------------- */

static void check_failure(const struct fancap_group_params *params, int error, const char *text)
{
	struct fancap_group group = {.members = 77};
	struct fancap_error err = {""};
	unsigned fds = fd_count();

	assert_int_equal(fancap_group_open(params, &group, &err), error);
	assert_string_equal(err.text, text);
	assert_int_equal(group.members, 77); /* untouched */
	assert_int_equal(fd_count(), fds);
	assert_int_equal(fancap_group_open(params, &group, NULL), error);
}

static void names_a_failing_bind(void **state)
{
	struct fancap_group_params params = usual(2);

	(void)state;
	params.interface = "gone0";
	params.ifindex = 99999;
	check_failure(&params, -ENODEV, "gone0: socket 1 of 2: bind: No such device");
}

static void names_a_refused_ring(void **state)
{
	struct fancap_group_params params = usual(2);
	struct fancap_geometry bad = geometry;

	(void)state;
	bad.req.tp_frame_nr++;
	params.geometry = &bad;
	check_failure(&params, -EINVAL, "gg1: socket 1 of 2: PACKET_RX_RING: Invalid argument");
}

static void names_a_refused_fanout(void **state)
{
	struct fancap_group_params params = usual(1);

	(void)state;
	/* The one combination of valid values that the kernel refuses. */
	params.mode = FANCAP_FANOUT_ROLLOVER;
	params.flags = FANCAP_FANOUT_FLAG_ROLLOVER;
	check_failure(&params, -EINVAL, "gg1: socket 1 of 1: PACKET_FANOUT: Invalid argument (modes are 0, hash, to 7, ebpf; "
					"mode rollover takes no rollover flag)");
	params.mode = (enum fancap_fanout_mode)8;
	params.flags = 0;
	check_failure(&params, -EINVAL, "gg1: socket 1 of 1: PACKET_FANOUT: Invalid argument (modes are 0, hash, to 7, ebpf; "
					"mode rollover takes no rollover flag)");
}

static void names_a_member_out_of_descriptors(void **state)
{
	struct fancap_group_params params = usual(4);
	struct rlimit old, low;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)dup(0) + 3; /* three more than are open, with the copy closed again */
	close((int)low.rlim_cur - 3);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	check_failure(&params, -EMFILE, "gg1: socket 4 of 4: socket: Too many open files");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

static void refuses_a_number_of_members_out_of_range(void **state)
{
	struct fancap_group_params params = usual(0);

	(void)state;
	check_failure(&params, -EINVAL, "gg1: 0 sockets: 1 to 65536 are allowed");
	params.members = 65537;
	check_failure(&params, -EINVAL, "gg1: 65537 sockets: 1 to 65536 are allowed");
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	if (syscall(SYS_capset, &header, none) < 0)
		_exit(100);
}

/* Runs in a child: assertions are for the parent. @return 0, or what differed */
static int open_without_capabilities(void)
{
	struct fancap_group_params params = usual(2);
	struct fancap_group group = {0};
	struct fancap_error err = {""};

	drop_capabilities();
	if (fancap_group_open(&params, &group, &err) != -EPERM)
		return 1;
	if (strcmp(err.text, "gg1: socket 1 of 2: socket: Operation not permitted "
			     "(capturing needs CAP_NET_RAW)") != 0)
		return 2;
	return 0;
}

static void tells_of_a_missing_capability(void **state)
{
	int status = -1;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(open_without_capabilities());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void tells_when_memory_does_not_suffice(void **state)
{
	struct fancap_group_params params = usual(1);
	struct fancap_geometry huge = geometry;

	(void)state;
	/* A block table beyond what kmalloc gives: refused before a byte is taken. */
	huge.req.tp_block_nr = huge.req.tp_frame_nr = 0x7FFFFFFF / 8;
	huge.req.tp_block_size = huge.req.tp_frame_size = 4096;
	params.geometry = &huge;
	check_failure(&params, -ENOMEM, "gg1: socket 1 of 1: PACKET_RX_RING: Cannot allocate memory "
					"(not enough memory for the ring: make it smaller)");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_every_packet_once_in_every_mode),
		cmocka_unit_test(lb_shares_evenly),
		cmocka_unit_test(takes_every_flag),
		cmocka_unit_test(sees_outgoing_packets_unless_told_not_to),
		cmocka_unit_test(ignores_outgoing_packets_without_the_kernels_help),
		cmocka_unit_test(rollover_flag_moves_on_from_a_full_member),
		cmocka_unit_test(hash_keeps_both_directions_together),
		cmocka_unit_test(nobody_else_can_join),
		cmocka_unit_test(groups_have_ids_of_their_own),
		cmocka_unit_test(an_id_in_use_is_avoided),
		cmocka_unit_test(gate_decides_what_comes_in),
		cmocka_unit_test(opens_the_gate_to_what_passes_a_filter),
		cmocka_unit_test(a_failing_gate_says_which_socket),
		cmocka_unit_test(sockets_close_on_exec),
		cmocka_unit_test(is_promiscuous_when_asked),
		cmocka_unit_test(a_link_may_be_down),
		cmocka_unit_test(names_a_failing_bind),
		cmocka_unit_test(names_a_refused_ring),
		cmocka_unit_test(names_a_refused_fanout),
		cmocka_unit_test(names_a_member_out_of_descriptors),
		cmocka_unit_test(refuses_a_number_of_members_out_of_range),
		cmocka_unit_test(tells_of_a_missing_capability),
		cmocka_unit_test(tells_when_memory_does_not_suffice),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests_name("group", tests, make_link, NULL);
}
