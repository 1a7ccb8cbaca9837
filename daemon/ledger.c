// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/ledger.h"

/* "fancap", and what changes whenever the layout or the meaning of anything in a ledger does. */
#define LEDGER_MAGIC UINT64_C(0x70616363616e6166)
#define LEDGER_VERSION 2u

#define CACHE_LINE 64

/* The least that a packet takes in a block: slot header, address, an Ethernet header. */
#define SLOT_MIN_BYTES 96u
/* Enough for any sensible block; one with more packets is packed instead. */
#define ROWS_MAX 65536u

#define COMMIT_WORDS (sizeof(struct ledger_commit) / sizeof(uint64_t))
#define KERNEL_WORDS (sizeof(struct fancap_stats) / sizeof(uint64_t))
#define CLAIM_STEP_MS 10u

_Static_assert(sizeof(struct ledger_commit) % sizeof(uint64_t) == 0, "a commit is words");
_Static_assert(sizeof(struct fancap_stats) % sizeof(uint64_t) == 0, "so are the kernel's counters");
_Static_assert(sizeof(struct ledger_writer) == sizeof(uint64_t), "stored at once, without a lock");

/* Members are grouped by who writes them, a cache line (or more) each. Rows follow. */
struct ledger {
	/* nobody, once made */
	uint64_t magic;
	uint64_t bytes;
	uint32_t version;
	uint32_t rows_max;
	struct ledger_ring ring;
	/* the worker: twice per write */
	_Alignas(CACHE_LINE) _Atomic uint64_t generation; /* commits[generation % 2] is current */
	_Atomic uint64_t commits[2][COMMIT_WORDS];
	/* the worker: twice per block */
	_Alignas(CACHE_LINE) _Atomic uint64_t attempt;
	_Atomic uint64_t heartbeat_ns;
	_Atomic uint32_t blocks_held;
	_Atomic uint32_t blocks_used_max;
	/* the supervisor: once a second */
	_Alignas(CACHE_LINE) _Atomic uint64_t kernel_reads; /* kernel[kernel_reads % 2] is current */
	_Atomic uint64_t kernel[2][KERNEL_WORDS];
	_Atomic uint64_t restarts;
	/* the supervisor: when a worker died */
	_Atomic uint64_t crash_position;
	_Atomic uint64_t crash_count;
	/* the supervisor: when one set of rings takes over from another */
	_Alignas(CACHE_LINE) _Atomic uint64_t begin_ns;
	_Atomic uint64_t end_ns;
	_Atomic uint64_t floor;
	_Atomic uint64_t mark;
	/* the worker: once per segment */
	_Alignas(CACHE_LINE) _Atomic struct ledger_writer writer;
	_Atomic uint64_t failing; /* a bit for each folder */
	char segment_path[LEDGER_PATH_MAX];
	/* the worker: per block rewritten in place */
	_Alignas(CACHE_LINE) struct ledger_block blocks[LEDGER_BLOCKS_MAX];
	_Alignas(FANCAP_INPLACE_ALIGN) uint8_t heads[LEDGER_BLOCKS_MAX][FANCAP_INPLACE_HEAD_BYTES];
	_Alignas(CACHE_LINE) struct fancap_inplace_row rows[];
};

static uint32_t rows_for(const struct ledger_ring *ring)
{
	uint32_t rows = ring->req.tp_block_size / SLOT_MIN_BYTES;

	return rows < ROWS_MAX ? rows : ROWS_MAX;
}

static uint64_t bytes_for(const struct ledger_ring *ring)
{
	return sizeof(struct ledger) + (uint64_t)rows_for(ring) * sizeof(struct fancap_inplace_row);
}

/* The kernel's: 4, 16 or 64 KiB. */
static size_t page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/*
 * The page before a ledger is the process's own. It says how large the mapping is, page and all: what stands in a ledger a
 * worker that has gone wrong may have written.
 */
static uint64_t *own_page(struct ledger *ledger)
{
	return (uint64_t *)(void *)((uint8_t *)ledger - page_bytes());
}

