// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_TOP_FEEDS_H
#define CTL_TOP_FEEDS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "ctl/ctl.h"
#include "ctl/top/view.h"

/*
 * What the daemon says, for a view: its statistics (a stream, or asked for again and again where the daemon has none),
 * its status now and then, its events once they are looked at. While it is not there it is looked for once a second, and on
 * another machine every 10 s.
 */

enum feeds_kind { FEEDS_STATISTICS, FEEDS_STATUS, FEEDS_EVENTS, FEEDS };

struct feeds;

/** @param ctl and interface (NULL: all) must outlive it. @return NULL: no memory */
struct feeds *feeds_new(const struct ctl *ctl, const char *interface);
void feeds_free(struct feeds *feeds);

/** Ask for statistics as often as the view now says. */
void feeds_set_interval(struct feeds *feeds);

/** Take what has come, open what is due; waits for nothing but a daemon that does not take connections. */
void feeds_pump(struct feeds *feeds, struct view *view);

/** What to poll for. @return how many of ret are set */
unsigned feeds_poll(const struct feeds *feeds, struct pollfd ret[FEEDS]);

/** When to pump next, in ms from now, if nothing comes. */
int feeds_due_ms(const struct feeds *feeds);

#endif
