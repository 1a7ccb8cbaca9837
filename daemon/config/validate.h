// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_CONFIG_VALIDATE_H
#define DAEMON_CONFIG_VALIDATE_H

#include "daemon/config.h"
#include "daemon/config/errors.h"
#include "daemon/config/source.h"

/** An interface and where it was configured. */
struct config_origin {
	const struct config_interface *interface;
	struct config_document *document;
	size_t index;	  ///< in the document's `interfaces`
	uint64_t invalid; ///< a bit for each row of config_table_interface that was refused already
};

/**
 * Check one interface's options against each other. `auto` workers are resolved already.
 *
 * Rules about options that were refused are left out: what they would say is about a default nobody asked for.
 */
void config_validate_interface(const struct config_origin *origin, struct config_errors *errors);

/**
 * Check a list of directories: not too many, no two the same, none inside another.
 *
 * @param document where it was configured
 * @param both     a single directory was given as well, in the same file
 */
void config_validate_directories(const struct config *config, struct config_document *document, bool both,
				 struct config_errors *errors);

/**
 * Check the storage options against each other and against the workers there are.
 *
 * @param invalid a bit for each row of config_table_top that was refused already
 */
void config_validate_storage(const struct config *config, struct config_sources *sources, uint64_t invalid,
			     struct config_errors *errors);

/** Check user and group against each other. @param invalid as above */
void config_validate_identity(const struct config *config, struct config_sources *sources, uint64_t invalid,
			      struct config_errors *errors);

/** Check that no two interfaces have the same name. */
void config_validate_unique(const struct config_origin *origins, size_t n,
			    struct config_errors *errors);

#endif
