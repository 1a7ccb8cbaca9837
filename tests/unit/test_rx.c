// SPDX-License-Identifier: BSD-3-Clause
/* Receive rings of every version behind one interface; most tests are run for each. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fancap/rx.h"
#include "fancap/stats.h"
#include "tests/unit/netns.h"

#define BLOCK_BYTES 4096u
#define BLOCKS 16u
#define FRAME_BYTES 1500u
#define JUMBO 9014u
#define TOO_MANY 100u /* for the ring: 32 frames */

static const enum fancap_version versions[] = {FANCAP_V1, FANCAP_V2, FANCAP_V3};

/* A ring on one end of a veth pair, and a sender on the other. */
struct capture {
	enum fancap_version version;
	struct fancap_rx *rx;
	struct fancap_stats stats;
	int sender;
	uint32_t sent; /* frames, numbered from 0 */
	uint32_t seen;
};

static int make_link(void **state)
{
	(void)state;
	veth_add("rx0", "rx1");
	run("ip link set rx0 mtu 9000 && ip link set rx1 mtu 9000");
	return 0;
}

static struct fancap_rx_params params_of(void **state)
{
	return (struct fancap_rx_params){
		.interface = "rx1", .ifindex = ifindex_of("rx1"),
		.version = *(const enum fancap_version *)*state,
		.size_bytes = BLOCKS * BLOCK_BYTES, .block_bytes = BLOCK_BYTES, .snaplen = 1514,
		.block_timeout_ms = 1, .reserve_bytes = 2};
}

static void capture_open(struct capture *c, const struct fancap_rx_params *params)
{
	struct fancap_error err;

	*c = (struct capture){.version = params->version, .sender = sender_open("rx0")};
	if (fancap_rx_open(params, &c->rx, &err) < 0)
		fail_msg("%s", err.text);
}

static void capture_open_usual(struct capture *c, void **state)
{
	const struct fancap_rx_params params = params_of(state);

	capture_open(c, &params);
}

static void capture_close(struct capture *c)
{
	fancap_rx_close(c->rx);
	close(c->sender);
}

static void send_frames(struct capture *c, unsigned n, size_t bytes)
{
	uint8_t frame[FRAME_MAX];

	while (n-- > 0) {
		frame_numbered(frame, bytes, c->sent++);
		sender_send(c->sender, frame, bytes);
	}
}

/* The next packet, waiting for it as a program would. */
static struct fancap_packet next(struct capture *c)
{
	struct fancap_packet packet;

	for (int i = 0; i < 500; i++) {
		struct pollfd fd = {.fd = fancap_rx_fd(c->rx), .events = POLLIN};
		int r = fancap_rx_next(c->rx, &packet);

		if (r == 1)
			return packet;
		assert_int_equal(r, 0);
		poll(&fd, 1, 10);
	}
	fail_msg("no packet in 5 s: %u sent, %u seen", c->sent, c->seen);
	return packet;
}

/* All that was sent is there, in order and right to the byte. */
static void drain(struct capture *c)
{
	while (c->seen < c->sent) {
		struct fancap_packet packet = next(c);

		assert_int_equal(packet.len, packet.caplen);
		assert_int_equal(frame_number(packet.data, packet.caplen), c->seen++);
	}
}

/* A ring of blocks may still have its timer to wait for. */
static void expect_nothing(struct capture *c)
{
	struct pollfd fd = {.fd = fancap_rx_fd(c->rx), .events = POLLIN};
	struct fancap_packet packet;

	sleep_ms(10);
	assert_int_equal(fancap_rx_next(c->rx, &packet), 0);
	assert_int_equal(poll(&fd, 1, 0), 0);
}

static void read_stats(struct capture *c)
{
	assert_int_equal(fancap_stats_read(fancap_rx_fd(c->rx), &c->stats), 0);
}

static void receives_100_packets(void **state)
{
	struct capture c;

	capture_open_usual(&c, state);
	expect_nothing(&c);
	for (unsigned i = 0; i < 10; i++) {
		send_frames(&c, 10, 60 + 100 * i);
		drain(&c);
	}
	expect_nothing(&c);
	read_stats(&c);
	assert_int_equal(c.stats.packets, 100);
	assert_int_equal(c.stats.drops, 0);
	capture_close(&c);
}

