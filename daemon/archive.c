// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/archive.h"
#include "daemon/compress.h"
#include "daemon/segment.h"
#include "daemon/summary.h"

#define FULL_ROOM_BYTES (UINT64_C(256) << 20)
#define SUFFIX ".pcapng"
#define NS_PER_MS 1000000u

struct archive {
	struct archive_file *files; /* sorted; those before first are gone: the oldest go first */
	size_t first, end, capacity;
	uint64_t bytes;
	char **interfaces;
	size_t n_interfaces;
};

struct archive *archive_new(void)
{
	return calloc(1, sizeof(struct archive));
}

void archive_free(struct archive *archive)
{
	if (archive == NULL)
		return;
	for (size_t i = 0; i < archive->n_interfaces; i++)
		free(archive->interfaces[i]);
	free(archive->interfaces);
	free(archive->files);
	free(archive);
}

int archive_interface(struct archive *archive, const char *name)
{
	char **grown;

	for (size_t i = 0; i < archive->n_interfaces; i++) {
		if (strcmp(archive->interfaces[i], name) == 0)
			return (int)i;
	}
	if (archive->n_interfaces > UINT16_MAX)
		return -ENOSPC;
	grown = reallocarray(archive->interfaces, archive->n_interfaces + 1, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	archive->interfaces = grown;
	grown[archive->n_interfaces] = strdup(name);
	return grown[archive->n_interfaces] != NULL ? (int)archive->n_interfaces++ : -ENOMEM;
}

/* --- names ----------------------------------------------------------------------------------------------------- */

/* Read so many digits, or all there are if 0. */
static bool digits_read(const char **text, unsigned digits, uint32_t *ret)
{
	uint64_t number = 0;
	unsigned n = 0;

	while ((*text)[n] >= '0' && (*text)[n] <= '9' && (digits == 0 || n < digits) && number <= UINT32_MAX)
		number = number * 10 + (uint64_t)((*text)[n++] - '0');
	if (n == 0 || (digits != 0 && n != digits) || number > UINT32_MAX)
		return false;
	*ret = (uint32_t)number;
	*text += n;
	return true;
}

static bool text_read(const char **text, const char *expected)
{
	size_t length = strlen(expected);

	if (strncmp(*text, expected, length) != 0)
		return false;
	*text += length;
	return true;
}

static bool time_read(const char **text, uint64_t *ret_us)
{
	uint32_t year, month, day, hour, minute, second, us;
	struct tm tm;

	if (!digits_read(text, 4, &year) || !digits_read(text, 2, &month) || !digits_read(text, 2, &day) ||
	    !text_read(text, "T") || !digits_read(text, 2, &hour) || !digits_read(text, 2, &minute) ||
	    !digits_read(text, 2, &second) || !text_read(text, ".") || !digits_read(text, 6, &us) ||
	    !text_read(text, "Z") || year < 1970)
		return false;
	tm = (struct tm){
		.tm_year = (int)year - 1900,
		.tm_mon = (int)month - 1,
		.tm_mday = (int)day,
		.tm_hour = (int)hour,
		.tm_min = (int)minute,
		.tm_sec = (int)second,
	};
	*ret_us = (uint64_t)timegm(&tm) * 1000000u + us;
	return true;
}

static bool name_read(const char **text, const char *interface, struct archive_file *ret)
{
	ret->attempt = 0;
	return text_read(text, interface) && text_read(text, "-w") && digits_read(text, 0, &ret->worker) &&
	       text_read(text, "-") && time_read(text, &ret->start_us) &&
	       (!text_read(text, "-") || digits_read(text, 0, &ret->attempt)) && text_read(text, SUFFIX);
}

/* What would be written otherwise than it was read (leading zeros, a 31st of June, another day's folder) is not ours. */
static bool name_is_ours(const char *interface, const char *day, const char *name, size_t length,
			 const struct archive_file *file)
{
	char path[PATH_MAX], expected[PATH_MAX];

	snprintf(expected, sizeof(expected), "%s/%s/%.*s", interface, day, (int)length, name);
	return segment_path(path, sizeof(path), interface, interface, file->worker, file->start_us * 1000u,
			    file->attempt) == 0 &&
	       strcmp(path, expected) == 0;
}

enum archive_kind archive_parse(const char *interface, uint16_t interface_id, const char *day, const char *name,
				struct archive_file *ret)
{
	static const struct {
		const char *suffix;
		enum archive_kind kind;
		bool compressed;
	} kinds[] = {
		{"", ARCHIVE_FILE, false},
		{SEGMENT_PART, ARCHIVE_PART, false},
		{COMPRESS_SUFFIX, ARCHIVE_FILE, true},
		{COMPRESS_SUFFIX SEGMENT_PART, ARCHIVE_COMPRESSING, true},
	};
	struct archive_file file = {.interface = interface_id, .packets = SUMMARY_PACKETS_UNKNOWN};
	const char *rest = name;

	if (!name_read(&rest, interface, &file) || !name_is_ours(interface, day, name, (size_t)(rest - name), &file))
		return ARCHIVE_FOREIGN;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(rest, kinds[i].suffix) == 0) {
			file.compressed = kinds[i].compressed;
			*ret = file;
			return kinds[i].kind;
		}
	}
	return ARCHIVE_FOREIGN;
}

