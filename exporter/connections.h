// SPDX-License-Identifier: BSD-3-Clause
#ifndef EXPORTER_CONNECTIONS_H
#define EXPORTER_CONNECTIONS_H

#include <event2/event.h>

#include "fancap/error.h"

/** More connections wait in the kernel's queue until one ends. */
#define HTTP_CONNECTIONS_MAX 32

/**
 * How many HTTP connections there may be, and for how long.
 *
 * evhttp knows how long a connection may say nothing. One that says a byte now and then would keep its place for ever,
 * and so could all of them: so each has a time for a whole request, and to take the answer.
 */
struct connections;

/**
 * From now on this process may have as many descriptors as it has, and HTTP_CONNECTIONS_MAX more.
 *
 * @param patience_ms time for a request and its answer
 * @return NULL: err says why; else the caller ends it with connections_free()
 */
struct connections *connections_new(struct event_base *base, unsigned patience_ms, struct fancap_error *err);
void connections_free(struct connections *connections);

/** A whole request has come: the connection's time begins anew. */
void connections_renew(struct connections *connections, int fd);

#endif
