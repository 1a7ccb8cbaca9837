// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/control.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "daemon/control_client.h"
#include "daemon/control_socket.h"
#include "daemon/log.h"
#include "varlink/framer.h"

#define ACCEPTS_PER_TURN 16

const struct control_limits control_limits_default = {
	.clients = 32,
	.request_bytes = VARLINK_REQUEST_MAX_BYTES,
	.request_ms = 5000,
	.output_bytes = 1024 * 1024,
	.output_low_bytes = 64 * 1024,
	.stall_ms = 30000,
	.silent_ms = 30000,
	.idle_ms = 300000,
	.accept_retry_ms = 500,
};

struct control {
	struct control_socket socket;
	struct control_clients clients;
	struct event *acceptable;
	struct event *retry; ///< pending while accepting is suspended
	bool failing;	     ///< accept() failed last time: said so already
};

/*
 * No descriptor or no memory: the connection stays in the queue, and the socket readable. Looking away for a while is
 * all that helps; going on would only burn a CPU.
 */
static void accept_suspend(struct control *control, int error)
{
	unsigned ms = control->clients.limits.accept_retry_ms;
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	if (!control->failing)
		log_error("control: cannot accept clients: %s; retrying every %u ms", strerror(error), ms);
	control->failing = true;
	event_del(control->acceptable);
	event_add(control->retry, &tv);
}

static void client_welcome(struct control *control, int fd)
{
	if (control->clients.n_clients >= control->clients.limits.clients &&
	    !control_clients_make_room(&control->clients))
		control_client_refuse(&control->clients, fd);
	else if (control_client_new(&control->clients, fd) < 0)
		log_error("control: a client is dropped: out of memory");
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	struct control *control = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (client >= 0) {
			control->failing = false;
			client_welcome(control, client);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			accept_suspend(control, errno);
			return;
		}
	}
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct control *control = arg;

	(void)fd;
	(void)what;
	event_add(control->acceptable, NULL);
}

static int events_start(struct control *control)
{
	struct event_base *base = control->clients.base;

	control->acceptable = event_new(base, control->socket.fd, EV_READ | EV_PERSIST, on_acceptable, control);
	control->retry = evtimer_new(base, on_retry, control);
	if (!control->acceptable || !control->retry || event_add(control->acceptable, NULL) < 0)
		return -ENOMEM;
	return 0;
}

int control_open(struct event_base *base, const struct control_options *options,
		 struct control **ret_control, struct fancap_error *err)
{
	struct control *control = calloc(1, sizeof(*control));
	int r;

	if (!control) {
		fancap_error_set(err, "control: out of memory");
		return -ENOMEM;
	}
	control->socket = (struct control_socket)CONTROL_SOCKET_NONE;
	control->clients.base = base;
	control->clients.source = options->source;
	control->clients.access.group = options->admin_group;
	control->clients.access.readers = options->group;
	control_look_up_groups(control);
	control->clients.limits = options->limits ? *options->limits : control_limits_default;

	r = options->listen_fd >= 0 ?
		    control_socket_adopt(options->listen_fd, &control->socket, err) :
		    control_socket_open(options->path, options->owner, options->group, &control->socket, err);
	if (r == 0) {
		r = events_start(control);
		if (r < 0)
			fancap_error_set(err, "control: out of memory");
	}
	if (r < 0) {
		control_close(control);
		return r;
	}
	*ret_control = control;
	return 0;
}

void control_look_up_groups(struct control *control)
{
	access_look_up(&control->clients.access);
}

void control_close(struct control *control)
{
	if (!control)
		return;

	control_clients_done(&control->clients);
	if (control->acceptable)
		event_free(control->acceptable);
	if (control->retry)
		event_free(control->retry);
	control_socket_close(&control->socket);
	free(control);
}
