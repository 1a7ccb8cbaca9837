// SPDX-License-Identifier: BSD-3-Clause
#include "exporter/http.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>

#include "exporter/connections.h"
#include "exporter/document.h"
#include "exporter/metrics.h"
#include "exporter/page.h"

#define BACKLOG 64
#define IDLE_TIMEOUT_S 10
#define BODY_MAX_BYTES 4096 /* of requests that are refused anyway */
#define FULL_PAUSE_US 100000
#define HTTP_MISDIRECTED 421

#define JSON_TYPE "application/json"
#define TEXT_TYPE "text/plain; charset=utf-8"

struct http {
	const struct exporter_options *options;
	struct inquiry *inquiry;
	struct connections *connections;
	struct evhttp *evhttp;
	struct evconnlistener *listener; ///< evhttp's
	char url[80];
};

/* --- replies ------------------------------------------------------------------------------------------ */

/* For what is no page. */
#define STRICT_POLICY "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

static const char *const security_headers[][2] = {
	{ "X-Content-Type-Options", "nosniff" },
	{ "X-Frame-Options", "DENY" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
	{ "Cache-Control", "no-store" },
};

static void header_add(struct evhttp_request *request, const char *name, const char *value)
{
	(void)evhttp_add_header(evhttp_request_get_output_headers(request), name, value);
}

/* HEAD is told how long the body would be; evhttp would send it. */
static void reply(struct evhttp_request *request, int status, const char *phrase, const char *type, const char *policy,
		  struct evbuffer *body)
{
	char length[24];

	for (size_t i = 0; i < sizeof(security_headers) / sizeof(security_headers[0]); i++)
		header_add(request, security_headers[i][0], security_headers[i][1]);
	header_add(request, "Content-Security-Policy", policy);
	header_add(request, "Content-Type", type);
	snprintf(length, sizeof(length), "%zu", evbuffer_get_length(body));
	header_add(request, "Content-Length", length);
	if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD)
		evbuffer_drain(body, evbuffer_get_length(body));
	evhttp_send_reply(request, status, phrase, body);
}

static void reply_out_of_memory(struct evhttp_request *request)
{
	evhttp_send_reply(request, HTTP_SERVUNAVAIL, "Out of memory", NULL);
}

/* --- what is served ------------------------------------------------------------------------------------ */

/** Something that is served. Those that need no document are always the same. */
struct route {
	const char *path;
	const char *type;
	const char *policy;
	/** @return status, or -ENOMEM */
	int (*render)(json_t *document, struct evbuffer *body);
	bool needs_document;
};

static int render_page(json_t *document, struct evbuffer *body)
{
	(void)document;
	return evbuffer_add_reference(body, exporter_page, strlen(exporter_page), NULL, NULL) < 0 ? -ENOMEM : HTTP_OK;
}

/* Without the daemon too: fancap_up says it. */
static int render_metrics(json_t *document, struct evbuffer *body)
{
	int r = metrics_write(document, body);

	return r < 0 ? r : HTTP_OK;
}

static int render_health(json_t *document, struct evbuffer *body)
{
	bool ready = json_is_true(json_object_get(document, "ready"));
	const char *reason = json_string_value(json_object_get(document, "reason"));

	if (evbuffer_add_printf(body, "%s\n", ready ? "ok" : reason ? reason : "not ready") < 0)
		return -ENOMEM;
	return ready ? HTTP_OK : HTTP_SERVUNAVAIL;
}

static int add_json(const char *bytes, size_t len, void *arg)
{
	return evbuffer_add(arg, bytes, len);
}

static int render_statistics(json_t *document, struct evbuffer *body)
{
	return json_dump_callback(document, add_json, body, JSON_COMPACT) < 0 ? -ENOMEM : HTTP_OK;
}

static const struct route routes[] = {
	{ "/", "text/html; charset=utf-8", exporter_page_policy, render_page, false },
	{ "/metrics", METRICS_CONTENT_TYPE, STRICT_POLICY, render_metrics, true },
	{ "/healthz", TEXT_TYPE, STRICT_POLICY, render_health, true },
	{ "/api/statistics", JSON_TYPE, STRICT_POLICY, render_statistics, true },
};

