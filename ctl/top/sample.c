// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/top/sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/percent.h"
#include "ctl/reader.h"

#define NS_PER_S 1e9

void sample_done(struct sample *sample)
{
	free(sample->interfaces);
	free(sample->workers);
	*sample = (struct sample){0};
}

/* --- reading ---------------------------------------------------------------------------------------------- */

static void row_read(struct sample_row *row, struct reader *reader, json_t *object)
{
	row->counters = (struct sample_counters){
		.seen = read_count(reader, object, "packets_seen"),
		.dropped = read_count(reader, object, "packets_dropped"),
		.discarded = read_count(reader, object, "packets_discarded"),
		.written = read_count(reader, object, "packets_written"),
		.bytes = read_count(reader, object, "bytes_written"),
		.writes = read_count(reader, object, "writes"),
		.write_ns = read_count(reader, object, "write_ns"),
	};
	row->in_ring = read_count(reader, object, "packets_in_ring");
	row->freezes = read_count(reader, object, "ring_freezes");
	row->restarts = read_count(reader, object, "worker_restarts");
	row->write_max_ns = read_count(reader, object, "write_max_ns");
}

static void ring_read(struct sample_row *row, struct reader *reader, json_t *worker)
{
	row->ring_blocks = read_count(reader, worker, "ring_blocks");
	row->ring_used = read_count(reader, worker, "ring_blocks_used");
	row->ring_used_max = read_count(reader, worker, "ring_blocks_used_max");
}

static double ring_part(uint64_t used, uint64_t blocks)
{
	return statistics_percent(used, blocks);
}

/* An interface is as near to a loss as its fullest ring. */
static void ring_fullest(struct sample_row *row, const struct sample_row *worker)
{
	if (!row->ring_blocks || ring_part(worker->ring_used, worker->ring_blocks) > ring_part(row->ring_used, row->ring_blocks)) {
		row->ring_blocks = worker->ring_blocks;
		row->ring_used = worker->ring_used;
	}
	if (worker->ring_used_max > row->ring_used_max)
		row->ring_used_max = worker->ring_used_max;
}

static void worker_read(struct sample_row *row, struct sample_row *interface, struct reader *reader, json_t *worker)
{
	*row = (struct sample_row){.worker = (int)read_count(reader, worker, "worker")};
	memcpy(row->interface, interface->interface, sizeof(row->interface));
	read_text_copy(row->state, sizeof(row->state), reader, worker, "state");
	row_read(row, reader, worker);
	ring_read(row, reader, worker);
	ring_fullest(interface, row);
	interface->workers++;
	interface->workers_running += strcmp(row->state, "running") == 0;
}

static size_t workers_count(json_t *interfaces)
{
	json_t *interface;
	size_t i, n = 0;

	json_array_foreach(interfaces, i, interface)
		n += json_array_size(json_object_get(interface, "workers"));
	return n;
}

static void interfaces_read(struct sample *sample, struct reader *reader, json_t *interfaces)
{
	json_t *interface, *worker;
	size_t i, w;

	json_array_foreach(interfaces, i, interface) {
		struct sample_row *row = &sample->interfaces[sample->n_interfaces++];
		json_t *workers = read_array(reader, interface, "workers");

		*row = (struct sample_row){.worker = -1};
		read_text_copy(row->interface, sizeof(row->interface), reader, interface, "interface");
		read_text_copy(row->state, sizeof(row->state), reader, interface, "state");
		row_read(row, reader, interface);
		json_array_foreach(workers, w, worker)
			worker_read(&sample->workers[sample->n_workers++], row, reader, worker);
	}
}

int sample_read(json_t *statistics, struct sample *ret, const char **ret_missing)
{
	struct reader reader = {NULL};
	json_t *interfaces = read_array(&reader, statistics, "interfaces");
	struct sample sample = {
		.time_ns = read_count(&reader, statistics, "time_ns"),
		.started_ns = read_count(&reader, statistics, "started_ns"),
		.interfaces = calloc(json_array_size(interfaces) + 1, sizeof(struct sample_row)),
		.workers = calloc(workers_count(interfaces) + 1, sizeof(struct sample_row)),
		.total = {.interface = "total", .worker = -1},
	};
	int r = -ENOMEM;

	if (sample.interfaces && sample.workers) {
		interfaces_read(&sample, &reader, interfaces);
		row_read(&sample.total, &reader, read_object(&reader, statistics, "total"));
		r = reader_result(&reader, ret_missing);
	}
	if (r == 0)
		*ret = sample;
	else
		sample_done(&sample);
	return r;
}

/* --- rates ------------------------------------------------------------------------------------------------ */

static bool counters_grew(const struct sample_counters *now, const struct sample_counters *before)
{
	return now->seen >= before->seen && now->dropped >= before->dropped && now->discarded >= before->discarded &&
	       now->written >= before->written && now->bytes >= before->bytes && now->writes >= before->writes &&
	       now->write_ns >= before->write_ns;
}

/* What is discarded now may have been seen before: more than all cannot be lost. */
static double lost_percent(uint64_t lost, uint64_t seen)
{
	if (lost >= seen)
		return lost ? 100 : -1;
	return statistics_percent(lost, seen);
}

static void row_rate(struct sample_row *row, const struct sample_row *before, double seconds)
{
	const struct sample_counters *now = &row->counters, *was = &before->counters;
	uint64_t lost;

	row->rates = (struct sample_rates){.known = false};
	if (!counters_grew(now, was))
		return;
	lost = now->dropped - was->dropped + now->discarded - was->discarded;
	row->rates = (struct sample_rates){
		.known = true,
		.seen = (double)(now->seen - was->seen) / seconds,
		.dropped = (double)(now->dropped - was->dropped) / seconds,
		.discarded = (double)(now->discarded - was->discarded) / seconds,
		.written = (double)(now->written - was->written) / seconds,
		.bytes = (double)(now->bytes - was->bytes) / seconds,
		.lost = lost_percent(lost, now->seen - was->seen),
		.write_ns = now->writes > was->writes ?
				    (double)(now->write_ns - was->write_ns) / (double)(now->writes - was->writes) : -1,
	};
}

static const struct sample_row *row_find(const struct sample_row *rows, size_t n, const struct sample_row *like)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].worker == like->worker && strcmp(rows[i].interface, like->interface) == 0)
			return &rows[i];
	return NULL;
}

static void rows_rate(struct sample_row *rows, size_t n, const struct sample_row *before, size_t n_before, double seconds)
{
	for (size_t i = 0; i < n; i++) {
		const struct sample_row *was = row_find(before, n_before, &rows[i]);

		if (was)
			row_rate(&rows[i], was, seconds);
	}
}

void sample_rate(struct sample *sample, const struct sample *before)
{
	double seconds;

	if (sample->started_ns != before->started_ns || sample->time_ns <= before->time_ns)
		return;
	seconds = (double)(sample->time_ns - before->time_ns) / NS_PER_S;
	rows_rate(sample->interfaces, sample->n_interfaces, before->interfaces, before->n_interfaces, seconds);
	rows_rate(sample->workers, sample->n_workers, before->workers, before->n_workers, seconds);
	row_rate(&sample->total, &before->total, seconds);
}
