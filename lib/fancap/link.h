// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_LINK_H
#define FANCAP_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "fancap/error.h"
#include "fancap/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/** LINKTYPE_ values we record; https://www.ietf.org/archive/id/draft-ietf-opsawg-pcaplinktype */
enum fancap_linktype {
	FANCAP_LINKTYPE_ETHERNET = 1,
	FANCAP_LINKTYPE_RAW = 101, ///< IPv4 or IPv6, no link-layer header
	FANCAP_LINKTYPE_LINUX_SLL2 = 276, ///< "cooked": what a SOCK_DGRAM socket says of a packet, then the packet
};

/** A network interface as a thing to capture from. */
struct fancap_link {
	int ifindex;
	bool up;	///< administratively (IFF_UP)
	bool carrier;	///< up, and something is connected, as far as the driver can tell
	unsigned mtu;	///< bytes
	uint32_t speed_mbit; ///< of the link as it is negotiated, in Mbit/s; 0: not known (down, virtual, wireless)
	enum fancap_linktype linktype;
	enum fancap_socket_type type; ///< of the socket that gives this linktype
	uint16_t reserve_bytes; ///< PACKET_RESERVE that makes packet data 4-byte aligned in the ring
};

/**
 * Look an interface up.
 *
 * Ethernet is recorded as it is, and so are tunnels that have no link layer; of every other kind of link (PPP, GRE, SIT,
 * ...) the packets are, cooked.
 *
 * @return 0; -ENODEV no such interface; -errno
 */
int fancap_link_query(const char *name, struct fancap_link *ret, struct fancap_error *err);

#ifdef __cplusplus
}
#endif

#endif
