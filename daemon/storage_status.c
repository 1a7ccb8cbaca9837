// SPDX-License-Identifier: BSD-3-Clause
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/storage_status.h"

#define STATUS_WORDS (sizeof(struct storage_status) / sizeof(uint64_t))

_Static_assert(sizeof(struct storage_status) % sizeof(uint64_t) == 0, "a status is words");

/* As the ledger: two slots, so that a writer may be killed in the middle of one. */
struct storage_page {
	_Atomic uint64_t generation; /* slots[generation % 2] is current */
	_Atomic uint64_t slots[2][STATUS_WORDS];
};

struct storage_page *storage_page_map(void)
{
	struct storage_page *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return page != MAP_FAILED ? page : NULL;
}

void storage_page_unmap(struct storage_page *page)
{
	if (page != NULL)
		munmap(page, sizeof(*page));
}

void storage_page_write(struct storage_page *page, const struct storage_status *status)
{
	uint64_t next = atomic_load_explicit(&page->generation, memory_order_relaxed) + 1;
	uint64_t words[STATUS_WORDS];

	memcpy(words, status, sizeof(words));
	for (size_t i = 0; i < STATUS_WORDS; i++)
		atomic_store_explicit(&page->slots[next % 2][i], words[i], memory_order_relaxed);
	/* Release: whoever sees the new generation sees its words. */
	atomic_store_explicit(&page->generation, next, memory_order_release);
	/* A reader of the other slot must see that its generation is over before its words change. */
	atomic_thread_fence(memory_order_release);
}

void storage_page_read(const struct storage_page *page, struct storage_status *ret)
{
	uint64_t words[STATUS_WORDS], before, after;

	do {
		before = atomic_load_explicit(&page->generation, memory_order_acquire);
		for (size_t i = 0; i < STATUS_WORDS; i++)
			words[i] = atomic_load_explicit(&page->slots[before % 2][i], memory_order_relaxed);
		/* The words are read before the second look at the generation. */
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&page->generation, memory_order_relaxed);
	} while (after != before);
	memcpy(ret, words, sizeof(words));
}
