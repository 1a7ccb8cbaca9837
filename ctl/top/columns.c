// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/top/columns.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/percent.h"
#include "ctl/output.h"

#define COLUMNS 18
#define GAP 1
#define BAR_MAX 40
#define RING_BAD 80
#define RING_NOTE 50

enum scope { BOTH, OF_INTERFACES, OF_WORKERS };

/** A column: one row. */
struct column_kind {
	const char *title;
	int width;    ///< of numbers; text takes what it needs
	int priority; ///< those with the largest go first where there is no room
	enum scope scope;
	bool is_text;
	/** What to sort numbers by; what is not known is below 0. */
	double (*key)(const struct sample_row *row);
	void (*text)(const struct sample_row *row, char text[FORMAT_TEXT_MAX]);
	enum grid_look (*look)(const struct sample_row *row);
};

void columns_format_si(char text[16], double number)
{
	static const char units[] = " kMGTPE";
	unsigned unit = 0;

	while (number >= 999.5 && unit < sizeof(units) - 2) {
		number /= 1000;
		unit++;
	}
	/* Three digits; what is less than one a second is something all the same. */
	if (unit == 0)
		snprintf(text, 16, number > 0 && number < 0.95 ? "<1" : "%.0f", number);
	else
		snprintf(text, 16, "%.*f%c", number < 9.995 ? 2 : number < 99.95 ? 1 : 0, number, units[unit]);
}

/* --- what is in them -------------------------------------------------------------------------------------- */

static enum grid_look look_plain(const struct sample_row *row)
{
	(void)row;
	return GRID_PLAIN;
}

static double key_none(const struct sample_row *row)
{
	(void)row;
	return 0;
}

static double key_worker(const struct sample_row *row)
{
	return row->worker;
}

static double known(const struct sample_row *row, double rate)
{
	return row->rates.known ? rate : -1;
}

#define KEY(name, value)                                            \
	static double key_##name(const struct sample_row *row) \
	{                                                           \
		return (value);                                     \
	}

KEY(seen_s, known(row, row->rates.seen))
KEY(lost_s, known(row, row->rates.dropped + row->rates.discarded))
KEY(dropped_s, known(row, row->rates.dropped))
KEY(discarded_s, known(row, row->rates.discarded))
KEY(written_s, known(row, row->rates.written))
KEY(bytes_s, known(row, row->rates.bytes))
KEY(lost, known(row, row->rates.lost))
KEY(write, known(row, row->rates.write_ns))
KEY(longest, (double)row->write_max_ns)
KEY(ring, statistics_percent(row->ring_used, row->ring_blocks))
KEY(ring_max, statistics_percent(row->ring_used_max, row->ring_blocks))
KEY(seen_all, (double)row->counters.seen)
KEY(lost_all, (double)row->counters.dropped + (double)row->counters.discarded)
KEY(restarts, (double)row->restarts)

static void text_si(double number, char text[FORMAT_TEXT_MAX])
{
	if (number < 0)
		strcpy(text, "-");
	else
		columns_format_si(text, number);
}

static void text_ns(double ns, char text[FORMAT_TEXT_MAX])
{
	if (ns < 0)
		strcpy(text, "-");
	else
		format_duration(text, (uint64_t)ns);
}

#define TEXT(name, statement)                                                                 \
	static void text_##name(const struct sample_row *row, char text[FORMAT_TEXT_MAX]) \
	{                                                                                     \
		statement;                                                                    \
	}

TEXT(interface, snprintf(text, FORMAT_TEXT_MAX, "%s", row->interface))
TEXT(worker, snprintf(text, FORMAT_TEXT_MAX, "%d", row->worker))
TEXT(state, snprintf(text, FORMAT_TEXT_MAX, "%s", row->state))
TEXT(workers, snprintf(text, FORMAT_TEXT_MAX, "%u/%u", row->workers_running, row->workers))
TEXT(seen_s, text_si(key_seen_s(row), text))
TEXT(lost_s, text_si(key_lost_s(row), text))
TEXT(dropped_s, text_si(key_dropped_s(row), text))
TEXT(discarded_s, text_si(key_discarded_s(row), text))
TEXT(written_s, text_si(key_written_s(row), text))
TEXT(write, text_ns(key_write(row), text))
TEXT(longest, text_ns(row->counters.writes ? key_longest(row) : -1, text))
TEXT(ring_max, snprintf(text, FORMAT_TEXT_MAX, "%.0f%%", key_ring_max(row)))
TEXT(seen_all, text_si(key_seen_all(row), text))
TEXT(lost_all, text_si(key_lost_all(row), text))
TEXT(restarts, text_si(key_restarts(row), text))

