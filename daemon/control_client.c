// SPDX-License-Identifier: BSD-3-Clause
/*
 * A connection to the control socket.
 *
 * One call is answered per turn of the event loop, so that a client that pipelines thousands of them shares the loop
 * with the others. While more than output_low_bytes of replies are unread, or an answer is yet to come, nothing more is
 * read or answered: what a client can make us hold is bounded by a request, a piece of the next ones, and a reply; and
 * answers come in the order of the calls. A call that is answered by a stream is never over, so it is the connection's
 * last; what the client has no room for is not made (see struct method_wait). Writing is by
 * sendmsg(MSG_NOSIGNAL): libevent's own buffers write with writev(), which raises SIGPIPE when the client has gone.
 */
#include "daemon/control_client.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/messages.h"
#include "daemon/methods.h"
#include "varlink/framer.h"
#include "varlink/interfaces.h"
#include "varlink/message.h"

#define RECEIVE_BYTES 16384
#define SEND_PIECES 8
/* How often to see whether a client that sends no more, and has to be told nothing yet, has gone. */
#define GONE_CHECK_MS 1000

struct control_client {
	struct control_clients *clients;
	struct control_client *next, *previous;
	int fd;
	struct varlink_framer framer;
	struct evbuffer *output;
	struct event *readable;
	struct event *writable; ///< pending while there is output; times out when the client reads nothing
	struct event *turn;	///< pending while there may be a call to answer
	struct event *late;	///< pending while a request has begun and not ended
	struct event *closed;	///< pending while waiting: the other end has closed, or half closed
	struct event *idle;	///< pending while nothing is under way; or while waiting, after it has half closed
	uint64_t idle_since_ns; ///< CLOCK_MONOTONIC
	struct method_wait wait;
	bool waiting;		///< for the answer to a call; it will be given to wait
	bool oneway;		///< and not passed on
	bool denied;		///< a call was refused, and that was logged
	bool spoken;		///< it has called something
	bool ended;		///< nothing more will be received
	bool closing;		///< nothing more will be answered: close once the output is out
};

static void client_free(struct control_client *client)
{
	struct event *events[] = { client->readable, client->writable, client->turn,
				   client->late,     client->closed,   client->idle };

	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++)
		if (events[i])
			event_free(events[i]);
	if (client->output)
		evbuffer_free(client->output);
	varlink_framer_done(&client->framer);
	close(client->fd);
	free(client);
}

static void client_drop(struct control_client *client)
{
	struct control_clients *clients = client->clients;

	if (client->previous)
		client->previous->next = client->next;
	else
		clients->first = client->next;
	if (client->next)
		client->next->previous = client->previous;
	clients->n_clients--;
	if (client->waiting)
		methods_forget(&clients->source, &client->wait);
	client_free(client);
}

static void timer_start(struct event *timer, unsigned ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	event_add(timer, &tv);
}

static bool output_is_high(const struct control_client *client)
{
	return evbuffer_get_length(client->output) > client->clients->limits.output_low_bytes;
}

/* --- sending --------------------------------------------------------------------------------------- */

/* Send what the socket takes. @return 1, 0 it takes nothing, or -errno: the client has gone */
static int output_send(struct control_client *client)
{
	struct evbuffer_iovec pieces[SEND_PIECES];
	struct msghdr message = { .msg_iov = (struct iovec *)pieces };
	ssize_t sent;
	int n, any = 0;

	while (evbuffer_get_length(client->output)) {
		n = evbuffer_peek(client->output, -1, NULL, pieces, SEND_PIECES);
		message.msg_iovlen = (size_t)(n < SEND_PIECES ? n : SEND_PIECES);
		sent = sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN ? any : -errno;
		evbuffer_drain(client->output, (size_t)sent);
		any = 1;
	}
	return any;
}

