// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_COMPLETION_H
#define CTL_COMPLETION_H

/* The files of ctl/completion/, put into C by varlink/embed.awk. */
extern const char completion_bash[];
extern const char completion_zsh[];

#endif
