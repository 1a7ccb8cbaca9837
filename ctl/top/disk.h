// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_TOP_DISK_H
#define CTL_TOP_DISK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/output.h"

/* One answer of GetStatus as top needs it: the daemon and its disks. */

#define DISK_DIRECTORIES_MAX 64

struct disk_directory {
	char path[128];
	uint64_t total_bytes, free_bytes;
};

struct disk {
	char version[32], state[16];
	uint64_t uptime_ns;
	uint64_t files, bytes, active_bytes, removed_files, errors;
	bool has_rate, has_forecast, has_oldest;
	double written_per_s;	 ///< if has_rate: bytes, over the last minutes
	uint64_t left_s;	 ///< if has_forecast: how long the disk lasts at that rate
	uint64_t oldest_ns;	 ///< if has_oldest
	char last_error[256];	 ///< "": there was none
	struct disk_directory directories[DISK_DIRECTORIES_MAX];
	size_t n_directories;
};

/** @return 0, or -EBADMSG and what was missing; ret is set on 0 only */
int disk_read(json_t *status, struct disk *ret, const char **ret_missing);

/** "6 d 3 h", the two largest units */
void disk_format_left(char text[FORMAT_TEXT_MAX], uint64_t seconds);

#endif
