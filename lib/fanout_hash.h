// SPDX-License-Identifier: BSD-3-Clause
/* Inside libfancap: the default fanout program in both its forms. */
#ifndef LIB_FANOUT_HASH_H
#define LIB_FANOUT_HASH_H

#include <linux/bpf.h>
#include <linux/filter.h>
#include <stddef.h>

/** Ends in one instruction that returns A: whoever appends to it replaces that. Jumps only within. */
extern const struct sock_filter fanout_hash_classic[];
extern const size_t fanout_hash_classic_len;

extern const struct bpf_insn fanout_hash_ebpf[];
extern const size_t fanout_hash_ebpf_len;

#endif
