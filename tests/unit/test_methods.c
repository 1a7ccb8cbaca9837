// SPDX-License-Identifier: BSD-3-Clause
/* What the methods answer, checked against the interface description they serve themselves. */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <event2/event.h>

#include "daemon/events.h"
#include "daemon/log.h"
#include "daemon/messages.h"
#include "daemon/methods.h"
#include "daemon/statistics.h"
#include "tests/unit/fake_source.h"
#include "varlink/interfaces.h"

/* --- a reader of interface descriptions, as much as is needed ------------------------------------------ */

/* The description without its comments; the caller frees it. */
static char *without_comments(const char *idl)
{
	char *out = strdup(idl), *to = out;

	while (*idl) {
		if (*idl == '#')
			idl += strcspn(idl, "\n");
		else
			*to++ = *idl++;
	}
	*to = '\0';
	return out;
}

/* The next word: a name, or one of ( ) , : -> ? [] ; its end is returned. */
static const char *word(const char *at, char *ret_word)
{
	size_t len = 1;

	at += strspn(at, " \t\n");
	if (isalnum((unsigned char)*at))
		len = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.");
	else if (!strncmp(at, "->", 2) || !strncmp(at, "[]", 2))
		len = 2;
	memcpy(ret_word, at, len);
	ret_word[len] = '\0';
	return at + len;
}

/* Where the parenthesis of `kind name (` opens; with output, the second one of a method. */
static const char *definition(const char *idl, const char *kind, const char *name, int output)
{
	char start[128];
	const char *at;

	for (int blank = 0; blank < 2; blank++) {
		snprintf(start, sizeof(start), "\n%s %s%s(", kind, name, blank ? " " : "");
		at = strstr(idl, start);
		if (at)
			break;
	}
	if (!at)
		fail_msg("the interface has no %s %s", kind, name);
	at = strchr(at, '(');
	return output ? strchr(strstr(at, "->"), '(') : at;
}

static void check_object(const char *idl, const char *at, json_t *object);

static void check_enum(const char *at, const char *value)
{
	char w[128];

	for (at = word(at, w); strcmp(w, ")");) {
		at = word(at, w);
		if (value && !strcmp(w, value))
			return;
	}
	fail_msg("%s is no value of its enumeration", value ? value : "(no string)");
}

static void check_named(const char *idl, const char *type, json_t *value)
{
	const char *at = definition(idl, "type", type, 0);
	char w[128];

	word(word(word(at, w), w), w);
	if (!strcmp(w, ":"))
		check_object(idl, at, value);
	else
		check_enum(at, json_string_value(value));
}

/* Check a value against the type at; its end is returned. */
static const char *check_value(const char *idl, const char *at, json_t *value, const char *name)
{
	char w[128];
	const char *end = word(at, w);

	if (!strcmp(w, "?")) {
		if (value && !json_is_null(value))
			return check_value(idl, end, value, name);
		return word(end, w);
	}
	if (!value)
		fail_msg("%s is missing", name);
	if (!strcmp(w, "[]")) {
		size_t i;
		json_t *element;

		assert_true(json_is_array(value));
		json_array_foreach(value, i, element) {
			check_value(idl, end, element, name);
		}
		return word(end, w);
	}
	if (!strcmp(w, "int"))
		assert_true(json_is_integer(value));
	else if (!strcmp(w, "bool"))
		assert_true(json_is_boolean(value));
	else if (!strcmp(w, "string"))
		assert_true(json_is_string(value));
	else if (!strcmp(w, "bool"))
		assert_true(json_is_boolean(value));
	else if (!strcmp(w, "float"))
		assert_true(json_is_real(value));
	else
		check_named(idl, w, value);
	return end;
}

/* Exactly the fields of the definition whose parenthesis opens at. Optional ones are present too, as null. */
static void check_object(const char *idl, const char *at, json_t *object)
{
	size_t n_fields = 0;
	char name[128], w[128];

	assert_true(json_is_object(object));
	at = word(at, w);
	assert_string_equal(w, "(");
	while (strcmp(w, ")")) {
		at = word(at, name);
		if (!strcmp(name, ")"))
			break;
		at = word(at, w);
		assert_string_equal(w, ":");
		assert_non_null(json_object_get(object, name));
		at = check_value(idl, at, json_object_get(object, name), name);
		at = word(at, w);
		n_fields++;
	}
	assert_int_equal(json_object_size(object), n_fields);
}

static void check_against_idl(const char *text, const char *kind, const char *name, json_t *object)
{
	char *idl = without_comments(text);

	check_object(idl, definition(idl, kind, name, !strcmp(kind, "method")), object);
	free(idl);
}

/* --- calling ------------------------------------------------------------------------------------------- */

static const struct access_caller reader = { .uid = 1000, .pid = 1, .level = ACCESS_READ };
static const struct access_caller admin = { .uid = 1000, .pid = 1, .level = ACCESS_ACT };

static bool call_as(struct fake_source *fake, const struct access_caller *caller, const char *text,
		    struct method_wait *wait, struct method_reply *ret_reply)
{
	struct control_source source = fake_source(fake);
	struct varlink_call call;
	bool answered;

	assert_int_equal(varlink_call_parse(text, strlen(text), &call), VARLINK_OK);
	answered = methods_call(&source, caller, &call, wait, ret_reply);
	varlink_call_done(&call);
	return answered;
}

static struct method_reply call_with(struct fake_source *fake, const char *text)
{
	struct method_wait wait = { 0 };
	struct method_reply reply;

	assert_true(call_as(fake, &admin, text, &wait, &reply));
	assert_non_null(reply.parameters);
	return reply;
}

static struct method_reply call(const char *text)
{
	struct fake_source fake = { .n_workers = 2 };

	return call_with(&fake, text);
}

static void assert_error(const char *text, const char *error, const char *key, const char *value)
{
	struct method_reply reply = call(text);
	const char *dot = strrchr(error, '.');

	assert_non_null(reply.error);
	assert_string_equal(reply.error, error);
	assert_string_equal(json_string_value(json_object_get(reply.parameters, key)), value);
	check_against_idl(!strncmp(error, FANCAP_INTERFACE ".", sizeof(FANCAP_INTERFACE)) ?
				  varlink_io_fancap : varlink_org_varlink_service,
			  "error", dot + 1, reply.parameters);
	json_decref(reply.parameters);
}

static json_int_t number(json_t *object, const char *key)
{
	assert_true(json_is_integer(json_object_get(object, key)));
	return json_integer_value(json_object_get(object, key));
}

static void status_is_as_described(void **state)
{
	struct method_reply reply = call("{\"method\":\"io.fancap.GetStatus\"}");

	(void)state;
	assert_null(reply.error);
	check_against_idl(varlink_io_fancap, "method", "GetStatus", reply.parameters);
	assert_int_equal(number(reply.parameters, "pid"), 4321);
	assert_int_equal(json_array_size(json_object_get(reply.parameters, "interfaces")), 2);
	json_decref(reply.parameters);
}

static void status_tells_of_the_storage(void **state)
{
	struct method_reply reply = call("{\"method\":\"io.fancap.GetStatus\"}");
	json_t *storage = json_object_get(reply.parameters, "storage");
	json_t *directory = json_array_get(json_object_get(storage, "directories"), 1);

	(void)state;
	assert_int_equal(number(storage, "keeper_pid"), 4322);
	assert_true(json_is_true(json_object_get(storage, "scanned")));
	assert_int_equal(number(storage, "files"), 1234);
	assert_int_equal(number(storage, "bytes"), 987654321012);
	assert_int_equal(number(storage, "removed_files"), 34);
	assert_int_equal(number(storage, "synced_files"), 5678);
	assert_int_equal(number(storage, "retain_seconds"), 864000);
	assert_float_equal(json_real_value(json_object_get(storage, "written_bytes_per_s")), 2500000.5, 0.01);
	assert_string_equal(json_string_value(json_object_get(directory, "path")), "/srv/two");
	assert_int_equal(number(directory, "free_bytes"), 198765432101);
	json_decref(reply.parameters);
}

