// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/netns.h"

/* No IPv6: no neighbour discovery among the frames we count. Not an error where there is none at all. */
static void disable_ipv6(void)
{
	static const char *const files[] = {
		"/proc/sys/net/ipv6/conf/all/disable_ipv6",
		"/proc/sys/net/ipv6/conf/default/disable_ipv6",
	};

	for (size_t i = 0; i < N_ELEMENTS(files); i++) {
		int fd = open(files[i], O_WRONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		if (write(fd, "1", 1) != 1)
			fprintf(stderr, "%s: %s\n", files[i], strerror(errno));
		close(fd);
	}
}

/* One CPU: frames arrive in the order they were sent, most before send() returns. */
static void stay_on_one_cpu(void)
{
	cpu_set_t cpus;
	int cpu = sched_getcpu();

	if (cpu < 0)
		return;
	CPU_ZERO(&cpus);
	CPU_SET((size_t)cpu, &cpus);
	(void)sched_setaffinity(0, sizeof(cpus), &cpus);
}

bool netns_enter(void)
{
	if (unshare(CLONE_NEWNET) < 0) {
		printf("1..0 # SKIP no network namespace of its own: %s (run as root)\n", strerror(errno));
		return false;
	}
	stay_on_one_cpu();
	disable_ipv6();
	if (system("ip link set lo up") != 0) {
		printf("1..0 # SKIP no ip(8), or loopback does not come up\n");
		return false;
	}
	return true;
}

void run(const char *format, ...)
{
	char command[256];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

void veth_add(const char *name, const char *peer)
{
	run("ip link add %s type veth peer name %s", name, peer);
	run("ip link set %s up", name);
	run("ip link set %s up", peer);
	link_await_up(name);
	link_await_up(peer);
}

/* The carrier comes after the link, and frames are dropped until then. */
void link_await_up(const char *name)
{
	run("for i in $(seq 500); do ip -o link show %s | grep -q 'state UP' && exit 0; sleep 0.01; done; "
	    "exit 1", name);
}

void link_delete(const char *name)
{
	run("ip link del %s", name);
}

int ifindex_of(const char *interface)
{
	unsigned index = if_nametoindex(interface);

	assert_int_not_equal(index, 0);
	return (int)index;
}

int sender_open(const char *interface)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_ifindex = ifindex_of(interface), /* protocol 0: sends only */
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

void sender_send(int fd, const void *frame, size_t n)
{
	ssize_t r = send(fd, frame, n, 0);

	if (r < 0)
		fail_msg("send: %s", strerror(errno));
	assert_int_equal(r, n);
}

void frame_numbered(uint8_t *frame, size_t n, uint32_t number)
{
	/* To an address nobody has, of a protocol for experiments. */
	static const uint8_t header[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xB5};

	assert_in_range(n, FRAME_MIN, FRAME_MAX);
	memcpy(frame, header, sizeof(header));
	memcpy(frame + sizeof(header), &number, sizeof(number));
	for (size_t i = FRAME_MIN; i < n; i++)
		frame[i] = (uint8_t)(number * 31 + i);
}

uint32_t frame_number(const uint8_t *frame, size_t n)
{
	uint8_t expected[FRAME_MAX];
	uint32_t number;

	assert_in_range(n, FRAME_MIN, FRAME_MAX);
	memcpy(&number, frame + 14, sizeof(number));
	frame_numbered(expected, n, number);
	assert_memory_equal(frame, expected, n);
	return number;
}

static void put_be16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

#define SERVER_PORT 53u

void frame_udp(uint8_t *frame, uint16_t flow, bool reply)
{
	static const uint8_t head[34] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00,	/* Ethernet */
		0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 17, 0, 0, /* IPv4, 46 bytes, DF, UDP */
		10, 0, 0, 1, 10, 0, 0, 2,
	};
	uint8_t *ip = frame + 14, *udp = frame + 34;

	memset(frame, 0, FRAME_UDP_BYTES);
	memcpy(frame, head, sizeof(head));
	ip[15] = reply ? 2 : 1;
	ip[19] = reply ? 1 : 2;
	put_be16(udp, reply ? SERVER_PORT : 1024u + flow);
	put_be16(udp + 2, reply ? 1024u + flow : SERVER_PORT);
	put_be16(udp + 4, FRAME_UDP_BYTES - 34);
}

uint16_t frame_flow(const uint8_t *frame)
{
	uint16_t source = get_be16(frame + 34), destination = get_be16(frame + 36);

	return (uint16_t)((source == SERVER_PORT ? destination : source) - 1024);
}

struct fancap_geometry geometry_of(uint32_t blocks, uint32_t block_bytes, uint32_t snaplen,
				   uint32_t block_timeout_ms)
{
	const struct fancap_ring_params params = {
		.size_bytes = (uint64_t)blocks * block_bytes, .block_bytes = block_bytes,
		.block_timeout_ms = block_timeout_ms, .snaplen = snaplen, .reserve_bytes = 2};
	struct fancap_geometry geometry;
	struct fancap_error err;

	if (fancap_geometry_plan(&params, &geometry, &err) < 0)
		fail_msg("%s", err.text);
	return geometry;
}

unsigned fd_count(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 3; /* ".", ".." and the directory itself */
}

void sleep_ms(unsigned ms)
{
	const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&time, NULL);
}
