// SPDX-License-Identifier: BSD-3-Clause
/*
 * transmit [--version 1|2|3] [--count N] IFACE: send frames through a transmit ring, and tell what became of them.
 *
 * The frames are of the least size Ethernet has, and of an EtherType for local experiments (0x88B5).
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fancap/tx.h>

#define FRAME_BYTES 60u
#define RING_PACKETS 256u

struct counts {
	uint64_t sent, wrong;
};

/* To everybody, from an address of nobody's. */
static void fill(uint8_t *frame, uint64_t number)
{
	static const uint8_t header[14] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xB5};

	memset(frame, 0, FRAME_BYTES);
	memcpy(frame, header, sizeof(header));
	memcpy(frame + sizeof(header), &number, sizeof(number));
}

static void reap(struct fancap_tx *tx, struct counts *counts)
{
	enum fancap_tx_fate fate;

	while (fancap_tx_reap(tx, &fate) == 1) {
		if (fate == FANCAP_TX_SENT)
			counts->sent++;
		else
			counts->wrong++;
	}
}

/* The device's queue is full, or a signal came: what is queued stays queued. */
static bool is_for_now(int error)
{
	return error == -ENOBUFS || error == -EAGAIN || error == -EINTR;
}

/* As many as there is room for, one system call for all of them, and so on. */
static int transmit(struct fancap_tx *tx, uint64_t n, struct counts *counts)
{
	uint64_t queued = 0;

	while (queued < n || fancap_tx_pending(tx) > 0) {
		uint8_t *frame;
		int r;

		while (queued < n && (frame = fancap_tx_frame(tx)) != NULL) {
			fill(frame, queued++);
			fancap_tx_queue(tx, FRAME_BYTES, 0);
		}
		r = fancap_tx_send(tx, true);
		if (r < 0 && !is_for_now(r))
			return r;
		if (r < 0)
			poll(NULL, 0, 1);
		reap(tx, counts);
	}
	return 0;
}

static int run(const struct fancap_tx_params *params, uint64_t n)
{
	struct counts counts = {0};
	struct fancap_error err;
	struct fancap_tx *tx;
	int r;

	if (fancap_tx_open(params, &tx, &err) < 0) {
		fprintf(stderr, "transmit: %s\n", err.text);
		return EXIT_FAILURE;
	}
	r = transmit(tx, n, &counts);
	if (r < 0)
		fprintf(stderr, "transmit: %s: %s\n", params->interface, strerror(-r));
	printf("sent %" PRIu64 ", wrong %" PRIu64 ", not sent %" PRIu64 "\n", counts.sent, counts.wrong,
	       n - counts.sent - counts.wrong);
	fancap_tx_close(tx);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* @return false: not a number, or not in the range */
static bool parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	char *end;

	*ret = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && *ret >= min && *ret <= max;
}

static int usage(void)
{
	fprintf(stderr, "usage: transmit [--version 1|2|3] [--count N] IFACE\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"version", required_argument, NULL, 'v'}, {"count", required_argument, NULL, 'n'}, {0}};
	uint64_t version = 2, n = 1000;
	int option;

	while ((option = getopt_long(argc, argv, "v:n:", options, NULL)) != -1) {
		if (option == 'v' ? !parse(optarg, 1, 3, &version) :
		    option != 'n' || !parse(optarg, 0, INT64_MAX, &n))
			return usage();
	}
	if (optind != argc - 1)
		return usage();

	const struct fancap_tx_params params = {
		.interface = argv[optind],
		.ifindex = (int)if_nametoindex(argv[optind]),
		.version = (enum fancap_version)(version - 1),
		.packet_max = FRAME_BYTES,
		.packets = RING_PACKETS,
		.skip_wrong = true,
	};

	if (params.ifindex == 0) {
		fprintf(stderr, "transmit: %s: no such interface\n", params.interface);
		return EXIT_FAILURE;
	}
	return run(&params, n);
}