static void status_can_be_told_before_there_are_statistics(void **state)
{
	struct fake_source fake = { .no_snapshot = true };
	struct method_reply reply = call_with(&fake, "{\"method\":\"io.fancap.GetStatus\"}");

	(void)state;
	assert_null(reply.error);
	check_against_idl(varlink_io_fancap, "method", "GetStatus", reply.parameters);
	assert_string_equal(json_string_value(json_object_get(reply.parameters, "state")), "starting");
	json_decref(reply.parameters);

	reply = call_with(&fake, "{\"method\":\"io.fancap.GetStatistics\"}");
	assert_string_equal(reply.error, FANCAP_ERROR_UNAVAILABLE);
	check_against_idl(varlink_io_fancap, "error", "Unavailable", reply.parameters);
	json_decref(reply.parameters);
}

static void interface_state_follows_its_workers(void **state)
{
	struct method_reply reply = call("{\"method\":\"io.fancap.GetStatus\"}");
	json_t *interfaces = json_object_get(reply.parameters, "interfaces"), *wan = json_array_get(interfaces, 1);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(json_array_get(interfaces, 0), "state")), "up");
	assert_string_equal(json_string_value(json_object_get(wan, "state")), "degraded");
	assert_int_equal(number(wan, "workers"), 2);
	assert_int_equal(number(wan, "workers_running"), 1);
	json_decref(reply.parameters);
}

static void statistics_are_as_described(void **state)
{
	struct method_reply reply = call("{\"method\":\"io.fancap.GetStatistics\"}");

	(void)state;
	assert_null(reply.error);
	check_against_idl(varlink_io_fancap, "method", "GetStatistics", reply.parameters);
	assert_int_equal(json_array_size(json_object_get(reply.parameters, "interfaces")), 2);
	json_decref(reply.parameters);
}

static void assert_identities(json_t *c)
{
	assert_int_equal(number(c, "packets_seen"),
			 number(c, "packets_dropped") + number(c, "packets_delivered"));
	assert_int_equal(number(c, "packets_delivered"), number(c, "packets_written") +
			 number(c, "packets_discarded") + number(c, "packets_in_ring"));
}

static void statistics_have_the_values_of_the_snapshot(void **state)
{
	struct method_reply reply = call("{\"method\":\"io.fancap.GetStatistics\",\"parameters\":{}}");
	json_t *interface = json_array_get(json_object_get(reply.parameters, "interfaces"), 0);
	json_t *worker = json_array_get(json_object_get(interface, "workers"), 1);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(interface, "interface")), "eth1");
	assert_string_equal(json_string_value(json_object_get(interface, "device")), "lan0");
	assert_string_equal(json_string_value(json_object_get(interface, "state")), "up");
	assert_int_equal(number(interface, "ifindex"), 3);
	assert_int_equal(number(interface, "fanout_id"), 41);
	assert_int_equal(number(json_object_get(interface, "nic"), "rx_packets"), 2500000);
	assert_int_equal(number(json_object_get(interface, "nic"), "rx_errors"), 1);
	assert_int_equal(number(json_object_get(interface, "nic"), "rx_dropped"), 20);
	assert_int_equal(number(json_object_get(interface, "nic"), "rx_missed"), 300);
	assert_int_equal(number(json_object_get(interface, "nic"), "rx_fifo"), 4000);
	assert_int_equal(number(json_object_get(interface, "nic"), "rx_nohandler"), 5);
	assert_int_equal(number(worker, "worker"), 1);
	assert_int_equal(number(worker, "pid"), 1001);
	assert_int_equal(number(worker, "cpu"), 3);
	assert_int_equal(number(worker, "packets_seen"), 2234567);
	assert_int_equal(number(worker, "packets_dropped"), 1234);
	assert_int_equal(number(worker, "packets_written"), 2233323);
	assert_int_equal(number(json_object_get(worker, "discarded_by_reason"), "disk_full"), 7);
	assert_int_equal(number(json_object_get(worker, "discarded_by_reason"), "worker_crash"), 0);
	assert_int_equal(number(interface, "packets_seen"), 1234567 + 2234567);
	assert_int_equal(number(json_object_get(reply.parameters, "total"), "packets_seen"), 6938268);
	assert_identities(worker);
	assert_identities(interface);
	assert_identities(json_object_get(reply.parameters, "total"));
	json_decref(reply.parameters);
}

static void storage_is_told_per_worker_and_in_sum(void **state)
{
	struct method_reply reply = call("{\"method\":\"io.fancap.GetStatistics\"}");
	json_t *interface = json_array_get(json_object_get(reply.parameters, "interfaces"), 0);
	json_t *worker = json_array_get(json_object_get(interface, "workers"), 1);

	(void)state;
	assert_int_equal(number(worker, "ring_blocks_used_max"), 128);
	assert_string_equal(json_string_value(json_object_get(worker, "writer")), "io_uring");
	assert_true(json_is_true(json_object_get(worker, "direct_io")));
	assert_int_equal(number(worker, "blocks_direct"), 999);
	assert_int_equal(number(worker, "blocks_staged"), 1);
	assert_int_equal(number(worker, "writes"), 2000);
	assert_int_equal(number(worker, "write_ns"), 900000010);
	assert_int_equal(number(worker, "write_mean_ns"), 450000);
	assert_int_equal(number(worker, "write_max_ns"), 99960000);
	assert_int_equal(number(interface, "blocks_direct"), 1899);
	assert_int_equal(number(interface, "write_mean_ns"), 800000);
	assert_int_equal(number(interface, "write_max_ns"), 99960000);
	assert_int_equal(number(json_object_get(reply.parameters, "total"), "writes"), 3000);
	json_decref(reply.parameters);
}

static void what_is_not_known_yet_is_null(void **state)
{
	struct method_reply reply = call("{\"method\":\"io.fancap.GetStatistics\"}");
	json_t *interface = json_array_get(json_object_get(reply.parameters, "interfaces"), 1), *worker;
	struct fake_source fake = { .n_workers = 0 };

	(void)state;
	worker = json_array_get(json_object_get(interface, "workers"), 1);
	assert_true(json_is_null(json_object_get(worker, "direct_io")));
	worker = json_array_get(json_object_get(interface, "workers"), 0);
	assert_true(json_is_false(json_object_get(worker, "direct_io")));
	assert_true(json_is_real(json_object_get(interface, "flow_balance")));
	json_decref(reply.parameters);

	reply = call_with(&fake, "{\"method\":\"io.fancap.GetStatistics\"}");
	interface = json_array_get(json_object_get(reply.parameters, "interfaces"), 1);
	assert_true(json_is_null(json_object_get(interface, "flow_balance")));
	json_decref(reply.parameters);
}

static void dead_worker_has_no_pid_and_unpinned_no_cpu(void **state)
{
	struct method_reply reply = call("{\"method\":\"io.fancap.GetStatistics\"}");
	json_t *interface = json_array_get(json_object_get(reply.parameters, "interfaces"), 1);
	json_t *worker = json_array_get(json_object_get(interface, "workers"), 1);

	(void)state;
	assert_true(json_is_null(json_object_get(worker, "pid")));
	assert_true(json_is_null(json_object_get(worker, "cpu")));
	assert_string_equal(json_string_value(json_object_get(worker, "state")), "restarting");
	json_decref(reply.parameters);
}