/* Which directory a path is in. @return its index, or n: none */
static size_t directory_of(const char *const *directories, size_t n, const char *path)
{
	size_t i = 0;

	for (; i < n; i++) {
		size_t length = strlen(directories[i]);

		if (strncmp(path, directories[i], length) == 0 && path[length] == '/')
			break;
	}
	return i;
}

enum archive_kind archive_parse_path(const char *const *directories, size_t n, const char *path, char *ret_interface,
				     struct archive_file *ret)
{
	size_t directory = directory_of(directories, n, path), length;
	const char *interface, *day, *name;
	char folder[NAME_MAX + 1];
	enum archive_kind kind;

	if (directory == n)
		return ARCHIVE_FOREIGN;
	interface = path + strlen(directories[directory]);
	interface += strspn(interface, "/");
	length = strcspn(interface, "/");
	day = interface + length + (interface[length] == '/');
	name = strchr(day, '/');
	if (name == NULL || length > NAME_MAX || (size_t)(name - day) > NAME_MAX)
		return ARCHIVE_FOREIGN;
	snprintf(ret_interface, NAME_MAX + 1, "%.*s", (int)length, interface);
	snprintf(folder, sizeof(folder), "%.*s", (int)(name - day), day);
	kind = archive_parse(ret_interface, 0, folder, name + 1, ret);
	if (kind != ARCHIVE_FOREIGN)
		ret->directory = (uint8_t)directory;
	return kind;
}

int archive_path(const struct archive *archive, const struct archive_file *file, char *ret, size_t size)
{
	const char *interface = archive->interfaces[file->interface];
	int r = segment_path(ret, size, interface, interface, file->worker, file->start_us * 1000u, file->attempt);

	if (r < 0 || !file->compressed)
		return r;
	if (strlen(ret) + sizeof(COMPRESS_SUFFIX) > size)
		return -ENAMETOOLONG;
	strcat(ret, COMPRESS_SUFFIX);
	return 0;
}

/* --- the index ------------------------------------------------------------------------------------------------- */

#define COMPARE(member) \
	if (a->member != b->member) \
		return a->member < b->member ? -1 : 1

static int file_compare(const struct archive_file *a, const struct archive_file *b)
{
	COMPARE(start_us);
	COMPARE(interface);
	COMPARE(worker);
	COMPARE(attempt);
	COMPARE(directory);
	COMPARE(compressed);
	return 0;
}

