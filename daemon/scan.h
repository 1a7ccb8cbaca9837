// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_SCAN_H
#define DAEMON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Looking through the recording directories, DIRECTORY/INTERFACE/DAY, a day's folder at a time: there may be very many
 * files, and an event loop has other things to do. No symbolic link is followed below a directory.
 */

/** A day's folder. */
struct scan_folder {
	size_t directory;
	const char *interface;
	const char *day;
	int fd; ///< of the folder
};

struct scan_visitor {
	/** A name in a folder; whatever it is. */
	void (*name)(const struct scan_folder *folder, const char *name, void *arg);
	/** After the names of a folder. */
	void (*folder)(const struct scan_folder *folder, bool empty, void *arg);
	void *arg;
};

struct scan;

/** @param directories borrowed. @return scan_free() ends it; NULL: no memory */
struct scan *scan_new(const char *const *directories, size_t n, const struct scan_visitor *visitor);

/** Visit the next folder. @return whether there may be more; if not, the next call begins anew */
bool scan_step(struct scan *scan);

void scan_free(struct scan *scan);

/**
 * Open a folder below a directory without following a symbolic link.
 *
 * @return fd or -errno
 */
int scan_open_folder(const char *directory, const char *interface, const char *day);

#endif
