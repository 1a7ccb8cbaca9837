// SPDX-License-Identifier: BSD-3-Clause
/* fancapctl top without a terminal: answers of a daemon go in, keys too; screens come out, to the letter. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "ctl/top/columns.h"
#include "ctl/top/feeds.h"
#include "ctl/top/view.h"
#include "tests/unit/ctl_run.h"

#define STARTED_NS 1700000000000000000ll /* 2023-11-14 22:13:20 UTC */
#define NS_PER_S 1000000000ll

/* --- a daemon's answers ----------------------------------------------------------------------------------- */

/* Counters as they stand after so many seconds at these rates a second. */
static json_t *counters(double seconds, int seen, int dropped, int discarded)
{
	json_int_t writes = (json_int_t)(10 * seconds);

	return json_pack("{s:I, s:I, s:I, s:I, s:i, s:I, s:i, s:I, s:I, s:I, s:i}",
			 "packets_seen", (json_int_t)(seen * seconds), "packets_dropped", (json_int_t)(dropped * seconds),
			 "packets_discarded", (json_int_t)(discarded * seconds),
			 "packets_written", (json_int_t)((seen - dropped - discarded) * seconds), "packets_in_ring", 7,
			 "bytes_written", (json_int_t)((seen - dropped - discarded) * 800 * seconds), "ring_freezes", 0,
			 "writes", writes, "write_ns", writes * 1500000, "write_max_ns", (json_int_t)8300000,
			 "worker_restarts", 0);
}

static json_t *worker(double seconds, int number, const char *state, int seen, int dropped, int used)
{
	json_t *worker = counters(seconds, seen, dropped, 0);

	json_object_update_new(worker, json_pack("{s:i, s:s, s:i, s:i, s:i}", "worker", number, "state", state,
						 "ring_blocks", 64, "ring_blocks_used", used, "ring_blocks_used_max",
						 used > 60 ? 64 : 60));
	return worker;
}

static json_t *interface(double seconds, const char *name, const char *state, int seen, int dropped, int discarded,
			 json_t *first, json_t *second)
{
	json_t *interface = counters(seconds, seen, dropped, discarded);

	json_object_update_new(interface, json_pack("{s:s, s:s, s:[o, o]}", "interface", name, "state", state, "workers", first,
						    second));
	return interface;
}

/* eth1 loses nothing; wan drops, and one of its workers is being replaced. */
static json_t *statistics(double seconds)
{
	json_t *eth1 = interface(seconds, "eth1", "up", 1500000, 0, 0, worker(seconds, 0, "running", 700000, 0, 3),
				 worker(seconds, 1, "running", 800000, 0, 35));
	json_t *wan = interface(seconds, "wan", "degraded", 20000, 1234, 6, worker(seconds, 0, "running", 15000, 1234, 64),
				worker(seconds, 1, "restarting", 5000, 0, 0));

	return json_pack("{s:I, s:I, s:[o, o], s:o}", "time_ns", STARTED_NS + (json_int_t)(seconds * 1e9), "started_ns",
			 STARTED_NS, "interfaces", eth1, wan, "total", counters(seconds, 1520000, 1234, 6));
}

static json_t *status(void)
{
	json_error_t error;
	json_t *status = json_loads(
		"{\"version\": \"0.0.0-test\", \"state\": \"running\", \"uptime_ns\": 93784000000000, \"storage\": {\"files\": 1234,"
		" \"bytes\": 987654321012, \"active_bytes\": 4194304, \"removed_files\": 34, \"errors\": 1,"
		" \"oldest_ns\": 1699913600000000000, \"written_bytes_per_s\": 1234567890.5, \"retain_seconds\": 529200,"
		" \"last_error\": \"/srv/two/x.pcapng: Input/output error\", \"directories\": ["
		"{\"path\": \"/srv/one\", \"total_bytes\": 1000000000000, \"free_bytes\": 98765432101},"
		"{\"path\": \"/srv/two/with/a/name/that/is/longer/than/there/is/room/for/in/eighty/columns\","
		" \"total_bytes\": 2000000000000, \"free_bytes\": 0}]}}", 0, &error);

	if (!status)
		fail_msg("%s", error.text);
	return status;
}

/* --- a view ----------------------------------------------------------------------------------------------- */

static void feed_sample(struct view *view, json_t *answer)
{
	const char *missing = NULL;
	struct sample sample;

	if (sample_read(answer, &sample, &missing) < 0)
		fail_msg("%s", missing);
	json_decref(answer);
	view_sample(view, &sample);
}

static void feed_status(struct view *view)
{
	const char *missing = NULL;
	json_t *answer = status();
	struct disk disk;

	assert_int_equal(disk_read(answer, &disk, &missing), 0);
	json_decref(answer);
	view_disk(view, &disk);
}

static struct view *view_new(void)
{
	struct view *view = malloc(sizeof(*view));

	assert_non_null(view);
	view_init(view);
	return view;
}

/* As after an hour, and a second more. */
static struct view *view_fed(void)
{
	struct view *view = view_new();

