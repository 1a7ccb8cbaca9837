// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_CONFIG_ERRORS_H
#define DAEMON_CONFIG_ERRORS_H

#include <stdio.h>

/** Where in a configuration file something stands. Lines and columns count from 1; line 0: the file itself. */
struct config_place {
	const char *file; ///< as messages name it; must outlive the errors
	unsigned order;	  ///< files are reported in this order
	size_t line;
	size_t column;
};

/** The errors found so far; embed one, zero-initialised. */
struct config_errors {
	struct config_error *items;
	size_t n;
	size_t n_more; ///< found, but too many to keep
};

/**
 * Note an error. The text becomes one line, whatever bytes the file brought into it.
 *
 * @param path the option's, such as `interfaces[1].ring.size`; NULL or "": none
 */
void config_errors_add(struct config_errors *errors, const struct config_place *place,
		       const char *path, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/** Write the errors, one a line, in the order of files, lines and columns. */
void config_errors_print(const struct config_errors *errors, FILE *out);

void config_errors_done(struct config_errors *errors);

#endif