/* Send, and see to it that the rest is sent later. @return false: the client was dropped */
static bool output_flush(struct control_client *client)
{
	const struct control_limits *limits = &client->clients->limits;
	int r = output_send(client);
	size_t unread = evbuffer_get_length(client->output);

	if (unread > limits->output_bytes) {
		log_warning("control: a client left %zu bytes of replies unread, dropped", unread);
		r = -ENOBUFS;
	}
	if (r < 0 || (client->closing && !unread)) {
		client_drop(client);
		return false;
	}
	/* Its time runs from the last that it took, whatever else there is for it by now. */
	if (!unread)
		event_del(client->writable);
	else if (r > 0 || !event_pending(client->writable, EV_WRITE, NULL))
		timer_start(client->writable, limits->stall_ms);
	return true;
}

/* Queue a message; text is taken over, NULL means there was no memory for it. @return 0 or -ENOMEM */
static int output_add(struct control_client *client, char *text, size_t len)
{
	int r = text ? evbuffer_add(client->output, text, len) : -1;

	free(text);
	return r < 0 ? -ENOMEM : 0;
}

/* --- answering ------------------------------------------------------------------------------------- */

static char *protocol_error_build(const char *reason, size_t *ret_len)
{
	json_t *parameters = json_pack("{s:s}", "reason", reason);
	char *text = parameters ? varlink_error_build(FANCAP_ERROR_PROTOCOL, parameters, ret_len) : NULL;

	json_decref(parameters);
	return text;
}

/* What was received makes no sense, so what follows does not either: say why, and close. */
static int answer_fault(struct control_client *client, const char *reason)
{
	size_t len = 0;
	char *text = protocol_error_build(reason, &len);

	log_debug("control: a client is refused: %s", reason);
	client->closing = true;
	return output_add(client, text, len);
}

/* Once a connection: a caller who keeps trying must not fill the journal. */
static void log_denied(struct control_client *client, const struct access_caller *caller,
		       const struct method_reply *reply)
{
	if (client->denied)
		return;
	client->denied = true;
	log_printf(LOG_WARNING, MESSAGE_CALL_DENIED, NULL, "%.200s refused to user %ld, process %ld: not in group %s",
		   json_string_value(json_object_get(reply->parameters, "method")), (long)caller->uid,
		   (long)caller->pid, json_string_value(json_object_get(reply->parameters, "needs")));
}

/* @return 0 or -ENOMEM */
static int answer_add(struct control_client *client, const struct method_reply *reply)
{
	char *text = NULL;
	size_t len = 0;

	if (reply->parameters)
		text = reply->error ? varlink_error_build(reply->error, reply->parameters, &len) :
				      varlink_reply_build(reply->parameters, reply->continues, &len);
	return output_add(client, text, len);
}

static int answer_call(struct control_client *client, const struct varlink_call *call)
{
	struct control_clients *clients = client->clients;
	const struct access_caller caller = access_caller_of(&clients->access, client->fd);
	struct method_reply reply;
	int r = 0;

	client->oneway = call->oneway;
	client->spoken = true;
	client->waiting = !methods_call(&clients->source, &caller, call, &client->wait, &reply);
	if (client->waiting) {
		event_del(client->idle);
		event_add(client->closed, NULL);
		return 0;
	}
	if (reply.error && reply.parameters && !strcmp(reply.error, FANCAP_ERROR_PERMISSION_DENIED))
		log_denied(client, &caller, &reply);
	if (!call->oneway)
		r = answer_add(client, &reply);
	json_decref(reply.parameters);
	return r;
}

static int answer_message(struct control_client *client, const char *text, size_t len)
{
	struct varlink_call call;
	enum varlink_fault fault = varlink_call_parse(text, len, &call);
	int r;

	if (fault)
		return answer_fault(client, varlink_fault_text(fault));
	r = answer_call(client, &call);
	varlink_call_done(&call);
	return r;
}

