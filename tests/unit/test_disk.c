// SPDX-License-Identifier: BSD-3-Clause
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/disk.h"
#include "folder.h"
#include "tests/tools/refuse.h"

#define PAGE ((size_t)4096)
#define MIB ((size_t)1 << 20)

/* A tmpfs and an ext4 of this program's own, in a mount namespace that nobody else sees; none without root. */
#define MOUNT_BYTES (16 * MIB)

static char *folder;
static bool mounted;
static uint8_t *memory; ///< 4 MiB, each 8 bytes different
#define MEMORY_BYTES (4 * MIB)

static bool is_child; ///< forked: cmocka's assertions would go on with the other tests there

#define CHECK(condition) \
	do { \
		if (condition) \
			break; \
		if (!is_child) \
			fail_msg("not so: %s", #condition); \
		fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
		_exit(1); \
	} while (0)

/* --- results that no file here gives: scripted for pwritev() (-Wl,--wrap) --- */

static const ssize_t *script; ///< bytes to write at most, 0, or -errno; NULL: as it is
static size_t script_left;
static int script_fd; ///< of the last call
static size_t longest; ///< call

ssize_t __real_pwritev(int fd, const struct iovec *iov, int n, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n, off_t offset);

ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
	struct iovec part = iov[0];
	size_t bytes = 0;
	ssize_t result;

	for (int i = 0; i < n; i++)
		bytes += iov[i].iov_len;
	longest = bytes > longest ? bytes : longest;
	script_fd = fd;
	if (script_left == 0)
		return __real_pwritev(fd, iov, n, offset);
	result = *script;
	script++;
	script_left--;
	if (result <= 0) {
		errno = (int)-result;
		return result < 0 ? -1 : 0;
	}
	if (part.iov_len > (size_t)result)
		part.iov_len = (size_t)result;
	return __real_pwritev(fd, &part, 1, offset);
}

/* --- requests that we do not make: put in place of a write (-Wl,--wrap) --- */

static int forged_opcode = -1; ///< -1: none

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);

int __wrap_io_uring_submit(struct io_uring *ring)
{
	if (forged_opcode >= 0)
		ring->sq.sqes[0].opcode = (uint8_t)forged_opcode;
	return __real_io_uring_submit(ring);
}

static void play(const ssize_t *results, size_t n)
{
	script = results;
	script_left = n;
}

/* --- files and queues --- */

static void file_path(char *path, const char *filesystem)
{
	snprintf(path, 256, "%s/%s/file", folder, filesystem);
}

/* Opens the file anew; the flags beside. */
static int file_open(const char *filesystem, int flags)
{
	char path[256];
	int fd;

	file_path(path, filesystem);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);
	CHECK(fd >= 0);
	return fd;
}

static struct disk *queue_open(unsigned depth, enum disk_method method)
{
	struct disk *disk;
	int why;

	CHECK(disk_open(depth, method, &disk, &why) == 0);
	CHECK(disk_method(disk) == method);
	CHECK(why == 0);
	return disk;
}

static struct disk_write write_of(int fd, const void *bytes, size_t n, uint64_t offset)
{
	return (struct disk_write){
		.fd = fd, .buffered_fd = fd, .iov = {{(void *)(uintptr_t)bytes, n}}, .n_iov = 1, .offset = offset};
}

static void write_through(struct disk *disk, struct disk_write *write)
{
	disk_submit(disk, write);
	while (disk_wait(disk) > 0)
		;
	CHECK(write->done);
	CHECK(disk_pending(disk) == 0);
}

/* The file has these bytes. Aligned, for the sake of O_DIRECT. */
static void check_file(int fd, uint64_t offset, const void *bytes, size_t n)
{
	size_t size = (n + PAGE - 1) / PAGE * PAGE;
	uint8_t *read = aligned_alloc(PAGE, size);

	CHECK(read != NULL);
	CHECK(pread(fd, read, size, (off_t)offset) >= (ssize_t)n);
	CHECK(memcmp(read, bytes, n) == 0);
	free(read);
}

/* A process of its own for what cannot be undone. It ends with 0 unless a CHECK() fails. */
static void in_child(void (*run)(const void *arg), const void *arg)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		is_child = true;
		run(arg);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* A test may run for each method. */
static const enum disk_method methods[] = {DISK_IO_URING, DISK_PWRITE};
static const char *const filesystems[] = {"tmpfs", "ext4"};

