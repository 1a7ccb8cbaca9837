// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_CHECK_GATHER_H
#define CTL_CHECK_GATHER_H

#include "ctl/check/facts.h"

/* Finding out what check wants to know. What cannot be found out is "not known", never a failure. */

/** The machine: kernel, memory, clock, what is allowed. @param root where /proc, /sys and so on are: "" is here */
void gather_machine(const char *root, struct facts *facts);

/** An interface whose name is set, from /sys and /proc below root. */
void gather_interface(const char *root, struct facts_interface *interface);

/** What only its driver knows: offloads, queues, rings (SIOCETHTOOL), and whether it is up. */
void gather_device(struct facts_interface *interface);

/** A directory whose path is set. @param write_bytes how much to write there (and remove) to see how fast it is; 0: do not */
void gather_directory(struct facts_directory *directory, uint64_t write_bytes);

/** Send flows through a veth pair in a network namespace of its own, see fancap/selfcheck.h. */
void gather_selfcheck(struct facts *facts);

/** "0-3,8", as /sys and options have it. @return 0 or -EINVAL */
int gather_parse_cpus(const char *text, cpu_set_t *ret);

#endif
