// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/methods_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/messages.h"
#include "daemon/statistics.h"
#include "varlink/interfaces.h"

#define PARAMETERS_MAX 5

/** A parameter that a method accepts. */
struct method_parameter {
	const char *name;
	json_type type; ///< JSON_TRUE: a boolean
	bool required;
};

/** A method: one row, and all there is to know of it. */
struct method {
	const char *name; ///< interface.Name
	enum access_level needs;
	void (*run)(const struct control_source *source, json_t *parameters, struct method_reply *ret_reply);
	/** Instead of run, where the answer may come later. @return whether it is there; if not, wait will get it */
	bool (*begin)(const struct control_source *source, json_t *parameters, struct method_wait *wait,
		      struct method_reply *ret_reply);
	struct method_parameter parameters[PARAMETERS_MAX];
};

/** An interface and its description. */
struct interface {
	const char *name;
	const char *description;
};

static const struct interface interfaces[] = {
	{ "org.varlink.service", varlink_org_varlink_service },
	{ FANCAP_INTERFACE, varlink_io_fancap },
};

static const struct interface *interface_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++)
		if (strlen(interfaces[i].name) == len && !memcmp(interfaces[i].name, name, len))
			return &interfaces[i];
	return NULL;
}

/* --- errors ------------------------------------------------------------------------------------ */

void method_error(struct method_reply *reply, const char *error, const char *key, json_t *value)
{
	json_decref(reply->parameters);
	reply->error = error;
	reply->parameters = json_pack("{s:o}", key, value);
}

void method_unavailable(struct method_reply *reply, const char *reason)
{
	method_error(reply, FANCAP_ERROR_UNAVAILABLE, "reason", json_string(reason));
}

/* --- pieces of answers ----------------------------------------------------------------------------- */

json_t *method_number_or_null(bool has, json_int_t number)
{
	return has ? json_integer(number) : json_null();
}

const struct statistics_interface *method_interface_find(const struct statistics *stats, const char *name)
{
	for (size_t i = 0; i < stats->n_interfaces; i++)
		if (!strcmp(stats->interfaces[i].name, name))
			return &stats->interfaces[i];
	return NULL;
}

json_t *method_device_name(const struct statistics_interface *iface)
{
	return iface->device ? varlink_text(iface->device) : json_null();
}

const char *method_writer_name(const struct statistics_worker *worker)
{
	return worker->io_uring ? "io_uring" : "pwrite";
}

json_t *method_direct_io(const struct statistics_worker *worker)
{
	return worker->has_file ? json_boolean(worker->direct_io) : json_null();
}

/* --- org.varlink.service --------------------------------------------------------------------------- */

static void run_get_info(const struct control_source *source, json_t *parameters,
			 struct method_reply *ret_reply)
{
	json_t *names = json_array();
	struct control_status status;

	(void)parameters;
	for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++)
		(void)json_array_append_new(names, json_string(interfaces[i].name));
	source->status(source->arg, &status);
	ret_reply->parameters = json_pack("{s:s, s:s, s:s, s:s, s:o}",
					  "vendor", "fancap",
					  "product", "fancapd",
					  "version", status.version,
					  "url", "",
					  "interfaces", names);
}

static void run_get_interface_description(const struct control_source *source, json_t *parameters,
					  struct method_reply *ret_reply)
{
	const char *name = json_string_value(json_object_get(parameters, "interface"));
	const struct interface *interface = interface_find(name, strlen(name));

	(void)source;
	if (interface)
		ret_reply->parameters = json_pack("{s:s}", "description", interface->description);
	else
		method_error(ret_reply, VARLINK_ERROR_INTERFACE_NOT_FOUND, "interface", json_string(name));
}

void methods_room(struct method_wait *wait)
{
	if (wait->room)
		wait->room(wait);
}

void methods_forget(const struct control_source *source, struct method_wait *wait)
{
	if (wait->end)
		wait->end(wait);
	else
		source->forget(source->arg, &wait->job);
}

/* --- calls ----------------------------------------------------------------------------------------- */