static void missing_interface_has_no_device(void **state)
{
	struct fake_source fake = { .n_workers = 2, .missing = true };
	struct method_reply reply;
	json_t *interface;

	(void)state;
	reply = call_with(&fake, "{\"method\":\"io.fancap.GetStatistics\"}");
	check_against_idl(varlink_io_fancap, "method", "GetStatistics", reply.parameters);
	interface = json_array_get(json_object_get(reply.parameters, "interfaces"), 1);
	assert_string_equal(json_string_value(json_object_get(interface, "interface")), "wan");
	assert_string_equal(json_string_value(json_object_get(interface, "state")), "missing");
	assert_true(json_is_null(json_object_get(interface, "device")));
	assert_true(json_is_null(json_object_get(interface, "ifindex")));
	assert_true(json_is_null(json_object_get(interface, "fanout_id")));
	assert_true(json_is_null(json_object_get(interface, "nic")));
	assert_int_equal(number(interface, "packets_seen"), 3469134); /* of its earlier life */
	json_decref(reply.parameters);

	reply = call_with(&fake, "{\"method\":\"io.fancap.GetStatus\"}");
	check_against_idl(varlink_io_fancap, "method", "GetStatus", reply.parameters);
	interface = json_array_get(json_object_get(reply.parameters, "interfaces"), 1);
	assert_string_equal(json_string_value(json_object_get(interface, "state")), "missing");
	assert_true(json_is_null(json_object_get(interface, "device")));
	json_decref(reply.parameters);
}

static void statistics_of_one_interface(void **state)
{
	struct method_reply reply =
		call("{\"method\":\"io.fancap.GetStatistics\",\"parameters\":{\"interface\":\"wan\"}}");
	json_t *interfaces = json_object_get(reply.parameters, "interfaces");

	(void)state;
	check_against_idl(varlink_io_fancap, "method", "GetStatistics", reply.parameters);
	assert_int_equal(json_array_size(interfaces), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(interfaces, 0), "interface")), "wan");
	assert_int_equal(number(json_object_get(reply.parameters, "total"), "packets_seen"), 3469134);
	json_decref(reply.parameters);

	/* null is as good as nothing */
	reply = call("{\"method\":\"io.fancap.GetStatistics\",\"parameters\":{\"interface\":null}}");
	assert_int_equal(json_array_size(json_object_get(reply.parameters, "interfaces")), 2);
	json_decref(reply.parameters);
}

static void arrays_are_arrays_when_empty(void **state)
{
	struct fake_source fake = { .n_workers = 0 };
	struct method_reply reply = call_with(&fake, "{\"method\":\"io.fancap.GetStatistics\"}");
	json_t *interface = json_array_get(json_object_get(reply.parameters, "interfaces"), 0);

	(void)state;
	check_against_idl(varlink_io_fancap, "method", "GetStatistics", reply.parameters);
	assert_true(json_is_array(json_object_get(interface, "workers")));
	json_decref(reply.parameters);
}

static void service_describes_itself(void **state)
{
	struct method_reply reply = call("{\"method\":\"org.varlink.service.GetInfo\"}");

	(void)state;
	check_against_idl(varlink_org_varlink_service, "method", "GetInfo", reply.parameters);
	json_decref(reply.parameters);
	reply = call("{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		     "\"parameters\":{\"interface\":\"io.fancap\"}}");
	assert_string_equal(json_string_value(json_object_get(reply.parameters, "description")), varlink_io_fancap);
	json_decref(reply.parameters);
	reply = call("{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		     "\"parameters\":{\"interface\":\"org.varlink.service\"}}");
	assert_string_equal(json_string_value(json_object_get(reply.parameters, "description")),
			    varlink_org_varlink_service);
	json_decref(reply.parameters);
}

static void wrong_calls_get_typed_errors(void **state)
{
	(void)state;
	assert_error("{\"method\":\"io.fancap.GetNothing\"}", VARLINK_ERROR_METHOD_NOT_FOUND, "method",
		     "io.fancap.GetNothing");
	assert_error("{\"method\":\"io.fancap.getstatus\"}", VARLINK_ERROR_METHOD_NOT_FOUND, "method",
		     "io.fancap.getstatus");
	assert_error("{\"method\":\"io.fanca.GetStatus\"}", VARLINK_ERROR_INTERFACE_NOT_FOUND, "interface",
		     "io.fanca");
	assert_error("{\"method\":\"io.fancap.x.GetStatus\"}", VARLINK_ERROR_INTERFACE_NOT_FOUND, "interface",
		     "io.fancap.x");
	assert_error("{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		     "\"parameters\":{\"interface\":\"x.y\"}}",
		     VARLINK_ERROR_INTERFACE_NOT_FOUND, "interface", "x.y");
	assert_error("{\"method\":\"io.fancap.GetStatistics\",\"parameters\":{\"interface\":\"eth9\"}}",
		     FANCAP_ERROR_NO_SUCH_INTERFACE, "interface", "eth9");
	assert_error("{\"method\":\"io.fancap.Rotate\",\"parameters\":{\"interface\":\"eth9\"}}",
		     FANCAP_ERROR_NO_SUCH_INTERFACE, "interface", "eth9");
	assert_error("{\"method\":\"io.fancap.GetStatistics\",\"parameters\":{\"interface\":\"\"}}",
		     FANCAP_ERROR_NO_SUCH_INTERFACE, "interface", "");
}

static void wrong_parameters_are_named(void **state)
{
	(void)state;
	assert_error("{\"method\":\"io.fancap.GetStatus\",\"parameters\":{\"x\":1}}",
		     VARLINK_ERROR_INVALID_PARAMETER, "parameter", "x");
	assert_error("{\"method\":\"io.fancap.GetStatistics\",\"parameters\":{\"interface\":1}}",
		     VARLINK_ERROR_INVALID_PARAMETER, "parameter", "interface");
	assert_error("{\"method\":\"io.fancap.GetStatistics\",\"parameters\":{\"interfaces\":\"eth1\"}}",
		     VARLINK_ERROR_INVALID_PARAMETER, "parameter", "interfaces");
	assert_error("{\"method\":\"org.varlink.service.GetInterfaceDescription\"}",
		     VARLINK_ERROR_INVALID_PARAMETER, "parameter", "interface");
	assert_error("{\"method\":\"io.fancap.GetStatus\",\"upgrade\":true}",
		     VARLINK_ERROR_INVALID_PARAMETER, "parameter", "upgrade");
}

static void interfaces_are_listed(void **state)
{
	struct fake_source fake = { .n_workers = 2, .missing = true };
	struct method_reply reply = call_with(&fake, "{\"method\":\"io.fancap.ListInterfaces\"}");
	json_t *interfaces = json_object_get(reply.parameters, "interfaces"), *eth1, *wan;

	(void)state;
	assert_null(reply.error);
	check_against_idl(varlink_io_fancap, "method", "ListInterfaces", reply.parameters);
	assert_int_equal(json_array_size(interfaces), 2);
	eth1 = json_array_get(interfaces, 0);
	wan = json_array_get(interfaces, 1);
	assert_string_equal(json_string_value(json_object_get(eth1, "interface")), "eth1");
	assert_string_equal(json_string_value(json_object_get(eth1, "device")), "lan0");
	assert_string_equal(json_string_value(json_object_get(eth1, "link_type")), "EN10MB");
	assert_int_equal(number(eth1, "mtu"), 1500);
	assert_int_equal(number(eth1, "speed_bits"), 10000000000);
	assert_int_equal(number(eth1, "ring_bytes"), 256 << 20);
	assert_int_equal(number(eth1, "workers"), 2);
	assert_int_equal(number(eth1, "workers_running"), 2);
	assert_string_equal(json_string_value(json_object_get(eth1, "filter")), "tcp port 443");
	assert_string_equal(json_string_value(json_object_get(eth1, "filter_configured")), "tcp");
	assert_true(json_is_true(json_object_get(eth1, "promiscuous")));
	assert_string_equal(json_string_value(json_array_get(json_object_get(eth1, "folders"), 1)), "/srv/two/eth1");
	assert_string_equal(json_string_value(json_object_get(wan, "state")), "missing");
	assert_int_equal(number(wan, "workers_running"), 1);
	assert_true(json_is_null(json_object_get(wan, "link_type")));
	assert_true(json_is_null(json_object_get(wan, "mtu")));
	assert_true(json_is_null(json_object_get(wan, "speed_bits")));
	assert_true(json_is_null(json_object_get(wan, "stall_ns")));
	assert_true(json_is_null(json_object_get(wan, "filter")));
	json_decref(reply.parameters);
}

