// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_VERSION_H
#define FANCAP_VERSION_H

/** Which layout a ring has; values are those of enum tpacket_versions. */
enum fancap_version {
	FANCAP_V1 = 0, ///< frames of fixed size, times in microseconds, sizes of the kernel's long
	FANCAP_V2 = 1, ///< frames of fixed size, nanoseconds, VLAN
	FANCAP_V3 = 2, ///< receiving: blocks of packed packets; sending: as V2 with a longer header
};

/** What a packet socket gives and takes. */
enum fancap_socket_type {
	FANCAP_RAW,   ///< SOCK_RAW: with the link-layer header
	FANCAP_DGRAM, ///< SOCK_DGRAM: without; the header's meaning is in a sockaddr_ll ("cooked")
};

#endif
