// SPDX-License-Identifier: BSD-3-Clause
#ifndef REPLAY_ROUTE_H
#define REPLAY_ROUTE_H

/**
 * Whether a default route of this machine (this network namespace) leaves through an interface, or through the bridge,
 * bond or VRF that it is a port of: replaying there would disturb what the machine is reached by. Of all routing
 * tables, IPv4 and IPv6, every next hop counts.
 *
 * @return 1 yes, 0 no, -errno the kernel does not say
 */
int route_is_default(int ifindex);

#endif
