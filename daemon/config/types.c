// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/config/types.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "daemon/config.h"
#include "fancap/fanout.h"
#include "fancap/filter.h"

#define NS_PER_MS 1000000ull
#define MS_PER_DAY 86400000ull
#define LINKTYPE_ETHERNET 1 /* DLT_EN10MB; the daemon compiles again for the real interface */

/* --- integers --- */

static int integer_parse(const struct config_option *option, const char *text, uint64_t *ret,
			 struct fancap_error *err)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t number = 0;

	/* 18 digits fit; anything longer is beyond every max. */
	if (digits > 0 && digits <= 18 && text[digits] == '\0' &&
	    sscanf(text, "%" SCNu64, &number) == 1 && number >= option->min &&
	    number <= option->max) {
		*ret = number;
		return 0;
	}
	fancap_error_set(err, "'%.64s' is not a number from %" PRIu64 " to %" PRIu64 "%s", text,
			 option->min, option->max,
			 option->type == &config_type_workers ? ", or auto" : "");
	return -EINVAL;
}

static void integer_print(const struct config_option *option, uint64_t number,
			  char text[UNITS_TEXT_MAX])
{
	(void)option;
	snprintf(text, UNITS_TEXT_MAX, "%" PRIu64, number);
}

const struct config_type config_type_integer = {.parse = integer_parse, .print = integer_print};

static int workers_parse(const struct config_option *option, const char *text, uint64_t *ret,
			 struct fancap_error *err)
{
	if (strcmp(text, "auto") != 0)
		return integer_parse(option, text, ret, err);
	*ret = 0;
	return 0;
}

const struct config_type config_type_workers = {.parse = workers_parse, .print = integer_print};

/* --- words --- */

static int words_parse(const struct config_word *words, const char *text, uint64_t *ret,
		       struct fancap_error *err)
{
	char allowed[128] = "";

	for (const struct config_word *w = words; w->word; w++) {
		size_t used = strlen(allowed);

		if (strcmp(w->word, text) == 0) {
			*ret = w->value;
			return 0;
		}
		snprintf(allowed + used, sizeof(allowed) - used, "%s%s", used ? ", " : "", w->word);
	}
	fancap_error_set(err, "'%.64s' is not allowed; allowed: %s", text, allowed);
	return -EINVAL;
}

static void words_print(const struct config_word *words, uint64_t number, char text[UNITS_TEXT_MAX])
{
	const struct config_word *w = words;

	while (w->word && w->value != number)
		w++;
	snprintf(text, UNITS_TEXT_MAX, "%s", w->word ? w->word : "?");
}

static int word_parse(const struct config_option *option, const char *text, uint64_t *ret,
		      struct fancap_error *err)
{
	return words_parse(option->words, text, ret, err);
}

static void word_print(const struct config_option *option, uint64_t number,
		       char text[UNITS_TEXT_MAX])
{
	words_print(option->words, number, text);
}

const struct config_type config_type_word = {.parse = word_parse, .print = word_print};

/* Only these two: YAML 1.1's yes and on are how Norway becomes false. */
static const struct config_word bool_words[] = {{"true", 1}, {"false", 0}, {NULL, 0}};

static int bool_parse(const struct config_option *option, const char *text, uint64_t *ret,
		      struct fancap_error *err)
{
	(void)option;
	return words_parse(bool_words, text, ret, err);
}

static void bool_print(const struct config_option *option, uint64_t number,
		       char text[UNITS_TEXT_MAX])
{
	(void)option;
	words_print(bool_words, number, text);
}

const struct config_type config_type_bool = {.parse = bool_parse, .print = bool_print};

static int fanout_parse(const struct config_option *option, const char *text, uint64_t *ret,
			struct fancap_error *err)
{
	enum fancap_fanout_mode mode;
	char allowed[128] = "";
	const char *name;

	(void)option;
	if (fancap_fanout_mode_parse(text, &mode) == 0) {
		*ret = (uint64_t)mode;
		return 0;
	}
	for (mode = FANCAP_FANOUT_HASH; (name = fancap_fanout_mode_name(mode)); mode++) {
		size_t used = strlen(allowed);

		snprintf(allowed + used, sizeof(allowed) - used, "%s%s", used ? ", " : "", name);
	}
	fancap_error_set(err, "'%.64s' is no fanout mode; allowed: %s", text, allowed);
	return -EINVAL;
}

