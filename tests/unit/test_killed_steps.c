// SPDX-License-Identifier: BSD-3-Clause
/*
 * A worker killed at each instruction.
 *
 * What a killed worker leaves is what others can see of it: the ring, the ledger, the files. So it is not killed again and
 * again: it is single-stepped, once, and whenever a step has changed any of these, a successor goes on from a copy. Its
 * writes are under way for as long as can be, so that a step finds them begun, half done, done and not known to be done.
 *
 * That this is what a kill leaves is seen to by real ones: with io_uring, on the disk, at every system call.
 */
#include "unit.h"

#include "ledgers.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blocks.h"
#include "daemon/clock.h"
#include "daemon/disk.h"
#include "daemon/recorder.h"
#include "daemon/segment.h"
#include "daemon/stream.h"
#include "folder.h"
#include "tests/tools/reader.h"

#define BLOCK_BYTES 8192u /* so that packets lie in the first page, behind it, and in both */
#define BLOCKS_MAX 20u
#define PACKETS 10u /* of a full block */
#define PACKETS_MAX (BLOCKS_MAX * PACKETS)
#define FILE_MAX (1u << 18)
#define FRAME_MAX 600u
#define TAG_BYTES 4u
#define DROPS 9u /* and one more before each block */
#define START_NS UINT64_C(1700000000000000000)
#define STEPS_BETWEEN 500u /* two system calls are a few hundred instructions apart, most of the time */

#ifdef __SANITIZE_ADDRESS__
#define STRIDE 16u /* all takes long there: every so many changes, beginning anywhere */
#define GENERATIONS 1u
#else
#define STRIDE 1u
#define GENERATIONS 2u /* of workers stepped through */
#endif

/* All that a worker shares with others. */
struct world {
	char *folder;
	uint8_t *ring;
	struct ledger *ledger;
	size_t ledger_bytes;
};

/* How far a write has come when it is submitted; the rest is done when it is said to be done. */
enum begun { NOTHING, FIRST_PAGE, ALL };

struct scenario {
	enum config_writer writer;
	bool mixed; /* every fourth block has to be packed, whatever the writer */
	unsigned blocks;
	unsigned flush_every;
	uint64_t rotate_bytes;
	uint32_t gather_bytes;
};

/* Some three blocks in a file. */
static const struct scenario direct = {CONFIG_WRITER_DIRECT, false, 6, 3, 36000, 0};
static const struct scenario mixed = {CONFIG_WRITER_DIRECT, true, 6, 3, 36000, 0};
/* Two or three blocks in a write, some that are rewritten and some that are packed. */
static const struct scenario gathered = {CONFIG_WRITER_DIRECT, true, 6, 4, 60000, 20000};
/* What is flushed is enough for a direct write of whole pages, and something is left over. */
static const struct scenario staged = {CONFIG_WRITER_STAGED, false, BLOCKS_MAX, 16, 85000, 0};

static struct fixture {
	struct scenario scenario;
	size_t ring_bytes;
	struct world start, live, copy, chosen;
	uint8_t *seen_ring, *seen_ledger; /* as of the last change */
	cpu_set_t processors; /* that we may run on */
	unsigned packets;
	bool other_settings; /* of the successor: he has to begin another file */
	bool is_worker;
	/* for those who look into a failure */
	uint64_t step;
	unsigned changes, tried, candidates;
} fx;

/* Of a worker, too, who is no test: it says so, and its end tells. */
static void __attribute__((noreturn)) fail_step(const char *what)
{
	if (fx.is_worker) {
		fprintf(stderr, "worker: not so: %s\n", what);
		_exit(1);
	}
	fail_msg("killed at step %llu (change %u): not so: %s", (unsigned long long)fx.step, fx.changes, what);
	abort();
}

#define check(condition) \
	do { \
		if (!(condition)) \
			fail_step(#condition); \
	} while (0)

/* --- the disk ---------------------------------------------------------------------------------------------------- */

/* Writes are done as late as possible and in no order; which, is the same every time. */
static struct {
	bool on;
	enum begun begun;
	unsigned n, reaps;
	struct disk_write *under_way[STREAM_WRITES];
} slow;

int __real_disk_open(unsigned depth, enum disk_method method, struct disk **ret, int *ret_why);
int __wrap_disk_open(unsigned depth, enum disk_method method, struct disk **ret, int *ret_why);
void __real_disk_submit(struct disk *disk, struct disk_write *write);
void __wrap_disk_submit(struct disk *disk, struct disk_write *write);
unsigned __real_disk_reap(struct disk *disk);
unsigned __wrap_disk_reap(struct disk *disk);
unsigned __real_disk_wait(struct disk *disk);
unsigned __wrap_disk_wait(struct disk *disk);
unsigned __real_disk_pending(const struct disk *disk);
unsigned __wrap_disk_pending(const struct disk *disk);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);

