// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/config/schema.h"

#include <assert.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <syslog.h>

#include "daemon/config.h"
#include "daemon/config/types.h"
#include "fancap/filter.h"

#define KiB 1024ull
#define MiB (1024 * KiB)
#define GiB (1024 * MiB)
#define TiB (1024 * GiB)
#define SECOND 1000ull
#define DAY (86400 * SECOND)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- the options ---
 *
 * This is the list to add to. A row is all that parsing, defaults, checks and --dump-config need; config/fancapd.yaml
 * must explain it (a test looks), and what depends on other options is checked in validate.c.
 */

static const struct config_word direction_words[] = {
	{"both", CONFIG_DIRECTION_BOTH},
	{"in", CONFIG_DIRECTION_IN},
	{NULL, 0},
};

static const struct config_word missing_words[] = {
	{"wait", CONFIG_MISSING_WAIT},
	{"fail", CONFIG_MISSING_FAIL},
	{NULL, 0},
};

static const struct config_word timestamps_words[] = {
	{"kernel", CONFIG_TIMESTAMPS_KERNEL},
	{"software", CONFIG_TIMESTAMPS_SOFTWARE},
	{"hardware", CONFIG_TIMESTAMPS_HARDWARE},
	{NULL, 0},
};

static const struct config_word fallback_words[] = {
	{"warn", CONFIG_FALLBACK_WARN},
	{"fail", CONFIG_FALLBACK_FAIL},
	{NULL, 0},
};

static const struct config_word writer_words[] = {
	{"auto", CONFIG_WRITER_AUTO},
	{"direct", CONFIG_WRITER_DIRECT},
	{"staged", CONFIG_WRITER_STAGED},
	{NULL, 0},
};

static const struct config_word compress_words[] = {
	{"none", CONFIG_COMPRESS_NONE},
	{"zstd", CONFIG_COMPRESS_ZSTD},
	{NULL, 0},
};

static const struct config_word level_words[] = {
	{"error", LOG_ERR}, {"warning", LOG_WARNING}, {"info", LOG_INFO}, {"debug", LOG_DEBUG},
	{NULL, 0},
};

/* clang-format off */
#define AT(member) \
	.offset = offsetof(struct config_interface, member), \
	.width = sizeof(((struct config_interface *)0)->member)

static const struct config_option interface_options[] = {
	{"name",               &config_type_device,   AT(name)},
	{"on-missing",         &config_type_word,     AT(on_missing),            "wait", .words = missing_words},
	{"workers",            &config_type_workers,  AT(workers),               "1", 1, 256},
	{"fanout",             .type = NULL},
	{"fanout.mode",        &config_type_fanout,   AT(fanout.mode),           "hash"},
	{"fanout.defragment",  &config_type_bool,     AT(fanout.defragment),     "false"},
	{"fanout.rollover",    &config_type_bool,     AT(fanout.rollover),       "false"},
	{"fanout.program",     &config_type_program,  AT(fanout.program),        "default", .max = 64 * KiB},
	{"ring",               .type = NULL},
	{"ring.size",          &config_type_size,     AT(ring.size_bytes),       "64MiB", 4 * KiB, 16 * TiB},
	{"ring.block-size",    &config_type_size,     AT(ring.block_bytes),      "1MiB", 4 * KiB, 2 * GiB},
	{"ring.block-timeout", &config_type_duration, AT(ring.block_timeout_ms), "100ms", 1, 60 * SECOND},
	{"cpus",               &config_type_integer,  .list = true, .max = CPU_SETSIZE - 1},
	{"filter",             &config_type_filter,   AT(filter),                "", .max = 64 * KiB},
	{"snaplen",            &config_type_integer,  AT(snaplen),               "262144", 1, FANCAP_SNAPLEN_MAX},
	{"promiscuous",        &config_type_bool,     AT(promiscuous),           "true"},
	{"direction",          &config_type_word,     AT(direction),             "both", .words = direction_words},
	{"timestamps",         &config_type_word,     AT(timestamps),            "kernel", .words = timestamps_words},
	{"timestamps-fallback", &config_type_word,    AT(timestamps_fallback),   "warn", .words = fallback_words},
};

#undef AT
#define AT(member) \
	.offset = offsetof(struct config, member), \
	.width = sizeof(((struct config *)0)->member)