static void receives_every_length(void **state)
{
	struct capture c;

	capture_open_usual(&c, state);
	for (unsigned bytes = FRAME_MIN; bytes <= FRAME_MAX; bytes++) {
		send_frames(&c, 1, bytes);
		if (bytes % 8 == 0) /* the timer may give each a block of its own */
			drain(&c);
	}
	drain(&c);
	capture_close(&c);
}

/* 2 frames of 1600 bytes fit a block of 4096: 896 are left over in each. */
static void wraps_for_many_laps(void **state)
{
	struct capture c;

	capture_open_usual(&c, state);
	for (unsigned i = 0; i < 200; i++) {
		send_frames(&c, 5, FRAME_BYTES); /* no divisor of 32: laps begin anywhere */
		drain(&c);
	}
	read_stats(&c);
	assert_int_equal(c.stats.packets, 1000);
	assert_int_equal(c.stats.drops, 0);
	capture_close(&c);
}

static void takes_frames_of_any_size(void **state)
{
	struct fancap_rx_params params = params_of(state);
	struct capture c;

	params.snaplen = 60;
	for (params.frame_bytes = 160; params.frame_bytes <= 4096; params.frame_bytes += 176) {
		capture_open(&c, &params);
		for (unsigned i = 0; i < 30; i++) {
			send_frames(&c, 10, 60);
			drain(&c);
		}
		capture_close(&c);
	}
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void describes_a_packet(void **state)
{
	static const uint8_t sender[6] = {2, 0, 0, 0, 0, 2};
	uint64_t before = now_ns() / 1000 * 1000;
	struct fancap_packet packet;
	struct capture c;

	capture_open_usual(&c, state);
	send_frames(&c, 1, 61);
	packet = next(&c);
	assert_int_equal(packet.caplen, 61);
	assert_int_equal(packet.len, 61);
	assert_int_equal(packet.mac_len, 14);
	assert_int_equal(packet.type, PACKET_OTHERHOST);
	assert_int_equal(packet.vlan_tpid, 0);
	assert_false(packet.cooked);
	assert_in_range(packet.time_ns, before, now_ns());
	if (c.version == FANCAP_V1)
		assert_int_equal(packet.time_ns % 1000, 0);
	assert_int_equal(packet.status & (TP_STATUS_COPY | TP_STATUS_LOSING), 0);
	assert_int_equal(ntohs(packet.link->sll_protocol), 0x88B5);
	assert_int_equal(packet.link->sll_ifindex, ifindex_of("rx1"));
	assert_int_equal(packet.link->sll_hatype, ARPHRD_ETHER);
	assert_int_equal(packet.link->sll_halen, 6);
	assert_memory_equal(packet.link->sll_addr, sender, 6);
	capture_close(&c);
}

static void cooked_packets_come_without_link_layer(void **state)
{
	static const uint8_t sender[6] = {2, 0, 0, 0, 0, 2};
	struct fancap_rx_params params = params_of(state);
	struct fancap_packet packet;
	uint8_t frame[FRAME_MAX];
	struct capture c;

	params.type = FANCAP_DGRAM;
	capture_open(&c, &params);
	send_frames(&c, 1, 61);
	packet = next(&c);
	frame_numbered(frame, 61, 0);
	assert_true(packet.cooked);
	assert_int_equal(packet.mac_len, 0);
	assert_int_equal(packet.len, 61 - 14);
	assert_int_equal(packet.caplen, 61 - 14);
	assert_memory_equal(packet.data, frame + 14, 61 - 14);
	assert_int_equal(ntohs(packet.link->sll_protocol), 0x88B5);
	assert_int_equal(packet.link->sll_hatype, ARPHRD_ETHER);
	assert_memory_equal(packet.link->sll_addr, sender, 6);
	capture_close(&c);
}

/* 802.1ad: a tag whose TPID is not the default one. */
static size_t frame_tagged(uint8_t *frame)
{
	static const uint8_t tag[4] = {0x88, 0xA8, 0xE0, 0x05};

	frame_numbered(frame, 60, 0);
	memmove(frame + 16, frame + 12, 48);
	memcpy(frame + 12, tag, sizeof(tag));
	return 64;
}

static void tells_of_a_tag_where_it_can(void **state)
{
	struct fancap_packet packet;
	uint8_t frame[FRAME_MAX];
	struct capture c;

	capture_open_usual(&c, state);
	sender_send(c.sender, frame, frame_tagged(frame));
	packet = next(&c);
	assert_int_equal(frame_number(packet.data, packet.caplen), 0); /* without its tag */
	assert_int_equal(packet.vlan_tpid, c.version == FANCAP_V1 ? 0 : 0x88A8);
	assert_int_equal(packet.vlan_tci, c.version == FANCAP_V1 ? 0 : 0xE005);
	capture_close(&c);
}

static void tells_of_a_tag_on_cooked_packets(void **state)
{
	struct fancap_rx_params params = params_of(state);
	struct fancap_packet packet;
	uint8_t frame[FRAME_MAX];
	struct capture c;

	params.type = FANCAP_DGRAM;
	capture_open(&c, &params);
	sender_send(c.sender, frame, frame_tagged(frame));
	packet = next(&c);
	assert_int_equal(packet.len, 46);
	assert_int_equal(ntohs(packet.link->sll_protocol), 0x88B5);
	assert_int_equal(packet.vlan_tpid, c.version == FANCAP_V1 ? 0 : 0x88A8);
	capture_close(&c);
}

/* On its way out through loopback, a datagram's checksum is still to be done: by nobody. */
static void flags_checksums_not_ready(void **state)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct fancap_rx_params params = params_of(state);
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct fancap_packet packet;
	struct capture c;

	params.interface = "lo";
	params.ifindex = 1;
	capture_open(&c, &params);
	assert_int_equal(sendto(udp, "hello", 5, 0, (const struct sockaddr *)&address, sizeof(address)), 5);
	packet = next(&c);
	assert_int_equal(packet.type, PACKET_OUTGOING);
	assert_int_not_equal(packet.status & TP_STATUS_CSUMNOTREADY, 0);
	close(udp);
	capture_close(&c);
}

