// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_RECOVER_H
#define CTL_RECOVER_H

#include "ctl/command.h"

/**
 * Make whole, closed capture files of those given, each beside its original or as --output says; see fancap/recover.h. The
 * daemon is not asked.
 *
 * A file that is whole and closed stays alone, unless it is called .part or there is an --output.
 *
 * @return CTL_FAILED if one failed
 */
enum ctl_exit run_recover(const struct ctl *ctl, const struct arguments *arguments);

#endif
