// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/methods_private.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "varlink/interfaces.h"

static json_t *lines_pack(const char *text)
{
	json_t *array = json_array();

	for (size_t n; *text; text += n + (text[n] == '\n')) {
		char *line;

		n = strcspn(text, "\n");
		line = strndup(text, n);
		(void)json_array_append_new(array, line ? varlink_text(line) : NULL);
		free(line);
	}
	return array;
}

static void report_pack(const struct reload_report *report, struct method_reply *ret_reply)
{
	const char *reasons = report->reasons ? report->reasons : "out of memory";

	switch (report->result) {
	case RELOAD_DONE:
		ret_reply->parameters = json_object();
		break;
	case RELOAD_INVALID:
		method_error(ret_reply, FANCAP_ERROR_INVALID_CONFIGURATION, "errors", lines_pack(reasons));
		break;
	case RELOAD_NEEDS_RESTART:
		method_error(ret_reply, FANCAP_ERROR_NEEDS_RESTART, "reason", varlink_text(reasons));
		break;
	case RELOAD_UNAVAILABLE:
		method_unavailable(ret_reply, reasons);
		break;
	}
}

static void on_reloaded(struct control_job *job, const struct control_outcome *outcome)
{
	struct method_wait *wait = (struct method_wait *)job; /* its first member */
	struct method_reply reply = { 0 };

	report_pack(outcome->reload, &reply);
	(void)wait->answer(wait, &reply);
}

bool methods_reload(const struct control_source *source, json_t *parameters, struct method_wait *wait,
		    struct method_reply *ret_reply)
{
	struct reload_report report;

	(void)parameters;
	wait->job.over = on_reloaded;
	if (!source->reload(source->arg, &wait->job, &report))
		return false;
	report_pack(&report, ret_reply);
	reload_report_done(&report);
	return true;
}

static void on_rotated(struct control_job *job, const struct control_outcome *outcome)
{
	struct method_wait *wait = (struct method_wait *)job; /* its first member */
	struct method_reply reply = { 0 };
	json_t *workers = json_integer(outcome->workers);

	if (outcome->in_time)
		reply.parameters = json_pack("{s:o}", "workers", workers);
	else
		method_error(&reply, FANCAP_ERROR_TIMEOUT, "workers", workers);
	(void)wait->answer(wait, &reply);
}

/* What all that act on an interface may find. @param err what else is wrong */
static void reply_failed(struct method_reply *reply, int r, const char *interface, const struct fancap_error *err)
{
	if (r == -ENODEV)
		method_error(reply, FANCAP_ERROR_NO_SUCH_INTERFACE, "interface", json_string(interface));
	else if (r == -EAGAIN)
		method_unavailable(reply, "fancapd is starting or stopping");
	else
		method_unavailable(reply, err && r != -ENOMEM ? err->text : strerror(-r));
}

bool methods_rotate(const struct control_source *source, json_t *parameters, struct method_wait *wait,
		    struct method_reply *ret_reply)
{
	const char *name = json_string_value(json_object_get(parameters, "interface"));
	int r;

	wait->job.over = on_rotated;
	r = source->rotate(source->arg, name, &wait->job);
	if (r < 0)
		reply_failed(ret_reply, r, name, NULL);
	return r < 0;
}

/* --- one worker ---------------------------------------------------------------------------------- */

static void on_restarted(struct control_job *job, const struct control_outcome *outcome)
{
	struct method_wait *wait = (struct method_wait *)job; /* its first member */
	struct method_reply reply = { 0 };

	if (outcome->in_time)
		reply.parameters = json_pack("{s:I}", "pid", (json_int_t)outcome->pid);
	else
		method_error(&reply, FANCAP_ERROR_TIMEOUT, "workers", json_integer(outcome->workers));
	(void)wait->answer(wait, &reply);
}

bool methods_restart_worker(const struct control_source *source, json_t *parameters, struct method_wait *wait,
			    struct method_reply *ret_reply)
{
	const char *name = json_string_value(json_object_get(parameters, "interface"));
	json_int_t worker = json_integer_value(json_object_get(parameters, "worker"));
	int r;

