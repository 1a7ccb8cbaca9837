// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "varlink/framer.h"
#include "varlink/interfaces.h"
#include "varlink/message.h"

#define LIMIT ((size_t)100)

/* --- framer ----------------------------------------------------------------------------------- */

/* Feed bytes in pieces, and say what came out: messages joined by '|', '!' at the end of a lost stream. */
static char *frames(const char *bytes, size_t len, size_t piece, size_t max_bytes)
{
	struct varlink_framer framer;
	char *out = calloc(1, 2 * len + 2);
	const char *text;
	size_t text_len;
	int r = 0;

	varlink_framer_init(&framer, max_bytes);
	for (size_t at = 0; at < len && r >= 0; at += piece) {
		assert_int_equal(varlink_framer_feed(&framer, bytes + at, len - at < piece ? len - at : piece), 0);
		while ((r = varlink_framer_next(&framer, &text, &text_len)) == 1) {
			assert_int_equal(strlen(text), text_len);
			strcat(strcat(out, text), "|");
		}
	}
	if (r < 0) {
		assert_int_equal(r, -EMSGSIZE);
		strcat(out, "!");
	}
	varlink_framer_done(&framer);
	return out;
}

static void assert_frames(const char *bytes, size_t len, size_t max_bytes, const char *expected)
{
	for (size_t piece = 1; piece <= len; piece++) {
		char *out = frames(bytes, len, piece, max_bytes);

		assert_string_equal(out, expected);
		free(out);
	}
}

static void pieces_of_every_size_give_the_same_messages(void **state)
{
	static const char bytes[] = "one\0two\0\0three\0rest";

	(void)state;
	assert_frames(bytes, sizeof(bytes) - 1, LIMIT, "one|two||three|");
	assert_frames(bytes, sizeof(bytes), LIMIT, "one|two||three|rest|");
}

static void message_of_the_limit_is_taken(void **state)
{
	(void)state;
	assert_frames("12345\0", 6, 5, "12345|");
	assert_frames("1\00012345\0", 8, 5, "1|12345|");
}

static void message_above_the_limit_loses_the_stream(void **state)
{
	(void)state;
	assert_frames("123456\0", 7, 5, "!");
	assert_frames("123456", 6, 5, "!"); /* without waiting for its end */
	assert_frames("1\000123456", 8, 5, "1|!");
}

static void framer_knows_a_partial_message(void **state)
{
	struct varlink_framer framer;
	const char *text;
	size_t len;

	(void)state;
	varlink_framer_init(&framer, LIMIT);
	assert_false(varlink_framer_partial(&framer));
	assert_int_equal(varlink_framer_next(&framer, &text, &len), 0);
	assert_int_equal(varlink_framer_feed(&framer, "a\0b", 3), 0);
	assert_int_equal(varlink_framer_next(&framer, &text, &len), 1);
	assert_int_equal(varlink_framer_next(&framer, &text, &len), 0);
	assert_true(varlink_framer_partial(&framer));
	assert_int_equal(varlink_framer_feed(&framer, "", 1), 0);
	assert_int_equal(varlink_framer_next(&framer, &text, &len), 1);
	assert_string_equal(text, "b");
	assert_int_equal(varlink_framer_next(&framer, &text, &len), 0);
	assert_false(varlink_framer_partial(&framer));
	varlink_framer_done(&framer);
}

static void framer_memory_stays_bounded(void **state)
{
	struct varlink_framer framer;
	char piece[256];
	const char *text;
	size_t len;

	(void)state;
	memset(piece, 'x', sizeof(piece));
	piece[sizeof(piece) - 1] = '\0';
	varlink_framer_init(&framer, LIMIT * 10);
	for (int i = 0; i < 10000; i++) {
		assert_int_equal(varlink_framer_feed(&framer, piece, sizeof(piece)), 0);
		assert_int_equal(varlink_framer_next(&framer, &text, &len), 1);
		assert_int_equal(varlink_framer_next(&framer, &text, &len), 0);
	}
	assert_true(framer.capacity <= 4096);
	varlink_framer_done(&framer);
}

/* --- calls ------------------------------------------------------------------------------------ */

static enum varlink_fault fault_of(const char *text, size_t len)
{
	struct varlink_call call;
	enum varlink_fault fault = varlink_call_parse(text, len, &call);

