// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/top/feeds.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "ctl/client.h"
#include "varlink/interfaces.h"
#include "varlink/message.h"

#define RETRY_MS 1000
#define RETRY_HOST_MS 10000 /* a machine that is logged in to in vain too often may shut its door */
#define STATUS_MS 5000
#define STATUS_HOST_MS 60000 /* each time a connection over ssh */
#define CONNECT_MS 1000
#define EVENTS_BACKLOG 100
#define NEVER INT64_MAX

struct feed {
	struct client *client; ///< NULL: not asked
	int64_t due_ms;	       ///< when to ask, CLOCK_MONOTONIC
};

struct feeds {
	struct ctl ctl; ///< as the caller's, but that what is said goes to `said`
	char *said;
	size_t said_length;
	const char *interface;
	bool plain;	    ///< the daemon knows no interval_ms: it is asked again and again
	bool answered;	    ///< since the statistics were asked for
	int64_t heard_ms;   ///< when statistics last came
	int64_t patience_ms; ///< so long after they were due
	unsigned interval_ms;
	struct feed feeds[FEEDS];
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void said_clear(struct feeds *feeds)
{
	rewind(feeds->ctl.err);
	fputc('\0', feeds->ctl.err);
	fflush(feeds->ctl.err);
	rewind(feeds->ctl.err);
}

static int retry_ms(const struct feeds *feeds)
{
	return feeds->ctl.host ? RETRY_HOST_MS : RETRY_MS;
}

struct feeds *feeds_new(const struct ctl *ctl, const char *interface)
{
	struct feeds *feeds = calloc(1, sizeof(*feeds));

	if (!feeds)
		return NULL;
	feeds->ctl = *ctl;
	feeds->patience_ms = ctl->timeout_ms;
	if (feeds->ctl.timeout_ms > CONNECT_MS)
		feeds->ctl.timeout_ms = CONNECT_MS;
	feeds->interface = interface;
	feeds->feeds[FEEDS_EVENTS].due_ms = NEVER;
	feeds->ctl.err = open_memstream(&feeds->said, &feeds->said_length);
	if (!feeds->ctl.err) {
		free(feeds);
		return NULL;
	}
	said_clear(feeds);
	return feeds;
}

static void feed_close(struct feed *feed, int64_t due_ms)
{
	client_close(feed->client);
	*feed = (struct feed){.client = NULL, .due_ms = due_ms};
}

void feeds_free(struct feeds *feeds)
{
	if (!feeds)
		return;
	for (int i = 0; i < FEEDS; i++)
		feed_close(&feeds->feeds[i], NEVER);
	fclose(feeds->ctl.err);
	free(feeds->said);
	free(feeds);
}

void feeds_set_interval(struct feeds *feeds)
{
	feed_close(&feeds->feeds[FEEDS_STATISTICS], now_ms());
}

/* --- trouble ---------------------------------------------------------------------------------------------- */

/* The line that was said, without the program's name: whose words these are is plain. */
static void trouble_take(struct feeds *feeds, char *text, size_t size)
{
	static const char program[] = "fancapctl: ";
	const char *said;

	fflush(feeds->ctl.err);
	said = feeds->said;
	if (strncmp(said, program, sizeof(program) - 1) == 0)
		said += sizeof(program) - 1;
	(void)snprintf(text, size, "%.*s", (int)strcspn(said, "\n"), said);
	said_clear(feeds);
}

/* No statistics, no view: what is shown stays, with why. */
static void statistics_fail(struct feeds *feeds, struct view *view, enum ctl_exit result)
{
	int64_t now = now_ms();

	trouble_take(feeds, view->trouble, sizeof(view->trouble));
	if (result == CTL_NOT_RUNNING)
		(void)snprintf(view->trouble, sizeof(view->trouble), "fancapd is not running: waiting for it");
	feed_close(&feeds->feeds[FEEDS_STATISTICS], now + retry_ms(feeds));
	feed_close(&feeds->feeds[FEEDS_STATUS], now + retry_ms(feeds));
	if (feeds->feeds[FEEDS_EVENTS].client)
		feed_close(&feeds->feeds[FEEDS_EVENTS], now + retry_ms(feeds));
	/* A daemon of before takes no interval_ms; and one that came anew may. */
	feeds->plain = result == CTL_FAILED && !feeds->answered && !feeds->plain;
	if (feeds->plain)
		feeds->feeds[FEEDS_STATISTICS].due_ms = now;
}

/* --- asking ----------------------------------------------------------------------------------------------- */

static json_t *statistics_parameters(const struct feeds *feeds)
{
	json_t *parameters = json_object();

	if (feeds->interface)
		(void)json_object_set_new(parameters, "interface", varlink_text(feeds->interface));
	if (!feeds->plain)
		(void)json_object_set_new(parameters, "interval_ms", json_integer(feeds->interval_ms));
	return parameters;
}

static enum ctl_exit feed_open(struct feeds *feeds, enum feeds_kind kind)
{
	static const char *const methods[FEEDS] = {
		[FEEDS_STATISTICS] = FANCAP_INTERFACE ".GetStatistics",
		[FEEDS_STATUS] = FANCAP_INTERFACE ".GetStatus",
		[FEEDS_EVENTS] = FANCAP_INTERFACE ".Events",
	};
	json_t *parameters = kind == FEEDS_STATISTICS ? statistics_parameters(feeds) :
			     kind == FEEDS_EVENTS     ? json_pack("{s:i}", "backlog", EVENTS_BACKLOG) : NULL;
	enum ctl_exit result = client_open(&feeds->ctl, methods[kind], parameters, &feeds->feeds[kind].client);

