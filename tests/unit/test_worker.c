// SPDX-License-Identifier: BSD-3-Clause
/* A worker process on a real ring that the test fills itself, as the kernel would: its socket is bound to nothing. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <linux/if_packet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/channel.h"
#include "daemon/worker.h"
#include "fancap/ring.h"
#include "tests/unit/blocks.h"
#include "tests/unit/folder.h"
#include "tests/unit/ledgers.h"
#include "tests/unit/netns.h"

#define BLOCKS 16384u /* 64 MiB: some tens of milliseconds to record */
#define BLOCK_BYTES 4096u
#define BLOCK_TIMEOUT_MS 20u

static struct fixture {
	char *folder;
	struct worker_params params;
	struct fancap_ring ring;
	int supervisor_fd; /* our end of the channel */
	pid_t pid;
} fx;

static int ring_socket(const struct fancap_geometry *geometry)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), version = TPACKET_V3;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &geometry->req, sizeof(geometry->req)), 0);
	return fd;
}

static int setup(void **state)
{
	int fds[2], ledger_fd = -1;

	(void)state;
	fx = (struct fixture){.folder = folder_make()};
	assert_int_equal(channel_pair(fds), 0);
	fx.supervisor_fd = fds[0];
	fx.params = (struct worker_params){
		.recorder = {
			.folders = (const char *const *)&fx.folder,
			.n_folders = 1,
			.mailbox_fd = -1,
			.interface = "eth0",
			.linktype = 1,
			.log = {"eth0", 0},
		},
		.settings = {.snaplen = 256},
		.geometry = geometry_of(BLOCKS, BLOCK_BYTES, 256, BLOCK_TIMEOUT_MS),
		.ledger = ledger_make(1u << 20, &ledger_fd),
		.channel_fd = fds[1],
		.cpu = -1,
	};
	fx.params.ledger_fd = ledger_fd;
	fx.params.ring_fd = ring_socket(&fx.params.geometry);
	assert_int_equal(fancap_ring_map(&fx.ring, fx.params.ring_fd, &fx.params.geometry), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (fx.supervisor_fd >= 0)
		close(fx.supervisor_fd);
	fancap_ring_unmap(&fx.ring);
	close(fx.params.ring_fd);
	close(fx.params.ledger_fd);
	ledger_unmap(fx.params.ledger);
	folder_remove(fx.folder);
	return 0;
}

/* Retire the block at a position, one packet in it. */
static void retire(uint64_t position)
{
	uint8_t bytes[100] = {0};
	struct test_block block;

	test_block_init(&block, BLOCK_BYTES, 0, 0, position + 1);
	assert_true(test_block_add(&block, &(struct test_packet){.data = bytes, .caplen = sizeof(bytes),
								 .time_ns = 1700000000000000000u + position}));
	memcpy(fancap_ring_block(&fx.ring, position), block.bytes, BLOCK_BYTES);
	test_block_done(&block);
}

static void retire_blocks(uint64_t n)
{
	for (uint64_t position = 0; position < n; position++)
		retire(position);
}

static void fill_ring(void)
{
	retire_blocks(BLOCKS);
}

static void order(const struct channel_message *message)
{
	assert_int_equal(channel_send(fx.supervisor_fd, message), 0);
}

static void order_stop(uint64_t packets)
{
	order(&(struct channel_message){.type = CHANNEL_STOP, .stop_packets = packets});
}

static void start(void)
{
	fflush(NULL);
	fx.pid = fork();
	if (fx.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not outlive a test that fails */
		_exit(worker_run(&fx.params));
	}
	close(fx.params.channel_fd);
}

/* @return its exit status */
static int wait_for_end(void)
{
	int status;

	alarm(20); /* ends the test, if the worker does not end */
	assert_int_equal(waitpid(fx.pid, &status, 0), fx.pid);
	alarm(0);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static struct ledger_commit commit(void)
{
	struct ledger_commit commit;

	ledger_read(fx.params.ledger, &commit);
	return commit;
}

static uint64_t written(void)
{
	return commit().packets_written;
}

/* Until the worker is in the middle of the ring. */
static void await_first_packets(void)
{
	for (int i = 0; i < 20000 && written() == 0; i++)
		usleep(100);
	assert_in_range(written(), 1, BLOCKS - 1);
}

static void die_as_supervisor(void)
{
	close(fx.supervisor_fd);
	fx.supervisor_fd = -1;
}

static void leaves_when_all_is_recorded_and_handed_back(void **state)
{
	(void)state;
	fill_ring();
	order_stop(BLOCKS);
	start();
	assert_int_equal(wait_for_end(), 0);
	assert_int_equal(written(), BLOCKS);
	for (uint64_t position = 0; position < BLOCKS; position++)
		assert_false(fancap_ring_block_ready(&fx.ring, position));
	assert_int_equal(folder_count(fx.folder, ".part"), 0);
	assert_int_equal(ledger_blocks_used_max(fx.params.ledger), BLOCKS);
	assert_int_equal(ledger_blocks_held(fx.params.ledger), 0);
}

/* Those that wait for the worker count: it is when it does not come to them that the ring fills. */
static void tells_how_far_the_ring_was_filled(void **state)
{
	(void)state;
	ledger_set_blocks_used_max(fx.params.ledger, 2); /* by a worker before */
	retire_blocks(5);
	order_stop(5);
	start();
	assert_int_equal(wait_for_end(), 0);
	assert_int_equal(written(), 5);
	assert_int_equal(ledger_blocks_used_max(fx.params.ledger), 5);
}

static void keeps_the_most_that_was_told_before(void **state)
{
	(void)state;
	ledger_set_blocks_used_max(fx.params.ledger, 7);
	retire_blocks(5);
	order_stop(5);
	start();
	assert_int_equal(wait_for_end(), 0);
	assert_int_equal(ledger_blocks_used_max(fx.params.ledger), 7);
}

/* Which directory its file is in; io_uring or why not. */
static void tells_how_it_writes(void **state)
{
	struct ledger_writer writer;

	(void)state;
	assert_int_equal(ledger_writer(fx.params.ledger).folder, LEDGER_NO_FOLDER);
	retire_blocks(1);
	order_stop(1);
	start();
	assert_int_equal(wait_for_end(), 0);
	writer = ledger_writer(fx.params.ledger);
	assert_int_equal(writer.folder, 0);
	assert_true(writer.io_uring == (writer.io_uring_error == 0));
}

/* However much there is to record, orders are heard. */
static void a_full_ring_does_not_keep_orders_waiting(void **state)
{
	struct channel_message configure = {.type = CHANNEL_CONFIGURE, .settings = fx.params.settings};

	(void)state;
	fill_ring();
	strcpy(configure.settings.filter, "udp"); /* so a new file begins where the order is heard */
	start();
	await_first_packets();
	order(&configure);
	order_stop(BLOCKS);
	assert_int_equal(wait_for_end(), 0);
	assert_int_equal(written(), BLOCKS);
	assert_int_equal(folder_count(fx.folder, ".pcapng"), 2);
}

static void records_what_is_there_when_its_supervisor_dies(void **state)
{
	(void)state;
	fill_ring();
	die_as_supervisor();
	start();
	assert_int_equal(wait_for_end(), 0);
	assert_int_equal(written(), BLOCKS);
	assert_int_equal(folder_count(fx.folder, ".part"), 0);
}

/* What it was told before still holds: it need not wait for a last block. */
static void leaves_as_told_though_its_supervisor_died(void **state)
{
	(void)state;
	fx.params.geometry.req.tp_retire_blk_tov = 60000;
	fill_ring();
	order_stop(BLOCKS);
	die_as_supervisor();
	start();
	assert_int_equal(wait_for_end(), 0);
	assert_int_equal(written(), BLOCKS);
}

/* Nobody wakes it for these blocks: retired while it sleeps, and by us, not by the kernel. */
static void an_orphan_leaves_though_it_missed_an_edge(void **state)
{
	(void)state;
	fx.params.geometry.req.tp_retire_blk_tov = 500; /* sees its supervisor's end, and sleeps for a second */
	start();
	die_as_supervisor();
	usleep(300000);
	fill_ring();
	assert_int_equal(wait_for_end(), 0);
	assert_int_equal(written(), BLOCKS);
}

/* The kernel goes on filling the ring: an orphan must come to an end all the same. */
static void an_orphan_leaves_a_busy_ring(void **state)
{
	int status;

	(void)state;
	fill_ring();
	start();
	await_first_packets();
	die_as_supervisor();
	alarm(20);
	for (uint64_t position = 0; waitpid(fx.pid, &status, WNOHANG) == 0;) {
		if (fancap_ring_block_ready(&fx.ring, position))
			continue;
		assert_true(position < 8 * BLOCKS);
		retire(position + BLOCKS);
		position++;
	}
	alarm(0);
	assert_int_equal(status, 0);
}

/* The limit raises a signal that would kill worker after worker. */
static void survives_a_limit_to_the_size_of_files(void **state)
{
	struct rlimit before, low;

	(void)state;
	fill_ring();
	order_stop(BLOCKS);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	low = (struct rlimit){.rlim_cur = 100000, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	start();
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(wait_for_end(), 0);
	assert_int_equal(commit().packets_written + commit().discarded[DISCARD_DISK_ERROR], BLOCKS);
	assert_true(commit().discarded[DISCARD_DISK_ERROR] > 0);
}

/* Its predecessor was killed by SIGKILL, which is no block's fault; nor is what we die of before we look into one. */
static void is_not_blamed_for_its_predecessors_block(void **state)
{
	(void)state;
	ledger_set_attempt(fx.params.ledger, 5);
	order_stop(0);
	start();
	assert_int_equal(wait_for_end(), 0);
	ledger_note_crash(fx.params.ledger);
	ledger_set_attempt(fx.params.ledger, 5);
	ledger_note_crash(fx.params.ledger);
	assert_false(ledger_block_is_poison(fx.params.ledger, 5));
}

static unsigned count_messages(enum channel_type type)
{
	struct channel_message message;
	unsigned n = 0;

	while (channel_receive(fx.supervisor_fd, &message) == 1)
		n += message.type == type;
	return n;
}

/* Once per reading of the kernel's counters, however many blocks say so. */
static void tells_once_that_the_kernel_is_losing(void **state)
{
	(void)state;
	fill_ring();
	for (uint64_t position = 0; position < 10; position++)
		((struct tpacket_block_desc *)fancap_ring_block(&fx.ring, position))->hdr.bh1.block_status |=
			TP_STATUS_LOSING;
	order_stop(BLOCKS);
	start();
	assert_int_equal(wait_for_end(), 0);
	assert_int_equal(count_messages(CHANNEL_LOSING), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(leaves_when_all_is_recorded_and_handed_back),
		TEST(tells_how_far_the_ring_was_filled),
		TEST(keeps_the_most_that_was_told_before),
		TEST(tells_how_it_writes),
		TEST(a_full_ring_does_not_keep_orders_waiting),
		TEST(records_what_is_there_when_its_supervisor_dies),
		TEST(leaves_as_told_though_its_supervisor_died),
		TEST(an_orphan_leaves_though_it_missed_an_edge),
		TEST(an_orphan_leaves_a_busy_ring),
		TEST(survives_a_limit_to_the_size_of_files),
		TEST(is_not_blamed_for_its_predecessors_block),
		TEST(tells_once_that_the_kernel_is_losing),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
