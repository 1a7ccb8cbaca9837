// SPDX-License-Identifier: BSD-3-Clause
/* fancap-exporter's parts without a network: the table and the text of metrics, names of hosts, the command line. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include <event2/buffer.h>

#include "exporter/document.h"
#include "exporter/hosts.h"
#include "exporter/metrics.h"
#include "exporter/metrics_table.h"
#include "exporter/options.h"
#include "exporter/page.h"

#define TEXT_MAX ((size_t)1 << 20)

/* --- metrics ------------------------------------------------------------------------------------------ */

static const char *path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", getenv("SRCDIR"), name);
	return path;
}

static char *file_read(const char *name)
{
	FILE *file = fopen(path_of(name), "r");
	char *text = calloc(1, TEXT_MAX);

	assert_non_null(file);
	assert_true(fread(text, 1, TEXT_MAX - 1, file) > 0);
	fclose(file);
	return text;
}

static char *metrics_text(json_t *document)
{
	struct evbuffer *out = evbuffer_new();
	char *text = calloc(1, TEXT_MAX);

	assert_non_null(document);
	assert_int_equal(metrics_write(document, out), 0);
	assert_true(evbuffer_get_length(out) < TEXT_MAX);
	evbuffer_remove(out, text, TEXT_MAX);
	evbuffer_free(out);
	return text;
}

static char *metrics_of(const char *json)
{
	json_t *document = json_loads(json, 0, NULL);
	char *text = metrics_text(document);

	json_decref(document);
	return text;
}

/* FANCAP_UPDATE_EXPECTED=1 writes it; read it then. */
static void metrics_are_as_expected(void **state)
{
	char *json = file_read("tests/unit/exporter/full.json"), *got = metrics_of(json), *expected;

	(void)state;
	if (getenv("FANCAP_UPDATE_EXPECTED")) {
		FILE *file = fopen(path_of("tests/unit/exporter/full.metrics"), "w");

		assert_non_null(file);
		fputs(got, file);
		fclose(file);
	}
	expected = file_read("tests/unit/exporter/full.metrics");
	assert_string_equal(got, expected);
	free(expected);
	free(got);
	free(json);
}

static void whole_numbers_are_exact(void **state)
{
	char *text = metrics_of("{\"status\": {\"started_ns\": 9223372036854775807, \"storage\": {\"bytes\": 9007199254740993,"
				" \"oldest_ns\": -1500000000}}}");

	(void)state;
	assert_has(text, "\nfancap_start_time_seconds 9223372036.854775807\n");
	assert_has(text, "\nfancap_storage_bytes 9007199254740993\n");
	assert_has(text, "\nfancap_storage_oldest_packet_timestamp_seconds -1.500000000\n");
	free(text);
}

static void labels_are_escaped(void **state)
{
	char *text = metrics_of("{\"status\": {\"storage\": {\"directories\": [{\"path\": \"a\\\"b\\\\c\\nd\\u00e9\","
				" \"total_bytes\": 3, \"free_bytes\": 2}]}}}");

	(void)state;
	assert_has(text, "\nfancap_storage_directory_free_bytes{directory=\"a\\\"b\\\\c\\nd\xc3\xa9\"} 2\n");
	free(text);
}

