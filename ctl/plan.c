// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/plan.h"

#include <errno.h>
#include <jansson.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "ctl/capture_plan.h"
#include "ctl/output.h"

#define MILLION 1000000u
#define DEFAULT_INTERFACE "eth0"

/* --- options ---------------------------------------------------------------------------------------------- */

const char plan_details[] =
	"Works out the rings of a capture from what comes in and how long a stall is to be ridden out: --rate, --mean and "
	"--outage; or, given --ring rather than --outage, for how long that ring is good. --keep adds the disk. What comes out is "
	"a configuration file for fancapd, with the explanation as its comments. Rates are those of packets as they are "
	"recorded, without preamble, gaps and checksums, and are taken to be shared evenly by the workers. The daemon is not "
	"asked.";

const struct option_row plan_options[] = {
	{"rate", 0, "RATE", "what comes in at most, as 10Gbit, 800Mbit or 1.2Mpps", WORD_ANY},
	{"mean", 0, "BYTES", "mean length of packets", WORD_ANY},
	{"snaplen", 0, "BYTES", "how much of each packet is kept; default: all", WORD_ANY},
	{"workers", 0, "NUMBER", "processes that share the traffic; default: 1", WORD_ANY},
	{"outage", 0, "TIME", "how long a worker or its disk may do nothing without a loss, as 2s or 500ms", WORD_ANY},
	{"keep", 0, "TIME", "how far back recordings are to reach, as 36h or 7d", WORD_ANY},
	{"ring", 0, "SIZE", "a worker's ring, as 256MiB, if that is given rather than --outage", WORD_ANY},
	{"block-size", 0, "SIZE", "the ring's blocks; default: 1MiB", WORD_ANY},
	{NULL, 0, NULL, NULL, WORD_ANY},
};

typedef int parse_fn(const char *text, struct capture_wish *wish, uint64_t *ret, struct fancap_error *err);

static int parse_rate(const char *text, struct capture_wish *wish, uint64_t *ret, struct fancap_error *err)
{
	struct units_rate rate = {UNITS_FACTOR, 0};
	int r = units_parse_rate(text, &rate);

	(void)ret;
	if (r == 0 && rate.kind != UNITS_FACTOR && rate.millionths >= MILLION) {
		*(rate.kind == UNITS_BITS ? &wish->bits_per_s : &wish->packets_per_s) = rate.millionths / MILLION;
		return 0;
	}
	fancap_error_set(err, "allowed are bits per second (10Gbit) or packets per second (1.2Mpps), from 1 to 10^12");
	return -EINVAL;
}

/* A whole number, without a unit; 0 would mean "not given". */
static int parse_number(const char *text, struct capture_wish *wish, uint64_t *ret, struct fancap_error *err)
{
	unsigned long long number;
	char *end;

	(void)wish;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || !number) {
		fancap_error_set(err, "a whole number, at least 1, is allowed");
		return -EINVAL;
	}
	*ret = number;
	return 0;
}

static int refuse_zero(int r, uint64_t value, struct fancap_error *err)
{
	if (r < 0 || value)
		return r;
	fancap_error_set(err, "more than 0 is allowed");
	return -EINVAL;
}

static int parse_time(const char *text, struct capture_wish *wish, uint64_t *ret, struct fancap_error *err)
{
	int r = units_parse_duration(text, ret, err);

	(void)wish;
	return refuse_zero(r, *ret, err);
}

static int parse_size(const char *text, struct capture_wish *wish, uint64_t *ret, struct fancap_error *err)
{
	int r = units_parse_size(text, ret, err);

	(void)wish;
	return refuse_zero(r, *ret, err);
}

static const struct {
	const char *option;
	parse_fn *parse;
	size_t offset;
} values[] = {
	{"rate", parse_rate, 0},
	{"mean", parse_number, offsetof(struct capture_wish, packet_bytes)},
	{"snaplen", parse_number, offsetof(struct capture_wish, snaplen)},
	{"workers", parse_number, offsetof(struct capture_wish, workers)},
	{"outage", parse_time, offsetof(struct capture_wish, outage_ms)},
	{"keep", parse_time, offsetof(struct capture_wish, keep_ms)},
	{"ring", parse_size, offsetof(struct capture_wish, ring_bytes)},
	{"block-size", parse_size, offsetof(struct capture_wish, block_bytes)},
};

