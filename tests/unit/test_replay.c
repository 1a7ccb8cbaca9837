// SPDX-License-Identifier: BSD-3-Clause
/* The parts of fancap-replay that send nothing: options, what fits, merging, the store. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "replay/feed.h"
#include "replay/flow.h"
#include "replay/merge.h"
#include "replay/options.h"
#include "replay/report.h"
#include "replay/store.h"
#include "tests/unit/capfiles.h"

#define PCAP_NS 0xA1B23C4Du

/* --- options ------------------------------------------------------------------------------------------ */

static int parse(const char *const *words, struct options *ret, struct fancap_error *err)
{
	char *argv[16];
	int argc = 0;

	for (; words[argc] != NULL; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc];
	argv[argc] = NULL;
	optind = 0; /* getopt starts afresh */
	opterr = 0;
	return options_parse(argc, argv, ret, err);
}

static void takes_every_option(void **state)
{
	const char *const words[] = {"fancap-replay", "--speed", "2x",	  "--loop",  "0",      "--preload", "--filter",
				     "ip6",	      "--force", "--json", "--qdisc", "a.pcap", "b",	     "veth0", NULL};
	struct fancap_error err = {""};
	struct options options;

	(void)state;
	assert_int_equal(parse(words, &options, &err), 0);
	assert_int_equal(options.action, OPTIONS_REPLAY);
	assert_int_equal(options.speed.millionths, 2000000);
	assert_int_equal(options.loops, 0);
	assert_true(options.preload && options.force && options.json && options.qdisc);
	assert_string_equal(options.filter, "ip6");
	assert_int_equal(options.n_paths, 2);
	assert_string_equal(options.interface, "veth0");
}

static const struct {
	const char *words[6];
	const char *text;
} refused[] = {
	{{"fancap-replay", NULL}, "at least one FILE and the IFACE"},
	{{"fancap-replay", "a.pcap", NULL}, "at least one FILE and the IFACE"},
	{{"fancap-replay", "--loop", "-1", "a", "b", NULL},
	 "--loop wants a number from 0 (until stopped) to 18446744073709551615, not '-1'"},
	{{"fancap-replay", "--loop", "1x", "a", "b", NULL}, "not '1x'"},
	{{"fancap-replay", "--threads", "0", "a", "b", NULL}, "--threads wants a number from 1 to 256, not '0'"},
	{{"fancap-replay", "--threads", "257", "a", "b", NULL}, "not '257'"},
	{{"fancap-replay", "--threads", "2", "a", "b", NULL}, "--threads goes with --preload and --speed top"},
	{{"fancap-replay", "--loop", "18446744073709551616", "a", "b", NULL},
	 "to 18446744073709551615, not '18446744073709551616'"},
	{{"fancap-replay", "-", "a", "-", "b", NULL}, "standard input (-) can be one of the files only once"},
	{{"fancap-replay", "--speed", "warp", "a", "b", NULL}, "speed 'warp': allowed are"},
	{{"fancap-replay", "--nonsense", "a", "b", NULL}, ""},
};

static void refuses_other_command_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(refused); i++) {
		struct fancap_error err = {""};
		struct options options;

		assert_int_equal(parse(refused[i].words, &options, &err), -EINVAL);
		assert_has(err.text, refused[i].text);
	}
}

/* --- what fits ------------------------------------------------------------------------------------------ */

