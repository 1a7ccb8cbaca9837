// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/top/terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <curses.h>

#include "ctl/top/view.h"

#define ESCAPE_MS 50 /* what comes so soon after an escape belongs to the same key, also over ssh */

static volatile sig_atomic_t stopped;
static SCREEN *screen;
static chtype looks[GRID_LOOKS];

/* --- how it looks ----------------------------------------------------------------------------------------- */

/* https://no-color.org: set and not empty. */
static bool wants_color(void)
{
	const char *no = getenv("NO_COLOR");

	return !(no && *no) && has_colors() && start_color() == OK;
}

static void looks_init(void)
{
	static const struct {
		chtype plain; ///< without colours
		short color;
		chtype with_color;
	} rows[GRID_LOOKS] = {
		[GRID_PLAIN] = {A_NORMAL, -1, A_NORMAL},
		[GRID_STRONG] = {A_BOLD, -1, A_BOLD},
		[GRID_TITLE] = {A_REVERSE, -1, A_REVERSE},
		[GRID_GOOD] = {A_NORMAL, COLOR_GREEN, A_NORMAL},
		[GRID_NOTE] = {A_BOLD, COLOR_YELLOW, A_NORMAL},
		[GRID_BAD] = {A_REVERSE | A_BOLD, COLOR_RED, A_BOLD},
	};
	bool color = wants_color();

	if (color)
		use_default_colors();
	for (short i = 0; i < GRID_LOOKS; i++) {
		looks[i] = color ? rows[i].with_color : rows[i].plain;
		if (color && rows[i].color >= 0 && init_pair((short)(i + 1), rows[i].color, -1) == OK)
			looks[i] |= (chtype)COLOR_PAIR(i + 1);
	}
}

/* --- opening and closing ---------------------------------------------------------------------------------- */

static void note_signal(int number)
{
	stopped = number;
}

/* Instead of the handlers of ncurses, which exit. */
static void signals_catch(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = note_signal};

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
}

bool terminal_open(const char **ret_why)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		*ret_why = "standard input and output have to be a terminal; for programs there is fancapctl statistics";
		return false;
	}
	screen = newterm(NULL, stdout, stdin);
	if (!screen) {
		*ret_why = "this type of terminal is not known: set TERM, as to xterm or vt100";
		return false;
	}
	signals_catch();
	set_term(screen);
	set_escdelay(ESCAPE_MS);
	cbreak();
	noecho();
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	(void)curs_set(0);
	looks_init();
	return true;
}

void terminal_close(void)
{
	endwin();
	delscreen(screen);
	screen = NULL;
}

int terminal_stopped(void)
{
	return stopped;
}

/* --- showing ---------------------------------------------------------------------------------------------- */

/* ncurses hears of a new size by SIGWINCH, but not of one that came while it was stopped. */
void terminal_size(int *ret_rows, int *ret_columns)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col &&
	    (size.ws_row != LINES || size.ws_col != COLS))
		resizeterm(size.ws_row, size.ws_col);
	*ret_rows = LINES;
	*ret_columns = COLS;
}

void terminal_show(const struct grid *grid)
{
	erase();
	for (int i = 0; i < grid->rows * grid->columns; i++) {
		const struct grid_cell *cell = &grid->cells[i];

		(void)mvaddch(i / grid->columns, i % grid->columns, (chtype)(unsigned char)cell->character | looks[cell->look]);
	}
	refresh();
}

int terminal_key(void)
{
	static const struct {
		int curses, view;
	} keys[] = {
		{KEY_LEFT, VIEW_KEY_LEFT},	 {KEY_RIGHT, VIEW_KEY_RIGHT},	  {KEY_UP, VIEW_KEY_UP},
		{KEY_DOWN, VIEW_KEY_DOWN},	 {KEY_PPAGE, VIEW_KEY_PAGE_UP},	  {KEY_NPAGE, VIEW_KEY_PAGE_DOWN},
		{KEY_HOME, VIEW_KEY_HOME},
	};
	int key = getch();

	if (key == ERR)
		return TERMINAL_NO_KEY;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (key == keys[i].curses)
			return keys[i].view;
	return key < 0x80 ? key : TERMINAL_OTHER_KEY;
}