static enum ctl_exit wish_read(const struct ctl *ctl, const struct arguments *arguments, struct capture_wish *wish)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		const char *text = arguments_option(arguments, values[i].option);
		struct fancap_error err = {""};
		uint64_t *value = (uint64_t *)(void *)((char *)wish + values[i].offset);

		if (text && values[i].parse(text, wish, value, &err) < 0)
			return wrong_usage(ctl, arguments->command, "--%s '%s': %s", values[i].option, text, err.text);
	}
	return CTL_OK;
}

/* --- fancapd.yaml ------------------------------------------------------------------------------------------ */

/* The largest unit that says it exactly: fancapd reads what is written here. */
static void yaml_size(FILE *out, const char *key, uint64_t bytes)
{
	char text[UNITS_TEXT_MAX];

	units_format_size(bytes, text);
	fprintf(out, "%s: %s\n", key, text);
}

static void yaml_print(FILE *out, const struct capture_plan *plan, const struct capture_wish *wish, const char *interface)
{
	char text[UNITS_TEXT_MAX];

	fprintf(out, "interfaces:\n  - name: \"");
	text_print(out, interface);
	fprintf(out, "\"\n    workers: %u\n    ring:\n", plan->rings.workers);
	yaml_size(out, "      size", plan->rings.ring.size_bytes);
	yaml_size(out, "      block-size", plan->rings.ring.block_bytes);
	fprintf(out, "      block-timeout: %ums\n", plan->rings.ring.block_timeout_ms);
	if (wish->snaplen)
		fprintf(out, "    snaplen: %llu\n", (unsigned long long)wish->snaplen);
	if (!plan->keep_ms)
		return;
	fprintf(out, "storage:\n  retain:\n");
	yaml_size(out, "    size", plan->retain_bytes);
	units_format_duration(plan->keep_ms, text);
	fprintf(out, "    age: %s\n", text);
}

/* --- for people -------------------------------------------------------------------------------------------- */

/** One number in words; text() is for use within one printf() call, up to 8 times. */
struct words {
	char texts[8][FORMAT_TEXT_MAX];
	unsigned n;
};

static const char *say(struct words *words, void (*format)(char text[FORMAT_TEXT_MAX], uint64_t number), uint64_t number)
{
	char *text = words->texts[words->n++ % 8];

	format(text, number);
	return text;
}

