// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/top/disk.h"

#include <stdio.h>
#include <string.h>

#include "ctl/reader.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))

static void directories_read(struct disk *disk, struct reader *reader, json_t *storage)
{
	json_t *array = read_array(reader, storage, "directories"), *directory;
	size_t i;

	json_array_foreach(array, i, directory) {
		struct disk_directory *to = &disk->directories[disk->n_directories];

		if (disk->n_directories == DISK_DIRECTORIES_MAX)
			return;
		read_text_copy(to->path, sizeof(to->path), reader, directory, "path");
		to->total_bytes = read_count(reader, directory, "total_bytes");
		to->free_bytes = read_count(reader, directory, "free_bytes");
		disk->n_directories++;
	}
}

/* What may be null, and what daemons of before did not say. */
static void optional_read(struct disk *disk, json_t *storage)
{
	json_t *rate = json_object_get(storage, "written_bytes_per_s");
	json_t *left = json_object_get(storage, "retain_seconds");
	json_t *oldest = json_object_get(storage, "oldest_ns");
	const char *error = json_string_value(json_object_get(storage, "last_error"));

	disk->has_rate = json_is_number(rate);
	disk->written_per_s = json_number_value(rate);
	disk->has_forecast = json_is_integer(left) && json_integer_value(left) >= 0;
	disk->left_s = (uint64_t)json_integer_value(left);
	disk->has_oldest = json_is_integer(oldest);
	disk->oldest_ns = (uint64_t)json_integer_value(oldest);
	(void)snprintf(disk->last_error, sizeof(disk->last_error), "%s", error ? error : "");
}

int disk_read(json_t *status, struct disk *ret, const char **ret_missing)
{
	struct reader reader = {NULL};
	json_t *storage = read_object(&reader, status, "storage");
	struct disk disk = {
		.uptime_ns = read_count(&reader, status, "uptime_ns"),
		.files = read_count(&reader, storage, "files"),
		.bytes = read_count(&reader, storage, "bytes"),
		.active_bytes = read_count(&reader, storage, "active_bytes"),
		.removed_files = read_count(&reader, storage, "removed_files"),
		.errors = read_count(&reader, storage, "errors"),
	};
	int r;

	read_text_copy(disk.version, sizeof(disk.version), &reader, status, "version");
	read_text_copy(disk.state, sizeof(disk.state), &reader, status, "state");
	directories_read(&disk, &reader, storage);
	optional_read(&disk, storage);
	r = reader_result(&reader, ret_missing);
	if (r == 0)
		*ret = disk;
	return r;
}

void disk_format_left(char text[FORMAT_TEXT_MAX], uint64_t seconds)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = {{"y", 365 * 86400}, {"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
	size_t i = 0;

	while (i < ARRAY_SIZE(units) - 1 && seconds < units[i].seconds)
		i++;
	if (i == ARRAY_SIZE(units) - 1)
		snprintf(text, FORMAT_TEXT_MAX, "%llu s", (unsigned long long)seconds);
	else
		snprintf(text, FORMAT_TEXT_MAX, "%llu %s %llu %s", (unsigned long long)(seconds / units[i].seconds),
			 units[i].name, (unsigned long long)(seconds % units[i].seconds / units[i + 1].seconds),
			 units[i + 1].name);
}