	json_decref(parameters);
	feeds->feeds[kind].due_ms = NEVER;
	return result;
}

/* --- answers ---------------------------------------------------------------------------------------------- */

static enum ctl_exit statistics_take(struct feeds *feeds, struct view *view, json_t *answer)
{
	struct sample sample;
	const char *missing = "";

	if (sample_read(answer, &sample, &missing) < 0) {
		fprintf(feeds->ctl.err, "fancapctl: fancapd's answer has no valid \"%s\"\n", missing);
		return CTL_FAILED;
	}
	if (view->trouble[0] && feeds->feeds[FEEDS_EVENTS].due_ms == NEVER && view->n_events)
		feeds->feeds[FEEDS_EVENTS].due_ms = 0;
	view->trouble[0] = '\0';
	feeds->answered = true;
	feeds->heard_ms = now_ms();
	view_sample(view, &sample);
	return CTL_OK;
}

static enum ctl_exit status_take(struct feeds *feeds, struct view *view, json_t *answer)
{
	struct disk disk;
	const char *missing = "";

	(void)feeds;
	/* What is not understood is not shown; the statistics say what is wrong with the daemon. */
	if (disk_read(answer, &disk, &missing) == 0)
		view_disk(view, &disk);
	return CTL_OK;
}

static enum ctl_exit events_take(struct feeds *feeds, struct view *view, json_t *answer)
{
	(void)feeds;
	view_event(view, answer);
	return CTL_OK;
}

static enum ctl_exit (*const takers[FEEDS])(struct feeds *feeds, struct view *view, json_t *answer) = {
	[FEEDS_STATISTICS] = statistics_take,
	[FEEDS_STATUS] = status_take,
	[FEEDS_EVENTS] = events_take,
};

/* All that has come. @param ret_over set if that was all that will come */
static enum ctl_exit feed_take(struct feeds *feeds, enum feeds_kind kind, struct view *view, bool *ret_over)
{
	struct feed *feed = &feeds->feeds[kind];
	bool continues = true;

	while (continues) {
		json_t *answer = NULL;
		enum ctl_exit result = client_next(feed->client, 0, &answer, &continues);

		if (result || !answer)
			return result;
		result = takers[kind](feeds, view, answer);
		json_decref(answer);
		if (result)
			return result;
	}
	*ret_over = true;
	return CTL_OK;
}

/* --- all of them ------------------------------------------------------------------------------------------ */

static void statistics_pump(struct feeds *feeds, struct view *view)
{
	struct feed *feed = &feeds->feeds[FEEDS_STATISTICS];
	enum ctl_exit result = CTL_OK;
	bool over = false;

	if (!feed->client && now_ms() >= feed->due_ms) {
		feeds->answered = false;
		feeds->interval_ms = view_interval_ms(view);
		feeds->heard_ms = now_ms();
		result = feed_open(feeds, FEEDS_STATISTICS);
	}
	if (!result && feed->client)
		result = feed_take(feeds, FEEDS_STATISTICS, view, &over);
	if (result)
		statistics_fail(feeds, view, result);
	else if (over)
		feed_close(feed, now_ms() + feeds->interval_ms);
	else if (feed->client && now_ms() - feeds->heard_ms > feeds->interval_ms + feeds->patience_ms)
		(void)snprintf(view->trouble, sizeof(view->trouble), "fancapd does not answer: waiting for it");
}

/* Of these, failing means no more than that they are not there; they are asked only while statistics come. */
static void other_pump(struct feeds *feeds, struct view *view, enum feeds_kind kind, int again_ms)
{
	struct feed *feed = &feeds->feeds[kind];
	enum ctl_exit result = CTL_OK;
	bool over = false;

	/* Another machine is logged in to once, until it is known to answer. */
	if (!feed->client && now_ms() >= feed->due_ms &&
	    (view->trouble[0] || (feeds->ctl.host && !feeds->answered))) {
		feed->due_ms = now_ms() + RETRY_MS;
	} else if (!feed->client && now_ms() >= feed->due_ms) {
		result = feed_open(feeds, kind);
		if (kind == FEEDS_EVENTS)
			view->n_events = 0;
	}
	if (!result && feed->client)
		result = feed_take(feeds, kind, view, &over);
	if (result || over)
		feed_close(feed, now_ms() + again_ms);
	if (kind == FEEDS_EVENTS && result == CTL_TOO_OLD) {
		view->events_trouble = "this fancapd does not tell events: it is older than fancapctl";
		feed->due_ms = NEVER;
	}
	said_clear(feeds);
}

void feeds_pump(struct feeds *feeds, struct view *view)
{
	struct feed *events = &feeds->feeds[FEEDS_EVENTS];

	if (view->page == VIEW_EVENTS && !events->client && events->due_ms == NEVER && !view->events_trouble)
		events->due_ms = 0;
	statistics_pump(feeds, view);
	other_pump(feeds, view, FEEDS_STATUS, feeds->ctl.host ? STATUS_HOST_MS : STATUS_MS);
	other_pump(feeds, view, FEEDS_EVENTS, retry_ms(feeds));
}

unsigned feeds_poll(const struct feeds *feeds, struct pollfd ret[FEEDS])
{
	unsigned n = 0;

	for (int i = 0; i < FEEDS; i++)
		if (feeds->feeds[i].client)
			ret[n++] = (struct pollfd){.fd = client_fd(feeds->feeds[i].client), .events = POLLIN};
	return n;
}

int feeds_due_ms(const struct feeds *feeds)
{
	int64_t now = now_ms(), due = now + RETRY_MS;

	for (int i = 0; i < FEEDS; i++)
		if (!feeds->feeds[i].client && feeds->feeds[i].due_ms < due)
			due = feeds->feeds[i].due_ms;
	return due > now ? (int)(due - now) : 0;
}
