// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/act.h"

#include "ctl/call.h"
#include "ctl/report.h"

enum ctl_exit run_rotate(const struct ctl *ctl, const struct arguments *arguments)
{
	json_t *answer;
	enum ctl_exit result = call_for(ctl, FANCAP_INTERFACE ".Rotate", arguments_word(arguments, 0), &answer);

	return result ? result : print_answer(ctl, answer, report_rotation);
}

enum ctl_exit run_reload(const struct ctl *ctl, const struct arguments *arguments)
{
	json_t *answer;
	enum ctl_exit result = call(ctl, FANCAP_INTERFACE ".Reload", NULL, &answer);

	(void)arguments;
	return result ? result : print_answer(ctl, answer, report_reload);
}
