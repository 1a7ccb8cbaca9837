// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_SUPERVISOR_H
#define DAEMON_SUPERVISOR_H

#include "daemon/config.h"

/**
 * Capture as configured until SIGTERM or SIGINT.
 *
 * @param config_path read again on SIGHUP
 * @param config      taken over
 * @return 0 stopped as told; 1 could not start, or could not finish cleanly (said in the log)
 */
int supervisor_run(const char *config_path, struct config *config);

#endif