static const struct {
	enum fancap_linktype interface;
	uint16_t linktype;
	uint32_t len;
	uint16_t ethertype;
	enum skip_reason expected;
} fits[] = {
	{FANCAP_LINKTYPE_ETHERNET, 1, 14, 0x0800, SKIP_REASONS},
	{FANCAP_LINKTYPE_ETHERNET, 1, 13, 0, SKIP_TOO_SHORT},
	{FANCAP_LINKTYPE_ETHERNET, 1, 0, 0, SKIP_TOO_SHORT},
	{FANCAP_LINKTYPE_ETHERNET, 1, 1514, 0x0800, SKIP_REASONS},
	{FANCAP_LINKTYPE_ETHERNET, 1, 1515, 0x0800, SKIP_TOO_LONG},
	{FANCAP_LINKTYPE_ETHERNET, 1, 1518, 0x8100, SKIP_REASONS},
	{FANCAP_LINKTYPE_ETHERNET, 1, 1519, 0x8100, SKIP_TOO_LONG},
	{FANCAP_LINKTYPE_ETHERNET, 1, 1518, 0x88A8, SKIP_TOO_LONG},
	{FANCAP_LINKTYPE_ETHERNET, 101, 100, 0, SKIP_LINK_TYPE},
	{FANCAP_LINKTYPE_ETHERNET, 113, 100, 0, SKIP_LINK_TYPE},
	{FANCAP_LINKTYPE_RAW, 1, 100, 0, SKIP_LINK_TYPE},
	{FANCAP_LINKTYPE_RAW, 101, 1500, 0x8100, SKIP_REASONS},
	{FANCAP_LINKTYPE_RAW, 101, 1501, 0x8100, SKIP_TOO_LONG},
	{FANCAP_LINKTYPE_RAW, 228, 20, 0, SKIP_REASONS},
	{FANCAP_LINKTYPE_RAW, 229, 40, 0, SKIP_REASONS},
	{FANCAP_LINKTYPE_RAW, 101, 1, 0, SKIP_REASONS},
	{FANCAP_LINKTYPE_RAW, 101, 0, 0, SKIP_TOO_SHORT},
	{FANCAP_LINKTYPE_LINUX_SLL2, 276, 60, 0, SKIP_LINK_TYPE},
	{FANCAP_LINKTYPE_LINUX_SLL2, 1, 60, 0, SKIP_LINK_TYPE},
	{FANCAP_LINKTYPE_ETHERNET, 276, 60, 0, SKIP_LINK_TYPE},
};

static void sends_what_the_interface_takes_and_no_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(fits); i++) {
		const struct fancap_link link = {.mtu = 1500, .linktype = fits[i].interface};
		uint8_t data[2048] = {0};
		const struct replay_packet packet = {.data = data, .len = fits[i].len};

		data[12] = (uint8_t)(fits[i].ethertype >> 8);
		data[13] = (uint8_t)fits[i].ethertype;
		if (feed_fit(&link, fits[i].linktype, &packet) != fits[i].expected)
			fail_msg("row %zu: %d", i, feed_fit(&link, fits[i].linktype, &packet));
		if (fits[i].expected == SKIP_REASONS)
			assert_true(packet.len <= feed_packet_max(&link));
	}
}

/* --- files --------------------------------------------------------------------------------------------- */

/* A path to a file in memory. */
static void file_make(const struct test_capfile *made, char *path, size_t n)
{
	int fd = memfd_create("capfile", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, made->bytes, made->n), (ssize_t)made->n);
	snprintf(path, n, "/proc/self/fd/%d", fd);
}

static void file_remove(const char *path)
{
	close(atoi(strrchr(path, '/') + 1));
}

#define FILES 3u
static const uint32_t times[FILES][3] = {{1, 4, 4}, {2, 3, 9}, {4, 1, 5}};
/* By time; among equals, by file; out of order only within the third. */
static const uint8_t merged[] = {0x00, 0x10, 0x11, 0x01, 0x02, 0x20, 0x21, 0x22, 0x12};

static void files_make(char paths[FILES][32])
{
	for (uint32_t f = 0; f < FILES; f++) {
		struct test_capfile made = {.big_endian = f == 1};

		capfile_pcap(&made, PCAP_NS, 1);
		for (uint32_t i = 0; i < 3; i++)
			capfile_pcap_packet(&made, 0, times[f][i], 20, 20, (uint8_t)(16 * f + i), 0);
		file_make(&made, paths[f], sizeof(paths[f]));
	}
}

