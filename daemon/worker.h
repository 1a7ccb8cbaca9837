// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_WORKER_H
#define DAEMON_WORKER_H

#include "daemon/ledger.h"
#include "daemon/recorder.h"
#include "fancap/geometry.h"

/** What a worker inherits, and all it keeps. */
struct worker_params {
	struct recorder_params recorder;
	struct recorder_settings settings;
	struct fancap_geometry geometry;
	struct ledger *ledger;
	int ledger_fd;	///< of the ledger: who holds it locked may write to it
	int ring_fd;	///< packet socket, one of a group
	int channel_fd; ///< to the supervisor
	int cpu;	///< to run on, -1: any
	bool hardware_timestamps; ///< by a clock that is not ours, so look at what it says
};

/**
 * A worker's life, from fork to exit: give up all privileges, map the ring, record until told to stop or until the
 * supervisor is gone. Call in a child process, with every signal blocked; pass the result to _exit().
 *
 * @return 0 stopped as told, with everything recorded; 1 failed (said in the log)
 */
int worker_run(const struct worker_params *params);

#endif
