// SPDX-License-Identifier: BSD-3-Clause
/* By hand: a packet of n bytes takes n + 82 + reserve, rounded up to 8; a block of 1 MiB has 1048576 - 48 for them. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fancap/planner.h"

#define MIB (1024ull * 1024)
#define GIB (1024 * MIB)
#define MS 1000000ull

static const struct {
	const char *name;
	struct fancap_plan_params params;
	uint32_t block_bytes, packets_per_block;
	uint64_t size_bytes, total_bytes, packets_per_s, bits_per_s;
	uint64_t retire_ns, retire_max_ns, stall_ns;
} plans[] = {
	{"size alone", {.size_bytes = 64 * MIB},
	 MIB, 0, 64 * MIB, 64 * MIB, 0, 0, 0, 100 * MS, 0},
	{"size is rounded up to blocks", {.size_bytes = 64 * MIB + 1, .workers = 3, .block_timeout_ms = 7},
	 MIB, 0, 65 * MIB, 195 * MIB, 0, 0, 0, 7 * MS, 0},
	/* 1000 + 82 -> 1088; 1048527 / 1088 = 963 */
	{"mean size gives packets a block", {.size_bytes = 4 * MIB, .packet_bytes = 1000},
	 MIB, 963, 4 * MIB, 4 * MIB, 0, 0, 0, 100 * MS, 0},
	{"snaplen cuts what is kept", {.size_bytes = 4 * MIB, .packet_bytes = 1000, .snaplen = 94},
	 MIB, 5957, 4 * MIB, 4 * MIB, 0, 0, 0, 100 * MS, 0}, /* 176 */
	{"reserve and private bytes", {.size_bytes = 4 * MIB, .packet_bytes = 60, .reserve_bytes = 2, .priv_bytes = 9},
	 MIB, 7281, 4 * MIB, 4 * MIB, 0, 0, 0, 100 * MS, 0}, /* (1048576 - 64 - 1) / 144 */
	/* 963 packets in 0.963 ms; 63 blocks */
	{"packet rate", {.size_bytes = 64 * MIB, .packet_bytes = 1000, .packets_per_s = 1000000},
	 MIB, 963, 64 * MIB, 64 * MIB, 1000000, 8000000000, 963000, 100 * MS, 60669000},
	{"bit rate", {.size_bytes = 64 * MIB, .packet_bytes = 1000, .bits_per_s = 8000000000},
	 MIB, 963, 64 * MIB, 64 * MIB, 1000000, 8000000000, 963000, 100 * MS, 60669000},
	{"both rates give the mean size", {.size_bytes = 64 * MIB, .packets_per_s = 1000000, .bits_per_s = 8000000000},
	 MIB, 963, 64 * MIB, 64 * MIB, 1000000, 8000000000, 963000, 100 * MS, 60669000},
	{"four workers share the rate",
	 {.size_bytes = 64 * MIB, .packet_bytes = 1000, .packets_per_s = 1000000, .workers = 4},
	 MIB, 963, 64 * MIB, 256 * MIB, 1000000, 8000000000, 3852000, 100 * MS, 242676000},
	/* Full after 9.63 s, but done after 100 ms: 63 * 100 ms. */
	{"at a low rate the timeout decides", {.size_bytes = 64 * MIB, .packet_bytes = 1000, .packets_per_s = 100},
	 MIB, 963, 64 * MIB, 64 * MIB, 100, 800000, 100 * MS, 100 * MS, 6300 * MS},
	/* 2 s / 0.963 ms = 2076.8: 2077 + 1 blocks, of which 2077 last 2000.151 ms */
	{"time and rate give the size", {.buffer_ms = 2000, .packet_bytes = 1000, .packets_per_s = 1000000},
	 MIB, 963, 2078 * MIB, 2078 * MIB, 1000000, 8000000000, 963000, 100 * MS, 2000151000},
	{"time, rate and workers", {.buffer_ms = 2000, .packet_bytes = 1000, .packets_per_s = 1000000, .workers = 4},
	 MIB, 963, 521 * MIB, 2084 * MIB, 1000000, 8000000000, 3852000, 100 * MS, 2003040000},
	/* 63 blocks of 963 packets in 1 s */
	{"size and time give the greatest rate", {.size_bytes = 64 * MIB, .buffer_ms = 1000, .packet_bytes = 1000},
	 MIB, 963, 64 * MIB, 64 * MIB, 60669, 485352000, 15873015, 100 * MS, 1000 * MS},
	{"block size is rounded up to pages", {.size_bytes = MIB, .block_bytes = 120000, .snaplen = 1514},
	 122880, 0, 9 * 122880, 9 * 122880, 0, 0, 0, 100 * MS, 0},
	{"blocks grow when they get too many", {.size_bytes = 100 * GIB},
	 2 * MIB, 0, 100 * GIB, 100 * GIB, 0, 0, 0, 100 * MS, 0},
	{"a single block rides out nothing", {.size_bytes = 1, .packet_bytes = 1000, .packets_per_s = 1000},
	 MIB, 963, MIB, MIB, 1000, 8000000, 100 * MS, 100 * MS, 0},
	{"a packet as large as the block", {.size_bytes = MIB, .packet_bytes = 262144, .block_bytes = 262144 + 8192},
	 262144 + 8192, 1, 4 * (262144 + 8192), 4 * (262144 + 8192), 0, 0, 0, 100 * MS, 0},
};

