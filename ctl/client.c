// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/client.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/errors.h"
#include "ctl/host.h"
#include "varlink/client.h"

struct client {
	const struct ctl *ctl;
	struct host host;
	struct varlink_client varlink;
};

/* --- trouble in words ------------------------------------------------------------------------------------- */

static const char *socket_path(const struct ctl *ctl)
{
	return ctl->socket ? ctl->socket : CTL_DEFAULT_SOCKET;
}

/* "fancapctl: HOST: PATH: " */
static void say_where(const struct ctl *ctl)
{
	fputs("fancapctl: ", ctl->err);
	if (ctl->host)
		fprintf(ctl->err, "%s: ", ctl->host);
	if (ctl->socket || !ctl->host)
		fprintf(ctl->err, "%s: ", socket_path(ctl));
}

void client_say_not_running(const struct ctl *ctl)
{
	if (ctl->host)
		fprintf(ctl->err, "fancapctl: fancapd is not running on %s: nothing listens there\n", ctl->host);
	else
		fprintf(ctl->err, "fancapctl: fancapd is not running: nothing listens on %s\n", socket_path(ctl));
}

enum ctl_exit client_say_timeout(const struct ctl *ctl)
{
	say_where(ctl);
	fprintf(ctl->err, "no answer within %g s\n", ctl->timeout_ms / 1000.0);
	return CTL_TIMEOUT;
}

/* All but VARLINK_NOT_LISTENING, which is not always a trouble. */
static enum ctl_exit say_trouble(const struct ctl *ctl, const struct varlink_problem *problem)
{
	switch (problem->trouble) {
	case VARLINK_NO_TROUBLE: return CTL_OK;
	case VARLINK_NOT_LISTENING: return CTL_NOT_RUNNING;
	case VARLINK_TIMED_OUT: return client_say_timeout(ctl);
	case VARLINK_KEPT_OUT:
		say_where(ctl);
		fputs("permission denied: it is for root and the socket's group\n", ctl->err);
		return CTL_DENIED;
	case VARLINK_ENDED:
		say_where(ctl);
		fputs("the connection ended before the answer did\n", ctl->err);
		return CTL_FAILED;
	case VARLINK_NO_REPLY:
		say_where(ctl);
		fprintf(ctl->err, "what answers there does not speak Varlink: %s\n", varlink_fault_text(problem->fault));
		return CTL_FAILED;
	case VARLINK_FAILED: break;
	}
	say_where(ctl);
	fprintf(ctl->err, "%s: %s\n", problem->step, strerror(problem->error));
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
	host_stop(&client->host);
	free(client);
}

/* Why there is no answer. If ssh has ended, that is why. */
static enum ctl_exit client_trouble(struct client *client)
{
	enum ctl_exit result = CTL_OK;

	if (client->varlink.problem.trouble == VARLINK_ENDED)
		result = host_end(&client->host, client->ctl);
	return result ? result : say_trouble(client->ctl, &client->varlink.problem);
}

/* @return CTL_NOT_RUNNING is not said */
static enum ctl_exit client_reach(struct client *client)
{
	const struct ctl *ctl = client->ctl;
	int fd;

	if (!ctl->host)
		return varlink_client_connect(&client->varlink, socket_path(ctl)) ? client_trouble(client) : CTL_OK;
	fd = host_start(ctl, &client->host);
	if (fd < 0)
		return CTL_UNREACHABLE;
	return varlink_client_adopt(&client->varlink, fd) ? client_trouble(client) : CTL_OK;
}

enum ctl_exit client_connect(const struct ctl *ctl, int *ret_fd)
{
	struct varlink_client varlink;
	enum ctl_exit result = CTL_OK;

	varlink_client_init(&varlink);
	varlink_client_set_timeout(&varlink, ctl->timeout_ms);
	if (varlink_client_connect(&varlink, socket_path(ctl)))
		result = say_trouble(ctl, &varlink.problem);
	else
		*ret_fd = varlink_client_take_fd(&varlink);
	varlink_client_done(&varlink);
	return result;
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
	result = client_reach(client);
	if (!result && varlink_client_send(&client->varlink, method, parameters, more))
		result = client_trouble(client);
	if (result)
		client_close(client);
	else
		*ret_client = client;
	return result;
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
	default: return client_trouble(client);
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
	enum ctl_exit result;

	varlink_client_set_timeout(&client->varlink, timeout_ms);
	result = client_take(client, ret_parameters, ret_continues);
	if (result == CTL_NOT_RUNNING)
		client_say_not_running(client->ctl);
	return result;
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

enum ctl_exit client_follow(const struct ctl *ctl, const char *method, json_t *parameters, int first_ms, int gap_ms,
			    enum ctl_exit (*take)(const struct ctl *ctl, json_t *answer, void *arg), void *arg)
{
	struct client *client;
	enum ctl_exit result = client_open(ctl, method, parameters, &client);
	bool continues = true;
	json_t *answer;

	if (result)
		return result;
	varlink_client_set_timeout(&client->varlink, first_ms);
	while (!result && continues) {
		result = client_expect(client, &answer, &continues);
		if (!result)
			result = take(ctl, answer, arg);
		varlink_client_set_timeout(&client->varlink, gap_ms);
	}
	if (result == CTL_NOT_RUNNING)
		client_say_not_running(ctl);
	client_close(client);
	return result;
}
