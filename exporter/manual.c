// SPDX-License-Identifier: BSD-3-Clause
/* The parts of fancap-exporter(8) that come from the tables of its options and metrics. */
#include "common/manual.h"
#include "exporter/metrics.h"
#include "exporter/options.h"

static void print_options(FILE *out)
{
	program_options_manual(out, exporter_option_rows);
}

int main(int argc, char **argv)
{
	static const struct manual_part parts[] = {
		{ "options", print_options }, { "metrics", metrics_print_manual }, { NULL, NULL } };

	return manual_main(argc, argv, parts);
}
