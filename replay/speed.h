// SPDX-License-Identifier: BSD-3-Clause
#ifndef REPLAY_SPEED_H
#define REPLAY_SPEED_H

#include <stdbool.h>
#include <stdint.h>

#include "fancap/error.h"

/* How fast to send, and when each packet is due: arithmetic only, no clock. */

enum speed_kind {
	SPEED_RECORDED, ///< as recorded, or a multiple of that
	SPEED_TOP,	///< as fast as it goes
	SPEED_PACKETS,	///< packets per second
	SPEED_BITS,	///< bits per second, of the frames as they are in the file (no preamble, FCS, gap)
};

struct speed {
	enum speed_kind kind;
	uint64_t millionths; ///< of the factor, or of packets or bits per second
};

#define SPEED_AS_RECORDED ((struct speed){SPEED_RECORDED, 1000000})
#define SPEED_FORMS "recorded, top, a factor (0.5x), packets per second (50000pps, 1.2Mpps) or bits per second (100Mbit)"

/**
 * Read one of SPEED_FORMS; k, M, G before the unit multiply by powers of 1000.
 *
 * @param ret set only on success
 * @return 0; -EINVAL no such text; -ERANGE zero, or more than 10^12
 */
int speed_parse(const char *text, struct speed *ret, struct fancap_error *err);

/** What has been sent so far, and when. Times are counted from the start of the replay. */
struct schedule {
	struct speed speed;
	uint64_t packets, bytes; ///< before the next packet
	uint64_t due_ns;	 ///< of the last packet
	uint64_t loop_ns;	 ///< due_ns when this pass over the files began
	uint64_t first_ns;	 ///< recorded time of its first packet
	bool begun;		 ///< there was one
};

void schedule_init(struct schedule *schedule, struct speed speed);

/** Another pass over the files: its first packet is due with the last one's last. Rates go on as before. */
void schedule_again(struct schedule *schedule);

/**
 * When the next packet is due, never before the last one: files out of order do not turn time back.
 *
 * @param time_ns when it was recorded
 * @param bytes   its length
 * @return nanoseconds from the start; UINT64_MAX when that is too far away to be said
 */
uint64_t schedule_next(struct schedule *schedule, uint64_t time_ns, uint32_t bytes);

#endif
