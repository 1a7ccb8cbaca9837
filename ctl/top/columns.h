// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_TOP_COLUMNS_H
#define CTL_TOP_COLUMNS_H

#include <stddef.h>

#include "ctl/grid.h"
#include "ctl/top/sample.h"

/* The table of interfaces or workers: which columns there are, which fit, what is in them, how rows are sorted. */

/** How many columns there are to sort by. */
int columns_count(void);
const char *columns_title(int column);
/** Whether a table of interfaces, or else of workers, can have it. */
bool columns_apply(int column, bool workers);

/**
 * Draw a table: its titles at a row, and below them as many rows as there is room for, from the one numbered `scroll` on.
 *
 * @param sort     column to sort by, -1: none
 * @param reversed the other way round than is usual: texts from A to Z, numbers from the largest down
 */
void columns_draw(struct grid *grid, int top, int bottom, const struct sample_row *rows, size_t n, bool workers, int sort,
		  bool reversed, int scroll);

/** 1,234 as "1.23k", with powers of 1000 */
void columns_format_si(char text[16], double number);

#endif
