// SPDX-License-Identifier: BSD-3-Clause
/* Each command of fancapctl: what it asks of the daemon, and what it makes of the answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>

#include "ctl/output.h"
#include "ctl/when.h"
#include "tests/unit/ctl_run.h"

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/** A command, what the daemon answers (replies end with \0), what is to be called, and what is to be printed. */
struct exchange {
	const char *const *words;
	bool json;
	const char *replies;
	size_t len;
	const char *calls;
	const char *out;
	const char *err;
	enum ctl_exit exit;
};

#define REPLIES(text) .replies = text, .len = sizeof(text)

static void assert_exchange(const struct exchange *exchange)
{
	struct daemon daemon = daemon_start(TALKS, exchange->replies, exchange->len);
	struct result result = run_words(daemon.path, exchange->json, exchange->words);

	assert_string_equal(result.err, exchange->err ? exchange->err : "");
	assert_string_equal(result.out, exchange->out ? exchange->out : "");
	assert_int_equal(result.exit, exchange->exit);
	assert_string_equal(daemon.calls, exchange->calls);
	result_free(&result);
	daemon_stop(&daemon);
}

/* --- interfaces, workers ---------------------------------------------------------------------------------------- */

#define ETH1 \
	"{\"interface\":\"eth1\",\"device\":\"lan0\",\"state\":\"up\",\"ifindex\":3,\"link_type\":\"EN10MB\",\"mtu\":9000," \
	"\"speed_bits\":10000000000,\"fanout_id\":41,\"fanout_mode\":\"hash\",\"workers\":2,\"workers_running\":2," \
	"\"ring_bytes\":67108864,\"ring_blocks\":64,\"block_bytes\":1048576,\"block_timeout_ms\":100," \
	"\"stall_ns\":53687091,\"snaplen\":262144,\"filter\":\"tcp\",\"filter_configured\":null," \
	"\"timestamps\":\"kernel\",\"promiscuous\":true,\"folders\":[\"/srv/one/eth1\",\"/srv/two/eth1\"]}"
#define WAN \
	"{\"interface\":\"wan\",\"device\":null,\"state\":\"missing\",\"ifindex\":null,\"link_type\":null,\"mtu\":null," \
	"\"speed_bits\":null,\"fanout_id\":null,\"fanout_mode\":\"lb\",\"workers\":1,\"workers_running\":0," \
	"\"ring_bytes\":1048576,\"ring_blocks\":1,\"block_bytes\":1048576,\"block_timeout_ms\":1000," \
	"\"stall_ns\":null,\"snaplen\":96,\"filter\":null,\"filter_configured\":null," \
	"\"timestamps\":\"hardware\",\"promiscuous\":false,\"folders\":[\"/srv/one/wan\"]}"
#define INTERFACES "{\"parameters\":{\"interfaces\":[" ETH1 "," WAN "]}}"
#define LIST_INTERFACES "{\"method\":\"io.fancap.ListInterfaces\"}\n"

static void interfaces_are_listed(void **state)
{
	(void)state;
	assert_exchange(&(struct exchange){
		.words = WORDS("interfaces"), REPLIES(INTERFACES), .calls = LIST_INTERFACES, .out =
"INTERFACE    STATE    INDEX  LINK TYPE   MTU      SPEED  FANOUT  GROUP  WORKERS      RING    BLOCK   TIMEOUT    STALL\n"
"eth1 (lan0)  up           3  EN10MB     9000  10 Gbit/s  hash       41      2/2  64.0 MiB  1.0 MiB  100.0 ms  53.7 ms\n"
"wan          missing      -  -             -          -  lb          -      0/1   1.0 MiB  1.0 MiB     1.0 s        -\n"
"\n"
"INTERFACE  SNAPLEN  TIMESTAMPS  PROMISCUOUS  RECORDED\n"
"eth1       262,144  kernel      yes          tcp (configured: all)\n"
"wan             96  hardware    no           all\n"
"\n"
"INTERFACE  FOLDER\n"
"eth1       /srv/one/eth1\n"
"eth1       /srv/two/eth1\n"
"wan        /srv/one/wan\n" });
}

static void one_interface_is_shown(void **state)
{
	(void)state;
	assert_exchange(&(struct exchange){
		.words = WORDS("interfaces", "--interface", "wan"), REPLIES(INTERFACES), .calls = LIST_INTERFACES, .out =
"INTERFACE  STATE    INDEX  LINK TYPE  MTU  SPEED  FANOUT  GROUP  WORKERS     RING    BLOCK  TIMEOUT  STALL\n"
"wan        missing      -  -            -      -  lb          -      0/1  1.0 MiB  1.0 MiB    1.0 s      -\n"
"\n"
"INTERFACE  SNAPLEN  TIMESTAMPS  PROMISCUOUS  RECORDED\n"
"wan             96  hardware    no           all\n"
"\n"
"INTERFACE  FOLDER\n"
"wan        /srv/one/wan\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("interfaces", "lan0"), REPLIES(INTERFACES), .calls = LIST_INTERFACES, .exit = CTL_FAILED,
		.err = "fancapctl: fancapd does not capture from 'lan0'; see fancapctl status\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("interfaces", "eth1"), REPLIES("{\"parameters\":{\"interfaces\":7}}"), .calls = LIST_INTERFACES,
		.exit = CTL_FAILED, .err = "fancapctl: fancapd's answer has no valid \"interfaces\"\n" });
}

