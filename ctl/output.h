// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_OUTPUT_H
#define CTL_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ctl/ctl.h"

/** Room for the longest text of a number. */
#define FORMAT_TEXT_MAX 64

/** Numbers for people. */
void format_count(char text[FORMAT_TEXT_MAX], uint64_t count);	       ///< 1,234,567
void format_bytes(char text[FORMAT_TEXT_MAX], uint64_t bytes);	       ///< 1.2 MiB
void format_duration(char text[FORMAT_TEXT_MAX], uint64_t duration_ns); ///< 1.2 ms
void format_percent(char text[FORMAT_TEXT_MAX], uint64_t part, uint64_t whole); ///< 1.23, with bounds: <0.01

/** What a colour says. None is ever part of JSON. */
enum color { COLOR_NONE, COLOR_GOOD, COLOR_WARNING, COLOR_BAD };

/** Whether there are colours from now on. There are none at first. */
void color_enable(bool enable);

/** Whether out is a terminal that knows colours (TERM), and nobody has set NO_COLOR; see no-color.org. */
bool color_is_wanted(FILE *out);

/** Print text that controls nothing, see text_print(). */
void color_print(FILE *out, enum color color, const char *text);

/** A column of a table for people. */
struct column {
	const char *title;
	bool right; ///< numbers are easier compared when they end below each other
};

/** A table that is filled cell by cell, row by row, and printed in the end, as wide as its contents want. */
struct table;

/** @param columns must outlive the table. @return NULL: ENOMEM, which the other functions accept */
struct table *table_new(const struct column *columns, size_t n_columns);
void table_free(struct table *table);

/** Fill the next cell. What the daemon says goes through table_text(): see text_print(). */
void table_text(struct table *table, const char *text);
void table_count(struct table *table, uint64_t count);
void table_bytes(struct table *table, uint64_t bytes);
void table_duration(struct table *table, uint64_t duration_ns);
void table_time(struct table *table, uint64_t time_ns);
void table_percent(struct table *table, uint64_t part, uint64_t whole);
void table_format(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The colour of the next cell. */
void table_color(struct table *table, enum color color);

bool table_is_empty(const struct table *table);

/** Print all rows under their titles. @return 0 or -ENOMEM, also if filling failed: then nothing was printed */
int table_print(const struct table *table, FILE *out);

/** The same after an empty line, if it has rows. */
int table_print_if_any(const struct table *table, FILE *out);

/**
 * Print text of unknown origin: what a terminal would obey (control characters, changes of writing direction) is
 * shown as \xNN or \uNNNN instead.
 */
void text_print(FILE *out, const char *text);

/** The same of text that may have lines; the last one is ended, too. */
void text_print_lines(FILE *out, const char *text);

/** "2023-11-14 22:13:20 UTC" */
void time_print(FILE *out, uint64_t time_ns);

/** "1h 2min 3s" */
void duration_print(FILE *out, uint64_t duration_ns);

/**
 * The version of what --json prints, as the member "format" of each object. Members may be added without a new one; that
 * something goes, or means something else, takes one.
 */
#define OUTPUT_JSON_FORMAT 1

/** JSON for programs, in ASCII so that nothing in it can control a terminal. @param object NULL or taken over */
enum ctl_exit json_print(const struct ctl *ctl, json_t *object);

/** The same on one line, for commands that print more than one. */
enum ctl_exit json_print_line(const struct ctl *ctl, json_t *object);

#endif
