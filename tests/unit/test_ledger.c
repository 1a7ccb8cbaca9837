// SPDX-License-Identifier: BSD-3-Clause
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/ledger.h"
#include "ledgers.h"

#define PUBLICATIONS 200000u

static int setup(void **state)
{
	*state = ledger_make(1u << 20, NULL);
	return *state != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	ledger_unmap(*state);
	return 0;
}

/* --- a kernel with larger pages: what it maps begins at one of them --- */

static long page_bytes; ///< 0: this kernel's

long __real_sysconf(int name);
long __wrap_sysconf(int name);
void *__real_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset);

long __wrap_sysconf(int name)
{
	return name == _SC_PAGESIZE && page_bytes != 0 ? page_bytes : __real_sysconf(name);
}

void *__wrap_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
	static uintptr_t last; /* which is to begin at such a page */

	if (page_bytes != 0 && (flags & MAP_FIXED) != 0 && ((uintptr_t)at - last) % (uintptr_t)page_bytes != 0) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	at = __real_mmap(at, n, protection, flags, fd, offset);
	last = (uintptr_t)at;
	return at;
}

static void pages_may_be_larger(void **state)
{
	(void)state;
	for (page_bytes = 4096; page_bytes <= 65536; page_bytes *= 4) {
		struct ledger *ledger = ledger_make(1u << 20, NULL);

		assert_non_null(ledger);
		ledger_set_blocks_held(ledger, 7);
		assert_int_equal(ledger_blocks_held(ledger), 7);
		ledger_unmap(ledger);
	}
	page_bytes = 0;
}

static void starts_with_nothing_recorded(void **state)
{
	struct ledger_commit commit, zero;

	memset(&zero, 0, sizeof(zero));
	ledger_read(*state, &commit);
	assert_memory_equal(&commit, &zero, sizeof(zero));
	assert_int_equal(ledger_kernel_drops(*state), 0);
	assert_int_equal(ledger_blocks_held(*state), 0);
	assert_int_equal(ledger_blocks_used_max(*state), 0);
	assert_false(ledger_writer(*state).io_uring);
	assert_int_equal(ledger_writer(*state).folder, LEDGER_NO_FOLDER);
	assert_false(ledger_block_is_poison(*state, 0));
}

static void a_commit_is_read_back_whole(void **state)
{
	struct ledger_commit in, out;

	memset(&in, 0, sizeof(in));
	in.block = 7;
	in.packet = 3;
	in.discarded[DISCARD_DISK_FULL] = 11;
	in.segment_end_ns = UINT64_MAX;
	in.told_drops = 5;
	ledger_publish(*state, &in);
	ledger_read(*state, &out);
	assert_memory_equal(&in, &out, sizeof(in));
	in.block = 8;
	ledger_publish(*state, &in);
	ledger_read(*state, &out);
	assert_memory_equal(&in, &out, sizeof(in));
}

static atomic_bool publishing;

/* Every word of commit n is n, so that a mix of two shows. */
static void *publish_many(void *ledger)
{
	uint64_t words[sizeof(struct ledger_commit) / sizeof(uint64_t)];
	struct ledger_commit commit;

	for (uint64_t n = 1; n <= PUBLICATIONS; n++) {
		for (size_t i = 0; i < N_ELEMENTS(words); i++)
			words[i] = n;
		memcpy(&commit, words, sizeof(commit));
		ledger_publish(ledger, &commit);
	}
	atomic_store(&publishing, false);
	return NULL;
}

static void a_reader_never_sees_half_a_commit(void **state)
{
	uint64_t words[sizeof(struct ledger_commit) / sizeof(uint64_t)], last = 0;
	struct ledger_commit commit;
	pthread_t writer;

	atomic_store(&publishing, true);
	assert_int_equal(pthread_create(&writer, NULL, publish_many, *state), 0);
	while (atomic_load(&publishing)) {
		ledger_read(*state, &commit);
		memcpy(words, &commit, sizeof(words));
		for (size_t i = 1; i < N_ELEMENTS(words); i++)
			assert_int_equal(words[i], words[0]);
		assert_true(words[0] >= last);
		last = words[0];
	}
	pthread_join(writer, NULL);
	ledger_read(*state, &commit);
	assert_int_equal(commit.block, PUBLICATIONS);
}

static void kernel_figures_are_passed_on(void **state)
{
	const struct fancap_stats stats = {.packets = 100, .drops = 7};

	ledger_set_kernel(*state, &stats);
	assert_int_equal(ledger_kernel_drops(*state), 7);
	assert_int_equal(ledger_kernel_reads(*state), 1);
	ledger_set_kernel(*state, &stats);
	assert_int_equal(ledger_kernel_reads(*state), 2);
}

