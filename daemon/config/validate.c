// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/config/validate.h"

#include <string.h>

#include "daemon/config/document.h"
#include "daemon/config/schema.h"
#include "fancap/fanout_program.h"
#include "fancap/geometry.h"

/** Puts Ethernet payloads on 4-byte boundaries, as the recorder asks for when it makes the ring. */
#define RING_RESERVE_BYTES 2

static void interface_error_add(const struct config_origin *origin, const char *key,
				struct config_errors *errors, const char *text)
{
	struct config_place place;
	char path[64];

	snprintf(path, sizeof(path), "interfaces[%zu].%s", origin->index, key);
	place = config_document_find(origin->document, path);
	config_errors_add(errors, &place, path, "%s", text);
}

static void fanout_validate(const struct config_origin *origin, struct config_errors *errors)
{
	/* fanout_add() in net/packet/af_packet.c refuses the pair with EINVAL. */
	if (origin->interface->fanout.mode == FANCAP_FANOUT_ROLLOVER &&
	    origin->interface->fanout.rollover)
		interface_error_add(origin, "fanout.rollover", errors,
				    "mode rollover has it built in; allowed: false");
}

static void program_validate(const struct config_origin *origin, struct config_errors *errors)
{
	const struct config_interface *interface = origin->interface;
	const char *text = interface->fanout.program;
	struct fancap_fanout_program program;
	struct fancap_error why;
	char error[512];

	if (strcmp(text, "default") == 0 || (text[0] == '/' && (interface->fanout.mode == FANCAP_FANOUT_CBPF ||
								interface->fanout.mode == FANCAP_FANOUT_EBPF)))
		return; /* what is in a file is seen when it is used */
	if (interface->fanout.mode == FANCAP_FANOUT_EBPF) {
		interface_error_add(origin, "fanout.program", errors,
				    "mode ebpf takes the absolute path of a pinned program; or allowed: default");
	} else if (interface->fanout.mode != FANCAP_FANOUT_CBPF) {
		snprintf(error, sizeof(error), "mode %s takes no program; allowed: default, or mode cbpf or ebpf",
			 fancap_fanout_mode_name(interface->fanout.mode));
		interface_error_add(origin, "fanout.program", errors, error);
	} else if (fancap_fanout_program_compile(text, interface->workers, &program, &why) < 0) {
		snprintf(error, sizeof(error), "is not default, nor an absolute path, nor an expression: %s",
			 why.text);
		interface_error_add(origin, "fanout.program", errors, error);
	} else {
		fancap_fanout_program_done(&program);
	}
}

static void ring_validate(const struct config_origin *origin, struct config_errors *errors)
{
	const struct config_interface *interface = origin->interface;
	const struct fancap_ring_params params = {
		.size_bytes = interface->ring.size_bytes,
		.block_bytes = interface->ring.block_bytes,
		.block_timeout_ms = interface->ring.block_timeout_ms,
		.snaplen = interface->snaplen,
		.reserve_bytes = RING_RESERVE_BYTES,
	};
	struct fancap_geometry geometry;
	struct fancap_error err;

	if (fancap_geometry_plan(&params, &geometry, &err) < 0)
		interface_error_add(origin, "ring", errors, err.text);
}

static void cpus_validate(const struct config_origin *origin, struct config_errors *errors)
{
	const struct config_interface *interface = origin->interface;
	char text[128];

	if (interface->n_cpus == 0 || interface->n_cpus == interface->workers)
		return;
	snprintf(text, sizeof(text),
		 "lists %zu CPU%s for %u worker%s; allowed: one for each worker", interface->n_cpus,
		 interface->n_cpus == 1 ? "" : "s", interface->workers,
		 interface->workers == 1 ? "" : "s");
	interface_error_add(origin, "cpus", errors, text);
}

static void name_validate(const struct config_origin *origin, struct config_errors *errors)
{
	if (!origin->interface->name)
		interface_error_add(origin, "name", errors,
				    "is missing; give the network interface to capture from");
}

/** A rule, and the options or mappings it looks at. */
struct rule {
	void (*validate)(const struct config_origin *origin, struct config_errors *errors);
	const char *needs[3];
};

static const struct rule rules[] = {
	{name_validate, {"name"}},
	{fanout_validate, {"fanout"}},
	{program_validate, {"fanout", "workers"}},
	{ring_validate, {"ring", "snaplen"}},
	{cpus_validate, {"cpus", "workers"}},
};

/** Whether an option, or one in a mapping of this path, was refused. */
static bool path_invalid(const struct config_origin *origin, const char *path)
{
	size_t length = strlen(path);

	for (size_t i = 0; i < config_table_interface.n; i++) {
		const char *row = config_table_interface.options[i].path;

		if ((origin->invalid >> i & 1) && strncmp(row, path, length) == 0 &&
		    (row[length] == '.' || row[length] == '\0'))
			return true;
	}
	return false;
}

void config_validate_interface(const struct config_origin *origin, struct config_errors *errors)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		bool applies = true;

		for (const char *const *need = rules[i].needs; *need; need++)
			applies = applies && !path_invalid(origin, *need);
		if (applies)
			rules[i].validate(origin, errors);
	}
}

static void double_name_add(const struct config_origin *first, const struct config_origin *second,
			    struct config_errors *errors)
{
	struct config_place place;
	char path[64], text[256];

	snprintf(path, sizeof(path), "interfaces[%zu].name", first->index);
	place = config_document_find(first->document, path);
	snprintf(text, sizeof(text), "'%s' is configured already, at %.160s:%zu:%zu",
		 second->interface->name, place.file, place.line, place.column);
	interface_error_add(second, "name", errors, text);
}

void config_validate_unique(const struct config_origin *origins, size_t n,
			    struct config_errors *errors)
{
	for (size_t i = 1; i < n; i++) {
		for (size_t j = 0; j < i; j++) {
			const char *a = origins[i].interface->name, *b = origins[j].interface->name;

			if (a && b && strcmp(a, b) == 0) {
				double_name_add(&origins[j], &origins[i], errors);
				break;
			}
		}
	}
}