static void json_of_interfaces_is_what_was_sent(void **state)
{
	struct daemon daemon = daemon_start(TALKS, INTERFACES, sizeof(INTERFACES));
	struct result result = run_words(daemon.path, true, WORDS("interfaces"));
	json_t *sent = json_loads(INTERFACES, 0, NULL), *got = json_loads(result.out, 0, NULL);

	(void)state;
	assert_int_equal(json_integer_value(json_object_get(got, "format")), OUTPUT_JSON_FORMAT);
	assert_true(json_equal(json_object_get(json_object_get(sent, "parameters"), "interfaces"),
			       json_object_get(got, "interfaces")));
	json_decref(sent);
	json_decref(got);
	result_free(&result);
	daemon_stop(&daemon);
}

/* --- segments ------------------------------------------------------------------------------------------------- */

#define SEGMENT(path, state, held, end, packets) \
	"{\"path\":\"" path "\",\"interface\":\"eth1\",\"worker\":0,\"state\":\"" state "\",\"held\":" held "," \
	"\"compressed\":false,\"start_ns\":1700000000000000000,\"end_ns\":" end ",\"packets\":" packets ",\"bytes\":5242880}"
#define PAGE_1 "{\"parameters\":{\"segments\":[" SEGMENT("/srv/a", "finished", "true", "1700000060000000000", "1234567") "," \
	SEGMENT("/srv/b", "finished", "false", "null", "null") "],\"next\":\"b\"}}"
#define PAGE_2 "{\"parameters\":{\"segments\":[" SEGMENT("/srv/c.part", "active", "false", "null", "7") "],\"next\":null}}"
#define LIST(parameters) "{\"method\":\"io.fancap.ListSegments\",\"parameters\":" parameters "}\n"

static void segments_are_listed_page_by_page(void **state)
{
	(void)state;
	assert_exchange(&(struct exchange){
		.words = WORDS("segments"), REPLIES(PAGE_1 "\0" PAGE_2),
		.calls = LIST("{\"limit\":1000}") LIST("{\"limit\":1000,\"after\":\"b\"}"), .out =
"FIRST PACKET             LAST PACKET              INTERFACE  WORKER  STATE       PACKETS    BYTES  FILE\n"
"2023-11-14 22:13:20 UTC  2023-11-14 22:14:20 UTC  eth1            0  held      1,234,567  5.0 MiB  /srv/a\n"
"2023-11-14 22:13:20 UTC  -                        eth1            0  finished          -  5.0 MiB  /srv/b\n"
"2023-11-14 22:13:20 UTC  -                        eth1            0  active            7  5.0 MiB  /srv/c.part\n" });
}

static void segments_are_limited_and_say_that_there_are_more(void **state)
{
	(void)state;
	assert_exchange(&(struct exchange){
		.words = WORDS("segments", "eth1", "--limit", "2", "--from", "1700000000", "--to", "2023-11-14T22:13:21Z"),
		REPLIES(PAGE_1),
		.calls = LIST("{\"from_ns\":1700000000000000000,\"to_ns\":1700000001000000000,\"interface\":\"eth1\",\"limit\":2}"),
		.out =
"FIRST PACKET             LAST PACKET              INTERFACE  WORKER  STATE       PACKETS    BYTES  FILE\n"
"2023-11-14 22:13:20 UTC  2023-11-14 22:14:20 UTC  eth1            0  held      1,234,567  5.0 MiB  /srv/a\n"
"2023-11-14 22:13:20 UTC  -                        eth1            0  finished          -  5.0 MiB  /srv/b\n"
"\n"
"there are more: see --limit\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("segments", "-n", "1"), .json = true,
		REPLIES("{\"parameters\":{\"segments\":[{\"path\":\"/x\"}],\"next\":\"x\"}}"), .calls = LIST("{\"limit\":1}"),
		.out = "{\n  \"format\": 1,\n  \"segments\": [\n    {\n      \"path\": \"/x\"\n    }\n  ],\n  \"next\": \"x\"\n}\n" });
}

