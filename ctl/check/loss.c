// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/check/loss.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/output.h"
#include "ctl/reader.h"
#include "varlink/interfaces.h"
#include "varlink/message.h"

#define MILLION 1000000u
#define PERCENT 10000u /* millionths */
#define DIGITS 4	/* of a percentage behind the point */

static const char *const words[] = {
	[PLUGIN_OK] = "OK",
	[PLUGIN_WARNING] = "WARNING",
	[PLUGIN_CRITICAL] = "CRITICAL",
	[PLUGIN_UNKNOWN] = "UNKNOWN",
};

/* --- limits ----------------------------------------------------------------------------------------------- */

int loss_parse_percent(const char *text, uint64_t *ret_millionths)
{
	uint64_t value = 0, step = PERCENT;
	const char *p = text;

	for (; *p >= '0' && *p <= '9' && value <= 100 * PERCENT; p++)
		value = value * 10 + (uint64_t)(*p - '0') * PERCENT;
	if (p == text)
		return -EINVAL;
	if (*p == '.') {
		const char *fraction = ++p;

		for (; *p >= '0' && *p <= '9' && p - fraction < DIGITS; p++)
			value += (uint64_t)(*p - '0') * (step /= 10);
		if (p == fraction)
			return -EINVAL;
	}
	if (*p == '%')
		p++;
	if (*p || value > 100 * PERCENT)
		return -EINVAL;
	*ret_millionths = value;
	return 0;
}

/* Not in floating point: a loss at the limit is no loss beyond it. */
static bool is_more(const struct loss *loss, uint64_t millionths)
{
	return (unsigned __int128)(loss->dropped + loss->discarded) * MILLION > (unsigned __int128)loss->seen * millionths;
}

enum plugin_exit loss_judge(const struct loss *loss, const struct loss_limits *limits)
{
	if (is_more(loss, limits->max))
		return PLUGIN_CRITICAL;
	return is_more(loss, limits->warn) ? PLUGIN_WARNING : PLUGIN_OK;
}

/* --- what is said ----------------------------------------------------------------------------------------- */

static int unknown(const struct ctl *ctl, const char *why)
{
	static const char program[] = "fancapctl: ";

	if (strncmp(why, program, sizeof(program) - 1) == 0)
		why += sizeof(program) - 1;
	if (ctl->json) {
		(void)json_print(ctl, json_pack("{s:s, s:o}", "state", words[PLUGIN_UNKNOWN], "reason",
						json_stringn(why, strcspn(why, "\n"))));
		return PLUGIN_UNKNOWN;
	}
	/* "|" would begin the figures. */
	fprintf(ctl->out, "UNKNOWN - ");
	for (; *why && *why != '\n'; why++)
		fputc(*why == '|' ? '/' : *why, ctl->out);
	fputc('\n', ctl->out);
	return PLUGIN_UNKNOWN;
}

static void limit_print(FILE *out, uint64_t millionths)
{
	fprintf(out, ";%g", (double)millionths / PERCENT);
}

static void line_print(const struct ctl *ctl, enum plugin_exit state, const struct loss *loss, const struct loss_limits *limits,
		       const char *interface)
{
	uint64_t lost = loss->dropped + loss->discarded;
	char counts[2][FORMAT_TEXT_MAX], percent[FORMAT_TEXT_MAX];

	format_count(counts[0], lost);
	format_count(counts[1], loss->seen);
	format_percent(percent, lost, loss->seen);
	fprintf(ctl->out, "%s - ", words[state]);
	text_print(ctl->out, interface ? interface : "all interfaces");
	fprintf(ctl->out, ": lost %s of %s packets (%s %%)|loss=%.4f%%", counts[0], counts[1], percent,
		loss->seen ? 100.0 * (double)lost / (double)loss->seen : 0.0);
	limit_print(ctl->out, limits->warn);
	limit_print(ctl->out, limits->max);
	fprintf(ctl->out, ";0;100 dropped=%lluc discarded=%lluc seen=%lluc\n", (unsigned long long)loss->dropped,
		(unsigned long long)loss->discarded, (unsigned long long)loss->seen);
}

static void line_print_json(const struct ctl *ctl, enum plugin_exit state, const struct loss *loss, const char *interface)
{
	uint64_t lost = loss->dropped + loss->discarded;

	(void)json_print(ctl, json_pack("{s:s, s:o, s:I, s:I, s:I, s:f}", "state", words[state], "interface",
					interface ? varlink_text(interface) : json_null(), "packets_seen",
					(json_int_t)loss->seen, "packets_dropped", (json_int_t)loss->dropped,
					"packets_discarded", (json_int_t)loss->discarded, "loss_percent",
					loss->seen ? 100.0 * (double)lost / (double)loss->seen : 0.0));
}

/* --- asking ----------------------------------------------------------------------------------------------- */

/* What goes wrong is the line that is printed, not something on stderr that Nagios does not show. */
static enum ctl_exit ask(const struct ctl *ctl, const char *interface, json_t **ret_answer, char **ret_said)
{
	struct ctl quiet = *ctl;
	size_t length;
	json_t *parameters = json_object();
	enum ctl_exit result = CTL_FAILED;

	*ret_said = NULL;
	quiet.err = open_memstream(ret_said, &length);
	if (interface)
		(void)json_object_set_new(parameters, "interface", varlink_text(interface));
	if (quiet.err) {
		result = client_call(&quiet, FANCAP_INTERFACE ".GetStatistics", parameters, ret_answer);
		if (result == CTL_NOT_RUNNING)
			client_say_not_running(&quiet);
		fclose(quiet.err);
	}
	json_decref(parameters);
	return result;
}

static int report(const struct ctl *ctl, json_t *answer, const struct loss_limits *limits, const char *interface)
{
	struct reader reader = {NULL};
	json_t *total = read_object(&reader, answer, "total");
	const struct loss loss = {
		.seen = read_count(&reader, total, "packets_seen"),
		.dropped = read_count(&reader, total, "packets_dropped"),
		.discarded = read_count(&reader, total, "packets_discarded"),
	};
	enum plugin_exit state = loss_judge(&loss, limits);

	if (reader.missing)
		return unknown(ctl, "fancapd's answer is not as it should be");
	if (ctl->json)
		line_print_json(ctl, state, &loss, interface);
	else
		line_print(ctl, state, &loss, limits, interface);
	return (int)state;
}

static int limits_read(const struct arguments *arguments, struct loss_limits *limits)
{
	const char *max = arguments_option(arguments, "max"), *warn = arguments_option(arguments, "warn");

	*limits = (struct loss_limits){0};
	if (max && loss_parse_percent(max, &limits->max) < 0)
		return -EINVAL;
	limits->warn = limits->max;
	if (warn && loss_parse_percent(warn, &limits->warn) < 0)
		return -EINVAL;
	return limits->warn > limits->max ? -EINVAL : 0;
}

int run_check_loss(const struct ctl *ctl, const struct arguments *arguments, const char *interface)
{
	struct loss_limits limits;
	json_t *answer = NULL;
	char *said;
	int state;

	if (arguments->n > 1)
		return unknown(ctl, "check loss takes no more words: an interface is named by --interface");
	if (limits_read(arguments, &limits) < 0)
		return unknown(ctl, "--max and --warn are percentages from 0% to 100%, as 0.1%, and --warn is no more than --max");
	if (ask(ctl, interface, &answer, &said) == CTL_OK)
		state = report(ctl, answer, &limits, interface);
	else
		state = unknown(ctl, said && *said ? said : "out of memory");
	json_decref(answer);
	free(said);
	return state;
}
