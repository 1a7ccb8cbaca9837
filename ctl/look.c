// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/look.h"

#include <string.h>

#include "ctl/call.h"
#include "ctl/client.h"
#include "ctl/errors.h"
#include "ctl/follow.h"
#include "ctl/options.h"
#include "ctl/output.h"
#include "ctl/report.h"
#include "varlink/message.h"

#define WATCH_MIN_S 0.1
#define WATCH_MAX_S 3600.0

enum ctl_exit run_status(const struct ctl *ctl, const struct arguments *arguments)
{
	json_t *status;
	enum ctl_exit result = call(ctl, FANCAP_INTERFACE ".GetStatus", NULL, &status);

	(void)arguments;
	return result ? result : print_answer(ctl, status, report_status);
}

static enum ctl_exit get_statistics(const struct ctl *ctl, const struct arguments *arguments, json_t **ret_statistics)
{
	return call_for(ctl, FANCAP_INTERFACE ".GetStatistics", arguments_word(arguments, 0), ret_statistics);
}

const struct option_row statistics_options[] = {
	{ "watch", 'w', "SECONDS", "again and again, every so many seconds", WORD_ANY },
	{ NULL },
};

enum ctl_exit run_statistics(const struct ctl *ctl, const struct arguments *arguments)
{
	const char *watch = arguments_option(arguments, "watch");
	json_t *statistics;
	enum ctl_exit result;
	double seconds;

	if (watch) {
		if (!seconds_parse(watch, WATCH_MIN_S, WATCH_MAX_S, &seconds))
			return wrong_usage(ctl, arguments->command, "--watch '%s' is no number of seconds from %g to %g", watch,
					   WATCH_MIN_S, WATCH_MAX_S);
		return watch_statistics(ctl, arguments, (unsigned)(seconds * 1000 + 0.5));
	}
	result = get_statistics(ctl, arguments, &statistics);
	return result ? result : print_answer(ctl, statistics, report_statistics);
}

/* --- workers ---------------------------------------------------------------------------------------- */

enum ctl_exit run_workers(const struct ctl *ctl, const struct arguments *arguments)
{
	json_t *answer;
	enum ctl_exit result = call_for(ctl, FANCAP_INTERFACE ".ListWorkers", arguments_word(arguments, 0), &answer);

	return result ? result : print_answer(ctl, answer, report_workers);
}

/* --- interfaces ------------------------------------------------------------------------------------- */

enum ctl_exit get_interface(const struct ctl *ctl, const char *name, json_t **ret_interface)
{
	json_t *answer, *array, *interface;
	enum ctl_exit result = call(ctl, FANCAP_INTERFACE ".ListInterfaces", NULL, &answer);
	size_t i;

	if (result)
		return result;
	array = json_object_get(answer, "interfaces");
	result = json_is_array(array) ? CTL_FAILED : wrong_answer(ctl, "interfaces");
	json_array_foreach(array, i, interface) {
		const char *known = json_string_value(json_object_get(interface, "interface"));

		if (known && !strcmp(known, name)) {
			*ret_interface = json_incref(interface);
			result = CTL_OK;
		}
	}
	if (result && json_is_array(array)) {
		json_t *parameters = json_pack("{s:o}", "interface", varlink_text(name));

		result = error_say(ctl->err, FANCAP_ERROR_NO_SUCH_INTERFACE, parameters);
		json_decref(parameters);
	}
	json_decref(answer);
	return result;
}

enum ctl_exit run_interfaces(const struct ctl *ctl, const struct arguments *arguments)
{
	const char *name = arguments_word(arguments, 0);
	json_t *answer, *interface;
	enum ctl_exit result;

	if (name) {
		result = get_interface(ctl, name, &interface);
		answer = result ? NULL : json_pack("{s:[o]}", "interfaces", interface);
	} else {
		result = call(ctl, FANCAP_INTERFACE ".ListInterfaces", NULL, &answer);
	}
	return result ? result : print_answer(ctl, answer, report_interfaces);
}

/* --- configuration ------------------------------------------------------------------------------------ */

enum ctl_exit run_config(const struct ctl *ctl, const struct arguments *arguments)
{
	json_t *answer;
	enum ctl_exit result = call(ctl, FANCAP_INTERFACE ".GetConfiguration", NULL, &answer);

	(void)arguments;
	return result ? result : print_answer(ctl, answer, report_configuration);
}

/* --- version ---------------------------------------------------------------------------------------- */

/* {fancapctl: {version, features}, fancapd: {version, state, pid} or null}; status is borrowed, may be NULL. */
static enum ctl_exit print_version_json(const struct ctl *ctl, json_t *status)
{
	json_t *daemon = status ? json_pack("{s:O?, s:O?, s:O?}",
					    "version", json_object_get(status, "version"),
					    "state", json_object_get(status, "state"),
					    "pid", json_object_get(status, "pid")) :
				  json_null();

	return json_print(ctl, json_pack("{s:{s:s, s:s}, s:o}", "fancapctl", "version", PACKAGE_VERSION,
					 "features", FANCAP_FEATURES, "fancapd", daemon));
}

static enum ctl_exit print_version_text(const struct ctl *ctl, json_t *status)
{
	const char *version = json_string_value(json_object_get(status, "version"));

	if (status && !version)
		return wrong_answer(ctl, "version");
	fprintf(ctl->out, "fancapctl %s\nfancapd ", PACKAGE_VERSION);
	text_print(ctl->out, status ? version : "is not running");
	fputc('\n', ctl->out);
	return CTL_OK;
}

/* That the daemon is not running is an answer here. */
enum ctl_exit run_version(const struct ctl *ctl, const struct arguments *arguments)
{
	json_t *status = NULL;
	enum ctl_exit result = client_call(ctl, FANCAP_INTERFACE ".GetStatus", NULL, &status);

	(void)arguments;
	if (result && result != CTL_NOT_RUNNING)
		return result;
	result = ctl->json ? print_version_json(ctl, status) : print_version_text(ctl, status);
	json_decref(status);
	return result;
}
