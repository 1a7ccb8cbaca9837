// SPDX-License-Identifier: BSD-3-Clause
#include "common/standard_fds.h"
#include "ctl/commands.h"
#include "ctl/help.h"
#include "ctl/options.h"
#include "ctl/output.h"

int main(int argc, char **argv)
{
	struct ctl ctl = {
		.timeout_ms = CTL_DEFAULT_TIMEOUT_MS,
		.out = stdout,
		.err = stderr,
	};
	enum options_wish wish;
	enum ctl_exit result;
	int next;

	standard_fds_open();
	color_enable(color_is_wanted(stdout));
	result = options_parse_global(&ctl, argc, argv, &next, &wish);
	if (result)
		return result;
	if (wish == OPTIONS_HELP)
		help_all(stdout);
	else if (wish == OPTIONS_VERSION)
		help_version(stdout);
	else if (next == argc)
		return wrong_usage(&ctl, NULL, "a command is wanted");
	else
		return commands_run(&ctl, argc - next, argv + next);
	return fflush(stdout) == 0 ? CTL_OK : CTL_FAILED;
}
