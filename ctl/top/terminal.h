// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_TOP_TERMINAL_H
#define CTL_TOP_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

#include "ctl/grid.h"

/* A terminal that shows grids and has keys: standard output and input, through ncurses, which sends what differs only. */

/** What terminal_key() says besides characters and enum view_special. */
enum terminal_key { TERMINAL_NO_KEY = -1, TERMINAL_OTHER_KEY = -2 };

/**
 * Take the terminal over. SIGTSTP and SIGCONT are seen to by ncurses; SIGINT, SIGTERM and SIGHUP end terminal_stopped().
 *
 * @param ret_why set on false: static text
 */
bool terminal_open(const char **ret_why);

/** Give it back as it was. */
void terminal_close(void);

/** Its size now; what was shown before fits it no more if it has changed. */
void terminal_size(int *ret_rows, int *ret_columns);

void terminal_show(const struct grid *grid);

/** The next key that was pressed; never waits. */
int terminal_key(void);

/** The signal that is to end the program, 0: none came. */
int terminal_stopped(void);

#endif
