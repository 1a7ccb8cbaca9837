// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_SELFCHECK_H
#define FANCAP_SELFCHECK_H

#include <stdbool.h>

#include "fancap/error.h"
#include "fancap/fanout.h"
#include "fancap/fanout_program.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What to check, on a veth pair of the caller's, both ends up. */
struct fancap_selfcheck_params {
	const char *interface; ///< the end to capture on
	const char *peer;      ///< the end that sends to it
	unsigned members;      ///< 1 to 256
	enum fancap_fanout_mode mode;
	unsigned flags;				     ///< enum fancap_fanout_flag, OR-ed
	const struct fancap_fanout_program *program; ///< or NULL
	unsigned flows; ///< 1 to 65536, IPv4 and IPv6 by turns; each sends two packets each way
};

/** What this kernel does with these flows. */
struct fancap_selfcheck {
	unsigned packets_sent;
	unsigned packets_seen;	///< of these, by all members together
	unsigned flows_split;	///< had packets on more than one member, in one direction or the other
	unsigned members_used;	///< saw any packet
	unsigned member_max;	///< packets of the member that saw most
	double balance;		///< that, divided by the mean of all members: 1 is even, `members` is all on one
};

/**
 * Send known flows both ways through a veth pair, to a fanout group made for it, and see where they land.
 *
 * Forth, packets are sent by the peer and come in; back, they are sent by the interface itself and are seen going out,
 * unless the flags say to ignore outgoing packets: then the peer sends both. The addresses are those kept for
 * benchmarks (198.18.0.0/15, 2001:2::/48), to a link-layer address that nobody has. Other packets on the pair are left
 * out. Blocks until all are seen, or none has come for 2 seconds. Needs CAP_NET_RAW, and memory for a ring of 2 MiB a
 * member.
 *
 * @return 0: ret is filled in, for the caller to judge; -EINVAL params; -errno
 */
int fancap_selfcheck(const struct fancap_selfcheck_params *params, struct fancap_selfcheck *ret,
		     struct fancap_error *err);

#ifdef __cplusplus
}
#endif

#endif
