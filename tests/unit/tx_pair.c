// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/netns.h"
#include "tests/unit/tx_pair.h"

#define PATIENCE_MS 5000

enum fancap_version tx_versions[3] = {FANCAP_V1, FANCAP_V2, FANCAP_V3};

enum fancap_version tx_version(void **state)
{
	return *(const enum fancap_version *)*state;
}

int tx_link_make(void **state)
{
	(void)state;
	veth_add(TX_FROM, TX_TO);
	return 0;
}

struct fancap_tx_params tx_params(enum fancap_version version, uint32_t packets)
{
	return (struct fancap_tx_params){
		.interface = TX_FROM,
		.ifindex = ifindex_of(TX_FROM),
		.version = version,
		.packet_max = TX_ETHER + TX_MTU + 8,
		.packets = packets,
	};
}

static int receiver_open(void)
{
	const struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex_of(TX_TO)};
	int room = 8 << 20, on = 1;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

void tx_pair_open(struct tx_pair *pair, const struct fancap_tx_params *params)
{
	struct fancap_error err;

	*pair = (struct tx_pair){.receiver = receiver_open(), .marker = sender_open(TX_FROM)};
	if (fancap_tx_open(params, &pair->tx, &err) < 0)
		fail_msg("%s", err.text);
}

void tx_pair_close(struct tx_pair *pair)
{
	fancap_tx_close(pair->tx);
	close(pair->receiver);
	close(pair->marker);
}

void tx_fill(uint8_t *data, uint32_t number, uint32_t len)
{
	static const uint8_t header[TX_ETHER] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xB5};

	for (uint32_t i = 0; i < len; i++)
		data[i] = i < TX_ETHER ? header[i] : (uint8_t)(number * 31 + i + (number >> 8));
}

void tx_queue_at(struct tx_pair *pair, uint32_t number, uint32_t len, uint32_t offset)
{
	uint8_t *data = fancap_tx_frame(pair->tx);

	assert_non_null(data);
	tx_fill(data + offset, number, len);
	assert_int_equal(fancap_tx_queue(pair->tx, len, offset), 0);
}

void tx_queue(struct tx_pair *pair, uint32_t number, uint32_t len)
{
	tx_queue_at(pair, number, len, 0);
}

static void count(struct tx_pair *pair, enum fancap_tx_fate fate)
{
	switch (fate) {
	case FANCAP_TX_SENT: pair->sent++; break;
	case FANCAP_TX_WRONG: pair->wrong++; break;
	case FANCAP_TX_UNKNOWN: pair->unknown++; break;
	}
}

unsigned tx_reap(struct tx_pair *pair)
{
	enum fancap_tx_fate fate;
	unsigned n;

	for (n = 0; fancap_tx_reap(pair->tx, &fate) == 1; n++)
		count(pair, fate);
	return n;
}

void tx_reap_all(struct tx_pair *pair)
{
	for (int i = 0; i < PATIENCE_MS; i++) {
		tx_reap(pair);
		if (fancap_tx_pending(pair->tx) == 0)
			return;
		sleep_ms(1);
	}
	fail_msg("%u packets still pending", fancap_tx_pending(pair->tx));
}

void tx_expect_fate(struct tx_pair *pair, enum fancap_tx_fate fate)
{
	enum fancap_tx_fate told;

	for (int i = 0; fancap_tx_reap(pair->tx, &told) == 0; i++) {
		if (i == PATIENCE_MS)
			fail_msg("no fate known, %u packets pending", fancap_tx_pending(pair->tx));
		sleep_ms(1);
	}
	assert_int_equal(told, fate);
	count(pair, told);
}

/* The kernel takes a VLAN tag out of the frame, and tells of it beside. */
static int vlan_of(struct msghdr *message)
{
	struct cmsghdr *part = CMSG_FIRSTHDR(message);
	struct tpacket_auxdata aux;

	assert_non_null(part);
	assert_int_equal(part->cmsg_type, PACKET_AUXDATA);
	memcpy(&aux, CMSG_DATA(part), sizeof(aux));
	return aux.tp_status & TP_STATUS_VLAN_VALID ? aux.tp_vlan_tci : -1;
}

size_t tx_receive(struct tx_pair *pair, uint8_t *data, size_t max, int *vlan)
{
	char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct iovec into = {.iov_base = data, .iov_len = max};
	struct msghdr message = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = control,
				 .msg_controllen = sizeof(control)};
	struct pollfd ready = {.fd = pair->receiver, .events = POLLIN};
	ssize_t n;

	assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
	n = recvmsg(pair->receiver, &message, MSG_DONTWAIT | MSG_TRUNC);
	assert_in_range(n, 0, max);
	*vlan = vlan_of(&message);
	return (size_t)n;
}

void tx_expect(struct tx_pair *pair, uint32_t number, uint32_t len)
{
	uint8_t data[TX_ETHER + TX_MTU + 8], expected[sizeof(data)];
	int vlan;

	assert_int_equal(tx_receive(pair, data, sizeof(data), &vlan), len);
	assert_int_equal(vlan, -1);
	tx_fill(expected, number, len);
	assert_memory_equal(data, expected, len);
}

void tx_expect_silence(struct tx_pair *pair)
{
	uint8_t frame[60];

	tx_fill(frame, UINT32_MAX, sizeof(frame));
	sender_send(pair->marker, frame, sizeof(frame));
	tx_expect(pair, UINT32_MAX, sizeof(frame));
}