static const struct config_option top_options[] = {
	{"interfaces",              NULL, .entry = &config_table_interface},
	{"storage",                 .type = NULL},
	{"storage.directory",       &config_type_path,     AT(storage.directory), FANCAP_LOCALSTATEDIR "/lib/fancap",
	                            .max = PATH_MAX - 256},
	{"storage.directories",     &config_type_path,     .list = true, .max = PATH_MAX - 256},
	{"storage.writer",          &config_type_word,     AT(storage.writer), "auto", .words = writer_words},
	{"storage.rotate",          .type = NULL},
	{"storage.rotate.size",     &config_type_size,     AT(storage.rotate.size_bytes), "1GiB", 1 * MiB, 16 * TiB,
	                            .none = true},
	{"storage.rotate.interval", &config_type_interval, AT(storage.rotate.interval_ns), "60s", 1 * SECOND, 365 * DAY,
	                            .none = true},
	{"storage.retain",          .type = NULL},
	{"storage.retain.size",     &config_type_size,     AT(storage.retain.size_bytes), "none", 1 * MiB, 1024 * TiB,
	                            .none = true},
	{"storage.retain.free",     &config_type_free,     AT(storage.retain.free), "5%", 1 * MiB, 1024 * TiB,
	                            .none = true},
	{"storage.retain.age",      &config_type_duration, AT(storage.retain.age_ms), "none", 1 * SECOND, 36500 * DAY,
	                            .none = true},
	{"storage.sync-interval",   &config_type_duration, AT(storage.sync_interval_ms), "1s", 100, DAY, .none = true},
	{"storage.compress",        &config_type_word,     AT(storage.compress), "none", .words = compress_words},
	{"storage.owner",           &config_type_user,     AT(storage.owner), ""},
	{"storage.group",           &config_type_group,    AT(storage.group), ""},
	{"user",                    &config_type_user,     AT(user), ""},
	{"group",                   &config_type_group,    AT(group), ""},
	{"control",                 .type = NULL},
	{"control.socket",          &config_type_path,     AT(control.socket), FANCAP_RUNSTATEDIR "/fancap/io.fancap",
	                            .max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1},
	{"log",                     .type = NULL},
	{"log.level",               &config_type_word,     AT(log.level), "info", .words = level_words},
};
/* clang-format on */

const struct config_table config_table_interface = {interface_options, COUNT(interface_options)};
const struct config_table config_table_top = {top_options, COUNT(top_options)};

size_t config_table_index(const struct config_table *table, const char *path)
{
	size_t i = 0;

	while (i < table->n && strcmp(table->options[i].path, path) != 0)
		i++;
	assert(i < table->n);
	return i;
}

/* --- values --- */

static void number_store(void *place, size_t width, uint64_t number)
{
	const uint8_t u8 = (uint8_t)number;
	const uint32_t u32 = (uint32_t)number;

	switch (width) {
	case sizeof(u8): memcpy(place, &u8, width); break;
	case sizeof(u32): memcpy(place, &u32, width); break;
	default: assert(width == sizeof(number)); memcpy(place, &number, width);
	}
}

static uint64_t number_fetch(const void *place, size_t width)
{
	uint8_t u8;
	uint32_t u32;
	uint64_t number;

	switch (width) {
	case sizeof(u8): memcpy(&u8, place, width); return u8;
	case sizeof(u32): memcpy(&u32, place, width); return u32;
	default:
		assert(width == sizeof(number));
		memcpy(&number, place, width);
		return number;
	}
}

int config_option_read(const struct config_option *option, const char *text, void *structure,
		       struct fancap_error *err)
{
	char *place = (char *)structure + option->offset;
	uint64_t number = 0;
	int r = option->type->parse(option, text, &number, err);

	if (r < 0)
		return r;
	if (!option->type->is_text) {
		number_store(place, option->width, number);
	} else {
		const char *value = *text ? text : NULL;

		memcpy(place, &value, sizeof(value));
	}
	return 0;
}

const char *config_option_write(const struct config_option *option, const void *structure,
				char buffer[UNITS_TEXT_MAX])
{
	const char *place = (const char *)structure + option->offset;
	const char *value;

	if (!option->type->is_text) {
		option->type->print(option, number_fetch(place, option->width), buffer);
		return buffer;
	}
	memcpy(&value, place, sizeof(value));
	return value ? value : "";
}