static const struct method methods[] = {
	{ "org.varlink.service.GetInfo", ACCESS_READ, run_get_info, NULL, { { 0 } } },
	{ "org.varlink.service.GetInterfaceDescription", ACCESS_READ, run_get_interface_description, NULL,
	  { { "interface", JSON_STRING, true } } },
	{ "io.fancap.GetStatus", ACCESS_READ, methods_get_status, NULL, { { 0 } } },
	{ "io.fancap.GetStatistics", ACCESS_READ, NULL, methods_get_statistics,
	  { { "interface", JSON_STRING, false }, { "interval_ms", JSON_INTEGER, false } } },
	{ "io.fancap.ListInterfaces", ACCESS_READ, methods_list_interfaces, NULL, { { 0 } } },
	{ "io.fancap.ListWorkers", ACCESS_READ, methods_list_workers, NULL, { { "interface", JSON_STRING, false } } },
	{ "io.fancap.GetConfiguration", ACCESS_READ, methods_get_configuration, NULL, { { 0 } } },
	{ "io.fancap.ListSegments", ACCESS_READ, NULL, methods_list_segments,
	  { { "interface", JSON_STRING, false },
	    { "from_ns", JSON_INTEGER, false },
	    { "to_ns", JSON_INTEGER, false },
	    { "after", JSON_STRING, false },
	    { "limit", JSON_INTEGER, false } } },
	{ "io.fancap.Hold", ACCESS_ACT, NULL, methods_hold, { { "paths", JSON_ARRAY, true } } },
	{ "io.fancap.Release", ACCESS_ACT, NULL, methods_release, { { "paths", JSON_ARRAY, true } } },
	{ "io.fancap.Events", ACCESS_READ, NULL, methods_events, { { "backlog", JSON_INTEGER, false } } },
	{ "io.fancap.Reload", ACCESS_ACT, NULL, methods_reload, { { 0 } } },
	{ "io.fancap.Rotate", ACCESS_ACT, NULL, methods_rotate, { { "interface", JSON_STRING, false } } },
	{ "io.fancap.SetFilter", ACCESS_ACT, methods_set_filter, NULL,
	  { { "interface", JSON_STRING, true }, { "filter", JSON_STRING, false }, { "configured", JSON_TRUE, false } } },
	{ "io.fancap.Pause", ACCESS_ACT, methods_pause, NULL, { { "interface", JSON_STRING, false } } },
	{ "io.fancap.Resume", ACCESS_ACT, methods_resume, NULL, { { "interface", JSON_STRING, false } } },
	{ "io.fancap.RestartWorker", ACCESS_ACT, NULL, methods_restart_worker,
	  { { "interface", JSON_STRING, true }, { "worker", JSON_INTEGER, true } } },
	{ "io.fancap.SetLogLevel", ACCESS_ACT, methods_set_log_level, NULL, { { "level", JSON_STRING, true } } },
};

static const struct method *method_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (!strcmp(methods[i].name, name))
			return &methods[i];
	return NULL;
}

static const struct method_parameter *parameter_find(const struct method *method, const char *name)
{
	for (size_t i = 0; i < PARAMETERS_MAX && method->parameters[i].name; i++)
		if (!strcmp(method->parameters[i].name, name))
			return &method->parameters[i];
	return NULL;
}

static bool type_fits(const struct method_parameter *parameter, const json_t *value)
{
	return parameter->type == JSON_TRUE ? json_is_boolean(value) : json_typeof(value) == parameter->type;
}

/* The name of a parameter that is unknown, missing or of the wrong type; NULL: all is well. null is absent. */
static const char *invalid_parameter(const struct method *method, json_t *parameters)
{
	const char *name;
	json_t *value;

	json_object_foreach(parameters, name, value) {
		const struct method_parameter *known = parameter_find(method, name);

		if (!known || (!json_is_null(value) && !type_fits(known, value)))
			return name;
	}
	for (size_t i = 0; i < PARAMETERS_MAX && method->parameters[i].name; i++) {
		value = json_object_get(parameters, method->parameters[i].name);
		if (method->parameters[i].required && (!value || json_is_null(value)))
			return method->parameters[i].name;
	}
	return NULL;
}

/* Varlink asks for two errors here: is it the interface that we do not have, or the method? */
static void reply_not_found(const char *method, struct method_reply *ret_reply)
{
	const char *dot = strrchr(method, '.');
	size_t len = dot ? (size_t)(dot - method) : 0;

	if (interface_find(method, len))
		method_error(ret_reply, VARLINK_ERROR_METHOD_NOT_FOUND, "method", json_string(method));
	else
		method_error(ret_reply, VARLINK_ERROR_INTERFACE_NOT_FOUND, "interface",
			    json_stringn(method, len));
}

/* @param needs a group */
static void reply_denied(const char *method, const char *needs, struct method_reply *reply)
{
	reply->error = FANCAP_ERROR_PERMISSION_DENIED;
	reply->parameters = json_pack("{s:s, s:s}", "method", method, "needs", needs ? needs : "");
}

/* As JSON in ASCII: nothing in it can break the line, or control a terminal. */
static void log_call(const struct method *method, json_t *parameters, const struct access_caller *caller)
{
	char *text = json_dumps(parameters, JSON_ENSURE_ASCII);

	log_printf(LOG_NOTICE, MESSAGE_CALLED, NULL, "%s %.200s called by user %ld, process %ld", method->name,
		   text ? text : "", (long)caller->uid, (long)caller->pid);
	free(text);
}

bool methods_call(const struct control_source *source, const struct access_caller *caller,
		  const struct varlink_call *call, struct method_wait *wait, struct method_reply *ret_reply)
{
	const struct method *method = method_find(call->method);
	const char *invalid = method ? invalid_parameter(method, call->parameters) : NULL;

	*ret_reply = (struct method_reply){ 0 };
	/* A stranger is not even told what there is. */
	if (caller->level < ACCESS_READ) {
		reply_denied(call->method, caller->readers, ret_reply);
		return true;
	}
	if (!method) {
		reply_not_found(call->method, ret_reply);
		return true;
	}
	if (caller->level < method->needs) {
		reply_denied(method->name, ACCESS_ADMIN_GROUP, ret_reply);
		return true;
	}
	/* No method of ours speaks anything but Varlink afterwards. */
	if (call->upgrade)
		invalid = "upgrade";
	if (invalid) {
		method_error(ret_reply, VARLINK_ERROR_INVALID_PARAMETER, "parameter", json_string(invalid));
		return true;
	}
	if (method->needs == ACCESS_ACT)
		log_call(method, call->parameters, caller);
	wait->source = source;
	wait->more = call->more && !call->oneway;
	wait->room = wait->end = NULL;
	if (method->begin)
		return method->begin(source, call->parameters, wait, ret_reply);
	method->run(source, call->parameters, ret_reply);
	return true;
}
