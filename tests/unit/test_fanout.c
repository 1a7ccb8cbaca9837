// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/if_packet.h>

#include "fancap/fanout.h"

static const struct {
	const char *name;
	enum fancap_fanout_mode mode;
	int kernel;
} modes[] = {
	{"hash", FANCAP_FANOUT_HASH, PACKET_FANOUT_HASH},
	{"lb", FANCAP_FANOUT_LB, PACKET_FANOUT_LB},
	{"cpu", FANCAP_FANOUT_CPU, PACKET_FANOUT_CPU},
	{"rollover", FANCAP_FANOUT_ROLLOVER, PACKET_FANOUT_ROLLOVER},
	{"rnd", FANCAP_FANOUT_RND, PACKET_FANOUT_RND},
	{"qm", FANCAP_FANOUT_QM, PACKET_FANOUT_QM},
	{"cbpf", FANCAP_FANOUT_CBPF, PACKET_FANOUT_CBPF},
	{"ebpf", FANCAP_FANOUT_EBPF, PACKET_FANOUT_EBPF},
};

static void names_every_mode_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(modes); i++) {
		enum fancap_fanout_mode mode = (enum fancap_fanout_mode)99;

		assert_int_equal(modes[i].mode, modes[i].kernel);
		assert_string_equal(fancap_fanout_mode_name(modes[i].mode), modes[i].name);
		assert_int_equal(fancap_fanout_mode_parse(modes[i].name, &mode), 0);
		assert_int_equal(mode, modes[i].mode);
	}
}

static void has_no_name_for_other_values(void **state)
{
	(void)state;
	assert_null(fancap_fanout_mode_name((enum fancap_fanout_mode)8));
	assert_null(fancap_fanout_mode_name((enum fancap_fanout_mode) - 1));
}

static void refuses_unknown_names(void **state)
{
	static const char *const names[] = {"", "HASH", "hash ", "has", "hashh", "round-robin"};
	enum fancap_fanout_mode mode = FANCAP_FANOUT_QM;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(names); i++)
		assert_int_equal(fancap_fanout_mode_parse(names[i], &mode), -EINVAL);
	assert_int_equal(mode, FANCAP_FANOUT_QM);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_every_mode_both_ways),
		cmocka_unit_test(has_no_name_for_other_values),
		cmocka_unit_test(refuses_unknown_names),
	};

	return cmocka_run_group_tests_name("fanout", tests, NULL, NULL);
}
