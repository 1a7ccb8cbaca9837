// SPDX-License-Identifier: BSD-3-Clause
#ifndef EXPORTER_EXPORTER_H
#define EXPORTER_EXPORTER_H

#include "exporter/options.h"

/** Exit statuses. */
enum exporter_exit { EXPORTER_OK, EXPORTER_FAILED, EXPORTER_USAGE };

/** How long fancapd may take to answer. */
#define EXPORTER_TIMEOUT_MS 5000

/** Serve until SIGTERM or SIGINT; where it is served is said on stderr. @return EXPORTER_OK, or _FAILED and why is said */
enum exporter_exit exporter_run(const struct exporter_options *options);

#endif