/* Numbers do not follow on after a loss: only count. */
static unsigned count_ready(struct capture *c, uint32_t flag)
{
	struct fancap_packet packet;
	unsigned n = 0;

	sleep_ms(20);
	while (fancap_rx_next(c->rx, &packet) == 1)
		n += (packet.status & flag) != 0;
	return n;
}

static void flags_losses_until_statistics_are_read(void **state)
{
	struct capture c;
	unsigned n;

	capture_open_usual(&c, state);
	send_frames(&c, TOO_MANY, FRAME_BYTES);
	n = count_ready(&c, TP_STATUS_USER);
	assert_in_range(n, BLOCKS, 2 * BLOCKS);
	send_frames(&c, 2, FRAME_BYTES); /* the first after the losses */
	assert_int_equal(count_ready(&c, TP_STATUS_LOSING), 2);
	read_stats(&c);
	assert_int_equal(c.stats.packets, TOO_MANY + 2);
	assert_int_equal(c.stats.drops, TOO_MANY - n);
	assert_int_equal(c.stats.freezes, c.version == FANCAP_V3);
	send_frames(&c, 2, FRAME_BYTES);
	assert_int_equal(count_ready(&c, TP_STATUS_LOSING), 0);
	read_stats(&c);
	assert_int_equal(c.stats.packets, TOO_MANY + 4);
	assert_int_equal(c.stats.drops, TOO_MANY - n);
	capture_close(&c);
}

/* A ring with room for one packet. */
static void done_hands_the_packet_back(void **state)
{
	struct fancap_rx_params params = params_of(state);
	struct capture c;

	params.size_bytes = BLOCK_BYTES;
	params.frame_bytes = BLOCK_BYTES;
	params.snaplen = 3000;
	capture_open(&c, &params);
	for (unsigned i = 0; i < 5; i++) {
		struct fancap_packet packet;

		send_frames(&c, 1, FRAME_BYTES);
		packet = next(&c);
		assert_int_equal(frame_number(packet.data, packet.caplen), 2 * i);
		send_frames(&c, 1, FRAME_BYTES); /* held: finds no room */
		sleep_ms(5);
		fancap_rx_done(c.rx);
		fancap_rx_done(c.rx); /* once is enough */
		expect_nothing(&c);
	}
	read_stats(&c);
	assert_int_equal(c.stats.drops, 5);
	capture_close(&c);
}

