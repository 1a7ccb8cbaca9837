// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/disk.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Between two calls of disk_on_wait()'s function. */
#define WAITING_MS 1000

/*
 * What is written here, and not by io_uring, goes out in calls of this length: whoever sits in one cannot say that he is there, and a
 * disk that is slow needs time for more.
 */
#define NOW_MAX_BYTES ((size_t)1 << 20)

/* How often in a row a write may be turned away (EAGAIN, ECANCELED) before that is an error. */
#define TURNED_AWAY_MAX 16u

struct disk {
	enum disk_method method;
	unsigned depth;
	unsigned pending; ///< in the kernel: as many completions can be in the queue at once
	bool has_ring;	  ///< also when the method is no longer io_uring: writes may still be under way
	struct io_uring ring;
	struct io_uring_sqe *spare; ///< of a submission that the kernel refused: used by the next one
	void (*waiting)(void *arg); ///< or NULL
	void *waiting_arg;
};

const char *disk_method_name(enum disk_method method)
{
	return method == DISK_IO_URING ? "io_uring" : "pwrite";
}

/* --- a write, whoever does it --------------------------------------------------------------------- */

static void write_finish(struct disk_write *write, int error)
{
	write->error = error;
	write->done_ns = clock_monotonic_ns();
	write->done = true;
}

/* Take n bytes off what is left, and vectors that are empty. */
static void state_advance(struct disk_write_state *state, size_t n)
{
	state->offset += n;
	while (state->n_iov > 0 && n >= state->left->iov_len) {
		n -= state->left->iov_len;
		state->left++;
		state->n_iov--;
	}
	if (state->n_iov == 0)
		return;
	state->left->iov_base = (char *)state->left->iov_base + n;
	state->left->iov_len -= n;
}

static void write_begin(struct disk_write *write)
{
	write->done = false;
	write->error = 0;
	write->submitted_ns = clock_monotonic_ns();
	write->done_ns = 0;
	memcpy(write->state.iov, write->iov, write->n_iov * sizeof(write->iov[0]));
	write->state.left = write->state.iov;
	write->state.n_iov = write->n_iov;
	write->state.offset = write->offset;
	write->state.direct = true;
	write->state.turned_away = 0;
	state_advance(&write->state, 0);
	if (write->state.n_iov == 0)
		write_finish(write, 0);
}

static int write_fd(const struct disk_write *write)
{
	return write->state.direct ? write->fd : write->buffered_fd;
}

/* Take note of an attempt's result, bytes or -errno. Unless that made the write done, there has to be another one. */
static void write_result(struct disk_write *write, ssize_t result)
{
	struct disk_write_state *state = &write->state;

	if (result > 0) {
		state_advance(state, (size_t)result);
		state->turned_away = 0;
		if (state->n_iov == 0)
			write_finish(write, 0);
	} else if (result == -EINTR) {
		return;
	} else if ((result == -EAGAIN || result == -ECANCELED) && state->turned_away < TURNED_AWAY_MAX) {
		state->turned_away++;
	} else if (result == -EINVAL && state->direct && write->buffered_fd != write->fd) {
		state->direct = false; /* what is left is not aligned */
	} else {
		write_finish(write, result == 0 ? -ENOSPC : (int)result);
	}
}

/* The next NOW_MAX_BYTES, or less: whole vectors, or the beginning of one that is longer. @return bytes, or -errno */
static ssize_t write_some(const struct disk_write *write)
{
	const struct disk_write_state *state = &write->state;
	const struct iovec *vectors = state->left;
	struct iovec first = vectors[0];
	size_t bytes = first.iov_len;
	unsigned n = 1;
	ssize_t r;

	if (first.iov_len > NOW_MAX_BYTES) {
		first.iov_len = NOW_MAX_BYTES;
		vectors = &first;
	} else {
		while (n < state->n_iov && bytes + vectors[n].iov_len <= NOW_MAX_BYTES)
			bytes += vectors[n++].iov_len;
	}
	r = pwritev(write_fd(write), vectors, (int)n, (off_t)state->offset);
	return r < 0 ? -errno : r;
}

/* Nothing else is done meanwhile, so it is said that somebody is there. */
static void write_now(const struct disk *disk, struct disk_write *write)
{
	while (!write->done) {
		write_result(write, write_some(write));
		if (disk->waiting != NULL)
			disk->waiting(disk->waiting_arg);
	}
}

/* --- io_uring ------------------------------------------------------------------------------------- */

/*
 * A submission queue of one: every write is submitted by itself. It also limits the threads the kernel makes in this
 * process for writes that cannot be done without waiting, as those that make a file longer on ext4: the file is locked
 * for that long, so more of them would wait for each other. The completion queue has room for all that is under way.
 *
 * COOP_TASKRUN (5.19) spares a worker that is busy the interrupt a completion would be; it shows with the next system
 * call. Not DEFER_TASKRUN (6.1): with that a completion shows only to io_uring_enter().
 */
static int ring_set_up(struct io_uring *ring, unsigned depth)
{
	static const unsigned flags[] = {IORING_SETUP_COOP_TASKRUN, 0};
	int r = -EINVAL;

	for (size_t i = 0; r == -EINVAL && i < COUNT(flags); i++) {
		struct io_uring_params params = {.flags = flags[i] | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
						 .cq_entries = depth};

		r = io_uring_queue_init_params(1, ring, &params);
	}
	return r;
}

