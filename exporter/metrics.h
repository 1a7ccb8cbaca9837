// SPDX-License-Identifier: BSD-3-Clause
#ifndef EXPORTER_METRICS_H
#define EXPORTER_METRICS_H

#include <stdio.h>

#include <event2/buffer.h>
#include <jansson.h>

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/**
 * All metrics of a document (see document_new()), in Prometheus' text format. A metric that the document says nothing of
 * is left out.
 *
 * @return 0 or -ENOMEM
 */
int metrics_write(json_t *document, struct evbuffer *out);

/** The table of all metrics, in Markdown: what doc/metrics.md has. */
void metrics_print_table(FILE *out);

/** The same for a manual page, see common/manual.h. */
void metrics_print_manual(FILE *out);

#endif