static void pages_that_make_no_sense_end_it(void **state)
{
	(void)state;
	assert_exchange(&(struct exchange){
		.words = WORDS("segments"), REPLIES("{\"parameters\":{\"segments\":[],\"next\":\"x\"}}"),
		.calls = LIST("{\"limit\":1000}"), .exit = CTL_FAILED,
		.err = "fancapctl: fancapd's answer has no valid \"next\"\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("segments"), REPLIES("{\"parameters\":{\"next\":null}}"), .calls = LIST("{\"limit\":1000}"),
		.exit = CTL_FAILED, .err = "fancapctl: fancapd's answer has no valid \"segments\"\n" });
}

/* --- hold, release --------------------------------------------------------------------------------------------- */

#define CHANGED(n) "{\"parameters\":{\"changed\":" #n "}}"

static void files_are_held_by_name(void **state)
{
	(void)state;
	assert_exchange(&(struct exchange){
		.words = WORDS("hold", "/srv/none/a", "/srv/none/b"), REPLIES(CHANGED(2)),
		.calls = "{\"method\":\"io.fancap.Hold\",\"parameters\":{\"paths\":[\"/srv/none/a\",\"/srv/none/b\"]}}\n",
		.out = "2 files are held now\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("release", "/srv/none/a"), REPLIES(CHANGED(0)),
		.calls = "{\"method\":\"io.fancap.Release\",\"parameters\":{\"paths\":[\"/srv/none/a\"]}}\n",
		.out = "nothing has changed: none of them was held\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("release", "/srv/none/a"), .json = true, REPLIES(CHANGED(1)),
		.calls = "{\"method\":\"io.fancap.Release\",\"parameters\":{\"paths\":[\"/srv/none/a\"]}}\n",
		.out = "{\n  \"format\": 1,\n  \"changed\": 1\n}\n" });
}

/* The daemon knows absolute paths only, without links. */
static void names_become_paths(void **state)
{
	struct daemon daemon = daemon_start(TALKS, CHANGED(2), sizeof(CHANGED(2)));
	char *before = getcwd(NULL, 0), expected[512];
	struct result result;

	(void)state;
	assert_int_equal(chdir(daemon.directory), 0);
	assert_int_equal(mkdir("real", 0755), 0);
	assert_int_equal(symlink("real", "link"), 0);
	result = run_words(daemon.path, false, WORDS("hold", "link/../link", "gone"));
	assert_string_equal(result.err, "");
	snprintf(expected, sizeof(expected),
		 "{\"method\":\"io.fancap.Hold\",\"parameters\":{\"paths\":[\"%s/real\",\"%s/gone\"]}}\n", daemon.directory,
		 daemon.directory);
	assert_string_equal(daemon.calls, expected);
	assert_int_equal(unlink("link"), 0);
	assert_int_equal(rmdir("real"), 0);
	assert_int_equal(chdir(before), 0);
	free(before);
	result_free(&result);
	daemon_stop(&daemon);
}

static void a_time_range_is_held(void **state)
{
	(void)state;
	/* /srv/a is held already. */
	assert_exchange(&(struct exchange){
		.words = WORDS("hold", "--from", "1700000000", "-i", "eth1"), REPLIES(PAGE_1 "\0" PAGE_2 "\0" CHANGED(2)),
		.calls = LIST("{\"from_ns\":1700000000000000000,\"interface\":\"eth1\",\"limit\":1000}")
			 LIST("{\"from_ns\":1700000000000000000,\"interface\":\"eth1\",\"limit\":1000,\"after\":\"b\"}")
			 "{\"method\":\"io.fancap.Hold\",\"parameters\":{\"paths\":[\"/srv/b\",\"/srv/c.part\"]}}\n",
		.out = "2 files are held now\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("release", "--to", "1700000000"), REPLIES(PAGE_1 "\0" PAGE_2 "\0" CHANGED(1)),
		.calls = LIST("{\"to_ns\":1700000000000000000,\"limit\":1000}")
			 LIST("{\"to_ns\":1700000000000000000,\"limit\":1000,\"after\":\"b\"}")
			 "{\"method\":\"io.fancap.Release\",\"parameters\":{\"paths\":[\"/srv/a\"]}}\n",
		.out = "1 file is no longer held now\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("release", "--to", "1700000000"), REPLIES(PAGE_2),
		.calls = LIST("{\"to_ns\":1700000000000000000,\"limit\":1000}"),
		.out = "nothing has changed: none of them was held\n" });
}

#define GONE "{\"error\":\"io.fancap.NoSuchSegment\",\"parameters\":{\"path\":\"/srv/c.part\"}}"
#define RANGE LIST("{\"from_ns\":1700000000000000000,\"limit\":1000}")
#define HOLD_C "{\"method\":\"io.fancap.Hold\",\"parameters\":{\"paths\":[\"/srv/c.part\"]}}\n"

