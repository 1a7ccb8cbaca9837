// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/config/validate.h"

#include <string.h>

#include "daemon/config/document.h"
#include "daemon/config/schema.h"
#include "common/units.h"
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

/* --- storage --- */

/** From the end of one step of a path to the beginning of the next: past slashes and steps that are `.`. */
static const char *path_next(const char *path)
{
	while (*path == '/' || (*path == '.' && (path[1] == '/' || path[1] == '\0')))
		path++;
	return path;
}

/** Whether b is a or in it, as far as the names tell: symbolic links and `..` are not followed. */
static bool path_covers(const char *a, const char *b)
{
	for (;;) {
		size_t length;

		a = path_next(a);
		b = path_next(b);
		length = strcspn(a, "/");
		if (length == 0)
			return true;
		if (strcspn(b, "/") != length || memcmp(a, b, length) != 0)
			return false;
		a += length;
		b += length;
	}
}

static void directory_error_add(struct config_document *document, size_t index, struct config_errors *errors,
				const char *text)
{
	struct config_place place;
	char path[64];

	snprintf(path, sizeof(path), "storage.directories[%zu]", index);
	place = config_document_find(document, path);
	config_errors_add(errors, &place, path, "%s", text);
}

/** Compare one directory with those before it. */
static void directory_validate(const char *const *directories, size_t index, struct config_document *document,
			       struct config_errors *errors)
{
	const char *one = directories[index];
	char text[320];

	for (size_t i = 0; i < index; i++) {
		bool covers = path_covers(directories[i], one), covered = path_covers(one, directories[i]);

		if (!covers && !covered)
			continue;
		snprintf(text, sizeof(text), "'%.96s' %s '%.96s'; allowed: each once, none inside another", one,
			 covers && covered ? "is the same as" : covers ? "is inside" : "is around", directories[i]);
		directory_error_add(document, index, errors, text);
		return;
	}
}

void config_validate_directories(const struct config *config, struct config_document *document, bool both,
				 struct config_errors *errors)
{
	struct config_place place = config_document_find(document, "storage.directories");

	if (both)
		config_errors_add(errors, &place, "storage.directories",
				  "storage.directory is given too; allowed: one of the two");
	if (config->storage.n_directories > CONFIG_DIRECTORIES_MAX) {
		config_errors_add(errors, &place, "storage.directories", "lists %zu; allowed: %d at most",
				  config->storage.n_directories, CONFIG_DIRECTORIES_MAX);
		return;
	}
	for (size_t i = 1; i < config->storage.n_directories; i++)
		directory_validate(config->storage.directories, i, document, errors);
}

/** An error at the last place where the option was given. */
static void top_error_add(struct config_sources *sources, const char *path, struct config_errors *errors,
			      const char *text)
{
	size_t row = config_table_index(&config_table_top, path), last = 0;
	struct config_place place;

	for (size_t i = 0; i < sources->n; i++) {
		if (sources->items[i].texts && sources->items[i].texts[row].scalar)
			last = i;
	}
	place = config_document_find(&sources->items[last].document, path);
	config_errors_add(errors, &place, path, "%s", text);
}

/** What is being written cannot be removed; a budget that leaves no room for finished files beside it is a mistake. */
static void retain_size_validate(const struct config *config, struct config_sources *sources,
				 struct config_errors *errors)
{
	uint64_t rotate = config->storage.rotate.size_bytes, least = 0;
	char least_text[UNITS_TEXT_MAX], text[256];

	if (config->storage.retain.size_bytes == 0)
		return;
	if (rotate == 0) {
		top_error_add(sources, "storage.retain.size", errors,
				  "cannot be kept to by files of any size; allowed: with a storage.rotate.size, or none");
		return;
	}
	for (size_t i = 0; i < config->n_interfaces; i++)
		least += 2 * rotate * config->interfaces[i].workers;
	if (config->storage.retain.size_bytes >= least)
		return;
	units_format_size(least, least_text);
	snprintf(text, sizeof(text),
		 "is too little; allowed: %s or more, two files of storage.rotate.size for each worker, or none",
		 least_text);
	top_error_add(sources, "storage.retain.size", errors, text);
}

static void compress_validate(const struct config *config, struct config_sources *sources,
			      struct config_errors *errors)
{
#ifdef HAVE_ZSTD
	(void)config;
	(void)sources;
	(void)errors;
#else
	if (config->storage.compress == CONFIG_COMPRESS_ZSTD)
		top_error_add(sources, "storage.compress", errors,
				  "this fancapd was built without libzstd; allowed: none");
#endif
}

static bool top_path_invalid(uint64_t invalid, const char *path)
{
	return invalid >> config_table_index(&config_table_top, path) & 1;
}

void config_validate_storage(const struct config *config, struct config_sources *sources, uint64_t invalid,
			     struct config_errors *errors)
{
	if (!top_path_invalid(invalid, "storage.retain.size") &&
	    !top_path_invalid(invalid, "storage.rotate.size"))
		retain_size_validate(config, sources, errors);
	if (!top_path_invalid(invalid, "storage.compress"))
		compress_validate(config, sources, errors);
}

/* --- who we are --- */

void config_validate_identity(const struct config *config, struct config_sources *sources, uint64_t invalid,
			      struct config_errors *errors)
{
	if (config->group != NULL && config->user == NULL && !top_path_invalid(invalid, "user") &&
	    !top_path_invalid(invalid, "group"))
		top_error_add(sources, "group", errors, "is given without a user; allowed: together with user");
}
