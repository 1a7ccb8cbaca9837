// SPDX-License-Identifier: BSD-3-Clause
/*
 * Reads recorded files and says, as JSON, how they compare with the frames that tests/tools/traffic sent. Exit status
 * 0: the files are well formed (the figures are for the caller to judge); 1: one is not; 2: usage.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/tools/check.h"

/* Paths are the tests' own: quotes and control characters do not occur, but must not break the JSON. */
static void print_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\' || (unsigned char)*text < 0x20)
			printf("\\u%04x", (unsigned)(unsigned char)*text);
		else
			putchar(*text);
	}
	putchar('"');
}

static void print_counter(const char *name, uint64_t value)
{
	if (value == UINT64_MAX)
		printf(", \"%s\": null", name);
	else
		printf(", \"%s\": %" PRIu64, name, value);
}

static void print_statistics(const struct reader_statistics *statistics)
{
	printf(", \"statistics\": {\"time_ns\": %" PRIu64, statistics->time_ns);
	print_counter("ifrecv", statistics->ifrecv);
	print_counter("ifdrop", statistics->ifdrop);
	print_counter("filteraccept", statistics->filteraccept);
	print_counter("osdrop", statistics->osdrop);
	print_counter("usrdeliv", statistics->usrdeliv);
	putchar('}');
}

static void print_file(const struct check_file *file)
{
	printf("{\"path\": ");
	print_string(file->path);
	printf(", \"worker\": %d", file->worker);
	print_counter("packets", file->packets);
	print_counter("bytes", file->bytes);
	print_counter("first_ns", file->first_ns);
	print_counter("last_ns", file->last_ns);
	print_counter("dropcount", file->dropcount);
	print_counter("direct", file->direct);
	print_counter("first_seq", file->first_seq);
	print_counter("last_seq", file->last_seq);
	print_counter("reordered", file->reordered);
	print_counter("snaplen", file->snaplen);
	print_counter("statistics_blocks", file->statistics_blocks);
	if (file->statistics_blocks)
		print_statistics(&file->statistics);
	putchar('}');
}

static void print_result(const struct check_result *result)
{
	printf("{\"packets\": %" PRIu64, result->packets);
	print_counter("bytes", result->bytes);
	print_counter("duplicates", result->duplicates);
	print_counter("missing", result->missing);
	print_counter("corrupt", result->corrupt);
	print_counter("foreign", result->foreign);
	print_counter("truncated", result->truncated);
	print_counter("implausible_times", result->implausible_times);
	print_counter("inbound", result->inbound);
	print_counter("outbound", result->outbound);
	print_counter("wrong_direction", result->wrong_direction);
	print_counter("flows_seen", result->flows_seen);
	print_counter("flows_split", result->flows_split);
	print_counter("dropcount", result->dropcount);
	printf(", \"files\": [");
	for (size_t i = 0; i < result->n_files; i++) {
		printf("%s", i ? ",\n" : "\n");
		print_file(&result->files[i]);
	}
	printf("]}\n");
}

static int usage(void)
{
	fputs("usage: verify --count N [--start SEQ] [--since NS] [--until NS] [--out-is-reverse]\n"
	      "  [FILE...] (none: their names on standard input, one a line)\n" FRAME_USAGE,
	      stderr);
	return 2;
}

static int take_option(struct check_options *options, int option, const char *value)
{
	switch (option) {
	case 's': return frame_parse_number(value, UINT64_MAX, &options->start);
	case 'c': return frame_parse_number(value, UINT64_C(1) << 36, &options->count);
	case 'f': return frame_parse_number(value, UINT64_MAX, &options->since_ns);
	case 'u': return frame_parse_number(value, UINT64_MAX, &options->until_ns);
	case 'o': options->out_is_reverse = 1; return 0;
	}
	return frame_params_option(&options->frames, option, value);
}

static int parse_options(struct check_options *options, int argc, char **argv)
{
	static const struct option names[] = {
		{"start", 1, NULL, 's'}, {"count", 1, NULL, 'c'},
		{"since", 1, NULL, 'f'}, {"until", 1, NULL, 'u'},
		FRAME_OPTIONS,		 {"out-is-reverse", 0, NULL, 'o'},
		{NULL, 0, NULL, 0},
	};
	int option;

	frame_params_init(&options->frames);
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
		if (option == '?' || take_option(options, option, optarg) < 0)
			return -EINVAL;
	return frame_params_check(&options->frames);
}

/* Unless told otherwise, no packet comes from the future. */
static uint64_t default_until_ns(void)
{
	return ((uint64_t)time(NULL) + 2) * 1000000000u;
}

static int check_named(struct check *check, char **paths, int n)
{
	int r = 0;

	for (int i = 0; i < n && r == 0; i++)
		r = check_file(check, paths[i]);
	return r;
}

static int check_listed(struct check *check, FILE *list)
{
	char path[4096];
	int r = 0;

	while (r == 0 && fgets(path, sizeof(path), list)) {
		path[strcspn(path, "\n")] = '\0';
		r = check_file(check, path);
	}
	return r;
}

int main(int argc, char **argv)
{
	struct check_options options = {.until_ns = default_until_ns()};
	struct check *check;
	int r;

	if (parse_options(&options, argc, argv) < 0)
		return usage();
	check = check_new(&options);
	if (!check) {
		fputs("verify: out of memory\n", stderr);
		return EXIT_FAILURE;
	}
	if (optind < argc)
		r = check_named(check, argv + optind, argc - optind);
	else
		r = check_listed(check, stdin);
	if (r < 0)
		fprintf(stderr, "verify: %s\n", check_error(check));
	else
		print_result(check_finish(check));
	check_free(check);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
