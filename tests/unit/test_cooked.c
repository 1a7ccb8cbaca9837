// SPDX-License-Identifier: BSD-3-Clause
/* Packets of SOCK_DGRAM sockets, recorded as LINUX_SLL2, as tshark and tcpdump read them. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fancap/group.h"
#include "fancap/link.h"
#include "fancap/pcapng.h"
#include "fancap/ring.h"
#include "fancap/rx.h"
#include "tests/unit/netns.h"

#define OUTPUT_MAX 16384u

static const enum fancap_version versions[] = {FANCAP_V1, FANCAP_V2, FANCAP_V3};

/* --- a file, and what others say of it ---------------------------------------------------------------------------- */

static char file_path[] = "/tmp/fancap-cooked-XXXXXX";
static int file_fd = -1;

static void file_put(const void *bytes, size_t n)
{
	assert_int_equal(write(file_fd, bytes, n), n);
}

static void file_open(const char *interface)
{
	const struct fancap_pcapng_section section = {.application = "test_cooked"};
	const struct fancap_pcapng_interface description = {
		.linktype = FANCAP_LINKTYPE_LINUX_SLL2, .snaplen = 262144, .name = interface};
	static uint8_t bytes[FANCAP_PCAPNG_SHB_MAX + FANCAP_PCAPNG_IDB_MAX];

	strcpy(file_path + strlen(file_path) - 6, "XXXXXX");
	file_fd = mkstemp(file_path);
	assert_true(file_fd >= 0);
	file_put(bytes, fancap_pcapng_shb(bytes, &section));
	file_put(bytes, fancap_pcapng_idb(bytes, &description));
}

static void file_put_packet(const struct fancap_packet *packet)
{
	static uint8_t bytes[4096];

	assert_in_range(fancap_pcapng_epb_bytes(packet, 262144, 0), 1, sizeof(bytes));
	file_put(bytes, fancap_pcapng_epb(bytes, packet, 262144, 0));
}

static void file_close(void)
{
	close(file_fd);
	assert_int_equal(unlink(file_path), 0);
}

/* What a reader prints of the file; it has to like it. */
static const char *reader_says(const char *command)
{
	static char output[OUTPUT_MAX];
	char line[512];
	FILE *pipe;
	size_t n;

	snprintf(line, sizeof(line), "%s -n -r %s 2>/dev/null", command, file_path);
	pipe = popen(line, "re");
	assert_non_null(pipe);
	n = fread(output, 1, sizeof(output) - 1, pipe);
	output[n] = '\0';
	if (pclose(pipe) != 0)
		fail_msg("%s fails, having said \"%s\"", line, output);
	return output;
}

/* One line a packet: protocol, device type, kind, VLAN, protocols of all layers. */
#define TSHARK_FIELDS                                                                              \
	"tshark -T fields -E separator=, -e sll.etype -e sll.hatype -e sll.pkttype -e vlan.id "     \
	"-e frame.protocols -e frame.packet_flags_direction"

/* --- an Ethernet, captured cooked --------------------------------------------------------------------------------- */

static int make_link(void **state)
{
	(void)state;
	veth_add("ck0", "ck1");
	return 0;
}

static struct fancap_packet next(struct fancap_rx *rx)
{
	struct fancap_packet packet;

	for (int i = 0; i < 500; i++) {
		struct pollfd fd = {.fd = fancap_rx_fd(rx), .events = POLLIN};
		int r = fancap_rx_next(rx, &packet);

		if (r == 1)
			return packet;
		assert_int_equal(r, 0);
		poll(&fd, 1, 10);
	}
	fail_msg("no packet in 5 s");
	return packet;
}

static void send_udp(int sender, uint16_t flow)
{
	uint8_t frame[FRAME_UDP_BYTES];

	frame_udp(frame, flow, false);
	sender_send(sender, frame, sizeof(frame));
}

static void send_tagged_udp(int sender, uint16_t flow)
{
	static const uint8_t tag[4] = {0x81, 0x00, 0xE0, 0x05};
	uint8_t frame[FRAME_UDP_BYTES + 4];

	frame_udp(frame, flow, false);
	memmove(frame + 16, frame + 12, FRAME_UDP_BYTES - 12);
	memcpy(frame + 12, tag, sizeof(tag));
	sender_send(sender, frame, sizeof(frame));
}

static struct fancap_rx *open_cooked(enum fancap_version version)
{
	const struct fancap_rx_params params = {
		.interface = "ck1", .ifindex = ifindex_of("ck1"), .version = version, .type = FANCAP_DGRAM,
		.size_bytes = 1 << 18, .block_bytes = 1 << 16, .snaplen = 1514, .block_timeout_ms = 1};
	struct fancap_error err;
	struct fancap_rx *rx;

	if (fancap_rx_open(&params, &rx, &err) < 0)
		fail_msg("%s", err.text);
	return rx;
}

