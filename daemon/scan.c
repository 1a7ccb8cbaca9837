// SPDX-License-Identifier: BSD-3-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/scan.h"

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct scan {
	const char *const *directories;
	size_t n;
	struct scan_visitor visitor;
	size_t directory; /* under way */
	DIR *interfaces;  /* of this directory, or NULL */
	DIR *days;	  /* of the interface under way, or NULL */
	char interface[256];
};

struct scan *scan_new(const char *const *directories, size_t n, const struct scan_visitor *visitor)
{
	struct scan *scan = calloc(1, sizeof(*scan));

	if (scan != NULL) {
		scan->directories = directories;
		scan->n = n;
		scan->visitor = *visitor;
	}
	return scan;
}

static DIR *open_stream(int fd)
{
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;

	if (stream == NULL && fd >= 0)
		close(fd);
	return stream;
}

static void close_stream(DIR **stream)
{
	if (*stream != NULL)
		closedir(*stream);
	*stream = NULL;
}

/* The next name that is not hidden; NULL: the end, or the disk is gone. */
static const char *next_name(DIR *stream)
{
	const struct dirent *entry;

	while ((entry = readdir(stream)) != NULL) {
		if (entry->d_name[0] != '.')
			return entry->d_name;
	}
	return NULL;
}

/* YYYY-MM-DD */
static bool is_day(const char *name)
{
	static const char pattern[] = "0000-00-00";

	for (size_t i = 0; i < sizeof(pattern); i++) {
		if (pattern[i] == '0' ? name[i] < '0' || name[i] > '9' : name[i] != pattern[i])
			return false;
	}
	return true;
}

static void visit_folder(struct scan *scan, const char *day)
{
	int fd = openat(dirfd(scan->days), day, FOLDER_FLAGS);
	DIR *stream = open_stream(fd);
	struct scan_folder folder = {scan->directory, scan->interface, day, fd};
	const struct dirent *entry;
	bool empty = true;

	if (stream == NULL)
		return;
	while ((entry = readdir(stream)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		empty = false;
		scan->visitor.name(&folder, entry->d_name, scan->visitor.arg);
	}
	scan->visitor.folder(&folder, empty, scan->visitor.arg);
	closedir(stream);
}

/* To the next interface's folder. @return false: this directory has no more */
static bool next_interface(struct scan *scan)
{
	const char *name;

	close_stream(&scan->days);
	while ((name = next_name(scan->interfaces)) != NULL) {
		snprintf(scan->interface, sizeof(scan->interface), "%s", name);
		scan->days = open_stream(openat(dirfd(scan->interfaces), name, FOLDER_FLAGS));
		if (scan->days != NULL)
			return true;
	}
	close_stream(&scan->interfaces);
	return false;
}

/* To the next directory that can be read. @return false: that was the last */
static bool next_directory(struct scan *scan, size_t from)
{
	for (scan->directory = from; scan->directory < scan->n; scan->directory++) {
		scan->interfaces = opendir(scan->directories[scan->directory]);
		if (scan->interfaces != NULL)
			return true;
	}
	return false;
}

bool scan_step(struct scan *scan)
{
	const char *name;

	if (scan->interfaces == NULL && !next_directory(scan, 0))
		return false;
	for (;;) {
		while (scan->days != NULL && (name = next_name(scan->days)) != NULL) {
			if (is_day(name)) {
				visit_folder(scan, name);
				return true;
			}
		}
		if (!next_interface(scan) && !next_directory(scan, scan->directory + 1))
			return false;
	}
}

void scan_free(struct scan *scan)
{
	if (scan == NULL)
		return;
	close_stream(&scan->days);
	close_stream(&scan->interfaces);
	free(scan);
}

int scan_open_folder(const char *directory, const char *interface, const char *day)
{
	int fds[3], r;

	fds[0] = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fds[0] < 0)
		return -errno;
	fds[1] = openat(fds[0], interface, FOLDER_FLAGS);
	r = -errno;
	close(fds[0]);
	if (fds[1] < 0)
		return r;
	fds[2] = openat(fds[1], day, FOLDER_FLAGS);
	r = -errno;
	close(fds[1]);
	return fds[2] < 0 ? r : fds[2];
}