/* Answer the next call, if it is there. @return 1 answered, 0 there is none, -ENOMEM */
static int answer_next(struct control_client *client)
{
	const char *text;
	size_t len;
	int r = varlink_framer_next(&client->framer, &text, &len);

	if (r == 1)
		r = answer_message(client, text, len);
	else if (r == -EMSGSIZE)
		r = answer_fault(client, varlink_fault_text(VARLINK_TOO_LARGE));
	else if (client->ended && varlink_framer_partial(&client->framer))
		r = answer_fault(client, "the connection ended within a request");
	else
		return 0;
	return r < 0 ? r : 1;
}

static void idle_begin(struct control_client *client)
{
	const struct control_limits *limits = &client->clients->limits;

	event_del(client->late);
	client->idle_since_ns = clock_monotonic_ns();
	timer_start(client->idle, client->spoken ? limits->idle_ms : limits->silent_ms);
}

/*
 * Decide what to wait for. To be called whenever something changed: then a client that has all its answers and sends
 * nothing more is dropped, too.
 *
 * @param idle whether no complete call is waiting in the framer
 */
static void client_wait(struct control_client *client, bool idle)
{
	if (!client->waiting)
		event_del(client->idle);
	if (client->closing || client->waiting || output_is_high(client)) {
		event_del(client->readable);
		event_del(client->turn);
		event_del(client->late);
		return;
	}
	if (!idle) {
		event_del(client->readable);
		event_del(client->late); /* a request that has begun behind it has its own time */
		timer_start(client->turn, 0);
		return;
	}
	if (client->ended) {
		client->closing = true;
		(void)output_flush(client);
		return;
	}
	event_add(client->readable, NULL);
	if (!varlink_framer_partial(&client->framer))
		idle_begin(client);
	else if (!event_pending(client->late, EV_TIMEOUT, NULL))
		timer_start(client->late, client->clients->limits.request_ms);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct control_client *client = arg;
	int r;

	(void)fd;
	(void)what;
	r = answer_next(client);
	if (r < 0) {
		log_error("control: a client is dropped: out of memory");
		client_drop(client);
		return;
	}
	if (r == 1 && !output_flush(client))
		return;
	client_wait(client, r == 0 || !varlink_framer_partial(&client->framer));
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct control_client *client = arg;
	char bytes[RECEIVE_BYTES];
	ssize_t n;

	(void)what;
	n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		client_wait(client, true);
		return;
	}
	if (n < 0) {
		client_drop(client);
		return;
	}
	/* A client that sends no more may still want the answers to what it has sent. */
	if (n == 0)
		client->ended = true;
	if (varlink_framer_feed(&client->framer, bytes, (size_t)n) < 0) {
		log_error("control: a client is dropped: out of memory");
		client_drop(client);
		return;
	}
	on_turn(-1, 0, client);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct control_client *client = arg;

	(void)fd;
	if (what & EV_TIMEOUT) {
		log_warning("control: a client reads no replies for %u ms, dropped",
			    client->clients->limits.stall_ms);
		client_drop(client);
		return;
	}
	if (!output_flush(client))
		return;
	/* There may be calls, or a stream, that waited for this. */
	if (client->waiting && !output_is_high(client))
		methods_room(&client->wait);
	else
		client_wait(client, false);
}

/*
 * Nothing is read while an answer is yet to come, so this is how we learn that nobody will take it. One that sends no
 * more may still want its answer; whether it goes away later it has to be asked, for there is no other event of it.
 */
static void on_closed(evutil_socket_t fd, short what, void *arg)
{
	struct control_client *client = arg;
	struct pollfd both = { .fd = client->fd };

	(void)fd;
	(void)what;
	if (poll(&both, 1, 0) == 1 && (both.revents & (POLLHUP | POLLERR)))
		client_drop(client);
	else
		timer_start(client->idle, GONE_CHECK_MS);
}

static void on_idle(evutil_socket_t fd, short what, void *arg)
{
	struct control_client *client = arg;

	if (client->waiting) {
		on_closed(fd, what, arg);
		return;
	}
	log_debug("control: a client that says nothing is dropped");
	client_drop(client);
}

static struct control_client *client_of(const struct method_wait *wait)
{
	return (struct control_client *)((char *)(uintptr_t)wait - offsetof(struct control_client, wait));
}