static bool no_mounts(void)
{
	if (!mounted)
		print_message("left out: needs root\n");
	return !mounted;
}

/* --- bytes --- */

#define WRITES 24u

/* Of 1 to 40 pages, in two vectors, not in the order of their places. */
static void fill(const char *filesystem, enum disk_method method)
{
	int direct = file_open(filesystem, O_DIRECT | O_TRUNC), buffered = file_open(filesystem, 0);
	struct disk *disk = queue_open(WRITES / 2, method);
	struct disk_write writes[WRITES];
	size_t at[WRITES + 1] = {0}, size;

	for (unsigned i = 0; i < WRITES; i++)
		at[i + 1] = at[i] + (1 + i * 7 % 40) * PAGE;
	assert_true(at[WRITES] <= MEMORY_BYTES);
	for (unsigned n = 0; n < WRITES; n++) {
		unsigned i = n * 5 % WRITES;

		size = at[i + 1] - at[i];
		writes[i] = (struct disk_write){
			.fd = direct, .buffered_fd = buffered, .offset = at[i], .n_iov = 2,
			.iov = {{memory + at[i], PAGE}, {memory + at[i] + PAGE, size - PAGE}}};
		while (disk_pending(disk) == WRITES / 2)
			assert_true(disk_wait(disk) > 0);
		disk_submit(disk, &writes[i]);
	}
	while (disk_wait(disk) > 0)
		;
	for (unsigned i = 0; i < WRITES; i++) {
		assert_true(writes[i].done);
		assert_int_equal(writes[i].error, 0);
		assert_true(writes[i].submitted_ns > 0 && writes[i].done_ns >= writes[i].submitted_ns);
	}
	check_file(buffered, 0, memory, at[WRITES]);
	assert_int_equal(lseek(buffered, 0, SEEK_END), at[WRITES]);
	disk_close(disk);
	close(direct);
	close(buffered);
}

static void bytes_are_in_the_file_at_their_places(void **state)
{
	(void)state;
	if (no_mounts())
		return;
	for (size_t i = 0; i < N_ELEMENTS(filesystems); i++)
		for (size_t k = 0; k < N_ELEMENTS(methods); k++)
			fill(filesystems[i], methods[k]);
}

static void a_write_of_nothing_is_done_at_once(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_ELEMENTS(methods); k++) {
		struct disk *disk = queue_open(1, methods[k]);
		struct disk_write write = write_of(-1, memory, 0, 0);

		disk_submit(disk, &write);
		assert_true(write.done);
		assert_int_equal(write.error, 0);
		assert_int_equal(disk_wait(disk), 0);
		disk_close(disk);
	}
}

/* The kernel takes 2 GiB less a page at most. */
static void what_is_too_long_for_one_call_is_gone_on_with(void **state)
{
	size_t n = (size_t)2 << 30;
	void *bytes = mmap(NULL, n, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC); /* looks at no byte */

	(void)state;
	assert_true(bytes != MAP_FAILED);
	for (size_t k = 0; k < N_ELEMENTS(methods); k++) {
		struct disk *disk = queue_open(1, methods[k]);
		struct disk_write write = {.fd = fd, .buffered_fd = fd, .n_iov = 2, .iov = {{bytes, n}, {bytes, n}}};

		write_through(disk, &write);
		assert_int_equal(write.error, 0);
		assert_int_equal(write.state.n_iov, 0);
		assert_int_equal(write.state.offset, 2 * n);
		disk_close(disk);
	}
	close(fd);
	munmap(bytes, n);
}

/* --- short writes and refusals --- */

