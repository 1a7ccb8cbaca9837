// SPDX-License-Identifier: BSD-3-Clause
#include "replay/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

const struct program_option replay_options[] = {
	{{"speed", required_argument, NULL, 's'}, 0, "SPEED", "how fast to send, see below; default: recorded"},
	{{"loop", required_argument, NULL, 'l'}, 0, "N", "send everything N times, 0: until stopped; default: 1"},
	{{"preload", no_argument, NULL, 'p'}, 0, NULL, "read all packets into memory first"},
	{{"threads", required_argument, NULL, 't'}, 0, "N", "send with N threads, with --preload --speed top; see below"},
	{{"filter", required_argument, NULL, 'f'}, 0, "EXPR", "send only what this libpcap filter lets through"},
	{{"qdisc", no_argument, NULL, 'q'}, 0, NULL, "through the queueing discipline: slower, but tcpdump on IFACE sees it"},
	{{"force", no_argument, NULL, 'F'}, 0, NULL, "even if a default route of this machine leads through IFACE"},
	{{"json", no_argument, NULL, 'j'}, 0, NULL, "report in JSON"},
	{{"help", no_argument, NULL, 'h'}, 0, NULL, "print this"},
	{{"version", no_argument, NULL, 'V'}, 0, NULL, "print version and features"},
	{{NULL, 0, NULL, 0}, 0, NULL, NULL},
};

_Static_assert(OPTIONS_THREADS_MAX == 256, "say so in the error");

static const char about[] =
	"Usage: fancap-replay [OPTION]... FILE... IFACE\n\n"
	"Sends the packets of capture files (pcap, pcapng; - is standard input) on an interface. Several files are\n"
	"merged by time.\n\nOptions:\n";

static const char details[] =
	"\nSPEED is one of\n"
	"  recorded           with the gaps that the files have\n"
	"  0.5x, 10x          these gaps, so many times as fast\n"
	"  50000pps, 1.2Mpps  packets per second\n"
	"  100Mbit, 1.5Gbit   bits per second, of the frames as they are in the file\n"
	"  top                as fast as it goes; --preload makes it faster\n"
	"\nWith several threads all packets between two addresses are sent by the same one: they stay in order, others may\n"
	"overtake them.\n"
	"\nPackets that are truncated in the file, of another link type than IFACE, or too long or too short for it are\n"
	"skipped and counted, never changed. A frame check sequence in the file is left out. A damaged file ends the\n"
	"replay where the damage is; with --preload nothing is sent.\n"
	"\nExit status: 0 sent, 1 failed (damaged file, no packet sent, ...), 2 usage, 130 and 143 stopped by SIGINT and\n"
	"SIGTERM, after the report.\n";

void options_print_help(FILE *out)
{
	fputs(about, out);
	program_options_help(out, replay_options, 16);
	fputs(details, out);
}

/* A whole number. @return 0; -EINVAL, and says that `what` was wanted */
static int parse_number(const char *text, uint64_t min, uint64_t max, const char *what, uint64_t *ret,
			struct fancap_error *err)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || n < min || n > max) {
		fancap_error_set(err, "%s, not '%s'", what, text);
		return -EINVAL;
	}
	*ret = n;
	return 0;
}

static int parse_threads(const char *text, unsigned *ret, struct fancap_error *err)
{
	uint64_t n;

	if (parse_number(text, 1, OPTIONS_THREADS_MAX, "--threads wants a number from 1 to 256", &n, err) < 0)
		return -EINVAL;
	*ret = (unsigned)n;
	return 0;
}

/* @return 0 or -EINVAL */
static int take(struct options *options, int option, const char *value, struct fancap_error *err)
{
	switch (option) {
	case 's': return speed_parse(value, &options->speed, err) < 0 ? -EINVAL : 0;
	case 'l':
		return parse_number(value, 0, UINT64_MAX,
				    "--loop wants a number from 0 (until stopped) to 18446744073709551615",
				    &options->loops, err);
	case 't': return parse_threads(value, &options->threads, err);
	case 'f': options->filter = value; return 0;
	case 'p': options->preload = true; return 0;
	case 'q': options->qdisc = true; return 0;
	case 'F': options->force = true; return 0;
	case 'j': options->json = true; return 0;
	case 'h': options->action = OPTIONS_HELP; return 0;
	case 'V': options->action = OPTIONS_VERSION; return 0;
	default: return -EINVAL;
	}
}

/* It is read once, by whoever comes first. */
static bool names_standard_input_twice(char *const *paths, int n)
{
	int seen = 0;

	for (int i = 0; i < n; i++)
		seen += strcmp(paths[i], "-") == 0;
	return seen > 1;
}

/* What follows the options, and rules between them. */
static int take_words(struct options *options, int argc, char **argv, struct fancap_error *err)
{
	if (argc - optind < 2) {
		fancap_error_set(err, "at least one FILE and the IFACE are wanted");
		return -EINVAL;
	}
	if (names_standard_input_twice(argv + optind, argc - 1 - optind)) {
		fancap_error_set(err, "standard input (-) can be one of the files only once");
		return -EINVAL;
	}
	if (options->threads > 1 && (!options->preload || options->speed.kind != SPEED_TOP)) {
		fancap_error_set(err, "--threads goes with --preload and --speed top");
		return -EINVAL;
	}
	options->paths = (const char *const *)argv + optind;
	options->n_paths = (size_t)(argc - 1 - optind);
	options->interface = argv[argc - 1];
	return 0;
}

int options_parse(int argc, char **argv, struct options *ret, struct fancap_error *err)
{
	struct options options = {.speed = SPEED_AS_RECORDED, .loops = 1, .threads = 1};
	struct program_parser parser;
	int option;

	program_parser_init(&parser, replay_options);
	while ((option = getopt_long(argc, argv, parser.letters, parser.table, NULL)) != -1) {
		if (take(&options, option, optarg, err) < 0)
			return -EINVAL;
		if (options.action != OPTIONS_REPLAY)
			break;
	}
	if (options.action == OPTIONS_REPLAY && take_words(&options, argc, argv, err) < 0)
		return -EINVAL;
	*ret = options;
	return 0;
}
