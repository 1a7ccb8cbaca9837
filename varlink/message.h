// SPDX-License-Identifier: BSD-3-Clause
#ifndef VARLINK_MESSAGE_H
#define VARLINK_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define VARLINK_NESTING_MAX 32U

#define VARLINK_ERROR_INTERFACE_NOT_FOUND "org.varlink.service.InterfaceNotFound"
#define VARLINK_ERROR_METHOD_NOT_FOUND "org.varlink.service.MethodNotFound"
#define VARLINK_ERROR_METHOD_NOT_IMPLEMENTED "org.varlink.service.MethodNotImplemented"
#define VARLINK_ERROR_INVALID_PARAMETER "org.varlink.service.InvalidParameter"
#define VARLINK_ERROR_PERMISSION_DENIED "org.varlink.service.PermissionDenied"
#define VARLINK_ERROR_EXPECTED_MORE "org.varlink.service.ExpectedMore"

/** What is wrong with a message. */
enum varlink_fault {
	VARLINK_OK,
	VARLINK_TOO_LARGE,
	VARLINK_TOO_DEEP,
	VARLINK_NOT_JSON, ///< or not UTF-8, or a key stands twice in one object
	VARLINK_NOT_OBJECT,
	VARLINK_NO_METHOD, ///< of a call: `method` is missing or not of the form interface.Method
	VARLINK_BAD_PARAMETERS, ///< `parameters` is not an object
	VARLINK_BAD_FLAG, ///< `oneway`, `more`, `upgrade` or `continues` is not a boolean
	VARLINK_BAD_ERROR, ///< of a reply: `error` is not a name
	VARLINK_NO_MEMORY,
	VARLINK_FAULTS
};

/** The fault in words, e.g. "nested deeper than 32 levels". */
const char *varlink_fault_text(enum varlink_fault fault);

/** A call, received. Strings and objects are parts of root. */
struct varlink_call {
	json_t *root;
	const char *method;
	json_t *parameters; ///< an object, empty if the call has none
	bool oneway;
	bool more;
	bool upgrade;
};

/** A reply or an error, received. Strings and objects are parts of root. */
struct varlink_reply {
	json_t *root;
	const char *error;  ///< NULL: it went well
	json_t *parameters; ///< an object, empty if the reply has none
	bool continues;	    ///< more replies will follow
};

/**
 * Parse a message as a call. Fields that Varlink does not know are ignored; those it knows may be null.
 *
 * @param text     len bytes; needs no NUL
 * @param ret_call set on VARLINK_OK only; the caller releases it with varlink_call_done()
 */
enum varlink_fault varlink_call_parse(const char *text, size_t len, struct varlink_call *ret_call);
void varlink_call_done(struct varlink_call *call);

/** Parse a message as a reply, like varlink_call_parse(); released with varlink_reply_done(). */
enum varlink_fault varlink_reply_parse(const char *text, size_t len, struct varlink_reply *ret_reply);
void varlink_reply_done(struct varlink_reply *reply);

/**
 * Put a message into bytes, ready to be sent.
 *
 * @param parameters an object, or NULL for none; stays the caller's
 * @param more       of a call: several replies may come
 * @param ret_len    how many bytes to send: the closing NUL counts
 * @return the caller frees it with free(); NULL: ENOMEM
 */
char *varlink_call_build(const char *method, json_t *parameters, bool more, size_t *ret_len);
char *varlink_reply_build(json_t *parameters, bool continues, size_t *ret_len);
char *varlink_error_build(const char *error, json_t *parameters, size_t *ret_len);

/** A string from bytes that need not be UTF-8 (names of interfaces and files): '?' for what is not. NULL: ENOMEM */
json_t *varlink_text(const char *bytes);

/** A counter: Varlink's int is signed 64 bits, so it stops at 2^63 - 1. NULL: ENOMEM */
json_t *varlink_count(uint64_t count);

#endif
