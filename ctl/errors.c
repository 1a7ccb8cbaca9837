// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/errors.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/output.h"
#include "varlink/interfaces.h"
#include "varlink/message.h"

static bool say_no_such_interface(FILE *err, json_t *parameters)
{
	const char *interface = json_string_value(json_object_get(parameters, "interface"));

	if (!interface)
		return false;
	fputs("fancapctl: fancapd does not capture from '", err);
	text_print(err, interface);
	fputs("'; see fancapctl status\n", err);
	return true;
}

static bool say_no_such_worker(FILE *err, json_t *parameters)
{
	const char *interface = json_string_value(json_object_get(parameters, "interface"));
	json_t *worker = json_object_get(parameters, "worker");

	if (!interface || !json_is_integer(worker))
		return false;
	fputs("fancapctl: '", err);
	text_print(err, interface);
	fprintf(err, "' has no worker %lld; see fancapctl workers\n", (long long)json_integer_value(worker));
	return true;
}

static bool say_no_such_segment(FILE *err, json_t *parameters)
{
	const char *path = json_string_value(json_object_get(parameters, "path"));

	if (!path)
		return false;
	fputs("fancapctl: ", err);
	text_print(err, path);
	fputs(": no recording of this fancapd, nothing has changed; see fancapctl segments\n", err);
	return true;
}

static bool say_invalid_filter(FILE *err, json_t *parameters)
{
	const char *filter = json_string_value(json_object_get(parameters, "filter"));
	const char *reason = json_string_value(json_object_get(parameters, "reason"));

	if (!filter || !reason)
		return false;
	fputs("fancapctl: the filter '", err);
	text_print(err, filter);
	fputs("' is wrong, nothing has changed: ", err);
	text_print(err, reason);
	fputc('\n', err);
	return true;
}

/* This fancapctl calls nothing that the fancapd it came with does not know. */
static bool say_too_old(FILE *err, json_t *parameters)
{
	const char *method = json_string_value(json_object_get(parameters, "method"));

	if (!method)
		return false;
	fputs("fancapctl: fancapd is too old for this: it does not know ", err);
	text_print(err, method);
	fputs("; see fancapctl version\n", err);
	return true;
}

static bool say_unavailable(FILE *err, json_t *parameters)
{
	const char *reason = json_string_value(json_object_get(parameters, "reason"));

	if (!reason)
		return false;
	fputs("fancapctl: fancapd cannot do this now: ", err);
	text_print(err, reason);
	fputc('\n', err);
	return true;
}

static bool say_too_many_clients(FILE *err, json_t *parameters)
{
	json_t *limit = json_object_get(parameters, "limit");

	if (!json_is_integer(limit))
		return false;
	fprintf(err, "fancapctl: fancapd serves no more than %lld clients at once; try again later\n",
		(long long)json_integer_value(limit));
	return true;
}

static bool say_denied(FILE *err, json_t *parameters)
{
	const char *method = json_string_value(json_object_get(parameters, "method"));
	const char *needs = json_string_value(json_object_get(parameters, "needs"));

	if (!method || !needs)
		return false;
	fputs("fancapctl: permission denied: ", err);
	text_print(err, method);
	fputs(" is for root and members of group ", err);
	text_print(err, needs);
	fputc('\n', err);
	return true;
}

static bool say_invalid_configuration(FILE *err, json_t *parameters)
{
	json_t *errors = json_object_get(parameters, "errors"), *line;
	size_t i;

	if (!json_array_size(errors))
		return false;
	fputs("fancapctl: the new configuration is wrong, nothing has changed:\n", err);
	json_array_foreach(errors, i, line) {
		text_print(err, json_is_string(line) ? json_string_value(line) : "?");
		fputc('\n', err);
	}
	return true;
}

static bool say_needs_restart(FILE *err, json_t *parameters)
{
	const char *reason = json_string_value(json_object_get(parameters, "reason"));

	if (!reason)
		return false;
	fputs("fancapctl: the new configuration cannot be reloaded, nothing has changed: ", err);
	text_print(err, reason);
	fputc('\n', err);
	return true;
}

static bool say_timeout(FILE *err, json_t *parameters)
{
	json_t *workers = json_object_get(parameters, "workers");

	if (!json_is_integer(workers))
		return false;
	fprintf(err, "fancapctl: workers that have not done it yet: %lld; see fancapctl workers\n",
		(long long)json_integer_value(workers));
	return true;
}

/** An error of a name that people need not know. */
struct known_error {
	const char *name;
	bool (*say)(FILE *err, json_t *parameters); ///< @return false: the parameters are not as they should be
	enum ctl_exit exit;
};

static const struct known_error known_errors[] = {
	{ FANCAP_ERROR_NO_SUCH_INTERFACE, say_no_such_interface, CTL_FAILED },
	{ FANCAP_ERROR_NO_SUCH_WORKER, say_no_such_worker, CTL_FAILED },
	{ FANCAP_ERROR_NO_SUCH_SEGMENT, say_no_such_segment, CTL_FAILED },
	{ FANCAP_ERROR_INVALID_FILTER, say_invalid_filter, CTL_FAILED },
	{ FANCAP_ERROR_TOO_MANY_CLIENTS, say_too_many_clients, CTL_FAILED },
	{ FANCAP_ERROR_UNAVAILABLE, say_unavailable, CTL_FAILED },
	{ VARLINK_ERROR_INTERFACE_NOT_FOUND, NULL, CTL_TOO_OLD },
	{ VARLINK_ERROR_METHOD_NOT_FOUND, say_too_old, CTL_TOO_OLD },
	{ VARLINK_ERROR_METHOD_NOT_IMPLEMENTED, say_too_old, CTL_TOO_OLD },
	{ FANCAP_ERROR_PERMISSION_DENIED, say_denied, CTL_DENIED },
	{ FANCAP_ERROR_INVALID_CONFIGURATION, say_invalid_configuration, CTL_FAILED },
	{ FANCAP_ERROR_NEEDS_RESTART, say_needs_restart, CTL_FAILED },
	{ FANCAP_ERROR_TIMEOUT, say_timeout, CTL_TIMEOUT },
	{ VARLINK_ERROR_PERMISSION_DENIED, NULL, CTL_DENIED },
};

static const struct known_error *known_error_find(const char *name)
{
	for (size_t i = 0; i < sizeof(known_errors) / sizeof(*known_errors); i++)
		if (!strcmp(known_errors[i].name, name))
			return &known_errors[i];
	return NULL;
}

/* If not in words, as JSON in ASCII, so that nothing in it can control the terminal. */
enum ctl_exit error_say(FILE *err, const char *name, json_t *parameters)
{
	const struct known_error *known = known_error_find(name);
	char *text;

	if (known && known->say && known->say(err, parameters))
		return known->exit;
	text = json_dumps(parameters, JSON_ENSURE_ASCII);
	fprintf(err, "fancapctl: fancapd answers: %s %s\n", name, text ? text : "");
	free(text);
	return known ? known->exit : CTL_FAILED;
}