/* What the sender's ring has room for and the kernel sends, whatever the MTU is. */
static void knows_the_longest_packet_there_can_be(void **state)
{
	static uint8_t data[65551 + 4];
	struct fancap_link link = {.mtu = 65535, .linktype = FANCAP_LINKTYPE_ETHERNET};
	struct replay_packet packet = {.data = data, .len = 65549};

	(void)state;
	assert_int_equal(feed_fit(&link, FANCAP_LINKTYPE_ETHERNET, &packet), SKIP_REASONS);
	packet.len++;
	assert_int_equal(feed_fit(&link, FANCAP_LINKTYPE_ETHERNET, &packet), SKIP_TOO_LONG);
	link.mtu = INT_MAX;
	assert_int_equal(feed_packet_max(&link), 65536 + 14 + 4);
	assert_int_equal(feed_fit(&link, FANCAP_LINKTYPE_ETHERNET, &packet), SKIP_REASONS);
	packet.len++;
	assert_int_equal(feed_fit(&link, FANCAP_LINKTYPE_ETHERNET, &packet), SKIP_TOO_LONG);
}

static void merges_files_by_time(void **state)
{
	char paths[FILES][32];
	const char *names[FILES] = {paths[0], paths[1], paths[2]};
	struct fancap_capfile_packet packet;
	struct merge *merge;

	(void)state;
	files_make(paths);
	assert_int_equal(merge_open(names, FILES, &merge, NULL), 0);
	for (unsigned pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < sizeof(merged); i++) {
			assert_int_equal(merge_next(merge, &packet, NULL), 1);
			assert_int_equal(packet.data[0], merged[i]);
		}
		assert_int_equal(merge_next(merge, &packet, NULL), 0);
		assert_int_equal(merge_next(merge, &packet, NULL), 0);
		assert_int_equal(merge_rewind(merge, NULL), 0);
	}
	merge_close(merge);
	for (size_t f = 0; f < FILES; f++)
		file_remove(paths[f]);
}

