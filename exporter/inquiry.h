// SPDX-License-Identifier: BSD-3-Clause
#ifndef EXPORTER_INQUIRY_H
#define EXPORTER_INQUIRY_H

#include <event2/event.h>
#include <jansson.h>

#include "fancap/error.h"

/** What fancapd said. */
struct inquiry_answer {
	json_t *status;	    ///< the reply of GetStatus, NULL: none
	json_t *statistics; ///< the reply of GetStatistics, NULL: none, or fancapd has none yet
	const char *reason; ///< why one of them is missing; NULL: none is
};

/** @param answer for the time of the call */
typedef void (*inquiry_done)(const struct inquiry_answer *answer, void *arg);

/**
 * Asks fancapd how it is doing, over its control socket, without ever blocking. There is one question at a time: those
 * who want to know while it is under way share the answer.
 */
struct inquiry;

/**
 * @param path       fancapd's control socket; it need not be there
 * @param timeout_ms from the question to the answer: then the answer is that there was none
 * @return NULL: err says why; else the caller ends it with inquiry_free()
 */
struct inquiry *inquiry_new(struct event_base *base, const char *path, unsigned timeout_ms, struct fancap_error *err);

/** Those who still wait get an answer first: that we are stopping. */
void inquiry_free(struct inquiry *inquiry);

/** Want to know. done is called exactly once, from the event loop, never from in here. @return 0 or -ENOMEM: it is not */
int inquiry_ask(struct inquiry *inquiry, inquiry_done done, void *arg);

#endif