/* Where the file of this name is, or would be. */
static size_t position(const struct archive *archive, const struct archive_file *name)
{
	size_t low = archive->first, high = archive->end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (file_compare(&archive->files[middle], name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t archive_position(const struct archive *archive, const struct archive_file *name)
{
	return position(archive, name) - archive->first;
}

const char *archive_interface_name(const struct archive *archive, const struct archive_file *file)
{
	return archive->interfaces[file->interface];
}

struct archive_file *archive_find(struct archive *archive, const struct archive_file *name)
{
	size_t at = position(archive, name);

	return at < archive->end && file_compare(&archive->files[at], name) == 0 ? &archive->files[at] : NULL;
}

static int reserve(struct archive *archive)
{
	size_t n = archive->end - archive->first;
	struct archive_file *grown;

	if (archive->end < archive->capacity)
		return 0;
	if (archive->first > archive->capacity / 2) {
		memmove(archive->files, archive->files + archive->first, n * sizeof(*archive->files));
		archive->first = 0;
		archive->end = n;
		return 0;
	}
	grown = reallocarray(archive->files, archive->capacity * 2 + 64, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	archive->files = grown;
	archive->capacity = archive->capacity * 2 + 64;
	return 0;
}

int archive_add(struct archive *archive, const struct archive_file *file)
{
	struct archive_file *same = archive_find(archive, file);
	size_t at;

	if (same != NULL) {
		archive->bytes += file->bytes - same->bytes;
		*same = *file;
		return 0;
	}
	if (reserve(archive) < 0)
		return -ENOMEM;
	at = position(archive, file);
	memmove(&archive->files[at + 1], &archive->files[at], (archive->end - at) * sizeof(*archive->files));
	archive->files[at] = *file;
	archive->end++;
	archive->bytes += file->bytes;
	return 0;
}

void archive_remove(struct archive *archive, size_t index)
{
	archive->bytes -= archive_at(archive, index)->bytes;
	/* What is before it is held, as a rule, and little. */
	memmove(&archive->files[archive->first + 1], &archive->files[archive->first],
		index * sizeof(*archive->files));
	archive->first++;
	if (archive->first == archive->end)
		archive->first = archive->end = 0;
}

size_t archive_sweep(struct archive *archive, uint32_t round)
{
	size_t to = archive->first, before = archive_count(archive);

	for (size_t from = archive->first; from < archive->end; from++) {
		if (archive->files[from].round == round)
			archive->files[to++] = archive->files[from];
		else
			archive->bytes -= archive->files[from].bytes;
	}
	archive->end = to;
	return before - archive_count(archive);
}

size_t archive_count(const struct archive *archive)
{
	return archive->end - archive->first;
}

uint64_t archive_bytes(const struct archive *archive)
{
	return archive->bytes;
}

struct archive_file *archive_at(struct archive *archive, size_t index)
{
	return &archive->files[archive->first + index];
}

uint64_t archive_newest_ns(const struct archive *archive)
{
	uint64_t newest_ns = 0;

	for (size_t i = archive->first; i < archive->end; i++) {
		if (archive->files[i].end_ns > newest_ns)
			newest_ns = archive->files[i].end_ns;
	}
	return archive_count(archive) > 0 ? newest_ns : UINT64_MAX;
}

/* --- retention ------------------------------------------------------------------------------------------------- */

uint64_t archive_free_wanted(uint64_t free, uint64_t total_bytes)
{
	return free > CONFIG_FREE_PERCENT_MAX ? free : total_bytes / 100 * free;
}

/* Whether recordings may be removed at all. */
static bool is_limited(const struct config_retain *limits)
{
	return limits->size_bytes != 0 || limits->free != 0 || limits->age_ms != 0;
}

static bool disk_is_short(const struct archive_retention *retention, size_t disk)
{
	const struct archive_disk *d = &retention->disks[disk];

	return (d->full && is_limited(&retention->limits)) ||
	       (retention->limits.free != 0 &&
		d->free_bytes < archive_free_wanted(retention->limits.free, d->total_bytes));
}

/* What makes a disk full no more, where nobody has said how much is to be free: room to write for a while. */
static uint64_t room_wanted(const struct archive_disk *disk)
{
	return disk->total_bytes / 100 < FULL_ROOM_BYTES ? disk->total_bytes / 100 : FULL_ROOM_BYTES;
}

static bool size_is_exceeded(const struct archive *archive, const struct archive_retention *retention)
{
	uint64_t size = retention->limits.size_bytes, ahead = retention->growth_bytes;

	if (ahead > size / 4)
		ahead = size / 4;
	return size != 0 && archive->bytes + retention->active_bytes + ahead > size;
}

static bool is_older(const struct archive_retention *retention, uint64_t time_ns)
{
	uint64_t age_ns = retention->limits.age_ms * NS_PER_MS;

	return age_ns != 0 && retention->now_ns > time_ns && retention->now_ns - time_ns > age_ns;
}

size_t archive_next_excess(struct archive *archive, const struct archive_retention *retention, size_t index)
{
	bool any_disk = false;

	if (size_is_exceeded(archive, retention))
		return index < archive_count(archive) ? index : SIZE_MAX;
	for (size_t i = 0; i < retention->n_disks; i++)
		any_disk |= disk_is_short(retention, i);
	for (; index < archive_count(archive); index++) {
		const struct archive_file *file = archive_at(archive, index);

		if (is_older(retention, file->end_ns) ||
		    disk_is_short(retention, retention->disk_of[file->directory]))
			return index;
		/* A file does not end before it begins: nor does any behind this one. */
		if (!any_disk && !is_older(retention, file->start_us * 1000u))
			break;
	}
	return SIZE_MAX;
}

void archive_removed(struct archive *archive, struct archive_retention *retention, size_t index)
{
	const struct archive_file *file = archive_at(archive, index);
	struct archive_disk *disk = &retention->disks[retention->disk_of[file->directory]];

	disk->free_bytes += file->bytes;
	disk->full = disk->full && retention->limits.free == 0 && disk->free_bytes < room_wanted(disk);
	archive_remove(archive, index);
}