static void tells_when_a_pipe_is_waited_for(void **state)
{
	struct test_capfile made = {0};
	struct fancap_capfile_packet packet;
	struct merge *merge;
	char file[32], path[32];
	const char *names[] = {file, path};
	int fds[2];

	(void)state;
	capfile_pcap(&made, PCAP_NS, 1);
	capfile_pcap_packet(&made, 0, 1, 20, 20, 0, 0);
	file_make(&made, file, sizeof(file));
	assert_int_equal(merge_open(names, 1, &merge, NULL), 0);
	assert_false(merge_may_wait(merge));
	merge_close(merge);
	assert_int_equal(pipe(fds), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	assert_int_equal(write(fds[1], made.bytes, made.n), (ssize_t)made.n);
	assert_int_equal(merge_open(names, 2, &merge, NULL), 0);
	assert_int_equal(merge_next(merge, &packet, NULL), 1);
	assert_true(merge_may_wait(merge));
	close(fds[1]);
	assert_false(merge_may_wait(merge));
	assert_int_equal(merge_next(merge, &packet, NULL), 1);
	assert_int_equal(merge_next(merge, &packet, NULL), 0);
	merge_close(merge);
	close(fds[0]);
	file_remove(file);
}

static struct feed *feed_make(const char *const *paths, size_t n, const char *filter, const volatile int *stop)
{
	const struct feed_params params = {.paths = paths, .n_paths = n, .filter = filter, .stop = stop,
					   .link = {.mtu = 1500, .linktype = FANCAP_LINKTYPE_ETHERNET}};
	struct fancap_error err = {""};
	struct feed *feed;

	if (feed_open(&params, &feed, &err) < 0)
		fail_msg("%s", err.text);
	return feed;
}

static void gives_the_same_from_memory_as_from_files(void **state)
{
	char paths[FILES][32];
	const char *names[FILES] = {paths[0], paths[1], paths[2]};
	volatile int stop = 0;

	(void)state;
	files_make(paths);
	for (unsigned preload = 0; preload < 2; preload++) {
		struct feed *feed = feed_make(names, FILES, "ether[0] & 0x0f != 1", &stop);
		struct replay_counts counts = {0};
		struct replay_packet packet;
		unsigned n = 0;

		if (preload)
			assert_int_equal(feed_preload(feed, NULL), 0);
		for (unsigned pass = 0; pass < 3; pass++) {
			for (size_t i = 0; i < sizeof(merged); i++) {
				if ((merged[i] & 0x0F) == 1)
					continue;
				assert_int_equal(feed_next(feed, &counts, &packet, NULL), 1);
				assert_int_equal(packet.data[0], merged[i]);
				assert_int_equal(packet.data[19], (uint8_t)(merged[i] + 19));
				assert_int_equal(packet.time_ns, times[merged[i] >> 4][merged[i] & 0x0F]);
				n++;
			}
			assert_int_equal(feed_next(feed, &counts, &packet, NULL), 0);
			assert_int_equal(feed_rewind(feed, NULL), 0);
		}
		assert_int_equal(n, 18);
		assert_int_equal(counts.skipped[SKIP_FILTER], 9);
		feed_close(feed);
	}
	for (size_t f = 0; f < FILES; f++)
		file_remove(paths[f]);
}

static void gives_nothing_behind_the_damage(void **state)
{
	struct test_capfile made;
	struct fancap_error err = {""};
	struct replay_counts counts = {0};
	struct replay_packet packet;
	char path[32];
	const char *paths[] = {path};
	volatile int stop = 0;
	struct feed *feed;

	(void)state;
	capfile_sample(0, &made);
	capfile_set32(&made, 59, 1000000); /* the second packet's microseconds */
	file_make(&made, path, sizeof(path));
	feed = feed_make(paths, 1, NULL, &stop);
	assert_int_equal(feed_next(feed, &counts, &packet, &err), 1);
	assert_int_equal(feed_next(feed, &counts, &packet, &err), -EBADMSG);
	assert_has(err.text, "offset 55: ");
	assert_int_equal(feed_next(feed, &counts, &packet, &err), -EBADMSG);
	feed_close(feed);
	feed = feed_make(paths, 1, NULL, &stop);
	assert_int_equal(feed_preload(feed, &err), -EBADMSG);
	stop = 2;
	assert_int_equal(feed_next(feed, &counts, &packet, &err), -EINTR);
	feed_close(feed);
	file_remove(path);
}

static void says_what_is_wrong_with_a_filter(void **state)
{
	const char *paths[] = {"/nowhere"};
	struct feed_params params = {.paths = paths, .n_paths = 1, .filter = "what",
				     .link = {.linktype = FANCAP_LINKTYPE_ETHERNET}};
	struct fancap_error err = {""};
	struct feed *feed;

	(void)state;
	assert_int_equal(feed_open(&params, &feed, &err), -EINVAL);
	assert_has(err.text, "filter 'what': ");
	params.filter = NULL;
	assert_int_equal(feed_open(&params, &feed, &err), -ENOENT);
	assert_string_equal(err.text, "/nowhere: No such file or directory");
}

static void stores_packets_of_any_length(void **state)
{
	static uint8_t data[70000];
	struct store store = {0};
	struct replay_packet packet;

	(void)state;
	assert_int_equal(store_next(&store, &packet), 0);
	for (uint32_t i = 0; i < 200; i++) {
		memset(data, (int)i, sizeof(data));
		packet = (struct replay_packet){.data = data, .len = i * i, .time_ns = i};
		assert_int_equal(store_add(&store, &packet), 0);
	}
	for (uint32_t i = 0; i < 200; i++) {
		assert_int_equal(store_next(&store, &packet), 1);
		assert_true(packet.len == i * i && packet.time_ns == i);
		for (uint32_t at = 0; at < packet.len; at++)
			assert_int_equal(packet.data[at], (uint8_t)i);
	}
	assert_int_equal(store_next(&store, &packet), 0);
	store_done(&store);
}

/* --- flows ------------------------------------------------------------------------------------------- */

/* An Ethernet frame: a prefix, then addresses a and b at offset at, in one order or the other. */
static uint32_t hash_of(const char *prefix, size_t prefix_bytes, size_t at, size_t n, uint8_t a, uint8_t b, size_t len)
{
	uint8_t data[128] = {0};
	const struct replay_packet packet = {.data = data, .len = (uint32_t)len};

	memcpy(data + 12, prefix, prefix_bytes);
	data[at + n - 1] = a;
	data[at + 2 * n - 1] = b;
	return flow_hash(FANCAP_LINKTYPE_ETHERNET, &packet);
}

static const struct {
	const char *name, *prefix;
	size_t prefix_bytes, at, n;
} flows[] = {
	{"ipv4", "\x08\x00", 2, 26, 4},
	{"ipv6", "\x86\xdd", 2, 22, 16},
	{"vlan", "\x81\x00\0\0\x08\x00", 6, 30, 4},
	{"qinq", "\x88\xa8\0\0\x81\x00\0\0\x86\xdd", 10, 30, 16},
	{"other", "\x88\xb5", 2, 0, 6},
};

static void both_directions_of_a_flow_are_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(flows); i++) {
		unsigned odd = 0;

		for (unsigned a = 1; a <= 100; a++) {
			uint32_t there = hash_of(flows[i].prefix, flows[i].prefix_bytes, flows[i].at, flows[i].n,
						 (uint8_t)a, 200, 100);
			uint32_t back = hash_of(flows[i].prefix, flows[i].prefix_bytes, flows[i].at, flows[i].n, 200,
						(uint8_t)a, 100);

			if (there != back)
				fail_msg("%s %u: %u and %u", flows[i].name, a, there, back);
			odd += there % 2;
		}
		assert_in_range(odd, 25, 75);
	}
}