static void tells_once_that_the_link_is_down(void **state)
{
	struct fancap_packet packet;
	struct capture c;

	capture_open_usual(&c, state);
	send_frames(&c, 3, 60);
	sleep_ms(10);
	run("ip link set rx1 down");
	while (c.seen < 3) { /* what came before is not lost */
		packet = next(&c);
		assert_int_equal(frame_number(packet.data, packet.caplen), c.seen++);
	}
	assert_int_equal(fancap_rx_next(c.rx, &packet), -ENETDOWN);
	assert_int_equal(fancap_rx_next(c.rx, &packet), 0);
	run("ip link set rx1 up");
	link_await_up("rx1");
	link_await_up("rx0");
	send_frames(&c, 3, 60);
	drain(&c);
	capture_close(&c);
}

static void opens_on_a_link_that_is_down(void **state)
{
	struct fancap_packet packet;
	struct capture c;

	run("ip link set rx1 down");
	capture_open_usual(&c, state);
	assert_int_equal(fancap_rx_next(c.rx, &packet), -ENETDOWN);
	assert_int_equal(fancap_rx_next(c.rx, &packet), 0);
	run("ip link set rx1 up");
	link_await_up("rx1");
	link_await_up("rx0");
	send_frames(&c, 3, 60);
	drain(&c);
	capture_close(&c);
}

/* To the socket that is as if it were down. But another one of the same name is not the one it is bound to. */
static void a_link_that_is_gone_is_down_for_good(void **state)
{
	struct fancap_rx_params params = params_of(state);
	struct fancap_packet packet;
	struct capture c;

	veth_add("rxg0", "rxg1");
	params.interface = "rxg1";
	params.ifindex = ifindex_of("rxg1");
	capture_open(&c, &params);
	link_delete("rxg1");
	assert_int_equal(fancap_rx_next(c.rx, &packet), -ENETDOWN);
	assert_int_equal(fancap_rx_next(c.rx, &packet), 0);
	veth_add("rxg0", "rxg1");
	close(c.sender);
	c.sender = sender_open("rxg0");
	send_frames(&c, 3, 60);
	expect_nothing(&c);
	capture_close(&c);
	link_delete("rxg1");
}

static void receives_from_every_interface(void **state)
{
	struct fancap_rx_params params = params_of(state);
	struct fancap_packet packet;
	struct capture c;

	params.interface = "any";
	params.ifindex = 0;
	capture_open(&c, &params);
	send_frames(&c, 1, 60);
	packet = next(&c);
	assert_int_equal(packet.link->sll_ifindex, ifindex_of("rx0")); /* outgoing */
	assert_int_equal(packet.type, PACKET_OUTGOING);
	packet = next(&c);
	assert_int_equal(packet.link->sll_ifindex, ifindex_of("rx1"));
	capture_close(&c);
}

static void takes_a_filter_from_the_first_packet_on(void **state)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct fancap_filter filter = {.prog = {.len = 1, .filter = &nothing}}, everything = {0};
	struct fancap_rx_params params = params_of(state);
	struct capture c;

	params.filter = &filter;
	params.promiscuous = true;
	capture_open(&c, &params);
	send_frames(&c, 5, 60);
	expect_nothing(&c);
	assert_int_equal(fancap_filter_attach(fancap_rx_fd(c.rx), &everything), 0);
	c.sent = 0;
	send_frames(&c, 5, 60);
	drain(&c);
	capture_close(&c);
}

static void check_refusal(const struct fancap_rx_params *params, int error, const char *text)
{
	struct fancap_rx *rx = (struct fancap_rx *)1;
	struct fancap_error err = {""};
	unsigned fds = fd_count();

	assert_int_equal(fancap_rx_open(params, &rx, &err), error);
	assert_has(err.text, text);
	assert_ptr_equal(rx, (struct fancap_rx *)1); /* untouched */
	assert_int_equal(fancap_rx_open(params, &rx, NULL), error);
	assert_int_equal(fd_count(), fds);
}

