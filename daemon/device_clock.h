// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_DEVICE_CLOCK_H
#define DAEMON_DEVICE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/** How far a device's clock may be from the system's: more than packets wait in a ring, less than no clock is set. */
#define DEVICE_CLOCK_OFF_MAX_NS (120ull * 1000000000u)

/**
 * Whether a device that stamps packets has a clock that may be right, by the first packet of a block that has just
 * come. Packets that the kernel stamped say nothing about it.
 *
 * @param ret_off_ns set only on false: the device's clock less the system's
 */
bool device_clock_check(const void *block, uint32_t block_bytes, uint64_t now_ns, int64_t *ret_off_ns);

#endif
