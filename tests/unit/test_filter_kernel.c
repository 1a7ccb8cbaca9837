// SPDX-License-Identifier: BSD-3-Clause
/* What the kernel makes of our programs, on a veth pair: fk0 sends, fk1 captures. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fancap/filter.h"
#include "tests/unit/netns.h"

#define ETHERNET 1

static int sender, receiver;

static int receiver_open(void)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex_of("fk1")};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(fancap_filter_attach_drop_all(fd), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int open_both(void **state)
{
	(void)state;
	veth_add("fk0", "fk1");
	sender = sender_open("fk0");
	receiver = receiver_open();
	return 0;
}

static void attach(const char *expression, uint32_t snaplen, const char *interface)
{
	struct fancap_filter filter;
	struct fancap_error err;

	if (fancap_filter_compile(expression, ETHERNET, snaplen, interface, &filter, &err) < 0)
		fail_msg("%s: %s", expression, err.text);
	assert_int_equal(fancap_filter_attach(receiver, &filter), 0);
	fancap_filter_done(&filter); /* the kernel has its own copy */
}

/* Receive what there is. @return how many frames; *ret_caplen, *ret_len of the last one */
static unsigned receive(size_t *ret_caplen, size_t *ret_len)
{
	uint8_t frame[FRAME_MAX];
	struct iovec iov = {.iov_base = frame, .iov_len = sizeof(frame)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct tpacket_auxdata aux;
	union {
		char bytes[CMSG_SPACE(sizeof(aux))];
		struct cmsghdr align;
	} control;
	unsigned n = 0;
	ssize_t r;

	sleep_ms(10);
	for (;;) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control);
		r = recvmsg(receiver, &msg, 0);
		if (r < 0)
			break;
		n++;
		if (ret_caplen == NULL)
			continue;
		assert_non_null(CMSG_FIRSTHDR(&msg));
		memcpy(&aux, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(aux));
		*ret_caplen = (size_t)r;
		*ret_len = aux.tp_len;
	}
	assert_int_equal(errno, EAGAIN);
	return n;
}

static void send_flow(uint16_t flow, bool reply)
{
	uint8_t frame[FRAME_UDP_BYTES];

	frame_udp(frame, flow, reply);
	sender_send(sender, frame, sizeof(frame));
}

/* A UDP frame of flow 1 with tags in band, the outermost first. */
static void send_tagged(uint16_t tpid, uint16_t vid, uint16_t inner)
{
	uint8_t plain[FRAME_UDP_BYTES], frame[FRAME_UDP_BYTES + 8];
	const uint16_t tags[] = {htons(tpid), htons(vid), htons(0x8100), htons(inner)};
	size_t n = inner != 0 ? 8 : 4;

	frame_udp(plain, 1, false);
	memcpy(frame, plain, 12);
	memcpy(frame + 12, tags, n);
	memcpy(frame + 12 + n, plain + 12, sizeof(plain) - 12);
	sender_send(sender, frame, sizeof(plain) + n);
}

static void keeps_exactly_what_the_expression_says(void **state)
{
	(void)state;
	attach("udp src port 1027 or udp dst port 1028", 262144, "fk1");
	for (uint16_t flow = 0; flow < 10; flow++) {
		send_flow(flow, false); /* from 1024 + flow */
		send_flow(flow, true);	/* to 1024 + flow */
	}
	assert_int_equal(receive(NULL, NULL), 2);
	attach("not udp", 262144, "fk1");
	send_flow(1, false);
	assert_int_equal(receive(NULL, NULL), 0);
}

static void an_empty_filter_detaches(void **state)
{
	const struct fancap_filter everything = {0};

	(void)state;
	attach("not udp", 262144, "fk1");
	assert_int_equal(fancap_filter_attach(receiver, &everything), 0);
	send_flow(1, false);
	assert_int_equal(receive(NULL, NULL), 1);
	/* With none attached it is no error either. */
	assert_int_equal(fancap_filter_attach(receiver, &everything), 0);
}

static void drop_all_lets_nothing_in(void **state)
{
	(void)state;
	assert_int_equal(fancap_filter_attach_drop_all(receiver), 0);
	for (uint16_t flow = 0; flow < 10; flow++)
		send_flow(flow, false);
	assert_int_equal(receive(NULL, NULL), 0);
}

static void truncation_keeps_the_length(void **state)
{
	static const char *const expressions[] = {"", "udp"};
	size_t caplen = 0, len = 0;
	int on = 1;

	(void)state;
	assert_int_equal(setsockopt(receiver, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)), 0);
	for (size_t i = 0; i < N_ELEMENTS(expressions); i++) {
		for (uint32_t snaplen = 1; snaplen <= 70; snaplen += 23) { /* 1, 24, 47, 70 */
			attach(expressions[i], snaplen, "fk1");
			send_flow(1, false);
			assert_int_equal(receive(&caplen, &len), 1);
			assert_int_equal(caplen, snaplen < FRAME_UDP_BYTES ? snaplen : FRAME_UDP_BYTES);
			assert_int_equal(len, FRAME_UDP_BYTES);
		}
	}
}