	wait->job.over = on_restarted;
	/* What no unsigned is is no worker either. */
	r = source->restart_worker(source->arg, name, worker < 0 || worker > UINT_MAX ? UINT_MAX : (unsigned)worker,
				   &wait->job);
	if (r == -ESRCH)
		*ret_reply = (struct method_reply){ .error = FANCAP_ERROR_NO_SUCH_WORKER,
						    .parameters = json_pack("{s:s, s:I}", "interface", name, "worker",
									    worker) };
	else if (r == -EAGAIN)
		method_unavailable(ret_reply, "fancapd is starting or stopping, or the worker waits for its interface");
	else if (r < 0)
		reply_failed(ret_reply, r, name, NULL);
	return r < 0;
}

/* --- what is let in ------------------------------------------------------------------------------ */

static void set_paused(const struct control_source *source, json_t *parameters, bool pause,
		       struct method_reply *ret_reply)
{
	const char *name = json_string_value(json_object_get(parameters, "interface"));
	struct fancap_error err = { "" };
	unsigned changed = 0;
	int r = source->pause(source->arg, name, pause, &changed, &err);

	if (r < 0)
		reply_failed(ret_reply, r, name, &err);
	else
		ret_reply->parameters = json_pack("{s:I}", "interfaces", (json_int_t)changed);
}

void methods_pause(const struct control_source *source, json_t *parameters, struct method_reply *ret_reply)
{
	set_paused(source, parameters, true, ret_reply);
}

void methods_resume(const struct control_source *source, json_t *parameters, struct method_reply *ret_reply)
{
	set_paused(source, parameters, false, ret_reply);
}

void methods_set_filter(const struct control_source *source, json_t *parameters, struct method_reply *ret_reply)
{
	const char *name = json_string_value(json_object_get(parameters, "interface"));
	const char *filter = json_string_value(json_object_get(parameters, "filter")), *in_force = "";
	bool configured = json_is_true(json_object_get(parameters, "configured"));
	struct fancap_error err = { "" };
	int r;

	if (configured && filter) {
		method_error(ret_reply, VARLINK_ERROR_INVALID_PARAMETER, "parameter", json_string("filter"));
		return;
	}
	r = source->set_filter(source->arg, name, filter, configured, &in_force, &err);
	if (r == -EINVAL)
		*ret_reply = (struct method_reply){ .error = FANCAP_ERROR_INVALID_FILTER,
						    .parameters = json_pack("{s:s, s:o}", "filter", filter ? filter : "",
									    "reason", varlink_text(err.text)) };
	else if (r < 0)
		reply_failed(ret_reply, r, name, &err);
	else
		ret_reply->parameters = json_pack("{s:o}", "filter", in_force[0] ? varlink_text(in_force) : json_null());
}

/* --- the log ------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int level;
} levels[] = {
	{ "error", LOG_ERR },
	{ "warning", LOG_WARNING },
	{ "info", LOG_INFO },
	{ "debug", LOG_DEBUG },
};

const char *method_log_level_name(int level)
{
	size_t i = ARRAY_SIZE(levels) - 1;

	while (i > 0 && levels[i].level > level)
		i--;
	return levels[i].name;
}

void methods_set_log_level(const struct control_source *source, json_t *parameters, struct method_reply *ret_reply)
{
	const char *name = json_string_value(json_object_get(parameters, "level"));
	size_t i = 0;
	int before;

	while (i < ARRAY_SIZE(levels) && strcmp(levels[i].name, name))
		i++;
	if (i == ARRAY_SIZE(levels)) {
		method_error(ret_reply, VARLINK_ERROR_INVALID_PARAMETER, "parameter", json_string("level"));
		return;
	}
	before = source->set_log_level(source->arg, levels[i].level);
	ret_reply->parameters = json_pack("{s:s}", "previous", method_log_level_name(before));
}
