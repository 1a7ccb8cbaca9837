// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_ROTATION_H
#define DAEMON_ROTATION_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/capture.h"
#include "daemon/child.h"
#include "daemon/control.h"

/** Rotations that somebody asked for, until the workers have done them. Embedded, zero-initialised. */
struct rotations {
	struct rotation *first;
	uint64_t number; ///< of the latest
};

/**
 * Tell the workers of an interface to finish their files. What a worker that dies meanwhile has not done its replacement
 * is told again.
 *
 * @param captures  borrowed as long as there are rotations
 * @param interface NULL: of all
 * @param limit_ms  the job is over after that in any case
 * @param job       see struct control_source
 * @return 0, -ENODEV no such interface, -ENOMEM
 */
int rotations_begin(struct rotations *rotations, struct event_base *base, const struct captures *captures,
		    const char *interface, unsigned limit_ms, struct control_job *job);

/** A child has done one, or has left for good: see whose job is over. */
void rotations_check(struct rotations *rotations);

/** The job's over() is not called any more. */
void rotations_forget(struct rotations *rotations, struct control_job *job);

/** Forget all. */
void rotations_done(struct rotations *rotations);

#endif
