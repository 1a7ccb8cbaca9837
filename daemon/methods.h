// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_METHODS_H
#define DAEMON_METHODS_H

#include <stdbool.h>

#include "daemon/access.h"
#include "daemon/control.h"
#include "varlink/message.h"

/** What a method answers. */
struct method_reply {
	const char *error;  ///< NULL: it went well; else the name of a Varlink error, static
	json_t *parameters; ///< owned by the reply; NULL: no memory
};

/** Waits for the answer to a call that takes its time. Embedded by whoever passes the answer on. */
struct method_wait {
	struct control_job job;
	/** The answer has come; its parameters are the callee's to drop. Not called from within methods_call(). */
	void (*answer)(struct method_wait *wait, const struct method_reply *reply);
};

/**
 * Answer a call: find the method, see whether the caller may call it, check the parameters, run it. That somebody acts is
 * logged.
 *
 * @param wait      kept until its answer() is called, if the answer is to come later; methods_forget() ends that
 * @param ret_reply set if the answer is there; the caller drops parameters with json_decref()
 * @return whether the answer is there; if not, it will be given to wait
 */
bool methods_call(const struct control_source *source, const struct access_caller *caller,
		  const struct varlink_call *call, struct method_wait *wait, struct method_reply *ret_reply);

/** Nobody waits for the answer any more. */
void methods_forget(const struct control_source *source, struct method_wait *wait);

#endif