/* In, in with a tag, out, out with a tag. */
static void record_four(enum fancap_version version)
{
	int far = sender_open("ck0"), near = sender_open("ck1");
	struct fancap_rx *rx = open_cooked(version);

	file_open("ck1");
	send_udp(far, 1);
	send_tagged_udp(far, 2);
	send_udp(near, 3);
	send_tagged_udp(near, 4);
	for (int i = 0; i < 4; i++) {
		struct fancap_packet packet = next(rx);

		file_put_packet(&packet);
	}
	fancap_rx_close(rx);
	close(near);
	close(far);
}

/* V1 has no room for a tag that the kernel took off. */
static void is_read_by_tshark(void **state)
{
	enum fancap_version version = *(const enum fancap_version *)*state;

	record_four(version);
	assert_string_equal(reader_says(TSHARK_FIELDS),
			    version == FANCAP_V1 ? "0x0800,1,3,,sll:ethertype:ip:udp:dns,0x00000001\n"
						   "0x0800,1,3,,sll:ethertype:ip:udp:dns,0x00000001\n"
						   "0x0800,1,4,,sll:ethertype:ip:udp:dns,0x00000002\n"
						   "0x0800,1,4,,sll:ethertype:ip:udp:dns,0x00000002\n"
						 : "0x0800,1,3,,sll:ethertype:ip:udp:dns,0x00000001\n"
						   "0x8100,1,3,5,sll:ethertype:vlan:ethertype:ip:udp:dns,0x00000001\n"
						   "0x0800,1,4,,sll:ethertype:ip:udp:dns,0x00000002\n"
						   "0x8100,1,4,5,sll:ethertype:vlan:ethertype:ip:udp:dns,0x00000002\n");
	file_close();
}

static void is_read_by_tcpdump(void **state)
{
	enum fancap_version version = *(const enum fancap_version *)*state;
	const char *says;

	record_four(version);
	says = reader_says("tcpdump -t -e");
	assert_has(says, "02:00:00:00:00:02 ethertype IPv4 (0x0800), length 66: 10.0.0.1.1025 > 10.0.0.2.53:");
	assert_has(says, "ck1   P ");
	assert_has(says, "ck1   Out ");
	assert_has(says, "10.0.0.1.1028 > 10.0.0.2.53:");
	if (version != FANCAP_V1) {
		assert_has(says, "length 70: vlan 5, p 7, ethertype IPv4, 10.0.0.1.1026 > 10.0.0.2.53:");
		assert_has(says, "length 70: vlan 5, p 7, ethertype IPv4, 10.0.0.1.1028 > 10.0.0.2.53:");
	}
	file_close();
}

/* --- a device whose link layer nobody knows ------------------------------------------------------------------------ */

/* @return the device's descriptor, -1 where there are none */
static int ppp_open(void)
{
	struct ifreq ifr = {.ifr_name = "ckppp", .ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		print_message("no /dev/net/tun: not tested\n");
		return -1;
	}
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	assert_int_equal(ioctl(fd, TUNSETLINK, (unsigned long)ARPHRD_PPP), 0);
	run("ip addr add 10.0.0.2/24 dev ckppp && ip link set ckppp up");
	return fd;
}

/* In: from the device. */
static void ppp_receive(int fd, uint16_t flow)
{
	uint8_t frame[FRAME_UDP_BYTES];

	frame_udp(frame, flow, false);
	assert_int_equal(write(fd, frame + 14, sizeof(frame) - 14), sizeof(frame) - 14);
}

/* Out: through the device, to 10.0.0.1. */
static void ppp_send(void)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(53), .sin_addr = {htonl(0x0A000001)}};
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(sendto(udp, "0123456789AB", 12, 0, (const struct sockaddr *)&address,
				sizeof(address)), 12);
	close(udp);
}

/* Capture as the daemon does. */
struct ppp_capture {
	struct fancap_link link;
	struct fancap_geometry geometry;
	struct fancap_group group;
	struct fancap_ring ring;
	unsigned in, out;
};

static void ppp_capture_open(struct ppp_capture *c, const char *expression)
{
	struct fancap_filter filter;
	struct fancap_error err;

	*c = (struct ppp_capture){.geometry = geometry_of(4, 1 << 18, 1514, 1)};
	assert_int_equal(fancap_link_query("ckppp", &c->link, &err), 0);
	c->geometry.reserve_bytes = c->link.reserve_bytes;
	const struct fancap_group_params params = {
		.interface = "ckppp", .ifindex = c->link.ifindex, .type = c->link.type, .members = 1,
		.geometry = &c->geometry};

	if (fancap_group_open(&params, &c->group, &err) < 0 ||
	    fancap_filter_compile(expression, (int)c->link.linktype, 1514, "ckppp", &filter, &err) < 0 ||
	    fancap_group_gate_open(&c->group, &filter, &err) < 0)
		fail_msg("%s", err.text);
	fancap_filter_done(&filter);
	assert_int_equal(fancap_ring_map(&c->ring, c->group.fds[0], &c->geometry), 0);
}

