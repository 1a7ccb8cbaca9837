// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/client.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/errors.h"
#include "varlink/client.h"

struct client {
	const struct ctl *ctl;
	struct varlink_client varlink;
};

/* --- trouble in words ------------------------------------------------------------------------------------- */

void client_say_not_running(const struct ctl *ctl)
{
	fprintf(ctl->err, "fancapctl: fancapd is not running: nothing listens on %s\n", ctl->socket);
}

enum ctl_exit client_say_timeout(const struct ctl *ctl)
{
	fprintf(ctl->err, "fancapctl: %s: no answer within %g s\n", ctl->socket, ctl->timeout_ms / 1000.0);
	return CTL_TIMEOUT;
}

/* All but VARLINK_NOT_LISTENING, which is not always a trouble. */
static enum ctl_exit say_trouble(const struct client *client)
{
	const struct varlink_problem *problem = &client->varlink.problem;
	const struct ctl *ctl = client->ctl;

	switch (problem->trouble) {
	case VARLINK_NO_TROUBLE: return CTL_OK;
	case VARLINK_NOT_LISTENING: return CTL_NOT_RUNNING;
	case VARLINK_TIMED_OUT: return client_say_timeout(ctl);
	case VARLINK_KEPT_OUT:
		fprintf(ctl->err, "fancapctl: %s: permission denied: it is for root and the socket's group\n",
			ctl->socket);
		return CTL_DENIED;
	case VARLINK_ENDED:
		fprintf(ctl->err, "fancapctl: %s: the connection ended before the answer did\n", ctl->socket);
		return CTL_FAILED;
	case VARLINK_NO_REPLY:
		fprintf(ctl->err, "fancapctl: %s: what answers there does not speak Varlink: %s\n", ctl->socket,
			varlink_fault_text(problem->fault));
		return CTL_FAILED;
	case VARLINK_FAILED: break;
	}
	fprintf(ctl->err, "fancapctl: %s: %s: %s\n", ctl->socket, problem->step, strerror(problem->error));
	return CTL_FAILED;
}

/* --- a connection ------------------------------------------------------------------------------------------- */

static struct client *client_new(const struct ctl *ctl)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client) {
		fprintf(ctl->err, "fancapctl: out of memory\n");
		return NULL;
	}
	client->ctl = ctl;
	varlink_client_init(&client->varlink);
	varlink_client_set_timeout(&client->varlink, ctl->timeout_ms);
	return client;
}

void client_close(struct client *client)
{
	if (!client)
		return;
	varlink_client_done(&client->varlink);
	free(client);
}

int client_fd(const struct client *client)
{
	return client->varlink.fd;
}

/* Connect and send the call. CTL_NOT_RUNNING is not said. */
static enum ctl_exit client_begin(const struct ctl *ctl, const char *method, json_t *parameters, bool more,
				  struct client **ret_client)
{
	struct client *client = client_new(ctl);
	enum ctl_exit result;

	if (!client)
		return CTL_FAILED;
	if (varlink_client_connect(&client->varlink, ctl->socket) ||
	    varlink_client_send(&client->varlink, method, parameters, more)) {
		result = say_trouble(client);
		client_close(client);
		return result;
	}
	*ret_client = client;
	return CTL_OK;
}

enum ctl_exit client_open(const struct ctl *ctl, const char *method, json_t *parameters, struct client **ret_client)
{
	enum ctl_exit result = client_begin(ctl, method, parameters, true, ret_client);

	if (result == CTL_NOT_RUNNING)
		client_say_not_running(ctl);
	return result;
}

/* Wait for the next answer until the deadline. @param ret_parameters NULL: there was none in time */
static enum ctl_exit client_take(struct client *client, json_t **ret_parameters, bool *ret_continues)
{
	struct varlink_reply reply = { 0 };
	enum ctl_exit result = CTL_OK;

	switch (varlink_client_receive(&client->varlink, &reply)) {
	case VARLINK_NO_TROUBLE: break;
	case VARLINK_TIMED_OUT: *ret_parameters = NULL; return CTL_OK;
	default: return say_trouble(client);
	}
	if (reply.error) {
		result = error_say(client->ctl->err, reply.error, reply.parameters);
	} else {
		*ret_parameters = json_incref(reply.parameters);
		*ret_continues = reply.continues;
	}
	varlink_reply_done(&reply);
	return result;
}

enum ctl_exit client_next(struct client *client, int timeout_ms, json_t **ret_parameters, bool *ret_continues)
{
	varlink_client_set_timeout(&client->varlink, timeout_ms);
	return client_take(client, ret_parameters, ret_continues);
}

/* --- calls ---------------------------------------------------------------------------------------------------- */

/* As client_take(), but there has to be an answer. */
static enum ctl_exit client_expect(struct client *client, json_t **ret_parameters, bool *ret_continues)
{
	json_t *parameters = NULL;
	enum ctl_exit result = client_take(client, &parameters, ret_continues);

	if (!result && !parameters)
		return client_say_timeout(client->ctl);
	if (!result)
		*ret_parameters = parameters;
	return result;
}

enum ctl_exit client_call(const struct ctl *ctl, const char *method, json_t *parameters, json_t **ret_parameters)
{
	struct client *client;
	enum ctl_exit result = client_begin(ctl, method, parameters, false, &client);
	bool continues;

	if (result)
		return result;
	result = client_expect(client, ret_parameters, &continues);
	client_close(client);
	return result;
}

enum ctl_exit client_follow(const struct ctl *ctl, const char *method, json_t *parameters, int gap_ms,
			    enum ctl_exit (*take)(const struct ctl *ctl, json_t *answer, void *arg), void *arg)
{
	struct client *client;
	enum ctl_exit result = client_open(ctl, method, parameters, &client);
	bool continues = true;
	json_t *answer;

	if (result)
		return result;
	while (!result && continues) {
		result = client_expect(client, &answer, &continues);
		if (!result)
			result = take(ctl, answer, arg);
		varlink_client_set_timeout(&client->varlink, gap_ms);
	}
	client_close(client);
	return result;
}
