// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_METHODS_H
#define DAEMON_METHODS_H

#include "daemon/control.h"
#include "varlink/message.h"

/** What a method answers. */
struct method_reply {
	const char *error;  ///< NULL: it went well; else the name of a Varlink error, static
	json_t *parameters; ///< owned by the reply; NULL: no memory
};

/**
 * Answer a call: find the method, check its parameters, run it.
 *
 * @param ret_reply always set; the caller drops parameters with json_decref()
 */
void methods_call(const struct control_source *source, const struct varlink_call *call,
		  struct method_reply *ret_reply);

#endif