	feed_status(view);
	feed_sample(view, statistics(3600));
	feed_sample(view, statistics(3601));
	return view;
}

static void view_free(struct view *view)
{
	view_done(view);
	free(view);
}

static struct grid drawn(const struct view *view, int columns, int rows)
{
	struct grid grid;

	assert_int_equal(grid_init(&grid, rows, columns), 0);
	view_draw(view, &grid);
	return grid;
}

/* The screen as lines without blanks at their ends, and ~N for N blank ones. */
static char *grid_text(const struct grid *grid)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int blank = 0;

	for (int row = 0; row < grid->rows; row++) {
		const struct grid_cell *cells = &grid->cells[row * grid->columns];
		int n = grid->columns;

		while (n > 0 && cells[n - 1].character == ' ')
			n--;
		if (n == 0) {
			blank++;
			continue;
		}
		if (blank)
			fprintf(out, "~%d\n", blank);
		blank = 0;
		for (int i = 0; i < n; i++)
			fputc(cells[i].character, out);
		fputc('\n', out);
	}
	fclose(out);
	return text;
}

static void assert_shows(const struct view *view, int columns, int rows, const char *expected)
{
	struct grid grid = drawn(view, columns, rows);
	char *text = grid_text(&grid);

	assert_string_equal(text, expected);
	free(text);
	grid_done(&grid);
}

static void assert_shows_part(const struct view *view, int columns, int rows, const char *part)
{
	struct grid grid = drawn(view, columns, rows);
	char *text = grid_text(&grid);

	assert_has(text, part);
	free(text);
	grid_done(&grid);
}

/* How a text that is on the screen once looks. */
static void assert_looks(const struct view *view, const char *text, enum grid_look look)
{
	struct grid grid = drawn(view, 120, 24);
	int n = (int)strlen(text), found = 0;

	for (int at = 0; at + n <= grid.rows * grid.columns; at++) {
		int i = 0;

		while (i < n && grid.cells[at + i].character == text[i])
			i++;
		if (i < n)
			continue;
		found++;
		assert_int_equal(grid.cells[at].look, look);
	}
	if (found != 1)
		fail_msg("\"%s\" is there %d times", text, found);
	grid_done(&grid);
}

static void keys(struct view *view, const char *characters)
{
	for (; *characters; characters++)
		assert_int_equal(view_key(view, *characters, 24), VIEW_NOTHING);
}

/* --- screens ---------------------------------------------------------------------------------------------- */

static void interfaces_are_shown(void **state)
{
	struct view *view = view_fed();

	(void)state;
	assert_shows(view, 80, 10,
"fancapd 0.0.0-test, running for 1 d 2 h                                every 1 s\n"
"Packets: 1.52M/s, lost 1.24k/s; since the start 5.47G, lost 4,465,240 (0.08 %)\n"
"Disk: 1.1 GiB/s written, 6 d 3 h left, 0.0 % free, 1 error\n"
"~1\n"
"INTERFACE STATE    SEEN/S LOST/S LOST %    BYTES/S    WRITE RING\n"
"eth1      up        1.50M      0   0.00    1.1 GiB   1.5 ms [#######      ]  55%\n"
"wan       degraded  20.0k  1.24k   6.20   14.3 MiB   1.5 ms [#############] 100%\n"
"~2\n"
"q quit  i interfaces  w workers  d disk  e events  s sort  p pause  h help\n");
	/* There is room for more columns, and the bars grow. */
	assert_shows(view, 200, 60,
"fancapd 0.0.0-test, running for 1 d 2 h                                                                                                                                                        every 1 s\n"
"Packets: 1.52M/s, lost 1.24k/s; since the start 5.47G, lost 4,465,240 (0.08 %)\n"
"Disk: 1.1 GiB/s written, 6 d 3 h left, 0.0 % free, 1 error\n"
"~1\n"
"INTERFACE STATE    WORKERS SEEN/S WRITTEN/S LOST/S DROPPED/S DISCARDED/S LOST %    BYTES/S    WRITE RING                                     MOST  LONGEST   SEEN   LOST RESTARTS\n"
"eth1      up       2/2      1.50M     1.50M      0         0           0   0.00    1.1 GiB   1.5 ms [##################               ]  55%  94%   8.3 ms  5.40G      0        0\n"
"wan       degraded 1/2      20.0k     18.8k  1.24k     1.23k           6   6.20   14.3 MiB   1.5 ms [#################################] 100% 100%   8.3 ms  72.0M  4.47M        0\n"
"~52\n"
"q quit  i interfaces  w workers  d disk  e events  s sort  p pause  h help\n");
	assert_shows(view, 60, 8,
"fancapd 0.0.0-test, running for 1 d 2 h            every 1 s\n"
"Packets: 1.52M/s, lost 1.24k/s; since the start 5.47G, lost\n"
"Disk: 1.1 GiB/s written, 6 d 3 h left, 0.0 % free, 1 error\n"
"~1\n"
"INTERFACE STATE    SEEN/S LOST/S LOST % RING\n"
"eth1      up        1.50M      0   0.00 [#######      ]  55%\n"
"wan       degraded  20.0k  1.24k   6.20 [#############] 100%\n"
"q quit  i interfaces  w workers  d disk  e events  s sort  p\n");
	view_free(view);
}

