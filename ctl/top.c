// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/top.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "ctl/grid.h"
#include "ctl/top/feeds.h"
#include "ctl/top/terminal.h"
#include "ctl/top/view.h"

const char top_details[] =
	"A live view of interfaces and workers: rates, losses, how full the rings are, how long writes take; of the disks and how "
	"long they last; of events. h shows the keys, q quits. While the daemon is not running it is waited for. Only what has "
	"changed is sent to the terminal. NO_COLOR in the environment turns colours off.";

/** What is under way; too large for the stack. */
struct top {
	struct view view;
	struct feeds *feeds;
};

static enum ctl_exit show(const struct view *view)
{
	struct grid grid;
	int rows, columns;

	terminal_size(&rows, &columns);
	if (grid_init(&grid, rows, columns) < 0)
		return CTL_FAILED;
	view_draw(view, &grid);
	terminal_show(&grid);
	grid_done(&grid);
	return CTL_OK;
}

/* @return false: to be quit */
static bool keys_take(struct top *top)
{
	int rows, columns, key;

	terminal_size(&rows, &columns);
	while ((key = terminal_key()) != TERMINAL_NO_KEY) {
		switch (view_key(&top->view, key, rows)) {
		case VIEW_QUIT: return false;
		case VIEW_INTERVAL: feeds_set_interval(top->feeds); break;
		case VIEW_NOTHING: break;
		}
	}
	return true;
}

/* @return false: the terminal has gone */
static bool wait_for_something(const struct feeds *feeds)
{
	struct pollfd polled[FEEDS + 1];
	unsigned n = feeds_poll(feeds, polled);

	polled[n] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	/* A signal (a new size of the window, too) interrupts it. */
	return poll(polled, n + 1, feeds_due_ms(feeds)) <= 0 || !(polled[n].revents & (POLLHUP | POLLERR | POLLNVAL));
}

static enum ctl_exit loop(struct top *top)
{
	enum ctl_exit result = CTL_OK;

	while (!result && !terminal_stopped()) {
		feeds_pump(top->feeds, &top->view);
		result = show(&top->view);
		if (!wait_for_something(top->feeds) || !keys_take(top))
			break;
	}
	return result;
}

/* The terminal is as it was; now what the signal asked for. */
static void die_of_signal(void)
{
	int number = terminal_stopped();

	if (!number)
		return;
	signal(number, SIG_DFL);
	raise(number);
}

static enum ctl_exit run(const struct ctl *ctl, const char *interface, struct top *top)
{
	enum ctl_exit result;
	const char *why;

	top->feeds = feeds_new(ctl, interface);
	if (!top->feeds)
		return CTL_FAILED;
	if (!terminal_open(&why)) {
		fprintf(ctl->err, "fancapctl: top: %s\n", why);
		feeds_free(top->feeds);
		return CTL_FAILED;
	}
	view_init(&top->view);
	result = loop(top);
	terminal_close();
	view_done(&top->view);
	feeds_free(top->feeds);
	return result;
}

enum ctl_exit run_top(const struct ctl *ctl, const struct arguments *arguments)
{
	static struct top top;
	enum ctl_exit result;

	if (ctl->json)
		return wrong_usage(ctl, arguments->command, "top takes no --json; fancapctl statistics does");
	result = run(ctl, arguments_word(arguments, 0), &top);
	die_of_signal();
	return result;
}
