// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/client.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ctl/output.h"
#include "varlink/framer.h"
#include "varlink/interfaces.h"
#include "varlink/message.h"

#define BUSY_WAIT_MS 20
#define RECEIVE_BYTES 65536

/** A connection, and until when it may take. */
struct client {
	const struct ctl *ctl;
	int fd;
	int64_t deadline_ms; ///< CLOCK_MONOTONIC
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum ctl_exit failed(const struct ctl *ctl, const char *step, int error)
{
	fprintf(ctl->err, "fancapctl: %s: %s: %s\n", ctl->socket, step, strerror(error));
	return CTL_FAILED;
}

static enum ctl_exit timed_out(const struct ctl *ctl)
{
	fprintf(ctl->err, "fancapctl: %s: no answer within %g s\n", ctl->socket, ctl->timeout_ms / 1000.0);
	return CTL_TIMEOUT;
}

void client_say_not_running(const struct ctl *ctl)
{
	fprintf(ctl->err, "fancapctl: fancapd is not running: nothing listens on %s\n", ctl->socket);
}

/* Wait for events, or (with events 0) just for a moment. */
static enum ctl_exit client_wait(const struct client *client, short events)
{
	struct pollfd pollfd = { .fd = events ? client->fd : -1, .events = events };
	int64_t left = client->deadline_ms - now_ms();
	int r;

	if (left <= 0)
		return timed_out(client->ctl);
	if (!events && left > BUSY_WAIT_MS)
		left = BUSY_WAIT_MS;
	r = poll(&pollfd, 1, left > INT32_MAX ? INT32_MAX : (int)left);
	if (r < 0 && errno != EINTR)
		return failed(client->ctl, "poll", errno);
	return CTL_OK;
}

static enum ctl_exit connect_failed(const struct ctl *ctl, int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		return CTL_NOT_RUNNING;
	case EACCES:
	case EPERM:
		fprintf(ctl->err, "fancapctl: %s: permission denied: it is for root and the socket's group\n",
			ctl->socket);
		return CTL_DENIED;
	default:
		return failed(ctl, "cannot connect", error);
	}
}

static enum ctl_exit client_connect(struct client *client)
{
	const struct ctl *ctl = client->ctl;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	enum ctl_exit result = CTL_OK;

	if (strlen(ctl->socket) >= sizeof(address.sun_path))
		return failed(ctl, "cannot connect", ENAMETOOLONG);
	strcpy(address.sun_path, ctl->socket);

	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (client->fd < 0)
		return failed(ctl, "socket", errno);
	while (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		/* A Unix socket connects at once or not at all; EAGAIN: the daemon's queue is full. */
		if (errno != EAGAIN && errno != EINTR)
			return connect_failed(ctl, errno);
		result = client_wait(client, 0);
		if (result)
			return result;
	}
	return CTL_OK;
}

static enum ctl_exit client_send(const struct client *client, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(client->fd, bytes, len, MSG_NOSIGNAL);
		enum ctl_exit result;

		if (n >= 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			/* It does not listen (any more), but may have said why. */
			return CTL_OK;
		} else if (errno != EAGAIN && errno != EINTR) {
			return failed(client->ctl, "cannot send", errno);
		} else {
			result = client_wait(client, POLLOUT);
			if (result)
				return result;
		}
	}
	return CTL_OK;
}

/* Receive some, into the framer. */
static enum ctl_exit client_receive(const struct client *client, struct varlink_framer *framer)
{
	char bytes[RECEIVE_BYTES];
	enum ctl_exit result = client_wait(client, POLLIN);
	ssize_t n;

	if (result)
		return result;
	n = recv(client->fd, bytes, sizeof(bytes), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return CTL_OK;
	if (n == 0 || (n < 0 && errno == ECONNRESET)) {
		fprintf(client->ctl->err, "fancapctl: %s: the connection ended before the answer did\n",
			client->ctl->socket);
		return CTL_FAILED;
	}
	if (n < 0)
		return failed(client->ctl, "cannot receive", errno);
	if (varlink_framer_feed(framer, bytes, (size_t)n) < 0)
		return failed(client->ctl, "cannot receive", ENOMEM);
	return CTL_OK;
}

static enum ctl_exit no_answer(const struct ctl *ctl, enum varlink_fault fault)
{
	fprintf(ctl->err, "fancapctl: %s: what answers there does not speak Varlink: %s\n", ctl->socket,
		varlink_fault_text(fault));
	return CTL_FAILED;
}

static enum ctl_exit client_read_reply(const struct client *client, struct varlink_framer *framer,
				       struct varlink_reply *ret_reply)
{
	enum ctl_exit result = CTL_OK;
	enum varlink_fault fault;
	const char *text;
	size_t len;
	int r;

	while ((r = varlink_framer_next(framer, &text, &len)) == 0) {
		result = client_receive(client, framer);
		if (result)
			return result;
	}
	fault = r < 0 ? VARLINK_TOO_LARGE : varlink_reply_parse(text, len, ret_reply);
	return fault ? no_answer(client->ctl, fault) : CTL_OK;
}

/* --- errors in words ----------------------------------------------------------------------------------- */

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

/* An error is an answer, too. If not in words, as JSON in ASCII, so that nothing in it can control the terminal. */
static enum ctl_exit say_error(const struct ctl *ctl, const struct varlink_reply *reply)
{
	const struct known_error *known = known_error_find(reply->error);
	char *parameters;

	if (known && known->say && known->say(ctl->err, reply->parameters))
		return known->exit;
	parameters = json_dumps(reply->parameters, JSON_ENSURE_ASCII);
	fprintf(ctl->err, "fancapctl: fancapd answers: %s %s\n", reply->error, parameters ? parameters : "");
	free(parameters);
	return known ? known->exit : CTL_FAILED;
}

/* --- calls --------------------------------------------------------------------------------------------- */

static enum ctl_exit client_exchange(struct client *client, const char *call, size_t len,
				     json_t **ret_parameters)
{
	struct varlink_reply reply = { 0 };
	struct varlink_framer framer;
	enum ctl_exit result;

	varlink_framer_init(&framer, VARLINK_REPLY_MAX_BYTES);
	result = client_connect(client);
	if (!result)
		result = client_send(client, call, len);
	if (!result)
		result = client_read_reply(client, &framer, &reply);
	if (!result && reply.error)
		result = say_error(client->ctl, &reply);
	if (!result)
		*ret_parameters = json_incref(reply.parameters);
	varlink_reply_done(&reply);
	varlink_framer_done(&framer);
	return result;
}

enum ctl_exit client_call(const struct ctl *ctl, const char *method, json_t *parameters,
			  json_t **ret_parameters)
{
	struct client client = { .ctl = ctl, .fd = -1, .deadline_ms = now_ms() + ctl->timeout_ms };
	enum ctl_exit result;
	size_t len = 0;
	char *call = varlink_call_build(method, parameters, &len);

	if (!call)
		return failed(ctl, "cannot call", ENOMEM);
	result = client_exchange(&client, call, len, ret_parameters);
	if (client.fd >= 0)
		close(client.fd);
	free(call);
	return result;
}
