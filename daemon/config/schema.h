// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_CONFIG_SCHEMA_H
#define DAEMON_CONFIG_SCHEMA_H

#include <cyaml/cyaml.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/units.h"
#include "fancap/error.h"

struct config_option;

/** How a kind of value is read, checked and written. */
struct config_type {
	bool is_text; ///< the target is a const char *; otherwise an unsigned number
	/** Read a number, or only check a text. @return 0 or -EINVAL, with what is allowed in err */
	int (*parse)(const struct config_option *option, const char *text, uint64_t *ret_number,
		     struct fancap_error *err);
	/** Write a number so that parse reads it back; NULL for texts. */
	void (*print)(const struct config_option *option, uint64_t number,
		      char text[UNITS_TEXT_MAX]);
};

/** A word for a value; a table of them ends with a NULL word. */
struct config_word {
	const char *word;
	unsigned value;
};

/** One option: the row that parser, checks, defaults, --dump-config and tests read. */
struct config_option {
	const char *path;		  ///< in its table, such as `ring.block-size`
	const struct config_type *type;	  ///< NULL: a mapping, of the rows whose path it begins
	size_t offset;			  ///< of the value in the structure the table fills
	size_t width;			  ///< of the value in bytes
	const char *fallback;		  ///< the default as it would be written; NULL: none
	uint64_t min, max;		  ///< of numbers
	bool none;			  ///< 0 is allowed too, and may be written `none`
	const struct config_word *words;  ///< of enumerations
	bool list;			  ///< a list of such values, kept apart from the structure
	const struct config_table *entry; ///< a list of mappings described by that table
};

struct config_table {
	const struct config_option *options;
	size_t n;
};

extern const struct config_table config_table_top;	 ///< fills struct config
extern const struct config_table config_table_interface; ///< fills struct config_interface

/** An option as it is written in a file; a table's rows are an array of these, in their order. */
struct config_text {
	union {
		char *scalar; ///< NULL: not given
		char **list;
		struct config_text *entries; ///< n times the entry table's rows
	};
	unsigned n; ///< of list and entries
};

/** The row of a path. The path must exist. */
size_t config_table_index(const struct config_table *table, const char *path);

/** Read a text into the option's place in a structure. @return 0 or -EINVAL, place untouched */
int config_option_read(const struct config_option *option, const char *text, void *structure,
		       struct fancap_error *err);

/** The option's value in a structure as text: buffer or the text itself; NULL is "". */
const char *config_option_write(const struct config_option *option, const void *structure,
				char buffer[UNITS_TEXT_MAX]);

/** Fill a structure with its table's defaults. */
void config_table_defaults(const struct config_table *table, void *structure);

/** The tables as a libcyaml schema: it loads and saves arrays of struct config_text. @return NULL: no memory */
struct config_schema *config_schema_new(void);
void config_schema_free(struct config_schema *schema);
const cyaml_schema_value_t *config_schema_top(const struct config_schema *schema);

#endif
