// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fancap/filter.h"

#define ETHERNET 1

static void check_failure(const char *expression, uint32_t snaplen, const char *text)
{
	struct fancap_filter filter = {.prog = {.len = 77}};
	struct fancap_error err = {""};

	assert_int_equal(fancap_filter_compile(expression, ETHERNET, snaplen, NULL, &filter, &err), -EINVAL);
	assert_has(err.text, text);
	assert_int_equal(filter.prog.len, 77); /* untouched */
	assert_int_equal(fancap_filter_compile(expression, ETHERNET, snaplen, NULL, &filter, NULL), -EINVAL);
}

static void passes_on_what_libpcap_says(void **state)
{
	(void)state;
	check_failure("tpc port 80", 96, "syntax error");
	check_failure("port http-but-no", 96, "port 'http-but-no'");
	check_failure("ip and", 96, "syntax error");
	check_failure("host 1.2.3.4.5", 96, "1.2.3.4.5");
	check_failure("ip and ip6", 96, "expression rejects all packets");
}

static void refuses_a_snaplen_out_of_range(void **state)
{
	(void)state;
	check_failure("ip", 0, "snaplen 0: 1 to 262144 bytes are allowed");
	check_failure(NULL, 0, "snaplen 0: 1 to 262144 bytes are allowed");
	check_failure("ip", 262145, "snaplen 262145: 1 to 262144 bytes are allowed");
	check_failure("", UINT32_MAX, "snaplen 4294967295: 1 to 262144 bytes are allowed");
}

static void refuses_a_program_too_long_for_the_kernel(void **state)
{
	static char expression[60000];
	size_t n = 0;

	(void)state;
	for (unsigned i = 0; i < 2100; i++)
		n += (size_t)snprintf(expression + n, sizeof(expression) - n, "%sudp[%u] = %u", i ? " or " : "",
				      i % 200 * 2 + 8, i % 256);
	check_failure(expression, 96, "instructions, the kernel 4096 at most");
}

static void needs_no_program_for_everything(void **state)
{
	struct fancap_filter filter;

	(void)state;
	for (int i = 0; i < 2; i++) {
		memset(&filter, 0x55, sizeof(filter));
		assert_int_equal(fancap_filter_compile(i ? "" : NULL, ETHERNET, 262144, NULL, &filter, NULL), 0);
		assert_int_equal(filter.prog.len, 0);
		assert_null(filter.prog.filter);
		fancap_filter_done(&filter);
	}
}

static void truncates_everything_with_one_instruction(void **state)
{
	struct fancap_filter filter;

	(void)state;
	assert_int_equal(fancap_filter_compile("", ETHERNET, 262143, NULL, &filter, NULL), 0);
	assert_int_equal(filter.prog.len, 1);
	assert_int_equal(filter.prog.filter[0].code, BPF_RET | BPF_K);
	assert_int_equal(filter.prog.filter[0].k, 262143);
	fancap_filter_done(&filter);
	assert_int_equal(filter.prog.len, 0);
	fancap_filter_done(&filter); /* once more does nothing */
}

static void an_expression_keeps_snaplen_bytes_or_none(void **state)
{
	struct fancap_filter filter;
	unsigned keeps = 0, rejects = 0;

	(void)state;
	assert_int_equal(fancap_filter_compile("udp port 53", ETHERNET, 96, NULL, &filter, NULL), 0);
	for (unsigned i = 0; i < filter.prog.len; i++) {
		if (filter.prog.filter[i].code != (BPF_RET | BPF_K))
			continue;
		keeps += filter.prog.filter[i].k == 96;
		rejects += filter.prog.filter[i].k == 0;
	}
	assert_int_equal(keeps, 1);
	assert_int_equal(rejects, 1);
	fancap_filter_done(&filter);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_on_what_libpcap_says),
		cmocka_unit_test(refuses_a_snaplen_out_of_range),
		cmocka_unit_test(refuses_a_program_too_long_for_the_kernel),
		cmocka_unit_test(needs_no_program_for_everything),
		cmocka_unit_test(truncates_everything_with_one_instruction),
		cmocka_unit_test(an_expression_keeps_snaplen_bytes_or_none),
	};

	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