static void fanout_print(const struct config_option *option, uint64_t number,
			 char text[UNITS_TEXT_MAX])
{
	const char *name = fancap_fanout_mode_name((enum fancap_fanout_mode)number);

	(void)option;
	snprintf(text, UNITS_TEXT_MAX, "%s", name ? name : "?");
}

const struct config_type config_type_fanout = {.parse = fanout_parse, .print = fanout_print};

/* --- quantities --- */

typedef int (*quantity_parse_fn)(const char *text, uint64_t *ret, struct fancap_error *err);
typedef void (*quantity_format_fn)(uint64_t number, char text[UNITS_TEXT_MAX]);

static int quantity_parse(const struct config_option *option, const char *text, uint64_t *ret,
			  struct fancap_error *err, quantity_parse_fn parse,
			  quantity_format_fn format)
{
	char min[UNITS_TEXT_MAX], max[UNITS_TEXT_MAX];
	uint64_t number = 0;
	int r = 0;

	if (!option->none || strcmp(text, "none") != 0)
		r = parse(text, &number, err);
	if (r == -EINVAL) {
		if (option->none && err)
			strncat(err->text, ", or none", sizeof(err->text) - strlen(err->text) - 1);
		return r;
	}
	if (r == 0 && option->none && number == 0) {
		*ret = 0;
		return 0;
	}
	if (r == 0 && number >= option->min && number <= option->max) {
		*ret = number;
		return 0;
	}
	format(option->min, min);
	format(option->max, max);
	fancap_error_set(err, "'%.64s' is out of range; allowed: %s to %s%s", text, min, max,
			 option->none ? ", or none" : "");
	return -EINVAL;
}

static int size_parse(const struct config_option *option, const char *text, uint64_t *ret,
		      struct fancap_error *err)
{
	return quantity_parse(option, text, ret, err, units_parse_size, units_format_size);
}

static void size_print(const struct config_option *option, uint64_t number,
		       char text[UNITS_TEXT_MAX])
{
	if (option->none && number == 0)
		snprintf(text, UNITS_TEXT_MAX, "none");
	else
		units_format_size(number, text);
}

const struct config_type config_type_size = {.parse = size_parse, .print = size_print};

static int duration_parse(const struct config_option *option, const char *text, uint64_t *ret,
			  struct fancap_error *err)
{
	return quantity_parse(option, text, ret, err, units_parse_duration, units_format_duration);
}

static void duration_print(const struct config_option *option, uint64_t number,
			   char text[UNITS_TEXT_MAX])
{
	if (option->none && number == 0)
		snprintf(text, UNITS_TEXT_MAX, "none");
	else
		units_format_duration(number, text);
}

const struct config_type config_type_duration = {.parse = duration_parse, .print = duration_print};

/** `10%`, or a size. Sizes begin where percents have long ended, so one number holds either. */
static int free_parse(const struct config_option *option, const char *text, uint64_t *ret,
		      struct fancap_error *err)
{
	size_t digits = strspn(text, "0123456789");
	unsigned percent;

	if (digits == 0 || strcmp(text + digits, "%") != 0)
		return size_parse(option, text, ret, err);
	if (digits <= 2 && sscanf(text, "%u", &percent) == 1 && percent > 0) {
		*ret = percent;
		return 0;
	}
	fancap_error_set(err, "'%.64s' is out of range; allowed: 1%% to %d%%, a size, or none", text,
			 CONFIG_FREE_PERCENT_MAX);
	return -EINVAL;
}

static void free_print(const struct config_option *option, uint64_t number, char text[UNITS_TEXT_MAX])
{
	if (number > 0 && number <= CONFIG_FREE_PERCENT_MAX)
		snprintf(text, UNITS_TEXT_MAX, "%" PRIu64 "%%", number);
	else
		size_print(option, number, text);
}

const struct config_type config_type_free = {.parse = free_parse, .print = free_print};

/** Files begin at floor(t / interval) * interval in UTC: only what fits the day keeps to the clock. */
static int interval_parse(const struct config_option *option, const char *text, uint64_t *ret,
			  struct fancap_error *err)
{
	uint64_t ms;
	int r = duration_parse(option, text, &ms, err);