static void a_file_finished_meanwhile_is_looked_for_again(void **state)
{
	(void)state;
	assert_exchange(&(struct exchange){
		.words = WORDS("hold", "--from", "1700000000"), REPLIES(PAGE_2 "\0" GONE "\0" PAGE_2 "\0" CHANGED(1)),
		.calls = RANGE HOLD_C RANGE HOLD_C, .out = "1 file is held now\n" });
	/* But not for ever. */
	assert_exchange(&(struct exchange){
		.words = WORDS("hold", "--from", "1700000000"),
		REPLIES(PAGE_2 "\0" GONE "\0" PAGE_2 "\0" GONE "\0" PAGE_2 "\0" GONE),
		.calls = RANGE HOLD_C RANGE HOLD_C RANGE HOLD_C, .exit = CTL_FAILED,
		.err = "fancapctl: /srv/c.part: no recording of this fancapd, nothing has changed; see fancapctl segments\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("hold", "--from", "1700000000"),
		REPLIES("{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":\"a.B\"}}"),
		.calls = RANGE, .exit = CTL_TOO_OLD,
		.err = "fancapctl: fancapd is too old for this: it does not know a.B; see fancapctl version\n" });
}

/* A call has room for 64 KiB. */
static void many_files_take_several_calls(void **state)
{
	enum { FILES = 1500 };
	json_t *segments = json_array(), *page, *calls = json_array();
	struct daemon daemon;
	struct result result;
	char *replies, *text, *line;
	size_t len, n_paths = 0;

	(void)state;
	for (int i = 0; i < FILES; i++) {
		char path[128];

		snprintf(path, sizeof(path), "/srv/%090d", i);
		json_array_append_new(segments, json_pack("{s:s, s:b}", "path", path, "held", 0));
	}
	page = json_pack("{s:{s:o, s:n}}", "parameters", "segments", segments, "next");
	text = json_dumps(page, JSON_COMPACT);
	len = strlen(text) + 1;
	replies = malloc(len + 3 * sizeof(CHANGED(500)));
	memcpy(replies, text, len);
	for (int i = 0; i < 3; i++, len += sizeof(CHANGED(500)))
		memcpy(replies + len, CHANGED(500), sizeof(CHANGED(500)));
	daemon = daemon_start(TALKS, replies, len);
	result = run_words(daemon.path, false, WORDS("hold", "--to", "now"));
	assert_string_equal(result.err, "");
	assert_string_equal(result.out, "1500 files are held now\n");
	strtok(daemon.calls, "\n");
	while ((line = strtok(NULL, "\n"))) {
		json_t *call = json_loads(line, 0, NULL);

		assert_true(strlen(line) <= 65536);
		n_paths += json_array_size(json_object_get(json_object_get(call, "parameters"), "paths"));
		json_array_append_new(calls, call);
	}
	assert_int_equal(json_array_size(calls), 3);
	assert_int_equal(n_paths, FILES);
	json_decref(calls);
	json_decref(page);
	free(text);
	free(replies);
	result_free(&result);
	daemon_stop(&daemon);
}

/* --- events, statistics --watch ----------------------------------------------------------------------------------- */

#define INFO "{\"parameters\":{}}"
#define EVENT(number, priority, interface, text, continues) \
	"{\"parameters\":{\"number\":" #number ",\"time_ns\":1700000000000000000,\"kind\":\"link\",\"priority\":\"" priority \
	"\",\"interface\":" interface ",\"worker\":null,\"text\":\"" text "\"}" continues "}"
#define MORE ",\"continues\":true"
#define EVENTS INFO "\0" EVENT(5, "warning", "\"eth1\"", "eth1: no carrier\\n", MORE) "\0" \
	EVENT(6, "info", "\"wan\"", "wan: up", MORE) "\0" EVENT(9, "error", "null", "disk", "")
#define EVENT_CALLS(n) "{\"method\":\"org.varlink.service.GetInfo\"}\n" \
	"{\"method\":\"io.fancap.Events\",\"parameters\":{\"backlog\":" #n "},\"more\":true}\n"
#define MISSED "fancapctl: events that came too fast and were missed: 2\n"

static void events_are_followed(void **state)
{
	(void)state;
	assert_exchange(&(struct exchange){
		.words = WORDS("events"), REPLIES(EVENTS), .calls = EVENT_CALLS(10), .err = MISSED, .out =
"2023-11-14 22:13:20 UTC  warning: eth1: no carrier\\x0a (link)\n"
"2023-11-14 22:13:20 UTC  info: wan: up (link)\n"
"2023-11-14 22:13:20 UTC  error: disk (link)\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("events", "--backlog=0", "--interface=wan"), REPLIES(EVENTS), .calls = EVENT_CALLS(0),
		.err = MISSED, .out = "2023-11-14 22:13:20 UTC  info: wan: up (link)\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("events", "-i", "wan"), .json = true, REPLIES(EVENTS), .calls = EVENT_CALLS(10), .err = MISSED,
		.out = "{\"format\":1,\"number\":6,\"time_ns\":1700000000000000000,\"kind\":\"link\",\"priority\":\"info\","
		       "\"interface\":\"wan\",\"worker\":null,\"text\":\"wan: up\"}\n" });
}

