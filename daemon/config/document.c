// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/config/document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** Far more than a configuration needs, and little enough that no YAML is a bomb. */
#define FILE_BYTES_MAX (1024u * 1024u)
/** The schema is 4 deep. libyaml's scanner gets quadratic in what is opened and never closed. */
#define DEPTH_MAX 16u

/* --- the file's bytes --- */

static int bytes_read(int fd, unsigned char *bytes, size_t capacity, size_t *ret_size)
{
	size_t size = 0;

	while (size < capacity) {
		ssize_t n = read(fd, bytes + size, capacity - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		size += (size_t)n;
	}
	*ret_size = size;
	return 0;
}

static int file_read(struct config_document *document)
{
	int fd, r;

	document->bytes = malloc(FILE_BYTES_MAX + 1);
	if (!document->bytes)
		return -ENOMEM;
	fd = open(document->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	r = bytes_read(fd, document->bytes, FILE_BYTES_MAX + 1, &document->size);
	close(fd);
	if (r == 0 && document->size > FILE_BYTES_MAX)
		r = -EFBIG;
	return r;
}

/* --- places --- */

static struct config_place file_place(const struct config_document *document)
{
	return (struct config_place){.file = document->file, .order = document->order};
}

static struct config_place mark_place(const struct config_document *document,
				      const yaml_mark_t *mark)
{
	struct config_place place = file_place(document);

	place.line = mark->line + 1;
	place.column = mark->column + 1;
	return place;
}

/** libyaml's reader knows only the offset of a byte that is not UTF-8; columns count characters. */
static struct config_place offset_place(const struct config_document *document, size_t offset)
{
	struct config_place place = file_place(document);

	place.line = 1;
	place.column = 1;
	for (size_t i = 0; i < offset && i < document->size; i++) {
		if (document->bytes[i] == '\n') {
			place.line++;
			place.column = 1;
		} else if ((document->bytes[i] & 0xc0) != 0x80) {
			place.column++;
		}
	}
	return place;
}

/** Nothing after the colon, unlike `""`. */
static bool node_is_empty(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0 &&
	       node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

struct config_place config_document_place(const struct config_document *document,
					  const yaml_node_t *key, const yaml_node_t *value)
{
	if (!value)
		return mark_place(document, &(yaml_mark_t){0});
	if (key && (value->type != YAML_SCALAR_NODE || node_is_empty(value)))
		return mark_place(document, &key->start_mark);
	return mark_place(document, &value->start_mark);
}

/* --- YAML --- */

static void parser_open(yaml_parser_t *parser, const struct config_document *document)
{
	yaml_parser_set_input_string(parser, document->bytes, document->size);
	yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
}

static void parser_error_add(const yaml_parser_t *parser, const struct config_document *document,
			     struct config_errors *errors)
{
	struct config_place place;

	if (parser->error == YAML_MEMORY_ERROR) {
		place = file_place(document);
		config_errors_add(errors, &place, NULL, "out of memory");
		return;
	}
	place = parser->error == YAML_READER_ERROR ? offset_place(document, parser->problem_offset)
						   : mark_place(document, &parser->problem_mark);
	if (parser->error == YAML_READER_ERROR)
		config_errors_add(errors, &place, NULL, "not UTF-8 text: %s", parser->problem);
	else
		config_errors_add(errors, &place, NULL, "not valid YAML: %s%s%s",
				  parser->context ? parser->context : "",
				  parser->context ? ", " : "", parser->problem);
}

/** What the events told so far. */
struct shape {
	unsigned documents;
	unsigned depth;
};

/** @return why this event has no place in a configuration, or NULL */
static const char *event_refuse(struct shape *shape, const yaml_event_t *event)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (shape->documents++ > 0)
			return "a second YAML document begins; a file holds one";
		break;
	case YAML_ALIAS_EVENT: return "YAML aliases (*name) are not supported; write the value out";
	case YAML_SCALAR_EVENT:
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
		shape->depth++;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
		shape->depth++;
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT: shape->depth--; break;
	default: break;
	}
	if (anchor)
		return "YAML anchors (&name) are not supported";
	if (tag)
		return "YAML tags (!name) are not supported";
	return shape->depth > DEPTH_MAX ? "nested too deeply" : NULL;
}

static int events_check(struct config_document *document, yaml_parser_t *parser,
			struct config_errors *errors)
{
	struct shape shape = {0};
	yaml_event_t event;
	bool end = false;

	parser_open(parser, document);
	while (!end) {
		const char *refused;

		if (!yaml_parser_parse(parser, &event)) {
			parser_error_add(parser, document, errors);
			return -EINVAL;
		}
		refused = event_refuse(&shape, &event);
		if (refused) {
			struct config_place place = mark_place(document, &event.start_mark);

			config_errors_add(errors, &place, NULL, "%s", refused);
		}
		end = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
		if (refused)
			return -EINVAL;
	}
	return 0;
}

static int tree_load(struct config_document *document, yaml_parser_t *parser,
		     struct config_errors *errors)
{
	parser_open(parser, document);
	if (!yaml_parser_load(parser, &document->yaml)) {
		parser_error_add(parser, document, errors);
		return -EINVAL;
	}
	document->loaded = true;
	document->root = yaml_document_get_root_node(&document->yaml);
	if (document->root && node_is_empty(document->root))
		document->root = NULL;
	return 0;
}

static int with_parser(struct config_document *document, struct config_errors *errors,
		       int (*step)(struct config_document *, yaml_parser_t *,
				   struct config_errors *))
{
	yaml_parser_t parser;
	int r;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	r = step(document, &parser, errors);
	yaml_parser_delete(&parser);
	return r;
}

int config_document_read(struct config_document *document, const char *path, unsigned order,
			 struct config_errors *errors)
{
	struct config_place place;
	int r;

	*document = (struct config_document){.file = strdup(path), .order = order};
	if (!document->file)
		return -ENOMEM;
	r = file_read(document);
	if (r < 0) {
		place = file_place(document);
		config_errors_add(errors, &place, NULL, "cannot be read: %s%s", strerror(-r),
				  r == -EFBIG ? " (allowed: 1MiB)" : "");
		return r;
	}
	r = with_parser(document, errors, events_check);
	if (r == 0)
		r = with_parser(document, errors, tree_load);
	return r;
}

void config_document_done(struct config_document *document)
{
	if (document->loaded)
		yaml_document_delete(&document->yaml);
	free(document->bytes);
	free(document->file);
	*document = (struct config_document){0};
}

/* --- finding --- */

static const yaml_node_pair_t *pair_find(yaml_document_t *yaml, const yaml_node_t *mapping,
					 const char *key, size_t length)
{
	const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;

	for (; pair < mapping->data.mapping.pairs.top; pair++) {
		const yaml_node_t *node = yaml_document_get_node(yaml, pair->key);

		if (node && node->type == YAML_SCALAR_NODE && node->data.scalar.length == length &&
		    memcmp(node->data.scalar.value, key, length) == 0)
			return pair;
	}
	return NULL;
}

/** Follow one step of a path, `key` or `[index]`. @return the node, or NULL if it is not there */
static yaml_node_t *step_follow(yaml_document_t *yaml, const yaml_node_t *node, const char *step,
				size_t length, const yaml_node_t **ret_key)
{
	*ret_key = NULL;
	if (step[0] == '[' && node->type == YAML_SEQUENCE_NODE) {
		size_t index = strtoul(step + 1, NULL, 10);
		const yaml_node_item_t *item = node->data.sequence.items.start + index;

		return item < node->data.sequence.items.top ? yaml_document_get_node(yaml, *item)
							    : NULL;
	}
	if (step[0] != '[' && node->type == YAML_MAPPING_NODE) {
		const yaml_node_pair_t *pair = pair_find(yaml, node, step, length);

		if (!pair)
			return NULL;
		*ret_key = yaml_document_get_node(yaml, pair->key);
		return yaml_document_get_node(yaml, pair->value);
	}
	return NULL;
}

struct config_place config_document_find(struct config_document *document, const char *path)
{
	const yaml_node_t *node = document->root, *key = NULL;

	while (node && *path) {
		size_t length = *path == '[' ? strcspn(path, "]") + 1 : strcspn(path, ".[");
		const yaml_node_t *next_key, *next;

		next = step_follow(&document->yaml, node, path, length, &next_key);
		if (!next)
			break;
		node = next;
		key = next_key;
		path += length;
		path += *path == '.';
	}
	return config_document_place(document, key, node);
}