static void names_the_step_that_failed(void **state)
{
	struct fancap_rx_params params = params_of(state);

	params.snaplen = 0;
	check_refusal(&params, -EINVAL, "rx1: snaplen 0 keeps nothing");
	params = params_of(state);
	params.block_bytes = 4097;
	check_refusal(&params, -EINVAL, "rx1: block size 4097 is not a multiple");
	params = params_of(state);
	params.ifindex = 999999;
	check_refusal(&params, -ENODEV, "rx1: bind: No such device");
	params = params_of(state);
	params.ifindex = 0;
	params.promiscuous = true;
	check_refusal(&params, -ENODEV, "rx1: PACKET_ADD_MEMBERSHIP: No such device");
	fancap_rx_close(NULL);
}

/* --- packets larger than their frames ---------------------------------------------------------------------------- */

static void frame_jumbo(uint8_t *frame, size_t bytes, uint32_t number)
{
	frame_numbered(frame, FRAME_MIN, number);
	for (size_t i = FRAME_MIN; i < bytes; i++)
		frame[i] = (uint8_t)(number * 31 + i);
}

static void send_jumbo(struct capture *c, size_t bytes)
{
	uint8_t frame[JUMBO];

	frame_jumbo(frame, bytes, c->sent++);
	sender_send(c->sender, frame, bytes);
}

/* Frames of 256 bytes: all but the least packets are larger. */
static struct fancap_rx_params small_frames(void **state)
{
	struct fancap_rx_params params = params_of(state);

	params.frame_bytes = 256;
	params.snaplen = JUMBO;
	params.whole = true;
	return params;
}

static void check_jumbo(const struct fancap_packet *packet, size_t bytes, uint32_t number)
{
	uint8_t frame[JUMBO];

	frame_jumbo(frame, bytes, number);
	assert_int_equal(packet->len, bytes);
	assert_memory_equal(packet->data, frame, packet->caplen);
}

static const size_t lengths[] = {60, JUMBO, 1514, 187, 188, 189, 190, 191, 9000, 61, 5000, 5001};

static void delivers_larger_packets_whole_and_in_order(void **state)
{
	const struct fancap_rx_params params = small_frames(state);
	struct capture c;

	capture_open(&c, &params);
	for (unsigned lap = 0; lap < 100; lap++) {
		for (size_t i = 0; i < N_ELEMENTS(lengths); i++)
			send_jumbo(&c, lengths[i]);
		for (size_t i = 0; i < N_ELEMENTS(lengths); i++) {
			struct fancap_packet packet = next(&c);
			/* 256 bytes hold 188 of the packet, behind 66 of headers and a reserve of 2. */
			bool larger = lengths[i] > 256 - 68;

			assert_int_equal(packet.caplen, lengths[i]);
			assert_int_equal((packet.status & TP_STATUS_COPY) != 0, larger);
			check_jumbo(&packet, lengths[i], c.seen++);
		}
		expect_nothing(&c); /* no copy is left to keep poll() awake */
	}
	read_stats(&c);
	assert_int_equal(c.stats.packets, 100 * N_ELEMENTS(lengths));
	assert_int_equal(c.stats.drops, 0);
	capture_close(&c);
}

static void delivers_what_no_frame_holds_anything_of(void **state)
{
	struct fancap_rx_params params = small_frames(state);
	struct capture c;

	params.frame_bytes = 64; /* tp_mac lies behind it */
	params.reserve_bytes = 0;
	capture_open(&c, &params);
	for (unsigned i = 0; i < 200; i++) {
		size_t bytes = lengths[i % N_ELEMENTS(lengths)];
		struct fancap_packet packet;

		send_jumbo(&c, bytes);
		packet = next(&c);
		assert_int_equal(packet.caplen, bytes);
		check_jumbo(&packet, bytes, i);
	}
	capture_close(&c);
}

