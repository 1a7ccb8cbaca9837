// SPDX-License-Identifier: BSD-3-Clause
/*
 * Sends the frames of tests/tools/frames.h over an interface, each exactly once, and says how many. With --pcap it
 * writes them to a file instead, for other people's readers.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>

#include "tests/tools/frames.h"

#define BATCH_MAX 64u
#define NS_PER_S 1000000000u

struct options {
	struct frame_params frames;
	const char *interface;
	const char *reverse_interface;
	const char *pcap;
	uint64_t start;
	uint64_t count;
	uint64_t pps; /* 0: as fast as it goes */
	bool until_signal;
	bool visible; /* to taps on the sending interface too */
};

/* Frames gathered for one interface. */
struct outlet {
	int fd;
	unsigned n;
	uint64_t sent;
	uint64_t retries;
	struct mmsghdr messages[BATCH_MAX];
	struct iovec iov[BATCH_MAX];
	uint8_t *frames; /* BATCH_MAX x FRAME_BYTES_MAX */
};

static volatile sig_atomic_t stopped;

static void on_signal(int signal)
{
	(void)signal;
	stopped = 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static int outlet_socket(const char *interface, bool visible)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET};
	int one = 1;

	address.sll_ifindex = (int)if_nametoindex(interface);
	if (!address.sll_ifindex)
		return -errno;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* The bypass is twice as fast, but goes past the taps of the sending interface as well. */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    (!visible && setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) < 0)) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static int outlet_open(struct outlet *outlet, const char *interface, bool visible)
{
	memset(outlet, 0, sizeof(*outlet));
	outlet->fd = outlet_socket(interface, visible);
	if (outlet->fd < 0)
		return outlet->fd;
	outlet->frames = malloc((size_t)BATCH_MAX * FRAME_BYTES_MAX);
	if (!outlet->frames)
		return -ENOMEM;
	for (unsigned i = 0; i < BATCH_MAX; i++) {
		outlet->iov[i].iov_base = outlet->frames + (size_t)i * FRAME_BYTES_MAX;
		outlet->messages[i].msg_hdr.msg_iov = &outlet->iov[i];
		outlet->messages[i].msg_hdr.msg_iovlen = 1;
	}
	return 0;
}

static void outlet_close(struct outlet *outlet)
{
	if (outlet->fd >= 0)
		close(outlet->fd);
	free(outlet->frames);
}

