// SPDX-License-Identifier: BSD-3-Clause
#include <stdio.h>

#include "common/standard_fds.h"
#include "exporter/exporter.h"
#include "exporter/metrics.h"

int main(int argc, char **argv)
{
	struct fancap_error err = { "" };
	struct exporter_options options;

	standard_fds_open();
	if (exporter_options_parse(argc, argv, &options, &err) < 0) {
		if (err.text[0] != '\0')
			fprintf(stderr, "fancap-exporter: %s\n", err.text);
		fprintf(stderr, "Usage: fancap-exporter [OPTION]...; see fancap-exporter --help\n");
		return EXPORTER_USAGE;
	}
	switch (options.action) {
	case EXPORTER_HELP: exporter_options_print_help(stdout); break;
	case EXPORTER_METRICS: metrics_print_table(stdout); break;
	case EXPORTER_VERSION: printf("fancap-exporter %s\nfeatures: %s\n", PACKAGE_VERSION, FANCAP_FEATURES); break;
	case EXPORTER_SERVE: return exporter_run(&options);
	}
	return fflush(stdout) == 0 ? EXPORTER_OK : EXPORTER_FAILED;
}