void config_table_defaults(const struct config_table *table, void *structure)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct config_option *option = &table->options[i];

		if (option->type && option->fallback) {
			int r = config_option_read(option, option->fallback, structure, NULL);

			assert(r == 0); /* a test reads every default */
			(void)r;
		}
	}
}

/* --- the libcyaml schema, made from the rows --- */

struct config_schema {
	cyaml_schema_value_t top;
	cyaml_schema_value_t list_entry;
	cyaml_schema_value_t table_entry; /* one will do: only `interfaces` lists mappings */
	cyaml_schema_field_t fields[COUNT(interface_options) + COUNT(top_options) + 16];
	size_t n_fields;
};

/** The key of a row that stands directly in the mapping `prefix` ("" is the table's top), or NULL. */
static const char *child_key(const char *path, const char *prefix)
{
	size_t length = strlen(prefix);

	if (strncmp(path, prefix, length) != 0)
		return NULL;
	path += length;
	if (length > 0 && *path++ != '.')
		return NULL;
	return strchr(path, '.') ? NULL : path;
}

static void mapping_fill(struct config_schema *schema, const struct config_table *table,
			 const char *prefix, cyaml_schema_value_t *ret);

static void list_fill(struct config_schema *schema, const struct config_option *option,
		      cyaml_schema_field_t *field)
{
	cyaml_schema_value_t *entry = option->entry ? &schema->table_entry : &schema->list_entry;

	if (option->entry)
		mapping_fill(schema, option->entry, "", entry);
	else
		*entry = (cyaml_schema_value_t){
			CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, CYAML_UNLIMITED)};
	field->count_offset = field->data_offset + (uint32_t)offsetof(struct config_text, n);
	field->count_size = sizeof(((struct config_text *)0)->n);
	field->value = (cyaml_schema_value_t){
		.type = CYAML_SEQUENCE,
		.flags = (enum cyaml_flag)(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL |
					   (option->entry ? CYAML_FLAG_BLOCK : CYAML_FLAG_FLOW)),
		.data_size = entry->data_size,
		.sequence = {.entry = entry, .min = 0, .max = CYAML_UNLIMITED},
	};
}

static void field_fill(struct config_schema *schema, const struct config_table *table, size_t row,
		       cyaml_schema_field_t *field)
{
	const struct config_option *option = &table->options[row];
	int flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL;

	if (option->list || option->entry) {
		field->data_offset = (uint32_t)(row * sizeof(struct config_text));
		list_fill(schema, option, field);
	} else if (!option->type) {
		field->data_offset = 0; /* its rows' offsets count from the table's start */
		mapping_fill(schema, table, option->path, &field->value);
		field->value.flags = CYAML_FLAG_OPTIONAL;
	} else {
		if (option->type->is_text)
			flags |= CYAML_FLAG_SCALAR_QUOTE_DOUBLE;
		field->data_offset = (uint32_t)(row * sizeof(struct config_text));
		field->value =
			(cyaml_schema_value_t){CYAML_VALUE_STRING(flags, char, 0, CYAML_UNLIMITED)};
	}
}

static void mapping_fill(struct config_schema *schema, const struct config_table *table,
			 const char *prefix, cyaml_schema_value_t *ret)
{
	cyaml_schema_field_t *field = &schema->fields[schema->n_fields];

	*ret = (cyaml_schema_value_t){
		.type = CYAML_MAPPING,
		.data_size = (uint32_t)(table->n * sizeof(struct config_text)),
		.mapping = {.fields = field},
	};
	schema->n_fields++; /* the end mark, whose key stays NULL */
	for (size_t i = 0; i < table->n; i++)
		schema->n_fields += child_key(table->options[i].path, prefix) != NULL;
	assert(schema->n_fields <= COUNT(schema->fields));

	for (size_t i = 0; i < table->n; i++) {
		const char *key = child_key(table->options[i].path, prefix);

		if (key) {
			field->key = key;
			field_fill(schema, table, i, field++);
		}
	}
}

struct config_schema *config_schema_new(void)
{
	struct config_schema *schema = calloc(1, sizeof(*schema));

	if (schema) {
		mapping_fill(schema, &config_table_top, "", &schema->top);
		schema->top.flags = CYAML_FLAG_POINTER;
	}
	return schema;
}

void config_schema_free(struct config_schema *schema)
{
	free(schema);
}

const cyaml_schema_value_t *config_schema_top(const struct config_schema *schema)
{
	return &schema->top;
}
