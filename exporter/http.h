// SPDX-License-Identifier: BSD-3-Clause
#ifndef EXPORTER_HTTP_H
#define EXPORTER_HTTP_H

#include <event2/event.h>

#include "exporter/inquiry.h"
#include "exporter/options.h"

/** Request line and header fields together. */
#define HTTP_HEADERS_MAX_BYTES 8192

/** Serves HTTP: /, /metrics, /healthz, /api/statistics; see routes in http.c. */
struct http;

/**
 * Listen. From then on this process may have as many descriptors as it has now, and HTTP_CONNECTIONS_MAX more (see connections.h).
 *
 * @param options, inquiry must outlive it
 * @return NULL: err says why; else the caller ends it with http_close()
 */
struct http *http_open(struct event_base *base, const struct exporter_options *options, struct inquiry *inquiry,
		       struct fancap_error *err);

/** After inquiry_free(), so that no request waits for an answer any more; the event loop must not run again. */
void http_close(struct http *http);

/** "http://127.0.0.1:9847/": where it is served, the port chosen by the system included. */
const char *http_url(const struct http *http);

#endif