/* As it stands: nothing is decoded, no dots are walked. What follows a question mark is of no account. */
static const struct route *route_find(const char *target)
{
	size_t len = strcspn(target, "?");

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strlen(routes[i].path) == len && !memcmp(routes[i].path, target, len))
			return &routes[i];
	return NULL;
}

static void route_serve(const struct route *route, json_t *document, struct evhttp_request *request)
{
	struct evbuffer *body = evbuffer_new();
	int status = body ? route->render(document, body) : -ENOMEM;

	if (status < 0)
		reply_out_of_memory(request);
	else
		reply(request, status, status == HTTP_OK ? "OK" : "Service Unavailable", route->type, route->policy, body);
	if (body)
		evbuffer_free(body);
}

/** A request that waits for fancapd's answer. Should its client go, evhttp leaves the request to us. */
struct exchange {
	const struct route *route;
	struct evhttp_request *request;
};

static void on_answer(const struct inquiry_answer *answer, void *arg)
{
	struct exchange *exchange = arg;
	json_t *document = document_new(answer);

	if (document)
		route_serve(exchange->route, document, exchange->request);
	else
		reply_out_of_memory(exchange->request);
	json_decref(document);
	free(exchange);
}

static void serve(struct http *http, const struct route *route, struct evhttp_request *request)
{
	struct exchange *exchange;

	if (!route->needs_document) {
		route_serve(route, NULL, request);
		return;
	}
	exchange = malloc(sizeof(*exchange));
	if (exchange) {
		*exchange = (struct exchange){ .route = route, .request = request };
		if (inquiry_ask(http->inquiry, on_answer, exchange) == 0)
			return;
	}
	free(exchange);
	reply_out_of_memory(request);
}

/* --- what is refused ------------------------------------------------------------------------------------ */

static void refuse(struct evhttp_request *request, int status, const char *phrase, const char *text)
{
	struct evbuffer *body = evbuffer_new();

	/* Whatever else it has sent is not worth reading. */
	header_add(request, "Connection", "close");
	if (body && evbuffer_add_printf(body, "%s\n", text) >= 0)
		reply(request, status, phrase, TEXT_TYPE, STRICT_POLICY, body);
	else
		reply_out_of_memory(request);
	if (body)
		evbuffer_free(body);
}

static unsigned header_count(struct evhttp_request *request, const char *name)
{
	const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
	unsigned n = 0;

	for (const struct evkeyval *header = headers->tqh_first; header; header = header->next.tqe_next)
		n += !strcasecmp(header->key, name);
	return n;
}

static int fd_of(struct evhttp_request *request)
{
	return bufferevent_getfd(evhttp_connection_get_bufferevent(evhttp_request_get_connection(request)));
}

static bool host_is_ours(struct http *http, struct evhttp_request *request)
{
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);

	if (getsockname(fd_of(request), (struct sockaddr *)&local, &len) < 0)
		return false;
	return hosts_allow(&http->options->hosts, evhttp_request_get_host(request), (struct sockaddr *)&local);
}

/* @return whether it was, and is answered */
static bool refuse_unfit(struct http *http, struct evhttp_request *request)
{
	enum evhttp_cmd_type method = evhttp_request_get_command(request);

	if (header_count(request, "Host") != 1 || !evhttp_request_get_host(request)) {
		refuse(request, HTTP_BADREQUEST, "Bad Request", "a request names one Host");
	} else if (!host_is_ours(http, request)) {
		refuse(request, HTTP_MISDIRECTED, "Misdirected Request",
		       "this exporter does not go by that name; see fancap-exporter --allow-host");
	} else if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
		header_add(request, "Allow", "GET, HEAD");
		refuse(request, HTTP_BADMETHOD, "Method Not Allowed", "there is nothing here but to GET");
	} else if (header_count(request, "Content-Length") || header_count(request, "Transfer-Encoding")) {
		/* evhttp would take the body for the next request. */
		refuse(request, HTTP_BADREQUEST, "Bad Request", "a request has no body here");
	} else {
		return false;
	}
	return true;
}

