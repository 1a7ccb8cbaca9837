// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_CHANNEL_H
#define DAEMON_CHANNEL_H

#include <stdint.h>

#include "daemon/keeper.h"
#include "daemon/recorder.h"
#include "daemon/segments.h"

/*
 * Between the supervisor and a worker, or the storage keeper: a SOCK_SEQPACKET pair, so that messages keep their bounds and either end sees at once
 * when the other is gone. Both ends are non-blocking.
 */

enum channel_type {
	/* supervisor -> worker */
	CHANNEL_STOP,	   ///< the gate is closed: record what is left, finish the files, leave
	CHANNEL_CONFIGURE, ///< new settings
	CHANNEL_ROTATE,	   ///< finish the file; the next packet begins another
	/* supervisor -> keeper; STOP, too: leave for a replacement, which knows other ledgers */
	CHANNEL_KEEP, ///< new settings
	/* worker or keeper -> supervisor */
	CHANNEL_HELLO,	///< set up, recording
	CHANNEL_LOSING, ///< the kernel says it dropped packets: have a look at its counters
	CHANNEL_ROTATED, ///< the file is finished
	/* either way, supervisor and keeper */
	CHANNEL_SEGMENTS, ///< a request about recorded files, or its answer
	CHANNEL_LOG,	///< put this into the log
};

struct channel_log {
	int32_t level;
	char message_id[33]; ///< "" for none
	char text[1024];
};

struct channel_message {
	enum channel_type type;
	union {
		uint64_t stop_packets; ///< STOP: what the kernel has delivered to this ring in all
		struct recorder_settings settings;
		uint64_t rotation; ///< ROTATE, ROTATED: its number
		struct keeper_settings keeper;
		struct segments_message segments;
		struct channel_log log;
	};
};

/** Make a pair, close-on-exec. @return 0 or -errno */
int channel_pair(int ret_fds[2]);

/** Send; only as many bytes as the type needs. @return 0 or -errno (-EAGAIN: the other end does not keep up) */
int channel_send(int fd, const struct channel_message *message);

/** Receive. @return 1, 0 the other end is gone, -EAGAIN nothing there, -EBADMSG not a message of ours, -errno */
int channel_receive(int fd, struct channel_message *ret);

#endif