static void works_out_what_is_missing(void **state)
{
	(void)state;
	if (sysconf(_SC_PAGESIZE) != 4096)
		return;
	for (size_t i = 0; i < N_ELEMENTS(plans); i++) {
		struct fancap_error err = {""};
		struct fancap_plan plan;

		if (fancap_plan(&plans[i].params, &plan, &err) < 0)
			fail_msg("%s: %s", plans[i].name, err.text);
		print_message("# %s\n", plans[i].name);
		assert_int_equal(plan.ring.block_bytes, plans[i].block_bytes);
		assert_int_equal(plan.packets_per_block, plans[i].packets_per_block);
		assert_int_equal(plan.ring.size_bytes, plans[i].size_bytes);
		assert_int_equal(plan.geometry.map_bytes, plans[i].size_bytes);
		assert_int_equal(plan.packets_per_ring,
				 plans[i].size_bytes / plans[i].block_bytes * plans[i].packets_per_block);
		assert_int_equal(plan.total_bytes, plans[i].total_bytes);
		assert_int_equal(plan.packets_per_s, plans[i].packets_per_s);
		assert_int_equal(plan.bits_per_s, plans[i].bits_per_s);
		assert_int_equal(plan.retire_ns, plans[i].retire_ns);
		assert_int_equal(plan.retire_max_ns, plans[i].retire_max_ns);
		assert_int_equal(plan.stall_ns, plans[i].stall_ns);
	}
}

static void says_what_does_not_go(void **state)
{
	static const struct {
		struct fancap_plan_params params;
		const char *text;
	} rows[] = {
		{{0}, "give the size of the ring, or how long it is to buffer"},
		{{.packet_bytes = 1000, .packets_per_s = 1000}, "give the size of the ring, or how long it is to buffer"},
		{{.buffer_ms = 1000}, "a buffering time alone does not say how much comes in it: give a packet or bit "
				      "rate, or the size of the ring"},
		{{.buffer_ms = 1000, .packets_per_s = 5}, "a packet rate alone does not say how much memory packets "
							  "take: give their mean size too"},
		{{.size_bytes = MIB, .bits_per_s = 5}, "a bit rate alone does not say how much memory packets take: "
						       "give their mean size too"},
		{{.size_bytes = MIB, .buffer_ms = 1}, "a ring of 1 blocks rides out 0 ms at most, however few packets "
						      "come, since a block is done after its timeout of 100 ms: 1 ms "
						      "take 2 blocks"},
		{{.size_bytes = 4 * MIB, .buffer_ms = 300}, "ring size and buffering time give a rate only with the "
							    "mean packet size"},
		{{.size_bytes = 4 * MIB, .buffer_ms = 301, .packet_bytes = 60},
		 "a ring of 4 blocks rides out 300 ms at most, however few packets come, since a block is done after "
		 "its timeout of 100 ms: 301 ms take 5 blocks"},
		{{.size_bytes = MIB, .buffer_ms = 1, .packets_per_s = 9, .packet_bytes = 60},
		 "ring size, buffering time and rate: any two give the third, leave one out"},
		{{.size_bytes = MIB, .bits_per_s = 8000, .packets_per_s = 1, .packet_bytes = 900},
		 "8000 bits and 1 packets per second make packets of 1000 bytes, not 900: leave one of the three out"},
		{{.size_bytes = MIB, .bits_per_s = 8, .packets_per_s = 2},
		 "8 bits and 2 packets per second make packets of 0 bytes: 1 to 262144 are possible"},
		{{.buffer_ms = 6553500 + 100, .packets_per_s = 1, .packet_bytes = 60},
		 "6553600 ms of buffering would take more than 65535 blocks of 1073741824 bytes, even if every one lasts "
		 "100 ms: use a longer block timeout, larger blocks or more workers"},
		/* What the ring itself cannot be is said by the geometry. */
		{{.size_bytes = MIB, .block_timeout_ms = 60001}, "block timeout 60001 ms: 1 to 60000 ms are allowed"},
		{{.size_bytes = MIB, .block_bytes = 4096},
		 "block size 4096 cannot hold a packet of 65558 bytes, so packets would be cut short of snaplen 262144: "
		 "use a block size of at least 69632 or a snaplen of at most 3952"},
		{{.size_bytes = GIB, .block_bytes = 4096, .snaplen = 1514},
		 "ring of 262144 blocks: the kernel handles at most 65535; use blocks of at least 20480 bytes, or a ring "
		 "size of at most 268431360 is allowed"},
	};

	(void)state;
	if (sysconf(_SC_PAGESIZE) != 4096)
		return;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct fancap_plan plan = {.workers = 77};
		struct fancap_error err = {""};

		print_message("# %s\n", rows[i].text);
		assert_int_equal(fancap_plan(&rows[i].params, &plan, &err), -EINVAL);
		assert_string_equal(err.text, rows[i].text);
		assert_int_equal(plan.workers, 77); /* untouched */
	}
}

