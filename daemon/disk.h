// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_DISK_H
#define DAEMON_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * Writes under way: through io_uring where the kernel has it, else one pwritev() after the other. One process, one
 * queue; no allocation after disk_open().
 */
struct disk;

#define DISK_DEPTH_MAX 256u
#define DISK_IOV_MAX 32u

/** One write. The caller's memory, untouched by the caller from disk_submit() until it is done. */
struct disk_write {
	int fd;		 ///< perhaps O_DIRECT: then addresses, lengths and offset are aligned
	int buffered_fd; ///< of the same file, without O_DIRECT: for what is left of a short write; may be fd
	struct iovec iov[DISK_IOV_MAX];
	unsigned n_iov;
	uint64_t offset; ///< in the file
	/* set by disk */
	bool done;
	int error; ///< 0, or -errno; part of it may be in the file
	uint64_t submitted_ns; ///< CLOCK_MONOTONIC
	uint64_t done_ns;
	struct disk_write_state {
		struct iovec iov[DISK_IOV_MAX];
		struct iovec *left; ///< of these, what is left
		unsigned n_iov;
		uint64_t offset;
		bool direct;
		unsigned turned_away; ///< times in a row
	} state;
};

enum disk_method {
	DISK_IO_URING, ///< several under way
	DISK_PWRITE,   ///< each done when disk_submit() returns
};

const char *disk_method_name(enum disk_method method);

/**
 * Make a queue. Its io_uring takes nothing but writes, whoever asks it: it is behind the back of a seccomp filter.
 *
 * @param depth   writes that may be under way, 1 to DISK_DEPTH_MAX
 * @param method  wanted: DISK_IO_URING falls back to DISK_PWRITE
 * @param ret_why 0, or the -errno that io_uring was refused with (-ENOSYS old kernel, -EPERM sysctl or
 *                seccomp, -ENOMEM locked memory)
 * @return 0; -EINVAL depth; -ENOMEM
 */
int disk_open(unsigned depth, enum disk_method method, struct disk **ret, int *ret_why);

/** The method of the next write: DISK_PWRITE for good once io_uring fails for another reason than want of room. */
enum disk_method disk_method(const struct disk *disk);

/**
 * Start a write. It may be done when this returns, and disk_reap() does not count it then: look at `done`.
 *
 * One that comes back short, interrupted or with EAGAIN is gone on with; where the file takes no O_DIRECT write of
 * what is left (EINVAL, unaligned), through buffered_fd. A write of which the file takes nothing (0 bytes) is -ENOSPC.
 *
 * No more than depth are under way: the caller reaps or waits first.
 */
void disk_submit(struct disk *disk, struct disk_write *write);

/**
 * Take note of what is done: sets done and error. No system call unless something has to be gone on with.
 *
 * What completes while the process makes no system call shows a scheduler tick later, or with its next one.
 *
 * @return how many
 */
unsigned disk_reap(struct disk *disk);

/** Wait until at least one more is done. @return how many; 0: none was under way */
unsigned disk_wait(struct disk *disk);

/**
 * While disk_wait() or disk_close() waits, it calls this every second, and without io_uring disk_submit() with each MiB: so that who
 * waits can say that it does.
 */
void disk_on_wait(struct disk *disk, void (*waiting)(void *arg), void *arg);

/** Under way: submitted, not done. */
unsigned disk_pending(const struct disk *disk);

/**
 * A descriptor that becomes readable (edge) when writes are done, or -1: there was no io_uring. The same as long as the
 * queue lives. Epoll may return EINTR at a completion; the edge is there when it is called again.
 */
int disk_fd(const struct disk *disk);

/** Waits for what is under way. NULL is fine. */
void disk_close(struct disk *disk);

#endif
