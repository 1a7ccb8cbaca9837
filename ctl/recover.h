// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_RECOVER_H
#define CTL_RECOVER_H

#include "ctl/ctl.h"

/**
 * Make whole, closed capture files of those given, each beside its original or as ctl->output; see fancap/recover.h. The
 * daemon is not asked.
 *
 * A file that is whole and closed stays alone, unless it is called .part or there is a ctl->output.
 *
 * @param files ends with NULL
 * @return CTL_FAILED if one failed
 */
enum ctl_exit recover_files(const struct ctl *ctl, char *const *files);

#endif