static void workers_are_shown(void **state)
{
	struct view *view = view_fed();

	(void)state;
	keys(view, "w");
	assert_shows(view, 80, 12,
"fancapd 0.0.0-test, running for 1 d 2 h                                every 1 s\n"
"Packets: 1.52M/s, lost 1.24k/s; since the start 5.47G, lost 4,465,240 (0.08 %)\n"
"Disk: 1.1 GiB/s written, 6 d 3 h left, 0.0 % free, 1 error\n"
"~1\n"
"INTERFACE WORKER STATE      SEEN/S LOST/S LOST %    BYTES/S RING\n"
"eth1           0 running      700k      0   0.00  534.1 MiB [#            ]   5%\n"
"eth1           1 running      800k      0   0.00  610.4 MiB [#######      ]  55%\n"
"wan            0 running     15.0k  1.23k   8.23   10.5 MiB [#############] 100%\n"
"wan            1 restarting  5.00k      0   0.00    3.8 MiB [             ]   0%\n"
"~2\n"
"q quit  i interfaces  w workers  d disk  e events  s sort  p pause  h help\n");
	assert_shows(view, 120, 12,
"fancapd 0.0.0-test, running for 1 d 2 h                                                                        every 1 s\n"
"Packets: 1.52M/s, lost 1.24k/s; since the start 5.47G, lost 4,465,240 (0.08 %)\n"
"Disk: 1.1 GiB/s written, 6 d 3 h left, 0.0 % free, 1 error\n"
"~1\n"
"INTERFACE WORKER STATE      SEEN/S WRITTEN/S LOST/S LOST %    BYTES/S    WRITE RING          MOST  LONGEST   SEEN   LOST\n"
"eth1           0 running      700k      700k      0   0.00  534.1 MiB   1.5 ms [#     ]   5%  94%   8.3 ms  2.52G      0\n"
"eth1           1 running      800k      800k      0   0.00  610.4 MiB   1.5 ms [###   ]  55%  94%   8.3 ms  2.88G      0\n"
"wan            0 running     15.0k     13.8k  1.23k   8.23   10.5 MiB   1.5 ms [######] 100% 100%   8.3 ms  54.0M  4.44M\n"
"wan            1 restarting  5.00k     5.00k      0   0.00    3.8 MiB   1.5 ms [      ]   0%  94%   8.3 ms  18.0M      0\n"
"~2\n"
"q quit  i interfaces  w workers  d disk  e events  s sort  p pause  h help\n");
	view_free(view);
}

static void disks_are_shown(void **state)
{
	struct view *view = view_fed();

	(void)state;
	keys(view, "d");
	assert_shows(view, 80, 24,
"fancapd 0.0.0-test, running for 1 d 2 h                                every 1 s\n"
"Packets: 1.52M/s, lost 1.24k/s; since the start 5.47G, lost 4,465,240 (0.08 %)\n"
"Disk: 1.1 GiB/s written, 6 d 3 h left, 0.0 % free, 1 error\n"
"~1\n"
"recordings        1234 files, 919.8 GiB\n"
"being written     4.0 MiB\n"
"rate              1.1 GiB a second, over the last minutes\n"
"forecast          6 d 3 h left at that rate\n"
"oldest recording  2023-11-13 22:13:20 UTC\n"
"removed files     34\n"
"last error        /srv/two/x.pcapng: Input/output error\n"
"~1\n"
"DIRECTORY                            SIZE       FREE USED\n"
"/srv/one                        931.3 GiB   92.0 GiB [################  ]  90.1%\n"
"/srv/two/with/a/name/that/is/l    1.8 TiB        0 B [##################] 100.0%\n"
"~8\n"
"q quit  i interfaces  w workers  d disk  e events  s sort  p pause  h help\n");
	view_free(view);
}

static void event(struct view *view, int number, const char *priority, int worker, const char *text)
{
	json_t *event = json_pack("{s:i, s:I, s:s, s:s, s:s, s:o, s:s}", "number", number, "time_ns",
				  STARTED_NS + number * NS_PER_S, "kind", "other", "priority", priority, "interface", "eth1",
				  "worker", worker < 0 ? json_null() : json_integer(worker), "text", text);

	view_event(view, event);
	json_decref(event);
}

