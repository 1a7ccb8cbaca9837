// SPDX-License-Identifier: BSD-3-Clause
#ifndef VARLINK_CLIENT_H
#define VARLINK_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "varlink/framer.h"
#include "varlink/message.h"

/** Why there is no answer. */
enum varlink_trouble {
	VARLINK_NO_TROUBLE,
	VARLINK_NOT_LISTENING, ///< nobody does on that path
	VARLINK_KEPT_OUT,      ///< by the mode of the socket or a folder
	VARLINK_TIMED_OUT,     ///< it may still come: to be asked again
	VARLINK_ENDED,	       ///< the connection, before the answer did
	VARLINK_NO_REPLY,      ///< what came is none, see fault
	VARLINK_FAILED,	       ///< a system call, see step and error
};

/** The trouble, and what there is to tell about it. */
struct varlink_problem {
	enum varlink_trouble trouble;
	enum varlink_fault fault; ///< of VARLINK_NO_REPLY
	const char *step;	  ///< of VARLINK_FAILED, static: "cannot connect"
	int error;		  ///< of VARLINK_FAILED: an errno
};

/**
 * The calling end of a connection: one call at a time, each answered by one reply, or, with `more`, by several.
 *
 * Embedded by its user, who may poll `fd` for POLLIN and look at the rest. All that waits does so until the deadline.
 * Prints nothing; every function but those that return nothing fills in `problem` when it returns trouble.
 */
struct varlink_client {
	int fd; ///< does not block
	int64_t deadline_ms; ///< CLOCK_MONOTONIC; negative: none
	struct varlink_framer framer;
	struct varlink_problem problem;
};

void varlink_client_init(struct varlink_client *client);
void varlink_client_done(struct varlink_client *client);

/** How long what follows may take from now on, all together; negative: without end; 0: it does not wait. */
void varlink_client_set_timeout(struct varlink_client *client, int64_t timeout_ms);

enum varlink_trouble varlink_client_connect(struct varlink_client *client, const char *path);

/** Take over a connected stream socket instead. */
enum varlink_trouble varlink_client_adopt(struct varlink_client *client, int fd);

/** @return the connection, for the caller to close; the client has none any more */
int varlink_client_take_fd(struct varlink_client *client);

/** Send a call. @param parameters an object, or NULL; stays the caller's. @param more ask for several replies */
enum varlink_trouble varlink_client_send(struct varlink_client *client, const char *method, json_t *parameters,
					 bool more);

/**
 * Wait for the next reply, which may be an error.
 *
 * After VARLINK_TIMED_OUT it may be called again; nothing is lost. Look here before polling: several replies may have
 * come at once.
 *
 * @param ret_reply set without trouble only; the caller releases it with varlink_reply_done()
 */
enum varlink_trouble varlink_client_receive(struct varlink_client *client, struct varlink_reply *ret_reply);

#endif
