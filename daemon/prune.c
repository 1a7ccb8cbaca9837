// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/compress.h"
#include "daemon/log.h"
#include "daemon/prune.h"
#include "daemon/scan.h"

#define DAY_S 86400

void prune_measure(const char *const *directories, size_t n, struct archive_retention *ret)
{
	dev_t devices[CONFIG_DIRECTORIES_MAX] = {0};

	ret->n_disks = 0;
	for (size_t i = 0; i < n; i++) {
		struct archive_disk *disk = &ret->disks[ret->n_disks];
		struct statvfs fs;
		struct stat st;
		size_t same = 0;

		/* One that is gone has no figures: nothing is removed for its sake. */
		*disk = (struct archive_disk){.free_bytes = UINT64_MAX / 2};
		ret->disk_of[i] = (uint8_t)ret->n_disks;
		if (stat(directories[i], &st) < 0 || statvfs(directories[i], &fs) < 0) {
			ret->n_disks++;
			continue;
		}
		while (same < ret->n_disks && devices[same] != st.st_dev)
			same++;
		ret->disk_of[i] = (uint8_t)same;
		if (same < ret->n_disks)
			continue;
		devices[same] = st.st_dev;
		disk->total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
		disk->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
		ret->n_disks++;
	}
}

/* --- one file -------------------------------------------------------------------------------------------------- */

/** A file taken apart: INTERFACE, DAY, NAME. */
struct place {
	char path[PATH_MAX];
	const char *interface, *day, *name;
};

static int place_of(const struct archive *archive, const struct archive_file *file, struct place *ret)
{
	int r = archive_path(archive, file, ret->path, sizeof(ret->path));
	char *slash;

	if (r < 0)
		return r;
	ret->interface = ret->path;
	slash = strchr(ret->path, '/');
	*slash = '\0';
	ret->day = slash + 1;
	slash = strchr(slash + 1, '/');
	*slash = '\0';
	ret->name = slash + 1;
	return 0;
}

static bool has_marker(int folder, const char *name, size_t length)
{
	char marker[NAME_MAX + sizeof(PRUNE_HOLD_SUFFIX)];

	snprintf(marker, sizeof(marker), "%.*s" PRUNE_HOLD_SUFFIX, (int)length, name);
	return faccessat(folder, marker, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool prune_has_marker(int folder, const char *name, bool compressed)
{
	size_t length = strlen(name);

	return has_marker(folder, name, length) ||
	       (compressed && has_marker(folder, name, length - strlen(COMPRESS_SUFFIX)));
}

bool prune_is_held(const struct archive *archive, const char *directory, const struct archive_file *file)
{
	struct place place;
	bool held;
	int folder;

	if (place_of(archive, file, &place) < 0)
		return false;
	folder = scan_open_folder(directory, place.interface, place.day);
	if (folder < 0)
		return false;
	held = prune_has_marker(folder, place.name, file->compressed);
	close(folder);
	return held;
}

/* @return 0 gone, 1 held, -ENOENT somebody else removed it, -errno */
static int remove_file(const char *directory, const struct place *place, bool compressed)
{
	int folder = scan_open_folder(directory, place->interface, place->day);
	struct stat st;
	int r = 0;

	if (folder < 0)
		return folder;
	if (prune_has_marker(folder, place->name, compressed))
		r = 1;
	else if (fstatat(folder, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -ENOENT; /* not what we know of */
	else if (unlinkat(folder, place->name, 0) < 0)
		r = -errno;
	close(folder);
	return r;
}

void prune_folder(const char *directory, const char *interface, const char *day, uint64_t wall_ns)
{
	char path[PATH_MAX], text[16];
	struct tm tm;

	/* Packets are stamped with about this time: their day is this one, or the one before or after. */
	for (int i = -1; i <= 1; i++) {
		time_t seconds = (time_t)(wall_ns / 1000000000u) + i * DAY_S;

		if (gmtime_r(&seconds, &tm) == NULL)
			return;
		strftime(text, sizeof(text), "%Y-%m-%d", &tm);
		if (strcmp(day, text) == 0)
			return;
	}
	snprintf(path, sizeof(path), "%s/%s/%s", directory, interface, day);
	if (rmdir(path) == 0)
		log_debug("removed the empty folder %s", path);
}

static void note_error(struct prune_result *result, const char *directory, const struct place *place, int error)
{
	result->errors++;
	result->error = error;
	snprintf(result->error_path, sizeof(result->error_path), "%.200s/%.50s/%.16s/%.200s", directory,
		 place->interface, place->day, place->name);
}

void prune(struct archive *archive, const char *const *directories, struct archive_retention *retention,
	   struct prune_result *ret)
{
	size_t index = 0;

	*ret = (struct prune_result){0};
	while ((index = archive_next_excess(archive, retention, index)) != SIZE_MAX) {
		const struct archive_file file = *archive_at(archive, index);
		const char *directory = directories[file.directory];
		struct place place;
		int r = place_of(archive, &file, &place);

		if (r == 0 && file.being_held)
			r = 1;
		if (r == 0)
			r = remove_file(directory, &place, file.compressed);
		if (r == 0) {
			log_debug("removed %s/%s/%s/%s", directory, place.interface, place.day, place.name);
			ret->files++;
			ret->bytes += file.bytes;
			archive_removed(archive, retention, index);
			prune_folder(directory, place.interface, place.day, clock_realtime_ns());
		} else if (r == -ENOENT) {
			archive_remove(archive, index);
		} else {
			if (r < 0)
				note_error(ret, directory, &place, r);
			ret->held |= r == 1;
			index++;
		}
	}
}