/* What is of another type than the interface says is left out; nothing is made up. */
static void nonsense_is_left_out(void **state)
{
	static const char *const documents[] = {
		"{}",
		"{\"up\": \"yes\", \"exporter\": 5, \"status\": [], \"statistics\": 7}",
		"{\"status\": {\"state\": 3, \"storage\": 4}, \"statistics\": {\"interfaces\": {\"a\": 1}}}",
		"{\"statistics\": {\"interfaces\": [1, null, {}, {\"interface\": 5, \"workers\": []}]}}",
		"{\"statistics\": {\"interfaces\": [{\"interface\": \"a\", \"nic\": 3, \"workers\": [1, {}, {\"worker\": \"x\"}]}]}}",
		"{\"status\": {\"storage\": {\"directories\": [1, {\"path\": 2, \"total_bytes\": 3}, {\"path\": \"d\"}]}}}",
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(documents); i++) {
		char *text = metrics_of(documents[i]);

		for (const char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
			assert_true(line[0] == '#' || strstr(line, "_info") || !strcmp(line, "fancap_storage_keeper_up 0"));
		free(text);
	}
}

static void states_are_one_at_a_time(void **state)
{
	char *text = metrics_of("{\"status\": {\"state\": \"stopping\"}}");

	(void)state;
	assert_has(text, "fancap_daemon_state{state=\"starting\"} 0\nfancap_daemon_state{state=\"running\"} 0\n"
			 "fancap_daemon_state{state=\"stopping\"} 1\n");
	free(text);
}

static void table_is_as_prometheus_wants_it(void **state)
{
	static const char name_chars[] = "abcdefghijklmnopqrstuvwxyz_";

	(void)state;
	for (size_t i = 0; i < metrics_table_length; i++) {
		const struct metric *metric = &metrics_table[i];
		size_t len = strlen(metric->name);
		bool total = len > 6 && !strcmp(metric->name + len - 6, "_total");

		assert_int_equal(strspn(metric->name, name_chars), len);
		assert_int_equal(strncmp(metric->name, "fancap_", 7), 0);
		assert_int_equal(total, !strcmp(metric->type, "counter"));
		assert_true(total || !strcmp(metric->type, "gauge"));
		assert_int_equal(metric->help[strlen(metric->help) - 1], '.');
		assert_null(strpbrk(metric->help, "|\n\\"));
		assert_non_null(metric->values[0].path);
		for (size_t k = 0; k < METRIC_VALUES_MAX && metric->values[k].path; k++) {
			assert_int_equal(!!metric->values[k].label, metric->label || metric->kind == METRIC_INFO);
			assert_true(k == 0 || metric->values[k].label != NULL);
		}
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(metrics_table[k].name, metric->name);
	}
}

/* doc/metrics.md is what --list-metrics prints, below its introduction. */
static void document_lists_the_table(void **state)
{
	char *text = file_read("doc/metrics.md"), *table = NULL;
	size_t size;
	FILE *out = open_memstream(&table, &size);

	(void)state;
	metrics_print_table(out);
	fclose(out);
	assert_non_null(strstr(text, "| metric |"));
	assert_string_equal(strstr(text, "| metric |"), table);
	free(table);
	free(text);
}

/* --- the document -------------------------------------------------------------------------------------- */

static void assert_document(struct inquiry_answer answer, bool up, bool ready, const char *reason)
{
	json_t *document = document_new(&answer);
	const char *said = json_string_value(json_object_get(document, "reason"));

	assert_non_null(document);
	assert_int_equal(json_is_true(json_object_get(document, "up")), up);
	assert_int_equal(json_is_true(json_object_get(document, "ready")), ready);
	assert_int_equal(!!said, !!reason);
	if (reason)
		assert_string_equal(said, reason);
	json_decref(document);
}

static void document_says_why_it_is_not_ready(void **state)
{
	json_t *running = json_pack("{s:s}", "state", "running"), *stopping = json_pack("{s:s}", "state", "stopping");
	json_t *statistics = json_object(), *odd = json_pack("{s:i}", "state", 5);

	(void)state;
	assert_document((struct inquiry_answer){ NULL, NULL, "gone" }, false, false, "gone");
	assert_document((struct inquiry_answer){ running, statistics, NULL }, true, true, NULL);
	assert_document((struct inquiry_answer){ running, NULL, "starting up" }, true, false, "starting up");
	assert_document((struct inquiry_answer){ stopping, statistics, NULL }, true, false, "fancapd is stopping");
	assert_document((struct inquiry_answer){ odd, statistics, NULL }, true, false,
			"fancapd is in a state that is not known");
	json_decref(running);
	json_decref(stopping);
	json_decref(statistics);
	json_decref(odd);
}

/* --- hosts ----------------------------------------------------------------------------------------------- */

static bool allowed(const char *host, const char *local)
{
	static const struct hosts hosts = { .names = { "monitor.example.net", "[fe80::5]" }, .n = 2 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, local, &v4.sin_addr) == 1)
		return hosts_allow(&hosts, host, (const struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, local, &v6.sin6_addr), 1);
	return hosts_allow(&hosts, host, (const struct sockaddr *)&v6);
}

