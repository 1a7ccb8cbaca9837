// SPDX-License-Identifier: BSD-3-Clause
/*
 * What a block's packets cost, apart from the kernel and the disk: micro_block OPERATION BYTES|imix ROUNDS
 * prints the packets of a round, and of each round the nanoseconds a packet. tests/bench/micro makes a table of it.
 *
 * The blocks are as many as a ring has, more than caches hold, and made anew before each round: they come from memory,
 * as those do that the kernel has filled.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "fancap/inplace.h"
#include "tests/unit/blocks.h"

#define BLOCKS 64u
#define BLOCK_BYTES (1u << 20)
#define BUFFER_BYTES (1u << 20)
#define ROWS_MAX 8192u
#define SNAPLEN 262144u

static uint8_t *ring, *pristine, *buffer;
static uint8_t head[FANCAP_INPLACE_HEAD_BYTES];
static struct fancap_inplace_row rows[ROWS_MAX];
static uint64_t sum; /* so that nothing is optimised away */

static void walk(uint8_t *block)
{
	struct fancap_packet packet;
	struct fancap_walk w;

	fancap_walk_start(&w, block, BLOCK_BYTES);
	while (fancap_walk_next(&w, &packet) == 1)
		sum += packet.caplen;
}

static struct fancap_inplace_plan plan_block(const uint8_t *block)
{
	struct fancap_inplace_plan made;

	if (fancap_inplace_plan(block, BLOCK_BYTES, SNAPLEN, rows, ROWS_MAX, &made) < 0)
		abort();
	return made;
}

static void plan(uint8_t *block)
{
	sum += plan_block(block).bytes;
}

static void rewrite(uint8_t *block)
{
	const struct fancap_inplace_extra extra = {.queue = 1};
	const struct fancap_inplace_plan made = plan_block(block);

	fancap_inplace_rewrite(block, &made, rows, &extra, head);
	sum += made.bytes;
}

/* As a recorder does: room first, then the packet. */
static void pack(uint8_t *block)
{
	struct fancap_packet packet;
	struct fancap_walk w;
	size_t used = 0;

	fancap_walk_start(&w, block, BLOCK_BYTES);
	while (fancap_walk_next(&w, &packet) == 1) {
		if (used + fancap_pcapng_epb_bytes(&packet, SNAPLEN, 1) > BUFFER_BYTES)
			used = 0;
		used += fancap_pcapng_epb(buffer + used, &packet, SNAPLEN, 0);
	}
	sum += used;
}

static const struct operation {
	const char *name;
	void (*run)(uint8_t *block);
} operations[] = {{"walk", walk}, {"plan", plan}, {"rewrite", rewrite}, {"pack", pack}};

static void *pages(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	madvise(memory, bytes, MADV_NOHUGEPAGE); /* a ring is mapped by small pages, too */
	memset(memory, 0, bytes);
	return memory;
}

/* Sizes of the simple IMIX, in no order that a predictor could learn: 358 bytes in the mean. */
static uint32_t next_size(uint32_t bytes)
{
	static uint32_t x = 1;

	if (bytes != 0)
		return bytes;
	x = x * 1664525u + 1013904223u;
	switch ((x >> 8) % 12) {
	case 0: return 1514;
	case 1 ... 4: return 590;
	default: return 60;
	}
}

/* @return packets */
static uint64_t make_block(uint8_t *dst, uint32_t bytes)
{
	struct test_packet packet = {.caplen = next_size(bytes), .time_ns = 1700000000000000000u};
	struct test_block block;
	uint64_t n;

	test_block_init(&block, BLOCK_BYTES, 0, 2, 1);
	while (block.size - block.next > 2048 && test_block_add(&block, &packet))
		packet.caplen = next_size(bytes);
	n = test_block_header(&block)->num_pkts;
	memcpy(dst, block.bytes, BLOCK_BYTES);
	test_block_done(&block);
	return n;
}

/* The processor's time: what else the machine does is not counted, but for what it does to the caches. */
static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* What callgrind is told to count. */
static __attribute__((noinline)) void measured(const struct operation *operation)
{
	for (uint32_t i = 0; i < BLOCKS; i++)
		operation->run(ring + (size_t)i * BLOCK_BYTES);
}

static void run(const struct operation *operation, uint32_t bytes, unsigned rounds)
{
	uint64_t packets = 0;

	for (uint32_t i = 0; i < BLOCKS; i++)
		packets += make_block(pristine + (size_t)i * BLOCK_BYTES, bytes);
	printf("%llu\n", (unsigned long long)packets);
	while (rounds-- > 0) {
		uint64_t start;

		memcpy(ring, pristine, (size_t)BLOCKS * BLOCK_BYTES);
		start = cpu_ns();
		measured(operation);
		printf("%.2f\n", (double)(cpu_ns() - start) / (double)packets);
	}
}

int main(int argc, char **argv)
{
	ring = pages((size_t)BLOCKS * BLOCK_BYTES);
	pristine = pages((size_t)BLOCKS * BLOCK_BYTES);
	buffer = pages(BUFFER_BYTES);
	for (size_t i = 0; argc == 4 && i < sizeof(operations) / sizeof(operations[0]); i++) {
		if (strcmp(argv[1], operations[i].name) != 0)
			continue;
		run(&operations[i], (uint32_t)strtoul(argv[2], NULL, 10), (unsigned)strtoul(argv[3], NULL, 10));
		return sum == 0;
	}
	fprintf(stderr, "usage: micro_block walk|plan|rewrite|pack BYTES|imix ROUNDS\n");
	return 2;
}