static void what_a_worker_says_of_itself_is_passed_on(void **state)
{
	const struct ledger_writer in = {.io_uring = true, .io_uring_error = 105, .folder = 7};
	struct ledger_writer out;

	ledger_set_writer(*state, in);
	out = ledger_writer(*state);
	assert_true(out.io_uring);
	assert_false(out.o_direct);
	assert_int_equal(out.io_uring_error, 105);
	assert_int_equal(out.folder, 7);
	ledger_set_writer(*state, (struct ledger_writer){.o_direct = true});
	out = ledger_writer(*state);
	assert_false(out.io_uring);
	assert_true(out.o_direct);
	ledger_set_blocks_held(*state, 3);
	ledger_set_blocks_used_max(*state, 4);
	assert_int_equal(ledger_blocks_held(*state), 3);
	assert_int_equal(ledger_blocks_used_max(*state), 4);
}

static void a_block_is_poison_at_its_second_victim(void **state)
{
	ledger_set_attempt(*state, 5);
	ledger_note_crash(*state);
	assert_false(ledger_block_is_poison(*state, 5));
	ledger_set_attempt(*state, 5);
	ledger_note_crash(*state);
	assert_true(ledger_block_is_poison(*state, 5));
	assert_false(ledger_block_is_poison(*state, 4));
	assert_false(ledger_block_is_poison(*state, 6));
}

static void deaths_in_different_blocks_blame_neither(void **state)
{
	for (uint64_t position = 1; position < 5; position++) {
		ledger_set_attempt(*state, position);
		ledger_note_crash(*state);
		assert_false(ledger_block_is_poison(*state, position));
	}
}

static void a_death_outside_blocks_blames_none(void **state)
{
	ledger_set_attempt(*state, 5);
	ledger_note_crash(*state);
	ledger_set_attempt(*state, LEDGER_NO_BLOCK);
	ledger_note_crash(*state);
	assert_false(ledger_block_is_poison(*state, 5));
	assert_false(ledger_block_is_poison(*state, LEDGER_NO_BLOCK));
}

/* --- one that an earlier fancapd made ----------------------------------------------------------------------------- */

static void another_process_finds_what_was_written(void **state)
{
	const struct ledger_ring ring = {.interface = "eth7", .worker = 3, .members = 4, .req = {.tp_block_size = 65536}};
	const struct fancap_stats kernel = {.packets = 10, .drops = 2, .freezes = 1};
	struct ledger *first, *second;
	struct ledger_commit commit = {.block = 5, .told_drops = 2}, read;
	struct fancap_stats read_kernel;
	int fd = ledger_create(&ring, &first);

	(void)state;
	assert_true(fd >= 0);
	ledger_publish(first, &commit);
	ledger_set_kernel(first, &kernel);
	ledger_set_restarts(first, 9);
	ledger_unmap(first);
	assert_int_equal(ledger_open(fd, &second), 0);
	assert_memory_equal(ledger_ring(second), &ring, sizeof(ring));
	ledger_read(second, &read);
	assert_memory_equal(&read, &commit, sizeof(read));
	ledger_kernel(second, &read_kernel);
	assert_memory_equal(&read_kernel, &kernel, sizeof(kernel));
	assert_int_equal(ledger_kernel_drops(second), 2);
	assert_int_equal(ledger_restarts(second), 9);
	ledger_unmap(second);
	close(fd);
}

static void its_size_is_fixed(void **state)
{
	const struct ledger_ring ring = {.req = {.tp_block_size = 65536}};
	struct ledger *ledger;
	int fd = ledger_create(&ring, &ledger);

	(void)state;
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, 1 << 30), -1);
	ledger_unmap(ledger);
	close(fd);
}

/* A file of these bytes, sealed as a ledger is. */
static int sealed_copy(int from, off_t bytes, off_t changed, bool sealed)
{
	int fd = memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	for (off_t at = 0, step; at < bytes; at += step) {
		uint8_t buffer[4096];

		step = bytes - at < (off_t)sizeof(buffer) ? bytes - at : (off_t)sizeof(buffer);
		memset(buffer, 0, sizeof(buffer));
		(void)!pread(from, buffer, (size_t)step, at);
		assert_int_equal(pwrite(fd, buffer, (size_t)step, at), step);
	}
	if (changed >= 0) {
		assert_int_equal(pread(fd, &byte, 1, changed), 1);
		byte ^= 0x40;
		assert_int_equal(pwrite(fd, &byte, 1, changed), 1);
	}
	if (sealed)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	return fd;
}

