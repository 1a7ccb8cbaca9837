// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/forecast.h"

#include "daemon/archive.h"

void forecast_note(struct forecast *forecast, uint64_t now_ns, uint64_t bytes_written)
{
	unsigned last = (forecast->n - 1) % FORECAST_SAMPLES;

	/* An interface that is captured no more takes its counters along. */
	if (forecast->n > 0 && bytes_written < forecast->samples[last].bytes)
		forecast->n = 0;
	if (forecast->n > 0 && now_ns - forecast->samples[last].time_ns < FORECAST_STEP_NS)
		return;
	forecast->samples[forecast->n % FORECAST_SAMPLES].time_ns = now_ns;
	forecast->samples[forecast->n % FORECAST_SAMPLES].bytes = bytes_written;
	forecast->n++;
}

bool forecast_rate(const struct forecast *forecast, double *ret_bytes_per_s)
{
	unsigned last = (forecast->n - 1) % FORECAST_SAMPLES;
	unsigned first = forecast->n > FORECAST_SAMPLES ? forecast->n % FORECAST_SAMPLES : 0;

	if (forecast->n < 2)
		return false;
	*ret_bytes_per_s = (double)(forecast->samples[last].bytes - forecast->samples[first].bytes) * 1e9 /
			   (double)(forecast->samples[last].time_ns - forecast->samples[first].time_ns);
	return true;
}

/* Directories on one file system have the same figures: it counts once. */
static bool is_counted(const struct storage_status *storage, uint64_t i)
{
	for (uint64_t k = 0; k < i; k++) {
		if (storage->directories[k].total_bytes == storage->directories[i].total_bytes &&
		    storage->directories[k].free_bytes == storage->directories[i].free_bytes)
			return true;
	}
	return false;
}

/* What may still be written before something has to go, or there is no room. */
static double room_left(const struct storage_status *storage, uint64_t free_wanted)
{
	double room = 0;

	for (uint64_t i = 0; i < storage->n_directories && i < CONFIG_DIRECTORIES_MAX; i++) {
		uint64_t free_bytes = storage->directories[i].free_bytes;
		uint64_t wanted = free_wanted != 0 ? archive_free_wanted(free_wanted, storage->directories[i].total_bytes) : 0;

		if (!is_counted(storage, i) && free_bytes > wanted)
			room += (double)(free_bytes - wanted);
	}
	return room;
}

bool forecast_reach(const struct storage_status *storage, const struct config_retain *retain, double bytes_per_s,
		    uint64_t *ret_seconds)
{
	double room = room_left(storage, retain->free), kept = (double)storage->bytes + (double)storage->active_bytes;
	const bool nothing_is_removed = retain->size_bytes == 0 && retain->free == 0 && retain->age_ms == 0;
	double seconds;

	if (bytes_per_s <= 0)
		return false;
	seconds = (nothing_is_removed ? room : kept + room) / bytes_per_s;
	if (retain->size_bytes != 0 && (double)retain->size_bytes / bytes_per_s < seconds)
		seconds = (double)retain->size_bytes / bytes_per_s;
	if (retain->age_ms != 0 && (double)retain->age_ms / 1000 < seconds)
		seconds = (double)retain->age_ms / 1000;
	*ret_seconds = seconds < FORECAST_SECONDS_MAX ? (uint64_t)seconds : FORECAST_SECONDS_MAX;
	return true;
}