static void events_are_shown_latest_first(void **state)
{
	struct view *view = view_fed();

	(void)state;
	keys(view, "e");
	assert_shows_part(view, 80, 12, "none so far");
	event(view, 0, "info", -1, "link is up");
	event(view, 1, "warning", 3, "worker was killed by SIGSEGV\x1b[2J");
	event(view, 2, "error", -1, "packets are being dropped");
	assert_shows(view, 80, 12,
"fancapd 0.0.0-test, running for 1 d 2 h                                every 1 s\n"
"Packets: 1.52M/s, lost 1.24k/s; since the start 5.47G, lost 4,465,240 (0.08 %)\n"
"Disk: 1.1 GiB/s written, 6 d 3 h left, 0.0 % free, 1 error\n"
"~1\n"
"TIME (UTC)           WHERE        WHAT\n"
"2023-11-14 22:13:22  eth1         packets are being dropped\n"
"2023-11-14 22:13:21  eth1/3       worker was killed by SIGSEGV?[2J\n"
"2023-11-14 22:13:20  eth1         link is up\n"
"~3\n"
"q quit  i interfaces  w workers  d disk  e events  s sort  p pause  h help\n");
	assert_looks(view, "packets are being dropped", GRID_BAD);
	assert_looks(view, "worker was killed", GRID_NOTE);
	/* What is too long goes on below, and whoever has a long name begins there. */
	event(view, 3, "info", -1, "/srv/fancap/eth1/2023-11-14/eth1-w0-20231114T221320.pcapng is complete");
	assert_shows_part(view, 80, 12, "eth1         /srv/fancap/eth1/2023-11-14/eth1-w0-20231114T2\n"
					"                                  21320.pcapng is complete\n"
					"2023-11-14 22:13:22  eth1         packets are being dropped\n");
	assert_shows_part(view, 60, 8, "eth1         /srv/fancap/eth1/2023-11-1\n");
	/* There is no end to them. */
	for (int i = 4; i < 1000; i++)
		event(view, i, "info", -1, "and so on");
	event(view, 1000, "info", -1, "the last");
	assert_shows_part(view, 80, 12, "2023-11-14 22:30:00  eth1         the last");
	view->scroll = 255;
	assert_shows_part(view, 80, 12, "2023-11-14 22:25:45  eth1         and so on\n~5\n");
	view->events_trouble = "too old for that";
	assert_shows_part(view, 80, 12, "too old for that");
	view_free(view);
}

static void help_is_shown_and_goes(void **state)
{
	struct view *view = view_fed();

	(void)state;
	keys(view, "h");
	assert_shows_part(view, 80, 24, "i w d e Tab     interfaces, workers, disk, events; the next of them\n");
	assert_shows_part(view, 80, 24, "how long writes to files take now, and how long one ever took\n");
	keys(view, "h");
	assert_shows_part(view, 80, 24, "INTERFACE STATE");
	keys(view, "?w");
	assert_shows_part(view, 80, 24, "INTERFACE WORKER");
	view_free(view);
}

/* --- what it looks like when things are not well ----------------------------------------------------------- */

static void losses_catch_the_eye(void **state)
{
	struct view *view = view_fed();

	(void)state;
	assert_looks(view, "degraded", GRID_NOTE);
	assert_looks(view, "lost 1.24k/s", GRID_BAD);
	assert_looks(view, "6.20 ", GRID_BAD);
	assert_looks(view, "#######] 100%", GRID_BAD);
	assert_looks(view, "55%", GRID_NOTE);
	assert_looks(view, "1 error", GRID_BAD);
	assert_looks(view, "6 d 3 h left", GRID_STRONG);
	assert_looks(view, "up ", GRID_GOOD);
	view_free(view);
}

static void nothing_is_known_before_the_second_sample(void **state)
{
	struct view *view = view_new();

	(void)state;
	assert_shows(view, 80, 10,
"fancapd                                                                every 1 s\n"
"Packets:\n"
"Disk:\n"
"~1\n"
"INTERFACE STATE   SEEN/S LOST/S LOST %    BYTES/S    WRITE RING\n"
"~4\n"
"q quit  i interfaces  w workers  d disk  e events  s sort  p pause  h help\n");
	feed_sample(view, statistics(3600));
	assert_shows(view, 80, 10,
"fancapd                                                                every 1 s\n"
"Packets: since the start 5.47G, lost 4,464,000 (0.08 %)\n"
"Disk:\n"
"~1\n"
"INTERFACE STATE    SEEN/S LOST/S LOST %    BYTES/S    WRITE RING\n"
"eth1      up            -      -      -          -        - [#######      ]  55%\n"
"wan       degraded      -      -      -          -        - [#############] 100%\n"
"~2\n"
"q quit  i interfaces  w workers  d disk  e events  s sort  p pause  h help\n");
	view_free(view);
}

/* Nor is a rate made of counters of two daemons, or of no time. */
static void restarted_daemon_begins_anew(void **state)
{
	struct view *view = view_fed();
	json_t *answer = statistics(3602);

	(void)state;
	json_object_set_new(answer, "started_ns", json_integer(STARTED_NS + 5));
	feed_sample(view, answer);
	assert_false(view->sample.total.rates.known);
	assert_shows_part(view, 80, 10, "Packets: since the start 5.48G, lost 4,466,480 (0.08 %)\n");
	answer = statistics(3603);
	json_object_set_new(answer, "started_ns", json_integer(STARTED_NS + 5));
	feed_sample(view, answer);
	assert_true(view->sample.total.rates.known);
	answer = statistics(3603);
	json_object_set_new(answer, "started_ns", json_integer(STARTED_NS + 5));
	feed_sample(view, answer);
	assert_false(view->sample.total.rates.known);
	/* Counters that shrank, whatever the daemon says of its start. */
	feed_sample(view, statistics(7200));
	feed_sample(view, statistics(7201));
	answer = statistics(100);
	json_object_set_new(answer, "time_ns", json_integer(STARTED_NS + 7202 * NS_PER_S));
	feed_sample(view, answer);
	assert_false(view->sample.total.rates.known);
	view_free(view);
}

