// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/config/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PATH_TEXT_MAX 128
#define KEY_LENGTH_MAX 32 /* longer ones are not compared for likeness */

struct check {
	struct config_document *document;
	struct config_errors *errors;
	bool malformed;
};

/** A value on its way through the check. */
struct item {
	const cyaml_schema_value_t *schema;
	const yaml_node_t *key; ///< NULL: in a list, or the top
	const yaml_node_t *node;
	char path[PATH_TEXT_MAX];
};

static void item_check(struct check *check, const struct item *item);

static void malformed_add(struct check *check, const struct item *item, const char *reason)
{
	struct config_place place = config_document_place(check->document, item->key, item->node);

	config_errors_add(check->errors, &place, item->path, "%s", reason);
	check->malformed = true;
}

/* --- keys --- */

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/** Levenshtein's distance: how many letters to insert, delete or replace. */
static size_t keys_distance(const char *a, const char *b)
{
	size_t row[KEY_LENGTH_MAX + 1], n = strlen(b);

	if (strlen(a) > KEY_LENGTH_MAX || n > KEY_LENGTH_MAX)
		return KEY_LENGTH_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[n];
}

static const char *key_guess(const cyaml_schema_field_t *fields, const char *key)
{
	const char *best = NULL;
	size_t least = 3;

	for (const cyaml_schema_field_t *field = fields; field->key; field++) {
		size_t distance = keys_distance(key, field->key);

		if (distance < least && distance < strlen(field->key)) {
			least = distance;
			best = field->key;
		}
	}
	return best;
}

static void keys_list(const cyaml_schema_field_t *fields, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (const cyaml_schema_field_t *field = fields; field->key && used < size; field++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
					 field->key);
}

static void unknown_key_add(struct check *check, const struct item *mapping, const yaml_node_t *key)
{
	const cyaml_schema_field_t *fields = mapping->schema->mapping.fields;
	struct config_place place = config_document_place(check->document, NULL, key);
	const char *text = (const char *)key->data.scalar.value;
	const char *guess = key_guess(fields, text);
	char allowed[256];

	keys_list(fields, allowed, sizeof(allowed));
	config_errors_add(check->errors, &place, mapping->path,
			  "unknown key '%.64s'%s%s%s; allowed: %s", text,
			  guess ? ", did you mean '" : "", guess ? guess : "", guess ? "'?" : "",
			  allowed);
}

static const cyaml_schema_field_t *field_find(const cyaml_schema_field_t *fields,
					      const yaml_node_t *key)
{
	for (; fields->key; fields++) {
		if (strlen(fields->key) == key->data.scalar.length &&
		    memcmp(fields->key, key->data.scalar.value, key->data.scalar.length) == 0)
			return fields;
	}
	return NULL;
}

/* --- values --- */

/** Set an item's path: its parent's and a piece. The schema's own keys and list indexes fit. */
static void __attribute__((format(printf, 3, 4)))
path_extend(struct item *item, const struct item *parent, const char *format, ...)
{
	size_t length = strlen(parent->path);
	va_list args;

	memcpy(item->path, parent->path, length);
	va_start(args, format);
	vsnprintf(item->path + length, sizeof(item->path) - length, format, args);
	va_end(args);
}

static const yaml_node_t *node_get(struct check *check, int index)
{
	return yaml_document_get_node(&check->document->yaml, index);
}

/** Look for an earlier pair with the same, known, key. */
static void double_key_check(struct check *check, const struct item *mapping,
			     const struct item *item, const yaml_node_pair_t *pair)
{
	const yaml_node_pair_t *other = mapping->node->data.mapping.pairs.start;

	for (; other < pair; other++) {
		const yaml_node_t *key = node_get(check, other->key);

		if (key->type == YAML_SCALAR_NODE &&
		    key->data.scalar.length == item->key->data.scalar.length &&
		    memcmp(key->data.scalar.value, item->key->data.scalar.value,
			   key->data.scalar.length) == 0) {
			struct config_place place =
				config_document_place(check->document, NULL, item->key);

			config_errors_add(check->errors, &place, item->path,
					  "given twice, first in line %zu; once is allowed",
					  key->start_mark.line + 1);
			check->malformed = true;
			return;
		}
	}
}

static void pair_check(struct check *check, const struct item *mapping,
		       const yaml_node_pair_t *pair)
{
	struct item item = {.key = node_get(check, pair->key),
			    .node = node_get(check, pair->value)};
	const cyaml_schema_field_t *field;

	if (item.key->type != YAML_SCALAR_NODE) {
		item.node = item.key;
		item.key = NULL;
		path_extend(&item, mapping, "%s", "");
		malformed_add(check, &item, "a key must be a plain word");
		return;
	}
	field = field_find(mapping->schema->mapping.fields, item.key);
	if (!field) {
		unknown_key_add(check, mapping, item.key);
		return;
	}
	item.schema = &field->value;
	path_extend(&item, mapping, "%s%s", *mapping->path ? "." : "", field->key);
	double_key_check(check, mapping, &item, pair);
	item_check(check, &item);
}

static void mapping_check(struct check *check, const struct item *item)
{
	const yaml_node_pair_t *pair;
	char allowed[256], reason[320];

	if (item->node->type != YAML_MAPPING_NODE) {
		keys_list(item->schema->mapping.fields, allowed, sizeof(allowed));
		snprintf(reason, sizeof(reason), "must be a mapping; its keys: %s", allowed);
		malformed_add(check, item, reason);
		return;
	}
	pair = item->node->data.mapping.pairs.start;
	for (; pair < item->node->data.mapping.pairs.top; pair++)
		pair_check(check, item, pair);
}

static void list_check(struct check *check, const struct item *item)
{
	const yaml_node_item_t *start, *top;

	if (item->node->type != YAML_SEQUENCE_NODE) {
		malformed_add(check, item,
			      item->schema->sequence.entry->type == CYAML_MAPPING
				      ? "must be a list; each entry begins with '- '"
				      : "must be a list, such as [2, 3]");
		return;
	}
	start = item->node->data.sequence.items.start;
	top = item->node->data.sequence.items.top;
	for (const yaml_node_item_t *node = start; node < top; node++) {
		struct item entry = {.schema = item->schema->sequence.entry,
				     .node = node_get(check, *node)};

		path_extend(&entry, item, "[%td]", node - start);
		item_check(check, &entry);
	}
}

static void scalar_check(struct check *check, const struct item *item)
{
	const yaml_node_t *node = item->node;

	if (node->type != YAML_SCALAR_NODE)
		malformed_add(check, item,
			      node->type == YAML_SEQUENCE_NODE
				      ? "must be a single value, not a list"
				      : "must be a single value, not a mapping");
	else if (memchr(node->data.scalar.value, '\0', node->data.scalar.length))
		malformed_add(check, item, "must not contain NUL bytes");
}

static void item_check(struct check *check, const struct item *item)
{
	const yaml_node_t *node = item->node;

	if (node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0 &&
	    node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
		malformed_add(check, item, "has no value; give one or leave the key out");
		return;
	}
	switch (item->schema->type) {
	case CYAML_MAPPING: mapping_check(check, item); break;
	case CYAML_SEQUENCE: list_check(check, item); break;
	default: scalar_check(check, item);
	}
}

int config_check_form(struct config_document *document, const cyaml_schema_value_t *schema,
		      struct config_errors *errors)
{
	struct check check = {.document = document, .errors = errors};

	if (document->root)
		item_check(&check, &(struct item){.schema = schema, .node = document->root});
	return check.malformed ? -EINVAL : 0;
}