/* Send what is gathered. A full device queue (ENOBUFS) means that the frame was not sent: it is sent again. */
static int outlet_flush(struct outlet *outlet)
{
	unsigned done = 0;

	while (done < outlet->n) {
		int n = sendmmsg(outlet->fd, outlet->messages + done, outlet->n - done, 0);

		if (n > 0) {
			done += (unsigned)n;
			outlet->sent += (unsigned)n;
		} else if (errno == ENOBUFS || errno == EAGAIN) {
			outlet->retries++;
			sched_yield();
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	outlet->n = 0;
	return 0;
}

static size_t outlet_add(struct outlet *outlet, const struct frame_params *params, uint64_t seq)
{
	unsigned i = outlet->n++;

	outlet->iov[i].iov_len = frame_build(params, seq, outlet->iov[i].iov_base);
	return outlet->iov[i].iov_len;
}

/* Sleep until frame number done is due. */
static void pace(const struct options *options, uint64_t began_ns, uint64_t done)
{
	if (!options->pps)
		return;
	uint64_t due = began_ns + (uint64_t)((double)done / (double)options->pps * NS_PER_S);
	struct timespec ts = {.tv_sec = (time_t)(due / NS_PER_S), .tv_nsec = (long)(due % NS_PER_S)};

	while (!stopped && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static unsigned batch_size(uint64_t pps)
{
	if (!pps || pps > BATCH_MAX * 500u)
		return BATCH_MAX;
	return pps < 500 ? 1 : (unsigned)(pps / 500);
}

/* outlets[1] is where reverse frames go; it may be outlets[0]. */
static int send_all(const struct options *options, struct outlet *outlets[2], uint64_t *ret_bytes)
{
	unsigned batch = batch_size(options->pps);
	uint64_t began_ns = now_ns(), bytes = 0, done = 0;
	int r = 0;

	while (!stopped && r == 0 && (options->until_signal || done < options->count)) {
		for (unsigned i = 0; i < batch; i++) {
			if (!options->until_signal && done == options->count)
				break;
			uint64_t seq = options->start + done++;
			bytes += outlet_add(outlets[frame_is_reverse(&options->frames, seq)],
					    &options->frames, seq);
		}
		r = outlet_flush(outlets[0]);
		if (r == 0)
			r = outlet_flush(outlets[1]);
		pace(options, began_ns, done);
	}
	*ret_bytes = bytes;
	return r;
}

static int run_sender(const struct options *options)
{
	struct outlet forward, reverse = {.fd = -1};
	struct outlet *outlets[2] = {&forward, &forward};
	uint64_t bytes = 0, began_ns = now_ns();
	/* With a second interface one of the two is being captured from: show what goes out. */
	bool visible = options->visible || options->reverse_interface;
	int r = outlet_open(&forward, options->interface, visible);

	if (r == 0 && options->reverse_interface) {
		outlets[1] = &reverse;
		r = outlet_open(&reverse, options->reverse_interface, visible);
	}
	if (r == 0)
		r = send_all(options, outlets, &bytes);
	if (r < 0)
		fprintf(stderr, "traffic: %s: %s\n", options->interface, strerror(-r));
	printf("{\"sent\": %" PRIu64 ", \"forward\": %" PRIu64 ", \"reverse\": %" PRIu64
	       ", \"bytes\": %" PRIu64 ", \"retries\": %" PRIu64 ", \"seconds\": %.3f}\n",
	       forward.sent + reverse.sent, forward.sent, reverse.sent, bytes,
	       forward.retries + reverse.retries, (double)(now_ns() - began_ns) / NS_PER_S);
	outlet_close(&forward);
	outlet_close(&reverse);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int write_pcap(const struct options *options)
{
	static uint8_t frame[FRAME_BYTES_MAX];
	const uint32_t header[6] = {0xa1b23c4d, 2 | 4 << 16, 0, 0, 262144, 1};
	bool to_stdout = strcmp(options->pcap, "-") == 0;
	FILE *file = to_stdout ? stdout : fopen(options->pcap, "wb");

	if (!file) {
		perror(options->pcap);
		return EXIT_FAILURE;
	}
	fwrite(header, sizeof(header), 1, file);
	for (uint64_t i = 0; i < options->count; i++) {
		uint32_t len = (uint32_t)frame_build(&options->frames, options->start + i, frame);
		uint32_t record[4] = {(uint32_t)(1700000000 + i / 1000000), (uint32_t)(i % 1000000 * 1000),
				      len, len};

		fwrite(record, sizeof(record), 1, file);
		fwrite(frame, len, 1, file);
	}
	bool failed = ferror(file) != 0;
	failed |= fclose(file) != 0;
	if (failed) {
		perror(options->pcap);
		return EXIT_FAILURE;
	}
	if (!to_stdout)
		printf("{\"sent\": %" PRIu64 "}\n", options->count);
	return EXIT_SUCCESS;
}

static int usage(void)
{
	fputs("usage: traffic --interface NAME [--reverse-via NAME] | --pcap FILE\n"
	      "  --count N | --loop-until-signal, [--start SEQ] [--pps N] [--visible]\n" FRAME_USAGE,
	      stderr);
	return 2;
}

/* A number option goes to `number`, a text option to `text`. */
static int take_option(struct options *options, int option, const char *value)
{
	switch (option) {
	case 'i': options->interface = value; return 0;
	case 'r': options->reverse_interface = value; return 0;
	case 'o': options->pcap = value; return 0;
	case 's': return frame_parse_number(value, UINT64_MAX, &options->start);
	case 'c': return frame_parse_number(value, UINT64_MAX, &options->count);
	case 'p': return frame_parse_number(value, UINT64_MAX, &options->pps);
	case 'l': options->until_signal = true; return 0;
	case 'v': options->visible = true; return 0;
	}
	return frame_params_option(&options->frames, option, value);
}

static int parse_options(struct options *options, int argc, char **argv)
{
	static const struct option names[] = {
		{"interface", 1, NULL, 'i'}, {"reverse-via", 1, NULL, 'r'},
		{"pcap", 1, NULL, 'o'},	     {"start", 1, NULL, 's'},
		{"count", 1, NULL, 'c'},     {"pps", 1, NULL, 'p'},
		{"visible", 0, NULL, 'v'},   {"loop-until-signal", 0, NULL, 'l'},
		FRAME_OPTIONS,		     {NULL, 0, NULL, 0},
	};
	int option;

	frame_params_init(&options->frames);
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
		if (option == '?' || take_option(options, option, optarg) < 0)
			return -EINVAL;
	if (optind != argc || !options->interface == !options->pcap)
		return -EINVAL;
	if (options->until_signal == (options->count > 0))
		return -EINVAL;
	return frame_params_check(&options->frames);
}

/* eth0 is how the machine that runs the tests is reached. */
static bool is_forbidden(const char *interface)
{
	return interface && strcmp(interface, "eth0") == 0;
}

int main(int argc, char **argv)
{
	struct options options = {.start = 0};
	struct sigaction action = {.sa_handler = on_signal};

	if (parse_options(&options, argc, argv) < 0)
		return usage();
	if (is_forbidden(options.interface) || is_forbidden(options.reverse_interface)) {
		fputs("traffic: not on eth0\n", stderr);
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	return options.pcap ? write_pcap(&options) : run_sender(&options);
}
