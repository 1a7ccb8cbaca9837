// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/device_clock.h"

#include "fancap/block.h"
#include "fancap/timestamp.h"

bool device_clock_check(const void *block, uint32_t block_bytes, uint64_t now_ns, int64_t *ret_off_ns)
{
	struct fancap_packet packet;
	struct fancap_walk walk;

	if (fancap_walk_start(&walk, block, block_bytes) < 0 || fancap_walk_next(&walk, &packet) != 1)
		return true;
	if (fancap_packet_timestamp_source(&packet) != FANCAP_TIMESTAMP_HARDWARE ||
	    fancap_timestamp_plausible(packet.time_ns, now_ns, DEVICE_CLOCK_OFF_MAX_NS))
		return true;
	*ret_off_ns = (int64_t)(packet.time_ns - now_ns);
	return false;
}
