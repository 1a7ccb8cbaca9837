// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_CHECK_WANT_H
#define CTL_CHECK_WANT_H

#include "ctl/check/facts.h"
#include "ctl/command.h"

/*
 * What is to be checked: what a daemon that runs captures and where it records to, else what the command line names. The
 * command line's goes first.
 */

/**
 * Fill in names, paths, workers, rings, CPUs and what is expected.
 *
 * @param ret_daemon CTL_OK: one has said what it captures; else why not
 * @return CTL_OK, or CTL_USAGE, which is said; that no daemon answers is no trouble
 */
enum ctl_exit want_read(const struct ctl *ctl, const struct arguments *arguments, struct facts *facts, enum ctl_exit *ret_daemon);

#endif