static void text_bytes_s(const struct sample_row *row, char text[FORMAT_TEXT_MAX])
{
	if (row->rates.known)
		format_bytes(text, (uint64_t)row->rates.bytes);
	else
		strcpy(text, "-");
}

/* As everywhere: rounding must not make a loss look like none. */
static void text_lost(const struct sample_row *row, char text[FORMAT_TEXT_MAX])
{
	double lost = key_lost(row);

	if (lost < 0)
		strcpy(text, "-");
	else if (lost > 0 && lost < 0.01)
		strcpy(text, "<0.01");
	else
		snprintf(text, FORMAT_TEXT_MAX, "%.2f", lost);
}

/* The number at the end of the bar. */
static void text_ring(const struct sample_row *row, char text[FORMAT_TEXT_MAX])
{
	snprintf(text, FORMAT_TEXT_MAX, "%.0f%%", key_ring(row));
}

static enum grid_look look_lost(const struct sample_row *row)
{
	return key_lost_s(row) > 0 ? GRID_BAD : GRID_PLAIN;
}

static enum grid_look look_lost_all(const struct sample_row *row)
{
	return key_lost_all(row) > 0 ? GRID_BAD : GRID_PLAIN;
}

static enum grid_look look_state(const struct sample_row *row)
{
	if (!strcmp(row->state, "up") || !strcmp(row->state, "running"))
		return GRID_GOOD;
	return GRID_NOTE;
}

static enum grid_look look_ring(const struct sample_row *row)
{
	double full = key_ring(row);

	return full >= RING_BAD ? GRID_BAD : full >= RING_NOTE ? GRID_NOTE : GRID_GOOD;
}

static enum grid_look look_ring_max(const struct sample_row *row)
{
	return row->ring_blocks && row->ring_used_max >= row->ring_blocks ? GRID_NOTE : GRID_PLAIN;
}

static enum grid_look look_restarts(const struct sample_row *row)
{
	return row->restarts ? GRID_NOTE : GRID_PLAIN;
}

#define RING_COLUMN 12

static const struct column_kind kinds[COLUMNS] = {
	{"INTERFACE", 9, 0, BOTH, true, key_none, text_interface, look_plain},
	{"WORKER", 6, 0, OF_WORKERS, false, key_worker, text_worker, look_plain},
	{"STATE", 7, 0, BOTH, true, key_none, text_state, look_state},
	{"WORKERS", 7, 5, OF_INTERFACES, true, key_none, text_workers, look_plain},
	{"SEEN/S", 6, 0, BOTH, false, key_seen_s, text_seen_s, look_plain},
	{"WRITTEN/S", 9, 4, BOTH, false, key_written_s, text_written_s, look_plain},
	{"LOST/S", 6, 0, BOTH, false, key_lost_s, text_lost_s, look_lost},
	{"DROPPED/S", 9, 8, BOTH, false, key_dropped_s, text_dropped_s, look_lost},
	{"DISCARDED/S", 11, 8, BOTH, false, key_discarded_s, text_discarded_s, look_lost},
	{"LOST %", 6, 1, BOTH, false, key_lost, text_lost, look_lost},
	{"BYTES/S", 10, 2, BOTH, false, key_bytes_s, text_bytes_s, look_plain},
	{"WRITE", 8, 3, BOTH, false, key_write, text_write, look_plain},
	[RING_COLUMN] = {"RING", 12, 0, BOTH, false, key_ring, text_ring, look_ring},
	{"MOST", 4, 5, BOTH, false, key_ring_max, text_ring_max, look_ring_max},
	{"LONGEST", 8, 4, BOTH, false, key_longest, text_longest, look_plain},
	{"SEEN", 6, 6, BOTH, false, key_seen_all, text_seen_all, look_plain},
	{"LOST", 6, 4, BOTH, false, key_lost_all, text_lost_all, look_lost_all},
	{"RESTARTS", 8, 7, BOTH, false, key_restarts, text_restarts, look_restarts},
};

int columns_count(void)
{
	return COLUMNS;
}

const char *columns_title(int column)
{
	return kinds[column].title;
}

bool columns_apply(int column, bool workers)
{
	return kinds[column].scope != (workers ? OF_INTERFACES : OF_WORKERS);
}

/* --- which fit -------------------------------------------------------------------------------------------- */

/** Widths as drawn; 0: is left out. */
struct layout {
	int widths[COLUMNS];
};

static int layout_width(const struct layout *layout)
{
	int width = -GAP;

	for (int c = 0; c < COLUMNS; c++)
		width += layout->widths[c] ? layout->widths[c] + GAP : 0;
	return width;
}

