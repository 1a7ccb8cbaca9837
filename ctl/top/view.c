// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/top/view.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/percent.h"
#include "ctl/top/columns.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))

#define HEAD_ROWS 4 /* about the daemon, its packets, its disks; how rows are sorted */
#define NS_PER_S 1000000000ull
#define FULL_PERCENT 95
#define EVENT_COLUMN 34 /* of its text */

static const unsigned intervals_ms[] = {200, 500, 1000, 2000, 5000, 10000, 30000, 60000};
#define INTERVAL_DEFAULT 2

void view_init(struct view *view)
{
	*view = (struct view){.sort = -1, .interval = INTERVAL_DEFAULT};
}

void view_done(struct view *view)
{
	sample_done(&view->sample);
}

unsigned view_interval_ms(const struct view *view)
{
	return intervals_ms[view->interval];
}

/* --- what comes in ---------------------------------------------------------------------------------------- */

void view_sample(struct view *view, struct sample *sample)
{
	if (view->paused) {
		sample_done(sample);
		return;
	}
	if (view->has_sample)
		sample_rate(sample, &view->sample);
	sample_done(&view->sample);
	view->sample = *sample;
	view->has_sample = true;
	*sample = (struct sample){0};
}

void view_disk(struct view *view, const struct disk *disk)
{
	if (view->paused)
		return;
	view->disk = *disk;
	view->has_disk = true;
}

static enum grid_look event_look(const char *priority)
{
	if (!strcmp(priority, "error"))
		return GRID_BAD;
	return strcmp(priority, "warning") == 0 ? GRID_NOTE : GRID_PLAIN;
}

