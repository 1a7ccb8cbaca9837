// SPDX-License-Identifier: BSD-3-Clause
#include "exporter/exporter.h"

#include <signal.h>
#include <stdio.h>

#include <event2/event.h>
#include <systemd/sd-daemon.h>

#include "exporter/http.h"
#include "exporter/inquiry.h"

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	(void)number;
	(void)what;
	event_base_loopbreak(arg);
}

static enum exporter_exit failed(const struct fancap_error *err)
{
	fprintf(stderr, "fancap-exporter: %s\n", err->text);
	return EXPORTER_FAILED;
}

/* Once more around after that, for the last answers to go out. */
static void serve(struct event_base *base, struct inquiry *inquiry, const struct http *http)
{
	fprintf(stderr, "fancap-exporter: serving on %s\n", http_url(http));
	(void)sd_notifyf(0, "READY=1\nSTATUS=Serving on %s", http_url(http));
	event_base_dispatch(base);
	(void)sd_notify(0, "STOPPING=1");
	inquiry_free(inquiry);
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static enum exporter_exit run(struct event_base *base, const struct exporter_options *options)
{
	struct fancap_error err = { "" };
	struct inquiry *inquiry = inquiry_new(base, options->socket, EXPORTER_TIMEOUT_MS, &err);
	struct http *http;

	if (!inquiry)
		return failed(&err);
	http = http_open(base, options, inquiry, &err);
	if (!http) {
		inquiry_free(inquiry);
		return failed(&err);
	}
	serve(base, inquiry, http);
	http_close(http);
	return EXPORTER_OK;
}

enum exporter_exit exporter_run(const struct exporter_options *options)
{
	const struct fancap_error no_memory = { "out of memory" };
	struct event_base *base = event_base_new();
	struct event *terminate = base ? evsignal_new(base, SIGTERM, on_signal, base) : NULL;
	struct event *interrupt = base ? evsignal_new(base, SIGINT, on_signal, base) : NULL;
	enum exporter_exit result;

	signal(SIGPIPE, SIG_IGN);
	if (!terminate || !interrupt || event_add(terminate, NULL) < 0 || event_add(interrupt, NULL) < 0)
		result = failed(&no_memory);
	else
		result = run(base, options);
	if (terminate)
		event_free(terminate);
	if (interrupt)
		event_free(interrupt);
	if (base)
		event_base_free(base);
	return result;
}