static void delivers_cooked_packets_whole(void **state)
{
	struct fancap_rx_params params = small_frames(state);
	struct fancap_packet packet;
	uint8_t frame[JUMBO];
	struct capture c;

	params.type = FANCAP_DGRAM;
	capture_open(&c, &params);
	send_jumbo(&c, JUMBO);
	packet = next(&c);
	frame_jumbo(frame, JUMBO, 0);
	assert_int_equal(packet.caplen, JUMBO - 14);
	assert_memory_equal(packet.data, frame + 14, JUMBO - 14);
	assert_int_equal(ntohs(packet.link->sll_protocol), 0x88B5);
	assert_int_equal(packet.link->sll_ifindex, ifindex_of("rx1"));
	capture_close(&c);
}

static void cuts_copies_at_snaplen(void **state)
{
	struct fancap_rx_params params = small_frames(state);
	struct fancap_packet packet;
	struct capture c;

	params.snaplen = 1000;
	capture_open(&c, &params);
	send_jumbo(&c, JUMBO);
	packet = next(&c);
	assert_int_equal(packet.caplen, 1000);
	check_jumbo(&packet, JUMBO, 0);
	expect_nothing(&c);
	capture_close(&c);
}

static void cuts_larger_packets_unless_told_otherwise(void **state)
{
	struct fancap_rx_params params = small_frames(state);
	struct fancap_packet packet;
	struct capture c;

	params.whole = false;
	capture_open(&c, &params);
	send_jumbo(&c, JUMBO);
	packet = next(&c);
	assert_int_equal(packet.caplen, 256 - 68);
	assert_int_equal(packet.status & TP_STATUS_COPY, 0);
	check_jumbo(&packet, JUMBO, 0);
	expect_nothing(&c);
	capture_close(&c);
}

/* The socket's buffer is full after the first few: others are cut, and say so by their length. */
static void cuts_what_the_kernel_does_not_copy(void **state)
{
	struct fancap_rx_params params = small_frames(state);
	unsigned whole = 0, cut = 0;
	struct capture c;

	params.copies_bytes = 30000;
	capture_open(&c, &params);
	for (unsigned lap = 0; lap < 5; lap++) {
		for (unsigned i = 0; i < 50; i++)
			send_jumbo(&c, JUMBO);
		for (unsigned i = 0; i < 50; i++) {
			struct fancap_packet packet = next(&c);
			bool copied = (packet.status & TP_STATUS_COPY) != 0;

			assert_int_equal(packet.caplen, copied ? JUMBO : 256 - 68);
			check_jumbo(&packet, JUMBO, c.seen++);
			whole += copied;
			cut += !copied;
		}
		expect_nothing(&c);
	}
	assert_true(whole >= 5 && cut >= 5);
	capture_close(&c);
}

/* recv() tells ENETDOWN before it gives the copy: neither is lost. */
static void delivers_copies_after_the_link_went_down(void **state)
{
	const struct fancap_rx_params params = small_frames(state);
	struct fancap_packet packet;
	struct capture c;

	capture_open(&c, &params);
	send_jumbo(&c, JUMBO);
	send_jumbo(&c, 5000);
	sleep_ms(10);
	run("ip link set rx1 down");
	assert_int_equal(fancap_rx_next(c.rx, &packet), 1);
	assert_int_equal(packet.caplen, JUMBO);
	check_jumbo(&packet, JUMBO, 0);
	assert_int_equal(fancap_rx_next(c.rx, &packet), 1);
	assert_int_equal(packet.caplen, 5000);
	check_jumbo(&packet, 5000, 1);
	assert_int_equal(fancap_rx_next(c.rx, &packet), -ENETDOWN);
	assert_int_equal(fancap_rx_next(c.rx, &packet), 0);
	run("ip link set rx1 up");
	link_await_up("rx1");
	link_await_up("rx0");
	capture_close(&c);
}

/* --- a ring that somebody spoilt ----------------------------------------------------------------------------------- */

/* The ring's memory once more, to write what the kernel would not. */
static uint8_t *map_again(const struct capture *c)
{
	void *map = mmap(NULL, BLOCKS * BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fancap_rx_fd(c->rx), 0);

	assert_ptr_not_equal(map, MAP_FAILED);
	return map;
}

