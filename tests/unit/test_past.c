// SPDX-License-Identifier: BSD-3-Clause
/* What was counted with sets of rings that are no more, and supervisors that are killed at every step of keeping it. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/capture.h"
#include "daemon/log.h"
#include "daemon/snapshot.h"
#include "tests/unit/folder.h"
#include "tests/unit/manager.h"

#define INTERFACE "nosuch0"
#define RINGS 2
#define NAMES_MAX 8
#define CREATED UINT64_C(1700000000000000000)
#define BEFORE 100u /* packets, with sets that are no more */
#define WRITTEN 30u /* per ring */

/* What the service manager keeps. */
struct kept {
	char names[NAMES_MAX][64];
	int fds[NAMES_MAX];
	size_t n;
};

static struct fixture {
	struct manager manager;
	char *folder;
	const char *directories[1];
	struct config config;
	uint64_t before, since_ns; /* counted with sets that are no more; from when on */
} fx;

static void no_log(const struct log_message *message, void *arg)
{
	(void)message;
	(void)arg;
}

static int setup(void **state)
{
	(void)state;
	memset(&fx, 0, sizeof(fx));
	manager_open(&fx.manager);
	log_set_sink(no_log, NULL);
	fx.folder = folder_make();
	fx.directories[0] = fx.folder;
	fx.config.storage.directories = fx.directories;
	fx.config.storage.n_directories = 1;
	fx.before = BEFORE;
	fx.since_ns = CREATED - 1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	manager_close(&fx.manager);
	folder_remove(fx.folder);
	return 0;
}

/* --- the record itself -------------------------------------------------------------------------------------------- */

static struct past *make(const char *interface)
{
	struct past *past;

	assert_int_equal(past_new(interface, &past), 0);
	return past;
}

/* The memfd, as the service manager is given it. */
static int fd_of(struct past *past)
{
	char text[512];
	int fd;

	past_store(past);
	fd = manager_receive(&fx.manager, text, sizeof(text));
	assert_true(fd >= 0);
	return fd;
}

