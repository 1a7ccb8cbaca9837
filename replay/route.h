// SPDX-License-Identifier: BSD-3-Clause
#ifndef REPLAY_ROUTE_H
#define REPLAY_ROUTE_H

/**
 * Whether a default route of this machine (this network namespace) leads through an interface: replaying there would
 * disturb what the machine is reached by.
 *
 * So it does if it leaves by the interface itself, by the bridge, bond or VRF that the interface is a port of, by a VLAN,
 * macvlan or tunnel on it, or by what the interface itself is a VLAN, macvlan or tunnel on. Of IPv4 and IPv6, of all
 * routing tables together, every next hop counts. Routes that cover everything between them are a default route too
 * (0.0.0.0/1 and 128.0.0.0/1; 2000::/3), as long as none is longer than /8.
 *
 * @return 1 yes, 0 no, -ENODEV, -errno the kernel does not say
 */
int route_is_default(int ifindex);

#endif
