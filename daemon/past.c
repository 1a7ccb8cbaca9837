// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/past.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/store.h"

/* "fancpast", and what changes whenever the layout or the meaning of anything in a record does. */
#define PAST_MAGIC UINT64_C(0x74736170636e6166)
#define PAST_VERSION 1u
/* One would do: a set is let go before another one is added. But the service manager may have been deaf. */
#define ADDED_MAX 8u

/* One consistent picture. */
struct picture {
	uint64_t since_ns; /* UINT64_MAX: nothing was added */
	uint64_t added[ADDED_MAX]; /* the latest; 0: none */
	uint64_t n_added;
	uint64_t n; /* workers */
	struct statistics_counters counters[PAST_WORKERS_MAX];
};

struct record {
	/* nobody, once made */
	uint64_t magic;
	uint64_t bytes;
	uint32_t version;
	uint32_t workers_max;
	uint64_t created_ns;
	char interface[LINK_NAME_MAX];
	/* the supervisor: when counters are added */
	_Atomic uint64_t generation; /* pictures[generation % 2] is current */
	struct picture pictures[2];
};

struct past {
	struct record *record;
	int fd;
	bool stored;
};

static const struct picture *current(const struct past *past)
{
	return &past->record->pictures[atomic_load_explicit(&past->record->generation, memory_order_acquire) % 2];
}

/* --- making one, opening one ---------------------------------------------------------------------------------------- */

static int map(int fd, struct past **ret)
{
	struct past *past = calloc(1, sizeof(*past));
	struct record *record;

	if (past == NULL)
		return -ENOMEM;
	record = mmap(NULL, sizeof(*record), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (record == MAP_FAILED) {
		int r = -errno;

		free(past);
		return r;
	}
	/* No worker has any business with it. */
	(void)madvise(record, sizeof(*record), MADV_DONTFORK);
	*past = (struct past){.record = record, .fd = fd};
	*ret = past;
	return 0;
}

int past_new(const char *interface, struct past **ret)
{
	int fd = memfd_create("fancap-past", MFD_CLOEXEC | MFD_ALLOW_SEALING), r = 0;
	struct record *record;

	if (fd < 0)
		return -errno;
	/* Its size never changes, or whoever has it mapped would get SIGBUS. */
	if (ftruncate(fd, sizeof(struct record)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		r = -errno;
	if (r == 0)
		r = map(fd, ret);
	if (r < 0) {
		close(fd);
		return r;
	}
	record = (*ret)->record;
	record->magic = PAST_MAGIC;
	record->bytes = sizeof(*record);
	record->version = PAST_VERSION;
	record->workers_max = PAST_WORKERS_MAX;
	record->created_ns = clock_realtime_ns();
	record->pictures[0].since_ns = UINT64_MAX;
	snprintf(record->interface, sizeof(record->interface), "%s", interface);
	return 0;
}

static int check(const struct record *record)
{
	if (record->magic != PAST_MAGIC)
		return -EBADMSG;
	if (record->version != PAST_VERSION || record->bytes != sizeof(*record) || record->workers_max != PAST_WORKERS_MAX)
		return -EPROTO;
	return memchr(record->interface, '\0', sizeof(record->interface)) != NULL &&
			       record->pictures[record->generation % 2].n <= PAST_WORKERS_MAX
		       ? 0
		       : -EBADMSG;
}

/* One of another version has another size: its head says so, before anything is mapped. */
static int check_file(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct {
		uint64_t magic, bytes;
	} head = {0};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || pread(fd, &head, sizeof(head), 0) != sizeof(head) ||
	    head.magic != PAST_MAGIC || head.bytes != (uint64_t)st.st_size)
		return -EBADMSG;
	return head.bytes == sizeof(struct record) ? 0 : -EPROTO;
}

int past_open(int fd, struct past **ret)
{
	struct past *past;
	int r = check_file(fd);

	if (r == 0)
		r = map(fd, &past);
	if (r < 0)
		return r;
	r = check(past->record);
	if (r < 0) {
		past->fd = -1;
		past_free(past);
		return r;
	}
	past->stored = true;
	*ret = past;
	return 0;
}

void past_free(struct past *past)
{
	if (past == NULL)
		return;
	munmap(past->record, sizeof(*past->record));
	if (past->fd >= 0)
		close(past->fd);
	free(past);
}

const char *past_interface(const struct past *past)
{
	return past->record->interface;
}

uint64_t past_id(const struct past *past)
{
	return past->record->created_ns;
}

/* --- counting ------------------------------------------------------------------------------------------------------ */

void past_add(struct past *past, uint64_t id, uint64_t since_ns, const struct statistics_counters *counters, unsigned n)
{
	struct record *record = past->record;
	uint64_t next = atomic_load_explicit(&record->generation, memory_order_relaxed) + 1;
	struct picture *picture = &record->pictures[next % 2];

	/* The picture before the current one is overwritten only when the current one is that. */
	atomic_signal_fence(memory_order_seq_cst);
	*picture = *current(past);
	for (unsigned i = 0; i < n; i++) {
		unsigned worker = i < PAST_WORKERS_MAX ? i : PAST_WORKERS_MAX - 1;

		statistics_counters_add(&picture->counters[worker], &counters[i]);
		if (worker >= picture->n)
			picture->n = worker + 1;
	}
	picture->added[picture->n_added++ % ADDED_MAX] = id;
	if (since_ns < picture->since_ns)
		picture->since_ns = since_ns;
	/* Release: killed before this, the old picture stands. */
	atomic_store_explicit(&record->generation, next, memory_order_release);
}

void past_add_past(struct past *past, const struct past *other)
{
	struct statistics_counters sum = {0};

	past_sum(other, 0, &sum);
	past_add(past, past_id(other), past_since(other), &sum, 1);
}

bool past_has(const struct past *past, uint64_t id)
{
	for (unsigned i = 0; past != NULL && i < ADDED_MAX; i++) {
		if (current(past)->added[i] == id)
			return true;
	}
	return false;
}

unsigned past_workers(const struct past *past)
{
	return past != NULL ? (unsigned)current(past)->n : 0;
}

const struct statistics_counters *past_counters(const struct past *past, unsigned worker)
{
	return &current(past)->counters[worker];
}

void past_sum(const struct past *past, unsigned from, struct statistics_counters *sum)
{
	for (unsigned i = from; i < past_workers(past); i++)
		statistics_counters_add(sum, past_counters(past, i));
}

uint64_t past_since(const struct past *past)
{
	return past != NULL ? current(past)->since_ns : UINT64_MAX;
}

/* --- beyond this process -------------------------------------------------------------------------------------------- */

void past_store(struct past *past)
{
	int r = past->stored ? 0 : store_put_past(past_interface(past), past->fd);

	if (r < 0)
		log_warning("the service manager does not take what was counted of %s before: %s; a restart will lose it",
			    past_interface(past)[0] != '\0' ? past_interface(past) : "interfaces that are no more",
			    strerror(-r));
	past->stored = true;
}

void past_unstore(struct past *past)
{
	if (past->stored)
		store_remove_past(past_interface(past));
	past->stored = false;
}