static void limit_file(size_t bytes)
{
	const struct rlimit limit = {bytes, RLIM_INFINITY};

	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

/* The limit is lifted between the kernel's completion and our taking note of it. */
static void short_write_goes_on(const void *filesystem)
{
	int fd = file_open(filesystem, O_DIRECT | O_TRUNC), buffered = file_open(filesystem, 0);
	struct disk *disk = queue_open(1, DISK_IO_URING);
	struct disk_write write = {.fd = fd, .buffered_fd = buffered, .n_iov = 2,
				   .iov = {{memory, PAGE}, {memory + PAGE, 7 * PAGE}}};
	struct stat st;

	limit_file(3 * PAGE);
	disk_submit(disk, &write);
	do { /* the short one is complete; system calls make that known */
		CHECK(fstat(fd, &st) == 0);
		sched_yield();
	} while (st.st_size < (off_t)(3 * PAGE));
	limit_file(RLIM_INFINITY);
	CHECK(disk_wait(disk) == 1);
	CHECK(write.done && write.error == 0);
	check_file(fd, 0, memory, 8 * PAGE);
	disk_close(disk);
}

static void a_short_write_is_gone_on_with(void **state)
{
	(void)state;
	if (!no_mounts())
		for (size_t i = 0; i < N_ELEMENTS(filesystems); i++)
			in_child(short_write_goes_on, filesystems[i]);
}

static void file_too_large(const void *method)
{
	int fd = file_open("tmpfs", O_TRUNC);
	struct disk *disk = queue_open(1, *(const enum disk_method *)method);
	struct disk_write write = write_of(fd, memory, 8 * PAGE, 0);

	limit_file(3 * PAGE + 5);
	write_through(disk, &write);
	CHECK(write.error == -EFBIG);
	CHECK(lseek(fd, 0, SEEK_END) == (off_t)(3 * PAGE + 5));
	check_file(fd, 0, memory, 3 * PAGE + 5);
}

static void what_cannot_be_gone_on_with_is_an_error(void **state)
{
	(void)state;
	if (!no_mounts())
		for (size_t k = 0; k < N_ELEMENTS(methods); k++)
			in_child(file_too_large, &methods[k]);
}

static void a_full_filesystem_is_enospc(void **state)
{
	(void)state;
	if (no_mounts())
		return;
	for (size_t i = 0; i < N_ELEMENTS(filesystems); i++) {
		for (size_t k = 0; k < N_ELEMENTS(methods); k++) {
			int fd = file_open(filesystems[i], O_DIRECT | O_TRUNC);
			struct disk *disk = queue_open(2, methods[k]);
			struct disk_write write;
			uint64_t offset = 0;

			do {
				write = write_of(fd, memory, MIB, offset);
				write_through(disk, &write);
				offset += MIB;
			} while (write.error == 0 && offset < 2 * MOUNT_BYTES);
			assert_int_equal(write.error, -ENOSPC);
			/* What was there before is whole, and there is room again when it is gone. */
			check_file(fd, offset - 2 * MIB, memory, MIB);
			assert_int_equal(ftruncate(fd, 0), 0);
			write = write_of(fd, memory, MIB, 0);
			write_through(disk, &write);
			assert_int_equal(write.error, 0);
			disk_close(disk);
			close(fd);
		}
	}
}

static void an_error_is_passed_on(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	const struct {
		int fd;
		int error;
		bool pwrite_only;
	} cases[] = {
		{open("/dev/full", O_WRONLY | O_CLOEXEC), -ENOSPC, false},
		{open("/dev/full", O_RDONLY | O_CLOEXEC), -EBADF, false},
		{ends[1], -ESPIPE, true}, /* io_uring does not mind */
		/* There is nothing at that address. */
		{open("/proc/self/mem", O_RDWR | O_CLOEXEC), -EIO, false},
	};

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		assert_true(cases[i].fd >= 0);
		for (size_t k = 0; k < N_ELEMENTS(methods); k++) {
			if (cases[i].pwrite_only && methods[k] != DISK_PWRITE)
				continue;
			struct disk *disk = queue_open(1, methods[k]);
			struct disk_write write = write_of(cases[i].fd, memory, PAGE, PAGE);

			write_through(disk, &write);
			assert_int_equal(write.error, cases[i].error);
			assert_int_equal(disk_method(disk), methods[k]);
			disk_close(disk);
		}
		close(cases[i].fd);
	}
	close(ends[0]);
}

