// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <linux/if_packet.h>
#include <stddef.h>
#include <sys/socket.h>

#include "fancap/stats.h"

/* V1 and V2 answer with a struct tpacket_stats, which V3 begins with too. */
_Static_assert(offsetof(struct tpacket_stats, tp_packets) == offsetof(struct tpacket_stats_v3, tp_packets) &&
		       offsetof(struct tpacket_stats, tp_drops) == offsetof(struct tpacket_stats_v3, tp_drops),
	       "the figures that all versions have");

int fancap_stats_read(int fd, struct fancap_stats *total)
{
	struct tpacket_stats_v3 now = {0};
	socklen_t len = sizeof(now);

	if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &now, &len) < 0)
		return -errno;
	if (len != sizeof(struct tpacket_stats) && len != sizeof(now))
		return -EPROTO;
	total->packets += now.tp_packets; /* includes tp_drops */
	total->drops += now.tp_drops;
	total->freezes += now.tp_freeze_q_cnt; /* 0 but for V3 */
	return 0;
}

int fancap_rollover_stats_read(int fd, struct fancap_rollover_stats *ret)
{
	struct tpacket_rollover_stats now;
	socklen_t len = sizeof(now);

	if (getsockopt(fd, SOL_PACKET, PACKET_ROLLOVER_STATS, &now, &len) < 0)
		return -errno;
	*ret = (struct fancap_rollover_stats){
		.packets = now.tp_all, .huge = now.tp_huge, .failed = now.tp_failed};
	return 0;
}
