// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/options.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/host.h"
#include "ctl/output.h"
#include "ctl/suggest.h"

#define TIMEOUT_MAX_S 86400.0
#define ROWS_MAX 32
#define VALUE_BASE 256 /* what getopt_long() returns for row 0: no letter */

_Static_assert(CTL_DEFAULT_TIMEOUT_MS == 10000, "say so in the help");

enum {
	GLOBAL_SOCKET,
	GLOBAL_HOST,
	GLOBAL_TIMEOUT,
	GLOBAL_INTERFACE,
	GLOBAL_JSON,
	GLOBAL_COLOR,
	GLOBAL_HELP,
	GLOBAL_VERSION,
	GLOBALS
};

const struct option_row global_options[GLOBALS + 1] = {
	[GLOBAL_SOCKET] = { "socket", 's', "PATH", "the daemon's socket; default: " CTL_DEFAULT_SOCKET, WORD_FILE },
	[GLOBAL_HOST] = { "host", 'H', "USER@SENSOR", "the fancapd of another machine, by ssh", WORD_ANY },
	[GLOBAL_TIMEOUT] = { "timeout", 't', "SECONDS", "how long to wait for the daemon; default: 10", WORD_ANY },
	[GLOBAL_INTERFACE] = { "interface", 'i', "NAME", "for this interface only, as the argument INTERFACE",
			       WORD_INTERFACE },
	[GLOBAL_JSON] = { "json", 'j', NULL, "JSON for programs, exact numbers", WORD_ANY },
	[GLOBAL_COLOR] = { "color", 0, "WHEN", "auto (on a terminal), always or never; default: auto", WORD_COLOR },
	[GLOBAL_HELP] = { "help", 'h', NULL, "print this; after a command: what it does and takes", WORD_ANY },
	[GLOBAL_VERSION] = { "version", 'V', NULL, "print version and features", WORD_ANY },
};

bool option_is_taken(const struct option_row *row, const struct command *command)
{
	if (row == &global_options[GLOBAL_INTERFACE])
		return command->interface != INTERFACE_NONE;
	if (row == &global_options[GLOBAL_SOCKET] || row == &global_options[GLOBAL_HOST] ||
	    row == &global_options[GLOBAL_TIMEOUT])
		return !command->local;
	return true;
}

/* --- what was given ------------------------------------------------------------------------------------- */

const char *arguments_word(const struct arguments *arguments, int index)
{
	return index < arguments->n ? arguments->words[index] : NULL;
}

const char *arguments_option(const struct arguments *arguments, const char *name)
{
	const struct option_row *rows = arguments->command->options;

	for (size_t i = 0; rows && rows[i].name; i++)
		if (!strcmp(rows[i].name, name))
			return arguments->values[i];
	assert(!"an option that is in no table");
	return NULL;
}

enum ctl_exit arguments_number(const struct ctl *ctl, const struct arguments *arguments, const char *name, long long min,
			       long long max, long long *number)
{
	const char *text = arguments_option(arguments, name);
	long long value;
	char *end;

	if (!text)
		return CTL_OK;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (end == text || *end || errno || value < min || value > max)
		return wrong_usage(ctl, arguments->command, "--%s '%s' is no whole number from %lld to %lld", name, text, min,
				   max);
	*number = value;
	return CTL_OK;
}

enum ctl_exit wrong_usage(const struct ctl *ctl, const struct command *command, const char *format, ...)
{
	va_list args;

	fputs("fancapctl: ", ctl->err);
	va_start(args, format);
	vfprintf(ctl->err, format, args);
	va_end(args);
	fprintf(ctl->err, "; see fancapctl %s%s--help\n", command ? command->name : "", command ? " " : "");
	return CTL_USAGE;
}

/* --- parsing -------------------------------------------------------------------------------------------- */

/** Rows of two tables as getopt_long() wants them. */
struct parser {
	const struct command *command; ///< NULL: global options only
	size_t n_own;
	struct option table[ROWS_MAX + 1];
	char letters[3 * ROWS_MAX + 3];
};

static size_t rows_count(const struct option_row *rows)
{
	size_t n = 0;

	while (rows && rows[n].name)
		n++;
	return n;
}

/* Row by number: those of the command first, so that its own go before global ones of the same name. */
static const struct option_row *parser_row(const struct parser *parser, size_t index)
{
	return index < parser->n_own ? &parser->command->options[index] : &global_options[index - parser->n_own];
}

static void parser_init(struct parser *parser, const struct command *command)
{
	size_t n;
	char *at;

	*parser = (struct parser){ .command = command, .n_own = command ? rows_count(command->options) : 0 };
	n = parser->n_own + GLOBALS;
	assert(n <= ROWS_MAX && parser->n_own <= COMMAND_OPTIONS_MAX);
	/* '+': options end with the first word. ':': what is wrong is said here. */
	at = stpcpy(parser->letters, command ? ":" : "+:");
	for (size_t i = 0; i < n; i++) {
		const struct option_row *row = parser_row(parser, i);

		parser->table[i] = (struct option){ row->name, row->argument ? required_argument : no_argument, NULL,
						    VALUE_BASE + (int)i };
		if (row->letter) {
			*at++ = row->letter;
			if (row->argument)
				*at++ = ':';
		}
	}
	*at = '\0';
}