/* As a raw device does: no other file here is strict. */
static void what_is_not_aligned_goes_through_the_buffered_descriptor(void **state)
{
	char command[320], device[64] = "";
	FILE *lines;

	(void)state;
	if (no_mounts())
		return;
	snprintf(command, sizeof(command), "truncate -s 1M %s/device && losetup --find --show %s/device", folder,
		 folder);
	lines = popen(command, "r");
	assert_non_null(lines);
	if (fgets(device, sizeof(device), lines) == NULL)
		fail_msg("no loop device");
	assert_int_equal(pclose(lines), 0);
	device[strcspn(device, "\n")] = '\0';
	int direct = open(device, O_RDWR | O_DIRECT | O_CLOEXEC), buffered = open(device, O_RDWR | O_CLOEXEC);

	snprintf(command, sizeof(command), "losetup --detach %s", device); /* when it is closed */
	assert_int_equal(system(command), 0);
	assert_true(direct >= 0 && buffered >= 0);
	for (size_t k = 0; k < N_ELEMENTS(methods); k++) {
		struct disk *disk = queue_open(1, methods[k]);
		struct disk_write write = write_of(direct, memory + k + 1, PAGE + 100, PAGE);

		write_through(disk, &write);
		assert_int_equal(write.error, -EINVAL); /* no other descriptor: it is strict indeed */
		write.buffered_fd = buffered;
		write_through(disk, &write);
		assert_int_equal(write.error, 0);
		check_file(buffered, PAGE, memory + k + 1, PAGE + 100);
		disk_close(disk);
	}
	close(direct);
	close(buffered);
}

static void interruptions_and_short_writes_of_any_length_are_gone_on_with(void **state)
{
	static const ssize_t results[] = {-EINTR, 100,	   PAGE - 100, -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN,
					  -EAGAIN, -EAGAIN, -EAGAIN,	1,	 -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN,
					  -EAGAIN, -EAGAIN, -EAGAIN,	-EAGAIN, -ECANCELED, 4000, -EINTR};
	int fd = file_open("tmpfs", O_TRUNC);
	struct disk *disk = queue_open(1, DISK_PWRITE);
	struct disk_write write = {.fd = fd, .buffered_fd = fd, .n_iov = 2, .offset = 77,
				   .iov = {{memory, PAGE}, {memory + PAGE, 3 * PAGE}}};

	(void)state;
	play(results, N_ELEMENTS(results));
	write_through(disk, &write);
	assert_int_equal(script_left, 0);
	assert_int_equal(write.error, 0);
	check_file(fd, 77, memory, 4 * PAGE);
	disk_close(disk);
	close(fd);
}

static void the_rest_of_a_short_write_that_is_not_aligned_is_buffered(void **state)
{
	static const ssize_t results[] = {PAGE, 100, -EINVAL};
	int direct = file_open("tmpfs", O_TRUNC), buffered = file_open("tmpfs", 0);
	struct disk *disk = queue_open(1, DISK_PWRITE);
	struct disk_write write = write_of(direct, memory, 4 * PAGE, 0);

	(void)state;
	write.buffered_fd = buffered;
	play(results, N_ELEMENTS(results));
	write_through(disk, &write);
	assert_int_equal(write.error, 0);
	assert_int_equal(script_fd, buffered);
	check_file(direct, 0, memory, 4 * PAGE);
	/* The next one is direct again. */
	write_through(disk, &write);
	assert_int_equal(script_fd, direct);
	disk_close(disk);
	close(direct);
	close(buffered);
}

static void a_write_that_gets_nowhere_ends(void **state)
{
	static const ssize_t nothing[] = {PAGE, 0};
	static ssize_t again[1000];
	int fd = file_open("tmpfs", O_TRUNC);
	struct disk *disk = queue_open(1, DISK_PWRITE);
	struct disk_write write = write_of(fd, memory, 4 * PAGE, 0);

	(void)state;
	play(nothing, N_ELEMENTS(nothing));
	write_through(disk, &write);
	assert_int_equal(write.error, -ENOSPC);
	for (size_t i = 0; i < N_ELEMENTS(again); i++)
		again[i] = -EAGAIN;
	play(again, N_ELEMENTS(again));
	write_through(disk, &write);
	assert_int_equal(write.error, -EAGAIN);
	play(NULL, 0);
	disk_close(disk);
	close(fd);
}

/* --- the queue --- */

static void as_many_as_the_depth_are_under_way(void **state)
{
	static const unsigned depths[] = {1, 2, 3, 100, DISK_DEPTH_MAX};
	static struct disk_write writes[DISK_DEPTH_MAX];
	int fd = file_open("tmpfs", O_TRUNC);
	struct disk *disk = NULL;
	int why;

	(void)state;
	assert_int_equal(disk_open(0, DISK_PWRITE, &disk, &why), -EINVAL);
	assert_int_equal(disk_open(DISK_DEPTH_MAX + 1, DISK_PWRITE, &disk, &why), -EINVAL);
	for (size_t d = 0; d < N_ELEMENTS(depths); d++) {
		unsigned n = 0;

		disk = queue_open(depths[d], DISK_IO_URING);
		/* All of them complete, unseen. */
		for (unsigned i = 0; i < depths[d]; i++) {
			writes[i] = write_of(fd, memory + i * PAGE, PAGE, i * PAGE);
			disk_submit(disk, &writes[i]);
			assert_false(writes[i].done);
			assert_int_equal(disk_pending(disk), i + 1);
		}
		while (disk_pending(disk) > 0)
			n += disk_wait(disk);
		assert_int_equal(n, depths[d]);
		for (unsigned i = 0; i < depths[d]; i++)
			assert_true(writes[i].done && writes[i].error == 0);
		check_file(fd, 0, memory, depths[d] * PAGE);
		disk_close(disk);
	}
	close(fd);
}

