// SPDX-License-Identifier: BSD-3-Clause
/*
 * Prints the packets of an interface, or writes them to a pcapng file:
 * receive [--version 1|2|3] [--cooked] [--count N] [--frame BYTES] [--write FILE] IFACE. Ctrl-C ends it.
 *
 * Frames are what V1 and V2 rings are made of: packets that do not fit one are fetched whole by another way.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fancap/link.h"
#include "fancap/pcapng.h"
#include "fancap/rx.h"
#include "fancap/stats.h"

/* A signal that comes between a look at `stop` and the wait does not end the wait. */
#define STOP_LOOK_MS 1000

struct options {
	const char *interface;
	enum fancap_version version;
	bool cooked;
	uint64_t count;
	uint64_t frame_bytes;
	const char *file; /* to write to, NULL: print */
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static int usage(void)
{
	fputs("usage: receive [--version 1|2|3] [--cooked] [--count N] [--frame BYTES] [--write FILE] IFACE\n", stderr);
	return 2;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && text[0] != '-' && *ret >= 1 && *ret <= max;
}

static bool take_option(struct options *options, int option)
{
	uint64_t version;

	switch (option) {
	case 'v':
		if (!parse_number(optarg, 3, &version))
			return false;
		options->version = (enum fancap_version)(version - 1);
		return true;
	case 'c':
		options->cooked = true;
		return true;
	case 'n':
		return parse_number(optarg, UINT64_MAX, &options->count);
	case 'f':
		return parse_number(optarg, 1 << 18, &options->frame_bytes);
	case 'w':
		options->file = optarg;
		return true;
	default:
		return false;
	}
}

static bool parse_options(struct options *options, int argc, char **argv)
{
	static const struct option names[] = {
		{"version", required_argument, NULL, 'v'},
		{"cooked", no_argument, NULL, 'c'},
		{"count", required_argument, NULL, 'n'},
		{"frame", required_argument, NULL, 'f'},
		{"write", required_argument, NULL, 'w'},
		{NULL, 0, NULL, 0},
	};
	int option;

	*options = (struct options){.version = FANCAP_V3, .count = UINT64_MAX, .frame_bytes = 2048};
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
		if (!take_option(options, option))
			return false;
	if (optind + 1 != argc)
		return false;
	options->interface = argv[optind];
	return true;
}

/* 8 MiB, in blocks that take the largest packets; V1 and V2: frames for the usual ones, larger ones come as copies. */
static int open_ring(const struct options *options, const struct fancap_link *link, struct fancap_rx **ret,
		     struct fancap_error *err)
{
	const struct fancap_rx_params params = {
		.interface = options->interface,
		.ifindex = link->ifindex,
		.version = options->version,
		.type = options->cooked ? FANCAP_DGRAM : link->type,
		.size_bytes = 8 << 20,
		.block_bytes = 1 << 18,
		.block_timeout_ms = 100,
		.snaplen = FANCAP_SNAPLEN_MAX,
		.frame_bytes = (uint32_t)options->frame_bytes,
		.reserve_bytes = link->reserve_bytes,
		.whole = true,
	};

	return fancap_rx_open(&params, ret, err);
}

static const char *type_name(uint8_t type)
{
	static const char *const names[] = {
		[PACKET_HOST] = "in", [PACKET_BROADCAST] = "broadcast", [PACKET_MULTICAST] = "multicast",
		[PACKET_OTHERHOST] = "other", [PACKET_OUTGOING] = "out",
	};

	return type < sizeof(names) / sizeof(names[0]) ? names[type] : "?";
}

static void print_packet(const struct fancap_packet *packet)
{
	printf("%" PRIu64 ".%09" PRIu64 " %s protocol 0x%04x length %u", packet->time_ns / 1000000000u,
	       packet->time_ns % 1000000000u, type_name(packet->type), ntohs(packet->link->sll_protocol),
	       packet->len);
	if (packet->caplen < packet->len)
		printf(" cut to %u", packet->caplen);
	if (packet->vlan_tpid != 0)
		printf(" vlan %u", packet->vlan_tci & 0xFFFu);
	if (packet->status & TP_STATUS_COPY)
		printf(" copied");
	printf(":");
	for (uint32_t i = 0; i < packet->caplen && i < 16; i++)
		printf(" %02x", packet->data[i]);
	printf("\n");
	fflush(stdout);
}

static void write_headers(FILE *file, const struct options *options, const struct fancap_link *link)
{
	static uint8_t bytes[FANCAP_PCAPNG_SHB_MAX + FANCAP_PCAPNG_IDB_MAX];
	const struct fancap_pcapng_section section = {.application = "libfancap example"};
	const struct fancap_pcapng_interface interface = {
		.linktype = options->cooked ? FANCAP_LINKTYPE_LINUX_SLL2 : (uint16_t)link->linktype,
		.snaplen = FANCAP_SNAPLEN_MAX,
		.name = options->interface,
	};
	size_t n = fancap_pcapng_shb(bytes, &section);

	n += fancap_pcapng_idb(bytes + n, &interface);
	fwrite(bytes, n, 1, file);
}

static void write_packet(FILE *file, const struct fancap_packet *packet)
{
	static uint8_t bytes[FANCAP_SNAPLEN_MAX + 1024];

	fwrite(bytes, fancap_pcapng_epb(bytes, packet, FANCAP_SNAPLEN_MAX, 0), 1, file);
}

/* @return 0 or -errno */
static int receive(struct fancap_rx *rx, uint64_t count, FILE *file)
{
	struct pollfd fd = {.fd = fancap_rx_fd(rx), .events = POLLIN};

	while (!stop && count > 0) {
		struct fancap_packet packet;
		int r = fancap_rx_next(rx, &packet);

		if (r == 1) {
			if (file != NULL)
				write_packet(file, &packet);
			else
				print_packet(&packet);
			count--;
		} else if (r == 0 && poll(&fd, 1, STOP_LOOK_MS) < 0 && errno != EINTR) {
			return -errno;
		} else if (r == -ENETDOWN) {
			fputs("receive: the interface is down; waiting for it\n", stderr);
		} else if (r < 0) {
			return r;
		}
	}
	return 0;
}

static int receive_to(struct fancap_rx *rx, const struct options *options, const struct fancap_link *link)
{
	FILE *file = NULL;
	int r;

	if (options->file != NULL) {
		file = fopen(options->file, "we");
		if (file == NULL)
			return -errno;
		write_headers(file, options, link);
	}
	r = receive(rx, options->count, file);
	if (file != NULL && fclose(file) != 0 && r == 0)
		r = -errno;
	return r;
}

int main(int argc, char **argv)
{
	const struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: poll() is to return */
	struct fancap_stats stats = {0};
	struct fancap_error err;
	struct options options;
	struct fancap_link link;
	struct fancap_rx *rx;
	int r;

	if (!parse_options(&options, argc, argv))
		return usage();
	if (fancap_link_query(options.interface, &link, &err) < 0 || open_ring(&options, &link, &rx, &err) < 0) {
		fprintf(stderr, "receive: %s\n", err.text);
		return EXIT_FAILURE;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	r = receive_to(rx, &options, &link);
	if (r < 0)
		fprintf(stderr, "receive: %s\n", strerror(-r));
	if (fancap_stats_read(fancap_rx_fd(rx), &stats) == 0)
		fprintf(stderr, "receive: %" PRIu64 " packets, %" PRIu64 " dropped\n", stats.packets, stats.drops);
	fancap_rx_close(rx);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
