// SPDX-License-Identifier: BSD-3-Clause
#ifndef REPLAY_FLOW_H
#define REPLAY_FLOW_H

#include "fancap/link.h"
#include "replay/packet.h"

/**
 * A number that is the same for all packets between two addresses, in both directions: IP addresses behind up to two VLAN
 * tags, else those of the link. Ports are left out: fragments have none, and must not overtake each other.
 *
 * @param linktype the packet's is checked to fit; its bytes may be anything
 */
uint32_t flow_hash(enum fancap_linktype linktype, const struct replay_packet *packet);

#endif