static void empty_pipe(void *arg)
{
	static uint8_t bytes[1 << 17];
	const int *pipes = arg;

	assert_true(read(pipes[0], bytes, sizeof(bytes)) > 0);
}

/* Nobody reads from the pipe until the one who waits says that it does. */
static void who_waits_can_say_so(void **state)
{
	struct disk_write write = {.n_iov = 1, .iov = {{memory, 2 * PAGE}}};
	struct disk *disk;
	int pipes[2], why;

	(void)state;
	assert_int_equal(disk_open(1, DISK_IO_URING, &disk, &why), 0);
	if (why != 0) {
		print_message("# no io_uring here: not tested\n");
		disk_close(disk);
		return;
	}
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_true(fcntl(pipes[1], F_SETPIPE_SZ, (int)PAGE) >= 0);
	write.fd = write.buffered_fd = pipes[1];
	disk_on_wait(disk, empty_pipe, pipes);
	disk_submit(disk, &write);
	assert_false(write.done);
	while (disk_wait(disk) > 0)
		;
	assert_true(write.done);
	assert_int_equal(write.error, 0);
	disk_close(disk);
	close(pipes[0]);
	close(pipes[1]);
}

static void count_call(void *arg)
{
	unsigned *calls = arg;

	(*calls)++;
}

/* Four MiB in one call are more than a slow disk takes before somebody gives up on us. */
static void who_writes_himself_can_say_so_as_well(void **state)
{
	struct disk_write write = {.n_iov = 4, .iov = {{memory, PAGE}, {memory + PAGE, MIB - PAGE}, {memory + MIB, 2 * MIB + PAGE},
						       {memory + 3 * MIB + PAGE, MIB - PAGE}}};
	struct disk *disk = queue_open(1, DISK_PWRITE);
	char path[300];
	unsigned calls = 0;

	(void)state;
	snprintf(path, sizeof(path), "%s/slow", folder);
	write.fd = write.buffered_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	disk_on_wait(disk, count_call, &calls);
	longest = 0;
	disk_submit(disk, &write);
	assert_true(write.done);
	assert_int_equal(write.error, 0);
	assert_int_equal(longest, MIB);
	assert_true(calls >= 4);
	check_file(write.fd, 0, memory, 4 * MIB);
	disk_close(disk);
	close(write.fd);
	unlink(path);
}

static void one_more_than_the_depth_is_the_callers_mistake(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		const struct rlimit none = {0, 0};
		int fd = file_open("tmpfs", O_TRUNC);
		struct disk *disk = queue_open(1, DISK_IO_URING);
		struct disk_write writes[2] = {write_of(fd, memory, PAGE, 0), write_of(fd, memory, PAGE, PAGE)};

		setrlimit(RLIMIT_CORE, &none);
		is_child = true;
		signal(SIGABRT, SIG_DFL); /* cmocka and sanitizers have their own */
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(2);
		disk_submit(disk, &writes[0]);
		disk_submit(disk, &writes[1]);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* Wait for the edge as an event loop does, for ten seconds at most. */
static bool edge(int epoll)
{
	struct epoll_event event;

	for (unsigned tries = 0; tries < 8; tries++) {
		int n = epoll_wait(epoll, &event, 1, 10000);

		if (n >= 0)
			return n == 1;
		assert_int_equal(errno, EINTR); /* at the completion itself */
	}
	return false;
}

static void epoll_sees_an_edge_when_writes_are_done(void **state)
{
	(void)state;
	if (no_mounts())
		return;
	for (size_t f = 0; f < N_ELEMENTS(filesystems); f++) {
		int fd = file_open(filesystems[f], O_DIRECT | O_TRUNC), epoll = epoll_create1(EPOLL_CLOEXEC);
		struct disk *disk = queue_open(4, DISK_IO_URING);
		struct epoll_event event = {.events = EPOLLIN | EPOLLET};

		assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, disk_fd(disk), &event), 0);
		for (unsigned i = 0; i < 100; i++) {
			struct disk_write write = write_of(fd, memory, 16 * PAGE, i * 16 * PAGE % (2 * MIB));

			disk_submit(disk, &write);
			while (disk_reap(disk) == 0)
				assert_true(edge(epoll));
			assert_true(write.done);
			assert_int_equal(write.error, 0);
		}
		disk_close(disk);
		close(epoll);
		close(fd);
	}
	struct disk *disk = queue_open(1, DISK_PWRITE);

	assert_int_equal(disk_fd(disk), -1);
	assert_int_equal(disk_wait(disk), 0);
	disk_close(disk);
}

