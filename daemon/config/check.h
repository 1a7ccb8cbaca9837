// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_CONFIG_CHECK_H
#define DAEMON_CONFIG_CHECK_H

#include <cyaml/cyaml.h>

#include "daemon/config/document.h"

/**
 * Check a document's form against a schema of mappings, lists and strings: unknown and double keys, wrong kinds.
 *
 * libcyaml checks too, but ends at the first error and does not see double keys; here all are reported.
 *
 * @return 0 libcyaml will load it, leaving unknown keys (which are in errors) out; -EINVAL it will not
 */
int config_check_form(struct config_document *document, const cyaml_schema_value_t *schema,
		      struct config_errors *errors);

#endif