/*
 * What is done through the ring, no seccomp filter sees. So the ring, made disabled (5.10), is limited to what we do with
 * it before it is enabled: that cannot be changed afterwards.
 */
static int ring_restrict(struct io_uring *ring)
{
	struct io_uring_restriction allowed[] = {
		{.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_NOP},
		{.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITEV},
	};
	unsigned fd = (unsigned)ring->ring_fd;
	int r;

	/* liburing 2.3 has functions for the two, but does not export them. */
	r = io_uring_register(fd, IORING_REGISTER_RESTRICTIONS, allowed, COUNT(allowed));
	return r < 0 ? r : io_uring_register(fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/* Seccomp may allow setting up, and refuse entering. */
static int ring_try(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int r;

	io_uring_prep_nop(io_uring_get_sqe(ring));
	r = io_uring_submit(ring);
	if (r < 0)
		return r;
	r = io_uring_peek_cqe(ring, &cqe); /* a nop is done at once */
	if (r == 0)
		io_uring_cqe_seen(ring, cqe);
	return r;
}

static int ring_open(struct disk *disk)
{
	int r = ring_set_up(&disk->ring, disk->depth);

	if (r < 0)
		return r;
	r = ring_restrict(&disk->ring);
	if (r == 0)
		r = ring_try(&disk->ring);
	if (r < 0) {
		io_uring_queue_exit(&disk->ring);
		return r;
	}
	disk->has_ring = true;
	return 0;
}

/* @return whether the kernel has taken what is left of the write */
static bool ring_submit(struct disk *disk, struct disk_write *write)
{
	struct disk_write_state *state = &write->state;
	struct io_uring_sqe *sqe = disk->spare != NULL ? disk->spare : io_uring_get_sqe(&disk->ring);
	int r;

	io_uring_prep_writev(sqe, write_fd(write), state->left, state->n_iov, state->offset);
	io_uring_sqe_set_data(sqe, write);
	r = io_uring_submit(&disk->ring);
	if (io_uring_sq_ready(&disk->ring) == 0) {
		disk->spare = NULL;
		return true;
	}
	/* It stays in the submission queue; the kernel looks there only when this function calls it. */
	disk->spare = sqe;
	if (r != -EAGAIN && r != -EBUSY && r != -EINTR)
		disk->method = DISK_PWRITE;
	return false;
}

/* Hand what is left to the kernel, or write it here: without io_uring, or when that has no room or threads for it. */
static void disk_start(struct disk *disk, struct disk_write *write)
{
	if (disk->method != DISK_IO_URING || write->state.turned_away > 0 || !ring_submit(disk, write))
		write_now(disk, write);
}

/* --- the queue ------------------------------------------------------------------------------------ */

int disk_open(unsigned depth, enum disk_method method, struct disk **ret, int *ret_why)
{
	struct disk *disk;

	if (depth < 1 || depth > DISK_DEPTH_MAX)
		return -EINVAL;
	disk = calloc(1, sizeof(*disk));
	if (disk == NULL)
		return -ENOMEM;
	disk->depth = depth;
	disk->method = method;
	*ret_why = method == DISK_IO_URING ? ring_open(disk) : 0;
	if (!disk->has_ring)
		disk->method = DISK_PWRITE;
	*ret = disk;
	return 0;
}

enum disk_method disk_method(const struct disk *disk)
{
	return disk->method;
}

void disk_submit(struct disk *disk, struct disk_write *write)
{
	assert(disk->pending < disk->depth);
	write_begin(write);
	if (!write->done)
		disk_start(disk, write);
	if (!write->done)
		disk->pending++;
}

unsigned disk_reap(struct disk *disk)
{
	struct io_uring_cqe *cqe;
	unsigned n = 0;

	while (disk->pending > 0 && io_uring_peek_cqe(&disk->ring, &cqe) == 0) {
		struct disk_write *write = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&disk->ring, cqe);
		write_result(write, result);
		if (!write->done)
			disk_start(disk, write);
		if (!write->done)
			continue;
		disk->pending--;
		n++;
	}
	return n;
}

unsigned disk_wait(struct disk *disk)
{
	unsigned n = disk_reap(disk);

	while (n == 0 && disk->pending > 0) {
		/* Not io_uring_enter(): that might be what the kernel refuses by now. */
		struct pollfd ready = {.fd = disk->ring.ring_fd, .events = POLLIN};

		/* EINTR: looking is all there is to do then, too. */
		if (poll(&ready, 1, WAITING_MS) == 0 && disk->waiting != NULL)
			disk->waiting(disk->waiting_arg);
		n = disk_reap(disk);
	}
	return n;
}

void disk_on_wait(struct disk *disk, void (*waiting)(void *arg), void *arg)
{
	disk->waiting = waiting;
	disk->waiting_arg = arg;
}

unsigned disk_pending(const struct disk *disk)
{
	return disk->pending;
}

int disk_fd(const struct disk *disk)
{
	return disk->has_ring ? disk->ring.ring_fd : -1;
}

void disk_close(struct disk *disk)
{
	if (disk == NULL)
		return;
	while (disk_wait(disk) > 0)
		;
	if (disk->has_ring)
		io_uring_queue_exit(&disk->ring);
	free(disk);
}
