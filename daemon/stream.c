// SPDX-License-Identifier: BSD-3-Clause
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/stream.h"
#include "lib/newfile.h"

#define WRITES STREAM_WRITES
#define PAGE_MASK (SEGMENT_ALIGN - 1)

/* Less than this, left when nothing more comes, is better copied to the page cache than waited for on the disk. */
#define DIRECT_MIN_BYTES (64u << 10)

/* Time of submission of what was no write. */
#define NO_WRITE 0u

static struct stream_write *slot(struct stream *s, uint64_t n)
{
	return &s->writes[n % WRITES];
}

static uint8_t *buffer(const struct stream *s)
{
	return s->buffers + (size_t)(s->buffer_tail % STREAM_BUFFERS) * STREAM_BUFFER_BYTES;
}

/* Where the staged bytes are. */
static uint8_t *staged(const struct stream *s)
{
	return s->loaded ? buffer(s) : s->carry;
}

uint64_t stream_offset(const struct stream *s)
{
	return s->base + s->used;
}

/* Bytes put that are in no write yet. */
static uint32_t staged_bytes(const struct stream *s)
{
	return s->used - s->written;
}

static uint32_t gathered_bytes(const struct stream *s)
{
	return s->gathering ? s->writes[s->tail % WRITES].bytes : 0;
}

uint32_t stream_unwritten(const struct stream *s)
{
	return staged_bytes(s) + gathered_bytes(s);
}

/* Nothing is under way, or will be by itself. */
static bool is_idle(const struct stream *s)
{
	return s->head == s->tail && !s->gathering;
}

/* --- what is done ---------------------------------------------------------------------------------------------- */

static void publish(struct stream *s)
{
	ledger_publish(s->ledger, &s->committed);
}

void stream_publish(struct stream *s)
{
	s->committed = s->next;
	publish(s);
}

/* How long writes take is no matter of what they write: it is told as soon as it is known. */
static void measure(struct stream *s, const struct disk_write *write, struct ledger_commit *commit)
{
	uint64_t ns = write->done_ns - write->submitted_ns;

	s->next.writes += write->submitted_ns != NO_WRITE;
	s->next.write_ns += ns;
	if (ns > s->next.write_max_ns)
		s->next.write_max_ns = ns;
	commit->writes = s->next.writes;
	commit->write_ns = s->next.write_ns;
	commit->write_max_ns = s->next.write_max_ns;
}

/* One write has failed: those after it are of no use, but they have to come to an end. */
static void fail(struct stream *s, int error)
{
	while (disk_wait(s->disk) > 0)
		;
	s->head = s->tail;
	s->gathering = false;
	s->buffer_head = s->buffer_tail;
	s->error = error;
}

static void reap(struct stream *s)
{
	uint64_t before = s->head;

	if (disk_pending(s->disk) > 0)
		disk_reap(s->disk);
	while (s->head < s->tail && slot(s, s->head)->disk.done) {
		struct stream_write *write = slot(s, s->head);

		if (write->disk.error != 0) {
			if (s->head != before)
				publish(s);
			fail(s, write->disk.error);
			return;
		}
		measure(s, &write->disk, &write->after);
		s->committed = write->after;
		s->buffer_head += write->buffers;
		s->head++;
	}
	if (s->head != before)
		publish(s);
}

/* @return whether there is a free slot: not after an error */
static bool wait_for_slot(struct stream *s)
{
	reap(s);
	while (s->error == 0 && s->tail - s->head == WRITES) {
		disk_wait(s->disk);
		reap(s);
	}
	return s->error == 0;
}

bool stream_await_room(struct stream *s)
{
	return wait_for_slot(s);
}

/* --- what goes out together ------------------------------------------------------------------------------------- */

static void submit_gathered(struct stream *s)
{
	struct stream_write *write = slot(s, s->tail);

	if (!s->gathering)
		return;
	s->gathering = false;
	s->tail++;
	segment_allocate(&s->segment, write->disk.offset + write->bytes);
	disk_submit(s->disk, &write->disk);
}

/* @return the write that gathers what follows, from this offset on; NULL after an error */
static struct stream_write *gatherer(struct stream *s, uint64_t offset)
{
	struct stream_write *write;

	if (!s->gathering && !wait_for_slot(s))
		return NULL;
	write = slot(s, s->tail);
	if (s->gathering)
		return write;
	write->disk.fd = s->segment.direct_fd;
	write->disk.buffered_fd = s->segment.fd;
	write->disk.n_iov = 0;
	write->disk.offset = offset;
	write->bytes = 0;
	write->buffers = 0;
	s->gathering = true;
	return write;
}

/* Half of the buffers may be in one write: the other half is filled meanwhile. There is always room for two pieces more. */
static bool is_worth_a_write(const struct stream *s, const struct stream_write *write)
{
	return write->bytes >= s->gather_bytes || write->disk.n_iov + 2 > DISK_IOV_MAX ||
	       write->buffers >= STREAM_BUFFERS / 2;
}