	if (!fault)
		varlink_call_done(&call);
	return fault;
}

static void call_is_read(void **state)
{
	static const char text[] = "{\"method\":\"io.fancap.GetStatistics\",\"parameters\":{\"interface\":\"eth0\"},"
				   "\"more\":true,\"oneway\":false}";
	struct varlink_call call;

	(void)state;
	assert_int_equal(varlink_call_parse(text, strlen(text), &call), VARLINK_OK);
	assert_string_equal(call.method, "io.fancap.GetStatistics");
	assert_string_equal(json_string_value(json_object_get(call.parameters, "interface")), "eth0");
	assert_true(call.more);
	assert_false(call.oneway);
	assert_false(call.upgrade);
	varlink_call_done(&call);
	assert_null(call.root);
}

static void call_without_parameters_has_empty_ones(void **state)
{
	static const char *const texts[] = { "{\"method\":\"a.B\"}", "{\"method\":\"a.B\",\"parameters\":null}",
					     "{\"method\":\"a.B\",\"parameters\":{}}" };
	struct varlink_call call;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(varlink_call_parse(texts[i], strlen(texts[i]), &call), VARLINK_OK);
		assert_int_equal(json_object_size(call.parameters), 0);
		varlink_call_done(&call);
	}
}

static void faults_are_told_apart(void **state)
{
	static const struct {
		const char *text;
		enum varlink_fault fault;
	} cases[] = {
		{ "", VARLINK_NOT_JSON },
		{ "   ", VARLINK_NOT_JSON },
		{ "{", VARLINK_NOT_JSON },
		{ "{\"method\":\"a.B\"", VARLINK_NOT_JSON },
		{ "{\"method\":\"a.B\"} x", VARLINK_NOT_JSON },
		{ "{\"method\":\"a.B\"}{}", VARLINK_NOT_JSON },
		{ "{'method':'a.B'}", VARLINK_NOT_JSON },
		{ "{\"method\":\"a.B\",\"x\":99999999999999999999}", VARLINK_NOT_JSON },
		{ "{\"method\":\"a.B\",\"method\":\"a.C\"}", VARLINK_NOT_JSON },
		{ "{\"method\":\"a.B\",\"parameters\":{\"x\":1,\"x\":2}}", VARLINK_NOT_JSON },
		{ "{\"method\":\"a.B\",\"x\":\"\\u0000\"}", VARLINK_NOT_JSON },
		{ "{\"method\":\"a.\xff\"}", VARLINK_NOT_JSON },
		{ "{\"method\":\"a.B\",\"x\":\"\xc0\xaf\"}", VARLINK_NOT_JSON },
		{ "{\"method\":\"a.B\",\"x\":\"\xed\xa0\x80\"}", VARLINK_NOT_JSON },
		{ "[]", VARLINK_NOT_OBJECT },
		{ "1", VARLINK_NOT_OBJECT },
		{ "\"method\"", VARLINK_NOT_OBJECT },
		{ "null", VARLINK_NOT_OBJECT },
		{ "{}", VARLINK_NO_METHOD },
		{ "{\"method\":null}", VARLINK_NO_METHOD },
		{ "{\"method\":7}", VARLINK_NO_METHOD },
		{ "{\"method\":\"\"}", VARLINK_NO_METHOD },
		{ "{\"method\":\"GetStatus\"}", VARLINK_NO_METHOD },
		{ "{\"method\":\".GetStatus\"}", VARLINK_NO_METHOD },
		{ "{\"method\":\"io.fancap.\"}", VARLINK_NO_METHOD },
		{ "{\"method\":\"io.fancap.Get\\u001b\"}", VARLINK_NO_METHOD },
		{ "{\"method\":\"a.B\",\"parameters\":[]}", VARLINK_BAD_PARAMETERS },
		{ "{\"method\":\"a.B\",\"parameters\":\"x\"}", VARLINK_BAD_PARAMETERS },
		{ "{\"method\":\"a.B\",\"oneway\":1}", VARLINK_BAD_FLAG },
		{ "{\"method\":\"a.B\",\"more\":\"true\"}", VARLINK_BAD_FLAG },
		{ "{\"method\":\"a.B\",\"upgrade\":{}}", VARLINK_BAD_FLAG },
		{ "{\"method\":\"a.B\",\"extra\":[1,2,{}]}", VARLINK_OK },
		{ " {\"method\":\"a.B\"}\n", VARLINK_OK },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		enum varlink_fault fault = fault_of(cases[i].text, strlen(cases[i].text));

		if (fault != cases[i].fault)
			fail_msg("%s: %s", cases[i].text, varlink_fault_text(fault));
	}
}

