// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_CONFIG_VALIDATE_H
#define DAEMON_CONFIG_VALIDATE_H

#include "daemon/config.h"
#include "daemon/config/errors.h"

struct config_document;

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

/** Check that no two interfaces have the same name. */
void config_validate_unique(const struct config_origin *origins, size_t n,
			    struct config_errors *errors);

#endif
