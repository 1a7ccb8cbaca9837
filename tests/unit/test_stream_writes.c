// SPDX-License-Identifier: BSD-3-Clause
/* What a stream tells of its writes: how many, and how long they took. The file is a pipe: a full one keeps a write waiting. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/stream.h"
#include "ledgers.h"

#define BYTES SEGMENT_ALIGN
#define HELD_BACK_NS 2000000u

static struct fixture {
	struct ledger *ledger;
	struct stream stream;
	int pipe[2];
	size_t pipe_bytes;
	uint8_t *page;
	bool io_uring;
} fx;

static int setup_method(enum disk_method method)
{
	fx = (struct fixture){.ledger = ledger_make(1u << 20, NULL)};
	assert_int_equal(pipe2(fx.pipe, O_CLOEXEC), 0);
	fx.pipe_bytes = (size_t)fcntl(fx.pipe[0], F_GETPIPE_SZ);
	fx.page = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(fx.page, MAP_FAILED);
	fx.io_uring = stream_open(&fx.stream, fx.ledger, method) == 0 && method == DISK_IO_URING;
	fx.stream.segment = (struct segment){.fd = fx.pipe[1], .direct_fd = fx.pipe[1]};
	stream_begin(&fx.stream);
	return 0;
}

static int setup_io_uring(void **state)
{
	(void)state;
	return setup_method(DISK_IO_URING);
}

static int setup_pwrite(void **state)
{
	(void)state;
	return setup_method(DISK_PWRITE);
}

static int teardown(void **state)
{
	(void)state;
	stream_close(&fx.stream); /* the pipe's other end as well */
	close(fx.pipe[0]);
	munmap(fx.page, BYTES);
	ledger_unmap(fx.ledger);
	return 0;
}

static void fill_pipe(void)
{
	for (size_t n = 0; n < fx.pipe_bytes; n += BYTES)
		assert_int_equal(write(fx.pipe[1], fx.page, BYTES), BYTES);
}

static void empty_pipe(void)
{
	uint8_t page[BYTES];

	for (size_t n = 0; n < fx.pipe_bytes; n += BYTES)
		assert_int_equal(read(fx.pipe[0], page, BYTES), BYTES);
}

static void write_block(void)
{
	fx.stream.next.segment_bytes += BYTES;
	fx.stream.next.block++;
	stream_direct(&fx.stream, &(struct iovec){fx.page, BYTES}, 1);
}

static struct ledger_commit commit(void)
{
	struct ledger_commit commit;

	ledger_read(fx.ledger, &commit);
	return commit;
}

static void a_write_is_measured_until_it_is_done(void **state)
{
	uint64_t before, ns;

	(void)state;
	if (!fx.io_uring) {
		print_message("no io_uring here: no write can be under way\n");
		return;
	}
	fill_pipe();
	before = clock_monotonic_ns();
	write_block();
	while (clock_monotonic_ns() - before < HELD_BACK_NS)
		nanosleep(&(struct timespec){.tv_nsec = HELD_BACK_NS}, NULL);
	stream_reap(&fx.stream);
	assert_int_equal(commit().writes, 0);
	empty_pipe();
	assert_int_equal(stream_drain(&fx.stream), 0);
	ns = clock_monotonic_ns() - before;
	assert_int_equal(commit().block, 1);
	assert_int_equal(commit().writes, 1);
	assert_in_range(commit().write_ns, HELD_BACK_NS / 2, ns);
	assert_int_equal(commit().write_max_ns, commit().write_ns);
}

/* While a write is under way, blocks that need none queue up behind it. */
static void progress_without_a_write_is_none(void **state)
{
	(void)state;
	if (!fx.io_uring) {
		print_message("no io_uring here: no write can be under way\n");
		return;
	}
	fill_pipe();
	write_block();
	fx.stream.next.block++;
	stream_flush(&fx.stream);
	assert_int_equal(commit().block, 0);
	empty_pipe();
	assert_int_equal(stream_drain(&fx.stream), 0);
	assert_int_equal(commit().block, 2);
	assert_int_equal(commit().writes, 1);
	assert_int_equal(commit().write_max_ns, commit().write_ns);
}

/* The ledger outlives the worker that wrote before. */
static void writes_add_up_over_workers(void **state)
{
	const struct ledger_commit before = {.writes = 3, .write_ns = 5000000000u, .write_max_ns = 4000000000u};

	(void)state;
	if (!fx.io_uring) {
		print_message("no io_uring here\n");
		return;
	}
	fx.stream.committed = fx.stream.next = before;
	write_block();
	write_block();
	assert_int_equal(stream_drain(&fx.stream), 0);
	assert_int_equal(commit().writes, 5);
	assert_true(commit().write_ns > before.write_ns);
	assert_int_equal(commit().write_max_ns, before.write_max_ns);
}

/* pwrite() cannot write to a pipe. */
static void a_failed_write_is_none(void **state)
{
	(void)state;
	write_block();
	assert_int_equal(stream_drain(&fx.stream), -ESPIPE);
	assert_int_equal(commit().writes, 0);
	assert_int_equal(commit().write_ns, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_write_is_measured_until_it_is_done, setup_io_uring, teardown),
		cmocka_unit_test_setup_teardown(progress_without_a_write_is_none, setup_io_uring, teardown),
		cmocka_unit_test_setup_teardown(writes_add_up_over_workers, setup_io_uring, teardown),
		cmocka_unit_test_setup_teardown(a_failed_write_is_none, setup_pwrite, teardown),
	};

	return cmocka_run_group_tests_name("stream_writes", tests, NULL, NULL);
}