static void trouble_is_told_and_the_rest_stays(void **state)
{
	struct view *view = view_fed();

	(void)state;
	snprintf(view->trouble, sizeof(view->trouble), "fancapd is not running: waiting for it");
	assert_shows_part(view, 80, 10, "fancapd is not running: waiting for it                                 every 1 s\n");
	assert_shows_part(view, 80, 10, "eth1");
	assert_looks(view, "fancapd is not running", GRID_BAD);
	view_free(view);
}

static void small_window_says_so(void **state)
{
	struct view *view = view_fed();

	(void)state;
	assert_shows(view, 59, 24, "The window is too small:\n59x24, 60x8 needed\n");
	assert_shows(view, 80, 7, "The window is too small:\n80x7, 60x8 needed\n");
	assert_shows(view, 10, 1, "The window\n");
	assert_shows(view, 1, 1, "T\n");
	view_free(view);
}

/* No size may write outside of the grid (the sanitizers look), on no page. */
static void every_size_is_drawn(void **state)
{
	static const char pages[] = "iwdeh";
	struct view *view = view_fed();

	(void)state;
	for (int i = 0; i < 300; i++)
		event(view, i, "info", i, "a text that is longer than the narrowest screen that anything is shown on, by far");
	for (const char *page = pages; *page; page++) {
		view_key(view, *page, 24);
		for (int columns = 1; columns < 250; columns += columns < 70 ? 1 : 13)
			for (int rows = 1; rows < 70; rows += rows < 20 ? 1 : 7) {
				struct grid grid = drawn(view, columns, rows);

				grid_done(&grid);
			}
	}
	view_free(view);
}

/* --- keys ------------------------------------------------------------------------------------------------- */

/* The names of the rows, from above. */
static void assert_order(const struct view *view, const char *first, const char *second)
{
	struct grid grid = drawn(view, 200, 24);
	char *text = grid_text(&grid), *line = strstr(text, "INTERFACE ");

	line = strchr(line, '\n') + 1;
	assert_memory_equal(line, first, strlen(first));
	line = strchr(line, '\n') + 1;
	assert_memory_equal(line, second, strlen(second));
	free(text);
	grid_done(&grid);
}

static void rows_are_sorted(void **state)
{
	struct view *view = view_fed();

	(void)state;
	assert_order(view, "eth1", "wan");
	keys(view, "s"); /* by name */
	assert_order(view, "eth1", "wan");
	assert_shows_part(view, 120, 24, "sorted by INTERFACE\n");
	keys(view, "r");
	assert_order(view, "wan", "eth1");
	assert_shows_part(view, 120, 24, "sorted by INTERFACE, reversed\n");
	keys(view, "r");
	keys(view, "sss"); /* state, workers, seen/s: the largest first */
	assert_order(view, "eth1", "wan");
	keys(view, "ss"); /* written/s, lost/s */
	assert_shows_part(view, 120, 24, "sorted by LOST/S\n");
	assert_order(view, "wan", "eth1");
	assert_int_equal(view_key(view, VIEW_KEY_LEFT, 24), VIEW_NOTHING);
	assert_shows_part(view, 120, 24, "sorted by WRITTEN/S\n");
	/* All around, and back to no order. */
	for (int i = 0; i < columns_count() - 5; i++)
		assert_int_equal(view_key(view, VIEW_KEY_RIGHT, 24), VIEW_NOTHING);
	assert_int_equal(view->sort, -1);
	assert_int_equal(view_key(view, VIEW_KEY_LEFT, 24), VIEW_NOTHING);
	assert_shows_part(view, 120, 24, "sorted by RESTARTS\n");
	view_free(view);
}

/* Workers have a column that interfaces have not, and the other way round. */
static void sorting_follows_the_page(void **state)
{
	struct view *view = view_fed();

	(void)state;
	keys(view, "wss");
	assert_shows_part(view, 120, 24, "sorted by WORKER\n");
	assert_order(view, "eth1           1", "wan            1");
	keys(view, "i");
	assert_int_equal(view->sort, -1);
	keys(view, "sss");
	assert_shows_part(view, 120, 24, "sorted by WORKERS\n");
	keys(view, "w");
	assert_int_equal(view->sort, -1);
	keys(view, "\t");
	assert_int_equal(view->page, VIEW_DISK);
	keys(view, "s\t\t");
	assert_int_equal(view->page, VIEW_INTERFACES);
	assert_int_equal(view->sort, -1);
	view_free(view);
}