static void workers_are_listed(void **state)
{
	struct method_reply reply = call("{\"method\":\"io.fancap.ListWorkers\"}");
	json_t *workers = json_object_get(reply.parameters, "workers"), *first, *last;

	(void)state;
	check_against_idl(varlink_io_fancap, "method", "ListWorkers", reply.parameters);
	assert_int_equal(json_array_size(workers), 4);
	first = json_array_get(workers, 0);
	last = json_array_get(workers, 3);
	assert_string_equal(json_string_value(json_object_get(first, "interface")), "eth1");
	assert_int_equal(number(first, "worker"), 0);
	assert_int_equal(number(first, "pid"), 1000);
	assert_int_equal(number(first, "heartbeat_ns"), 12345678);
	assert_string_equal(json_string_value(json_object_get(first, "segment")),
			    "/srv/one/eth1/2023-11-14/x-w0.pcapng.part");
	assert_int_equal(number(first, "segment_bytes"), 123456789);
	assert_int_equal(number(first, "segment_packets"), 250000);
	assert_int_equal(number(first, "segment_start_ns"), 1700000060000000000);
	assert_string_equal(json_string_value(json_object_get(last, "interface")), "wan");
	assert_string_equal(json_string_value(json_object_get(last, "state")), "restarting");
	assert_int_equal(number(last, "restarts"), 3);
	assert_true(json_is_null(json_object_get(last, "heartbeat_ns")));
	assert_true(json_is_null(json_object_get(last, "segment")));
	assert_int_equal(number(last, "segment_bytes"), 0);
	assert_true(json_is_null(json_object_get(last, "segment_start_ns")));
	json_decref(reply.parameters);

	reply = call("{\"method\":\"io.fancap.ListWorkers\",\"parameters\":{\"interface\":\"wan\"}}");
	assert_int_equal(json_array_size(json_object_get(reply.parameters, "workers")), 2);
	json_decref(reply.parameters);
	assert_error("{\"method\":\"io.fancap.ListWorkers\",\"parameters\":{\"interface\":\"eth9\"}}",
		     FANCAP_ERROR_NO_SUCH_INTERFACE, "interface", "eth9");
}

static void configuration_is_told_as_it_was_read(void **state)
{
	struct method_reply reply = call("{\"method\":\"io.fancap.GetConfiguration\"}");

	(void)state;
	check_against_idl(varlink_io_fancap, "method", "GetConfiguration", reply.parameters);
	assert_string_equal(json_string_value(json_object_get(reply.parameters, "path")), "/etc/fancap/fancapd.yaml");
	assert_int_equal(number(reply.parameters, "loaded_ns"), 1700000005000000000);
	assert_non_null(strstr(json_string_value(json_object_get(reply.parameters, "yaml")), "- name: wan"));
	json_decref(reply.parameters);
}

/* --- streams --------------------------------------------------------------------------------------------- */

/** Somebody who takes answers, or does not, or goes away at the last he takes. */
struct taker {
	struct method_wait wait;
	const char *method;
	unsigned taken;
	unsigned leaves_at; /* so many; 0: never */
	bool busy;
	bool ended; /* the last was the last */
	const char *error;
	json_int_t number; /* of the last event */
	char text[64];
};