static void spoil_first(enum fancap_version version, uint8_t *map)
{
	if (version == FANCAP_V1)
		((struct tpacket_hdr *)map)->tp_mac = 8;
	else if (version == FANCAP_V2)
		((struct tpacket2_hdr *)map)->tp_snaplen = UINT32_MAX;
	else
		((struct tpacket_block_desc *)map)->hdr.bh1.blk_len = UINT32_MAX;
}

static void goes_on_behind_what_makes_no_sense(void **state)
{
	struct fancap_packet packet;
	struct capture c;
	uint8_t *map;

	capture_open_usual(&c, state);
	map = map_again(&c);
	for (unsigned lap = 0; lap < 3; lap++) {
		send_frames(&c, 1, FRAME_BYTES);
		sleep_ms(20); /* V3: a block of its own */
		spoil_first(c.version, map);
		assert_int_equal(fancap_rx_next(c.rx, &packet), -EBADMSG);
		c.seen++;
		/* To the ring's start again. */
		for (unsigned i = 1; i < (c.version == FANCAP_V3 ? BLOCKS : 2 * BLOCKS); i++) {
			send_frames(&c, 1, FRAME_BYTES);
			drain(&c);
		}
	}
	munmap(map, BLOCKS * BLOCK_BYTES);
	capture_close(&c);
}

static void survives_a_copy_that_is_not_there(void **state)
{
	struct fancap_packet packet;
	struct capture c;
	uint8_t *map;

	capture_open_usual(&c, state);
	map = map_again(&c);
	send_frames(&c, 2, FRAME_BYTES);
	sleep_ms(10);
	if (c.version == FANCAP_V1)
		((struct tpacket_hdr *)map)->tp_status |= TP_STATUS_COPY;
	else
		((struct tpacket2_hdr *)map)->tp_status |= TP_STATUS_COPY;
	packet = next(&c);
	assert_int_equal(packet.status & TP_STATUS_COPY, 0);
	assert_int_equal(frame_number(packet.data, packet.caplen), c.seen++);
	drain(&c);
	munmap(map, BLOCKS * BLOCK_BYTES);
	capture_close(&c);
}

#define FOR(v, test) \
	{.name = "v" #v "_" #test, .test_func = test, .initial_state = (void *)(uintptr_t)&versions[v - 1]}
#define FOR_FRAMES(test) FOR(1, test), FOR(2, test)
#define FOR_ALL(test) FOR_FRAMES(test), FOR(3, test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOR_ALL(receives_100_packets),
		FOR_ALL(receives_every_length),
		FOR_ALL(wraps_for_many_laps),
		FOR_FRAMES(takes_frames_of_any_size),
		FOR_ALL(describes_a_packet),
		FOR_ALL(cooked_packets_come_without_link_layer),
		FOR_ALL(tells_of_a_tag_where_it_can),
		FOR_ALL(tells_of_a_tag_on_cooked_packets),
		FOR_ALL(flags_checksums_not_ready),
		FOR_ALL(flags_losses_until_statistics_are_read),
		FOR_ALL(done_hands_the_packet_back),
		FOR_ALL(tells_once_that_the_link_is_down),
		FOR_ALL(opens_on_a_link_that_is_down),
		FOR_ALL(a_link_that_is_gone_is_down_for_good),
		FOR_ALL(receives_from_every_interface),
		FOR_ALL(takes_a_filter_from_the_first_packet_on),
		FOR_ALL(names_the_step_that_failed),
		FOR_FRAMES(delivers_larger_packets_whole_and_in_order),
		FOR_FRAMES(delivers_what_no_frame_holds_anything_of),
		FOR_FRAMES(delivers_cooked_packets_whole),
		FOR_FRAMES(cuts_copies_at_snaplen),
		FOR_FRAMES(cuts_larger_packets_unless_told_otherwise),
		FOR_FRAMES(cuts_what_the_kernel_does_not_copy),
		FOR_FRAMES(delivers_copies_after_the_link_went_down),
		FOR_ALL(goes_on_behind_what_makes_no_sense),
		FOR_FRAMES(survives_a_copy_that_is_not_there),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests_name("rx", tests, make_link, NULL);
}