/* Before events may be waited for without end, the daemon has to be there. */
static void events_of_a_hanging_daemon_time_out(void **state)
{
	(void)state;
	run_timeout_ms = 300;
	assert_fails(run_against(HANGS, "", 0, false, "events"), CTL_TIMEOUT, "no answer within 0.3 s");
	run_timeout_ms = RUN_TIMEOUT_MS;
}

#define STATISTICS(dropped, more) \
	"{\"parameters\":{\"time_ns\":1700000001000000000,\"started_ns\":1700000000000000000,\"interfaces\":[],\"total\":{" \
	"\"packets_seen\":10,\"packets_dropped\":" #dropped ",\"packets_written\":9,\"packets_discarded\":0," \
	"\"packets_in_ring\":0,\"bytes_written\":100,\"ring_freezes\":0,\"worker_restarts\":0,\"blocks_direct\":0," \
	"\"blocks_staged\":1,\"writes\":0,\"write_mean_ns\":0,\"write_max_ns\":0}}" more "}"

static void statistics_are_watched(void **state)
{
	struct daemon daemon = daemon_start(TALKS, STATISTICS(0, MORE) "\0" STATISTICS(1, ""),
					    sizeof(STATISTICS(0, MORE) "\0" STATISTICS(1, "")));
	struct result result = run_words(daemon.path, true, WORDS("statistics", "eth1", "--watch", "0.5"));
	char *second;

	(void)state;
	assert_string_equal(daemon.calls, "{\"method\":\"io.fancap.GetStatistics\",\"parameters\":"
					  "{\"interval_ms\":500,\"interface\":\"eth1\"},\"more\":true}\n");
	assert_int_equal(result.exit, CTL_OK);
	second = strchr(result.out, '\n') + 1;
	assert_non_null(strstr(result.out, "\"packets_dropped\":0"));
	assert_non_null(strstr(second, "\"packets_dropped\":1"));
	assert_int_equal(strncmp(second, "{\"format\":1,", 12), 0);
	result_free(&result);
	daemon_stop(&daemon);
}

static void watched_tables_are_apart(void **state)
{
	struct daemon daemon = daemon_start(TALKS, STATISTICS(0, MORE) "\0" STATISTICS(1, ""),
					    sizeof(STATISTICS(0, MORE) "\0" STATISTICS(1, "")));
	struct result result = run_words(daemon.path, false, WORDS("statistics", "-w2"));

	(void)state;
	assert_string_equal(result.err, "");
	assert_non_null(strstr(result.out, "-\n\n2023-11-14 22:13:21 UTC, capturing for 1s\n"));
	result_free(&result);
	daemon_stop(&daemon);
}

/* What does not come in time after the first is told, too. */
static void a_watched_daemon_that_stops_answering_times_out(void **state)
{
	struct daemon daemon = daemon_start(TALKS, STATISTICS(0, MORE), sizeof(STATISTICS(0, MORE)));
	struct result result = run_words(daemon.path, true, WORDS("statistics", "--watch", "0.1", "--timeout", "2"));

	(void)state;
	assert_int_equal(result.exit, CTL_TIMEOUT);
	assert_non_null(strstr(result.out, "\"packets_dropped\":0"));
	result_free(&result);
	daemon_stop(&daemon);
}

/* --- acting --------------------------------------------------------------------------------------------------------- */

static void filter_is_shown_changed_and_reset(void **state)
{
	(void)state;
	assert_exchange(&(struct exchange){ .words = WORDS("filter", "eth1"), REPLIES(INTERFACES), .calls = LIST_INTERFACES,
					    .out = "recorded: what matches 'tcp'\nconfigured: all packets\n" });
	assert_exchange(&(struct exchange){ .words = WORDS("filter", "-i", "wan"), REPLIES(INTERFACES),
					    .calls = LIST_INTERFACES, .out = "recorded: all packets\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("filter", "wan"), .json = true, REPLIES(INTERFACES), .calls = LIST_INTERFACES,
		.out = "{\n  \"format\": 1,\n  \"interface\": \"wan\",\n  \"filter\": null,\n  \"filter_configured\": null\n}\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("filter", "eth1", "tcp", "port", "80"),
		REPLIES("{\"parameters\":{\"filter\":\"tcp port 80\"}}"),
		.calls = "{\"method\":\"io.fancap.SetFilter\",\"parameters\":{\"interface\":\"eth1\",\"filter\":\"tcp port 80\"}}\n",
		.out = "recorded: what matches 'tcp port 80'\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("filter", "eth1", ""), REPLIES("{\"parameters\":{\"filter\":null}}"),
		.calls = "{\"method\":\"io.fancap.SetFilter\",\"parameters\":{\"interface\":\"eth1\",\"filter\":\"\"}}\n",
		.out = "recorded: all packets\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("filter", "eth1", "--reset"), REPLIES("{\"parameters\":{\"filter\":\"udp\"}}"),
		.calls = "{\"method\":\"io.fancap.SetFilter\",\"parameters\":{\"interface\":\"eth1\",\"configured\":true}}\n",
		.out = "recorded: what matches 'udp'\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("filter", "eth1", "--", "-x"), .exit = CTL_FAILED,
		REPLIES("{\"error\":\"io.fancap.InvalidFilter\",\"parameters\":{\"filter\":\"-x\",\"reason\":\"syntax\"}}"),
		.calls = "{\"method\":\"io.fancap.SetFilter\",\"parameters\":{\"interface\":\"eth1\",\"filter\":\"-x\"}}\n",
		.err = "fancapctl: the filter '-x' is wrong, nothing has changed: syntax\n" });
}