static int open_and_close(int fd)
{
	struct ledger *ledger;
	int r = ledger_open(fd, &ledger);

	if (r == 0)
		ledger_unmap(ledger);
	close(fd);
	return r;
}

static void what_is_no_ledger_of_this_version_is_refused(void **state)
{
	const struct ledger_ring ring = {.req = {.tp_block_size = 65536}};
	struct ledger *ledger;
	int fd = ledger_create(&ring, &ledger), pipes[2];
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(open_and_close(sealed_copy(fd, st.st_size, -1, true)), 0);
	assert_int_equal(open_and_close(sealed_copy(fd, st.st_size, -1, false)), -EBADMSG); /* might shrink */
	assert_int_equal(open_and_close(sealed_copy(fd, st.st_size, 0, true)), -EBADMSG);   /* what it is */
	assert_int_equal(open_and_close(sealed_copy(fd, st.st_size, 16, true)), -EPROTO);   /* version */
	assert_int_equal(open_and_close(sealed_copy(fd, st.st_size, 8, true)), -EBADMSG);   /* size */
	assert_int_equal(open_and_close(sealed_copy(fd, st.st_size, 20, true)), -EBADMSG);  /* rows */
	assert_int_equal(open_and_close(sealed_copy(fd, st.st_size - 4096, -1, true)), -EBADMSG);
	assert_int_equal(open_and_close(sealed_copy(fd, st.st_size + 4096, -1, true)), -EBADMSG);
	assert_int_equal(open_and_close(sealed_copy(fd, 64, -1, true)), -EBADMSG);
	assert_int_equal(open_and_close(open("/dev/null", O_RDWR | O_CLOEXEC)), -EBADMSG);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(open_and_close(pipes[0]), -EBADMSG);
	close(pipes[1]);
	ledger_unmap(ledger);
	close(fd);
}

/* What a worker may have written there. */
static void unmapping_does_not_trust_it(void **state)
{
	const struct ledger_ring ring = {.req = {.tp_block_size = 65536}};
	struct ledger *ledger;
	int fd = ledger_create(&ring, &ledger);
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(((uint64_t *)ledger)[1], st.st_size);
	((uint64_t *)ledger)[1] = 4096;
	ledger_unmap(ledger);
	/* All of it is gone. */
	assert_int_equal(msync((uint8_t *)ledger - 4096, 4096, MS_ASYNC), -1);
	assert_int_equal(msync((uint8_t *)ledger + (st.st_size - 1) / 4096 * 4096, 4096, MS_ASYNC), -1);
	close(fd);
}

static void folders_that_fail_are_remembered(void **state)
{
	ledger_set_failing(*state, 0, true);
	ledger_set_failing(*state, 15, true);
	ledger_set_failing(*state, 0, false);
	assert_false(ledger_failing(*state, 0));
	assert_false(ledger_failing(*state, 1));
	assert_true(ledger_failing(*state, 15));
}

static void one_process_at_a_time_has_it(void **state)
{
	const struct ledger_ring ring = {.req = {.tp_block_size = 65536}};
	struct ledger *ledger;
	int fd = ledger_create(&ring, &ledger), ready[2], status;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (ledger_claim(fd, 0) == 0 && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(ledger_claim(fd, 30), -EBUSY);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(ledger_claim(fd, 0), 0);
	close(ready[0]);
	close(ready[1]);
	ledger_unmap(ledger);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(starts_with_nothing_recorded, setup, teardown),
		cmocka_unit_test_setup_teardown(a_commit_is_read_back_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reader_never_sees_half_a_commit, setup, teardown),
		cmocka_unit_test_setup_teardown(kernel_figures_are_passed_on, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_worker_says_of_itself_is_passed_on, setup, teardown),
		cmocka_unit_test(pages_may_be_larger),
		cmocka_unit_test(unmapping_does_not_trust_it),
		cmocka_unit_test_setup_teardown(folders_that_fail_are_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(a_block_is_poison_at_its_second_victim, setup, teardown),
		cmocka_unit_test_setup_teardown(deaths_in_different_blocks_blame_neither, setup, teardown),
		cmocka_unit_test_setup_teardown(a_death_outside_blocks_blames_none, setup, teardown),
		cmocka_unit_test(another_process_finds_what_was_written),
		cmocka_unit_test(its_size_is_fixed),
		cmocka_unit_test(what_is_no_ledger_of_this_version_is_refused),
		cmocka_unit_test(one_process_at_a_time_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
