// SPDX-License-Identifier: BSD-3-Clause
/* The part of fancap-replay(1) that comes from the table of its parser. */
#include "common/manual.h"
#include "replay/options.h"

static void print_options(FILE *out)
{
	program_options_manual(out, replay_options);
}

int main(int argc, char **argv)
{
	static const struct manual_part parts[] = { { "options", print_options }, { NULL, NULL } };

	return manual_main(argc, argv, parts);
}
