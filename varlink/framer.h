// SPDX-License-Identifier: BSD-3-Clause
#ifndef VARLINK_FRAMER_H
#define VARLINK_FRAMER_H

#include <stdbool.h>
#include <stddef.h>

#define VARLINK_REQUEST_MAX_BYTES ((size_t)64 * 1024)
#define VARLINK_REPLY_MAX_BYTES ((size_t)16 * 1024 * 1024)

/**
 * Cuts a stream of bytes, fed in pieces of any size, into messages: a message is what stands before a NUL byte.
 *
 * Embedded by its user; the members are the framer's own. It holds what was fed and not yet taken: the user bounds it
 * by taking messages before feeding on, and by feeding pieces of moderate size.
 */
struct varlink_framer {
	char *bytes;
	size_t capacity;
	size_t start;	///< of the first message not yet taken
	size_t scanned; ///< no NUL between start and here
	size_t end;	///< of what was fed
	size_t max_bytes;
};

/** @param max_bytes of one message, without its NUL */
void varlink_framer_init(struct varlink_framer *framer, size_t max_bytes);
void varlink_framer_done(struct varlink_framer *framer);

/** Add what was received. @return 0 or -ENOMEM */
int varlink_framer_feed(struct varlink_framer *framer, const void *bytes, size_t n_bytes);

/**
 * Take the next message.
 *
 * @param ret_text set on 1 only: the message, with its NUL; valid until the next varlink_framer_feed()
 * @param ret_len  set on 1 only: its length without the NUL
 * @return 1 taken, 0 none complete, -EMSGSIZE the message is or will be larger than max_bytes: the stream is lost
 */
int varlink_framer_next(struct varlink_framer *framer, const char **ret_text, size_t *ret_len);

/** Whether some of a message was fed that is not complete. To be asked when varlink_framer_next() says 0. */
bool varlink_framer_partial(const struct varlink_framer *framer);

#endif