static bool use_uring;

int __wrap_disk_open(unsigned depth, enum disk_method method, struct disk **ret, int *ret_why)
{
	return __real_disk_open(depth, use_uring ? method : DISK_PWRITE, ret, ret_why);
}

static void write_part(struct disk_write *write, size_t bytes)
{
	uint64_t offset = write->offset;

	for (unsigned i = 0; i < write->n_iov && bytes > 0; i++) {
		size_t n = write->iov[i].iov_len < bytes ? write->iov[i].iov_len : bytes;

		if (pwrite(write->fd, write->iov[i].iov_base, n, (off_t)offset) != (ssize_t)n)
			write->error = -EIO;
		offset += n;
		bytes -= n;
	}
}

static unsigned write_done(unsigned i)
{
	struct disk_write *write = slow.under_way[i];

	if (slow.begun != ALL)
		write_part(write, SIZE_MAX);
	write->done_ns = clock_monotonic_ns();
	write->done = true;
	slow.under_way[i] = slow.under_way[--slow.n];
	return 1;
}

void __wrap_disk_submit(struct disk *disk, struct disk_write *write)
{
	if (!slow.on) {
		__real_disk_submit(disk, write);
		return;
	}
	write->submitted_ns = clock_monotonic_ns();
	if (slow.begun != NOTHING)
		write_part(write, slow.begun == ALL ? SIZE_MAX : SEGMENT_ALIGN);
	slow.under_way[slow.n++] = write;
}

unsigned __wrap_disk_reap(struct disk *disk)
{
	if (!slow.on)
		return __real_disk_reap(disk);
	return slow.n > 0 && ++slow.reaps % 4 == 0 ? write_done(slow.reaps / 4 % slow.n) : 0;
}

unsigned __wrap_disk_wait(struct disk *disk)
{
	if (!slow.on)
		return __real_disk_wait(disk);
	return slow.n > 0 ? write_done(slow.n - 1) : 0;
}

unsigned __wrap_disk_pending(const struct disk *disk)
{
	return slow.on ? slow.n : __real_disk_pending(disk);
}

/* Of no concern to who lives on, on the same kernel. */
int __wrap_fdatasync(int fd)
{
	(void)fd;
	return 0;
}

int __wrap_fsync(int fd)
{
	(void)fd;
	return 0;
}

/* --- worlds ------------------------------------------------------------------------------------------------------ */

static void world_make(struct world *world)
{
	struct stat st;
	int fd;

	world->folder = folder_make();
	world->ring = mmap(NULL, BLOCKS_MAX * BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(world->ring, MAP_FAILED);
	world->ledger = ledger_make(BLOCK_BYTES, &fd);
	assert_non_null(world->ledger);
	assert_int_equal(fstat(fd, &st), 0);
	world->ledger_bytes = (size_t)st.st_size;
	close(fd);
}

static void world_remove(struct world *world)
{
	folder_remove(world->folder);
	munmap(world->ring, BLOCKS_MAX * BLOCK_BYTES);
	ledger_unmap(world->ledger);
}

static void remove_file(const char *path, void *arg)
{
	(void)arg;
	assert_int_equal(unlink(path), 0);
}

/* "<folder>/<day>/<name>" to the same place below another folder. */
static void copy_file(const char *path, void *arg)
{
	static uint8_t bytes[FILE_MAX];
	const struct world *to = arg;
	const char *name = path + strlen(to->folder); /* all folders' names have the same length */
	char target[512];
	ssize_t n;
	int fd;

	snprintf(target, sizeof(target), "%s%s", to->folder, name);
	*strrchr(target, '/') = '\0';
	(void)mkdir(target, 0700);
	target[strlen(target)] = '/';
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	n = read(fd, bytes, sizeof(bytes));
	assert_in_range(n, 0, sizeof(bytes) - 1);
	close(fd);
	fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, (size_t)n), n);
	close(fd);
}