static void closing_loses_nothing_under_way(void **state)
{
	int fd = file_open(mounted ? "ext4" : "tmpfs", mounted ? O_DIRECT | O_TRUNC : O_TRUNC);
	struct disk *disk = queue_open(8, DISK_IO_URING);
	struct disk_write writes[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		writes[i] = write_of(fd, memory + i * MIB / 4, MIB / 4, i * MIB / 4);
		disk_submit(disk, &writes[i]);
	}
	disk_close(disk);
	for (unsigned i = 0; i < 8; i++)
		assert_true(writes[i].done && writes[i].error == 0);
	check_file(fd, 0, memory, 2 * MIB);
	close(fd);
	disk_close(NULL);
}

/* --- without io_uring --- */

struct refusal {
	long number;
	int error;
	const char *filesystem;
	int direct; ///< O_DIRECT or 0
};

static void open_refused(const void *arg)
{
	const struct refusal *refusal = arg;
	int fd = file_open("tmpfs", O_TRUNC), why = 0;
	struct disk_write write = write_of(fd, memory, MIB, 0);
	struct disk *disk;

	CHECK(refuse_syscall(refusal->number, refusal->error) == 0);
	CHECK(disk_open(8, DISK_IO_URING, &disk, &why) == 0);
	CHECK(disk_method(disk) == DISK_PWRITE);
	CHECK(why == -refusal->error);
	CHECK(disk_fd(disk) == -1);
	disk_submit(disk, &write);
	CHECK(write.done && write.error == 0);
	check_file(fd, 0, memory, MIB);
	disk_close(disk);
}

static void io_uring_refused_is_told_and_done_without(void **state)
{
	static const struct refusal refusals[] = {
		{.number = SYS_io_uring_setup, .error = EPERM},
		{.number = SYS_io_uring_setup, .error = ENOSYS},
		{.number = SYS_io_uring_setup, .error = ENOMEM},
		{.number = SYS_io_uring_enter, .error = EPERM},
		{.number = SYS_io_uring_enter, .error = ENOSYS},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(refusals); i++)
		in_child(open_refused, &refusals[i]);
	assert_string_equal(disk_method_name(DISK_IO_URING), "io_uring");
	assert_string_equal(disk_method_name(DISK_PWRITE), "pwrite");
}

/* Writes are under way when the kernel takes no more; they come to their end, and later ones are written all the same. */
static void enter_refused_later(const void *arg)
{
	const struct refusal *refusal = arg;
	bool room = refusal->error == EAGAIN || refusal->error == EBUSY;
	int fd = file_open(refusal->filesystem, refusal->direct | O_TRUNC);
	struct disk *disk = queue_open(4, DISK_IO_URING);
	struct disk_write writes[8];

	for (unsigned i = 0; i < N_ELEMENTS(writes); i++) {
		writes[i] = write_of(fd, memory + i * PAGE, PAGE, i * PAGE);
		if (i == 3)
			CHECK(refuse_syscall(refusal->number, refusal->error) == 0);
		disk_submit(disk, &writes[i]);
		CHECK(writes[i].done == (i >= 3));
	}
	CHECK(disk_method(disk) == (room ? DISK_IO_URING : DISK_PWRITE));
	CHECK(disk_pending(disk) == 3);
	CHECK(disk_fd(disk) >= 0);
	while (disk_wait(disk) > 0)
		;
	for (unsigned i = 0; i < N_ELEMENTS(writes); i++)
		CHECK(writes[i].done && writes[i].error == 0);
	check_file(fd, 0, memory, N_ELEMENTS(writes) * PAGE);
	disk_close(disk);
}