static void every_truncation_of_a_call_is_refused(void **state)
{
	static const char text[] = "{\"method\":\"a.B\",\"parameters\":{\"x\":[1,\"\xc3\xa9\"]},\"more\":true}";

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++)
		assert_int_equal(fault_of(text, len), VARLINK_NOT_JSON);
	assert_int_equal(fault_of(text, sizeof(text) - 1), VARLINK_OK);
}

static void binary_is_refused(void **state)
{
	unsigned char bytes[512];
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (unsigned char)((seed = seed * 1103515245U + 12345U) >> 16);
		assert_int_not_equal(fault_of((char *)bytes, sizeof(bytes)), VARLINK_OK);
	}
}

/* A call of the given nesting in all, with objects or arrays. */
static enum varlink_fault fault_of_nested(unsigned levels, const char *open, const char *close)
{
	char text[4096] = "{\"method\":\"a.B\",\"x\":";

	for (unsigned i = 1; i < levels; i++)
		strcat(text, open);
	strcat(text, "1");
	for (unsigned i = 1; i < levels; i++)
		strcat(text, close);
	strcat(text, "}");
	return fault_of(text, strlen(text));
}

static void nesting_of_32_is_read_and_of_33_refused(void **state)
{
	(void)state;
	assert_int_equal(fault_of_nested(32, "[", "]"), VARLINK_OK);
	assert_int_equal(fault_of_nested(33, "[", "]"), VARLINK_TOO_DEEP);
	assert_int_equal(fault_of_nested(32, "{\"a\":", "}"), VARLINK_OK);
	assert_int_equal(fault_of_nested(33, "{\"a\":", "}"), VARLINK_TOO_DEEP);
}

static void brackets_in_strings_are_no_nesting(void **state)
{
	static const char text[] = "{\"method\":\"a.B\",\"x\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{\\\\\","
				   "\"y\":[]}";

	(void)state;
	assert_int_equal(fault_of(text, strlen(text)), VARLINK_OK);
}

static void neighbours_are_no_nesting(void **state)
{
	char text[4096] = "{\"method\":\"a.B\",\"x\":[[]";

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(text, ",[{}]");
	strcat(text, "]}");
	assert_int_equal(fault_of(text, strlen(text)), VARLINK_OK);
}

static void every_fault_has_a_text(void **state)
{
	(void)state;
	for (int i = 0; i < VARLINK_FAULTS; i++)
		assert_non_null(varlink_fault_text((enum varlink_fault)i));
}

/* --- replies ---------------------------------------------------------------------------------- */

static void assert_built(char *text, size_t len, const char *expected)
{
	assert_non_null(text);
	assert_string_equal(text, expected);
	assert_int_equal(len, strlen(expected) + 1);
	free(text);
}

static void messages_are_built(void **state)
{
	json_t *parameters = json_pack("{s:i}", "n", 1);
	size_t len;
	char *text;

	(void)state;
	text = varlink_call_build("a.B", parameters, false, &len);
	assert_built(text, len, "{\"method\":\"a.B\",\"parameters\":{\"n\":1}}");
	text = varlink_call_build("a.B", NULL, true, &len);
	assert_built(text, len, "{\"method\":\"a.B\",\"more\":true}");
	text = varlink_call_build("a.B", NULL, false, &len);
	assert_built(text, len, "{\"method\":\"a.B\"}");
	text = varlink_reply_build(parameters, false, &len);
	assert_built(text, len, "{\"parameters\":{\"n\":1}}");
	text = varlink_reply_build(NULL, true, &len);
	assert_built(text, len, "{\"parameters\":{},\"continues\":true}");
	text = varlink_error_build("a.E", parameters, &len);
	assert_built(text, len, "{\"error\":\"a.E\",\"parameters\":{\"n\":1}}");
	text = varlink_error_build("a.E", NULL, &len);
	assert_built(text, len, "{\"error\":\"a.E\",\"parameters\":{}}");
	assert_int_equal(parameters->refcount, 1);
	json_decref(parameters);
}

