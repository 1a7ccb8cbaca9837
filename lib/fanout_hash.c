// SPDX-License-Identifier: BSD-3-Clause
/*
 * A symmetric flow hash, as a classic and as an eBPF program. In C it would be:
 *
 *	hash = 0;
 *	if (IPv4 or IPv6)
 *		hash = xor of all 32-bit words of both addresses;
 *	if (not an IPv4 fragment && protocol has ports)
 *		hash ^= (source port ^ destination port) * SPREAD_PORTS;
 *	return mix(hash);
 *
 * Fragments do not have ports but for the first, so none of them is given any. Mixing matters: members are chosen by a
 * remainder, that is mostly by the low bits, and addresses and ports are all but random there.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdint.h>

#include "lib/fanout_hash.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define NET(offset) ((uint32_t)(SKF_NET_OFF + (offset)))

#define IP4_FRAGMENT 0x3FFF /* more fragments, or an offset */
#define IP6_HEADER_BYTES 40

#define SPREAD_PORTS 0x85EBCA6Bu
#define MIX_1 0x9E3779B1u
#define MIX_2 0xC2B2AE35u

/* --- classic ---------------------------------------------------------------------------------------------------- */

#define LOAD(size, offset) BPF_STMT(BPF_LD | BPF_ABS | (size), (offset))
#define ALU(op, k) BPF_STMT(BPF_ALU | BPF_K | (op), (k))
#define XOR_X BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0)
#define TAX BPF_STMT(BPF_MISC | BPF_TAX, 0)
#define XOR_WORD(offset) TAX, LOAD(BPF_W, offset), XOR_X
#define STORE(cell) BPF_STMT(BPF_ST, cell)
#define FETCH(cell) BPF_STMT(BPF_LD | BPF_MEM, cell)
#define FETCH_X(cell) BPF_STMT(BPF_LDX | BPF_MEM, cell)
/* Where the condition holds, go to a label, else on; `at` is where it stands. */
#define BRANCH(at, condition, k, label) BPF_JUMP(BPF_JMP | BPF_K | (condition), (k), (label) - (at) - 1, 0)
#define GOTO(at, label) BPF_STMT(BPF_JMP | BPF_JA, (label) - (at) - 1)

/* Positions. The table says them again: -Woverride-init finds one that overlaps, a test one that leaves a gap. */
enum classic_label {
	C_IP4 = 6,
	C_IP4_END = 15,
	C_IP6 = 16,
	C_PORTS = 41,
	C_HAS_PORTS = 47,
	C_MIX = 56,
};

const struct sock_filter fanout_hash_classic[] = {
	LOAD(BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
	BRANCH(1, BPF_JEQ, ETH_P_IP, C_IP4),
	BRANCH(2, BPF_JEQ, ETH_P_IPV6, C_IP6),
	BPF_STMT(BPF_LD | BPF_IMM, 0),
	STORE(0),
	GOTO(5, C_MIX),

	[C_IP4] = LOAD(BPF_W, NET(12)),
	XOR_WORD(NET(16)),
	STORE(0),
	LOAD(BPF_H, NET(6)),
	BRANCH(12, BPF_JSET, IP4_FRAGMENT, C_MIX),
	BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, NET(0)), /* X: bytes of the header */
	LOAD(BPF_B, NET(9)),
	[C_IP4_END] = GOTO(C_IP4_END, C_PORTS),

	[C_IP6] = LOAD(BPF_W, NET(8)),
	XOR_WORD(NET(12)), XOR_WORD(NET(16)), XOR_WORD(NET(20)), XOR_WORD(NET(24)),
	XOR_WORD(NET(28)), XOR_WORD(NET(32)), XOR_WORD(NET(36)),
	STORE(0),
	BPF_STMT(BPF_LDX | BPF_IMM, IP6_HEADER_BYTES),
	LOAD(BPF_B, NET(6)),

	/* A: the protocol, X: where its header begins. */
	[C_PORTS] = BRANCH(C_PORTS, BPF_JEQ, IPPROTO_TCP, C_HAS_PORTS),
	BRANCH(C_PORTS + 1, BPF_JEQ, IPPROTO_UDP, C_HAS_PORTS),
	BRANCH(C_PORTS + 2, BPF_JEQ, IPPROTO_SCTP, C_HAS_PORTS),
	BRANCH(C_PORTS + 3, BPF_JEQ, IPPROTO_DCCP, C_HAS_PORTS),
	BRANCH(C_PORTS + 4, BPF_JEQ, IPPROTO_UDPLITE, C_HAS_PORTS),
	GOTO(C_PORTS + 5, C_MIX),

	[C_HAS_PORTS] = BPF_STMT(BPF_LD | BPF_H | BPF_IND, NET(0)),
	STORE(1),
	BPF_STMT(BPF_LD | BPF_H | BPF_IND, NET(2)),
	FETCH_X(1), XOR_X,
	ALU(BPF_MUL, SPREAD_PORTS),
	FETCH_X(0), XOR_X,
	STORE(0),

	[C_MIX] = FETCH(0),
	ALU(BPF_MUL, MIX_1),
	TAX, ALU(BPF_RSH, 16), XOR_X,
	ALU(BPF_MUL, MIX_2),
	TAX, ALU(BPF_RSH, 15), XOR_X,
	BPF_STMT(BPF_RET | BPF_A, 0),
};

