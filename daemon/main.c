// SPDX-License-Identifier: BSD-3-Clause
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "common/standard_fds.h"
#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/options.h"
#include "daemon/recovery.h"
#include "daemon/supervisor.h"

int main(int argc, char **argv)
{
	struct daemon_options options = {0};
	const char *path = CONFIG_DEFAULT_PATH;
	struct config *config;
	int status;

	standard_fds_open();
	status = daemon_options_parse(argc, argv, &options);
	if (status >= 0)
		return status;
	if (options.recover)
		return recovery_run(options.paths);
	if (options.check || options.config)
		path = options.check ? options.check : options.config;
	if (config_load(path, stderr, &config) < 0)
		return EX_CONFIG;
	if (options.dump)
		status = config_dump(config, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	else if (options.check)
		status = EXIT_SUCCESS;
	if (status >= 0) {
		config_free(config);
		return status;
	}
	log_init(config->log.level);
	return supervisor_run(path, config);
}