static void world_copy(const struct world *from, const struct world *to)
{
	char *path = ledger_segment_path(to->ledger);

	memcpy(to->ring, from->ring, fx.ring_bytes);
	memcpy((void *)to->ledger, (const void *)from->ledger, from->ledger_bytes);
	assert_int_equal(strlen(from->folder), strlen(to->folder));
	if (strncmp(path, from->folder, strlen(from->folder)) == 0)
		memcpy(path, to->folder, strlen(to->folder));
	folder_each(to->folder, "", remove_file, NULL);
	folder_each(from->folder, "", copy_file, (void *)(uintptr_t)to);
}

static struct ledger_commit committed(const struct world *world)
{
	struct ledger_commit commit;

	ledger_read(world->ledger, &commit);
	return commit;
}

/* --- what is recorded ---------------------------------------------------------------------------------------------- */

static bool is_tagged(uint64_t seq)
{
	return seq % 5 == 3;
}

/* @return its length, of all remainders by 4 */
static uint32_t frame(uint8_t bytes[static FRAME_MAX], uint64_t seq)
{
	memset(bytes, (int)(seq % 251), FRAME_MAX);
	for (unsigned i = 0; i < 12; i++)
		bytes[i] = (uint8_t)(seq + i);
	memcpy(bytes + 14, &seq, sizeof(seq));
	return FRAME_MAX - 8 - (uint32_t)(seq % 7);
}

static unsigned packets_of(unsigned position)
{
	if (position % 6 == 3)
		return 0;
	return position % 6 == 4 ? 1 : PACKETS;
}

static void fill_ring(uint8_t *ring)
{
	fx.packets = 0;
	for (unsigned position = 0; position < fx.scenario.blocks; position++) {
		struct test_block block;
		uint8_t bytes[FRAME_MAX];

		/* Without PACKET_RESERVE data is not aligned, and the block cannot be rewritten in place. */
		test_block_init(&block, BLOCK_BYTES, 0, fx.scenario.mixed && position % 4 == 1 ? 0 : 2, position + 1);
		for (unsigned i = 0; i < packets_of(position); i++) {
			uint64_t seq = fx.packets++;

			assert_true(test_block_add(&block, &(struct test_packet){
								   .data = bytes,
								   .caplen = frame(bytes, seq),
								   .time_ns = START_NS + seq,
								   .vlan_tpid = is_tagged(seq) ? 0x8100 : 0,
								   .vlan_tci = (uint16_t)seq,
							   }));
		}
		memcpy(ring + position * BLOCK_BYTES, block.bytes, BLOCK_BYTES);
		test_block_done(&block);
	}
}

/* A block handed back is overwritten at once: by a system call, for it is to be one step. Completed writes interrupt it. */
static uint64_t hand_back(const struct world *world, int zero_fd, uint64_t from, uint64_t to)
{
	uint8_t *p = world->ring + from * BLOCK_BYTES, *end = world->ring + to * BLOCK_BYTES;

	while (p < end) {
		ssize_t n = read(zero_fd, p, (size_t)(end - p));

		check(n > 0 || errno == EINTR);
		p += n > 0 ? n : 0;
	}
	return to;
}

/* The kernel goes on dropping, and the supervisor telling: he does not go back. */
static void count_drops(const struct world *world, uint64_t drops)
{
	if (ledger_kernel_drops(world->ledger) < drops)
		ledger_set_kernel(world->ledger, &(struct fancap_stats){.drops = drops});
}

/* A worker, from taking over to the end. */
static void work(const struct world *world)
{
	const char *const folders[] = {world->folder};
	const struct recorder_params params = {
		.folders = folders,
		.n_folders = 1,
		.mailbox_fd = -1,
		.interface = "eth0",
		.worker = 1,
		.linktype = 1,
		.settle_ns = 1000000000,
		.gather_bytes = fx.scenario.gather_bytes,
		.log = {"eth0", 1},
	};
	const struct recorder_settings settings = {
		.writer = fx.scenario.writer,
		.snaplen = fx.other_settings ? 65536 : 262144,
		.rotate_size_bytes = fx.scenario.rotate_bytes,
	};
	uint64_t begin = committed(world).block, back = begin;
	int zero_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	struct recorder *recorder;

	check(zero_fd >= 0);
	check(recorder_open(&params, &settings, world->ledger, &recorder) == 0);
	check(recorder_position(recorder) == begin);
	for (uint64_t position = begin; position < fx.scenario.blocks; position++) {
		count_drops(world, DROPS + position);
		recorder_block(recorder, world->ring + position * BLOCK_BYTES, BLOCK_BYTES);
		if ((position + 1) % fx.scenario.flush_every == 0)
			recorder_flush(recorder);
		recorder_reap(recorder);
		back = hand_back(world, zero_fd, back, recorder_position(recorder));
	}
	recorder_close(recorder);
	close(zero_fd);
}