/* Each value as large as it may be, and one more. Of the ring's own limits, all are in test_geometry_kernel.c. */
static void takes_each_value_up_to_its_bound(void **state)
{
	static const struct {
		struct fancap_plan_params at, beyond;
		const char *text;
	} rows[] = {
		{{.size_bytes = MIB, .packets_per_s = 1000000000000, .packet_bytes = 60},
		 {.size_bytes = MIB, .packets_per_s = 1000000000001, .packet_bytes = 60},
		 "packet rate 1000000000001 is out of range: at most 1000000000000 is allowed"},
		{{.size_bytes = MIB, .bits_per_s = 1000000000000000, .packet_bytes = 60},
		 {.size_bytes = MIB, .bits_per_s = 1000000000000001, .packet_bytes = 60},
		 "bit rate 1000000000000001 is out of range: at most 1000000000000000 is allowed"},
		{{.buffer_ms = 3932040000, .packets_per_s = 1, .packet_bytes = 60, .block_timeout_ms = 60000},
		 {.buffer_ms = 3932040001, .packets_per_s = 1, .packet_bytes = 60, .block_timeout_ms = 60000},
		 "buffering time in ms 3932040001 is out of range: at most 3932040000 is allowed"},
		{{.size_bytes = MIB, .packet_bytes = 262144}, {.size_bytes = MIB, .packet_bytes = 262145},
		 "mean packet size 262145 is out of range: at most 262144 is allowed"},
		{{.size_bytes = MIB, .workers = 65536}, {.size_bytes = MIB, .workers = 65537},
		 "number of workers 65537 is out of range: at most 65536 is allowed"},
		{{.size_bytes = MIB, .block_bytes = 1073741824}, {.size_bytes = MIB, .block_bytes = 1073741825},
		 "block size 1073741825 is out of range: at most 1073741824 is allowed"},
		{{.size_bytes = 65535 * GIB}, {.size_bytes = 65535 * GIB + 1},
		 "ring size 70367670435841 is out of range: at most 70367670435840 is allowed"},
		/* What packet and bit rate make of packets: 262144 bytes, and one more. */
		{{.size_bytes = MIB, .bits_per_s = 262144 * 8, .packets_per_s = 1},
		 {.size_bytes = MIB, .bits_per_s = 262145 * 8, .packets_per_s = 1},
		 "2097160 bits and 1 packets per second make packets of 262145 bytes: 1 to 262144 are possible"},
		{{.size_bytes = MIB, .bits_per_s = 8, .packets_per_s = 1},
		 {.size_bytes = MIB, .bits_per_s = 7, .packets_per_s = 1},
		 "7 bits and 1 packets per second make packets of 0 bytes: 1 to 262144 are possible"},
		/* A mean size that was rounded by hand: one byte off, to either side, and two. */
		{{.size_bytes = MIB, .bits_per_s = 8000, .packets_per_s = 1, .packet_bytes = 1001},
		 {.size_bytes = MIB, .bits_per_s = 8000, .packets_per_s = 1, .packet_bytes = 1002},
		 "8000 bits and 1 packets per second make packets of 1000 bytes, not 1002: leave one of the three out"},
		{{.size_bytes = MIB, .bits_per_s = 8000, .packets_per_s = 1, .packet_bytes = 999},
		 {.size_bytes = MIB, .bits_per_s = 8000, .packets_per_s = 1, .packet_bytes = 998},
		 "8000 bits and 1 packets per second make packets of 1000 bytes, not 998: leave one of the three out"},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct fancap_error err = {""};
		struct fancap_plan plan;

		print_message("# %s\n", rows[i].text);
		if (fancap_plan(&rows[i].at, &plan, &err) < 0)
			fail_msg("at the bound: %s", err.text);
		assert_int_equal(fancap_plan(&rows[i].beyond, &plan, &err), -EINVAL);
		assert_string_equal(err.text, rows[i].text);
	}
}

static void the_longest_time_is_one_timeout_a_block(void **state)
{
	const struct fancap_plan_params params = {
		.buffer_ms = 65534 * 100, .packets_per_s = 1, .packet_bytes = 60};
	struct fancap_error err;
	struct fancap_plan plan;

	(void)state;
	if (fancap_plan(&params, &plan, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(plan.geometry.req.tp_block_nr, 65535);
	assert_int_equal(plan.stall_ns, 6553400 * MS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(works_out_what_is_missing),
		cmocka_unit_test(says_what_does_not_go),
		cmocka_unit_test(takes_each_value_up_to_its_bound),
		cmocka_unit_test(the_longest_time_is_one_timeout_a_block),
	};

	return cmocka_run_group_tests_name("planner", tests, NULL, NULL);
}