static void interfaces_are_paused_and_resumed(void **state)
{
	(void)state;
	assert_exchange(&(struct exchange){
		.words = WORDS("pause"), REPLIES("{\"parameters\":{\"interfaces\":2}}"),
		.calls = "{\"method\":\"io.fancap.Pause\",\"parameters\":{}}\n", .out = "2 interfaces are paused now\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("pause", "eth1"), REPLIES("{\"parameters\":{\"interfaces\":0}}"),
		.calls = "{\"method\":\"io.fancap.Pause\",\"parameters\":{\"interface\":\"eth1\"}}\n",
		.out = "nothing has changed: paused before\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("resume", "--interface=eth1"), REPLIES("{\"parameters\":{\"interfaces\":1}}"),
		.calls = "{\"method\":\"io.fancap.Resume\",\"parameters\":{\"interface\":\"eth1\"}}\n",
		.out = "1 interface is recorded now\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("resume"), .json = true, REPLIES("{\"parameters\":{\"interfaces\":0}}"),
		.calls = "{\"method\":\"io.fancap.Resume\",\"parameters\":{}}\n",
		.out = "{\n  \"format\": 1,\n  \"interfaces\": 0\n}\n" });
}

static void workers_are_restarted(void **state)
{
	(void)state;
	assert_exchange(&(struct exchange){
		.words = WORDS("restart-worker", "eth1", "1"), REPLIES("{\"parameters\":{\"pid\":4242}}"),
		.calls = "{\"method\":\"io.fancap.RestartWorker\",\"parameters\":{\"interface\":\"eth1\",\"worker\":1}}\n",
		.out = "the worker is process 4242 now\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("restart-worker", "-i", "eth1", "0"), .json = true, REPLIES("{\"parameters\":{\"pid\":4242}}"),
		.calls = "{\"method\":\"io.fancap.RestartWorker\",\"parameters\":{\"interface\":\"eth1\",\"worker\":0}}\n",
		.out = "{\n  \"format\": 1,\n  \"pid\": 4242\n}\n" });
}

static void log_level_is_shown(void **state)
{
	static const char status[] = "{\"parameters\":{\"version\":\"1\",\"log_level\":\"debug\"}}";
	static const char calls[] = "{\"method\":\"io.fancap.GetStatus\"}\n";
	(void)state;
	assert_exchange(&(struct exchange){ .words = WORDS("log-level"), .replies = status, .len = sizeof(status),
					    .calls = calls, .out = "debug\n" });
	assert_exchange(&(struct exchange){ .words = WORDS("log-level"), .json = true, .replies = status, .len = sizeof(status),
					    .calls = calls, .out = "{\n  \"format\": 1,\n  \"log_level\": \"debug\"\n}\n" });
	/* A daemon of before. */
	assert_exchange(&(struct exchange){
		.words = WORDS("log-level"), REPLIES("{\"parameters\":{\"version\":\"1\"}}"), .calls = calls,
		.err = "fancapctl: fancapd's answer has no valid \"log_level\"\n", .exit = CTL_FAILED });
}

static void log_level_is_set(void **state)
{
	(void)state;
	assert_exchange(&(struct exchange){
		.words = WORDS("log-level", "debug"), REPLIES("{\"parameters\":{\"previous\":\"info\"}}"),
		.calls = "{\"method\":\"io.fancap.SetLogLevel\",\"parameters\":{\"level\":\"debug\"}}\n",
		.out = "until the next reload; before it was info\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("log-level", "error"), .json = true, REPLIES("{\"parameters\":{\"previous\":\"info\"}}"),
		.calls = "{\"method\":\"io.fancap.SetLogLevel\",\"parameters\":{\"level\":\"error\"}}\n",
		.out = "{\n  \"format\": 1,\n  \"previous\": \"info\"\n}\n" });
}

