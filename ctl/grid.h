// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_GRID_H
#define CTL_GRID_H

#include <stdarg.h>
#include <stdbool.h>

/** How a cell looks; what that is on a terminal is decided where it is shown. */
enum grid_look {
	GRID_PLAIN,
	GRID_STRONG, ///< what the eye is to find first
	GRID_TITLE,  ///< titles of columns
	GRID_GOOD,
	GRID_NOTE, ///< worth a look
	GRID_BAD,  ///< packets are being lost
	GRID_LOOKS
};

/** A screen in memory: characters of ASCII, and how each looks. */
struct grid {
	int rows, columns;
	struct grid_cell {
		char character;
		unsigned char look; ///< enum grid_look
	} *cells;		    ///< row by row
};

/** @return 0 or -ENOMEM; release it with grid_done(), in any case */
int grid_init(struct grid *grid, int rows, int columns);
void grid_done(struct grid *grid);

/**
 * Put text at a place. What does not fit is left out; characters of unknown origin that are not printable ASCII become '?'.
 *
 * @return the column after it
 */
int grid_put(struct grid *grid, int row, int column, enum grid_look look, const char *text);
int grid_print(struct grid *grid, int row, int column, enum grid_look look, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/** Text so that it ends right before a column, or (text too long) begins at left. */
void grid_put_right(struct grid *grid, int row, int left, int end, enum grid_look look, const char *text);

/** A bar of this width, brackets included: [#####     ]. @param part of 1 */
void grid_bar(struct grid *grid, int row, int column, int width, enum grid_look look, double part);

/** Make a whole row look so. */
void grid_look_row(struct grid *grid, int row, enum grid_look look);

#endif
