// SPDX-License-Identifier: BSD-3-Clause
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/active.h"
#include "daemon/finish.h"
#include "daemon/segment.h"

/* A worker may change it meanwhile: byte by byte, so that no two looks are one to the compiler. */
static void copy_path(const volatile char *from, char *to, size_t size)
{
	size_t i = 0;

	while (i < size - 1 && (to[i] = from[i]) != '\0')
		i++;
	to[i] = '\0';
}

/* A worker changes the path only while it has no segment: what is the same before and after was whole. */
bool active_read(struct ledger *ledger, struct active_segment *ret)
{
	struct ledger_commit before, after;

	do {
		ledger_read(ledger, &before);
		if (before.segment_state == SEGMENT_NONE)
			return false;
		copy_path(ledger_segment_path(ledger), ret->path, sizeof(ret->path));
		ledger_read(ledger, &after);
	} while (after.segment_state != before.segment_state || after.segment_start_ns != before.segment_start_ns);
	ret->bytes = after.segment_bytes;
	ret->packets = after.segment_packets;
	ret->start_ns = after.segment_start_ns;
	return true;
}

bool active_has(struct ledger *const *ledgers, size_t n, const char *path)
{
	struct active_segment segment;

	for (size_t i = 0; i < n; i++) {
		if (active_read(ledgers[i], &segment) && strcmp(segment.path, path) == 0)
			return true;
	}
	return false;
}

uint64_t active_written(struct ledger *const *ledgers, size_t n)
{
	struct ledger_commit commit;
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		ledger_read(ledgers[i], &commit);
		sum += commit.bytes_written;
	}
	return sum;
}

uint64_t active_room(struct ledger *const *ledgers, size_t n)
{
	char part[LEDGER_PATH_MAX + sizeof(SEGMENT_PART)];
	struct active_segment segment;
	struct stat st;
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		if (!active_read(ledgers[i], &segment))
			continue;
		snprintf(part, sizeof(part), "%s" SEGMENT_PART, segment.path);
		if (lstat(part, &st) == 0)
			sum += finish_room(&st);
	}
	return sum;
}