static void io_uring_that_fails_later_loses_nothing(void **state)
{
	static const int errors[] = {EAGAIN, EBUSY, ENXIO, EPERM};
	struct refusal refusal = {.number = SYS_io_uring_enter};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(errors); i++) {
		refusal.error = errors[i];
		/* On a tmpfs all are complete by then, and nobody has looked; on ext4 they are not. */
		refusal.filesystem = "tmpfs";
		refusal.direct = 0;
		in_child(enter_refused_later, &refusal);
		if (!mounted)
			continue;
		refusal.filesystem = "ext4";
		refusal.direct = O_DIRECT;
		in_child(enter_refused_later, &refusal);
	}
}

struct submission {
	struct disk *disk;
	struct disk_write write;
};

/* The filter is this thread's only. */
static void *submit_refused(void *arg)
{
	struct submission *submission = arg;

	CHECK(refuse_syscall(SYS_io_uring_enter, EAGAIN) == 0);
	disk_submit(submission->disk, &submission->write);
	return NULL;
}

static void io_uring_that_had_no_room_is_used_again(void **state)
{
	int fd = file_open("tmpfs", O_TRUNC);
	struct submission submission = {.disk = queue_open(2, DISK_IO_URING),
					.write = write_of(fd, memory, PAGE, 0)};
	struct disk_write next = write_of(fd, memory + PAGE, PAGE, PAGE);
	pthread_t thread;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(pthread_create(&thread, NULL, submit_refused, &submission), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_true(submission.write.done);
		assert_int_equal(submission.write.error, 0);
		/* What was refused is not submitted with the next one: the kernel would write from memory given back. */
		disk_submit(submission.disk, &next);
		assert_false(next.done);
		assert_int_equal(disk_wait(submission.disk), 1);
		assert_true(next.done && next.error == 0);
		assert_int_equal(disk_pending(submission.disk), 0);
		check_file(fd, 0, memory, 2 * PAGE);
	}
	disk_close(submission.disk);
	close(fd);
}

/* --- the kernel's threads --- */

/* Nobody's processes are too many already, so that the kernel makes none for a write that has to wait. */
static void write_without_threads(const void *arg)
{
	const struct rlimit none = {0, 0};
	int fd = file_open("ext4", O_DIRECT | O_TRUNC);
	struct disk *disk;
	struct disk_write write = write_of(fd, memory, MIB, 0);

	(void)arg;
	CHECK(setrlimit(RLIMIT_NPROC, &none) == 0);
	CHECK(setresuid(65534, 65534, 65534) == 0);
	disk = queue_open(1, DISK_IO_URING);
	write_through(disk, &write);
	CHECK(write.error == 0);
	check_file(fd, 0, memory, MIB);
}

static void a_write_is_done_when_the_kernel_can_make_no_thread_for_it(void **state)
{
	(void)state;
	if (!no_mounts())
		in_child(write_without_threads, NULL);
}

/* Each makes the file longer, which ext4 does not do without waiting. */
static void write_longer(const void *arg)
{
	int fd = file_open("ext4", O_DIRECT | O_TRUNC);
	struct disk *disk = queue_open(16, DISK_IO_URING);
	struct disk_write writes[16];
	struct dirent *entry;
	unsigned threads = 0;
	DIR *tasks;

	(void)arg;
	for (unsigned i = 0; i < 16; i++) {
		writes[i] = write_of(fd, memory, MIB / 4, i * MIB / 4);
		disk_submit(disk, &writes[i]);
	}
	while (disk_wait(disk) > 0)
		;
	tasks = opendir("/proc/self/task"); /* the kernel's stay for seconds */
	CHECK(tasks != NULL);
	while ((entry = readdir(tasks)) != NULL)
		threads += entry->d_name[0] != '.';
	CHECK(threads == 2);
	closedir(tasks);
	disk_close(disk);
}

static void the_kernel_makes_one_thread_at_most(void **state)
{
	(void)state;
	if (!no_mounts())
		in_child(write_longer, NULL);
}

/* --- set-up --- */

static void make_mounts(void)
{
	char command[640];

	snprintf(command, sizeof(command),
		 "mount -t tmpfs -o size=%zu tmpfs %s/tmpfs && truncate -s %zu %s/image && "
		 "mkfs.ext4 -q -m 0 -O ^has_journal %s/image && mount -o loop %s/image %s/ext4",
		 MOUNT_BYTES, folder, MOUNT_BYTES, folder, folder, folder, folder);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return;
	mounted = system(command) == 0;
}

