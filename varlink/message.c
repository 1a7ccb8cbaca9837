// SPDX-License-Identifier: BSD-3-Clause
#include "varlink/message.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *const fault_texts[VARLINK_FAULTS] = {
	[VARLINK_OK] = "nothing is wrong",
	[VARLINK_TOO_LARGE] = "message too large",
	[VARLINK_TOO_DEEP] = "nested deeper than 32 levels",
	[VARLINK_NOT_JSON] = "not valid JSON in UTF-8, each key once",
	[VARLINK_NOT_OBJECT] = "not a JSON object",
	[VARLINK_NO_METHOD] = "method is missing or not of the form interface.Method",
	[VARLINK_BAD_PARAMETERS] = "parameters is not an object",
	[VARLINK_BAD_FLAG] = "a flag is not a boolean",
	[VARLINK_BAD_ERROR] = "error is not a name",
	[VARLINK_NO_MEMORY] = "out of memory",
};

_Static_assert(VARLINK_NESTING_MAX == 32, "say so in fault_texts");

const char *varlink_fault_text(enum varlink_fault fault)
{
	return fault_texts[fault];
}

/* Before the parser, which recurses. Need not be right about what is no JSON: the parser will refuse that. */
static bool nested_too_deep(const char *text, size_t len)
{
	bool in_string = false;
	unsigned depth = 0;

	for (size_t i = 0; i < len; i++) {
		switch (text[i]) {
		case '"':
			in_string = !in_string;
			break;
		case '\\':
			i += in_string;
			break;
		case '[':
		case '{':
			if (!in_string && ++depth > VARLINK_NESTING_MAX)
				return true;
			break;
		case ']':
		case '}':
			if (!in_string && depth)
				depth--;
			break;
		default:
			break;
		}
	}
	return false;
}

static enum varlink_fault message_parse(const char *text, size_t len, json_t **ret_root)
{
	json_error_t error;
	json_t *root;

	if (nested_too_deep(text, len))
		return VARLINK_TOO_DEEP;

	/* A key that stands twice is refused: which one counts is for no reader to guess. */
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!root)
		return json_error_code(&error) == json_error_out_of_memory ? VARLINK_NO_MEMORY :
									     VARLINK_NOT_JSON;
	if (!json_is_object(root)) {
		json_decref(root);
		return VARLINK_NOT_OBJECT;
	}
	*ret_root = root;
	return VARLINK_OK;
}

/* null is as good as absent, as in systemd. */
static json_t *field(json_t *root, const char *name)
{
	json_t *value = json_object_get(root, name);

	return json_is_null(value) ? NULL : value;
}

static enum varlink_fault flag_parse(json_t *root, const char *name, bool *ret_flag)
{
	json_t *value = field(root, name);

	if (value && !json_is_boolean(value))
		return VARLINK_BAD_FLAG;
	*ret_flag = json_is_true(value);
	return VARLINK_OK;
}

/* Always leaves an object, part of root, so that nobody else needs to care. */
static enum varlink_fault parameters_parse(json_t *root, json_t **ret_parameters)
{
	json_t *value = field(root, "parameters");

	if (value && !json_is_object(value))
		return VARLINK_BAD_PARAMETERS;
	if (!value) {
		value = json_object();
		if (json_object_set_new(root, "parameters", value) < 0)
			return VARLINK_NO_MEMORY;
	}
	*ret_parameters = value;
	return VARLINK_OK;
}

/* interface.Name: what is before the last dot, and what is behind it, are not empty. No blanks, no controls. */
static bool is_qualified_name(const char *name)
{
	const char *dot = name ? strrchr(name, '.') : NULL;

	if (!dot || dot == name || !dot[1])
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("._-", *name))
			return false;
	return true;
}

static enum varlink_fault call_read(struct varlink_call *call)
{
	enum varlink_fault fault;

	call->method = json_string_value(json_object_get(call->root, "method"));
	if (!is_qualified_name(call->method))
		return VARLINK_NO_METHOD;