static void hosts_are_ours_or_allowed(void **state)
{
	static const struct {
		const char *host, *local;
		bool allowed;
	} cases[] = {
		{ "127.0.0.1", "127.0.0.1", true },
		{ "localhost", "127.0.0.1", true },
		{ "LOCALHOST", "127.0.0.1", true },
		{ "localhost", "127.1.2.3", true },
		{ "localhost", "::1", true },
		{ "localhost", "::ffff:127.0.0.1", true },
		{ "127.0.0.1", "::ffff:127.0.0.1", true },
		{ "[::1]", "::1", true },
		{ "[0:0::1]", "::1", true },
		{ "10.0.0.5", "10.0.0.5", true },
		{ "monitor.example.net", "10.0.0.5", true },
		{ "Monitor.Example.NET", "127.0.0.1", true },
		{ "[fe80::5]", "127.0.0.1", true },
		{ "localhost", "10.0.0.5", false },
		{ "127.0.0.1", "10.0.0.5", false },
		{ "10.0.0.5", "127.0.0.1", false },
		{ "::1", "::1", false }, /* no brackets: not a host of a URL */
		{ "[::1", "::1", false },
		{ "[127.0.0.1]", "127.0.0.1", false },
		{ "[", "::1", false },
		{ "[]", "::1", false },
		{ "", "127.0.0.1", false },
		{ "evil.example.com", "127.0.0.1", false },
		{ "127.0.0.1.example.com", "127.0.0.1", false },
		{ "localhost.example.com", "127.0.0.1", false },
		{ "example.net", "127.0.0.1", false },
		{ "2130706433", "127.0.0.1", false },
		{ "127.1", "127.0.0.1", false },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		if (allowed(cases[i].host, cases[i].local) != cases[i].allowed)
			fail_msg("'%s' at %s is to be %s", cases[i].host, cases[i].local, cases[i].allowed ? "allowed" : "refused");
}

/* --- the command line -------------------------------------------------------------------------------------- */

static int parse(struct exporter_options *options, struct fancap_error *err, const char *one, const char *two, const char *three)
{
	char *argv[] = { (char *)(uintptr_t)"fancap-exporter", (char *)(uintptr_t)one, (char *)(uintptr_t)two,
			 (char *)(uintptr_t)three, NULL };
	int argc = 1;

	while (argv[argc])
		argc++;
	optind = 0;
	opterr = 0;
	err->text[0] = '\0';
	return exporter_options_parse(argc, argv, options, err);
}

static void assert_listens(const char *text, int family, const char *address, int port)
{
	struct exporter_options options;
	struct fancap_error err;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&options.listen;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&options.listen;
	char got[INET6_ADDRSTRLEN];

	assert_int_equal(parse(&options, &err, text ? "--listen" : NULL, text, NULL), 0);
	assert_int_equal(options.listen.ss_family, family);
	assert_non_null(inet_ntop(family, family == AF_INET ? (const void *)&v4->sin_addr : &v6->sin6_addr, got, sizeof(got)));
	assert_string_equal(got, address);
	assert_int_equal(ntohs(family == AF_INET ? v4->sin_port : v6->sin6_port), port);
}

static void listens_on_loopback_unless_told(void **state)
{
	(void)state;
	assert_listens(NULL, AF_INET, "127.0.0.1", 9847);
	assert_listens("0.0.0.0:80", AF_INET, "0.0.0.0", 80);
	assert_listens("127.0.0.2:0", AF_INET, "127.0.0.2", 0);
	assert_listens("[::1]:9847", AF_INET6, "::1", 9847);
	assert_listens("[::]:0", AF_INET6, "::", 0);
}

static void wrong_options_are_refused(void **state)
{
	static const struct {
		const char *option, *value, *says;
	} cases[] = {
		{ "--listen", "127.0.0.1", "numeric address and a port" },
		{ "--listen", "127.0.0.1:", "numeric address and a port" },
		{ "--listen", "127.0.0.1:65536", "numeric address and a port" },
		{ "--listen", "127.0.0.1:-1", "numeric address and a port" },
		{ "--listen", "127.0.0.1:80x", "numeric address and a port" },
		{ "--listen", "localhost:80", "numeric address and a port" },
		{ "--listen", "::1:9847", "numeric address and a port" },
		{ "--listen", ":80", "numeric address and a port" },
		{ "--listen", "", "numeric address and a port" },
		{ "--allow-host", "", "without port" },
		{ "--allow-host", "a:80", "without port" },
		{ "--allow-host", "http://a", "without port" },
		{ "--allow-host", "*", "without port" },
		{ "--socket", "/s", NULL },
		{ "word", NULL, "'word' is no option" },
		{ "--nosuch", NULL, "" },
	};
	struct exporter_options options;
	struct fancap_error err;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		assert_int_equal(parse(&options, &err, cases[i].option, cases[i].value, NULL), cases[i].says ? -EINVAL : 0);
		if (cases[i].says)
			assert_has(err.text, cases[i].says);
	}
}

