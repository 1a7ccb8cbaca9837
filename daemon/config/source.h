// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_CONFIG_SOURCE_H
#define DAEMON_CONFIG_SOURCE_H

#include "daemon/config/document.h"
#include "daemon/config/schema.h"

/** One file's options as texts, and the document that tells where they stand. */
struct config_source {
	struct config_document document;
	struct config_text *texts; ///< in the rows of config_table_top; NULL: none given
};

/** The files of a configuration: the main one, then those of conf.d in name order. */
struct config_sources {
	struct config_schema *schema;
	char *folder; ///< conf.d, as messages name it
	struct config_source *items;
	size_t n;
};

/**
 * Read a file and its conf.d, as far as that can be done; what cannot is in errors.
 *
 * @param sources zero-initialised; config_sources_done() frees it, also after an error
 * @return 0, or the first failure: -EINVAL content, -errno
 */
int config_sources_read(struct config_sources *sources, const char *path,
			struct config_errors *errors);

/** Free documents and texts. */
void config_sources_done(struct config_sources *sources);

#endif