/* Another file of the same content, sealed alike. @param bytes that it has; 0: all */
static int copy_of(int fd, const char *content, size_t bytes)
{
	int copy = memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat st;
	char *from;

	assert_int_equal(fstat(fd, &st), 0);
	from = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(from, MAP_FAILED);
	if (bytes == 0)
		bytes = (size_t)st.st_size;
	assert_int_equal(write(copy, content != NULL ? content : from, bytes), (ssize_t)bytes);
	assert_int_equal(fcntl(copy, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	munmap(from, (size_t)st.st_size);
	return copy;
}

static void add(struct past *past, uint64_t id, uint64_t written)
{
	struct statistics_counters counters[RINGS] = {{.packets_written = written}, {.packets_written = 1, .write_max_ns = written}};

	past_add(past, id, id, counters, RINGS);
}

static void counters_are_added_up_by_worker(void **state)
{
	struct past *past = make("eth0");
	struct statistics_counters sum = {0}, many[PAST_WORKERS_MAX + 2] = {0};

	(void)state;
	assert_int_equal(past_workers(past), 0);
	assert_int_equal(past_since(past), UINT64_MAX);
	add(past, 7, 100);
	add(past, 5, 20);
	assert_int_equal(past_workers(past), 2);
	assert_int_equal(past_counters(past, 0)->packets_written, 120);
	assert_int_equal(past_counters(past, 1)->packets_written, 2);
	assert_int_equal(past_counters(past, 1)->write_max_ns, 100);
	assert_int_equal(past_since(past), 5);
	assert_true(past_has(past, 7) && past_has(past, 5));
	assert_false(past_has(past, 6));
	past_sum(past, 1, &sum);
	assert_int_equal(sum.packets_written, 2);
	many[PAST_WORKERS_MAX + 1].packets_written = 9;
	past_add(past, 8, 8, many, PAST_WORKERS_MAX + 2);
	assert_int_equal(past_workers(past), PAST_WORKERS_MAX);
	assert_int_equal(past_counters(past, PAST_WORKERS_MAX - 1)->packets_written, 9);
	past_free(past);
}

static void none_is_nothing(void **state)
{
	struct statistics_counters sum = {0};

	(void)state;
	assert_int_equal(past_workers(NULL), 0);
	assert_false(past_has(NULL, 1));
	assert_int_equal(past_since(NULL), UINT64_MAX);
	past_sum(NULL, 0, &sum);
	assert_int_equal(sum.packets_written, 0);
	past_free(NULL);
}

/* All that adding stores, but for the last: the one word that makes it so. */
static void what_is_half_added_is_not_there(void **state)
{
	struct past *past = make("eth0"), *found;
	static char before[1 << 18], half[1 << 18];
	int fd, copy;
	size_t bytes, word = 0;

	(void)state;
	add(past, 7, 100);
	fd = fd_of(past);
	bytes = (size_t)pread(fd, before, sizeof(before), 0);
	assert_true(bytes > 0 && bytes < sizeof(before));
	add(past, 8, 20);
	assert_int_equal(pread(fd, half, sizeof(half), 0), (ssize_t)bytes);
	while (memcmp(before + word, half + word, 8) == 0)
		word += 8;
	memcpy(half + word, before + word, 8); /* the generation comes before the pictures */
	assert_memory_not_equal(before, half, bytes);
	copy = copy_of(fd, half, 0);
	assert_int_equal(past_open(copy, &found), 0);
	assert_int_equal(past_counters(found, 0)->packets_written, 100);
	assert_true(past_has(found, 7));
	assert_false(past_has(found, 8));
	/* It goes on from there. */
	add(found, 8, 20);
	assert_int_equal(past_counters(found, 0)->packets_written, 120);
	past_free(found);
	past_free(past);
	close(fd);
}

static void what_is_none_is_refused(void **state)
{
	struct past *past = make("eth0"), *found;
	static char content[1 << 18];
	int fd = fd_of(past), other;
	size_t bytes = (size_t)pread(fd, content, sizeof(content), 0);

	(void)state;
	other = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(past_open(other, &found), -EBADMSG);
	close(other);
	other = copy_of(fd, NULL, 4096);
	assert_int_equal(past_open(other, &found), -EBADMSG);
	close(other);
	content[16]++; /* the version */
	other = copy_of(fd, content, 0);
	assert_int_equal(past_open(other, &found), -EPROTO);
	close(other);
	content[16]--;
	content[9] ^= 1; /* another size, and the file has it */
	other = copy_of(fd, content, bytes ^ 0x100);
	assert_int_equal(past_open(other, &found), -EPROTO);
	close(other);
	close(fd);
	past_free(past);
}

/* --- killed at every step ------------------------------------------------------------------------------------------ */

static void keep(struct kept *kept, const char *name, int fd)
{
	assert_true(kept->n < NAMES_MAX);
	snprintf(kept->names[kept->n], sizeof(kept->names[0]), "%s", name);
	kept->fds[kept->n++] = fd;
}

static void let_go(struct kept *kept, const char *name)
{
	for (size_t i = 0; i < kept->n; i++) {
		if (strcmp(kept->names[i], name) != 0)
			continue;
		close(kept->fds[i]);
		kept->n--;
		memmove(&kept->fds[i], &kept->fds[i + 1], (kept->n - i) * sizeof(kept->fds[0]));
		memmove(kept->names[i], kept->names[i + 1], (kept->n - i) * sizeof(kept->names[0]));
		return;
	}
}

static void let_all_go(struct kept *kept)
{
	for (size_t i = 0; i < kept->n; i++)
		close(kept->fds[i]);
	kept->n = 0;
}

/* A message: it does as it is told. */
static void obey(struct kept *kept, const char *text, int fd)
{
	const char *name = strstr(text, "FDNAME=");

	assert_non_null(name);
	if (fd >= 0)
		keep(kept, name + strlen("FDNAME="), fd);
	else
		let_go(kept, name + strlen("FDNAME="));
}

static void obey_all(struct kept *kept)
{
	char text[512];
	int fd = manager_receive(&fx.manager, text, sizeof(text));

	for (; text[0] != '\0'; fd = manager_receive(&fx.manager, text, sizeof(text)))
		obey(kept, text, fd);
}

/* A set of rings of which all is recorded, and what was counted before. */
static void prepare(struct kept *kept)
{
	struct past *past = make(INTERFACE);
	struct statistics_counters before = {.packets_written = BEFORE};

	for (unsigned i = 0; i < RINGS; i++) {
		struct ledger_ring ring = {
			.interface = INTERFACE, .worker = i, .members = RINGS, .created_ns = CREATED, .req.tp_block_size = 1u << 16,
		};
		struct ledger *ledger;
		int fd = ledger_create(&ring, &ledger);

		assert_true(fd >= 0);
		ledger_publish(ledger, &(struct ledger_commit){.packets_written = WRITTEN});
		ledger_set_kernel(ledger, &(struct fancap_stats){.packets = WRITTEN});
		ledger_unmap(ledger);
		assert_int_equal(store_put(&ring, fd, fd), 0); /* no socket: the ledger has the kernel's counters */
		obey_all(kept);
		close(fd);
	}
	past_add(past, CREATED - 1, CREATED - 1, &before, 1);
	past_store(past);
	obey_all(kept);
	past_free(past);
	assert_int_equal(kept->n, 2 * RINGS + 1);
}

/* A new supervisor, given what is kept; the interface is not configured any more. */
static void start(const struct kept *kept, struct captures *ret)
{
	char *names[NAMES_MAX];
	int fds[NAMES_MAX];
	struct store store;
	struct fancap_error err;

	for (size_t i = 0; i < kept->n; i++) {
		names[i] = (char *)(uintptr_t)kept->names[i];
		fds[i] = fcntl(kept->fds[i], F_DUPFD_CLOEXEC, 0);
	}
	*ret = (struct captures){0};
	assert_int_equal(store_take(&store, fds, names, kept->n), 0);
	captures_take_past(ret, &store);
	assert_int_equal(capture_open_left(&fx.config, &store, ret, &err), 0);
	captures_settle_pasts(ret, &store);
	store_done(&store);
}

static void assert_counted(const struct captures *captures)
{
	const struct snapshot_scope scope = {captures, UINT64_MAX};
	struct statistics *stats = snapshot_take(&scope);

	assert_int_equal(stats->total.packets_written, fx.before + RINGS * WRITTEN);
	assert_int_equal(stats->total.packets_seen, RINGS * WRITTEN);
	assert_int_equal(stats->total.packets_in_ring, 0);
	assert_int_equal(stats->started_ns, fx.since_ns);
	statistics_free(stats);
}

/* Its store is looked at by a supervisor that comes after one that was killed at this moment, and by one after that. */
static void assert_goes_on(const struct kept *kept)
{
	struct kept after = {.n = kept->n};
	struct captures captures;

	memcpy(after.names, kept->names, sizeof(after.names));
	for (size_t i = 0; i < kept->n; i++)
		after.fds[i] = fcntl(kept->fds[i], F_DUPFD_CLOEXEC, 0);
	for (int times = 0; times < 2; times++) {
		start(&after, &captures);
		assert_counted(&captures);
		captures_close(&captures);
		obey_all(&after);
	}
	let_all_go(&after);
}

/*
 * The supervisor is killed when it has told the service manager nothing of what waits to be received, or one message of that,
 * and so on. @return how many there were
 */
static size_t kill_at_every_step(struct kept *kept)
{
	char texts[NAMES_MAX][512];
	int fds[NAMES_MAX];
	size_t n = 0;

	for (;; n++) {
		assert_true(n < NAMES_MAX);
		fds[n] = manager_receive(&fx.manager, texts[n], sizeof(texts[n]));
		if (texts[n][0] == '\0')
			break;
	}
	assert_goes_on(kept);
	for (size_t i = 0; i < n; i++) {
		obey(kept, texts[i], fds[i]);
		assert_goes_on(kept);
	}
	return n;
}

/* Before the set is counted, and at each step of letting it go; then the same with all that was counted of the interface. */
static void all_is_counted_once_whenever_its_supervisor_is_killed(void **state)
{
	struct kept kept = {0};
	struct captures captures;
	struct capture *capture;

	(void)state;
	prepare(&kept);
	assert_goes_on(&kept);
	start(&kept, &captures);
	capture = captures_find(&captures, INTERFACE);
	assert_non_null(capture);
	capture_retire(capture, capture->sets);
	assert_counted(&captures);
	assert_int_equal(kill_at_every_step(&kept), 2 * RINGS);
	assert_int_equal(kept.n, 1);
	assert_string_equal(kept.names[0], "past-" INTERFACE);

	captures_forget(&captures, capture);
	assert_null(captures.first);
	assert_counted(&captures);
	assert_int_equal(kill_at_every_step(&kept), 2);
	assert_int_equal(kept.n, 1);
	assert_string_equal(kept.names[0], "past");
	captures_close(&captures);
	let_all_go(&kept);
}

/* As above, of one that had counted nothing with earlier sets: what is counted is told before rings are let go. */
static void the_first_set_is_counted_once_too(void **state)
{
	struct kept kept = {0};
	struct captures captures;

	(void)state;
	prepare(&kept);
	let_go(&kept, "past-" INTERFACE);
	start(&kept, &captures);
	fx.before = 0;
	fx.since_ns = CREATED;
	capture_retire(captures.first, captures.first->sets);
	assert_int_equal(kill_at_every_step(&kept), 1 + 2 * RINGS);
	assert_int_equal(kept.n, 1);
	captures_close(&captures);
	let_all_go(&kept);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(counters_are_added_up_by_worker),
		TEST(none_is_nothing),
		TEST(what_is_half_added_is_not_there),
		TEST(what_is_none_is_refused),
		TEST(all_is_counted_once_whenever_its_supervisor_is_killed),
		TEST(the_first_set_is_counted_once_too),
	};

	return cmocka_run_group_tests_name("past", tests, NULL, NULL);
}
