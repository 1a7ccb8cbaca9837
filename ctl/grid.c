// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/grid.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int grid_init(struct grid *grid, int rows, int columns)
{
	size_t n = (size_t)rows * (size_t)columns;

	*grid = (struct grid){.rows = rows, .columns = columns, .cells = calloc(n ? n : 1, sizeof(*grid->cells))};
	if (!grid->cells) {
		*grid = (struct grid){0};
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		grid->cells[i].character = ' ';
	return 0;
}

void grid_done(struct grid *grid)
{
	free(grid->cells);
	*grid = (struct grid){0};
}

static void cell_set(struct grid *grid, int row, int column, enum grid_look look, char character)
{
	struct grid_cell *cell;

	if (row < 0 || row >= grid->rows || column < 0 || column >= grid->columns)
		return;
	cell = &grid->cells[row * grid->columns + column];
	cell->character = character >= ' ' && character <= '~' ? character : '?';
	cell->look = (unsigned char)look;
}

int grid_put(struct grid *grid, int row, int column, enum grid_look look, const char *text)
{
	for (; *text; text++)
		cell_set(grid, row, column++, look, *text);
	return column;
}

int grid_print(struct grid *grid, int row, int column, enum grid_look look, const char *format, ...)
{
	char *text;
	va_list args;
	int r;

	va_start(args, format);
	r = vasprintf(&text, format, args);
	va_end(args);
	if (r < 0)
		return column;
	column = grid_put(grid, row, column, look, text);
	free(text);
	return column;
}

void grid_put_right(struct grid *grid, int row, int left, int end, enum grid_look look, const char *text)
{
	int column = end - (int)strlen(text);

	grid_put(grid, row, column < left ? left : column, look, text);
}

/* A little is shown as something, and not quite full as not full. */
void grid_bar(struct grid *grid, int row, int column, int width, enum grid_look look, double part)
{
	int inside = width - 2, full = (int)(part * inside + 0.5);

	if (inside < 1)
		return;
	if (full < 1 && part > 0)
		full = 1;
	if (full >= inside && part < 1)
		full = inside - 1;
	if (full > inside)
		full = inside;
	cell_set(grid, row, column, GRID_PLAIN, '[');
	for (int i = 0; i < inside; i++)
		cell_set(grid, row, column + 1 + i, look, i < full ? '#' : ' ');
	cell_set(grid, row, column + width - 1, GRID_PLAIN, ']');
}

void grid_look_row(struct grid *grid, int row, enum grid_look look)
{
	for (int i = 0; row >= 0 && row < grid->rows && i < grid->columns; i++)
		grid->cells[row * grid->columns + i].look = (unsigned char)look;
}
