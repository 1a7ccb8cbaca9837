// SPDX-License-Identifier: BSD-3-Clause
#include "exporter/options.h"

#include <errno.h>
#include <string.h>

#include <event2/util.h>

#define PATIENCE_MS 30000
#define DEFAULT_LISTEN "127.0.0.1:9847"
#define DEFAULT_SOCKET FANCAP_RUNSTATEDIR "/fancap/io.fancap"

const struct program_option exporter_option_rows[] = {
	{ { "listen", required_argument, NULL, 'l' }, 0, "ADDRESS:PORT", "where to serve HTTP; default: " DEFAULT_LISTEN },
	{ { "socket", required_argument, NULL, 's' }, 0, "PATH", "fancapd's control socket; default: " DEFAULT_SOCKET },
	{ { "allow-host", required_argument, NULL, 'a' }, 0, "NAME",
	  "answer requests for this name too (may be repeated); see below" },
	{ { "list-metrics", no_argument, NULL, 'm' }, 0, NULL, "print which metrics there are" },
	{ { "help", no_argument, NULL, 'h' }, 0, NULL, "print this" },
	{ { "version", no_argument, NULL, 'V' }, 0, NULL, "print version and features" },
	{ { NULL, 0, NULL, 0 }, 0, NULL, NULL },
};

static const char about[] =
	"Usage: fancap-exporter [OPTION]...\n\n"
	"Serves what fancapd counts: /metrics for Prometheus, / as a page for people, /healthz for monitors,\n"
	"/api/statistics as JSON.\n\nOptions:\n";

static const char details[] =
	"\nADDRESS is numeric; an IPv6 address stands in brackets: [::1]:9847. With port 0 the system chooses one. The name in a\n"
	"request (its Host) has to be the address that it comes in at, localhost on a loopback address, or a NAME that was\n"
	"allowed: otherwise any web site could read the answers through a visitor's browser.\n"
	"\nExit status: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 usage.\n";

void exporter_options_print_help(FILE *out)
{
	fputs(about, out);
	program_options_help(out, exporter_option_rows, 23);
	fputs(details, out);
}

/* evutil_parse_sockaddr_port() would take an address without a port, too. */
static int parse_listen(const char *text, struct exporter_options *options, struct fancap_error *err)
{
	const char *bracket = strchr(text, ']');
	const char *colon = strchr(bracket ? bracket : text, ':');

	options->listen_len = sizeof(options->listen);
	if (colon && colon[1] && colon[strspn(colon + 1, "0123456789") + 1] == '\0' &&
	    evutil_parse_sockaddr_port(text, (struct sockaddr *)&options->listen, &options->listen_len) == 0)
		return 0;
	/* It does not take port 0, which is "any". */
	if (colon && !strcmp(colon, ":0")) {
		char address[64] = "";

		if (colon - text < (int)sizeof(address)) {
			memcpy(address, text, (size_t)(colon - text));
			options->listen_len = sizeof(options->listen);
			if (evutil_parse_sockaddr_port(address, (struct sockaddr *)&options->listen,
						       &options->listen_len) == 0)
				return 0;
		}
	}
	fancap_error_set(err, "--listen wants a numeric address and a port (127.0.0.1:9847, [::1]:9847), not '%.80s'", text);
	return -EINVAL;
}

static int take(struct exporter_options *options, int option, const char *value, struct fancap_error *err)
{
	switch (option) {
	case 'l': return parse_listen(value, options, err);
	case 's': options->socket = value; return 0;
	case 'a': return hosts_add(&options->hosts, value, err);
	case 'm': options->action = EXPORTER_METRICS; return 0;
	case 'h': options->action = EXPORTER_HELP; return 0;
	case 'V': options->action = EXPORTER_VERSION; return 0;
	default: return -EINVAL;
	}
}

int exporter_options_parse(int argc, char **argv, struct exporter_options *ret, struct fancap_error *err)
{
	struct program_parser parser;
	int option;

	*ret = (struct exporter_options){ .socket = DEFAULT_SOCKET, .patience_ms = PATIENCE_MS };
	(void)parse_listen(DEFAULT_LISTEN, ret, NULL);
	program_parser_init(&parser, exporter_option_rows);
	while ((option = getopt_long(argc, argv, parser.letters, parser.table, NULL)) != -1) {
		if (take(ret, option, optarg, err) < 0)
			return -EINVAL;
		if (ret->action != EXPORTER_SERVE)
			return 0;
	}
	if (optind < argc) {
		fancap_error_set(err, "'%.80s' is no option; there is nothing else to say", argv[optind]);
		return -EINVAL;
	}
	return 0;
}