	if (r < 0)
		return r;
	if (ms != 0 && MS_PER_DAY % ms != 0 && ms % MS_PER_DAY != 0) {
		fancap_error_set(
			err,
			"'%s' does not divide 24h evenly; allowed: what does, such as 10s, "
			"60s, 15min, 1h, and multiples of 24h",
			text);
		return -EINVAL;
	}
	*ret = ms * NS_PER_MS;
	return 0;
}

static void interval_print(const struct config_option *option, uint64_t number,
			   char text[UNITS_TEXT_MAX])
{
	duration_print(option, number / NS_PER_MS, text);
}

const struct config_type config_type_interval = {.parse = interval_parse, .print = interval_print};

/* --- texts --- */

/** The rules of dev_valid_name() in net/core/dev.c. */
static int device_check(const struct config_option *option, const char *text, uint64_t *ret,
			struct fancap_error *err)
{
	bool valid = *text && strlen(text) < IFNAMSIZ && strcmp(text, ".") != 0 &&
		     strcmp(text, "..") != 0;

	(void)option;
	(void)ret;
	for (const char *p = text; *p && valid; p++)
		valid = *p != '/' && *p != ':' && !isspace((unsigned char)*p);
	if (valid)
		return 0;
	fancap_error_set(err,
			 "'%.64s' is no interface name; allowed: 1 to %d bytes without '/', ':' "
			 "and white space, not '.' or '..'",
			 text, IFNAMSIZ - 1);
	return -EINVAL;
}

const struct config_type config_type_device = {.is_text = true, .parse = device_check};

static int filter_check(const struct config_option *option, const char *text, uint64_t *ret,
			struct fancap_error *err)
{
	struct fancap_filter filter = {0};
	int r;

	(void)ret;
	if (strlen(text) > option->max) {
		fancap_error_set(err, "the filter is %zu bytes long; allowed: %" PRIu64,
				 strlen(text), option->max);
		return -EINVAL;
	}
	r = fancap_filter_compile(text, LINKTYPE_ETHERNET, FANCAP_SNAPLEN_MAX, NULL, &filter, err);
	if (r == 0)
		fancap_filter_done(&filter);
	return r;
}

const struct config_type config_type_filter = {.is_text = true, .parse = filter_check};

static int path_check(const struct config_option *option, const char *text, uint64_t *ret,
		      struct fancap_error *err)
{
	(void)ret;
	if (text[0] != '/') {
		fancap_error_set(err, "'%.64s' is not an absolute path; it must begin with '/'",
				 text);
		return -EINVAL;
	}
	if (strlen(text) > option->max) {
		fancap_error_set(err, "the path is %zu bytes long; allowed: %" PRIu64, strlen(text),
				 option->max);
		return -EINVAL;
	}
	return 0;
}

const struct config_type config_type_path = {.is_text = true, .parse = path_check};

/** What a path or an expression has to be like depends on the mode: validate.c. */
static int program_check(const struct config_option *option, const char *text, uint64_t *ret,
			 struct fancap_error *err)
{
	size_t max = text[0] == '/' ? PATH_MAX - 1 : (size_t)option->max;

	(void)ret;
	if (*text && strlen(text) <= max)
		return 0;
	fancap_error_set(err, "the program is %zu bytes long; allowed: 1 to %zu", strlen(text), max);
	return -EINVAL;
}

const struct config_type config_type_program = {.is_text = true, .parse = program_check};

static int user_check(const struct config_option *option, const char *text, uint64_t *ret,
		      struct fancap_error *err)
{
	(void)option;
	(void)ret;
	if (!*text || getpwnam(text))
		return 0;
	fancap_error_set(err, "there is no user '%.64s'; allowed: the name of one, or \"\"", text);
	return -EINVAL;
}

const struct config_type config_type_user = {.is_text = true, .parse = user_check};

static int group_check(const struct config_option *option, const char *text, uint64_t *ret,
		       struct fancap_error *err)
{
	(void)option;
	(void)ret;
	if (!*text || getgrnam(text))
		return 0;
	fancap_error_set(err, "there is no group '%.64s'; allowed: the name of one, or \"\"", text);
	return -EINVAL;
}

const struct config_type config_type_group = {.is_text = true, .parse = group_check};