static void rows_are_scrolled(void **state)
{
	struct view *view = view_fed();

	(void)state;
	keys(view, "w");
	assert_int_equal(view_key(view, VIEW_KEY_DOWN, 24), VIEW_NOTHING);
	assert_order(view, "eth1           1", "wan            0");
	view_key(view, VIEW_KEY_PAGE_DOWN, 24);
	assert_int_equal(view->scroll, 3);
	view_key(view, VIEW_KEY_UP, 24);
	assert_int_equal(view->scroll, 2);
	view_key(view, VIEW_KEY_HOME, 24);
	view_key(view, VIEW_KEY_UP, 24);
	assert_int_equal(view->scroll, 0);
	view_key(view, VIEW_KEY_PAGE_DOWN, 2);
	view_key(view, VIEW_KEY_PAGE_UP, 24);
	assert_int_equal(view->scroll, 0);
	view_free(view);
}

static void interval_goes_in_steps(void **state)
{
	struct view *view = view_new();

	(void)state;
	assert_int_equal(view_interval_ms(view), 1000);
	assert_int_equal(view_key(view, '+', 24), VIEW_INTERVAL);
	assert_int_equal(view_interval_ms(view), 2000);
	for (int i = 0; i < 3; i++)
		assert_int_equal(view_key(view, '-', 24), VIEW_INTERVAL);
	assert_int_equal(view_interval_ms(view), 200);
	assert_shows_part(view, 80, 24, "every 0.2 s\n");
	assert_int_equal(view_key(view, '-', 24), VIEW_NOTHING);
	for (int i = 0; i < 20; i++)
		view_key(view, '+', 24);
	assert_int_equal(view_interval_ms(view), 60000);
	assert_int_equal(view_key(view, 'q', 24), VIEW_QUIT);
	view_free(view);
}

static void pause_keeps_what_is_shown(void **state)
{
	struct view *view = view_fed();
	uint64_t time_ns = view->sample.time_ns;

	(void)state;
	keys(view, "p");
	feed_sample(view, statistics(3700));
	feed_status(view);
	assert_int_equal(view->sample.time_ns, time_ns);
	assert_shows_part(view, 80, 10, " PAUSED every 1 s\n");
	keys(view, " ");
	feed_sample(view, statistics(3701));
	/* Over the pause, too. */
	assert_shows_part(view, 80, 10, "Packets: 1.52M/s, lost 1.24k/s; ");
	view_free(view);
}

/* --- numbers ---------------------------------------------------------------------------------------------- */

static void numbers_have_three_digits(void **state)
{
	static const struct {
		double number;
		const char *text;
	} rows[] = {
		{0, "0"}, {0.2, "<1"}, {1, "1"}, {999, "999"}, {999.4, "999"}, {999.6, "1.00k"}, {1234, "1.23k"},
		{9994, "9.99k"}, {9996, "10.0k"}, {12345, "12.3k"}, {99960, "100k"}, {999400, "999k"}, {999600, "1.00M"},
		{3469134, "3.47M"}, {1.2e18, "1.20E"}, {1.8e19, "18.0E"},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		char text[16];

		columns_format_si(text, rows[i].number);
		assert_string_equal(text, rows[i].text);
	}
}

static void forecast_has_two_units(void **state)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} rows[] = {
		{0, "0 s"}, {59, "59 s"}, {60, "1 min 0 s"}, {3599, "59 min 59 s"}, {3600, "1 h 0 min"},
		{529200, "6 d 3 h"}, {31536000, "1 y 0 d"}, {UINT64_MAX, "584942417355 y 26 d"},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		char text[FORMAT_TEXT_MAX];

		disk_format_left(text, rows[i].seconds);
		assert_string_equal(text, rows[i].text);
	}
}

static void what_is_not_known_is_not_shown(void **state)
{
	struct view *view = view_new();
	json_t *answer = status(), *storage = json_object_get(answer, "storage");
	const char *missing = NULL;
	struct disk disk;

	(void)state;
	json_object_set_new(storage, "written_bytes_per_s", json_null());
	json_object_del(storage, "retain_seconds"); /* a daemon of before */
	json_object_set_new(storage, "oldest_ns", json_null());
	json_object_set_new(storage, "last_error", json_null());
	json_object_set_new(storage, "errors", json_integer(0));
	assert_int_equal(disk_read(answer, &disk, &missing), 0);
	view_disk(view, &disk);
	keys(view, "d");
	assert_shows(view, 80, 24,
"fancapd 0.0.0-test, running for 1 d 2 h                                every 1 s\n"
"Packets:\n"
"Disk: 0.0 % free\n"
"~1\n"
"recordings        1234 files, 919.8 GiB\n"
"being written     4.0 MiB\n"
"rate              not known yet\n"
"forecast          not known yet\n"
"removed files     34\n"
"~1\n"
"DIRECTORY                            SIZE       FREE USED\n"
"/srv/one                        931.3 GiB   92.0 GiB [################  ]  90.1%\n"
"/srv/two/with/a/name/that/is/l    1.8 TiB        0 B [##################] 100.0%\n"
"~10\n"
"q quit  i interfaces  w workers  d disk  e events  s sort  p pause  h help\n");
	json_decref(answer);
	view_free(view);
}

