// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_CHECK_JUDGE_INTERFACE_H
#define CTL_CHECK_JUDGE_INTERFACE_H

#include "ctl/check/facts.h"
#include "ctl/check/findings.h"

/** The part of judge() about one interface. */
void judge_interface(const struct facts_interface *interface, struct findings *findings);

#endif
