// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_FANOUT_PROGRAM_H
#define FANCAP_FANOUT_PROGRAM_H

#include <linux/filter.h>

#include "fancap/error.h"
#include "fancap/fanout.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A program that chooses a packet's member: the kernel takes what it returns modulo the number of members.
 *
 * Such a program sees data from the network header on when a packet comes in, and from the link-layer header on when
 * it goes out. Only offsets that count from SKF_NET_OFF mean the same both ways; ours do, and those of other people's
 * programs should. A load beyond the packet (or beyond the part of it that lies in one piece, which holds its headers)
 * ends a program with 0: such a packet goes to member 0.
 *
 * Zero-initialised it is none, and may be handed to fancap_fanout_program_done().
 */
struct fancap_fanout_program {
	enum fancap_fanout_mode mode; ///< FANCAP_FANOUT_CBPF: classic; FANCAP_FANOUT_EBPF: fd
	struct sock_fprog classic;
	int fd; ///< close-on-exec
};

/**
 * The program we bring: spreads by flow, and both directions of a flow go to one member.
 *
 * It hashes IPv4 and IPv6 addresses; of TCP, UDP, UDP-Lite, DCCP and SCTP the ports too, unless the packet is an IPv4
 * fragment or has IPv6 extension headers. All other packets go to member 0. Classic and eBPF choose alike. Loading the
 * eBPF one takes CAP_BPF, unless the kernel allows it to everybody.
 *
 * @param mode FANCAP_FANOUT_CBPF or FANCAP_FANOUT_EBPF
 * @param ret  set only on success; fancap_fanout_program_done() ends it
 * @return 0; -EINVAL another mode; -EPERM; -errno
 */
int fancap_fanout_program_default(enum fancap_fanout_mode mode, struct fancap_fanout_program *ret,
				  struct fancap_error *err);

/**
 * A classic program from a file as `tcpdump -ddd` and bpf_asm write it: the number of instructions, then code, jt, jf
 * and k of each, all decimal, between white space or commas. The kernel checks it when it is given to a group.
 *
 * @return 0; -EINVAL not of this form; -errno
 */
int fancap_fanout_program_read(const char *path, struct fancap_fanout_program *ret, struct fancap_error *err);

/**
 * A classic program from a libpcap expression: what matches goes to member 0, all else is spread over the other members
 * as the default program does it.
 *
 * The expression is about IP packets from the network header on; it cannot ask for link-layer addresses, VLANs or
 * lengths. Both directions of a flow stay together if it matches either both or none. A packet too short for what the
 * expression looks at (`udp[40] == 7`) goes to member 0 as well, whether it would match or not: the kernel ends the
 * program there.
 *
 * @param members of the group; with 1 there is no choice
 * @return 0; -EINVAL it does not compile, or asks for what a fanout program cannot see; -errno
 */
int fancap_fanout_program_compile(const char *expression, unsigned members, struct fancap_fanout_program *ret,
				  struct fancap_error *err);

/**
 * An eBPF program pinned in a BPF file system. Takes read permission on the file; before Linux 5.19, CAP_BPF too.
 *
 * @return 0; -ENOENT; -EPERM; -errno
 */
int fancap_fanout_program_pinned(const char *path, struct fancap_fanout_program *ret, struct fancap_error *err);

/** An eBPF program that the caller has loaded; its fd is duplicated and stays the caller's. @return 0 or -errno */
int fancap_fanout_program_from_fd(int fd, struct fancap_fanout_program *ret, struct fancap_error *err);

/** Free it. The kernel keeps what it was given. */
void fancap_fanout_program_done(struct fancap_fanout_program *program);

#ifdef __cplusplus
}
#endif

#endif
