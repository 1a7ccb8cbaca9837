// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_CHECK_JUDGE_H
#define CTL_CHECK_JUDGE_H

#include "ctl/check/facts.h"
#include "ctl/check/findings.h"

/** What these facts mean for a capture. Pure: looks at nothing else. */
void judge(const struct facts *facts, struct findings *findings);

#endif