/* The receiving kernel takes the outer tag off the frame before filters see it. */
static void vlan_matches_a_tag_taken_off(void **state)
{
	(void)state;
	attach("vlan 5", 262144, "fk1");
	send_tagged(0x8100, 5, 0);
	assert_int_equal(receive(NULL, NULL), 1);
	send_tagged(0x8100, 0xE005, 0); /* priority and DEI do not matter */
	assert_int_equal(receive(NULL, NULL), 1);
	send_tagged(0x8100, 6, 0);
	send_flow(1, false);
	assert_int_equal(receive(NULL, NULL), 0);
}

static void vlan_matches_a_service_tag_and_the_tag_within(void **state)
{
	(void)state;
	attach("vlan 5 and vlan 7 and udp", 262144, "fk1");
	send_tagged(0x88A8, 5, 7);
	assert_int_equal(receive(NULL, NULL), 1);
	send_tagged(0x88A8, 5, 8);
	send_tagged(0x88A8, 7, 5);
	assert_int_equal(receive(NULL, NULL), 0);
}

/* Why an interface has to be given for programs that are used: this one looks for the tag in the frame only. */
static void vlan_without_interface_misses_a_tag_taken_off(void **state)
{
	(void)state;
	attach("vlan 5", 262144, NULL);
	send_tagged(0x8100, 5, 0);
	assert_int_equal(receive(NULL, NULL), 0);
}

/* Flow 1 comes in and flow 2 goes out: how many are received. */
static unsigned receive_both_ways(int sender_out)
{
	uint8_t frame[FRAME_UDP_BYTES];

	send_flow(1, false);
	frame_udp(frame, 2, false);
	sender_send(sender_out, frame, sizeof(frame));
	return receive(NULL, NULL);
}

static void incoming_rejects_what_this_host_sends(void **state)
{
	static const struct {
		const char *expression;
		unsigned plain, incoming;
	} rows[] = {
		{"", 2, 1}, {"udp", 2, 1}, {"udp src port 1025", 1, 1}, {"udp src port 1026", 1, 0}, {"tcp", 0, 0},
	};
	int out = sender_open("fk1");

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct fancap_filter filter, incoming;

		attach(rows[i].expression, 262144, "fk1");
		assert_int_equal(receive_both_ways(out), rows[i].plain);
		assert_int_equal(fancap_filter_compile(rows[i].expression, ETHERNET, 262144, "fk1", &filter, NULL), 0);
		assert_int_equal(fancap_filter_incoming(&filter, &incoming), 0);
		assert_int_equal(fancap_filter_attach(receiver, &incoming), 0);
		assert_int_equal(receive_both_ways(out), rows[i].incoming);
		fancap_filter_done(&incoming);
		fancap_filter_done(&filter);
	}
	close(out);
}

/* Programs begin with 0 in A; so does what is behind the question. */
static void incoming_leaves_the_rest_of_a_program_as_it_was(void **state)
{
	struct sock_filter a_is_length[] = {
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 33),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	const struct fancap_filter filter = {.prog = {.len = N_ELEMENTS(a_is_length), .filter = a_is_length}};
	struct fancap_filter incoming;
	size_t caplen = 0, len;
	int on = 1;

	(void)state;
	assert_int_equal(setsockopt(receiver, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)), 0);
	assert_int_equal(fancap_filter_incoming(&filter, &incoming), 0);
	assert_int_equal(fancap_filter_attach(receiver, &incoming), 0);
	send_flow(1, false);
	assert_int_equal(receive(&caplen, &len), 1);
	assert_int_equal(caplen, 33);
	fancap_filter_done(&incoming);
}

static void incoming_takes_programs_up_to_the_kernels_limit(void **state)
{
	static struct sock_filter insns[BPF_MAXINSNS];
	struct fancap_filter filter = {.prog = {.len = BPF_MAXINSNS - 4, .filter = insns}};
	struct fancap_filter incoming = {.prog = {.len = 77}};

	(void)state;
	for (size_t i = 0; i < BPF_MAXINSNS; i++)
		insns[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0xFFFF);
	filter.prog.len++;
	assert_int_equal(fancap_filter_incoming(&filter, &incoming), -EINVAL);
	assert_int_equal(incoming.prog.len, 77); /* untouched */
	filter.prog.len--;
	assert_int_equal(fancap_filter_incoming(&filter, &incoming), 0);
	assert_int_equal(fancap_filter_attach(receiver, &incoming), 0);
	fancap_filter_done(&incoming);
}

static void refuses_what_the_kernel_refuses(void **state)
{
	struct sock_filter broken = {.code = 0xFFFF};
	const struct fancap_filter filter = {.prog = {.len = 1, .filter = &broken}};
	const struct fancap_filter everything = {0};

	(void)state;
	assert_int_equal(fancap_filter_attach(receiver, &filter), -EINVAL);
	assert_int_equal(fancap_filter_attach(-1, &everything), -EBADF);
	assert_int_equal(fancap_filter_attach_drop_all(-1), -EBADF);
}

