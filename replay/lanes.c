// SPDX-License-Identifier: BSD-3-Clause
#include "replay/lanes.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "replay/flow.h"
#include "replay/store.h"

#define CACHE_LINE 64
/* How often a lane tells what it has sent. */
#define TELL_PACKETS 1024u

struct lane {
	pthread_t thread;
	bool started;
	struct lanes *all;
	struct store store;
	struct sender *sender;
	struct replay_counts counts; /* the thread's; others read them after the join */
	uint64_t put, passes;
	int result;
	struct fancap_error error;
	/* What others read meanwhile. */
	_Alignas(CACHE_LINE) atomic_uint_fast64_t packets_told, bytes_told;
	atomic_bool done;
};

struct lanes {
	struct lane *lanes;
	unsigned n;
	uint64_t loops;
	const volatile int *stop;
	struct replay_counts skipped; /* in one pass, before the lanes */
	atomic_bool failed;	      /* one of them: the others stop */
	bool joined;
};

/* --- setting up --------------------------------------------------------------------------------------- */

static int fill(struct lanes *lanes, struct feed *feed, enum fancap_linktype linktype, struct fancap_error *err)
{
	struct replay_packet packet;
	int r;

	while ((r = feed_next(feed, &lanes->skipped, &packet, err)) == 1) {
		struct lane *lane = &lanes->lanes[flow_hash(linktype, &packet) % lanes->n];

		if (store_add(&lane->store, &packet) < 0) {
			fancap_error_set(err, "out of memory: the packets of the files do not fit");
			return -ENOMEM;
		}
	}
	return r;
}

static int open_senders(struct lanes *lanes, const struct sender_params *params, struct fancap_error *err)
{
	for (unsigned i = 0; i < lanes->n; i++) {
		int r = sender_open(params, &lanes->lanes[i].sender, err);

		if (r < 0)
			return r;
		lanes->lanes[i].all = lanes;
	}
	return 0;
}

int lanes_open(unsigned n, uint64_t loops, struct feed *feed, const struct sender_params *sender, struct lanes **ret,
	       struct fancap_error *err)
{
	struct lanes *lanes = calloc(1, sizeof(*lanes));
	int r = -ENOMEM;

	if (lanes != NULL)
		lanes->lanes = aligned_alloc(CACHE_LINE, n * sizeof(*lanes->lanes));
	if (lanes == NULL || lanes->lanes == NULL) {
		fancap_error_set(err, "out of memory");
		goto fail;
	}
	memset(lanes->lanes, 0, n * sizeof(*lanes->lanes));
	lanes->n = n;
	lanes->loops = loops;
	lanes->stop = sender->stop;
	r = open_senders(lanes, sender, err);
	if (r == 0)
		r = fill(lanes, feed, sender->link.linktype, err);
	if (r < 0)
		goto fail;
	*ret = lanes;
	return 0;
fail:
	lanes_close(lanes);
	return r;
}

void lanes_close(struct lanes *lanes)
{
	if (lanes == NULL)
		return;
	for (unsigned i = 0; i < lanes->n; i++) {
		sender_close(lanes->lanes[i].sender);
		store_done(&lanes->lanes[i].store);
	}
	free(lanes->lanes);
	free(lanes);
}

/* --- a lane -------------------------------------------------------------------------------------------- */

static void tell(struct lane *lane)
{
	atomic_store_explicit(&lane->packets_told, lane->counts.packets_sent, memory_order_relaxed);
	atomic_store_explicit(&lane->bytes_told, lane->counts.bytes_sent, memory_order_relaxed);
}

static bool is_to_stop(const struct lane *lane)
{
	return *lane->all->stop != 0 || atomic_load_explicit(&lane->all->failed, memory_order_relaxed);
}

static int send_pass(struct lane *lane)
{
	struct replay_packet packet;

	lane->store.at = 0;
	while (store_next(&lane->store, &packet) == 1) {
		int r = is_to_stop(lane) ? -EINTR
					 : sender_put(lane->sender, &packet, &lane->counts, &lane->error);

		if (r < 0)
			return r;
		if (++lane->put % TELL_PACKETS == 0)
			tell(lane);
	}
	return 0;
}

static void *lane_main(void *argument)
{
	struct lane *lane = argument;
	uint64_t loops = lane->all->loops;
	int r = 0, finished;

	/* A lane without packets would go round for ever. */
	while (r == 0 && lane->store.n != 0 && (loops == 0 || lane->passes < loops)) {
		r = send_pass(lane);
		lane->passes++;
	}
	finished = sender_finish(lane->sender, &lane->counts, r < 0 && r != -EINTR ? NULL : &lane->error);
	lane->result = r < 0 ? r : finished;
	if (lane->result < 0)
		atomic_store_explicit(&lane->all->failed, true, memory_order_relaxed);
	tell(lane);
	atomic_store_explicit(&lane->done, true, memory_order_relaxed);
	return NULL;
}

/* --- all of them ---------------------------------------------------------------------------------------- */

int lanes_start(struct lanes *lanes, struct fancap_error *err)
{
	for (unsigned i = 0; i < lanes->n; i++) {
		int r = pthread_create(&lanes->lanes[i].thread, NULL, lane_main, &lanes->lanes[i]);

		if (r != 0) {
			fancap_error_set(err, "starting thread %u: %s", i + 1, strerror(r));
			atomic_store(&lanes->failed, true);
			lanes_join(lanes, NULL);
			return -r;
		}
		lanes->lanes[i].started = true;
	}
	return 0;
}

bool lanes_running(struct lanes *lanes)
{
	for (unsigned i = 0; i < lanes->n; i++)
		if (lanes->lanes[i].started && !atomic_load_explicit(&lanes->lanes[i].done, memory_order_relaxed))
			return true;
	return false;
}

/* What was skipped on reading was so in every pass. */
static uint64_t passes(const struct lanes *lanes)
{
	uint64_t most = 1;

	for (unsigned i = 0; i < lanes->n; i++)
		if (lanes->lanes[i].passes > most)
			most = lanes->lanes[i].passes;
	return most;
}

void lanes_count(struct lanes *lanes, struct replay_counts *ret_counts, uint64_t *ret_unsent)
{
	struct replay_counts counts = {0};

	*ret_unsent = 0;
	for (unsigned i = 0; i < lanes->n; i++) {
		struct lane *lane = &lanes->lanes[i];

		counts.packets_sent += atomic_load_explicit(&lane->packets_told, memory_order_relaxed);
		counts.bytes_sent += atomic_load_explicit(&lane->bytes_told, memory_order_relaxed);
		if (!lanes->joined)
			continue;
		counts.skipped[SKIP_REFUSED] += lane->counts.skipped[SKIP_REFUSED];
		*ret_unsent += lane->put - lane->counts.packets_sent - lane->counts.skipped[SKIP_REFUSED];
	}
	for (unsigned reason = 0; lanes->joined && reason < SKIP_REASONS; reason++)
		counts.skipped[reason] += passes(lanes) * lanes->skipped.skipped[reason];
	*ret_counts = counts;
}

int lanes_join(struct lanes *lanes, struct fancap_error *err)
{
	int result = 0;

	for (unsigned i = 0; i < lanes->n; i++) {
		struct lane *lane = &lanes->lanes[i];

		if (!lane->started)
			continue;
		pthread_join(lane->thread, NULL);
		/* Those that stopped since another one failed have nothing to say. */
		if (lane->result < 0 && (result == 0 || result == -EINTR)) {
			result = lane->result;
			if (err != NULL)
				*err = lane->error;
		}
	}
	lanes->joined = true;
	return result;
}