	fault = parameters_parse(call->root, &call->parameters);
	if (!fault)
		fault = flag_parse(call->root, "oneway", &call->oneway);
	if (!fault)
		fault = flag_parse(call->root, "more", &call->more);
	if (!fault)
		fault = flag_parse(call->root, "upgrade", &call->upgrade);
	return fault;
}

enum varlink_fault varlink_call_parse(const char *text, size_t len, struct varlink_call *ret_call)
{
	struct varlink_call call = { 0 };
	enum varlink_fault fault = message_parse(text, len, &call.root);

	if (!fault)
		fault = call_read(&call);
	if (fault)
		varlink_call_done(&call);
	else
		*ret_call = call;
	return fault;
}

void varlink_call_done(struct varlink_call *call)
{
	json_decref(call->root);
	*call = (struct varlink_call){ 0 };
}

static enum varlink_fault reply_read(struct varlink_reply *reply)
{
	json_t *error = field(reply->root, "error");
	enum varlink_fault fault;

	reply->error = json_string_value(error);
	if (error && !is_qualified_name(reply->error))
		return VARLINK_BAD_ERROR;

	fault = parameters_parse(reply->root, &reply->parameters);
	if (!fault)
		fault = flag_parse(reply->root, "continues", &reply->continues);
	return fault;
}

enum varlink_fault varlink_reply_parse(const char *text, size_t len, struct varlink_reply *ret_reply)
{
	struct varlink_reply reply = { 0 };
	enum varlink_fault fault = message_parse(text, len, &reply.root);

	if (!fault)
		fault = reply_read(&reply);
	if (fault)
		varlink_reply_done(&reply);
	else
		*ret_reply = reply;
	return fault;
}

void varlink_reply_done(struct varlink_reply *reply)
{
	json_decref(reply->root);
	*reply = (struct varlink_reply){ 0 };
}

/* Takes root over, even when it fails. JSON text holds no NUL, so the string's own ends the message. */
static char *message_build(json_t *root, size_t *ret_len)
{
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;

	json_decref(root);
	if (text)
		*ret_len = strlen(text) + 1;
	return text;
}

char *varlink_call_build(const char *method, json_t *parameters, bool more, size_t *ret_len)
{
	return message_build(json_pack("{s:s, s:O*, s:o*}", "method", method, "parameters", parameters, "more",
				       more ? json_true() : NULL), ret_len);
}

char *varlink_reply_build(json_t *parameters, bool continues, size_t *ret_len)
{
	/* `parameters` always: some clients want it there. */
	json_t *root = parameters ? json_pack("{s:O}", "parameters", parameters) :
				    json_pack("{s:{}}", "parameters");

	if (root && continues && json_object_set_new(root, "continues", json_true()) < 0) {
		json_decref(root);
		root = NULL;
	}
	return message_build(root, ret_len);
}

char *varlink_error_build(const char *error, json_t *parameters, size_t *ret_len)
{
	json_t *root = parameters ? json_pack("{s:s, s:O}", "error", error, "parameters", parameters) :
				    json_pack("{s:s, s:{}}", "error", error, "parameters");

	return message_build(root, ret_len);
}

/* Where the first character that is not printable ASCII stands; NULL: nowhere. */
static char *find_non_ascii(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text >= 0x80)
			return text;
	return NULL;
}

json_t *varlink_text(const char *bytes)
{
	json_t *string = json_string(bytes);
	char *copy, *at;

	if (string)
		return string;

	/* Not UTF-8 (or no memory, which strdup will tell): names like that are rare enough to lose all accents. */
	copy = strdup(bytes);
	if (!copy)
		return NULL;
	for (at = copy; (at = find_non_ascii(at)); at++)
		*at = '?';
	string = json_string(copy);
	free(copy);
	return string;
}

json_t *varlink_count(uint64_t count)
{
	return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}
