// SPDX-License-Identifier: BSD-3-Clause
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/ledger.h"

#define CACHE_LINE 64
#define PAGE 4096u

/* The least that a packet takes in a block: slot header, address, an Ethernet header. */
#define SLOT_MIN_BYTES 96u
/* Enough for any sensible block; one with more packets is packed instead. */
#define ROWS_MAX 65536u

#define COMMIT_WORDS (sizeof(struct ledger_commit) / sizeof(uint64_t))

_Static_assert(sizeof(struct ledger_commit) % sizeof(uint64_t) == 0, "a commit is words");
_Static_assert(sizeof(struct ledger_writer) == sizeof(uint64_t), "stored at once, without a lock");

/* Members are grouped by who writes them, a cache line (or more) each. Rows follow. */
struct ledger {
	/* nobody, once made */
	size_t bytes;
	uint32_t rows_max;
	/* the worker: twice per write */
	_Alignas(CACHE_LINE) _Atomic uint64_t generation; /* commits[generation % 2] is current */
	_Atomic uint64_t commits[2][COMMIT_WORDS];
	/* the worker: twice per block */
	_Alignas(CACHE_LINE) _Atomic uint64_t attempt;
	_Atomic uint32_t blocks_held;
	_Atomic uint32_t blocks_used_max;
	/* the supervisor: once a second */
	_Alignas(CACHE_LINE) _Atomic uint64_t kernel_drops;
	_Atomic uint64_t kernel_reads;
	/* the supervisor: when a worker died */
	_Atomic uint64_t crash_position;
	_Atomic uint64_t crash_count;
	/* the worker: once per segment */
	_Alignas(CACHE_LINE) _Atomic struct ledger_writer writer;
	char segment_path[LEDGER_PATH_MAX];
	/* the worker: per block rewritten in place */
	_Alignas(CACHE_LINE) struct ledger_block blocks[LEDGER_WRITES_MAX];
	_Alignas(PAGE) uint8_t heads[LEDGER_WRITES_MAX][FANCAP_INPLACE_HEAD_BYTES];
	_Alignas(CACHE_LINE) struct fancap_inplace_row rows[];
};

struct ledger *ledger_map(uint32_t block_bytes)
{
	uint32_t rows = block_bytes / SLOT_MIN_BYTES < ROWS_MAX ? block_bytes / SLOT_MIN_BYTES : ROWS_MAX;
	size_t bytes = sizeof(struct ledger) + rows * sizeof(struct fancap_inplace_row);
	struct ledger *ledger = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (ledger == MAP_FAILED)
		return NULL;
	/* The heads hold packets. */
	(void)madvise(ledger, bytes, MADV_DONTDUMP);
	ledger->bytes = bytes;
	ledger->rows_max = rows;
	atomic_store_explicit(&ledger->attempt, LEDGER_NO_BLOCK, memory_order_relaxed);
	atomic_store_explicit(&ledger->crash_position, LEDGER_NO_BLOCK, memory_order_relaxed);
	ledger_set_writer(ledger, (struct ledger_writer){.folder = LEDGER_NO_FOLDER});
	return ledger;
}

void ledger_unmap(struct ledger *ledger)
{
	if (ledger != NULL)
		munmap(ledger, ledger->bytes);
}

void ledger_publish(struct ledger *ledger, const struct ledger_commit *commit)
{
	uint64_t next = atomic_load_explicit(&ledger->generation, memory_order_relaxed) + 1;
	_Atomic uint64_t *slot = ledger->commits[next % 2];
	uint64_t words[COMMIT_WORDS];

	memcpy(words, commit, sizeof(words));
	for (size_t i = 0; i < COMMIT_WORDS; i++)
		atomic_store_explicit(&slot[i], words[i], memory_order_relaxed);
	/* Release: whoever sees the new generation sees its words. Killed before this, the old commit stands. */
	atomic_store_explicit(&ledger->generation, next, memory_order_release);
	/* A reader of the next slot must see that this generation is over before its words change. */
	atomic_thread_fence(memory_order_release);
}

void ledger_read(const struct ledger *ledger, struct ledger_commit *ret)
{
	uint64_t words[COMMIT_WORDS], before, after;

	do {
		before = atomic_load_explicit(&ledger->generation, memory_order_acquire);
		for (size_t i = 0; i < COMMIT_WORDS; i++)
			words[i] = atomic_load_explicit(&ledger->commits[before % 2][i],
							memory_order_relaxed);
		/* The words are read before the second look at the generation. */
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&ledger->generation, memory_order_relaxed);
	} while (after != before);
	memcpy(ret, words, sizeof(words));
}

char *ledger_segment_path(struct ledger *ledger)
{
	return ledger->segment_path;
}

void ledger_set_kernel(struct ledger *ledger, const struct fancap_stats *stats)
{
	atomic_store_explicit(&ledger->kernel_drops, stats->drops, memory_order_relaxed);
	atomic_fetch_add_explicit(&ledger->kernel_reads, 1, memory_order_release);
}

uint64_t ledger_kernel_drops(const struct ledger *ledger)
{
	return atomic_load_explicit(&ledger->kernel_drops, memory_order_relaxed);
}

uint64_t ledger_kernel_reads(const struct ledger *ledger)
{
	return atomic_load_explicit(&ledger->kernel_reads, memory_order_acquire);
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