static bool takes_answers(const struct method_wait *wait)
{
	return !output_is_high(client_of(wait));
}

/* @return whether it waits for more */
static bool on_answer(struct method_wait *wait, const struct method_reply *reply)
{
	struct control_client *client = client_of(wait);
	int r = client->oneway ? 0 : answer_add(client, reply);

	json_decref(reply->parameters);
	client->waiting = reply->continues;
	if (!client->waiting)
		event_del(client->closed);
	if (r < 0) {
		log_error("control: a client is dropped: out of memory");
		client_drop(client);
		return false;
	}
	if (!output_flush(client))
		return false;
	if (client->waiting)
		return true;
	client_wait(client, false);
	return false;
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	struct control_client *client = arg;

	(void)fd;
	(void)what;
	if (answer_fault(client, "the request was not complete in time") < 0)
		client_drop(client);
	else if (output_flush(client))
		client_wait(client, true);
}

/* --- connections ----------------------------------------------------------------------------------- */

int control_client_new(struct control_clients *clients, int fd)
{
	struct control_client *client = calloc(1, sizeof(*client));

	if (!client) {
		close(fd);
		return -ENOMEM;
	}
	client->clients = clients;
	client->fd = fd;
	client->wait.base = clients->base;
	client->wait.answer = on_answer;
	client->wait.takes = takes_answers;
	varlink_framer_init(&client->framer, clients->limits.request_bytes);
	client->output = evbuffer_new();
	client->readable = event_new(clients->base, fd, EV_READ | EV_PERSIST, on_readable, client);
	client->writable = event_new(clients->base, fd, EV_WRITE | EV_PERSIST, on_writable, client);
	client->turn = evtimer_new(clients->base, on_turn, client);
	client->late = evtimer_new(clients->base, on_late, client);
	client->closed = event_new(clients->base, fd, EV_CLOSED, on_closed, client);
	client->idle = evtimer_new(clients->base, on_idle, client);
	if (!client->output || !client->readable || !client->writable || !client->turn || !client->late ||
	    !client->closed || !client->idle || event_add(client->readable, NULL) < 0) {
		client_free(client);
		return -ENOMEM;
	}

	client->next = clients->first;
	if (client->next)
		client->next->previous = client;
	clients->first = client;
	clients->n_clients++;
	client_wait(client, true);
	return 0;
}

/* Nothing is under way for it: no call, be it one that is yet to be received, and no answer. */
static bool client_is_idle(const struct control_client *client)
{
	char byte;

	return !client->waiting && !client->closing && event_pending(client->idle, EV_TIMEOUT, NULL) &&
	       !evbuffer_get_length(client->output) && recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* Whose place is given away before the other's: of one who has never called, then of who has said nothing for longest. */
static bool is_idler(const struct control_client *client, const struct control_client *other)
{
	if (client->spoken != other->spoken)
		return !client->spoken;
	return client->idle_since_ns < other->idle_since_ns;
}

bool control_clients_make_room(struct control_clients *clients)
{
	struct control_client *idlest = NULL;

	for (struct control_client *client = clients->first; client; client = client->next)
		if (client_is_idle(client) && (!idlest || is_idler(client, idlest)))
			idlest = client;
	if (idlest)
		client_drop(idlest);
	return idlest;
}

void control_client_refuse(const struct control_clients *clients, int fd)
{
	json_t *parameters = json_pack("{s:I}", "limit", (json_int_t)clients->limits.clients);
	char bytes[RECEIVE_BYTES];
	size_t len = 0;
	char *text = varlink_error_build(FANCAP_ERROR_TOO_MANY_CLIENTS, parameters, &len);

	/* A socket nobody has written to yet takes so little whole. */
	if (text)
		(void)!send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	/* Closing with something unread would make the client see a reset connection. */
	(void)!recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	close(fd);
	free(text);
	json_decref(parameters);
}

void control_clients_done(struct control_clients *clients)
{
	while (clients->first)
		client_drop(clients->first);
}