static void a_locked_filter_stays(void **state)
{
	const struct fancap_filter everything = {0};
	int plain = receiver;

	(void)state;
	assert_int_equal(fancap_filter_attach_drop_all(plain), 0);
	receiver = receiver_open();
	attach("udp dst port 53", 262144, "fk1");
	assert_int_equal(fancap_filter_lock(receiver), 0);
	assert_int_equal(fancap_filter_attach(receiver, &everything), -EPERM);
	assert_int_equal(fancap_filter_attach_drop_all(receiver), -EPERM);
	assert_int_equal(fancap_filter_lock(receiver), 0); /* again is no error */
	send_flow(1, false);
	send_flow(1, true);
	assert_int_equal(receive(NULL, NULL), 1);
	close(receiver);
	receiver = plain;
	assert_int_equal(fancap_filter_lock(-1), -EBADF);
}

#define EACH_FLOW 5000u

/* Flows 1 and 2 by turns, while the test goes on. */
static pid_t start_sending(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid != 0)
		return pid;
	for (unsigned i = 0; i < EACH_FLOW; i++) {
		send_flow(1, false);
		send_flow(2, false);
	}
	_exit(0);
}

/* Never neither of them, never none: all of flow 1 passes and nothing of flow 2. */
static void a_filter_is_replaced_without_a_gap(void **state)
{
	static const char *const expressions[] = {"udp src port 1025", "udp and not src port 1026"};
	struct fancap_filter filters[2];
	int room = 64 << 20, status = 0;
	unsigned seen = 0, swaps = 0;
	uint8_t frame[FRAME_UDP_BYTES];
	bool sending = true;
	pid_t pid;

	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(fancap_filter_compile(expressions[i], ETHERNET, 262144, NULL, &filters[i], NULL), 0);
	assert_int_equal(setsockopt(receiver, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)), 0);
	assert_int_equal(fancap_filter_attach(receiver, &filters[0]), 0);
	pid = start_sending();
	while (sending) {
		sending = waitpid(pid, &status, WNOHANG) == 0;
		assert_int_equal(fancap_filter_attach(receiver, &filters[++swaps % 2]), 0);
		for (; recv(receiver, frame, sizeof(frame), 0) > 0; seen++)
			assert_int_equal(frame_flow(frame), 1);
	}
	assert_int_equal(status, 0);
	sleep_ms(10);
	for (; recv(receiver, frame, sizeof(frame), 0) > 0; seen++)
		assert_int_equal(frame_flow(frame), 1);
	assert_int_equal(seen, EACH_FLOW);
	assert_true(swaps > 2);
	for (size_t i = 0; i < 2; i++)
		fancap_filter_done(&filters[i]);
}

static void tells_of_an_interface_that_is_not_there(void **state)
{
	struct fancap_filter filter;
	struct fancap_error err = {""};
	unsigned fds = fd_count();

	(void)state;
	assert_true(fancap_filter_compile("ip", ETHERNET, 96, "nonesuch", &filter, &err) < 0);
	assert_has(err.text, "nonesuch");
	assert_int_equal(fancap_filter_compile("ip and", ETHERNET, 96, "fk1", &filter, &err), -EINVAL);
	assert_has(err.text, "syntax error");
	assert_int_equal(fd_count(), fds);
}

/* As a group can be made on it, so can its filter. */
static void compiles_for_a_link_that_is_down(void **state)
{
	(void)state;
	run("ip link set fk1 down");
	attach("vlan 5", 262144, "fk1");
	run("ip link set fk1 up");
	link_await_up("fk1");
	link_await_up("fk0");
	(void)recv(receiver, &(char){0}, 1, 0); /* ENETDOWN from going down */
	send_tagged(0x8100, 5, 0);
	send_tagged(0x8100, 6, 0);
	assert_int_equal(receive(NULL, NULL), 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_exactly_what_the_expression_says),
		cmocka_unit_test(an_empty_filter_detaches),
		cmocka_unit_test(drop_all_lets_nothing_in),
		cmocka_unit_test(vlan_matches_a_tag_taken_off),
		cmocka_unit_test(vlan_matches_a_service_tag_and_the_tag_within),
		cmocka_unit_test(vlan_without_interface_misses_a_tag_taken_off),
		cmocka_unit_test(truncation_keeps_the_length),
		cmocka_unit_test(incoming_rejects_what_this_host_sends),
		cmocka_unit_test(incoming_leaves_the_rest_of_a_program_as_it_was),
		cmocka_unit_test(incoming_takes_programs_up_to_the_kernels_limit),
		cmocka_unit_test(refuses_what_the_kernel_refuses),
		cmocka_unit_test(a_filter_is_replaced_without_a_gap),
		cmocka_unit_test(a_locked_filter_stays),
		cmocka_unit_test(tells_of_an_interface_that_is_not_there),
		cmocka_unit_test(compiles_for_a_link_that_is_down),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests_name("filter_kernel", tests, open_both, NULL);
}
