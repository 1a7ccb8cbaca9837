// SPDX-License-Identifier: BSD-3-Clause
/* fancapctl plan: by hand, in text and JSON, and whether fancapd takes what it proposes. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "ctl/capture_plan.h"
#include "tests/unit/ctl_run.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)
#define DAY_MS 86400000ull

/*
 * In the ring a packet of n bytes takes n + 82 + 2, rounded up to 8, and a block of 1 MiB has room for
 * (1048576 - 48 - 1) / that; written from there it takes its part of the block. Packed it takes n rounded up to 4 and 44.
 */
static const struct {
	const char *name;
	struct capture_wish wish;
	uint64_t ring_bytes, memory_bytes, record_bytes, written_per_s, file_ns, retain_bytes, file_system_bytes;
} plans[] = {
	{"a ring alone says nothing of disks", {.ring_bytes = 64 * MIB}, 64 * MIB, 74 * MIB, 0, 0, 0, 0, 0},
	/* 1000: slot 1088, 963 in a block: 1088.8 -> 1089 */
	{"large packets take what they take in the ring",
	 {.ring_bytes = 64 * MIB, .packet_bytes = 1000, .packets_per_s = 1000000},
	 64 * MIB, 74 * MIB, 1089, 1089000000, 985988820, 0, 0},
	/* 60 -> 104, slot 144 is less than 256 */
	{"small packets are packed", {.ring_bytes = 64 * MIB, .packet_bytes = 60, .packets_per_s = 1000000},
	 64 * MIB, 74 * MIB, 104, 104000000, 10324440616, 0, 0},
	/* 1000 cut to 94: slot 184 -> packed 96 + 44 */
	{"what is cut off is not written", {.ring_bytes = 64 * MIB, .packet_bytes = 1000, .snaplen = 94, .packets_per_s = 10},
	 64 * MIB, 74 * MIB, 140, 1400, 766958445714286, 0, 0},
	/* 2077 + 1 blocks; 4 workers' files */
	{"workers share rate and files", {.outage_ms = 2000, .packet_bytes = 998, .packets_per_s = 1000000, .workers = 4},
	 521 * MIB, 2124 * MIB, 1089, 1089000000, 3943955277, 0, 0},
	/* 104 B * 1e6 * 86400 s = 8985600000000 B = 8368.5 GiB, + 1 GiB, rounded up */
	{"a day is kept", {.ring_bytes = 64 * MIB, .packet_bytes = 60, .packets_per_s = 1000000, .keep_ms = DAY_MS},
	 64 * MIB, 74 * MIB, 104, 104000000, 10324440616, 8370 * GIB, 9460230596716},
	{"two files for each worker at least",
	 {.ring_bytes = 64 * MIB, .packet_bytes = 60, .packets_per_s = 1, .workers = 3, .keep_ms = 1000},
	 64 * MIB, 222 * MIB, 104, 104, 30973321846153847, 6 * GIB, 6781527310},
};

