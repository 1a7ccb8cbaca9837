// SPDX-License-Identifier: BSD-3-Clause
#ifndef REPLAY_ROUTE_H
#define REPLAY_ROUTE_H

#include <stdbool.h>
#include <stdio.h>

/**
 * Whether a default route of this machine (this network namespace) leaves through an interface: replaying there would
 * disturb what the machine is reached by. Main routing table only.
 */
bool route_is_default(const char *interface);

/** The same in texts like /proc/net/route and /proc/net/ipv6_route. */
bool route_is_default_ipv4(FILE *table, const char *interface);
bool route_is_default_ipv6(FILE *table, const char *interface);

#endif
