// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_PAST_H
#define DAEMON_PAST_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/statistics.h"

/** Workers above these are counted with the last of them. */
#define PAST_WORKERS_MAX 256u

/*
 * What was counted with sets of rings that are no more: of one interface, by worker, or of all interfaces that are no more.
 *
 * It is in a memfd that the service manager keeps, as it keeps rings and ledgers. A supervisor may be killed at any
 * instruction: counters are added together with the name of what they come from, at once. Who finds such a thing still
 * there knows by that that it has been counted.
 */
struct past;

/**
 * Make one, all zero.
 *
 * @param interface "": of all those that are no more
 * @return 0 and *ret is to be freed with past_free(); -errno
 */
int past_new(const char *interface, struct past **ret);

/**
 * Open one that an earlier fancapd made. It is checked: kind, version, size.
 *
 * @param fd the past's from here on, on success only
 * @return 0; -EBADMSG it is none; -EPROTO one of another version; -errno
 */
int past_open(int fd, struct past **ret);

/** The service manager still has it, if it was stored. NULL is fine. */
void past_free(struct past *past);

const char *past_interface(const struct past *past);

/** What tells it apart from others: CLOCK_REALTIME of its making. */
uint64_t past_id(const struct past *past);

/**
 * Add counters, all at once: killed before, none of them are there.
 *
 * @param id       what they come from: when a set was made, or another past's. Not 0
 * @param since_ns CLOCK_REALTIME, from when on they were counted
 */
void past_add(struct past *past, uint64_t id, uint64_t since_ns, const struct statistics_counters *counters, unsigned n);

/** Add all of another one's, as one worker's. */
void past_add_past(struct past *past, const struct past *other);

/** Whether this was added, among the latest few: what it comes from is let go before others are added. NULL: no */
bool past_has(const struct past *past, uint64_t id);

/** How many workers there have been. NULL: none */
unsigned past_workers(const struct past *past);

/** What is counted of a worker below past_workers(). */
const struct statistics_counters *past_counters(const struct past *past, unsigned worker);

/** Add what is counted of all workers from this one on. NULL: nothing */
void past_sum(const struct past *past, unsigned from, struct statistics_counters *sum);

/** CLOCK_REALTIME, from when on it counts. UINT64_MAX: it has nothing; so has NULL */
uint64_t past_since(const struct past *past);

/** Have the service manager keep it, if it does not yet. Says so if that fails. */
void past_store(struct past *past);

/** Have the service manager let go of it. */
void past_unstore(struct past *past);

#endif