static int group_setup(void **state)
{
	char path[256];

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	folder = folder_make();
	for (size_t i = 0; i < N_ELEMENTS(filesystems); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, filesystems[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	if (geteuid() == 0)
		make_mounts();
	memory = aligned_alloc(PAGE, MEMORY_BYTES);
	assert_non_null(memory);
	for (uint64_t i = 0; i < MEMORY_BYTES / sizeof(i); i++) {
		uint64_t value = i * UINT64_C(0x9E3779B97F4A7C15);

		memcpy(memory + i * sizeof(value), &value, sizeof(value));
	}
	return 0;
}

static int group_teardown(void **state)
{
	char path[256];

	(void)state;
	for (size_t i = 0; mounted && i < N_ELEMENTS(filesystems); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, filesystems[i]);
		if (umount(path) != 0)
			fprintf(stderr, "%s: %s\n", path, strerror(errno));
	}
	folder_remove(folder);
	free(memory);
	return 0;
}

/* It would be a way around what a seccomp filter denies. The ring was enabled: nobody can allow more, or register anything. */
static void io_uring_takes_nothing_but_writes(void **state)
{
	static const int opcodes[] = {IORING_OP_OPENAT, IORING_OP_SOCKET, IORING_OP_CONNECT, IORING_OP_ACCEPT,
				      IORING_OP_SEND, IORING_OP_READV, IORING_OP_RENAMEAT, IORING_OP_UNLINKAT};
	struct io_uring_restriction all = {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_OPENAT};
	struct iovec buffer = {memory, PAGE};
	struct disk *disk = queue_open(1, DISK_IO_URING);
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct disk_write write = write_of(fd, memory, PAGE, 0);

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(opcodes); i++) {
		forged_opcode = opcodes[i];
		write_through(disk, &write);
		assert_int_equal(write.error, -EACCES);
	}
	forged_opcode = -1;
	assert_int_equal(syscall(SYS_io_uring_register, disk_fd(disk), IORING_REGISTER_BUFFERS, &buffer, 1), -1);
	assert_int_equal(errno, EACCES);
	assert_int_equal(syscall(SYS_io_uring_register, disk_fd(disk), IORING_REGISTER_RESTRICTIONS, &all, 1), -1);
	write_through(disk, &write);
	assert_int_equal(write.error, 0);
	disk_close(disk);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_in_the_file_at_their_places),
		cmocka_unit_test(a_write_of_nothing_is_done_at_once),
		cmocka_unit_test(what_is_too_long_for_one_call_is_gone_on_with),
		cmocka_unit_test(a_short_write_is_gone_on_with),
		cmocka_unit_test(what_cannot_be_gone_on_with_is_an_error),
		cmocka_unit_test(a_full_filesystem_is_enospc),
		cmocka_unit_test(an_error_is_passed_on),
		cmocka_unit_test(what_is_not_aligned_goes_through_the_buffered_descriptor),
		cmocka_unit_test(interruptions_and_short_writes_of_any_length_are_gone_on_with),
		cmocka_unit_test(the_rest_of_a_short_write_that_is_not_aligned_is_buffered),
		cmocka_unit_test(a_write_that_gets_nowhere_ends),
		cmocka_unit_test(as_many_as_the_depth_are_under_way),
		cmocka_unit_test(who_waits_can_say_so),
		cmocka_unit_test(who_writes_himself_can_say_so_as_well),
		cmocka_unit_test(one_more_than_the_depth_is_the_callers_mistake),
		cmocka_unit_test(epoll_sees_an_edge_when_writes_are_done),
		cmocka_unit_test(closing_loses_nothing_under_way),
		cmocka_unit_test(io_uring_refused_is_told_and_done_without),
		cmocka_unit_test(io_uring_takes_nothing_but_writes),
		cmocka_unit_test(io_uring_that_fails_later_loses_nothing),
		cmocka_unit_test(io_uring_that_had_no_room_is_used_again),
		cmocka_unit_test(a_write_is_done_when_the_kernel_can_make_no_thread_for_it),
		cmocka_unit_test(the_kernel_makes_one_thread_at_most),
	};

	return cmocka_run_group_tests_name("disk", tests, group_setup, group_teardown);
}
