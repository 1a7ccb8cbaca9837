// SPDX-License-Identifier: BSD-3-Clause
#ifndef COMMON_MANUAL_H
#define COMMON_MANUAL_H

#include <stdio.h>

/* Parts of manual pages that are made from the tables of programs, as scdoc(5). Used when building, not installed. */

/** Print text in which nothing is to be taken for markup. */
void manual_text(FILE *out, const char *text);

/** An entry for an option. @param letter 0: has none @param argument NULL: takes none */
void manual_option(FILE *out, char letter, const char *name, const char *argument, const char *help);

/** A part of a page, by name. */
struct manual_part {
	const char *name;
	void (*print)(FILE *out);
};

/** main() of a program that prints the part that its argument names. @param parts ends with NULL */
int manual_main(int argc, char **argv, const struct manual_part *parts);

#endif