static void hashes_frames_of_any_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(flows); i++) {
		for (uint32_t len = 1; len < 64; len++) {
			uint8_t *data = calloc(1, len); /* the sanitizers see a byte too far */
			const struct replay_packet packet = {.data = data, .len = len};

			assert_non_null(data);
			for (size_t at = 0; at < flows[i].prefix_bytes && 12 + at < len; at++)
				data[12 + at] = (uint8_t)flows[i].prefix[at];
			flow_hash(FANCAP_LINKTYPE_ETHERNET, &packet);
			flow_hash(FANCAP_LINKTYPE_RAW, &packet);
			free(data);
		}
	}
}

/* --- the report ------------------------------------------------------------------------------------------ */

static const struct report sample_report = {
	.interface = "veth0", .mtu = 1500, .paced = true, .late_max_ns = 250000, .duration_ns = 2000000000,
	.unsent = 3,
	.counts = {.packets_sent = 3000000, .bytes_sent = 192000000,
		   .skipped = {[SKIP_CUT] = 2, [SKIP_TOO_LONG] = 1}}};

static void expect_text(void (*print)(const struct report *, FILE *), const char *expected)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	print(&sample_report, f);
	fclose(f);
	assert_string_equal(text, expected);
	free(text);
}

static void reports_to_people_and_programs(void **state)
{
	(void)state;
	expect_text(report_print, "sent     3000000 packets, 192000000 bytes in 2.000 s (1.50 Mpps, 768 Mbit/s)\n"
				  "skipped  2 packets: truncated in the file\n"
				  "skipped  1 packets: too long for the interface\n"
				  "         (on veth0 packets have 1500 bytes at most, beside their link-layer header)\n"
				  "unsent   3 packets: stopped before they left\n"
				  "late     0.250 ms at worst\n");
	expect_text(report_print_json,
		    "{\"sent\": 3000000, \"bytes\": 192000000, \"seconds\": 2.000000, \"skipped\": {\"filter\": 0, "
		    "\"link_type\": 0, \"cut\": 2, \"too_long\": 1, \"too_short\": 0, \"refused\": 0}, \"unsent\": 3, "
		    "\"late_max_us\": 250.000}\n");
	expect_text(report_progress, "\r\033[K2.0 s: 3000000 packets, 1.50 Mpps, 768 Mbit/s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_every_option),
		cmocka_unit_test(refuses_other_command_lines),
		cmocka_unit_test(sends_what_the_interface_takes_and_no_more),
		cmocka_unit_test(knows_the_longest_packet_there_can_be),
		cmocka_unit_test(merges_files_by_time),
		cmocka_unit_test(tells_when_a_pipe_is_waited_for),
		cmocka_unit_test(gives_the_same_from_memory_as_from_files),
		cmocka_unit_test(gives_nothing_behind_the_damage),
		cmocka_unit_test(says_what_is_wrong_with_a_filter),
		cmocka_unit_test(stores_packets_of_any_length),
		cmocka_unit_test(both_directions_of_a_flow_are_one),
		cmocka_unit_test(hashes_frames_of_any_length),
		cmocka_unit_test(reports_to_people_and_programs),
	};

	return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