const size_t fanout_hash_classic_len = COUNT(fanout_hash_classic);

#undef LOAD
#undef BRANCH
#undef GOTO

/* --- eBPF -------------------------------------------------------------------------------------------------------- */

#define INSN(c, d, s, o, i) {.code = (uint8_t)(c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (int32_t)(i)}
#define LOAD(size, offset) INSN(BPF_LD | BPF_ABS | (size), 0, 0, 0, NET(offset))	 /* r0 = packet[offset] */
#define LOAD_AT(size, reg, offset) INSN(BPF_LD | BPF_IND | (size), 0, reg, 0, NET(offset)) /* r0 = packet[reg + offset] */
#define OP(op, dst, imm) INSN(BPF_ALU | BPF_K | (op), dst, 0, 0, imm)
#define OP_REG(op, dst, src) INSN(BPF_ALU | BPF_X | (op), dst, src, 0, 0)
#define BRANCH(at, condition, imm, label) INSN(BPF_JMP | BPF_K | (condition), 0, 0, (label) - (at) - 1, imm)
#define GOTO(at, label) INSN(BPF_JMP | BPF_JA, 0, 0, (label) - (at) - 1, 0)
#define XOR_IN(offset) LOAD(BPF_W, offset), OP_REG(BPF_XOR, HASH, 0)

/* Loads from the packet take the context in r6, give their result in r0, and spoil r1 to r5. */
enum ebpf_register {
	CONTEXT = 6,
	HASH = 7,
	HEADER = 8, /* where the transport header begins, from the network header on */
	PORTS = 9,
};

enum ebpf_label {
	E_IP4 = 6,
	E_IP4_END = 17,
	E_IP6 = 18,
	E_PORTS = 36,
	E_HAS_PORTS = 42,
	E_MIX = 48,
};

const struct bpf_insn fanout_hash_ebpf[] = {
	INSN(BPF_ALU64 | BPF_MOV | BPF_X, CONTEXT, 1, 0, 0),
	INSN(BPF_LDX | BPF_MEM | BPF_W, 0, CONTEXT, offsetof(struct __sk_buff, protocol), 0),
	OP(BPF_MOV, HASH, 0),
	/* The protocol is in network byte order here. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	BRANCH(3, BPF_JEQ, __builtin_bswap16(ETH_P_IP), E_IP4),
	BRANCH(4, BPF_JEQ, __builtin_bswap16(ETH_P_IPV6), E_IP6),
#else
	BRANCH(3, BPF_JEQ, ETH_P_IP, E_IP4),
	BRANCH(4, BPF_JEQ, ETH_P_IPV6, E_IP6),
#endif
	GOTO(5, E_MIX),

	[E_IP4] = LOAD(BPF_W, 12),
	OP_REG(BPF_MOV, HASH, 0),
	XOR_IN(16),
	LOAD(BPF_H, 6),
	BRANCH(11, BPF_JSET, IP4_FRAGMENT, E_MIX),
	LOAD(BPF_B, 0),
	OP(BPF_AND, 0, 0xF),
	OP(BPF_LSH, 0, 2),
	OP_REG(BPF_MOV, HEADER, 0),
	LOAD(BPF_B, 9),
	[E_IP4_END] = GOTO(E_IP4_END, E_PORTS),

	[E_IP6] = LOAD(BPF_W, 8), OP_REG(BPF_XOR, HASH, 0),
	XOR_IN(12), XOR_IN(16), XOR_IN(20), XOR_IN(24), XOR_IN(28), XOR_IN(32), XOR_IN(36),
	OP(BPF_MOV, HEADER, IP6_HEADER_BYTES),
	LOAD(BPF_B, 6),

	[E_PORTS] = BRANCH(E_PORTS, BPF_JEQ, IPPROTO_TCP, E_HAS_PORTS),
	BRANCH(E_PORTS + 1, BPF_JEQ, IPPROTO_UDP, E_HAS_PORTS),
	BRANCH(E_PORTS + 2, BPF_JEQ, IPPROTO_SCTP, E_HAS_PORTS),
	BRANCH(E_PORTS + 3, BPF_JEQ, IPPROTO_DCCP, E_HAS_PORTS),
	BRANCH(E_PORTS + 4, BPF_JEQ, IPPROTO_UDPLITE, E_HAS_PORTS),
	GOTO(E_PORTS + 5, E_MIX),

	[E_HAS_PORTS] = LOAD_AT(BPF_H, HEADER, 0),
	OP_REG(BPF_MOV, PORTS, 0),
	LOAD_AT(BPF_H, HEADER, 2),
	OP_REG(BPF_XOR, PORTS, 0),
	OP(BPF_MUL, PORTS, SPREAD_PORTS),
	OP_REG(BPF_XOR, HASH, PORTS),

	[E_MIX] = OP_REG(BPF_MOV, 0, HASH),
	OP(BPF_MUL, 0, MIX_1),
	OP_REG(BPF_MOV, 1, 0), OP(BPF_RSH, 1, 16), OP_REG(BPF_XOR, 0, 1),
	OP(BPF_MUL, 0, MIX_2),
	OP_REG(BPF_MOV, 1, 0), OP(BPF_RSH, 1, 15), OP_REG(BPF_XOR, 0, 1),
	INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
};

const size_t fanout_hash_ebpf_len = COUNT(fanout_hash_ebpf);