static void replies_are_read(void **state)
{
	static const struct {
		const char *text;
		enum varlink_fault fault;
		const char *error;
		bool continues;
	} cases[] = {
		{ "{}", VARLINK_OK, NULL, false },
		{ "{\"parameters\":{\"a\":1},\"continues\":true}", VARLINK_OK, NULL, true },
		{ "{\"error\":\"a.E\"}", VARLINK_OK, "a.E", false },
		{ "{\"error\":null}", VARLINK_OK, NULL, false },
		{ "{\"error\":5}", VARLINK_BAD_ERROR, NULL, false },
		{ "{\"error\":\"E\"}", VARLINK_BAD_ERROR, NULL, false },
		{ "{\"parameters\":3}", VARLINK_BAD_PARAMETERS, NULL, false },
		{ "{\"continues\":3}", VARLINK_BAD_FLAG, NULL, false },
		{ "[]", VARLINK_NOT_OBJECT, NULL, false },
		{ "nonsense", VARLINK_NOT_JSON, NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct varlink_reply reply = { 0 };

		assert_int_equal(varlink_reply_parse(cases[i].text, strlen(cases[i].text), &reply),
				 cases[i].fault);
		if (cases[i].fault)
			continue;
		assert_true(json_is_object(reply.parameters));
		assert_int_equal(reply.continues, cases[i].continues);
		if (cases[i].error)
			assert_string_equal(reply.error, cases[i].error);
		else
			assert_null(reply.error);
		varlink_reply_done(&reply);
	}
}

static void assert_text(const char *bytes, const char *expected)
{
	json_t *string = varlink_text(bytes);

	assert_non_null(string);
	assert_string_equal(json_string_value(string), expected);
	json_decref(string);
}

static void text_survives_what_is_not_utf8(void **state)
{
	(void)state;
	assert_text("eth0", "eth0");
	assert_text("\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9");
	assert_text("x\xff\xfey", "x??y");
	assert_text("", "");
}

static void counts_stop_at_the_largest_int(void **state)
{
	json_t *most = varlink_count(UINT64_MAX), *some = varlink_count(42);

	(void)state;
	assert_true(json_integer_value(most) == INT64_MAX);
	assert_int_equal(json_integer_value(some), 42);
	json_decref(most);
	json_decref(some);
}

static void interfaces_are_embedded(void **state)
{
	(void)state;
	assert_non_null(strstr(varlink_io_fancap, "\ninterface io.fancap\n"));
	assert_non_null(strstr(varlink_io_fancap, "\"total\"")); /* a quotation mark came through */
	assert_non_null(strstr(varlink_org_varlink_service, "\ninterface org.varlink.service\n"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_of_every_size_give_the_same_messages),
		cmocka_unit_test(message_of_the_limit_is_taken),
		cmocka_unit_test(message_above_the_limit_loses_the_stream),
		cmocka_unit_test(framer_knows_a_partial_message),
		cmocka_unit_test(framer_memory_stays_bounded),
		cmocka_unit_test(call_is_read),
		cmocka_unit_test(call_without_parameters_has_empty_ones),
		cmocka_unit_test(faults_are_told_apart),
		cmocka_unit_test(every_truncation_of_a_call_is_refused),
		cmocka_unit_test(binary_is_refused),
		cmocka_unit_test(nesting_of_32_is_read_and_of_33_refused),
		cmocka_unit_test(brackets_in_strings_are_no_nesting),
		cmocka_unit_test(neighbours_are_no_nesting),
		cmocka_unit_test(every_fault_has_a_text),
		cmocka_unit_test(messages_are_built),
		cmocka_unit_test(replies_are_read),
		cmocka_unit_test(text_survives_what_is_not_utf8),
		cmocka_unit_test(counts_stop_at_the_largest_int),
		cmocka_unit_test(interfaces_are_embedded),
	};

	return cmocka_run_group_tests_name("varlink", tests, NULL, NULL);
}
