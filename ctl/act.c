// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/act.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/call.h"
#include "ctl/look.h"
#include "ctl/report.h"
#include "varlink/message.h"

#define WORKER_MAX 255

/* Call a method with parameters, which are taken over, and print what it answers. */
static enum ctl_exit act(const struct ctl *ctl, const char *method, json_t *parameters, report_fn *report)
{
	json_t *answer;
	enum ctl_exit result = call(ctl, method, parameters, &answer);

	json_decref(parameters);
	return result ? result : print_answer(ctl, answer, report);
}

/* The same, of one interface if it is named. */
static enum ctl_exit act_for(const struct ctl *ctl, const char *method, const struct arguments *arguments, report_fn *report)
{
	const char *interface = arguments_word(arguments, 0);
	json_t *parameters = json_object();

	if (interface)
		(void)json_object_set_new(parameters, "interface", varlink_text(interface));
	return act(ctl, method, parameters, report);
}

enum ctl_exit run_rotate(const struct ctl *ctl, const struct arguments *arguments)
{
	return act_for(ctl, FANCAP_INTERFACE ".Rotate", arguments, report_rotation);
}

enum ctl_exit run_pause(const struct ctl *ctl, const struct arguments *arguments)
{
	return act_for(ctl, FANCAP_INTERFACE ".Pause", arguments, report_paused);
}

enum ctl_exit run_resume(const struct ctl *ctl, const struct arguments *arguments)
{
	return act_for(ctl, FANCAP_INTERFACE ".Resume", arguments, report_resumed);
}

enum ctl_exit run_reload(const struct ctl *ctl, const struct arguments *arguments)
{
	(void)arguments;
	return act(ctl, FANCAP_INTERFACE ".Reload", NULL, report_reload);
}

enum ctl_exit run_restart_worker(const struct ctl *ctl, const struct arguments *arguments)
{
	const char *number = arguments_word(arguments, 1);
	json_t *parameters;
	long worker;
	char *end;

	errno = 0;
	worker = strtol(number, &end, 10);
	if (end == number || *end || errno || worker < 0 || worker > WORKER_MAX)
		return wrong_usage(ctl, arguments->command, "'%s' is no worker: they are numbered from 0", number);
	parameters = json_pack("{s:o, s:i}", "interface", varlink_text(arguments_word(arguments, 0)), "worker", (int)worker);
	return act(ctl, FANCAP_INTERFACE ".RestartWorker", parameters, report_restart);
}

/* --- filter ---------------------------------------------------------------------------------------------- */

const struct option_row filter_options[] = {
	{ "reset", 0, NULL, "go back to the filter of the configuration", WORD_ANY },
	{ NULL },
};

/* What is in force, and what the configuration says. */
static enum ctl_exit show_filter(const struct ctl *ctl, const char *name)
{
	json_t *interface, *answer;
	enum ctl_exit result = get_interface(ctl, name, &interface);

	if (result)
		return result;
	answer = json_pack("{s:O?, s:O?, s:O?}", "interface", json_object_get(interface, "interface"), "filter",
			   json_object_get(interface, "filter"), "filter_configured",
			   json_object_get(interface, "filter_configured"));
	json_decref(interface);
	return print_answer(ctl, answer, report_filter);
}

/* An expression may be several words, as tcpdump takes it. @return the caller's to free */
static char *join_words(char *const *words)
{
	char *joined = NULL;
	size_t len;
	FILE *out = open_memstream(&joined, &len);

	if (!out)
		return NULL;
	for (; *words; words++)
		fprintf(out, "%s%s", *words, words[1] ? " " : "");
	fclose(out);
	return joined;
}

enum ctl_exit run_filter(const struct ctl *ctl, const struct arguments *arguments)
{
	const char *name = arguments_word(arguments, 0);
	json_t *parameters;
	char *expression;

	if (arguments_option(arguments, "reset")) {
		if (arguments->n > 1)
			return wrong_usage(ctl, arguments->command, "filter takes an expression or --reset");
		parameters = json_pack("{s:o, s:b}", "interface", varlink_text(name), "configured", 1);
		return act(ctl, FANCAP_INTERFACE ".SetFilter", parameters, report_filter);
	}
	if (arguments->n == 1)
		return show_filter(ctl, name);
	expression = join_words(arguments->words + 1);
	parameters = json_pack("{s:o, s:o}", "interface", varlink_text(name), "filter",
			       expression ? varlink_text(expression) : NULL);
	free(expression);
	return act(ctl, FANCAP_INTERFACE ".SetFilter", parameters, report_filter);
}

/* --- log-level -------------------------------------------------------------------------------------------- */

const char *const log_levels[] = { "error", "warning", "info", "debug", NULL };

static enum ctl_exit show_log_level(const struct ctl *ctl)
{
	json_t *status, *answer;
	enum ctl_exit result = call(ctl, FANCAP_INTERFACE ".GetStatus", NULL, &status);

	if (result)
		return result;
	answer = json_pack("{s:O}", "log_level", json_object_get(status, "log_level"));
	json_decref(status);
	return answer ? print_answer(ctl, answer, report_log_level) : wrong_answer(ctl, "log_level");
}

enum ctl_exit run_log_level(const struct ctl *ctl, const struct arguments *arguments)
{
	const char *level = arguments_word(arguments, 0);

	if (!level)
		return show_log_level(ctl);
	for (size_t i = 0; log_levels[i]; i++)
		if (!strcmp(log_levels[i], level))
			return act(ctl, FANCAP_INTERFACE ".SetLogLevel", json_pack("{s:s}", "level", level),
				   report_log_level_set);
	return wrong_usage(ctl, arguments->command, "'%s' is no log level: error, warning, info or debug", level);
}