static void on_request(struct evhttp_request *request, void *arg)
{
	struct http *http = arg;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	const struct route *route = path ? route_find(path) : NULL;

	connections_renew(http->connections, fd_of(request));
	if (refuse_unfit(http, request))
		return;
	if (route)
		serve(http, route, request);
	else
		refuse(request, HTTP_NOTFOUND, "Not Found", "there are /, /metrics, /healthz and /api/statistics");
}

/* --- connections ---------------------------------------------------------------------------------------- */

static void on_resume(evutil_socket_t fd, short what, void *listener)
{
	(void)fd;
	(void)what;
	evconnlistener_enable(listener);
}

/*
 * evhttp takes every connection. The kernel does not: it gives no descriptor beyond the limit, and keeps who comes in the
 * queue. It would tell us again at once, so we look again a little later. What arg is, is evhttp's affair.
 */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	const struct timeval pause = { .tv_usec = FULL_PAUSE_US };

	(void)arg;
	if (event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT, on_resume, listener, &pause) == 0)
		evconnlistener_disable(listener);
}

static int url_set(struct http *http, int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	char host[INET6_ADDRSTRLEN] = "?";
	int port;

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return -errno;
	if (address.ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;

		evutil_inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		port = ntohs(v6->sin6_port);
	} else {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;

		evutil_inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		port = ntohs(v4->sin_port);
	}
	snprintf(http->url, sizeof(http->url), strchr(host, ':') ? "http://[%s]:%d/" : "http://%s:%d/", host, port);
	return 0;
}

static int listen_open(struct http *http, struct event_base *base, struct fancap_error *err)
{
	const struct exporter_options *options = http->options;

	http->listener = evconnlistener_new_bind(base, NULL, NULL,
						 LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, BACKLOG,
						 (const struct sockaddr *)&options->listen, options->listen_len);
	if (!http->listener) {
		fancap_error_set(err, "cannot listen: %s; see --listen", strerror(errno));
		return -errno;
	}
	if (!evhttp_bind_listener(http->evhttp, http->listener)) {
		evconnlistener_free(http->listener);
		fancap_error_set(err, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	evconnlistener_set_error_cb(http->listener, on_accept_error);
	return url_set(http, evconnlistener_get_fd(http->listener));
}

static int evhttp_setup(struct http *http, struct event_base *base)
{
	http->evhttp = evhttp_new(base);
	if (!http->evhttp)
		return -ENOMEM;
	evhttp_set_max_headers_size(http->evhttp, HTTP_HEADERS_MAX_BYTES);
	evhttp_set_max_body_size(http->evhttp, BODY_MAX_BYTES);
	evhttp_set_timeout(http->evhttp, IDLE_TIMEOUT_S);
	/* All that it knows: we have a better answer than its own for those that are not allowed. */
	evhttp_set_allowed_methods(http->evhttp, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
							 EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
							 EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
	evhttp_set_gencb(http->evhttp, on_request, http);
	return 0;
}

struct http *http_open(struct event_base *base, const struct exporter_options *options, struct inquiry *inquiry,
		       struct fancap_error *err)
{
	struct http *http = calloc(1, sizeof(*http));

	if (http)
		*http = (struct http){ .options = options, .inquiry = inquiry };
	if (!http || evhttp_setup(http, base) < 0)
		fancap_error_set(err, "%s", strerror(ENOMEM));
	else if (listen_open(http, base, err) == 0)
		http->connections = connections_new(base, options->patience_ms, err);
	if (http && http->connections)
		return http;
	http_close(http);
	return NULL;
}

void http_close(struct http *http)
{
	if (!http)
		return;
	if (http->evhttp)
		evhttp_free(http->evhttp);
	connections_free(http->connections);
	free(http);
}

const char *http_url(const struct http *http)
{
	return http->url;
}
