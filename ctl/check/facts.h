// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_CHECK_FACTS_H
#define CTL_CHECK_FACTS_H

#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fancap/selfcheck.h"

/*
 * What check knows of a machine: gathered in one place (gather.h), judged in another (judge.h). Numbers that may not be
 * known are -1 then.
 */

#define FACTS_INTERFACES_MAX 64
#define FACTS_DIRECTORIES_MAX 64
#define FACTS_SELFCHECK_MEMBERS 4

struct facts_interface {
	char name[IFNAMSIZ];
	/* as it is to be captured; 0: not known */
	unsigned workers;
	uint64_t ring_bytes; ///< of one worker
	char fanout[16];     ///< mode; "": not known, which is the default's, hash
	char timestamps[16]; ///< kernel, software, hardware; "": not known
	cpu_set_t cpus;	     ///< that its workers are pinned to; empty: to none
	/* as it is */
	bool exists, up, carrier;
	int64_t mtu, speed_mbit, numa_node;
	int gro, gro_hw, lro, rxvlan;		  ///< 1 on, 0 off
	int stamps;				  ///< whether the device can stamp all that it receives: 1, 0
	int64_t queues, queues_max;		  ///< that receive
	int rss_symmetric;			  ///< whether both directions of a flow come to one queue: 1, 0
	int64_t nic_ring, nic_ring_max;		  ///< descriptors that receive
	bool has_irqs;
	cpu_set_t irq_cpus;			  ///< that its interrupts come to
	bool has_node_cpus;
	cpu_set_t node_cpus;			  ///< of its NUMA node
};

struct facts_directory {
	char path[PATH_MAX];
	bool exists;
	int error;	    ///< why nothing else is known, an errno; 0: it is
	char fs_type[32];   ///< "": not known
	uint64_t total_bytes, free_bytes;
	int direct_io;	    ///< 1 works, 0 does not
	int64_t write_bytes_per_s; ///< measured; 0: not to be
	int write_error;    ///< an errno, 0: none
};

struct facts {
	int kernel_major, kernel_minor;
	int64_t memory_available; ///< bytes
	char clocksource[32];	  ///< "": not known
	int clock_synchronised;	  ///< 1, 0
	int packet_sockets;	  ///< 1: TPACKET_V3 and fanout work, 0: they do not, -1: may not be tried
	int packet_error;	  ///< why not, an errno
	int io_uring;		  ///< 1 allowed, 0 not
	int landlock, seccomp;	  ///< 1 there, 0 not
	int unit_installed;
	int64_t expected_bits_per_s; ///< what is to be recorded, 0: not known
	struct {
		bool made;
		char why_not[160];
		struct fancap_selfcheck result;
	} selfcheck;
	struct facts_interface interfaces[FACTS_INTERFACES_MAX];
	size_t n_interfaces;
	struct facts_directory directories[FACTS_DIRECTORIES_MAX];
	size_t n_directories;
};

#endif