/* Every field of an answer, missing or of a wrong type, is refused by name, never a crash. */
static void assert_each_field_is_needed(const char *text, int (*read)(json_t *answer, const char **ret_missing))
{
	char *broken = strdup(text);

	for (char *at = broken; (at = strstr(at, "\": "));) {
		json_t *answer;
		const char *missing = "-";
		char was = at[-1];

		at[-1] = '~'; /* the name's last letter */
		answer = json_loads(broken, 0, NULL);
		assert_non_null(answer);
		if (read(answer, &missing) == -EBADMSG)
			assert_true(strlen(missing) > 1);
		json_decref(answer);
		*--at = was;
		at += 2;
	}
	free(broken);
}

static int sample_try(json_t *answer, const char **ret_missing)
{
	struct sample sample = {0};
	int r = sample_read(answer, &sample, ret_missing);

	sample_done(&sample);
	return r;
}

static int disk_try(json_t *answer, const char **ret_missing)
{
	struct disk disk;

	return disk_read(answer, &disk, ret_missing);
}

static void incomplete_answers_are_refused(void **state)
{
	json_t *answers[] = {statistics(1), status()};
	const char *missing = NULL;
	char *text;

	(void)state;
	text = json_dumps(answers[0], 0);
	assert_each_field_is_needed(text, sample_try);
	free(text);
	text = json_dumps(answers[1], 0);
	assert_each_field_is_needed(text, disk_try);
	free(text);
	json_object_del(answers[0], "total");
	assert_int_equal(sample_try(answers[0], &missing), -EBADMSG);
	assert_string_equal(missing, "total");
	json_object_del(answers[1], "storage");
	assert_int_equal(disk_try(answers[1], &missing), -EBADMSG);
	assert_string_equal(missing, "storage");
	json_decref(answers[0]);
	json_decref(answers[1]);
}

/* --- what feeds it ---------------------------------------------------------------------------------------- */

/** Replies, each ended by a NUL, one after the other. */
struct replies {
	char *bytes;
	size_t length;
	FILE *out;
};

static void replies_open(struct replies *replies)
{
	replies->out = open_memstream(&replies->bytes, &replies->length);
	assert_non_null(replies->out);
}

static void reply_add(struct replies *replies, json_t *parameters, bool continues)
{
	json_t *reply = json_pack("{s:o}", "parameters", parameters);

	if (continues)
		json_object_set_new(reply, "continues", json_true());
	json_dumpf(reply, replies->out, JSON_COMPACT);
	fputc('\0', replies->out);
	json_decref(reply);
}

static void error_add(struct replies *replies, const char *error)
{
	fprintf(replies->out, "{\"error\":\"%s\",\"parameters\":{}}", error);
	fputc('\0', replies->out);
}

/* Pump as top does, until something is so. */
static void pump_until(struct feeds *feeds, struct view *view, bool (*is_so)(const struct view *view))
{
	for (int i = 0; i < 1000 && !is_so(view); i++) {
		struct pollfd polled[FEEDS];

		feeds_pump(feeds, view);
		if (!is_so(view))
			poll(polled, feeds_poll(feeds, polled), feeds_due_ms(feeds));
	}
	assert_true(is_so(view));
}

static bool has_rates(const struct view *view)
{
	return view->has_sample && view->sample.total.rates.known;
}

static bool has_trouble(const struct view *view)
{
	return view->trouble[0] != '\0';
}

static bool has_no_events(const struct view *view)
{
	return view->events_trouble != NULL;
}

static void run_feeds(struct replies *replies, struct view *view, bool (*is_so)(const struct view *view), char calls[4096])
{
	struct ctl ctl = {.timeout_ms = 2000, .err = stderr, .out = stdout};
	struct daemon daemon;
	struct feeds *feeds;

	fclose(replies->out);
	daemon = daemon_start(TALKS, replies->bytes, replies->length);
	ctl.socket = daemon.path;
	feeds = feeds_new(&ctl, "eth1");
	assert_non_null(feeds);
	pump_until(feeds, view, is_so);
	snprintf(calls, 4096, "%s", daemon.calls);
	feeds_free(feeds);
	daemon_stop(&daemon);
	free(replies->bytes);
}