static void works_out_memory_and_disk(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(plans); i++) {
		struct fancap_error err = {""};
		struct capture_plan plan;

		print_message("# %s\n", plans[i].name);
		if (capture_plan(&plans[i].wish, &plan, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(plan.rings.ring.size_bytes, plans[i].ring_bytes);
		assert_int_equal(plan.memory_bytes, plans[i].memory_bytes);
		assert_int_equal(plan.record_bytes, plans[i].record_bytes);
		assert_int_equal(plan.written_per_s, plans[i].written_per_s);
		assert_int_equal(plan.file_ns, plans[i].file_ns);
		assert_int_equal(plan.retain_bytes, plans[i].retain_bytes);
		assert_int_equal(plan.file_system_bytes, plans[i].file_system_bytes);
	}
}

static void plan_is_printed(void **state)
{
	(void)state;
	assert_line("plan eth7 --rate 10Gbit --mean 800 --workers 8 --outage 2s --keep 7d", CTL_OK,
"# Traffic: 10.0 Gbit/s: 1,562,500 packets of 800 bytes a second, at most; 195,312 for each of 8 workers if they come evenly.\n"
"# Ring: 333.0 MiB for each worker: 333 blocks of 1.0 MiB, 1,180 packets in each.\n"
"#   A worker or its disk may do nothing for 2.0 s before packets are dropped; a block is full after 6.0 ms.\n"
"# Memory: 2.7 GiB in all: 2.6 GiB for rings, and some 10.0 MiB for each worker.\n"
"# Disk: 1.3 GiB a second have to be written for as long as that lasts: 889 bytes a packet; a worker's file of 1 GiB lasts 6.2 s.\n"
"#   To keep 7d of it takes 764.1 TiB for recordings, on file systems of 804.3 TiB, of which 5 % stay free.\n"
"\n"
"interfaces:\n"
"  - name: \"eth7\"\n"
"    workers: 8\n"
"    ring:\n"
"      size: 333MiB\n"
"      block-size: 1MiB\n"
"      block-timeout: 100ms\n"
"storage:\n"
"  retain:\n"
"    size: 782417GiB\n"
"    age: 7d\n", "");
	assert_line("plan --ring 64MiB --block-size 512KiB --snaplen 96", CTL_OK,
"# Ring: 64.0 MiB for each worker: 128 blocks of 512.0 KiB.\n"
"# Memory: 74.0 MiB in all: 64.0 MiB for rings, and some 10.0 MiB for each worker.\n"
"\n"
"interfaces:\n"
"  - name: \"eth0\"\n"
"    workers: 1\n"
"    ring:\n"
"      size: 64MiB\n"
"      block-size: 512KiB\n"
"      block-timeout: 100ms\n"
"    snaplen: 96\n", "");
}

static void json_has_exact_numbers_and_the_configuration(void **state)
{
	(void)state;
	assert_line("plan --json --rate 1Mpps --mean 60 --ring 64MiB", CTL_OK,
"{\n"
"  \"format\": 1,\n"
"  \"workers\": 1,\n"
"  \"packets_per_s\": 1000000,\n"
"  \"bits_per_s\": 480000000,\n"
"  \"packet_bytes\": 60,\n"
"  \"snaplen\": 262144,\n"
"  \"ring_bytes\": 67108864,\n"
"  \"ring_blocks\": 64,\n"
"  \"block_bytes\": 1048576,\n"
"  \"block_timeout_ms\": 100,\n"
"  \"packets_per_block\": 7281,\n"
"  \"block_full_ns\": 7281000,\n"
"  \"outage_ns\": 458703000,\n"
"  \"rings_bytes\": 67108864,\n"
"  \"memory_bytes\": 77594624,\n"
"  \"record_bytes\": 104,\n"
"  \"written_bytes_per_s\": 104000000,\n"
"  \"retain_bytes\": null,\n"
"  \"file_system_bytes\": null,\n"
"  \"yaml\": \"interfaces:\\n  - name: \\\"eth0\\\"\\n    workers: 1\\n    ring:\\n      size: 64MiB\\n"
"      block-size: 1MiB\\n      block-timeout: 100ms\\n\"\n"
"}\n", "");
}

/* What is printed, comments and all, is a file that fancapd --check-config takes; so is the one in the JSON. */
static void assert_accepted(const char *yaml)
{
	char path[] = "/tmp/fancap-test-XXXXXX", command[512];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, yaml, strlen(yaml)), strlen(yaml));
	close(fd);
	snprintf(command, sizeof(command), "exec >/dev/null; '%s/fancapd' --check-config %s", getenv("BUILDDIR"), path);
	assert_int_equal(system(command), 0);
	unlink(path);
}

