// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_FANOUT_H
#define FANCAP_FANOUT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How the kernel spreads packets over a group; values are those of PACKET_FANOUT_*. */
enum fancap_fanout_mode {
	FANCAP_FANOUT_HASH = 0,	    ///< by flow, both directions to one member
	FANCAP_FANOUT_LB = 1,	    ///< round robin
	FANCAP_FANOUT_CPU = 2,	    ///< by the CPU that received the packet
	FANCAP_FANOUT_ROLLOVER = 3, ///< the first member that has room
	FANCAP_FANOUT_RND = 4,	    ///< at random
	FANCAP_FANOUT_QM = 5,	    ///< by the device's receive queue
	FANCAP_FANOUT_CBPF = 6,	    ///< by a classic BPF program
	FANCAP_FANOUT_EBPF = 7,	    ///< by an eBPF program
};

/** Flags, OR-ed; values are those of PACKET_FANOUT_FLAG_*. */
enum fancap_fanout_flag {
	FANCAP_FANOUT_FLAG_ROLLOVER = 0x1000,	     ///< a full member hands on to the next
	FANCAP_FANOUT_FLAG_IGNORE_OUTGOING = 0x4000, ///< incoming packets only (see group.h)
	FANCAP_FANOUT_FLAG_DEFRAGMENT = 0x8000,	     ///< put IPv4 fragments together before choosing
};

/** The mode's name ("hash", "lb", ...), or NULL for a value that is none. */
const char *fancap_fanout_mode_name(enum fancap_fanout_mode mode);

/** Parse a mode's name. @return 0, or -EINVAL (ret_mode untouched) */
int fancap_fanout_mode_parse(const char *name, enum fancap_fanout_mode *ret_mode);

#ifdef __cplusplus
}
#endif

#endif