/* --- what is found -------------------------------------------------------------------------------------------------- */

static struct found {
	uint8_t times[PACKETS_MAX];
	uint64_t packets, dropcount, bytes;
	uint64_t accepted, osdrop, delivered; /* sums of the last ISB of each file */
} found;

/* A tag that the kernel took off stands in the file where it was on the wire. */
static void check_packet(const struct reader_packet *packet)
{
	uint8_t expected[FRAME_MAX], tag[TAG_BYTES] = {0x81};
	uint32_t bytes, moved;
	uint64_t seq;

	check(packet->time_ns >= START_NS && packet->time_ns < START_NS + fx.packets);
	seq = packet->time_ns - START_NS;
	bytes = frame(expected, seq);
	moved = is_tagged(seq) ? TAG_BYTES : 0;
	tag[3] = (uint8_t)seq;
	check(packet->caplen == bytes + moved && packet->len == packet->caplen);
	check(memcmp(packet->data, expected, 12) == 0);
	check(memcmp(packet->data + 12, tag, moved) == 0);
	check(memcmp(packet->data + 12 + moved, expected + 12, bytes - 12) == 0);
	found.times[seq]++;
	found.packets++;
	found.dropcount += packet->dropcount;
}

static void read_file(const char *path, void *arg)
{
	struct reader_statistics last = {0};
	uint64_t before = found.packets;
	struct reader_packet packet;
	struct reader *reader;
	enum reader_event event;
	struct stat st;

	(void)arg;
	check(stat(path, &st) == 0 && reader_open(path, &reader) == 0);
	while ((event = reader_next(reader, &packet, &last)) != READER_END) {
		if (event == READER_ERROR)
			fail_step(reader_error(reader));
		if (event == READER_PACKET)
			check_packet(&packet);
		else
			check(last.usrdeliv == found.packets - before);
	}
	reader_close(reader);
	found.bytes += (uint64_t)st.st_size;
	found.accepted += last.filteraccept;
	found.osdrop += last.osdrop;
	found.delivered += last.usrdeliv;
}

/* A successor goes on; ring, ledger and files then say the same: each packet once. */
static void succeed(const struct world *world)
{
	uint64_t drops = DROPS + fx.scenario.blocks - 1;
	struct ledger_commit commit;

	work(world);
	commit = committed(world);
	memset(&found, 0, sizeof(found));
	check(folder_count(world->folder, ".part") == 0);
	folder_each(world->folder, ".pcapng", read_file, NULL);
	for (unsigned seq = 0; seq < fx.packets; seq++)
		check(found.times[seq] == 1);
	check(found.packets == fx.packets);
	check(found.dropcount == drops && found.osdrop == drops);
	check(found.delivered == fx.packets && found.accepted == fx.packets + drops);
	check(commit.packets_written == fx.packets && commit.bytes_written == found.bytes);
	check(commit.block == fx.scenario.blocks && commit.packet == 0 && commit.segment_state == SEGMENT_NONE);
	check(commit.blocks_direct + commit.blocks_staged == fx.scenario.blocks);
	for (unsigned i = 0; i < DISCARD_REASONS; i++)
		check(commit.discarded[i] == 0);
}

/* --- stepping ------------------------------------------------------------------------------------------------------ */

/* @return a worker that has not begun; -1: it may not be traced */
static pid_t start_worker(void)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(77);
		fx.is_worker = true;
		raise(SIGSTOP);
		work(&fx.live);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSTOPPED(status)) {
		assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL), 0);
		return pid;
	}
	print_message("# no process may be traced here: not tested\n");
	return -1;
}