/* Pieces of the file that follow what is gathered. The memory stays as it is until `after` is committed. */
static void gather(struct stream *s, const struct iovec *iov, unsigned n_iov, uint64_t offset,
		   const struct ledger_commit *after)
{
	struct stream_write *write = gatherer(s, offset);

	if (write == NULL)
		return;
	for (unsigned i = 0; i < n_iov; i++) {
		write->disk.iov[write->disk.n_iov++] = iov[i];
		write->bytes += (uint32_t)iov[i].iov_len;
	}
	write->after = *after;
	if (is_worth_a_write(s, write))
		submit_gathered(s);
}

bool stream_await_write(struct stream *s)
{
	submit_gathered(s);
	if (s->head == s->tail)
		return false;
	disk_wait(s->disk);
	reap(s);
	return s->error == 0;
}

/* --- what goes out ---------------------------------------------------------------------------------------------- */

/* All staged bytes before n, a whole number of pages, have gone: what is left is carried. */
static void carry_from(struct stream *s, uint32_t n)
{
	assert(s->used - n < SEGMENT_ALIGN);
	memmove(s->carry, staged(s) + n, s->used - n);
	s->base += n;
	s->used -= n;
	s->written = s->written > n ? s->written - n : 0;
	s->loaded = false;
}

/* An entry for something that is done already; it counts when all before it are. Nothing is gathered. */
static void push_done(struct stream *s, const struct ledger_commit *after, int error, uint64_t since_ns)
{
	struct stream_write *write = slot(s, s->tail++);

	assert(!s->gathering);
	write->after = *after;
	write->buffers = 0;
	write->disk.done = true;
	write->disk.error = error;
	write->disk.submitted_ns = since_ns;
	write->disk.done_ns = since_ns != NO_WRITE ? clock_monotonic_ns() : NO_WRITE;
}

/* Staged bytes up to `end`, through the page cache. @return 0 or -errno */
static int write_cached(struct stream *s, uint32_t end)
{
	return newfile_write(s->segment.fd, staged(s) + s->written, end - s->written, s->base + s->written);
}

/* Pages of the buffer that is being filled, which is another one from now on. */
static void gather_buffer(struct stream *s, const struct iovec *pages, uint64_t offset, const struct ledger_commit *after)
{
	struct stream_write *write = gatherer(s, offset);

	if (write == NULL)
		return;
	write->buffers++;
	s->buffer_tail++;
	gather(s, pages, 1, offset, after);
}

/*
 * The whole pages of the buffer.
 *
 * If there is a part of the first one in the file, that page is filled through the page cache, where it may be: a direct
 * write over it would for a moment leave those who follow the file with its new length and the old page, and zeros at
 * that page's end. Nothing is under way then.
 */
static void gather_pages(struct stream *s)
{
	uint32_t n = s->used & ~PAGE_MASK, filled = s->written > 0 ? SEGMENT_ALIGN : 0;
	const struct iovec pages = {buffer(s) + filled, n - filled};
	/* What is in the last, broken page has not been written with this. */
	const struct ledger_commit after = n == s->used ? s->next : s->mark;
	uint64_t offset = s->base + filled, now = clock_monotonic_ns();
	int r = filled > 0 ? write_cached(s, filled) : 0;

	carry_from(s, n);
	if (r < 0 || n == filled)
		push_done(s, &after, r, now);
	else
		gather_buffer(s, &pages, offset, &after);
}

/* All that is staged, through the page cache: a copy, but it need not be whole pages, and there is no wait for the disk. */
static void write_rest(struct stream *s)
{
	uint64_t now = clock_monotonic_ns();
	int r = write_cached(s, s->used);

	s->written = s->used;
	carry_from(s, s->used & ~PAGE_MASK);
	push_done(s, &s->next, r, now);
}

/*
 * What is left over waits until nothing is under way: written before, it would make the file longer than what has been
 * written of it, and who follows the file would see zeros. It would wait for the file's lock as well.
 */
static void flush_staged(struct stream *s)
{
	if (s->loaded && s->used >= SEGMENT_ALIGN &&
	    (staged_bytes(s) >= DIRECT_MIN_BYTES || (s->used & PAGE_MASK) == 0))
		gather_pages(s);
	submit_gathered(s);
	if (s->error == 0 && staged_bytes(s) > 0 && is_idle(s)) /* an error makes it idle, too */
		write_rest(s);
	s->flushing = staged_bytes(s) > 0;
}

/* Nothing is staged, but perhaps there are blocks that are done with. */
static void note_progress(struct stream *s)
{
	const struct ledger_commit *last = s->head == s->tail ? &s->committed : &slot(s, s->tail - 1)->after;

	if (s->gathering)
		slot(s, s->tail)->after = s->next;
	else if (s->next.block == last->block && s->next.packet == last->packet)
		return;
	else if (s->head == s->tail)
		stream_publish(s);
	else if (wait_for_slot(s))
		push_done(s, &s->next, 0, NO_WRITE);
}

void stream_reap(struct stream *s)
{
	reap(s);
	while (s->flushing && s->error == 0 && is_idle(s)) {
		flush_staged(s);
		reap(s);
	}
}