static void format_bits(char text[FORMAT_TEXT_MAX], uint64_t bits_per_s)
{
	static const char *const units[] = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"};
	double value = (double)bits_per_s;
	unsigned unit = 0;

	while (value >= 999.95 && unit < sizeof(units) / sizeof(units[0]) - 1) {
		value /= 1000;
		unit++;
	}
	snprintf(text, FORMAT_TEXT_MAX, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void print_rate(FILE *out, const struct fancap_plan *rings)
{
	struct words words = {.n = 0};
	uint64_t each = rings->packets_per_s / rings->workers;

	if (!rings->packets_per_s)
		return;
	fprintf(out, "# Traffic: %s: %s packets of %s bytes a second, at most", say(&words, format_bits, rings->bits_per_s),
		say(&words, format_count, rings->packets_per_s), say(&words, format_count, rings->packet_bytes));
	if (rings->workers > 1)
		fprintf(out, "; %s for each of %u workers if they come evenly", say(&words, format_count, each),
			rings->workers);
	fprintf(out, ".\n");
}

static void print_rings(FILE *out, const struct capture_plan *plan)
{
	const struct fancap_plan *rings = &plan->rings;
	struct words words = {.n = 0};

	fprintf(out, "# Ring: %s for each worker: %s blocks of %s", say(&words, format_bytes, rings->ring.size_bytes),
		say(&words, format_count, rings->geometry.req.tp_block_nr),
		say(&words, format_bytes, rings->ring.block_bytes));
	if (rings->packets_per_block)
		fprintf(out, ", %s packets in each", say(&words, format_count, rings->packets_per_block));
	fprintf(out, ".\n");
	if (rings->packets_per_s)
		fprintf(out, "#   A worker or its disk may do nothing for %s before packets are dropped; a block is full "
			"after %s.\n", say(&words, format_duration, rings->stall_ns),
			say(&words, format_duration, rings->retire_ns));
	fprintf(out, "# Memory: %s in all: %s for rings, and some %s for each worker.\n",
		say(&words, format_bytes, plan->memory_bytes), say(&words, format_bytes, rings->total_bytes),
		say(&words, format_bytes, CAPTURE_PLAN_WORKER_BYTES));
}

static void print_disk(FILE *out, const struct capture_plan *plan)
{
	struct words words = {.n = 0};
	char keep[UNITS_TEXT_MAX];

	if (!plan->written_per_s)
		return;
	fprintf(out, "# Disk: %s a second have to be written for as long as that lasts: %s bytes a packet; a worker's file "
		"of 1 GiB lasts %s.\n", say(&words, format_bytes, plan->written_per_s),
		say(&words, format_count, plan->record_bytes), say(&words, format_duration, plan->file_ns));
	if (!plan->keep_ms)
		return;
	units_format_duration(plan->keep_ms, keep);
	fprintf(out, "#   To keep %s of it takes %s for recordings, on file systems of %s, of which 5 %% stay free.\n", keep,
		say(&words, format_bytes, plan->retain_bytes), say(&words, format_bytes, plan->file_system_bytes));
}

/* A comment and what may be pasted: the whole is a configuration file. */
static void print_text(FILE *out, const struct capture_plan *plan, const struct capture_wish *wish, const char *interface)
{
	print_rate(out, &plan->rings);
	print_rings(out, plan);
	print_disk(out, plan);
	fputc('\n', out);
	yaml_print(out, plan, wish, interface);
}

/* --- for programs ------------------------------------------------------------------------------------------ */

/* 0 is "not known": null. */
static json_t *known(uint64_t number)
{
	return number ? json_integer((json_int_t)number) : json_null();
}

static json_t *plan_json(const struct capture_plan *plan, const char *yaml)
{
	const struct fancap_plan *rings = &plan->rings;

	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}",
			 "workers", (int)rings->workers,
			 "packets_per_s", known(rings->packets_per_s),
			 "bits_per_s", known(rings->bits_per_s),
			 "packet_bytes", known(rings->packet_bytes),
			 "snaplen", known(rings->ring.snaplen),
			 "ring_bytes", known(rings->ring.size_bytes),
			 "ring_blocks", known(rings->geometry.req.tp_block_nr),
			 "block_bytes", known(rings->ring.block_bytes),
			 "block_timeout_ms", known(rings->ring.block_timeout_ms),
			 "packets_per_block", known(rings->packets_per_block),
			 "block_full_ns", known(rings->retire_ns),
			 "outage_ns", known(rings->stall_ns),
			 "rings_bytes", known(rings->total_bytes),
			 "memory_bytes", known(plan->memory_bytes),
			 "record_bytes", known(plan->record_bytes),
			 "written_bytes_per_s", known(plan->written_per_s),
			 "retain_bytes", known(plan->retain_bytes),
			 "file_system_bytes", known(plan->file_system_bytes),
			 "yaml", yaml);
}

static enum ctl_exit print_json(const struct ctl *ctl, const struct capture_plan *plan, const struct capture_wish *wish,
				const char *interface)
{
	char *yaml = NULL;
	size_t len;
	FILE *out = open_memstream(&yaml, &len);
	enum ctl_exit result;

	if (out) {
		yaml_print(out, plan, wish, interface);
		fclose(out);
	}
	result = json_print(ctl, yaml ? plan_json(plan, yaml) : NULL);
	free(yaml);
	return result;
}

/* What the kernel takes, but for what would have to be quoted. */
static bool is_interface(const char *name)
{
	size_t length = strlen(name);

	return length && length < IFNAMSIZ && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       strcspn(name, " \t\r\n\v\f/:\"\\") == length;
}

enum ctl_exit run_plan(const struct ctl *ctl, const struct arguments *arguments)
{
	const char *interface = arguments_word(arguments, 0);
	struct fancap_error err = {""};
	struct capture_wish wish = {0};
	struct capture_plan plan;
	enum ctl_exit result = wish_read(ctl, arguments, &wish);

	if (result)
		return result;
	if (!interface)
		interface = DEFAULT_INTERFACE;
	if (!is_interface(interface))
		return wrong_usage(ctl, arguments->command, "'%s' can be no interface's name", interface);
	if (capture_plan(&wish, &plan, &err) < 0)
		return wrong_usage(ctl, arguments->command, "%s", err.text);
	if (ctl->json)
		return print_json(ctl, &plan, &wish, interface);
	print_text(ctl->out, &plan, &wish, interface);
	return CTL_OK;
}
