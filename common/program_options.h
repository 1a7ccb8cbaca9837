// SPDX-License-Identifier: BSD-3-Clause
#ifndef COMMON_PROGRAM_OPTIONS_H
#define COMMON_PROGRAM_OPTIONS_H

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>

#define PROGRAM_OPTIONS_MAX 32

/** An option of a program: one row for parser, help and manual. */
struct program_option {
	struct option option; ///< a name of NULL ends a table
	char letter;	      ///< of its short form, 0: has none
	const char *argument; ///< as help calls what it takes; NULL: nothing
	const char *help;     ///< may have lines
};

/** The rows as getopt_long() wants them. */
struct program_parser {
	struct option table[PROGRAM_OPTIONS_MAX + 1];
	char letters[2 * PROGRAM_OPTIONS_MAX + 1];
};

void program_parser_init(struct program_parser *parser, const struct program_option *rows);

/** The options of --help. @param width of what stands left of the explanations */
void program_options_help(FILE *out, const struct program_option *rows, int width);

/** The options of a manual page, see manual.h. */
void program_options_manual(FILE *out, const struct program_option *rows);

#endif
