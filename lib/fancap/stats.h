// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_STATS_H
#define FANCAP_STATS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What the kernel counted for one socket, since the socket was made. */
struct fancap_stats {
	uint64_t packets; ///< passed the filter, whether there was room or not
	uint64_t drops;	  ///< of these, found no room
	uint64_t freezes; ///< times the ring was found full; one freeze may drop any number, even none. V3 only
};

/**
 * Read PACKET_STATISTICS of a socket, whatever its version, and add it. The kernel's 32-bit counters start again at 0 with
 * every read: let there be one reader, at least once per 4 billion packets.
 *
 * This is also what ends TP_STATUS_LOSING.
 *
 * @return 0; -EPROTO the kernel answers with what is neither V1's and V2's nor V3's figures; -errno (total untouched)
 */
int fancap_stats_read(int fd, struct fancap_stats *total);

/** What a rollover group did for one socket whose turn it was, since it joined. */
struct fancap_rollover_stats {
	uint64_t packets; ///< handed on to another member, since this one had no room
	uint64_t huge;	  ///< of these, moved early, when room got short: the flow made most of recent packets
	uint64_t failed;  ///< no other member had room either
};

/**
 * Read PACKET_ROLLOVER_STATS, of a group with mode or flag rollover. Unlike PACKET_STATISTICS it does not start again.
 *
 * @return 0; -EINVAL no such group; -errno (ret untouched)
 */
int fancap_rollover_stats_read(int fd, struct fancap_rollover_stats *ret);

#ifdef __cplusplus
}
#endif

#endif