/* Too many logins in vain, and a machine may let nobody in any more. */
static void another_machine_is_not_knocked_at_all_the_time(void **state)
{
	enum { PUMPS = 25, PUMP_MS = 100 };
	struct ctl ctl = {.host = "me@sensor", .timeout_ms = 2000, .err = stderr, .out = stdout};
	struct view *view = view_new();
	char folder[] = "/tmp/fancap-test-XXXXXX", ssh[64], log[64];
	struct feeds *feeds;
	struct stat st;
	FILE *script;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(ssh, sizeof(ssh), "%s/ssh", folder);
	snprintf(log, sizeof(log), "%s/log", folder);
	script = fopen(ssh, "w");
	assert_non_null(script);
	fprintf(script, "#!/bin/sh\nprintf x >>%s\nsleep 0.3\nexit 255\n", log);
	fclose(script);
	assert_int_equal(chmod(ssh, 0755), 0);
	assert_int_equal(setenv("FANCAPCTL_SSH", ssh, 1), 0);
	feeds = feeds_new(&ctl, NULL);
	/* While it is not known yet that nothing comes of it, either. */
	pump_until(feeds, view, has_trouble);
	assert_string_equal(view->trouble, "me@sensor cannot be reached by ssh");
	for (int i = 0; i < PUMPS; i++) {
		poll(NULL, 0, PUMP_MS);
		feeds_pump(feeds, view);
	}
	assert_int_equal(stat(log, &st), 0);
	assert_int_equal(st.st_size, 1);
	feeds_free(feeds);
	unsetenv("FANCAPCTL_SSH");
	unlink(ssh);
	unlink(log);
	assert_int_equal(rmdir(folder), 0);
	view_free(view);
}

static void a_stream_is_followed(void **state)
{
	struct view *view = view_new();
	struct replies replies;
	char calls[4096];

	(void)state;
	replies_open(&replies);
	reply_add(&replies, statistics(10), true);
	reply_add(&replies, statistics(11), true);
	run_feeds(&replies, view, has_rates, calls);
	assert_has(calls, "GetStatistics");
	assert_has(calls, "\"more\":true");
	assert_has(calls, "\"interval_ms\":1000");
	assert_has(calls, "\"interface\":\"eth1\"");
	view_free(view);
}

/* One of before knows no interval, and answers once. */
static void a_daemon_without_streams_is_asked_again(void **state)
{
	struct view *view = view_new();
	struct replies replies;
	char calls[4096], *second;

	(void)state;
	view->interval = 0;
	replies_open(&replies);
	error_add(&replies, "org.varlink.service.InvalidParameter");
	for (int seconds = 10; seconds < 20; seconds++)
		reply_add(&replies, statistics(seconds), false);
	run_feeds(&replies, view, has_rates, calls);
	second = strchr(calls, '\n');
	assert_non_null(second);
	*second = '\0';
	assert_has(calls, "interval_ms");
	assert_null(strstr(second + 1, "interval_ms"));
	view_free(view);
}

static void trouble_of_the_daemon_is_told(void **state)
{
	static const char *const rows[][2] = {
		{"io.fancap.NoSuchInterface", "fancapd answers: io.fancap.NoSuchInterface {}"},
		{"org.varlink.service.PermissionDenied", "PermissionDenied"},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct view *view = view_new();
		struct replies replies;
		char calls[4096];

		replies_open(&replies);
		error_add(&replies, rows[i][0]);
		run_feeds(&replies, view, has_trouble, calls);
		assert_has(view->trouble, rows[i][1]);
		assert_null(strstr(view->trouble, "fancapctl:"));
		view_free(view);
	}
}

static void a_daemon_without_events_is_told(void **state)
{
	struct view *view = view_new();
	struct replies replies;
	char calls[4096];

	(void)state;
	keys(view, "e");
	replies_open(&replies);
	reply_add(&replies, statistics(10), false);
	error_add(&replies, "org.varlink.service.MethodNotFound"); /* of GetStatus, which is no trouble */
	error_add(&replies, "org.varlink.service.MethodNotFound");
	run_feeds(&replies, view, has_no_events, calls);
	assert_has(calls, "io.fancap.Events");
	assert_shows_part(view, 80, 24, "this fancapd does not tell events");
	view_free(view);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(interfaces_are_shown),
		cmocka_unit_test(workers_are_shown),
		cmocka_unit_test(disks_are_shown),
		cmocka_unit_test(events_are_shown_latest_first),
		cmocka_unit_test(help_is_shown_and_goes),
		cmocka_unit_test(losses_catch_the_eye),
		cmocka_unit_test(nothing_is_known_before_the_second_sample),
		cmocka_unit_test(restarted_daemon_begins_anew),
		cmocka_unit_test(trouble_is_told_and_the_rest_stays),
		cmocka_unit_test(small_window_says_so),
		cmocka_unit_test(every_size_is_drawn),
		cmocka_unit_test(rows_are_sorted),
		cmocka_unit_test(sorting_follows_the_page),
		cmocka_unit_test(rows_are_scrolled),
		cmocka_unit_test(interval_goes_in_steps),
		cmocka_unit_test(pause_keeps_what_is_shown),
		cmocka_unit_test(numbers_have_three_digits),
		cmocka_unit_test(forecast_has_two_units),
		cmocka_unit_test(what_is_not_known_is_not_shown),
		cmocka_unit_test(incomplete_answers_are_refused),
		cmocka_unit_test(another_machine_is_not_knocked_at_all_the_time),
		cmocka_unit_test(a_stream_is_followed),
		cmocka_unit_test(a_daemon_without_streams_is_asked_again),
		cmocka_unit_test(trouble_of_the_daemon_is_told),
		cmocka_unit_test(a_daemon_without_events_is_told),
	};

	return cmocka_run_group_tests_name("top", tests, NULL, NULL);
}
