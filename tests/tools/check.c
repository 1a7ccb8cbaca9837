// SPDX-License-Identifier: BSD-3-Clause
#include "tests/tools/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define EPB_DIRECTION_MASK 3u
#define EPB_INBOUND 1u
#define EPB_OUTBOUND 2u

struct check {
	struct check_options options;
	struct check_result result;
	uint8_t *seen;		/* one bit a sequence number */
	uint64_t *flow_workers; /* per flow: one bit a worker */
	uint8_t *frame;
	char error[512];
};

struct check *check_new(const struct check_options *options)
{
	struct check *check = calloc(1, sizeof(*check));

	if (!check)
		return NULL;
	check->options = *options;
	check->seen = calloc(options->count / 8 + 1, 1);
	check->flow_workers = calloc(options->frames.flows, sizeof(*check->flow_workers));
	check->frame = malloc(FRAME_BYTES_MAX);
	if (!check->seen || !check->flow_workers || !check->frame) {
		check_free(check);
		return NULL;
	}
	return check;
}

void check_free(struct check *check)
{
	if (!check)
		return;
	for (size_t i = 0; i < check->result.n_files; i++)
		free(check->result.files[i].path);
	free(check->result.files);
	free(check->seen);
	free(check->flow_workers);
	free(check->frame);
	free(check);
}

const char *check_error(const struct check *check)
{
	return check->error;
}

/* `<interface>-w<worker>-<time>.pcapng`; an interface may itself have a "-w1-" in it: the last one counts. */
static int worker_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	int worker = -1;

	for (const char *p = slash ? slash : path; (p = strstr(p, "-w")); p += 2) {
		char *end;
		unsigned long n = strtoul(p + 2, &end, 10);

		if (end != p + 2 && *end == '-' && n < CHECK_WORKERS_MAX)
			worker = (int)n;
	}
	return worker;
}

static struct check_file *add_file(struct check *check, const char *path)
{
	struct check_result *result = &check->result;
	struct check_file *files = reallocarray(result->files, result->n_files + 1, sizeof(*files));
	struct stat st;

	if (!files)
		return NULL;
	result->files = files;
	struct check_file *file = &files[result->n_files];
	memset(file, 0, sizeof(*file));
	file->path = strdup(path);
	if (!file->path)
		return NULL;
	file->worker = worker_of(path);
	file->first_seq = UINT64_MAX;
	file->bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
	result->n_files++;
	return file;
}

static void check_time(struct check *check, struct check_file *file, uint64_t time_ns)
{
	const struct check_options *options = &check->options;

	if (time_ns < options->since_ns || time_ns > options->until_ns)
		check->result.implausible_times++;
	if (!file->first_ns || time_ns < file->first_ns)
		file->first_ns = time_ns;
	if (time_ns > file->last_ns)
		file->last_ns = time_ns;
}

/* Whether the packet is frame seq, whole or cut to the file's snaplen. */
static bool same_frame(struct check *check, const struct reader_packet *packet, uint64_t seq,
		       uint32_t snaplen)
{
	size_t len = frame_build(&check->options.frames, seq, check->frame);

	if (packet->len != len || memcmp(packet->data, check->frame, packet->caplen) != 0)
		return false;
	if (packet->caplen == len)
		return true;
	check->result.truncated++;
	return packet->caplen == snaplen;
}

static void check_direction(struct check *check, const struct reader_packet *packet, uint64_t seq)
{
	uint32_t direction = packet->flags & EPB_DIRECTION_MASK;
	bool out = check->options.out_is_reverse && frame_is_reverse(&check->options.frames, seq);

	check->result.inbound += direction == EPB_INBOUND;
	check->result.outbound += direction == EPB_OUTBOUND;
	check->result.wrong_direction += direction != (out ? EPB_OUTBOUND : EPB_INBOUND);
}

static void check_frame(struct check *check, const struct check_file *file,
			const struct reader_packet *packet, uint64_t seq)
{
	uint64_t index = seq - check->options.start;
	uint8_t bit = (uint8_t)(1u << (index % 8));

	if (!same_frame(check, packet, seq, file->snaplen)) {
		check->result.corrupt++;
		return;
	}
	if (check->seen[index / 8] & bit)
		check->result.duplicates++;
	check->seen[index / 8] |= bit;
	if (file->worker >= 0)
		check->flow_workers[frame_flow(&check->options.frames, seq)] |= UINT64_C(1)
										<< file->worker;
	check_direction(check, packet, seq);
}

static void check_order(struct check_file *file, uint64_t seq)
{
	if (file->first_seq == UINT64_MAX)
		file->first_seq = seq;
	else if (seq < file->last_seq)
		file->reordered++;
	file->last_seq = seq;
}

static void check_packet(struct check *check, struct check_file *file,
			 const struct reader_packet *packet)
{
	const struct check_options *options = &check->options;
	uint64_t seq;

	file->packets++;
	file->dropcount += packet->dropcount;
	file->direct += packet->queue != UINT32_MAX;
	check->result.bytes += packet->caplen;
	check_time(check, file, packet->time_ns);
	if (!frame_identify(packet->data, packet->caplen, options->frames.run, &seq) ||
	    seq < options->start || seq - options->start >= options->count) {
		check->result.foreign++;
	} else {
		check_order(file, seq);
		check_frame(check, file, packet, seq);
	}
}

static enum reader_event check_blocks(struct check *check, struct check_file *file,
				      struct reader *reader)
{
	struct reader_packet packet;
	struct reader_statistics statistics;
	enum reader_event event;

	while ((event = reader_next(reader, &packet, &statistics)) != READER_END) {
		if (event == READER_ERROR)
			break;
		file->snaplen = reader_snaplen(reader);
		if (event == READER_PACKET) {
			check_packet(check, file, &packet);
		} else {
			file->statistics_blocks++;
			file->statistics = statistics;
		}
	}
	return event;
}

int check_file(struct check *check, const char *path)
{
	struct reader *reader;
	struct check_file *file;
	int r = reader_open(path, &reader);

	if (r < 0) {
		snprintf(check->error, sizeof(check->error), "%s: %s", path, strerror(-r));
		return r;
	}
	file = add_file(check, path);
	if (!file)
		r = -ENOMEM;
	else if (check_blocks(check, file, reader) == READER_ERROR)
		r = -EINVAL;
	if (r < 0)
		snprintf(check->error, sizeof(check->error), "%s: %s", path,
			 r == -EINVAL ? reader_error(reader) : strerror(-r));
	reader_close(reader);
	return r;
}

static uint64_t count_seen(const struct check *check)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < check->options.count / 8 + 1; i++)
		n += (uint64_t)__builtin_popcount(check->seen[i]);
	return n;
}

const struct check_result *check_finish(struct check *check)
{
	struct check_result *result = &check->result;

	result->packets = result->dropcount = result->flows_seen = result->flows_split = 0;
	for (size_t i = 0; i < result->n_files; i++) {
		result->packets += result->files[i].packets;
		result->dropcount += result->files[i].dropcount;
	}
	for (uint32_t i = 0; i < check->options.frames.flows; i++) {
		uint64_t workers = check->flow_workers[i];

		result->flows_seen += workers != 0;
		result->flows_split += (workers & (workers - 1)) != 0;
	}
	result->missing = check->options.count - count_seen(check);
	return result;
}
