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
	bool continues;	    ///< others will follow, of a stream
};

/**
 * Waits for the answer to a call that takes its time, or for the answers of a stream. Embedded by whoever passes the
 * answers on, who sets base, answer and takes, and leaves the rest to the methods.
 */
struct method_wait {
	struct control_job job;
	struct event_base *base; ///< for the timers of streams
	/**
	 * An answer has come; its parameters are the callee's to drop. Not called from within methods_call().
	 *
	 * @return whether there is still somebody who waits: of a stream that continues
	 */
	bool (*answer)(struct method_wait *wait, const struct method_reply *reply);
	/** Whether the caller keeps up. A stream sends nothing to one that does not: it would be held here. */
	bool (*takes)(const struct method_wait *wait);

	const struct control_source *source;
	bool more; ///< the caller takes several answers
	/* Of a stream: */
	void (*room)(struct method_wait *wait); ///< the caller has caught up; NULL: who cares
	void (*end)(struct method_wait *wait);	///< nobody waits any more: free what the stream keeps
	void *stream;
};

/**
 * Answer a call: find the method, see whether the caller may call it, check the parameters, run it. That somebody acts is
 * logged.
 *
 * @param source    outlives the wait
 * @param wait      kept until its answer() is called, if the answer is to come later, and until an answer that does not
 *                  continue, of a stream; methods_forget() ends that
 * @param ret_reply set if the answer is there; the caller drops parameters with json_decref()
 * @return whether the answer is there; if not, it will be given to wait
 */
bool methods_call(const struct control_source *source, const struct access_caller *caller,
		  const struct varlink_call *call, struct method_wait *wait, struct method_reply *ret_reply);

/** There is room for more answers of a stream: it may send what it has kept back. May end the wait. */
void methods_room(struct method_wait *wait);

/** Nobody waits for the answer any more. */
void methods_forget(const struct control_source *source, struct method_wait *wait);

#endif
