// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_TIMESTAMP_H
#define FANCAP_TIMESTAMP_H

#include <stdbool.h>
#include <stdint.h>

#include "fancap/block.h"
#include "fancap/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Who stamped a packet. */
enum fancap_timestamp_source {
	FANCAP_TIMESTAMP_RING,	   ///< the kernel, when it put the packet into the ring
	FANCAP_TIMESTAMP_SOFTWARE, ///< the kernel, earlier: when the packet came in or went out
	FANCAP_TIMESTAMP_HARDWARE, ///< the device, by its own clock
};

/** Who stamped this packet, from its status. */
enum fancap_timestamp_source fancap_packet_timestamp_source(const struct fancap_packet *packet);

/**
 * Make a device stamp every packet it receives (SIOCSHWTSTAMP), if it does not already. What it does with packets it
 * sends is left as it is. This is the device's own setting: it is everybody's, and outlives the caller.
 *
 * @return 0; -EOPNOTSUPP it cannot; -ERANGE it can stamp some packets, not all; -EPERM that takes CAP_NET_ADMIN; -EBUSY
 *         it is in other use; -ENODEV; -errno. err has fancap_timestamp_reason()
 */
int fancap_timestamp_device_enable(const char *interface, struct fancap_error *err);

/** What an error of fancap_timestamp_device_enable(), made positive, means. */
const char *fancap_timestamp_reason(int error);

/**
 * Choose what goes into the ring (PACKET_TIMESTAMP): the device's stamp where a packet has one, or the kernel's.
 *
 * @return 0 or -errno
 */
int fancap_timestamp_socket_hardware(int fd, bool hardware);

/**
 * Ask for the kernel's stamp to be made early (SO_TIMESTAMPNS), where packets enter the kernel, rather than where they
 * reach the ring: less jitter, the same stamp in every ring that a packet reaches, a little cost for every packet of
 * the host. The kernel begins with it a moment later, not by the time this returns.
 *
 * @return 0 or -errno
 */
int fancap_timestamp_socket_early(int fd, bool early);

/**
 * Whether a stamp may be true: no further than limit_ns from now, to either side. Devices' clocks are not set by
 * anybody but a PTP daemon; without one they count from when the device was started.
 */
bool fancap_timestamp_plausible(uint64_t time_ns, uint64_t now_ns, uint64_t limit_ns);

#ifdef __cplusplus
}
#endif

#endif
