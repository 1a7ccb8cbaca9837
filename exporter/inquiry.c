// SPDX-License-Identifier: BSD-3-Clause
#include "exporter/inquiry.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "varlink/client.h"
#include "varlink/interfaces.h"
#include "varlink/message.h"

#define BUSY_RETRY_US 20000

enum question { QUESTION_STATUS, QUESTION_STATISTICS, QUESTIONS };

static const char *const methods[QUESTIONS] = {
	[QUESTION_STATUS] = FANCAP_INTERFACE ".GetStatus",
	[QUESTION_STATISTICS] = FANCAP_INTERFACE ".GetStatistics",
};

struct waiter {
	struct waiter *next;
	inquiry_done done;
	void *arg;
};

struct inquiry {
	struct event_base *base;
	struct sockaddr_un address;
	struct timeval timeout;
	struct event *begin;	///< connects, or tries again
	struct event *deadline; ///< pending while a question is under way
	/** For the next connection: made when the last one ends, so that no number of HTTP clients takes its place. */
	int fd;
	struct varlink_client client;
	struct event *readable; ///< of the client; NULL: it is not connected
	json_t *replies[QUESTIONS];
	unsigned n_replies; ///< those that were errors included
	struct fancap_error reason;
	struct waiter *waiters;
};

/* --- the end of a question --------------------------------------------------------------------------- */

static void connection_close(struct inquiry *inquiry)
{
	if (inquiry->readable)
		event_free(inquiry->readable);
	inquiry->readable = NULL;
	varlink_client_done(&inquiry->client);
	if (inquiry->fd >= 0)
		close(inquiry->fd);
	inquiry->fd = -1;
}