/* What getopt_long() returned to a row number; -1: none. */
static int parser_find(const struct parser *parser, int option)
{
	if (option >= VALUE_BASE)
		return option - VALUE_BASE;
	for (size_t i = 0; i < parser->n_own + GLOBALS; i++)
		if (parser_row(parser, i)->letter == option)
			return (int)i;
	return -1;
}

bool seconds_parse(const char *text, double min, double max, double *ret_seconds)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= min && seconds <= max))
		return false;
	*ret_seconds = seconds;
	return true;
}

static enum ctl_exit timeout_parse(const struct ctl *ctl, const char *text, unsigned *ret_ms)
{
	double seconds;

	if (!seconds_parse(text, 0.001, TIMEOUT_MAX_S, &seconds))
		return wrong_usage(ctl, NULL, "--timeout '%s' is no number of seconds from 0.001 to %g", text, TIMEOUT_MAX_S);
	*ret_ms = (unsigned)(seconds * 1000 + 0.5);
	return CTL_OK;
}

static enum ctl_exit color_parse(const struct ctl *ctl, const char *when)
{
	if (!strcmp(when, "auto"))
		color_enable(color_is_wanted(ctl->out));
	else if (!strcmp(when, "always") || !strcmp(when, "never"))
		color_enable(*when == 'a');
	else
		return wrong_usage(ctl, NULL, "--color '%s' is none of auto, always, never", when);
	return CTL_OK;
}

static enum ctl_exit take_global(struct ctl *ctl, size_t index, const char *value, enum options_wish *wish)
{
	switch (index) {
	case GLOBAL_SOCKET: ctl->socket = value; return CTL_OK;
	case GLOBAL_HOST:
		if (!host_is_valid(value))
			return wrong_usage(ctl, NULL, "--host '%s' is no name of a machine", value);
		ctl->host = value;
		return CTL_OK;
	case GLOBAL_COLOR: return color_parse(ctl, value);
	case GLOBAL_TIMEOUT: return timeout_parse(ctl, value, &ctl->timeout_ms);
	case GLOBAL_INTERFACE: ctl->interface = value; return CTL_OK;
	case GLOBAL_JSON: ctl->json = true; return CTL_OK;
	case GLOBAL_HELP: *wish = OPTIONS_HELP; return CTL_OK;
	default: *wish = OPTIONS_VERSION; return CTL_OK;
	}
}

/* `word` is no option of ours. */
static enum ctl_exit unknown_option(const struct ctl *ctl, const struct parser *parser, const char *word)
{
	const char *candidates[ROWS_MAX + 1] = { NULL }, *meant = NULL;
	char name[64];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
	for (size_t i = 0; i < parser->n_own + GLOBALS; i++)
		candidates[i] = parser_row(parser, i)->name;
	if (!strncmp(name, "--", 2))
		meant = suggest(name + 2, candidates);
	if (meant)
		return wrong_usage(ctl, parser->command, "there is no option '%s' (did you mean --%s?)", name, meant);
	return wrong_usage(ctl, parser->command, "there is no option '%s'", name);
}

/* @param word the one that getopt_long() did not like */
static enum ctl_exit wrong_option(const struct ctl *ctl, const struct parser *parser, int option, const char *word)
{
	char letter[3] = { '-', (char)optopt, '\0' };
	int row = parser_find(parser, optopt);

	if (option == ':')
		return wrong_usage(ctl, parser->command, "--%s takes a value: %s", parser_row(parser, (size_t)row)->name,
				   parser_row(parser, (size_t)row)->argument);
	/* A long one that takes no value but got one. */
	if (optopt >= VALUE_BASE)
		return wrong_usage(ctl, parser->command, "--%s takes no value", parser_row(parser, (size_t)row)->name);
	return unknown_option(ctl, parser, optopt ? letter : word);
}

static enum ctl_exit parse(struct ctl *ctl, const struct parser *parser, int argc, char **argv, const char **values,
			   enum options_wish *ret_wish)
{
	enum ctl_exit result = CTL_OK;
	int option;

	*ret_wish = OPTIONS_RUN;
	opterr = 0;
	optind = 0; /* glibc: start anew */
	while (!result && (option = getopt_long(argc, argv, parser->letters, parser->table, NULL)) != -1) {
		size_t row;

		if (option == '?' || option == ':')
			return wrong_option(ctl, parser, option, argv[optind - 1]);
		row = (size_t)parser_find(parser, option);
		if (row < parser->n_own)
			values[row] = optarg ? optarg : "";
		else
			result = take_global(ctl, row - parser->n_own, optarg, ret_wish);
	}
	return result;
}

enum ctl_exit options_parse_global(struct ctl *ctl, int argc, char **argv, int *ret_next, enum options_wish *ret_wish)
{
	struct parser parser;
	enum ctl_exit result;

	parser_init(&parser, NULL);
	result = parse(ctl, &parser, argc, argv, NULL, ret_wish);
	*ret_next = optind;
	return result;
}

enum ctl_exit options_parse_command(struct ctl *ctl, const struct command *command, int argc, char **argv,
				    struct arguments *ret, enum options_wish *ret_wish)
{
	struct arguments arguments = { .command = command };
	struct parser parser;
	enum ctl_exit result;

	parser_init(&parser, command);
	result = parse(ctl, &parser, argc, argv, arguments.values, ret_wish);
	if (result)
		return result;
	arguments.n = argc - optind;
	arguments.words = argv + optind;
	*ret = arguments;
	return CTL_OK;
}