static void ppp_capture_close(struct ppp_capture *c)
{
	fancap_ring_unmap(&c->ring);
	fancap_group_close(&c->group);
}

/* Record what has come, and count it. */
static void ppp_capture_drain(struct ppp_capture *c)
{
	struct fancap_packet packet;
	struct fancap_walk walk;
	const void *block;

	sleep_ms(20);
	while ((block = fancap_ring_acquire(&c->ring)) != NULL) {
		assert_int_equal(fancap_walk_start(&walk, block, c->ring.block_bytes), 0);
		while (fancap_walk_next(&walk, &packet) == 1) {
			packet.cooked = true;
			assert_int_equal(packet.link->sll_hatype, ARPHRD_PPP);
			assert_int_equal((uintptr_t)packet.data % 4, 0);
			c->out += packet.type == PACKET_OUTGOING;
			c->in += packet.type != PACKET_OUTGOING;
			file_put_packet(&packet);
		}
		fancap_ring_release(&c->ring, c->ring.next - 1);
	}
}

static void records_a_device_of_another_kind(void **state)
{
	struct ppp_capture c;
	int fd = ppp_open();

	(void)state;
	if (fd < 0)
		return;
	file_open("ckppp");
	ppp_capture_open(&c, NULL);
	ppp_receive(fd, 1);
	ppp_send();
	ppp_capture_drain(&c);
	assert_int_equal(c.in, 1);
	assert_int_equal(c.out, 1);
	assert_string_equal(reader_says(TSHARK_FIELDS), "0x0800,512,0,,sll:ethertype:ip:udp:dns,0x00000001\n"
							"0x0800,512,4,,sll:ethertype:ip:udp:dns,0x00000002\n");
	assert_has(reader_says("tcpdump -t"), "ckppp In  IP 10.0.0.1.1025 > 10.0.0.2.53:");
	file_close();
	ppp_capture_close(&c);
	close(fd);
}

static void filters_a_device_of_another_kind(void **state)
{
	static const struct {
		const char *expression;
		unsigned in, out; /* of one packet each */
	} rows[] = {
		{"ip", 1, 1},
		{"ip6 or arp", 0, 0},
		{"udp", 1, 1},
		{"udp src port 1025", 1, 0},
		{"dst host 10.0.0.1", 0, 1},
		{"not dst host 10.0.0.1", 1, 0},
		{"inbound", 1, 0},
		{"outbound", 0, 1},
		{"udp[4:2] = 20", 0, 1}, /* length: 12 bytes and the header */
		{"ip[0] & 0xf = 5", 1, 1},
		{"ifindex 99999", 0, 0},
		{"less 45", 0, 1}, /* 20 + 8 + 12: without the header that there is not */
	};
	int fd = ppp_open();

	(void)state;
	if (fd < 0)
		return;
	file_open("ckppp");
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct ppp_capture c;

		ppp_capture_open(&c, rows[i].expression);
		ppp_receive(fd, 1);
		ppp_send();
		ppp_capture_drain(&c);
		if (c.in != rows[i].in || c.out != rows[i].out)
			fail_msg("\"%s\" lets %u in and %u out", rows[i].expression, c.in, c.out);
		ppp_capture_close(&c);
	}
	file_close();
	close(fd);
}

static void refuses_filters_on_what_is_not_there(void **state)
{
	static const char *const expressions[] = {
		"ether host 02:00:00:00:00:01", "vlan 5", "link[12:2] = 0x800", "link[ip[0]] = 1"};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(expressions); i++) {
		struct fancap_filter filter = {.prog = {.len = 77}};
		struct fancap_error err = {""};

		if (fancap_filter_compile(expressions[i], FANCAP_LINKTYPE_LINUX_SLL2, 1514, "ckppp", &filter,
					  &err) != -EINVAL)
			fail_msg("\"%s\" passes", expressions[i]);
		assert_string_not_equal(err.text, "");
		assert_int_equal(filter.prog.len, 77); /* untouched */
	}
}

/* @return false when they are not there; the TAP plan that skips the program has been printed then */
static bool has_readers(void)
{
	if (system("command -v tshark >/dev/null && command -v tcpdump >/dev/null") == 0)
		return true;
	printf("1..0 # SKIP no tshark or no tcpdump\n");
	return false;
}

#define FOR(v, test) \
	{.name = "v" #v "_" #test, .test_func = test, .initial_state = (void *)(uintptr_t)&versions[v - 1]}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOR(1, is_read_by_tshark),  FOR(2, is_read_by_tshark),	FOR(3, is_read_by_tshark),
		FOR(1, is_read_by_tcpdump), FOR(2, is_read_by_tcpdump), FOR(3, is_read_by_tcpdump),
		cmocka_unit_test(records_a_device_of_another_kind),
		cmocka_unit_test(filters_a_device_of_another_kind),
		cmocka_unit_test(refuses_filters_on_what_is_not_there),
	};

	if (!has_readers() || !netns_enter())
		return 0;
	return cmocka_run_group_tests_name("cooked", tests, make_link, NULL);
}