void stream_flush(struct stream *s)
{
	reap(s);
	if (s->error == 0 && staged_bytes(s) > 0)
		flush_staged(s);
	else if (s->error == 0)
		note_progress(s);
	submit_gathered(s);
	stream_reap(s);
}

int stream_drain(struct stream *s)
{
	stream_flush(s);
	while (s->error == 0 && s->head < s->tail) {
		disk_wait(s->disk);
		stream_reap(s);
	}
	return s->error;
}

/* --- what comes in ---------------------------------------------------------------------------------------------- */

/* For the next bytes to be put. @return false after an error */
static bool wait_for_buffer(struct stream *s)
{
	reap(s);
	while (s->error == 0 && s->buffer_tail - s->buffer_head == STREAM_BUFFERS)
		stream_await_write(s);
	return s->error == 0;
}

void *stream_room(struct stream *s, uint32_t n)
{
	if (s->used + n > STREAM_BUFFER_BYTES && s->error == 0)
		gather_pages(s);
	if (s->error != 0)
		s->used = s->written = 0; /* it goes nowhere */
	if (!s->loaded) {
		if (!wait_for_buffer(s))
			s->used = s->written = 0;
		memcpy(buffer(s), s->carry, s->used);
		s->loaded = true;
	}
	return buffer(s) + s->used;
}

void stream_put(struct stream *s, uint32_t n)
{
	/* Here, or in the pages that this one ends in, is where the last whole page will end: up to here all is in it. */
	if ((s->used & PAGE_MASK) == 0 || (s->used & ~PAGE_MASK) != ((s->used + n) & ~PAGE_MASK))
		s->mark = s->next;
	s->used += n;
	s->next.segment_bytes += n;
	s->next.bytes_written += n;
}

void stream_seal(struct stream *s)
{
	reap(s);
	s->flushing = false;
	if (s->error != 0)
		return; /* found while it was put, too: then it went nowhere */
	assert((s->used & PAGE_MASK) == 0);
	if (s->used > 0)
		gather_pages(s);
}

void stream_direct(struct stream *s, const struct iovec *iov, unsigned n_iov)
{
	uint64_t offset = stream_offset(s);

	if (!wait_for_slot(s))
		return;
	assert(s->used == 0);
	for (unsigned i = 0; i < n_iov; i++)
		s->base += iov[i].iov_len;
	s->loaded = false;
	gather(s, iov, n_iov, offset, &s->next);
}

/* --- life ------------------------------------------------------------------------------------------------------ */

void stream_begin(struct stream *s)
{
	s->base = 0;
	s->used = s->written = 0;
	s->loaded = s->flushing = false;
}

int stream_resume(struct stream *s)
{
	uint64_t end = s->next.segment_bytes;
	ssize_t n;

	stream_begin(s);
	s->base = end & ~(uint64_t)PAGE_MASK;
	s->used = s->written = (uint32_t)(end & PAGE_MASK);
	n = pread(s->segment.fd, s->carry, s->used, (off_t)s->base);
	if (n < 0)
		return -errno;
	return (uint32_t)n == s->used ? 0 : -EIO;
}

uint64_t stream_rollback(struct stream *s)
{
	const struct ledger_commit reached = s->next;

	fail(s, 0);
	s->next = s->committed;
	s->next.block = reached.block;
	s->next.packet = reached.packet;
	memcpy(s->next.discarded, reached.discarded, sizeof(reached.discarded));
	s->next.packets_skipped = reached.packets_skipped;
	stream_begin(s);
	return reached.packets_written - s->next.packets_written;
}

/* A slow disk is no dead worker. */
static void beat(void *arg)
{
	ledger_beat(arg, clock_monotonic_ns());
}

int stream_open(struct stream *s, struct ledger *ledger, enum disk_method method)
{
	size_t bytes = (size_t)STREAM_BUFFERS * STREAM_BUFFER_BYTES + SEGMENT_ALIGN;
	int r, why;

	*s = (struct stream){.ledger = ledger, .segment = {.fd = -1, .direct_fd = -1}};
	ledger_read(ledger, &s->committed);
	s->next = s->committed;
	/* Of this, only what is used is ever there. */
	s->buffers = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->buffers == MAP_FAILED) {
		s->buffers = NULL;
		return -ENOMEM;
	}
	(void)madvise(s->buffers, bytes, MADV_DONTDUMP);
	s->carry = s->buffers + bytes - SEGMENT_ALIGN;
	r = disk_open(WRITES, method, &s->disk, &why);
	if (r < 0)
		return r;
	disk_on_wait(s->disk, beat, ledger);
	return why;
}

void stream_close(struct stream *s)
{
	disk_close(s->disk);
	segment_close(&s->segment);
	if (s->buffers != NULL)
		munmap(s->buffers, (size_t)STREAM_BUFFERS * STREAM_BUFFER_BYTES + SEGMENT_ALIGN);
	s->buffers = NULL;
	s->disk = NULL;
}