static void unmap(struct ledger *ledger)
{
	uint64_t *own = own_page(ledger);

	munmap(own, (size_t)*own);
}

static int map(int fd, uint64_t bytes, struct ledger **ret)
{
	size_t page = page_bytes();
	uint64_t *own = mmap(NULL, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ledger *ledger;

	if (own == MAP_FAILED)
		return -errno;
	*own = bytes + page;
	ledger = mmap((uint8_t *)own + page, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	if (ledger == MAP_FAILED) {
		int r = -errno;

		munmap(own, bytes + page);
		return r;
	}
	/* The heads hold packets. */
	(void)madvise(ledger, bytes, MADV_DONTDUMP);
	*ret = ledger;
	return 0;
}

static void fill(struct ledger *ledger, const struct ledger_ring *ring)
{
	ledger->magic = LEDGER_MAGIC;
	ledger->version = LEDGER_VERSION;
	ledger->bytes = bytes_for(ring);
	ledger->rows_max = rows_for(ring);
	ledger->ring = *ring;
	atomic_store_explicit(&ledger->attempt, LEDGER_NO_BLOCK, memory_order_relaxed);
	atomic_store_explicit(&ledger->crash_position, LEDGER_NO_BLOCK, memory_order_relaxed);
	ledger_set_end(ledger, UINT64_MAX);
	ledger_set_mark(ledger, UINT64_MAX);
	ledger_set_writer(ledger, (struct ledger_writer){.folder = LEDGER_NO_FOLDER});
}

int ledger_create(const struct ledger_ring *ring, struct ledger **ret)
{
	int fd = memfd_create("fancap-ledger", MFD_CLOEXEC | MFD_ALLOW_SEALING), r = 0;

	if (fd < 0)
		return -errno;
	/* Its size never changes, or whoever has it mapped would get SIGBUS. */
	if (ftruncate(fd, (off_t)bytes_for(ring)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		r = -errno;
	if (r == 0)
		r = map(fd, bytes_for(ring), ret);
	if (r < 0) {
		close(fd);
		return r;
	}
	fill(*ret, ring);
	return fd;
}

static int check(const struct ledger *ledger, uint64_t bytes)
{
	if (ledger->magic != LEDGER_MAGIC)
		return -EBADMSG;
	if (ledger->version != LEDGER_VERSION)
		return -EPROTO;
	return ledger->bytes == bytes && bytes_for(&ledger->ring) == bytes &&
			       ledger->rows_max == rows_for(&ledger->ring) &&
			       memchr(ledger->ring.interface, '\0', sizeof(ledger->ring.interface)) != NULL
		       ? 0
		       : -EBADMSG;
}

int ledger_open(int fd, struct ledger **ret)
{
	int seals = fcntl(fd, F_GET_SEALS), r;
	struct ledger *ledger = NULL;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || (uint64_t)st.st_size < sizeof(struct ledger))
		return -EBADMSG;
	r = map(fd, (uint64_t)st.st_size, &ledger);
	if (r < 0)
		return r;
	r = check(ledger, (uint64_t)st.st_size);
	if (r < 0)
		unmap(ledger);
	else
		*ret = ledger;
	return r;
}

void ledger_unmap(struct ledger *ledger)
{
	if (ledger != NULL)
		unmap(ledger);
}

const struct ledger_ring *ledger_ring(const struct ledger *ledger)
{
	return &ledger->ring;
}

/* A process's own lock, gone with the process: not one of the open file, which all processes share. */
int ledger_claim(int fd, unsigned wait_ms)
{
	const struct timespec step = {.tv_nsec = CLAIM_STEP_MS * 1000000};
	unsigned waited_ms = 0;

	for (;;) {
		struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

		if (fcntl(fd, F_SETLK, &whole) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES)
			return -errno;
		if (waited_ms >= wait_ms)
			return -EBUSY;
		nanosleep(&step, NULL);
		waited_ms += CLAIM_STEP_MS;
	}
}

/* --- two slots and a generation: a reader sees one whole picture, a killed writer leaves the old one ---------------- */

static void publish(_Atomic uint64_t *generation, _Atomic uint64_t *slots, const void *from, size_t n)
{
	uint64_t next = atomic_load_explicit(generation, memory_order_relaxed) + 1;
	_Atomic uint64_t *slot = slots + next % 2 * n;
	const uint64_t *words = from;

	for (size_t i = 0; i < n; i++)
		atomic_store_explicit(&slot[i], words[i], memory_order_relaxed);
	/* Release: whoever sees the new generation sees its words. Killed before this, the old ones stand. */
	atomic_store_explicit(generation, next, memory_order_release);
	/* A reader of the next slot must see that this generation is over before its words change. */
	atomic_thread_fence(memory_order_release);
}

static void read_current(const _Atomic uint64_t *generation, const _Atomic uint64_t *slots, void *ret, size_t n)
{
	uint64_t before, after, *words = ret;

	do {
		before = atomic_load_explicit(generation, memory_order_acquire);
		for (size_t i = 0; i < n; i++)
			words[i] = atomic_load_explicit(&slots[before % 2 * n + i], memory_order_relaxed);
		/* The words are read before the second look at the generation. */
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(generation, memory_order_relaxed);
	} while (after != before);
}

void ledger_publish(struct ledger *ledger, const struct ledger_commit *commit)
{
	publish(&ledger->generation, ledger->commits[0], commit, COMMIT_WORDS);
	/* A slow disk is no dead one. */
	ledger_beat(ledger, clock_monotonic_ns());
}

void ledger_read(const struct ledger *ledger, struct ledger_commit *ret)
{
	read_current(&ledger->generation, ledger->commits[0], ret, COMMIT_WORDS);
}

char *ledger_segment_path(struct ledger *ledger)
{
	return ledger->segment_path;
}

void ledger_set_kernel(struct ledger *ledger, const struct fancap_stats *stats)
{
	publish(&ledger->kernel_reads, ledger->kernel[0], stats, KERNEL_WORDS);
}

void ledger_kernel(const struct ledger *ledger, struct fancap_stats *ret)
{
	read_current(&ledger->kernel_reads, ledger->kernel[0], ret, KERNEL_WORDS);
}

uint64_t ledger_kernel_drops(const struct ledger *ledger)
{
	uint64_t reads = atomic_load_explicit(&ledger->kernel_reads, memory_order_acquire);
	const _Atomic uint64_t *drops = &ledger->kernel[reads % 2][offsetof(struct fancap_stats, drops) / sizeof(uint64_t)];

	return atomic_load_explicit(drops, memory_order_relaxed);
}

uint64_t ledger_kernel_reads(const struct ledger *ledger)
{
	return atomic_load_explicit(&ledger->kernel_reads, memory_order_acquire);
}

void ledger_set_begin(struct ledger *ledger, uint64_t begin_ns)
{
	atomic_store_explicit(&ledger->begin_ns, begin_ns, memory_order_release);
}

void ledger_set_end(struct ledger *ledger, uint64_t end_ns)
{
	atomic_store_explicit(&ledger->end_ns, end_ns, memory_order_release);
}

struct ledger_cut ledger_cut(const struct ledger *ledger)
{
	return (struct ledger_cut){
		.begin_ns = atomic_load_explicit(&ledger->begin_ns, memory_order_acquire),
		.end_ns = atomic_load_explicit(&ledger->end_ns, memory_order_acquire),
	};
}

bool ledger_cut_is_set(const struct ledger_cut *cut)
{
	return cut->begin_ns != 0 || cut->end_ns != UINT64_MAX;
}

void ledger_set_floor(struct ledger *ledger, uint64_t packets)
{
	atomic_store_explicit(&ledger->floor, packets, memory_order_relaxed);
}

uint64_t ledger_floor(const struct ledger *ledger)
{
	return atomic_load_explicit(&ledger->floor, memory_order_relaxed);
}

void ledger_set_mark(struct ledger *ledger, uint64_t packets)
{
	atomic_store_explicit(&ledger->mark, packets, memory_order_relaxed);
}

uint64_t ledger_mark(const struct ledger *ledger)
{
	return atomic_load_explicit(&ledger->mark, memory_order_relaxed);
}

void ledger_set_attempt(struct ledger *ledger, uint64_t position)
{
	atomic_store_explicit(&ledger->attempt, position, memory_order_relaxed);
}

void ledger_note_crash(struct ledger *ledger)
{
	uint64_t position = atomic_load_explicit(&ledger->attempt, memory_order_relaxed);
	uint64_t count = 1;

	if (position == LEDGER_NO_BLOCK)
		return;
	if (position == atomic_load_explicit(&ledger->crash_position, memory_order_relaxed))
		count += atomic_load_explicit(&ledger->crash_count, memory_order_relaxed);
	atomic_store_explicit(&ledger->crash_position, position, memory_order_relaxed);
	atomic_store_explicit(&ledger->crash_count, count, memory_order_relaxed);
	atomic_store_explicit(&ledger->attempt, LEDGER_NO_BLOCK, memory_order_relaxed);
}

bool ledger_block_is_poison(const struct ledger *ledger, uint64_t position)
{
	return atomic_load_explicit(&ledger->crash_position, memory_order_relaxed) == position &&
	       atomic_load_explicit(&ledger->crash_count, memory_order_relaxed) >= 2;
}

void ledger_set_restarts(struct ledger *ledger, uint64_t restarts)
{
	atomic_store_explicit(&ledger->restarts, restarts, memory_order_relaxed);
}

uint64_t ledger_restarts(const struct ledger *ledger)
{
	return atomic_load_explicit(&ledger->restarts, memory_order_relaxed);
}

void ledger_beat(struct ledger *ledger, uint64_t now_ns)
{
	atomic_store_explicit(&ledger->heartbeat_ns, now_ns, memory_order_relaxed);
}

uint64_t ledger_heartbeat_ns(const struct ledger *ledger)
{
	return atomic_load_explicit(&ledger->heartbeat_ns, memory_order_relaxed);
}

void ledger_set_blocks_held(struct ledger *ledger, uint32_t blocks)
{
	atomic_store_explicit(&ledger->blocks_held, blocks, memory_order_relaxed);
}

uint32_t ledger_blocks_held(const struct ledger *ledger)
{
	return atomic_load_explicit(&ledger->blocks_held, memory_order_relaxed);
}

void ledger_set_blocks_used_max(struct ledger *ledger, uint32_t blocks)
{
	atomic_store_explicit(&ledger->blocks_used_max, blocks, memory_order_relaxed);
}

uint32_t ledger_blocks_used_max(const struct ledger *ledger)
{
	return atomic_load_explicit(&ledger->blocks_used_max, memory_order_relaxed);
}

struct ledger_block *ledger_block(struct ledger *ledger, unsigned i)
{
	return &ledger->blocks[i];
}

void *ledger_block_head(struct ledger *ledger, unsigned i)
{
	return ledger->heads[i];
}

struct fancap_inplace_row *ledger_rows(struct ledger *ledger)
{
	return ledger->rows;
}

uint32_t ledger_rows_max(const struct ledger *ledger)
{
	return ledger->rows_max;
}

void ledger_set_writer(struct ledger *ledger, struct ledger_writer writer)
{
	atomic_store_explicit(&ledger->writer, writer, memory_order_relaxed);
}

struct ledger_writer ledger_writer(const struct ledger *ledger)
{
	return atomic_load_explicit(&ledger->writer, memory_order_relaxed);
}

void ledger_set_failing(struct ledger *ledger, unsigned folder, bool failing)
{
	uint64_t bit = UINT64_C(1) << folder, before = atomic_load_explicit(&ledger->failing, memory_order_relaxed);

	atomic_store_explicit(&ledger->failing, failing ? before | bit : before & ~bit, memory_order_relaxed);
}

bool ledger_failing(const struct ledger *ledger, unsigned folder)
{
	return (atomic_load_explicit(&ledger->failing, memory_order_relaxed) >> folder & 1) != 0;
}
