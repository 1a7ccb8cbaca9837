// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_READER_H
#define CTL_READER_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/output.h"

/** Reads what the daemon says. Remembers the first thing that was not there; reading goes on with 0 or "". */
struct reader {
	const char *missing;
};

/** @return 0; -EBADMSG: something was not there, or of a wrong type: *ret_missing is set to its name */
int reader_result(const struct reader *reader, const char **ret_missing);

uint64_t read_count(struct reader *reader, json_t *object, const char *key);
const char *read_text(struct reader *reader, json_t *object, const char *key);

/** As read_text(), into a buffer; what does not fit is cut off. */
void read_text_copy(char *to, size_t size, struct reader *reader, json_t *object, const char *key);
json_t *read_object(struct reader *reader, json_t *object, const char *key);

/** @return NULL if it is not there, which Jansson takes for an empty one */
json_t *read_array(struct reader *reader, json_t *object, const char *key);

/* Fill the next cell of a table; what may be null is a hyphen then. */
void cell_count(struct table *table, struct reader *reader, json_t *object, const char *key);
void cell_optional(struct table *table, struct reader *reader, json_t *object, const char *key);
void cell_duration(struct table *table, struct reader *reader, json_t *object, const char *key);
void cell_time(struct table *table, struct reader *reader, json_t *object, const char *key);
void cell_yes_no(struct table *table, json_t *object, const char *key);
void cell_ratio(struct table *table, json_t *object, const char *key);

/** Three cells: seen, dropped, and how many of a hundred that is. */
void cells_seen(struct table *table, struct reader *reader, json_t *object);

/** Packets that should not have been lost: red if there are any. */
void cell_lost(struct table *table, struct reader *reader, json_t *object, const char *key);

/** How an interface, a worker or a file is doing: member "state". */
void cell_state(struct table *table, struct reader *reader, json_t *object);
enum color state_color(const char *state);

/** The interface's name, and what it is called now as well, if it was renamed. */
void cell_interface(struct table *table, struct reader *reader, json_t *interface);

/**
 * Print how many were changed: "2 files are held now", or `none`.
 *
 * @param key of their number in the answer
 * @return as reader_result()
 */
int changed_print(json_t *answer, const char *key, const char *noun, FILE *out, const char **ret_missing, const char *what,
		  const char *none);

#endif
