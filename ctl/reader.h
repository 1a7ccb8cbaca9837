// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_READER_H
#define CTL_READER_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/** Reads what the daemon says. Remembers the first thing that was not there; reading goes on with 0 or "". */
struct reader {
	const char *missing;
};

void reader_miss(struct reader *reader, const char *key);

uint64_t read_count(struct reader *reader, json_t *object, const char *key);
const char *read_text(struct reader *reader, json_t *object, const char *key);

/** As read_text(), into a buffer; what does not fit is cut off. */
void read_text_copy(char *to, size_t size, struct reader *reader, json_t *object, const char *key);

/** @return NULL if it is not there, which Jansson takes for an empty one */
json_t *read_array(struct reader *reader, json_t *object, const char *key);
json_t *read_object(struct reader *reader, json_t *object, const char *key);

/** @return 0, or -EBADMSG and what was missing */
int reader_result(const struct reader *reader, const char **ret_missing);

#endif
