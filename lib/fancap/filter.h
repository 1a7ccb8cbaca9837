// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_FILTER_H
#define FANCAP_FILTER_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/filter.h>

#include "fancap/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The largest snaplen (bytes) we accept, as tcpdump and dumpcap: no truncation. */
#define FANCAP_SNAPLEN_MAX 262144u

/** A classic BPF program. Zero-initialised means "everything, whole". */
struct fancap_filter {
	struct sock_fprog prog; ///< len 0: no program
};

/**
 * Compile a libpcap expression to a kernel program that also truncates to snaplen.
 *
 * With an interface the program knows that the kernel takes VLAN tags off (`vlan 5` then works); that opens a packet
 * socket for the moment, so it needs CAP_NET_RAW; while the link is down, loopback has to be up in its place. Without
 * an interface the program is only good for checking the expression.
 *
 * For LINKTYPE_LINUX_SLL2 the program is one for SOCK_DGRAM sockets, whose packets have no such header: only the header's
 * protocol, interface, device type and packet type can be asked for, and lengths are without it.
 *
 * @param expression libpcap filter; NULL or "": everything
 * @param linktype   LINKTYPE_ value the expression is about, as in struct fancap_link
 * @param snaplen    bytes kept of each packet, 1 to FANCAP_SNAPLEN_MAX; at the maximum nothing is cut
 * @param interface  interface the program is for, or NULL
 * @param ret        set only on success; fancap_filter_done() frees it
 * @return 0; -EINVAL expression does not compile (libpcap's text in err); -errno
 */
int fancap_filter_compile(const char *expression, int linktype, uint32_t snaplen,
			  const char *interface, struct fancap_filter *ret,
			  struct fancap_error *err);

/** Free it. A zero-initialised one is fine. */
void fancap_filter_done(struct fancap_filter *filter);

/**
 * The same program, but one that rejects what this host sends: for sockets that are given outgoing packets too.
 *
 * @param ret set only on success; fancap_filter_done() frees it
 * @return 0; -EINVAL the program would get too long for the kernel; -ENOMEM
 */
int fancap_filter_incoming(const struct fancap_filter *filter, struct fancap_filter *ret);

/**
 * Run a program over a packet in memory; it must have been compiled without an interface.
 *
 * @param caplen bytes at data
 * @param len    bytes that the packet has or had
 */
bool fancap_filter_matches(const struct fancap_filter *filter, const uint8_t *data, uint32_t caplen, uint32_t len);

/** Attach to a socket, replacing what is there in one step; an empty filter detaches. @return 0 or -errno */
int fancap_filter_attach(int fd, const struct fancap_filter *filter);

/** Attach a program that rejects every packet: the closed gate. @return 0 or -errno */
int fancap_filter_attach_drop_all(int fd);

/**
 * Lock a socket's filter (SO_LOCK_FILTER), in whoever's hands the socket is: from then on attaching and detaching give
 * -EPERM, and so does replacing the program of a fanout group through it. Nobody can unlock it, not even root.
 *
 * For who hands a socket on to somebody trusted less. fancapd does not lock its sockets, although its workers have them:
 * it replaces filters through the very same ones on a reload, and closes the gate with one when it stops.
 *
 * @return 0 or -errno
 */
int fancap_filter_lock(int fd);

#ifdef __cplusplus
}
#endif

#endif