/* Go on until something happens. @return false: it has ended */
static bool go_on(pid_t pid, enum __ptrace_request how)
{
	int status;

	assert_int_equal(ptrace(how, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	else
		assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	return !WIFEXITED(status);
}

static void kill_worker(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/* Whether its next step is a system call, which may change a file. It is a copy of ourselves: same code, same place. */
static bool is_at_system_call(pid_t pid)
{
	struct __ptrace_syscall_info info;
	uint32_t code = 0;

	assert_true(ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) > 0);
	memcpy(&code, (const void *)(uintptr_t)info.instruction_pointer, 2);
#if defined(__x86_64__)
	return code == 0x050f;
#elif defined(__aarch64__)
	memcpy(&code, (const void *)(uintptr_t)info.instruction_pointer, 4);
	return code == 0xd4000001;
#else
	return false;
#endif
}

/* @return whether ring or ledger are not as they were */
static bool has_changed(void)
{
	if (memcmp(fx.seen_ledger, fx.live.ledger, fx.live.ledger_bytes) == 0 &&
	    memcmp(fx.seen_ring, fx.live.ring, fx.ring_bytes) == 0)
		return false;
	memcpy(fx.seen_ledger, fx.live.ledger, fx.live.ledger_bytes);
	memcpy(fx.seen_ring, fx.live.ring, fx.ring_bytes);
	return true;
}

static bool has_rewritten_blocks(const struct world *world)
{
	uint64_t done = committed(world).block;

	for (unsigned i = 0; i < LEDGER_BLOCKS_MAX; i++) {
		const struct ledger_block *block = ledger_block(world->ledger, i);

		if (block->state != LEDGER_BLOCK_FREE && block->position >= done)
			return true;
	}
	return false;
}

/* One of all the moments that leave something to a successor is kept: he is to be stepped through as well. */
static void consider(void)
{
	bool leaves = fx.scenario.writer == CONFIG_WRITER_DIRECT ? has_rewritten_blocks(&fx.live)
							: committed(&fx.live).segment_state == SEGMENT_OPEN;

	if (leaves && (unsigned)rand() % ++fx.candidates == 0)
		world_copy(&fx.live, &fx.chosen);
}

/* @return whether that could be done */
static bool step_through(void)
{
	unsigned phase = (unsigned)rand() % STRIDE;
	bool at_call = true;
	pid_t pid;

	world_copy(&fx.start, &fx.live);
	fx.step = fx.changes = fx.tried = fx.candidates = 0;
	slow.on = true;
	pid = start_worker();
	slow.on = false;
	if (pid < 0)
		return false;
	do {
		fx.step++;
		if ((has_changed() || at_call) && fx.changes++ % STRIDE == phase) {
			world_copy(&fx.live, &fx.copy);
			consider();
			fx.other_settings = fx.tried++ % 2 == 1;
			succeed(&fx.copy);
			fx.other_settings = false;
		}
		at_call = is_at_system_call(pid);
	} while (go_on(pid, PTRACE_SINGLESTEP));
	succeed(&fx.live);
	return true;
}

/* --- the tests ---------------------------------------------------------------------------------------------------- */

static void begin(const struct scenario *scenario)
{
	fx.scenario = *scenario;
	fx.ring_bytes = (size_t)scenario->blocks * BLOCK_BYTES;
	folder_each(fx.start.folder, "", remove_file, NULL);
	ledger_unmap(fx.start.ledger);
	fx.start.ledger = ledger_make(BLOCK_BYTES, NULL);
	fill_ring(fx.start.ring);
}

static void step_through_generations(enum begun begun)
{
	slow.begun = begun;
	for (unsigned i = 0; i < GENERATIONS; i++) {
		if (!step_through())
			return;
		print_message("# generation %u: %llu steps, %u changes, %u tried\n", i, (unsigned long long)fx.step,
			      fx.changes, fx.tried);
		assert_true(fx.candidates > 0);
		world_copy(&fx.chosen, &fx.start);
	}
}

static void nothing_is_lost_or_doubled_direct(void **state)
{
	(void)state;
	begin(&direct);
	step_through_generations(FIRST_PAGE);
}

static void nothing_is_lost_or_doubled_staged(void **state)
{
	(void)state;
	begin(&staged);
	step_through_generations(NOTHING);
}

static void nothing_is_lost_or_doubled_mixed(void **state)
{
	(void)state;
	begin(&mixed);
	step_through_generations(NOTHING);
}

static void nothing_is_lost_or_doubled_gathered(void **state)
{
	(void)state;
	begin(&gathered);
	step_through_generations(ALL);
}

/* @return whether it was still at work after so many system calls, seen from both sides, and steps */
static bool kill_at(unsigned calls, unsigned steps)
{
	bool alive = true;
	pid_t pid;

	world_copy(&fx.start, &fx.live);
	pid = start_worker();
	if (pid < 0)
		return false;
	for (fx.step = 0; alive && fx.step < calls; fx.step++)
		alive = go_on(pid, PTRACE_SYSCALL);
	for (; alive && steps > 0; steps--)
		alive = go_on(pid, PTRACE_SINGLESTEP);
	if (alive)
		kill_worker(pid);
	succeed(&fx.live);
	return alive;
}

/* At each system call, and at some instruction between it and the next. */
static void nothing_is_lost_or_doubled_by_real_kills(void **state)
{
	unsigned calls = (unsigned)rand() % STRIDE;

	(void)state;
	begin(&gathered);
	use_uring = true;
	fx.changes = 0;
	while (kill_at(calls, 0)) {
		(void)kill_at(calls, 1 + (unsigned)rand() % STEPS_BETWEEN);
		calls += STRIDE;
		fx.changes += 2;
	}
	use_uring = false;
	print_message("# %u killed\n", fx.changes);
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static int make_worlds(void)
{
	struct world *const worlds[] = {&fx.start, &fx.live, &fx.copy, &fx.chosen};

	for (size_t i = 0; i < N_ELEMENTS(worlds); i++)
		world_make(worlds[i]);
	fx.seen_ring = calloc(1, BLOCKS_MAX * BLOCK_BYTES);
	fx.seen_ledger = calloc(1, fx.live.ledger_bytes);
	return fx.seen_ring != NULL && fx.seen_ledger != NULL ? 0 : -1;
}

static int setup(void **state)
{
	(void)state;
	memset(&fx, 0, sizeof(fx));
	(void)sched_getaffinity(0, sizeof(fx.processors), &fx.processors);
	return make_worlds();
}

/* On one processor with the worker: a step is two switches, and wakes nobody up elsewhere. */
static void stay_here(void)
{
	cpu_set_t here;
	int cpu = sched_getcpu();

	(void)sched_getaffinity(0, sizeof(fx.processors), &fx.processors);
	CPU_ZERO(&here);
	CPU_SET((size_t)(cpu < 0 ? 0 : cpu), &here);
	(void)sched_setaffinity(0, sizeof(here), &here);
}

/* Thousands of copies are made of its files. */
static int setup_in_memory(void **state)
{
	const char *before = getenv("TMPDIR");
	int r;

	(void)state;
	memset(&fx, 0, sizeof(fx));
	stay_here();
	if (access("/dev/shm", W_OK) != 0)
		return make_worlds();
	before = before != NULL ? strdup(before) : NULL;
	setenv("TMPDIR", "/dev/shm", 1);
	r = make_worlds();
	if (before != NULL)
		setenv("TMPDIR", before, 1);
	else
		unsetenv("TMPDIR");
	free((void *)(uintptr_t)before);
	return r;
}

static int teardown(void **state)
{
	(void)state;
	slow.on = use_uring = false;
	(void)sched_setaffinity(0, sizeof(fx.processors), &fx.processors);
	world_remove(&fx.start);
	world_remove(&fx.live);
	world_remove(&fx.copy);
	world_remove(&fx.chosen);
	free(fx.seen_ring);
	free(fx.seen_ledger);
	return 0;
}

#define TEST_STEPS(name) cmocka_unit_test_setup_teardown(name, setup_in_memory, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_STEPS(nothing_is_lost_or_doubled_direct),
		TEST_STEPS(nothing_is_lost_or_doubled_staged),
		TEST_STEPS(nothing_is_lost_or_doubled_mixed),
		TEST_STEPS(nothing_is_lost_or_doubled_gathered),
		cmocka_unit_test_setup_teardown(nothing_is_lost_or_doubled_by_real_kills, setup, teardown),
	};
	const char *given = getenv("FANCAP_TEST_SEED");
	unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 0) : (unsigned)clock_realtime_ns();

	print_message("# FANCAP_TEST_SEED=%u\n", seed);
	srand(seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