static void so_many_hosts_and_no_more(void **state)
{
	struct hosts hosts = { .n = 0 };
	struct fancap_error err;

	(void)state;
	for (size_t i = 0; i < HOSTS_MAX; i++)
		assert_int_equal(hosts_add(&hosts, "a", &err), 0);
	assert_int_equal(hosts_add(&hosts, "b", &err), -EINVAL);
	assert_has(err.text, "more than 16");
}

static void page_is_self_contained(void **state)
{
	(void)state;
	assert_has(exporter_page, "<style>\n");
	assert_has(exporter_page, "<script>\n");
	assert_null(strstr(exporter_page, "<!-- s"));
	for (const char *at = exporter_page; (at = strstr(at, "://")) != NULL; at++)
		assert_int_equal(strncmp(at, "://www.w3.org/2000/svg\"", 23), 0); /* a name, not asked for */
	assert_null(strstr(exporter_page, " src="));
	assert_null(strstr(exporter_page, "@import"));
	assert_null(strstr(exporter_page, "url("));
	assert_has(exporter_page_policy, "default-src 'none'; ");
	assert_has(exporter_page_policy, "script-src 'sha256-");
	assert_null(strpbrk(exporter_page_policy, "\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metrics_are_as_expected),
		cmocka_unit_test(whole_numbers_are_exact),
		cmocka_unit_test(labels_are_escaped),
		cmocka_unit_test(nonsense_is_left_out),
		cmocka_unit_test(states_are_one_at_a_time),
		cmocka_unit_test(table_is_as_prometheus_wants_it),
		cmocka_unit_test(document_lists_the_table),
		cmocka_unit_test(document_says_why_it_is_not_ready),
		cmocka_unit_test(hosts_are_ours_or_allowed),
		cmocka_unit_test(listens_on_loopback_unless_told),
		cmocka_unit_test(wrong_options_are_refused),
		cmocka_unit_test(so_many_hosts_and_no_more),
		cmocka_unit_test(page_is_self_contained),
	};

	return cmocka_run_group_tests_name("exporter", tests, NULL, NULL);
}