static void configuration_is_printed(void **state)
{
	static const char reply[] = "{\"parameters\":{\"path\":\"/etc/fancap/fancapd.yaml\",\"loaded_ns\":1700000000000000000,"
				    "\"yaml\":\"interfaces:\\n- name: \\\"\\u001b\\\"\\nlog: x\"}}";

	(void)state;
	assert_exchange(&(struct exchange){
		.words = WORDS("config"), .replies = reply, .len = sizeof(reply),
		.calls = "{\"method\":\"io.fancap.GetConfiguration\"}\n",
		.out = "# /etc/fancap/fancapd.yaml, read at 2023-11-14 22:13:20 UTC\ninterfaces:\n- name: \"\\x1b\"\nlog: x\n" });
	assert_exchange(&(struct exchange){
		.words = WORDS("config"), .json = true, REPLIES("{\"parameters\":{\"yaml\":\"a\\nb\\n\"}}"),
		.calls = "{\"method\":\"io.fancap.GetConfiguration\"}\n",
		.out = "{\n  \"format\": 1,\n  \"yaml\": \"a\\nb\\n\"\n}\n" });
}

/* --- what does not work ------------------------------------------------------------------------------------------------- */

/* Half an answer is a failure of every command, and never printed. */
static void hollow_answers_are_failures(void **state)
{
	const char *const *const commands[] = {
		WORDS("interfaces"), WORDS("segments"), WORDS("config"), WORDS("hold", "/x"), WORDS("release", "/x"),
		WORDS("filter", "eth1"), WORDS("filter", "eth1", "tcp"), WORDS("pause"), WORDS("resume"),
		WORDS("restart-worker", "eth1", "0"), WORDS("log-level", "info"), WORDS("rotate"),
		WORDS("statistics", "--watch", "1"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		struct daemon daemon = daemon_start(TALKS, INFO, sizeof(INFO));

		assert_fails(run_words(daemon.path, false, commands[i]), CTL_FAILED, "answer has no valid \"");
		daemon_stop(&daemon);
	}
}

static void assert_each_member_is_needed(const char *bytes, size_t len, const char *command)
{
	for (const char *at = bytes; (at = strstr(at, "\":")); at++) {
		char *broken = malloc(len);
		struct daemon daemon;
		struct result result;

		memcpy(broken, bytes, len);
		broken[at - bytes - 1] = '~';
		daemon = daemon_start(TALKS, broken, len);
		result = run_at(daemon.path, false, command, NULL);
		assert_true(result.exit == CTL_OK || (result.exit == CTL_FAILED && !*result.out));
		result_free(&result);
		daemon_stop(&daemon);
		free(broken);
	}
}

static void incomplete_lists_are_failures(void **state)
{
	(void)state;
	assert_each_member_is_needed(INTERFACES, sizeof(INTERFACES), "interfaces");
	assert_each_member_is_needed(PAGE_2, sizeof(PAGE_2), "segments");
}

static void wrong_words_are_told(void **state)
{
	const struct {
		const char *const *words;
		const char *part;
	} rows[] = {
		{ WORDS("segments", "--limit", "0"), "--limit '0' is no whole number from 1 to" },
		{ WORDS("segments", "--limit", "1x"), "--limit '1x' is no whole number" },
		{ WORDS("segments", "--from", "noon"), "--from 'noon' is no time: 2023-11-14T22:13:20Z, " },
		{ WORDS("segments", "a", "b"), "segments takes [INTERFACE]" },
		{ WORDS("segments", "a", "-i", "b"), "segments takes [INTERFACE]" },
		{ WORDS("events", "--backlog", "257"), "--backlog '257' is no whole number from 0 to 256" },
		{ WORDS("statistics", "--watch", "0"), "--watch '0' is no number of seconds from 0.1 to 3600" },
		{ WORDS("hold"), "hold takes files, or --from and --to" },
		{ WORDS("hold", "--from", "now", "/x"), "hold takes files, or --from and --to" },
		{ WORDS("release", "-i", "eth1", "/x"), "release takes --interface only with --from and --to" },
		{ WORDS("filter"), "filter takes INTERFACE [EXPRESSION]" },
		{ WORDS("filter", "eth1", "--reset", "tcp"), "filter takes an expression or --reset" },
		{ WORDS("restart-worker", "eth1"), "restart-worker takes INTERFACE WORKER" },
		{ WORDS("restart-worker", "eth1", "one"), "'one' is no worker: they are numbered from 0" },
		{ WORDS("restart-worker", "eth1", "-1"), "there is no option '-1'" },
		{ WORDS("log-level", "loud"), "'loud' is no log level: error, warning, info or debug" },
		{ WORDS("config", "-i", "eth1"), "config takes no --interface" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_fails(run_words("/nonexistent/s", false, rows[i].words), CTL_USAGE, rows[i].part);
}

/* --- times ----------------------------------------------------------------------------------------------------------------- */

#define NOW_NS UINT64_C(1700000000250000000) /* 2023-11-14 22:13:20.25 UTC */

static void assert_when(const char *text, int64_t expected)
{
	int64_t ns = -1;

	if (when_parse(text, NOW_NS, &ns) != 0 || ns != expected)
		fail_msg("%s: %lld, not %lld", text, (long long)ns, (long long)expected);
}

static void times_are_read(void **state)
{
	static const int64_t s = 1000000000, base = 1700000000;

	(void)state;
	assert_when("now", (int64_t)NOW_NS);
	assert_when("-0", (int64_t)NOW_NS);
	assert_when("-2h", (int64_t)NOW_NS - 7200 * s);
	assert_when("-1500ms", (int64_t)NOW_NS - 1500000000);
	assert_when("today", 1699920000 * s);
	assert_when("yesterday", 1699833600 * s);
	assert_when("0", 0);
	assert_when("1700000000", base * s);
	assert_when("1700000000.123456789", base * s + 123456789);
	assert_when("1700000000.1234567891", base * s + 123456789);
	assert_when("2023-11-14T22:13:20Z", base * s);
	assert_when("2023-11-14t22:13:20.5z", base * s + s / 2);
	assert_when("2023-11-14T23:43:20+01:30", base * s);
	assert_when("2023-11-14T21:13:20-01:00", base * s);
	assert_when("2023-11-14 22:13:20", base * s);
	assert_when("2023-11-14 22:13", (base - 20) * s);
	assert_when("2023-11-14", 1699920000 * s);
	assert_when("2024-02-29", 1709164800 * s);
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "-", "noon", "-2", "-2y", "--2h", "+2h", "-60000d", "1.", ".5", "1.5.2", "9999999999999", "99999999999999999999",
		"2023-11", "2023-1-1", "2023-02-30", "2023-02-29", "2023-13-01", "2023-00-01", "2023-11-00",
		"2023-11-14T", "2023-11-14T22", "2023-11-14T24:00:00Z", "2023-11-14T22:60:00Z", "2023-11-14T22:13:60Z",
		"2023-11-14T22:13:20.Z", "2023-11-14T22:13:20+1", "2023-11-14T22:13:20+24:00", "2023-11-14T22:13:20Zx",
		"2023-11-14X22:13:20", "1969-12-31", "2300-01-01", "1970-01-01T00:00:00+01:00", "\xff",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		int64_t ns;

		if (when_parse(texts[i], NOW_NS, &ns) == 0)
			fail_msg("%s: %lld", texts[i], (long long)ns);
	}
}

/* --- colours ------------------------------------------------------------------------------------------------------------ */

static void states_and_losses_have_colours(void **state)
{
	struct daemon daemon = daemon_start(TALKS, INTERFACES "\0" INTERFACES, sizeof(INTERFACES "\0" INTERFACES));
	struct result text, json;

	(void)state;
	color_enable(true);
	text = run_words(daemon.path, false, WORDS("interfaces"));
	json = run_words(daemon.path, true, WORDS("interfaces"));
	color_enable(false);
	/* Columns stay what they are without. */
	assert_non_null(strstr(text.out, "eth1 (lan0)  \x1b[32mup\x1b[0m           3  EN10MB"));
	assert_non_null(strstr(text.out, "wan          \x1b[1;31mmissing\x1b[0m      -  -"));
	assert_null(strchr(json.out, '\x1b'));
	result_free(&text);
	result_free(&json);
	daemon_stop(&daemon);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(interfaces_are_listed),
		cmocka_unit_test(one_interface_is_shown),
		cmocka_unit_test(json_of_interfaces_is_what_was_sent),
		cmocka_unit_test(segments_are_listed_page_by_page),
		cmocka_unit_test(segments_are_limited_and_say_that_there_are_more),
		cmocka_unit_test(pages_that_make_no_sense_end_it),
		cmocka_unit_test(files_are_held_by_name),
		cmocka_unit_test(names_become_paths),
		cmocka_unit_test(a_time_range_is_held),
		cmocka_unit_test(a_file_finished_meanwhile_is_looked_for_again),
		cmocka_unit_test(many_files_take_several_calls),
		cmocka_unit_test(events_are_followed),
		cmocka_unit_test(events_of_a_hanging_daemon_time_out),
		cmocka_unit_test(statistics_are_watched),
		cmocka_unit_test(watched_tables_are_apart),
		cmocka_unit_test(a_watched_daemon_that_stops_answering_times_out),
		cmocka_unit_test(filter_is_shown_changed_and_reset),
		cmocka_unit_test(interfaces_are_paused_and_resumed),
		cmocka_unit_test(workers_are_restarted),
		cmocka_unit_test(log_level_is_shown),
		cmocka_unit_test(log_level_is_set),
		cmocka_unit_test(configuration_is_printed),
		cmocka_unit_test(hollow_answers_are_failures),
		cmocka_unit_test(incomplete_lists_are_failures),
		cmocka_unit_test(wrong_words_are_told),
		cmocka_unit_test(times_are_read),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(states_and_losses_have_colours),
	};

	return cmocka_run_group_tests_name("ctl_commands", tests, NULL, NULL);
}
