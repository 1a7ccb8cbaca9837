// SPDX-License-Identifier: BSD-3-Clause
#ifndef EXPORTER_DOCUMENT_H
#define EXPORTER_DOCUMENT_H

#include <jansson.h>

#include "exporter/inquiry.h"

/**
 * What page and metrics are made from: "up" (whether fancapd answers), "ready" (whether it captures), "reason" (why not,
 * or null), "exporter" (our version), "status" and "statistics" (fancapd's replies as they are, or null).
 *
 * @return the caller drops it with json_decref(); NULL: ENOMEM
 */
json_t *document_new(const struct inquiry_answer *answer);

#endif
