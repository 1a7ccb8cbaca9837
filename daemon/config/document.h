// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_CONFIG_DOCUMENT_H
#define DAEMON_CONFIG_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "daemon/config/errors.h"

/** One configuration file: its bytes, and its YAML tree, which knows where everything stands. */
struct config_document {
	char *file;	///< the path, as messages name it
	unsigned order; ///< of reading
	unsigned char *bytes;
	size_t size;
	yaml_document_t yaml;
	yaml_node_t *root; ///< NULL: nothing but comments in the file
	bool loaded;	   ///< yaml is to be freed
};

/**
 * Read a file and check that it is one YAML document without anchors, aliases and tags.
 *
 * @param document filled in; config_document_done() frees it, also after an error
 * @return 0; -EINVAL not such YAML; -errno cannot be read; both are said in errors
 */
int config_document_read(struct config_document *document, const char *path, unsigned order,
			 struct config_errors *errors);

void config_document_done(struct config_document *document);

/**
 * Where a value stands: a scalar itself, a list or mapping by its key.
 *
 * @param key the mapping key it is the value of, or NULL
 */
struct config_place config_document_place(const struct config_document *document,
					  const yaml_node_t *key, const yaml_node_t *value);

/** Where `interfaces[1].ring.size` stands; if that is not in the file, what of the path is. */
struct config_place config_document_find(struct config_document *document, const char *path);

#endif
