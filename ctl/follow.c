// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/follow.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "ctl/call.h"
#include "ctl/client.h"
#include "ctl/output.h"
#include "ctl/report.h"
#include "varlink/message.h"

#define BACKLOG_MAX 256
#define BACKLOG_DEFAULT 10

const struct option_row events_options[] = {
	{ "backlog", 'n', "N", "begin with the last N that fancapd remembers, up to 256; default: 10", WORD_ANY },
	{ NULL },
};

_Static_assert(BACKLOG_MAX == 256 && BACKLOG_DEFAULT == 10, "say so in the help");

/* Print one of many; answer is taken over. Who reads it is to see it at once; nobody reading any more ends it. */
static enum ctl_exit print_one(const struct ctl *ctl, json_t *answer, report_fn *report)
{
	enum ctl_exit result;

	if (ctl->json)
		result = json_print_line(ctl, answer);
	else
		result = print_answer(ctl, answer, report);
	if (!result && fflush(ctl->out) != 0) {
		fprintf(ctl->err, "fancapctl: cannot write: %s\n", strerror(errno));
		result = CTL_FAILED;
	}
	return result;
}

/* --- events ---------------------------------------------------------------------------------------------- */

/** Where in the stream of events we are. */
struct follower {
	json_int_t number; ///< of the last event; 0: none yet
};

static bool is_wanted(const struct ctl *ctl, json_t *event)
{
	const char *interface = json_string_value(json_object_get(event, "interface"));

	return !ctl->interface || (interface && !strcmp(interface, ctl->interface));
}

static enum ctl_exit take_event(const struct ctl *ctl, json_t *event, void *arg)
{
	json_t *number = json_object_get(event, "number");
	struct follower *follower = arg;
	json_int_t missed;

	if (!json_is_integer(number)) {
		json_decref(event);
		return wrong_answer(ctl, "number");
	}
	missed = follower->number ? json_integer_value(number) - follower->number - 1 : 0;
	follower->number = json_integer_value(number);
	if (missed > 0)
		fprintf(ctl->err, "fancapctl: events that came too fast and were missed: %lld\n", (long long)missed);
	if (!is_wanted(ctl, event)) {
		json_decref(event);
		return CTL_OK;
	}
	return print_one(ctl, event, report_event);
}

/* Events may be rare: whether there is a daemon that answers has to be known before. */
static enum ctl_exit check_alive(const struct ctl *ctl)
{
	json_t *answer;
	enum ctl_exit result = call(ctl, "org.varlink.service.GetInfo", NULL, &answer);

	if (!result)
		json_decref(answer);
	return result;
}

enum ctl_exit run_events(const struct ctl *ctl, const struct arguments *arguments)
{
	struct follower follower = { 0 };
	long long backlog = BACKLOG_DEFAULT;
	enum ctl_exit result = arguments_number(ctl, arguments, "backlog", 0, BACKLOG_MAX, &backlog);
	json_t *parameters;

	if (!result)
		result = check_alive(ctl);
	if (result)
		return result;
	parameters = json_pack("{s:I}", "backlog", (json_int_t)backlog);
	result = client_follow(ctl, FANCAP_INTERFACE ".Events", parameters, FOREVER, FOREVER, take_event, &follower);
	json_decref(parameters);
	return result;
}

/* --- statistics --watch ------------------------------------------------------------------------------------ */

static enum ctl_exit take_statistics(const struct ctl *ctl, json_t *statistics, void *arg)
{
	bool *first = arg;

	if (!*first && !ctl->json)
		fputc('\n', ctl->out);
	*first = false;
	return print_one(ctl, statistics, report_statistics);
}

enum ctl_exit watch_statistics(const struct ctl *ctl, const struct arguments *arguments, unsigned interval_ms)
{
	json_t *parameters = json_pack("{s:i}", "interval_ms", (int)interval_ms);
	const char *interface = arguments_word(arguments, 0);
	int gap_ms = (int)(interval_ms + ctl->timeout_ms);
	enum ctl_exit result;
	bool first = true;

	if (interface)
		(void)json_object_set_new(parameters, "interface", varlink_text(interface));
	result = client_follow(ctl, FANCAP_INTERFACE ".GetStatistics", parameters, (int)ctl->timeout_ms, gap_ms,
			       take_statistics, &first);
	json_decref(parameters);
	return result;
}