static const char *text_of(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

static bool taker_answer(struct method_wait *wait, const struct method_reply *reply)
{
	struct taker *taker = (struct taker *)wait;

	assert_non_null(reply->parameters);
	if (!reply->error)
		check_against_idl(varlink_io_fancap, "method", taker->method, reply->parameters);
	taker->number = json_integer_value(json_object_get(reply->parameters, "number"));
	snprintf(taker->text, sizeof(taker->text), "%s %s %s %s",
		 text_of(reply->parameters, "kind"), text_of(reply->parameters, "priority"),
		 text_of(reply->parameters, "interface"), text_of(reply->parameters, "text"));
	json_decref(reply->parameters);
	taker->error = reply->error;
	taker->ended = !reply->continues;
	if (++taker->taken != taker->leaves_at)
		return reply->continues;
	methods_forget(wait->source, wait);
	return false;
}

static bool taker_takes(const struct method_wait *wait)
{
	return !((const struct taker *)wait)->busy;
}

static struct taker taker_new(struct event_base *base, const char *method)
{
	return (struct taker){ .wait = { .base = base, .answer = taker_answer, .takes = taker_takes },
			       .method = method };
}

static void stream_ask(struct control_source *source, struct taker *taker, const char *text)
{
	struct method_reply reply;
	struct varlink_call call;

	assert_int_equal(varlink_call_parse(text, strlen(text), &call), VARLINK_OK);
	assert_false(methods_call(source, &reader, &call, &taker->wait, &reply));
	varlink_call_done(&call);
}

#define STREAM \
	"{\"method\":\"io.fancap.GetStatistics\",\"more\":true,\"parameters\":" \
	"{\"interval_ms\":100,\"interface\":\"wan\"}}"

static void statistics_may_be_a_stream(void **state)
{
	struct fake_source fake = { .n_workers = 2 };
	struct control_source source = fake_source(&fake);
	struct event_base *base = event_base_new();
	struct taker taker = taker_new(base, "GetStatistics");

	(void)state;
	stream_ask(&source, &taker, STREAM);
	assert_int_equal(taker.taken, 0);
	while (taker.taken < 3)
		event_base_loop(base, EVLOOP_ONCE);
	assert_false(taker.ended);

	/* Who does not keep up gets none, and none is made for him. */
	taker.busy = true;
	fake.snapshots = 0;
	for (int i = 0; i < 3; i++)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(taker.taken, 3);
	assert_int_equal(fake.snapshots, 0);
	taker.busy = false;
	event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(taker.taken, 4);

	/* Who goes is forgotten: nothing is left to wait for. */
	taker.leaves_at = 5;
	assert_int_equal(event_base_dispatch(base), 1);
	assert_int_equal(taker.taken, 5);
	event_base_free(base);
}

static void stream_ends_when_there_is_nothing_to_tell(void **state)
{
	struct fake_source fake = { .n_workers = 2 };
	struct control_source source = fake_source(&fake);
	struct event_base *base = event_base_new();
	struct taker taker = taker_new(base, "GetStatistics");

	(void)state;
	stream_ask(&source, &taker, STREAM);
	fake.no_snapshot = true;
	assert_int_equal(event_base_dispatch(base), 1);
	assert_int_equal(taker.taken, 1);
	assert_true(taker.ended);
	assert_string_equal(taker.error, FANCAP_ERROR_UNAVAILABLE);
	event_base_free(base);
}

/* --- events ------------------------------------------------------------------------------------------- */

struct happening {
	struct fake_source fake;
	struct control_source source;
	struct event_base *base;
};

static void happening_init(struct happening *h)
{
	*h = (struct happening){ .base = event_base_new() };
	h->fake.events = events_open(h->base);
	h->source = fake_source(&h->fake);
	log_set_level(LOG_ERR);
	log_set_tap(events_note, h->fake.events);
}

static void happening_done(struct happening *h)
{
	log_set_tap(NULL, NULL);
	log_set_level(LOG_INFO);
	events_close(h->fake.events);
	event_base_free(h->base);
}

static void happen(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		log_printf(LOG_DEBUG, MESSAGE_FILE_COMPLETE, &(struct log_context){ "eth1", 3 }, "file %u", i);
}

static void loop(struct happening *h)
{
	event_base_loop(h->base, EVLOOP_NONBLOCK);
}

/* All that has an id, whether it is urgent enough for the log or not. */
static void events_are_told_as_they_happen(void **state)
{
	struct happening h;
	struct taker taker;

	(void)state;
	happening_init(&h);
	taker = taker_new(h.base, "Events");
	happen(1);
	stream_ask(&h.source, &taker, "{\"method\":\"io.fancap.Events\",\"more\":true}");
	loop(&h);
	assert_int_equal(taker.taken, 0); /* it was before */
	log_printf(LOG_WARNING, MESSAGE_LINK_DOWN, &(struct log_context){ "wan", -1 }, "link down");
	log_printf(LOG_WARNING, NULL, NULL, "of no importance");
	assert_int_equal(taker.taken, 0); /* who logs is not kept waiting */
	loop(&h);
	assert_int_equal(taker.taken, 1);
	assert_int_equal(taker.number, 2);
	assert_string_equal(taker.text, "link warning wan link down");
	happen(1);
	loop(&h);
	assert_string_equal(taker.text, "rotation info eth1 file 0");
	log_printf(LOG_CRIT, "0123456789abcdef0123456789abcdef", NULL, "unheard of");
	loop(&h);
	assert_string_equal(taker.text, "other error - unheard of");
	assert_int_equal(taker.taken, 3);
	methods_forget(&h.source, &taker.wait);
	happen(1);
	loop(&h);
	assert_int_equal(taker.taken, 3);
	happening_done(&h);
}

static void events_of_before_are_told_if_asked_for(void **state)
{
	struct taker five, all;
	struct happening h;

	(void)state;
	happening_init(&h);
	five = taker_new(h.base, "Events");
	all = taker_new(h.base, "Events");
	happen(3);
	stream_ask(&h.source, &all, "{\"method\":\"io.fancap.Events\",\"more\":true,\"parameters\":{\"backlog\":256}}");
	loop(&h);
	assert_int_equal(all.taken, 3);
	happen(300);
	stream_ask(&h.source, &five, "{\"method\":\"io.fancap.Events\",\"more\":true,\"parameters\":{\"backlog\":5}}");
	loop(&h);
	assert_int_equal(five.taken, 5);
	assert_int_equal(five.number, 303);
	assert_int_equal(all.taken, 3 + 256); /* the others were forgotten before he came to them */
	assert_int_equal(all.number, 303);
	methods_forget(&h.source, &five.wait);
	methods_forget(&h.source, &all.wait);
	happening_done(&h);
}

/* What there is no room for is kept where it is remembered, and told when there is. */
static void who_reads_events_slowly_gets_them_later(void **state)
{
	struct happening h;
	struct taker taker;

	(void)state;
	happening_init(&h);
	taker = taker_new(h.base, "Events");
	taker.busy = true;
	stream_ask(&h.source, &taker, "{\"method\":\"io.fancap.Events\",\"more\":true}");
	happen(200);
	loop(&h);
	assert_int_equal(taker.taken, 0);
	taker.busy = false;
	methods_room(&taker.wait);
	assert_int_equal(taker.taken, 200);
	happen(2);
	taker.leaves_at = 201; /* in the middle of two */
	loop(&h);
	assert_int_equal(taker.number, 201);
	happening_done(&h);
}

static void events_need_more(void **state)
{
	(void)state;
	assert_error("{\"method\":\"io.fancap.Events\",\"parameters\":{\"backlog\":257}}",
		     VARLINK_ERROR_INVALID_PARAMETER, "parameter", "backlog");
	assert_error("{\"method\":\"io.fancap.Events\",\"parameters\":{\"backlog\":-1}}",
		     VARLINK_ERROR_INVALID_PARAMETER, "parameter", "backlog");
}

static void stream_that_cannot_be_is_refused(void **state)
{
	(void)state;
	assert_error("{\"method\":\"io.fancap.GetStatistics\",\"more\":true,\"parameters\":{\"interval_ms\":99}}",
		     VARLINK_ERROR_INVALID_PARAMETER, "parameter", "interval_ms");
	assert_error("{\"method\":\"io.fancap.GetStatistics\",\"more\":true,\"parameters\":{\"interval_ms\":3600001}}",
		     VARLINK_ERROR_INVALID_PARAMETER, "parameter", "interval_ms");
	assert_error("{\"method\":\"io.fancap.GetStatistics\",\"more\":true,\"parameters\":{\"interface\":\"eth9\"}}",
		     FANCAP_ERROR_NO_SUCH_INTERFACE, "interface", "eth9");
}

/* --- acting -------------------------------------------------------------------------------------------- */

static struct method_reply later;

static bool on_answer(struct method_wait *wait, const struct method_reply *reply)
{
	(void)wait;
	later = *reply;
	return later.continues;
}

/* All but those that get something, as the description promises. */
static void who_may_only_read_is_refused_all_that_acts(void **state)
{
	struct fake_source fake = { .n_workers = 2 };
	char *idl = without_comments(varlink_io_fancap), name[64], text[128];
	unsigned acting = 0;

	(void)state;
	for (const char *at = idl; (at = strstr(at, "\nmethod ")); at++) {
		struct method_wait wait = { .answer = on_answer };
		struct method_reply reply;

		snprintf(name, sizeof(name), "io.fancap.%.*s", (int)strcspn(at + 8, " ("), at + 8);
		snprintf(text, sizeof(text), "{\"method\":\"%s\"}", name);
		if (!call_as(&fake, &reader, text, &wait, &reply)) {
			fake_source_end_jobs(&fake, true);
			reply = later;
		}
		if (!strncmp(name, "io.fancap.Get", 13) || !strncmp(name, "io.fancap.List", 14)) {
			assert_null(reply.error);
		} else if (!strcmp(name, "io.fancap.Events")) {
			assert_string_equal(reply.error, VARLINK_ERROR_EXPECTED_MORE);
		} else {
			assert_string_equal(reply.error, FANCAP_ERROR_PERMISSION_DENIED);
			assert_string_equal(json_string_value(json_object_get(reply.parameters, "method")), name);
			check_against_idl(varlink_io_fancap, "error", "PermissionDenied", reply.parameters);
			acting++;
		}
		json_decref(reply.parameters);
	}
	assert_true(acting >= 2);
	assert_int_equal(fake.reloads, 0);
	assert_int_equal(fake.n_jobs, 0);
	free(idl);
}

static void reload_answers_how_it_went(void **state)
{
	static const char wrong[] = "a.yaml:1:2: x: what\nb.yaml: \xff\n";
	struct fake_source fake = { 0 };
	struct method_reply reply = call_with(&fake, "{\"method\":\"io.fancap.Reload\"}");
	json_t *errors;

	(void)state;
	assert_null(reply.error);
	check_against_idl(varlink_io_fancap, "method", "Reload", reply.parameters);
	json_decref(reply.parameters);
	assert_int_equal(fake.reloads, 1);

	fake = (struct fake_source){ .reload_result = RELOAD_INVALID, .reload_reasons = wrong };
	reply = call_with(&fake, "{\"method\":\"io.fancap.Reload\"}");
	assert_string_equal(reply.error, FANCAP_ERROR_INVALID_CONFIGURATION);
	check_against_idl(varlink_io_fancap, "error", "InvalidConfiguration", reply.parameters);
	errors = json_object_get(reply.parameters, "errors");
	assert_int_equal(json_array_size(errors), 2);
	assert_string_equal(json_string_value(json_array_get(errors, 0)), "a.yaml:1:2: x: what");
	assert_string_equal(json_string_value(json_array_get(errors, 1)), "b.yaml: ?");
	json_decref(reply.parameters);

	fake = (struct fake_source){ .reload_result = RELOAD_NEEDS_RESTART, .reload_reasons = "eth1: workers" };
	reply = call_with(&fake, "{\"method\":\"io.fancap.Reload\"}");
	assert_string_equal(reply.error, FANCAP_ERROR_NEEDS_RESTART);
	assert_string_equal(json_string_value(json_object_get(reply.parameters, "reason")), "eth1: workers");
	check_against_idl(varlink_io_fancap, "error", "NeedsRestart", reply.parameters);
	json_decref(reply.parameters);

	fake = (struct fake_source){ .reload_result = RELOAD_UNAVAILABLE };
	reply = call_with(&fake, "{\"method\":\"io.fancap.Reload\"}");
	assert_string_equal(reply.error, FANCAP_ERROR_UNAVAILABLE);
	check_against_idl(varlink_io_fancap, "error", "Unavailable", reply.parameters);
	json_decref(reply.parameters);
}

static void rotate_answers_when_it_is_over(void **state)
{
	struct fake_source fake = { .n_workers = 2 };
	struct method_wait wait = { .answer = on_answer };
	struct method_reply reply;

	(void)state;
	later = (struct method_reply){ 0 };
	assert_false(call_as(&fake, &admin, "{\"method\":\"io.fancap.Rotate\"}", &wait, &reply));
	assert_null(later.parameters);
	fake_source_end_jobs(&fake, true);
	assert_null(later.error);
	check_against_idl(varlink_io_fancap, "method", "Rotate", later.parameters);
	assert_int_equal(number(later.parameters, "workers"), 2);
	json_decref(later.parameters);

	assert_false(call_as(&fake, &admin, "{\"method\":\"io.fancap.Rotate\",\"parameters\":{\"interface\":\"wan\"}}",
			     &wait, &reply));
	fake_source_end_jobs(&fake, false);
	assert_string_equal(later.error, FANCAP_ERROR_TIMEOUT);
	check_against_idl(varlink_io_fancap, "error", "Timeout", later.parameters);
	json_decref(later.parameters);
}

static void reload_that_takes_its_time_answers_when_it_is_over(void **state)
{
	struct fake_source fake = { .reload_takes_time = true };
	struct control_source source = fake_source(&fake);
	struct method_wait wait = { .answer = on_answer };
	struct method_reply reply;

	(void)state;
	later = (struct method_reply){ 0 };
	assert_false(call_as(&fake, &admin, "{\"method\":\"io.fancap.Reload\"}", &wait, &reply));
	assert_null(later.parameters);
	fake_source_end_jobs(&fake, true);
	assert_null(later.error);
	check_against_idl(varlink_io_fancap, "method", "Reload", later.parameters);
	json_decref(later.parameters);

	assert_false(call_as(&fake, &admin, "{\"method\":\"io.fancap.Reload\"}", &wait, &reply));
	fake.reload_result = RELOAD_UNAVAILABLE;
	fake.reload_reasons = "no memory for the rings";
	fake_source_end_jobs(&fake, true);
	assert_string_equal(later.error, FANCAP_ERROR_UNAVAILABLE);
	assert_string_equal(json_string_value(json_object_get(later.parameters, "reason")), "no memory for the rings");
	json_decref(later.parameters);

	later = (struct method_reply){ 0 };
	assert_false(call_as(&fake, &admin, "{\"method\":\"io.fancap.Reload\"}", &wait, &reply));
	methods_forget(&source, &wait);
	fake_source_end_jobs(&fake, true);
	assert_null(later.parameters);
}

static void rotate_that_nobody_waits_for_is_forgotten(void **state)
{
	struct fake_source fake = { .n_workers = 2 };
	struct control_source source = fake_source(&fake);
	struct method_wait wait = { .answer = on_answer };
	struct method_reply reply;

	(void)state;
	later = (struct method_reply){ 0 };
	assert_false(call_as(&fake, &admin, "{\"method\":\"io.fancap.Rotate\"}", &wait, &reply));
	methods_forget(&source, &wait);
	fake_source_end_jobs(&fake, true);
	assert_null(later.parameters);
}

static void rotate_before_the_capture_is_unavailable(void **state)
{
	struct fake_source fake = { .no_snapshot = true };
	struct method_reply reply = call_with(&fake, "{\"method\":\"io.fancap.Rotate\"}");

	(void)state;
	assert_string_equal(reply.error, FANCAP_ERROR_UNAVAILABLE);
	json_decref(reply.parameters);
}

static void filter_is_set(void **state)
{
	struct fake_source fake = { .n_workers = 2 };
	struct method_reply reply;

	(void)state;
	reply = call_with(&fake, "{\"method\":\"io.fancap.SetFilter\",\"parameters\":{\"interface\":\"eth1\",\"filter\":\"udp\"}}");
	check_against_idl(varlink_io_fancap, "method", "SetFilter", reply.parameters);
	assert_string_equal(json_string_value(json_object_get(reply.parameters, "filter")), "udp");
	assert_string_equal(fake.filter, "udp");
	json_decref(reply.parameters);
	reply = call_with(&fake, "{\"method\":\"io.fancap.SetFilter\",\"parameters\":{\"interface\":\"eth1\"}}");
	check_against_idl(varlink_io_fancap, "method", "SetFilter", reply.parameters);
	assert_true(json_is_null(json_object_get(reply.parameters, "filter")));
	json_decref(reply.parameters);
	reply = call_with(&fake, "{\"method\":\"io.fancap.SetFilter\",\"parameters\":{\"interface\":\"eth1\",\"configured\":true}}");
	assert_string_equal(json_string_value(json_object_get(reply.parameters, "filter")), "tcp");
	assert_true(fake.filter_configured);
	json_decref(reply.parameters);

	reply = call_with(&fake, "{\"method\":\"io.fancap.SetFilter\",\"parameters\":{\"interface\":\"eth1\",\"filter\":\"prot 1\"}}");
	assert_string_equal(reply.error, FANCAP_ERROR_INVALID_FILTER);
	check_against_idl(varlink_io_fancap, "error", "InvalidFilter", reply.parameters);
	assert_string_equal(json_string_value(json_object_get(reply.parameters, "filter")), "prot 1");
	assert_string_equal(json_string_value(json_object_get(reply.parameters, "reason")), "syntax error");
	json_decref(reply.parameters);
	assert_error("{\"method\":\"io.fancap.SetFilter\",\"parameters\":{\"interface\":\"eth9\",\"filter\":\"udp\"}}",
		     FANCAP_ERROR_NO_SUCH_INTERFACE, "interface", "eth9");
	assert_error("{\"method\":\"io.fancap.SetFilter\",\"parameters\":{\"filter\":\"udp\"}}",
		     VARLINK_ERROR_INVALID_PARAMETER, "parameter", "interface");
	assert_error("{\"method\":\"io.fancap.SetFilter\",\"parameters\":{\"interface\":\"eth1\",\"configured\":1}}",
		     VARLINK_ERROR_INVALID_PARAMETER, "parameter", "configured");
	assert_error("{\"method\":\"io.fancap.SetFilter\",\"parameters\":{\"interface\":\"eth1\",\"filter\":\"udp\",\"configured\":true}}",
		     VARLINK_ERROR_INVALID_PARAMETER, "parameter", "filter");
}

static void pause_and_resume_say_how_many_they_changed(void **state)
{
	struct fake_source fake = { .n_workers = 2 };
	struct method_reply reply;

	(void)state;
	reply = call_with(&fake, "{\"method\":\"io.fancap.Pause\",\"parameters\":{\"interface\":\"wan\"}}");
	check_against_idl(varlink_io_fancap, "method", "Pause", reply.parameters);
	assert_int_equal(number(reply.parameters, "interfaces"), 1);
	assert_true(fake.paused[1] && !fake.paused[0]);
	json_decref(reply.parameters);
	reply = call_with(&fake, "{\"method\":\"io.fancap.Pause\"}");
	assert_int_equal(number(reply.parameters, "interfaces"), 1);
	json_decref(reply.parameters);
	reply = call_with(&fake, "{\"method\":\"io.fancap.Resume\"}");
	check_against_idl(varlink_io_fancap, "method", "Resume", reply.parameters);
	assert_int_equal(number(reply.parameters, "interfaces"), 2);
	assert_true(!fake.paused[1] && !fake.paused[0]);
	json_decref(reply.parameters);

	fake.missing = true; /* the fake then has no memory either */
	reply = call_with(&fake, "{\"method\":\"io.fancap.Resume\"}");
	assert_string_equal(reply.error, FANCAP_ERROR_UNAVAILABLE);
	assert_string_equal(json_string_value(json_object_get(reply.parameters, "reason")), "wan: filter: no memory");
	json_decref(reply.parameters);
	assert_error("{\"method\":\"io.fancap.Pause\",\"parameters\":{\"interface\":\"eth9\"}}",
		     FANCAP_ERROR_NO_SUCH_INTERFACE, "interface", "eth9");
}

static void worker_is_replaced(void **state)
{
	struct fake_source fake = { .n_workers = 2 };
	struct method_wait wait = { .answer = on_answer };
	struct method_reply reply;

	(void)state;
	assert_false(call_as(&fake, &admin, "{\"method\":\"io.fancap.RestartWorker\",\"parameters\":{\"interface\":\"wan\",\"worker\":1}}",
			     &wait, &reply));
	fake_source_end_jobs(&fake, true);
	check_against_idl(varlink_io_fancap, "method", "RestartWorker", later.parameters);
	assert_int_equal(number(later.parameters, "pid"), 1234);
	json_decref(later.parameters);
	assert_false(call_as(&fake, &admin, "{\"method\":\"io.fancap.RestartWorker\",\"parameters\":{\"interface\":\"wan\",\"worker\":0}}",
			     &wait, &reply));
	fake_source_end_jobs(&fake, false);
	assert_string_equal(later.error, FANCAP_ERROR_TIMEOUT);
	json_decref(later.parameters);

	for (unsigned i = 0; i < 3; i++) {
		static const char *const workers[] = { "2", "-1", "4294967296" };
		char text[128];

		snprintf(text, sizeof(text), "{\"method\":\"io.fancap.RestartWorker\",\"parameters\":"
			 "{\"interface\":\"wan\",\"worker\":%s}}", workers[i]);
		reply = call_with(&fake, text);
		assert_string_equal(reply.error, FANCAP_ERROR_NO_SUCH_WORKER);
		check_against_idl(varlink_io_fancap, "error", "NoSuchWorker", reply.parameters);
		json_decref(reply.parameters);
	}
	assert_error("{\"method\":\"io.fancap.RestartWorker\",\"parameters\":{\"interface\":\"eth9\",\"worker\":0}}",
		     FANCAP_ERROR_NO_SUCH_INTERFACE, "interface", "eth9");
}

/* --- files ---------------------------------------------------------------------------------------------- */

#define FILE_ONE "/srv/one/eth1/2023-11-14/eth1-w1-20231114T221320.000000Z.pcapng.zst"
#define FILE_TWO "/srv/two/wan/2023-11-14/wan-w0-20231114T221320.000000Z.pcapng.part"

static void ask_later(struct fake_source *fake, const char *text)
{
	struct method_wait wait = { .answer = on_answer };
	struct method_reply reply;

	later = (struct method_reply){ 0 };
	assert_false(call_as(fake, &admin, text, &wait, &reply));
	fake_source_end_jobs(fake, true);
	assert_non_null(later.parameters);
}

static void files_are_listed(void **state)
{
	struct fake_source fake = { .n_workers = 2 };
	json_t *segments, *one, *two;

	(void)state;
	ask_later(&fake, "{\"method\":\"io.fancap.ListSegments\"}");
	check_against_idl(varlink_io_fancap, "method", "ListSegments", later.parameters);
	assert_int_equal(fake.query.limit, 500);
	assert_int_equal(fake.query.from_ns, 0);
	assert_int_equal(fake.query.to_ns, INT64_MAX);
	assert_string_equal(fake.query.interface, "");
	assert_false(fake.query.has_after);
	segments = json_object_get(later.parameters, "segments");
	assert_int_equal(json_array_size(segments), 2);
	one = json_array_get(segments, 0);
	two = json_array_get(segments, 1);
	assert_string_equal(json_string_value(json_object_get(one, "path")), FILE_ONE);
	assert_string_equal(json_string_value(json_object_get(one, "state")), "finished");
	assert_true(json_is_true(json_object_get(one, "held")));
	assert_true(json_is_true(json_object_get(one, "compressed")));
	assert_int_equal(number(one, "worker"), 1);
	assert_int_equal(number(one, "packets"), 10);
	assert_int_equal(number(one, "start_ns"), 1700000000000000000);
	assert_int_equal(number(one, "end_ns"), 1700000001000000000);
	assert_string_equal(json_string_value(json_object_get(two, "path")), FILE_TWO);
	assert_string_equal(json_string_value(json_object_get(two, "state")), "active");
	assert_true(json_is_null(json_object_get(two, "packets")));
	assert_true(json_is_null(json_object_get(two, "end_ns")));
	assert_string_equal(json_string_value(json_object_get(later.parameters, "next")), FILE_TWO);
	json_decref(later.parameters);

	ask_later(&fake, "{\"method\":\"io.fancap.ListSegments\",\"parameters\":{\"interface\":\"wan\",\"from_ns\":1,"
			 "\"to_ns\":2,\"limit\":1000,\"after\":\"" FILE_TWO "\"}}");
	assert_string_equal(fake.query.interface, "wan");
	assert_int_equal(fake.query.from_ns, 1);
	assert_int_equal(fake.query.to_ns, 2);
	assert_int_equal(fake.query.limit, 1000);
	assert_true(fake.query.has_after);
	assert_int_equal(fake.query.after.directory, 1);
	json_decref(later.parameters);
}

static void files_are_held_and_released(void **state)
{
	struct fake_source fake = { .n_workers = 2 };

	(void)state;
	ask_later(&fake, "{\"method\":\"io.fancap.Hold\",\"parameters\":{\"paths\":[\"" FILE_ONE "\",\"" FILE_TWO "\"]}}");
	check_against_idl(varlink_io_fancap, "method", "Hold", later.parameters);
	assert_int_equal(number(later.parameters, "changed"), 1);
	assert_int_equal(fake.n_paths, 2);
	assert_true(fake.held);
	json_decref(later.parameters);
	ask_later(&fake, "{\"method\":\"io.fancap.Release\",\"parameters\":{\"paths\":[]}}");
	check_against_idl(varlink_io_fancap, "method", "Release", later.parameters);
	assert_false(fake.held);
	json_decref(later.parameters);

	fake.segments_result = -ENOENT;
	ask_later(&fake, "{\"method\":\"io.fancap.Hold\",\"parameters\":{\"paths\":[\"" FILE_ONE "\"]}}");
	assert_string_equal(later.error, FANCAP_ERROR_NO_SUCH_SEGMENT);
	check_against_idl(varlink_io_fancap, "error", "NoSuchSegment", later.parameters);
	assert_string_equal(json_string_value(json_object_get(later.parameters, "path")), FILE_ONE);
	json_decref(later.parameters);
	fake.segments_result = -EROFS;
	ask_later(&fake, "{\"method\":\"io.fancap.Hold\",\"parameters\":{\"paths\":[\"" FILE_ONE "\"]}}");
	assert_string_equal(later.error, FANCAP_ERROR_UNAVAILABLE);
	json_decref(later.parameters);
}

/* What is no recording's path in a storage directory is never looked for. */
static void paths_are_read_strictly(void **state)
{
	static const char *const wrong[] = {
		"", "/", "/etc/passwd", "/srv/one", "/srv/one/eth1/2023-11-14",
		"/srv/three/eth1/2023-11-14/eth1-w1-20231114T221320.000000Z.pcapng",
		"/srv/one//eth1/2023-11-14/eth1-w1-20231114T221320.000000Z.pcapng",
		"/srv/one/../one/eth1/2023-11-14/eth1-w1-20231114T221320.000000Z.pcapng",
		"/srv/one/eth1/../eth1/2023-11-14/eth1-w1-20231114T221320.000000Z.pcapng",
		"/srv/one/eth1/2023-11-15/eth1-w1-20231114T221320.000000Z.pcapng",
		"/srv/one/eth2/2023-11-14/eth1-w1-20231114T221320.000000Z.pcapng",
		"/srv/one/eth1/2023-11-14/eth1-w1-20231114T221320.000000Z.pcapng.hold",
		"/srv/one/eth1/2023-11-14/eth1-w1-20231114T221320.000000Z.pcapng.zst.part",
		"/srv/one/eth1/2023-11-14/eth1-w1-20231114T221320.000000Z.pcapng/x",
		"srv/one/eth1/2023-11-14/eth1-w1-20231114T221320.000000Z.pcapng",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char text[256];

		snprintf(text, sizeof(text), "{\"method\":\"io.fancap.Hold\",\"parameters\":{\"paths\":[\"%s\"]}}", wrong[i]);
		assert_error(text, FANCAP_ERROR_NO_SUCH_SEGMENT, "path", wrong[i]);
		snprintf(text, sizeof(text), "{\"method\":\"io.fancap.ListSegments\",\"parameters\":{\"after\":\"%s\"}}", wrong[i]);
		assert_error(text, VARLINK_ERROR_INVALID_PARAMETER, "parameter", "after");
	}
	assert_error("{\"method\":\"io.fancap.Hold\",\"parameters\":{\"paths\":[1]}}", VARLINK_ERROR_INVALID_PARAMETER,
		     "parameter", "paths");
	assert_error("{\"method\":\"io.fancap.Hold\"}", VARLINK_ERROR_INVALID_PARAMETER, "parameter", "paths");
	assert_error("{\"method\":\"io.fancap.ListSegments\",\"parameters\":{\"limit\":0}}",
		     VARLINK_ERROR_INVALID_PARAMETER, "parameter", "limit");
	assert_error("{\"method\":\"io.fancap.ListSegments\",\"parameters\":{\"limit\":1001}}",
		     VARLINK_ERROR_INVALID_PARAMETER, "parameter", "limit");
	assert_error("{\"method\":\"io.fancap.ListSegments\",\"parameters\":{\"from_ns\":-1}}",
		     VARLINK_ERROR_INVALID_PARAMETER, "parameter", "from_ns");
	assert_error("{\"method\":\"io.fancap.ListSegments\",\"parameters\":{\"interface\":\"0123456789abcdef\"}}",
		     VARLINK_ERROR_INVALID_PARAMETER, "parameter", "interface");
}

static void log_level_is_told(void **state)
{
	static const struct {
		int level;
		const char *name;
	} rows[] = { { LOG_ERR, "error" }, { LOG_WARNING, "warning" }, { LOG_NOTICE, "warning" }, { LOG_INFO, "info" },
		     { LOG_DEBUG, "debug" } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fake_source fake = { .log_level = rows[i].level };
		struct method_reply reply = call_with(&fake, "{\"method\":\"io.fancap.GetStatus\"}");

		assert_string_equal(json_string_value(json_object_get(reply.parameters, "log_level")), rows[i].name);
		json_decref(reply.parameters);
	}
}

static void log_level_is_set(void **state)
{
	struct fake_source fake = { .log_level = LOG_INFO };
	struct method_reply reply;

	(void)state;
	reply = call_with(&fake, "{\"method\":\"io.fancap.SetLogLevel\",\"parameters\":{\"level\":\"debug\"}}");
	check_against_idl(varlink_io_fancap, "method", "SetLogLevel", reply.parameters);
	assert_string_equal(json_string_value(json_object_get(reply.parameters, "previous")), "info");
	assert_int_equal(fake.log_level, LOG_DEBUG);
	json_decref(reply.parameters);
	assert_error("{\"method\":\"io.fancap.SetLogLevel\",\"parameters\":{\"level\":\"notice\"}}",
		     VARLINK_ERROR_INVALID_PARAMETER, "parameter", "level");
}

static struct log_message last_message;
static char last_text[1024];

static void keep_message(const struct log_message *message, void *arg)
{
	(void)arg;
	last_message = *message;
	snprintf(last_text, sizeof(last_text), "%s", message->text);
}

static void acting_is_logged_with_who_did_it(void **state)
{
	static const struct access_caller caller = { .uid = 1234, .pid = 5678, .level = ACCESS_ACT };
	struct fake_source fake = { .n_workers = 2 };
	struct method_wait wait = { .answer = on_answer };
	struct method_reply reply;

	(void)state;
	log_set_sink(keep_message, NULL);
	log_set_level(LOG_NOTICE);
	assert_true(call_as(&fake, &caller, "{\"method\":\"io.fancap.GetStatus\"}", &wait, &reply));
	json_decref(reply.parameters);
	assert_string_equal(last_text, "");
	assert_false(call_as(&fake, &caller, "{\"method\":\"io.fancap.Rotate\",\"parameters\":{\"interface\":\"wan\"}}",
			     &wait, &reply));
	assert_string_equal(last_text, "io.fancap.Rotate {\"interface\": \"wan\"} called by user 1234, process 5678");
	assert_string_equal(last_message.message_id, MESSAGE_CALLED);
	assert_true(call_as(&fake, &caller, "{\"method\":\"io.fancap.Rotate\",\"parameters\":{\"interface\":\"\\n\"}}",
			    &wait, &reply));
	json_decref(reply.parameters);
	assert_null(strchr(last_text, '\n'));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_is_as_described),
		cmocka_unit_test(status_tells_of_the_storage),
		cmocka_unit_test(status_can_be_told_before_there_are_statistics),
		cmocka_unit_test(interface_state_follows_its_workers),
		cmocka_unit_test(statistics_are_as_described),
		cmocka_unit_test(statistics_have_the_values_of_the_snapshot),
		cmocka_unit_test(storage_is_told_per_worker_and_in_sum),
		cmocka_unit_test(what_is_not_known_yet_is_null),
		cmocka_unit_test(dead_worker_has_no_pid_and_unpinned_no_cpu),
		cmocka_unit_test(missing_interface_has_no_device),
		cmocka_unit_test(statistics_of_one_interface),
		cmocka_unit_test(arrays_are_arrays_when_empty),
		cmocka_unit_test(interfaces_are_listed),
		cmocka_unit_test(workers_are_listed),
		cmocka_unit_test(configuration_is_told_as_it_was_read),
		cmocka_unit_test(statistics_may_be_a_stream),
		cmocka_unit_test(stream_ends_when_there_is_nothing_to_tell),
		cmocka_unit_test(stream_that_cannot_be_is_refused),
		cmocka_unit_test(events_are_told_as_they_happen),
		cmocka_unit_test(events_of_before_are_told_if_asked_for),
		cmocka_unit_test(who_reads_events_slowly_gets_them_later),
		cmocka_unit_test(events_need_more),
		cmocka_unit_test(service_describes_itself),
		cmocka_unit_test(wrong_calls_get_typed_errors),
		cmocka_unit_test(wrong_parameters_are_named),
		cmocka_unit_test(who_may_only_read_is_refused_all_that_acts),
		cmocka_unit_test(reload_answers_how_it_went),
		cmocka_unit_test(reload_that_takes_its_time_answers_when_it_is_over),
		cmocka_unit_test(rotate_answers_when_it_is_over),
		cmocka_unit_test(rotate_that_nobody_waits_for_is_forgotten),
		cmocka_unit_test(rotate_before_the_capture_is_unavailable),
		cmocka_unit_test(filter_is_set),
		cmocka_unit_test(pause_and_resume_say_how_many_they_changed),
		cmocka_unit_test(worker_is_replaced),
		cmocka_unit_test(log_level_is_told),
		cmocka_unit_test(log_level_is_set),
		cmocka_unit_test(files_are_listed),
		cmocka_unit_test(files_are_held_and_released),
		cmocka_unit_test(paths_are_read_strictly),
		cmocka_unit_test(acting_is_logged_with_who_did_it),
	};

	return cmocka_run_group_tests_name("methods", tests, NULL, NULL);
}
