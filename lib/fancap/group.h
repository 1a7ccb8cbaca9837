// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_GROUP_H
#define FANCAP_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "fancap/error.h"
#include "fancap/fanout.h"
#include "fancap/fanout_program.h"
#include "fancap/filter.h"
#include "fancap/geometry.h"
#include "fancap/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A fanout group to be. */
struct fancap_group_params {
	const char *interface; ///< for messages
	int ifindex;
	enum fancap_socket_type type;	///< of every member
	unsigned members;		///< 1 to 65536
	enum fancap_fanout_mode mode;
	unsigned flags;			///< enum fancap_fanout_flag, OR-ed
	const struct fancap_fanout_program *program; ///< of modes CBPF and EBPF; NULL: all to member 0
	const struct fancap_geometry *geometry; ///< of every member's ring
	bool promiscuous;
};

/** Sockets with a ring each, all in one PACKET_FANOUT group that nobody else can join. */
struct fancap_group {
	int *fds; ///< one per member, in order; close-on-exec
	unsigned members;
	uint16_t id;
};

/**
 * Make every socket and ring of a group, with the gate closed: all have joined, none receives a packet yet.
 *
 * Between bind and join a socket would see packets that belong to others; the gate is a filter that rejects everything
 * until fancap_group_gate_open().
 *
 * @param ret set only on success; fancap_group_close() ends it
 * @return 0 or -errno; err names the member and the step that failed
 */
int fancap_group_open(const struct fancap_group_params *params, struct fancap_group *ret,
		      struct fancap_error *err);

/**
 * Give a group of mode CBPF or EBPF its program, or another one in one step. @return 0; -EINVAL the kernel does not
 * take it, or the group is of another mode; -EPERM the filter of its first socket is locked; -errno
 */
int fancap_group_set_program(const struct fancap_group *group, const struct fancap_fanout_program *program,
			     struct fancap_error *err);

/**
 * Let packets in that pass the filter; also replaces the filter of an open gate. With FANCAP_FANOUT_FLAG_IGNORE_OUTGOING
 * the filter rejects outgoing packets as well, since kernels before Linux 6.2 take the flag without acting on it.
 *
 * @return 0; -EINVAL the kernel does not take the program; -EPERM a socket's filter is locked; -errno
 */
int fancap_group_gate_open(const struct fancap_group *group, const struct fancap_filter *filter,
			   struct fancap_error *err);

/** Let nothing more in. What is in the rings stays there. @return 0 or -errno */
int fancap_group_gate_close(const struct fancap_group *group);

/** Close every socket; the kernel frees a ring when its last mapping is gone too. An all-zero group is fine. */
void fancap_group_close(struct fancap_group *group);

#ifdef __cplusplus
}
#endif

#endif