static void connection_prepare(struct inquiry *inquiry)
{
	connection_close(inquiry);
	inquiry->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static void waiters_tell(struct waiter *waiter, const struct inquiry_answer *answer)
{
	while (waiter) {
		struct waiter *next = waiter->next;

		waiter->done(answer, waiter->arg);
		free(waiter);
		waiter = next;
	}
}

/* Who is told may ask again at once: so this question is put aside first. */
static void inquiry_finish(struct inquiry *inquiry)
{
	struct fancap_error reason = inquiry->reason;
	struct inquiry_answer answer = {
		.status = inquiry->replies[QUESTION_STATUS],
		.statistics = inquiry->replies[QUESTION_STATISTICS],
		.reason = reason.text[0] ? reason.text : NULL,
	};
	struct waiter *waiters = inquiry->waiters;

	event_del(inquiry->begin);
	event_del(inquiry->deadline);
	connection_prepare(inquiry);
	inquiry->waiters = NULL;
	inquiry->reason.text[0] = '\0';
	memset(inquiry->replies, 0, sizeof(inquiry->replies));
	inquiry->n_replies = 0;
	waiters_tell(waiters, &answer);
	json_decref(answer.status);
	json_decref(answer.statistics);
}

/* The first reason is the real one: what comes then follows from it. */
static void inquiry_fail(struct inquiry *inquiry, const char *step, const char *reason)
{
	if (!inquiry->reason.text[0])
		fancap_error_set(&inquiry->reason, "%s: %s: %s", inquiry->address.sun_path, step, reason);
	inquiry_finish(inquiry);
}

/* --- replies ----------------------------------------------------------------------------------------- */

/* Statistics may be refused while fancapd starts: then there is a status all the same. */
static void reply_take(struct inquiry *inquiry, const struct varlink_reply *reply)
{
	const char *why = json_string_value(json_object_get(reply->parameters, "reason"));

	if (!reply->error)
		inquiry->replies[inquiry->n_replies] = json_incref(reply->parameters);
	else if (!inquiry->reason.text[0])
		fancap_error_set(&inquiry->reason, "fancapd answers: %.100s%s%.150s", reply->error, why ? ": " : "",
				 why ? why : "");
	inquiry->n_replies++;
}

static void in_trouble(struct inquiry *inquiry, const struct varlink_problem *problem)
{
	switch (problem->trouble) {
	case VARLINK_ENDED:
		inquiry_fail(inquiry, "no answer", "the connection ended before the answer did");
		break;
	case VARLINK_NO_REPLY:
		inquiry_fail(inquiry, "what answers there does not speak Varlink", varlink_fault_text(problem->fault));
		break;
	default:
		inquiry_fail(inquiry, problem->step ? problem->step : "no answer", strerror(problem->error));
	}
}

/* All that has come so far. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct inquiry *inquiry = arg;
	struct varlink_reply reply;

	(void)fd;
	(void)what;
	while (varlink_client_receive(&inquiry->client, &reply) == VARLINK_NO_TROUBLE) {
		reply_take(inquiry, &reply);
		varlink_reply_done(&reply);
		if (inquiry->n_replies == QUESTIONS) {
			inquiry_finish(inquiry);
			return;
		}
	}
	if (inquiry->client.problem.trouble != VARLINK_TIMED_OUT)
		in_trouble(inquiry, &inquiry->client.problem);
}

/* --- asking ------------------------------------------------------------------------------------------ */

/* The client never waits: the event loop does. Both calls are short, and the socket's buffer is empty. */
static void connection_use(struct inquiry *inquiry)
{
	enum varlink_trouble trouble = varlink_client_adopt(&inquiry->client, inquiry->fd);

	inquiry->fd = -1;
	varlink_client_set_timeout(&inquiry->client, 0);
	for (unsigned i = 0; i < QUESTIONS && !trouble; i++)
		trouble = varlink_client_send(&inquiry->client, methods[i], NULL, false);
	if (trouble) {
		in_trouble(inquiry, &inquiry->client.problem);
		return;
	}
	inquiry->readable = event_new(inquiry->base, inquiry->client.fd, EV_READ | EV_PERSIST, on_readable, inquiry);
	if (!inquiry->readable || event_add(inquiry->readable, NULL) < 0)
		inquiry_fail(inquiry, "cannot ask", strerror(ENOMEM));
}

static void connect_failed(struct inquiry *inquiry, int error)
{
	const struct timeval retry = { .tv_usec = BUSY_RETRY_US };

	switch (error) {
	case EAGAIN: /* fancapd's queue is full; the deadline ends this */
		event_add(inquiry->begin, &retry);
		break;
	case ENOENT:
	case ECONNREFUSED:
		inquiry_fail(inquiry, "fancapd is not running", "nothing listens there");
		break;
	case EACCES:
		inquiry_fail(inquiry, "permission denied", "it is for root and the socket's group");
		break;
	default:
		inquiry_fail(inquiry, "cannot connect", strerror(error));
	}
}

/* A Unix socket connects at once or not at all. */
static void on_begin(evutil_socket_t fd, short what, void *arg)
{
	struct inquiry *inquiry = arg;

	(void)fd;
	(void)what;
	if (inquiry->fd < 0)
		connection_prepare(inquiry);
	if (connect(inquiry->fd, (const struct sockaddr *)&inquiry->address, sizeof(inquiry->address)) < 0)
		connect_failed(inquiry, errno);
	else
		connection_use(inquiry);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct inquiry *inquiry = arg;
	char limit[32];

	(void)fd;
	(void)what;
	snprintf(limit, sizeof(limit), "not within %ld.%01ld s", (long)inquiry->timeout.tv_sec,
		 (long)inquiry->timeout.tv_usec / 100000);
	inquiry_fail(inquiry, "no answer", limit);
}

int inquiry_ask(struct inquiry *inquiry, inquiry_done done, void *arg)
{
	struct waiter *waiter = malloc(sizeof(*waiter));

	if (!waiter)
		return -ENOMEM;
	*waiter = (struct waiter){ .next = inquiry->waiters, .done = done, .arg = arg };
	if (!inquiry->waiters) {
		event_active(inquiry->begin, EV_TIMEOUT, 1);
		event_add(inquiry->deadline, &inquiry->timeout);
	}
	inquiry->waiters = waiter;
	return 0;
}

struct inquiry *inquiry_new(struct event_base *base, const char *path, unsigned timeout_ms, struct fancap_error *err)
{
	struct inquiry *inquiry = calloc(1, sizeof(*inquiry));
	size_t len = strlen(path);

	if (inquiry)
		*inquiry = (struct inquiry){
			.base = base,
			.address = { .sun_family = AF_UNIX },
			.timeout = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 },
			.begin = evtimer_new(base, on_begin, inquiry),
			.deadline = evtimer_new(base, on_deadline, inquiry),
			.fd = -1,
		};
	if (inquiry)
		varlink_client_init(&inquiry->client);
	if (!inquiry || !inquiry->begin || !inquiry->deadline) {
		fancap_error_set(err, "%s", strerror(ENOMEM));
	} else if (!len || len >= sizeof(inquiry->address.sun_path)) {
		fancap_error_set(err, "--socket %s: a socket's path has 1 to %zu bytes, this one %zu", path,
				 sizeof(inquiry->address.sun_path) - 1, len);
	} else {
		memcpy(inquiry->address.sun_path, path, len);
		connection_prepare(inquiry);
		return inquiry;
	}
	inquiry_free(inquiry);
	return NULL;
}

void inquiry_free(struct inquiry *inquiry)
{
	if (!inquiry)
		return;
	if (inquiry->waiters)
		inquiry_fail(inquiry, "not asked", "the exporter is stopping");
	connection_close(inquiry);
	if (inquiry->begin)
		event_free(inquiry->begin);
	if (inquiry->deadline)
		event_free(inquiry->deadline);
	free(inquiry);
}
