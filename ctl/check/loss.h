// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_CHECK_LOSS_H
#define CTL_CHECK_LOSS_H

#include <jansson.h>
#include <stdint.h>

#include "ctl/command.h"

/* check loss: a plugin for Nagios and what is like it. */

/** How a plugin ends. */
enum plugin_exit { PLUGIN_OK, PLUGIN_WARNING, PLUGIN_CRITICAL, PLUGIN_UNKNOWN };

/** When losses are too many, in millionths of all packets seen. */
struct loss_limits {
	uint64_t warn, max; ///< more than this; warn is max where it is not given
};

/** Packets of which something became, and those of which nothing did. */
struct loss {
	uint64_t seen, dropped, discarded;
};

/** "0.1%" or "0.1": up to 100, with up to four digits behind the point. @return 0 or -EINVAL */
int loss_parse_percent(const char *text, uint64_t *ret_millionths);

enum plugin_exit loss_judge(const struct loss *loss, const struct loss_limits *limits);

/** Ask the daemon, and print the one line. @return enum plugin_exit */
int run_check_loss(const struct ctl *ctl, const struct arguments *arguments, const char *interface);

#endif