static void fancapd_takes_what_is_proposed(void **state)
{
	static const char *const lines[] = {
		"plan --rate 10Gbit --mean 800 --workers 8 --outage 2s --keep 7d",
		"plan --rate 1.2Mpps --mean 60 --workers 256 --outage 500ms --keep 1s",
		"plan --rate 1pps --mean 1500 --outage 1h --keep 36500d",
		"plan --rate 100Gbit --mean 1 --outage 10s --workers 16 --snaplen 64",
		"plan --ring 5000 --block-size 5000 --snaplen 100",
		"plan --ring 16TiB --block-size 1GiB",
		"plan true --ring 100GiB",
		"plan 1e3 --ring 64MiB --outage 1s --mean 900 --keep 90min",
	};

	(void)state;
	assert_non_null(getenv("BUILDDIR")); /* make check sets it */
	for (size_t i = 0; i < N_ELEMENTS(lines); i++) {
		char line[256];
		struct result run = run_line("/nonexistent/s", lines[i]);
		json_t *json;

		print_message("# %s\n", lines[i]);
		assert_string_equal(run.err, "");
		assert_accepted(run.out);
		result_free(&run);
		snprintf(line, sizeof(line), "%s --json", lines[i]);
		run = run_line("/nonexistent/s", line);
		json = json_loads(run.out, 0, NULL);
		assert_accepted(json_string_value(json_object_get(json, "yaml")));
		json_decref(json);
		result_free(&run);
	}
}

static void says_what_is_wrong(void **state)
{
	static const char *const rows[][2] = {
		{"plan", "give the size of the ring, or how long it is to buffer"},
		{"plan --rate 5x --ring 1MiB", "--rate '5x': allowed are bits per second (10Gbit) or packets per second"},
		{"plan --rate fast --ring 1MiB", "--rate 'fast': allowed are"},
		{"plan --rate 0.5pps --ring 1MiB", "from 1 to 10^12"},
		{"plan --rate 1Gbit --outage 1s", "give their mean size too"},
		{"plan --mean 0 --ring 1MiB", "--mean '0': a whole number, at least 1"},
		{"plan --mean -1 --ring 1MiB", "--mean '-1': a whole number"},
		{"plan --mean 8e2 --ring 1MiB", "--mean '8e2': a whole number"},
		{"plan --mean 300000 --ring 1MiB", "mean packet size 300000 is out of range: fancapd takes 1 to 262144"},
		{"plan --workers 257 --ring 1MiB", "number of workers 257 is out of range: fancapd takes 1 to 256"},
		{"plan --workers 99999999999999999999 --ring 1MiB", "a whole number"},
		{"plan --snaplen 262145 --ring 1MiB", "snaplen 262145 is out of range"},
		{"plan --outage 2 --mean 60", "'2' has no unit"},
		{"plan --outage 0s --mean 60", "--outage '0s': more than 0 is allowed"},
		{"plan --ring 0 --mean 60", "--ring '0': more than 0 is allowed"},
		{"plan --ring 17TiB", "ring size 17TiB is out of range: fancapd takes 4KiB to 16TiB"},
		{"plan --ring 64MiB --block-size 2GiB", "block size 2GiB is out of range: fancapd takes 4KiB to 1GiB"},
		{"plan --ring 64MiB --keep 7d", "depends on what comes: give a packet or bit rate"},
		{"plan --ring 64MiB --keep 36501d --rate 1pps --mean 60", "time to keep 36501d is out of range"},
		{"plan --rate 1000Gbit --mean 60 --outage 1s --keep 36500d", "room for recordings"},
		{"plan --rate 1Mpps --mean 60 --outage 1s --ring 1GiB", "any two give the third"},
		{"plan a/b --ring 64MiB", "'a/b' can be no interface's name"},
		{"plan sixteenbytes1234 --ring 64MiB", "can be no interface's name"},
		{"plan eth0 eth1 --ring 64MiB", "plan takes [INTERFACE]"},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct result run = run_line("/nonexistent/s", rows[i][0]);

		assert_has(run.err, rows[i][1]);
		assert_string_equal(run.out, "");
		assert_int_equal(run.exit, CTL_USAGE);
		result_free(&run);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(works_out_memory_and_disk),
		cmocka_unit_test(plan_is_printed),
		cmocka_unit_test(json_has_exact_numbers_and_the_configuration),
		cmocka_unit_test(fancapd_takes_what_is_proposed),
		cmocka_unit_test(says_what_is_wrong),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
