// SPDX-License-Identifier: BSD-3-Clause
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/messages.h"
#include "daemon/paths.h"
#include "daemon/quarantine.h"

#define TIME_CHARS 23u /* 20261128T113606.981561Z */

/* --- names --------------------------------------------------------------------------------------------------- */

/* The time in the name of a block of this interface, or NULL: it is something else. */
static const char *time_in(const char *interface, const char *name)
{
	size_t n = strlen(interface);

	if (strncmp(name, interface, n) != 0 || strncmp(name + n, "-w", 2) != 0)
		return NULL;
	name += n + 2;
	if (!isdigit((unsigned char)*name))
		return NULL;
	while (isdigit((unsigned char)*name))
		name++;
	if (*name != '-' || strlen(name + 1) != TIME_CHARS + strlen(SETASIDE_SUFFIX))
		return NULL;
	return strcmp(name + 1 + TIME_CHARS, SETASIDE_SUFFIX) == 0 ? name + 1 : NULL;
}

/* @return 0; -ENAMETOOLONG */
static int make_name(char ret[PATH_MAX], const char *quarantine, const struct recorder_params *params, uint64_t now_ns)
{
	time_t seconds = (time_t)(now_ns / 1000000000u);
	char second[24];
	struct tm tm;
	int n;

	if (gmtime_r(&seconds, &tm) == NULL)
		return -ENAMETOOLONG;
	strftime(second, sizeof(second), "%Y%m%dT%H%M%S", &tm);
	n = snprintf(ret, PATH_MAX, "%s/%s-w%u-%s.%06uZ" SETASIDE_SUFFIX, quarantine, params->interface, params->worker, second,
		     (unsigned)(now_ns % 1000000000u / 1000u));
	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* --- room ---------------------------------------------------------------------------------------------------- */

/* @return how many there are; the name of the oldest, if there is one */
static unsigned look_through(const char *quarantine, const char *interface, char oldest[NAME_MAX + 1])
{
	DIR *folder = opendir(quarantine);
	const struct dirent *entry;
	unsigned n = 0;

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		const char *time = time_in(interface, entry->d_name);

		if (time == NULL)
			continue;
		if (n++ == 0 || strcmp(time, time_in(interface, oldest)) < 0)
			strcpy(oldest, entry->d_name);
	}
	if (folder != NULL)
		closedir(folder);
	return n;
}

/* For one more. */
static void make_room(const char *quarantine, const char *interface)
{
	char oldest[NAME_MAX + 1], path[PATH_MAX];

	while (look_through(quarantine, interface, oldest) >= QUARANTINE_BLOCKS_MAX) {
		int n = snprintf(path, sizeof(path), "%s/%s", quarantine, oldest);

		if (n < 0 || (size_t)n >= sizeof(path) || unlink(path) < 0)
			return;
	}
}

/* --- the file ------------------------------------------------------------------------------------------------ */

static const char *const state_texts[] = {
	[SETASIDE_AS_RECEIVED] = "as the kernel left it",
	[SETASIDE_REWRITING] = "perhaps half rewritten to pcapng: the page in place of its first and a row for each packet follow it",
	[SETASIDE_REWRITTEN] = "rewritten to pcapng, with the page in place of its first behind it",
};

static struct setaside_header header_of(const struct recorder_params *params, const struct quarantine_block *block,
					uint64_t now_ns)
{
	struct setaside_header header = {
		.magic = SETASIDE_MAGIC,
		.header_bytes = SETASIDE_HEADER_BYTES,
		.block_bytes = block->bytes,
		.state = block->state,
		.linktype = params->linktype,
		.snaplen = block->snaplen,
		.worker = params->worker,
		.packets = block->packets,
		.recorded = block->recorded,
		.rows = block->parts.rows != NULL ? block->plan.packets : 0,
		.position = block->position,
		.time_ns = now_ns,
		.plan = block->plan,
	};

	snprintf(header.interface, sizeof(header.interface), "%s", params->interface);
	snprintf(header.text, sizeof(header.text),
		 "\nfancapd " PACKAGE_VERSION " gave up this block of a ring: two workers died in it.\n"
		 "interface %s, worker %u, block %llu of its ring, %u packets, %u of them recorded, link type %u\n"
		 "%u bytes follow this page: the block (struct tpacket_block_desc, TPACKET_V3), %s.\n"
		 "fancapctl recover FILE gets the packets out of it that can be read.\n",
		 params->interface, params->worker, (unsigned long long)block->position, block->packets, block->recorded,
		 params->linktype, block->bytes, state_texts[block->state]);
	return header;
}

static int store(const struct recorder_params *params, const char *folder, const struct quarantine_block *block,
		 char path[PATH_MAX])
{
	uint64_t now_ns = clock_realtime_ns();
	struct setaside_header header = header_of(params, block, now_ns);
	const char *slash = strrchr(folder, '/');
	char quarantine[PATH_MAX];
	int n = snprintf(quarantine, sizeof(quarantine), "%.*s/" QUARANTINE_FOLDER,
			 slash != NULL ? (int)(slash - folder) : 0, folder);
	int r = n < 0 || (size_t)n >= sizeof(quarantine) ? -ENAMETOOLONG : make_name(path, quarantine, params, now_ns);

	if (r == 0)
		r = path_make_parents(path, 0750);
	if (r < 0)
		return r;
	make_room(quarantine, params->interface);
	return setaside_write(path, &header, &block->parts);
}

void quarantine_store(const struct recorder_params *params, const char *folder, const struct quarantine_block *block)
{
	unsigned lost = block->packets > block->recorded ? block->packets - block->recorded : 0;
	char path[PATH_MAX];
	int r = store(params, folder, block, path);

	if (r == 0)
		log_printf(LOG_ERR, MESSAGE_BLOCK_SET_ASIDE, &params->log,
			   "a block killed two workers: its %u packets are counted as discarded (worker_crash), and it is set aside as %s",
			   lost, path);
	else
		log_printf(LOG_ERR, MESSAGE_BLOCK_SET_ASIDE, &params->log,
			   "a block killed two workers: its %u packets are counted as discarded (worker_crash); it cannot be set aside: %s",
			   lost, strerror(-r));
}
