// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_TOP_VIEW_H
#define CTL_TOP_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/grid.h"
#include "ctl/top/disk.h"
#include "ctl/top/sample.h"

/* What top shows: a state that answers and keys change, and a screen drawn from it. No terminal, no daemon. */

/** What does not fit into this is not shown at all. */
#define VIEW_COLUMNS_MIN 60
#define VIEW_ROWS_MIN 8

#define VIEW_EVENTS_MAX 256

enum view_page { VIEW_INTERFACES, VIEW_WORKERS, VIEW_DISK, VIEW_EVENTS, VIEW_PAGES };

struct view_event {
	uint64_t time_ns;
	enum grid_look look;
	char where[48]; ///< "eth0/3", "eth0" or ""
	char text[256];
};

struct view {
	enum view_page page;
	bool help, paused;
	int sort; ///< of the rows: number of a column, -1: as the daemon has them
	bool reversed;
	int scroll;
	unsigned interval; ///< see view_interval_ms()
	bool has_sample, has_disk;
	struct sample sample;
	struct disk disk;
	struct view_event events[VIEW_EVENTS_MAX]; ///< the latest is at n_events - 1, modulo their number
	size_t n_events;
	const char *events_trouble; ///< why there are none, NULL: there may be
	char trouble[200];	    ///< why nothing comes, "": it does
};

/** Keys that are no characters. */
enum view_special {
	VIEW_KEY_LEFT = 0x1000,
	VIEW_KEY_RIGHT,
	VIEW_KEY_UP,
	VIEW_KEY_DOWN,
	VIEW_KEY_PAGE_UP,
	VIEW_KEY_PAGE_DOWN,
	VIEW_KEY_HOME
};

/** What a key asks of who shows the view, besides drawing it again. */
enum view_wish { VIEW_NOTHING, VIEW_QUIT, VIEW_INTERVAL };

void view_init(struct view *view);
void view_done(struct view *view);

unsigned view_interval_ms(const struct view *view);

/** @param rows of the screen, for paging */
enum view_wish view_key(struct view *view, int key, int rows);

/** A new sample, taken over; while paused it is dropped. */
void view_sample(struct view *view, struct sample *sample);
void view_disk(struct view *view, const struct disk *disk);
/** One answer of Events. */
void view_event(struct view *view, json_t *event);

void view_draw(const struct view *view, struct grid *grid);

#endif
