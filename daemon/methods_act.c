// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/methods_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

bool methods_rotate(const struct control_source *source, json_t *parameters, struct method_wait *wait,
			 struct method_reply *ret_reply)
{
	const char *name = json_string_value(json_object_get(parameters, "interface"));
	int r;

	wait->job.over = on_rotated;
	r = source->rotate(source->arg, name, &wait->job);
	if (r == -ENODEV)
		method_error(ret_reply, FANCAP_ERROR_NO_SUCH_INTERFACE, "interface", json_string(name));
	else if (r == -EAGAIN)
		method_unavailable(ret_reply, "fancapd is starting or stopping");
	else if (r < 0)
		method_unavailable(ret_reply, strerror(-r));
	return r < 0;
}
