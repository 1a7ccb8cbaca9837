// SPDX-License-Identifier: BSD-3-Clause
#ifndef EXPORTER_HOSTS_H
#define EXPORTER_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "fancap/error.h"

#define HOSTS_MAX 16

/**
 * Names under which the exporter may be asked, besides its own address. A web site whose name turns into our address
 * (DNS rebinding) makes a browser ask us on the site's behalf: the name in the request is not one of ours then.
 */
struct hosts {
	const char *names[HOSTS_MAX]; ///< borrowed
	size_t n;
};

/** @param name without port; must outlive the hosts. @return 0 or -EINVAL */
int hosts_add(struct hosts *hosts, const char *name, struct fancap_error *err);

/**
 * Whether a request may name us so: by an allowed name, by the address that it came in at, or as localhost if that is a
 * loopback address.
 *
 * @param host  without port; an IPv6 address in brackets
 * @param local the connection's own address
 */
bool hosts_allow(const struct hosts *hosts, const char *host, const struct sockaddr *local);

#endif