static const char *text_of(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

void view_event(struct view *view, json_t *event)
{
	struct view_event *to = &view->events[view->n_events % VIEW_EVENTS_MAX];
	json_t *worker = json_object_get(event, "worker");

	to->time_ns = (uint64_t)json_integer_value(json_object_get(event, "time_ns"));
	to->look = event_look(text_of(event, "priority"));
	snprintf(to->text, sizeof(to->text), "%s", text_of(event, "text"));
	if (json_is_integer(worker))
		snprintf(to->where, sizeof(to->where), "%.32s/%lld", text_of(event, "interface"),
			 (long long)json_integer_value(worker));
	else
		snprintf(to->where, sizeof(to->where), "%.32s", text_of(event, "interface"));
	view->n_events++;
}

/* --- keys ------------------------------------------------------------------------------------------------- */

static bool page_is_table(enum view_page page)
{
	return page == VIEW_INTERFACES || page == VIEW_WORKERS;
}

/* How many lines there are to scroll through. */
static size_t page_lines(const struct view *view)
{
	switch (view->page) {
	case VIEW_INTERFACES: return view->sample.n_interfaces;
	case VIEW_WORKERS: return view->sample.n_workers;
	case VIEW_DISK: return view->disk.n_directories;
	default: return view->n_events < VIEW_EVENTS_MAX ? view->n_events : VIEW_EVENTS_MAX;
	}
}

static void scroll_by(struct view *view, int lines)
{
	int last = (int)page_lines(view) - 1;

	view->scroll += lines;
	if (view->scroll > last)
		view->scroll = last;
	if (view->scroll < 0)
		view->scroll = 0;
}

/* The next column that the page can have; beyond the last, and before the first, rows are as the daemon has them. */
static void sort_step(struct view *view, int step)
{
	int n = columns_count();

	if (!page_is_table(view->page))
		return;
	do
		view->sort = (view->sort + 1 + step + n + 1) % (n + 1) - 1;
	while (view->sort >= 0 && !columns_apply(view->sort, view->page == VIEW_WORKERS));
}

static void page_show(struct view *view, enum view_page page)
{
	view->page = page;
	view->help = false;
	view->scroll = 0;
	if (view->sort >= 0 && page_is_table(page) && !columns_apply(view->sort, page == VIEW_WORKERS))
		view->sort = -1;
}

static enum view_wish interval_step(struct view *view, int step)
{
	unsigned now = view->interval + (unsigned)step;

	if (now >= ARRAY_SIZE(intervals_ms))
		return VIEW_NOTHING;
	view->interval = now;
	return VIEW_INTERVAL;
}

enum view_wish view_key(struct view *view, int key, int rows)
{
	int page = rows - HEAD_ROWS - 3;

	switch (key) {
	case 'q': return VIEW_QUIT;
	case 'i': page_show(view, VIEW_INTERFACES); break;
	case 'w': page_show(view, VIEW_WORKERS); break;
	case 'd': page_show(view, VIEW_DISK); break;
	case 'e': page_show(view, VIEW_EVENTS); break;
	case '\t': page_show(view, (view->page + 1) % VIEW_PAGES); break;
	case 's': case VIEW_KEY_RIGHT: sort_step(view, 1); break;
	case VIEW_KEY_LEFT: sort_step(view, -1); break;
	case 'r': view->reversed = !view->reversed; break;
	case 'p': case ' ': view->paused = !view->paused; break;
	case 'h': case '?': view->help = !view->help; break;
	case '+': return interval_step(view, 1);
	case '-': return interval_step(view, -1);
	case VIEW_KEY_UP: scroll_by(view, -1); break;
	case VIEW_KEY_DOWN: scroll_by(view, 1); break;
	case VIEW_KEY_PAGE_UP: scroll_by(view, -page); break;
	case VIEW_KEY_PAGE_DOWN: scroll_by(view, page); break;
	case VIEW_KEY_HOME: view->scroll = 0; break;
	default: break;
	}
	return VIEW_NOTHING;
}

/* --- the head --------------------------------------------------------------------------------------------- */

static void head_daemon(const struct view *view, struct grid *grid)
{
	char interval[32];
	int column = 0;

	if (view->trouble[0])
		column = grid_put(grid, 0, 0, GRID_BAD, view->trouble);
	else if (!view->has_disk)
		column = grid_put(grid, 0, 0, GRID_PLAIN, "fancapd");
	else {
		char uptime[FORMAT_TEXT_MAX];

		disk_format_left(uptime, view->disk.uptime_ns / NS_PER_S);
		column = grid_print(grid, 0, 0, GRID_PLAIN, "fancapd %s, %s for %s", view->disk.version, view->disk.state,
				    uptime);
	}
	snprintf(interval, sizeof(interval), " every %g s", view_interval_ms(view) / 1000.0);
	grid_put_right(grid, 0, column, grid->columns, GRID_PLAIN, interval);
	if (view->paused)
		grid_put_right(grid, 0, column, grid->columns - (int)strlen(interval), GRID_STRONG, " PAUSED");
}

static enum grid_look look_lost(double lost)
{
	return lost > 0 ? GRID_BAD : GRID_PLAIN;
}

static void head_packets(const struct view *view, struct grid *grid)
{
	const struct sample_row *total = &view->sample.total;
	const struct sample_rates *rates = &total->rates;
	uint64_t lost = total->counters.dropped + total->counters.discarded;
	char texts[2][16], count[FORMAT_TEXT_MAX], percent[FORMAT_TEXT_MAX];
	int column = grid_put(grid, 1, 0, GRID_PLAIN, "Packets: ");

	if (!view->has_sample)
		return;
	if (rates->known) {
		columns_format_si(texts[0], rates->seen);
		columns_format_si(texts[1], rates->dropped + rates->discarded);
		column = grid_print(grid, 1, column, GRID_STRONG, "%s/s", texts[0]);
		column = grid_print(grid, 1, column, look_lost(rates->dropped + rates->discarded), ", lost %s/s", texts[1]);
		column = grid_put(grid, 1, column, GRID_PLAIN, "; ");
	}
	columns_format_si(texts[0], (double)total->counters.seen);
	column = grid_print(grid, 1, column, GRID_PLAIN, "since the start %s", texts[0]);
	format_count(count, lost);
	format_percent(percent, lost, total->counters.seen);
	grid_print(grid, 1, column, look_lost((double)lost), ", lost %s (%s %%)", count, percent);
}

/* Of the directory that is fullest: two of one file system would count twice. */
static double least_free(const struct disk *disk)
{
	double least = 100;

	for (size_t i = 0; i < disk->n_directories; i++) {
		const struct disk_directory *directory = &disk->directories[i];
		double percent = statistics_percent(directory->free_bytes, directory->total_bytes);

		if (directory->total_bytes && percent < least)
			least = percent;
	}
	return least;
}

/* As it is now; the daemon knows what it was over the last minutes, which is what the forecast stands on. */
static void head_disk(const struct view *view, struct grid *grid)
{
	const struct sample_row *total = &view->sample.total;
	const struct disk *disk = &view->disk;
	char text[FORMAT_TEXT_MAX];
	int column = grid_put(grid, 2, 0, GRID_PLAIN, "Disk: ");

	if (view->has_sample && total->rates.known) {
		format_bytes(text, (uint64_t)total->rates.bytes);
		column = grid_print(grid, 2, column, GRID_STRONG, "%s/s", text);
		column = grid_put(grid, 2, column, GRID_PLAIN, " written, ");
	}
	if (!view->has_disk)
		return;
	if (disk->has_forecast) {
		disk_format_left(text, disk->left_s);
		column = grid_print(grid, 2, column, GRID_STRONG, "%s left", text);
		column = grid_put(grid, 2, column, GRID_PLAIN, ", ");
	}
	column = grid_print(grid, 2, column, GRID_PLAIN, "%.1f %% free", least_free(disk));
	if (disk->errors)
		grid_print(grid, 2, column, GRID_BAD, ", %llu error%s", (unsigned long long)disk->errors,
			   disk->errors == 1 ? "" : "s");
}

/* --- disks ------------------------------------------------------------------------------------------------ */

static int disk_line(struct grid *grid, int row, const char *name, const char *text)
{
	grid_put(grid, row, 0, GRID_PLAIN, name);
	grid_put(grid, row, 18, GRID_STRONG, text);
	return row + 1;
}

static int disk_lines(const struct disk *disk, struct grid *grid, int row)
{
	char text[FORMAT_TEXT_MAX], more[2 * FORMAT_TEXT_MAX];
	time_t oldest = (time_t)(disk->oldest_ns / NS_PER_S);
	struct tm tm;

	format_bytes(text, disk->bytes);
	snprintf(more, sizeof(more), "%llu files, %s", (unsigned long long)disk->files, text);
	row = disk_line(grid, row, "recordings", more);
	format_bytes(text, disk->active_bytes);
	row = disk_line(grid, row, "being written", text);
	format_bytes(text, (uint64_t)disk->written_per_s);
	snprintf(more, sizeof(more), "%s a second, over the last minutes", text);
	row = disk_line(grid, row, "rate", disk->has_rate ? more : "not known yet");
	disk_format_left(text, disk->left_s);
	snprintf(more, sizeof(more), "%s left at that rate", text);
	row = disk_line(grid, row, "forecast", disk->has_forecast ? more : "not known yet");
	if (disk->has_oldest && gmtime_r(&oldest, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm))
		row = disk_line(grid, row, "oldest recording", text);
	format_count(text, disk->removed_files);
	row = disk_line(grid, row, "removed files", text);
	if (disk->last_error[0]) {
		grid_put(grid, row, 0, GRID_PLAIN, "last error");
		grid_put(grid, row++, 18, GRID_BAD, disk->last_error);
	}
	return row + 1;
}

static void directory_draw(const struct disk_directory *directory, struct grid *grid, int row, int path_width)
{
	double used = statistics_percent(directory->total_bytes - directory->free_bytes, directory->total_bytes);
	enum grid_look look = used >= FULL_PERCENT ? GRID_NOTE : GRID_GOOD;
	int bar = grid->columns - path_width - 30;
	char text[FORMAT_TEXT_MAX];

	grid_put(grid, row, 0, GRID_PLAIN, directory->path);
	/* A long path ends before the numbers. */
	for (int i = path_width; i < grid->columns; i++)
		grid_put(grid, row, i, GRID_PLAIN, " ");
	format_bytes(text, directory->total_bytes);
	grid_put_right(grid, row, path_width + 1, path_width + 11, GRID_PLAIN, text);
	format_bytes(text, directory->free_bytes);
	grid_put_right(grid, row, path_width + 12, path_width + 22, GRID_PLAIN, text);
	grid_bar(grid, row, path_width + 23, bar, look, used / 100);
	snprintf(text, sizeof(text), "%.1f%%", used);
	grid_put_right(grid, row, 0, path_width + 30 + bar, look, text);
}

static void disk_draw(const struct view *view, struct grid *grid, int top, int bottom)
{
	int path_width = grid->columns - 30 - 20, row;

	if (!view->has_disk)
		return;
	row = disk_lines(&view->disk, grid, top);
	if (path_width > 60)
		path_width = 60;
	grid_look_row(grid, row, GRID_TITLE);
	grid_put(grid, row, 0, GRID_TITLE, "DIRECTORY");
	grid_put_right(grid, row, 0, path_width + 11, GRID_TITLE, "SIZE");
	grid_put_right(grid, row, 0, path_width + 22, GRID_TITLE, "FREE");
	grid_put(grid, row++, path_width + 23, GRID_TITLE, "USED");
	for (size_t i = (size_t)view->scroll; i < view->disk.n_directories && row < bottom; i++)
		directory_draw(&view->disk.directories[i], grid, row++, path_width);
}

/* --- events ----------------------------------------------------------------------------------------------- */

/* @return the row after it: what does not fit into one goes on in the next */
static int event_draw(const struct view_event *event, struct grid *grid, int row, int bottom)
{
	time_t seconds = (time_t)(event->time_ns / NS_PER_S);
	int column, room = grid->columns - EVENT_COLUMN;
	const char *rest = event->text;
	char text[32] = "?";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	grid_put(grid, row, 0, GRID_PLAIN, text);
	column = grid_put(grid, row, 21, GRID_PLAIN, event->where) + 1;
	if (column > EVENT_COLUMN)
		row++;
	do {
		int n = (int)strnlen(rest, (size_t)room);

		if (row < bottom)
			grid_print(grid, row, EVENT_COLUMN, event->look, "%.*s", n, rest);
		row++;
		rest += n;
	} while (*rest);
	return row;
}

/* The latest first. */
static void events_draw(const struct view *view, struct grid *grid, int top, int bottom)
{
	size_t n = page_lines(view);

	grid_look_row(grid, top, GRID_TITLE);
	grid_put(grid, top++, 0, GRID_TITLE, "TIME (UTC)           WHERE        WHAT");
	if (view->events_trouble)
		grid_put(grid, top++, 0, GRID_NOTE, view->events_trouble);
	else if (!n)
		grid_put(grid, top++, 0, GRID_PLAIN, "none so far");
	for (size_t i = (size_t)view->scroll; i < n && top < bottom; i++)
		top = event_draw(&view->events[(view->n_events - 1 - i) % VIEW_EVENTS_MAX], grid, top, bottom);
}

/* --- the rest --------------------------------------------------------------------------------------------- */

static void help_draw(struct grid *grid, int row)
{
	static const char *const lines[][2] = {
		{"i w d e Tab", "interfaces, workers, disk, events; the next of them"},
		{"s, right", "sort by the next column; left: by the one before"},
		{"r", "sort the other way round"},
		{"up, down, Page", "scroll; Home: to the top"},
		{"+ -", "ask less often, or more often"},
		{"p, blank", "pause; what is shown stays until p is pressed again"},
		{"q", "quit"},
		{"", ""},
		{"SEEN/S", "packets that passed the filter, those that were lost included"},
		{"LOST/S", "those in no file: dropped by the kernel, or discarded"},
		{"RING", "how full the fullest is: what comes to a full one is dropped"},
		{"MOST", "how full one has ever been"},
		{"WRITE, LONGEST", "how long writes to files take now, and how long one ever took"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		grid_put(grid, row + (int)i, 0, GRID_STRONG, lines[i][0]);
		grid_put(grid, row + (int)i, 16, GRID_PLAIN, lines[i][1]);
	}
}

static void foot_draw(struct grid *grid)
{
	int row = grid->rows - 1;

	grid_look_row(grid, row, GRID_TITLE);
	grid_put(grid, row, 0, GRID_TITLE, "q quit  i interfaces  w workers  d disk  e events  s sort  p pause  h help");
}

static void order_draw(const struct view *view, struct grid *grid)
{
	if (page_is_table(view->page) && !view->help && view->sort >= 0)
		grid_print(grid, HEAD_ROWS - 1, 0, GRID_PLAIN, "sorted by %s%s", columns_title(view->sort),
			   view->reversed ? ", reversed" : "");
}

static void page_draw(const struct view *view, struct grid *grid, int top, int bottom)
{
	const struct sample *sample = &view->sample;

	if (view->help)
		help_draw(grid, top);
	else if (view->page == VIEW_INTERFACES)
		columns_draw(grid, top, bottom, sample->interfaces, sample->n_interfaces, false, view->sort, view->reversed,
			     view->scroll);
	else if (view->page == VIEW_WORKERS)
		columns_draw(grid, top, bottom, sample->workers, sample->n_workers, true, view->sort, view->reversed,
			     view->scroll);
	else if (view->page == VIEW_DISK)
		disk_draw(view, grid, top, bottom);
	else
		events_draw(view, grid, top, bottom);
}

void view_draw(const struct view *view, struct grid *grid)
{
	if (grid->columns < VIEW_COLUMNS_MIN || grid->rows < VIEW_ROWS_MIN) {
		grid_print(grid, 0, 0, GRID_PLAIN, "The window is too small:");
		grid_print(grid, 1, 0, GRID_PLAIN, "%dx%d, %dx%d needed", grid->columns, grid->rows, VIEW_COLUMNS_MIN,
			   VIEW_ROWS_MIN);
		return;
	}
	head_daemon(view, grid);
	head_packets(view, grid);
	head_disk(view, grid);
	order_draw(view, grid);
	page_draw(view, grid, HEAD_ROWS, grid->rows - 1);
	foot_draw(grid);
}