static int column_width(const struct column_kind *kind, const struct sample_row *rows, size_t n)
{
	int width = kind->width;

	for (size_t i = 0; kind->is_text && i < n; i++) {
		char text[FORMAT_TEXT_MAX];

		kind->text(&rows[i], text);
		if ((int)strlen(text) > width)
			width = (int)strlen(text);
	}
	return width;
}

static int least_wanted(const struct layout *layout)
{
	int least = -1;

	for (int c = 0; c < COLUMNS; c++)
		if (layout->widths[c] && (least < 0 || kinds[c].priority >= kinds[least].priority))
			least = c;
	return least;
}

static struct layout layout_make(int width, const struct sample_row *rows, size_t n, bool workers)
{
	struct layout layout = {{0}};
	int least, left;

	for (int c = 0; c < COLUMNS; c++)
		if (columns_apply(c, workers))
			layout.widths[c] = column_width(&kinds[c], rows, n);
	while (layout_width(&layout) > width && (least = least_wanted(&layout)) >= 0 && kinds[least].priority > 0)
		layout.widths[least] = 0;
	left = width - layout_width(&layout);
	if (left > 0)
		layout.widths[RING_COLUMN] += left < BAR_MAX - kinds[RING_COLUMN].width ? left : BAR_MAX - kinds[RING_COLUMN].width;
	return layout;
}

/* --- sorting ---------------------------------------------------------------------------------------------- */

struct order {
	const struct column_kind *kind;
	bool reversed;
};

static int rows_compare(const void *a, const void *b, void *arg)
{
	const struct sample_row *const *left = a, *const *right = b;
	const struct order *order = arg;
	char texts[2][FORMAT_TEXT_MAX];
	double keys[2] = {order->kind->key(*left), order->kind->key(*right)};
	int result = (keys[0] < keys[1]) - (keys[0] > keys[1]);

	if (order->kind->is_text) {
		order->kind->text(*left, texts[0]);
		order->kind->text(*right, texts[1]);
		result = strcmp(texts[0], texts[1]);
	}
	if (order->reversed)
		result = -result;
	/* Those alike stay as they were. */
	return result ? result : (*left > *right) - (*left < *right);
}

/* @return NULL: no memory */
static const struct sample_row **rows_sort(const struct sample_row *rows, size_t n, int sort, bool reversed)
{
	const struct sample_row **sorted = calloc(n + 1, sizeof(*sorted));
	struct order order = {sort < 0 ? NULL : &kinds[sort], reversed};

	for (size_t i = 0; sorted && i < n; i++)
		sorted[i] = &rows[i];
	if (sorted && sort >= 0)
		qsort_r(sorted, n, sizeof(*sorted), rows_compare, &order);
	return sorted;
}

/* --- drawing ---------------------------------------------------------------------------------------------- */

static void titles_draw(struct grid *grid, int at, const struct layout *layout, int sort)
{
	int column = 0;

	grid_look_row(grid, at, GRID_TITLE);
	for (int c = 0; c < COLUMNS; c++) {
		int end = column + layout->widths[c];

		if (!layout->widths[c])
			continue;
		if (kinds[c].is_text || c == RING_COLUMN)
			grid_put(grid, at, column, GRID_TITLE, kinds[c].title);
		else
			grid_put_right(grid, at, column, end, GRID_TITLE, kinds[c].title);
		if (c == sort)
			for (int i = column; i < end && i < grid->columns; i++)
				grid->cells[at * grid->columns + i].look = GRID_STRONG;
		column = end + GAP;
	}
}

static void row_draw(struct grid *grid, int at, const struct layout *layout, const struct sample_row *row)
{
	int column = 0;

	for (int c = 0; c < COLUMNS; c++) {
		int end = column + layout->widths[c];
		char text[FORMAT_TEXT_MAX];

		if (!layout->widths[c])
			continue;
		kinds[c].text(row, text);
		if (kinds[c].is_text)
			grid_put(grid, at, column, kinds[c].look(row), text);
		else
			grid_put_right(grid, at, column, end, kinds[c].look(row), text);
		if (c == RING_COLUMN)
			grid_bar(grid, at, column, layout->widths[c] - 5, kinds[c].look(row), kinds[c].key(row) / 100);
		column = end + GAP;
	}
}

void columns_draw(struct grid *grid, int top, int bottom, const struct sample_row *rows, size_t n, bool workers, int sort,
		  bool reversed, int scroll)
{
	struct layout layout = layout_make(grid->columns, rows, n, workers);
	const struct sample_row **sorted = rows_sort(rows, n, sort, reversed);

	titles_draw(grid, top, &layout, sort);
	for (size_t i = (size_t)scroll; sorted && i < n && top + 1 + (int)(i - (size_t)scroll) < bottom; i++)
		row_draw(grid, top + 1 + (int)(i - (size_t)scroll), &layout, sorted[i]);
	free(sorted);
}
