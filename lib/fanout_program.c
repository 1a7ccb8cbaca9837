// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fancap/fanout_program.h"
#include "fancap/filter.h"
#include "fancap/link.h"
#include "lib/fanout_hash.h"

static int out_of_memory(struct fancap_error *err)
{
	fancap_error_set(err, "out of memory");
	return -ENOMEM;
}

static int classic_new(size_t len, struct fancap_fanout_program *ret, struct fancap_error *err)
{
	struct sock_filter *insns = calloc(len, sizeof(*insns));

	if (insns == NULL)
		return out_of_memory(err);
	*ret = (struct fancap_fanout_program){
		.mode = FANCAP_FANOUT_CBPF,
		.classic = {.len = (unsigned short)len, .filter = insns},
		.fd = -1,
	};
	return 0;
}

/* Without libbpf: two commands of one system call are all that is needed. @return an fd (CLOEXEC) or -errno */
static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	long fd = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return fd < 0 ? -errno : (int)fd;
}

/* --- the default ------------------------------------------------------------------------------------------------- */

static int default_classic(struct fancap_fanout_program *ret, struct fancap_error *err)
{
	int r = classic_new(fanout_hash_classic_len, ret, err);

	if (r == 0)
		memcpy(ret->classic.filter, fanout_hash_classic,
		       fanout_hash_classic_len * sizeof(fanout_hash_classic[0]));
	return r;
}

static int default_ebpf(struct fancap_fanout_program *ret, struct fancap_error *err)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insn_cnt = (uint32_t)fanout_hash_ebpf_len,
		.insns = (uintptr_t)fanout_hash_ebpf,
		.license = (uintptr_t)"BSD",
		.prog_name = "fancap_flow",
	};
	int fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0) {
		fancap_error_set(err, "BPF_PROG_LOAD: %s%s", strerror(-fd),
				 fd == -EPERM ? " (loading an eBPF program needs CAP_BPF)" : "");
		return fd;
	}
	*ret = (struct fancap_fanout_program){.mode = FANCAP_FANOUT_EBPF, .fd = fd};
	return 0;
}

int fancap_fanout_program_default(enum fancap_fanout_mode mode, struct fancap_fanout_program *ret,
				  struct fancap_error *err)
{
	const char *name;

	if (mode == FANCAP_FANOUT_CBPF)
		return default_classic(ret, err);
	if (mode == FANCAP_FANOUT_EBPF)
		return default_ebpf(ret, err);
	name = fancap_fanout_mode_name(mode);
	fancap_error_set(err, "fanout mode %s takes no program: cbpf and ebpf do", name != NULL ? name : "?");
	return -EINVAL;
}

/* --- from a file ------------------------------------------------------------------------------------------------- */

/* @return 1 a number, 0 the end of the file, -ERANGE, -EINVAL something else */
static int number_next(FILE *file, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;
	bool any = false;
	int c;

	do
		c = getc(file);
	while (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',');
	for (; c >= '0' && c <= '9'; c = getc(file)) {
		any = true;
		value = value * 10 + (uint64_t)(c - '0');
		if (value > max)
			return -ERANGE;
	}
	if (c == EOF && !any)
		return 0;
	if (!any || (c != EOF && strchr(" \t\r\n,", c) == NULL))
		return -EINVAL;
	*ret = value;
	return 1;
}

static int insn_read(FILE *file, struct sock_filter *ret)
{
	static const uint64_t max[] = {UINT16_MAX, UINT8_MAX, UINT8_MAX, UINT32_MAX};
	uint64_t fields[4];

	for (size_t i = 0; i < 4; i++) {
		if (number_next(file, max[i], &fields[i]) != 1)
			return -EINVAL;
	}
	*ret = (struct sock_filter){(uint16_t)fields[0], (uint8_t)fields[1], (uint8_t)fields[2],
				    (uint32_t)fields[3]};
	return 0;
}

static int classic_read(FILE *file, const char *path, struct fancap_fanout_program *program,
			struct fancap_error *err)
{
	uint64_t len = 0, more;
	int r;

	if (number_next(file, BPF_MAXINSNS, &len) != 1 || len == 0) {
		fancap_error_set(err, "%s: does not begin with a number of instructions from 1 to %d, as "
				 "`tcpdump -ddd` writes it", path, BPF_MAXINSNS);
		return -EINVAL;
	}
	r = classic_new((size_t)len, program, err);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < len; i++) {
		if (insn_read(file, &program->classic.filter[i]) < 0) {
			fancap_error_set(err, "%s: instruction %u of %u: must be four decimal numbers, code, "
					 "jt, jf and k", path, i + 1, (unsigned)len);
			return -EINVAL;
		}
	}
	if (number_next(file, UINT64_MAX / 16, &more) != 0) {
		fancap_error_set(err, "%s: goes on after the %u instructions it announces", path, (unsigned)len);
		return -EINVAL;
	}
	return 0;
}

int fancap_fanout_program_read(const char *path, struct fancap_fanout_program *ret, struct fancap_error *err)
{
	struct fancap_fanout_program program = {0};
	FILE *file = fopen(path, "re");
	int r;

	if (file == NULL) {
		r = -errno;
		fancap_error_set(err, "%s: %s", path, strerror(-r));
		return r;
	}
	r = classic_read(file, path, &program, err);
	if (r < 0 && ferror(file)) {
		r = -EIO;
		fancap_error_set(err, "%s: cannot be read", path);
	}
	fclose(file);
	if (r < 0)
		fancap_fanout_program_done(&program);
	else
		*ret = program;
	return r;
}

/* --- from an expression: [is it IP] [the expression] [the hash over the other members] --------------------------- */

static bool is_match(const struct sock_filter *insn)
{
	return insn->k != 0;
}

/*
 * One instruction of a program for packets that begin with the network header, as one of ours: loads count from there
 * whatever the packet's data begins with, and what does not match goes on to the hash.
 */
static int insn_translate(struct sock_filter *insn, uint32_t to_hash, struct fancap_error *err)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
	case BPF_LDX:
		if (BPF_MODE(insn->code) == BPF_LEN) {
			fancap_error_set(err, "a fanout program cannot ask for the length: it would count "
					 "differently for sent and received packets");
			return -EINVAL;
		}
		if (BPF_MODE(insn->code) == BPF_ABS || BPF_MODE(insn->code) == BPF_IND ||
		    BPF_MODE(insn->code) == BPF_MSH)
			insn->k += (uint32_t)SKF_NET_OFF;
		return 0;
	case BPF_RET:
		if (is_match(insn))
			insn->k = 0; /* member 0 */
		else
			*insn = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, to_hash);
		return 0;
	default:
		return 0;
	}
}

#define PROLOGUE_LEN 4u

static void prologue_put(struct sock_filter *at, uint32_t to_hash)
{
	const struct sock_filter prologue[PROLOGUE_LEN] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 1, 0),
		BPF_STMT(BPF_JMP | BPF_JA, to_hash - PROLOGUE_LEN),
	};

	memcpy(at, prologue, sizeof(prologue));
}

/* The hash, then members 1 and up by its remainder. */
#define EPILOGUE_LEN (fanout_hash_classic_len + 2)

static void epilogue_put(struct sock_filter *at, unsigned members)
{
	const struct sock_filter choice[] = {
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, members - 1),
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};

	memcpy(at, fanout_hash_classic, (fanout_hash_classic_len - 1) * sizeof(*at));
	memcpy(at + fanout_hash_classic_len - 1, choice, sizeof(choice));
}

static int compose(const struct sock_fprog *match, unsigned members, struct fancap_fanout_program *program,
		   struct fancap_error *err)
{
	uint32_t hash = PROLOGUE_LEN + match->len;
	struct sock_filter *insns;
	int r;

	if (hash + EPILOGUE_LEN > BPF_MAXINSNS) {
		fancap_error_set(err, "the program takes %zu instructions, the kernel %d at most",
				 hash + EPILOGUE_LEN, BPF_MAXINSNS);
		return -EINVAL;
	}
	r = classic_new(hash + EPILOGUE_LEN, program, err);
	if (r < 0)
		return r;
	insns = program->classic.filter;
	prologue_put(insns, hash);
	for (uint32_t i = PROLOGUE_LEN; i < hash && r == 0; i++) {
		insns[i] = match->filter[i - PROLOGUE_LEN];
		r = insn_translate(&insns[i], hash - i - 1, err);
	}
	epilogue_put(insns + hash, members);
	return r;
}

int fancap_fanout_program_compile(const char *expression, unsigned members, struct fancap_fanout_program *ret,
				  struct fancap_error *err)
{
	struct fancap_fanout_program program = {0};
	struct fancap_filter match;
	int r;

	if (expression == NULL || expression[0] == '\0') {
		fancap_error_set(err, "the expression is empty");
		return -EINVAL;
	}
	r = fancap_filter_compile(expression, FANCAP_LINKTYPE_RAW, FANCAP_SNAPLEN_MAX, NULL, &match, err);
	if (r < 0)
		return r;
	/* With a single member, or none, any remainder will do. */
	r = compose(&match.prog, members > 1 ? members : 2, &program, err);
	fancap_filter_done(&match);
	if (r < 0)
		fancap_fanout_program_done(&program);
	else
		*ret = program;
	return r;
}

/* --- eBPF of others ---------------------------------------------------------------------------------------------- */

int fancap_fanout_program_pinned(const char *path, struct fancap_fanout_program *ret, struct fancap_error *err)
{
	union bpf_attr attr = {.pathname = (uintptr_t)path, .file_flags = BPF_F_RDONLY};
	int fd = bpf(BPF_OBJ_GET, &attr);

	if (fd < 0) {
		fancap_error_set(err, "%s: BPF_OBJ_GET: %s", path, strerror(-fd));
		return fd;
	}
	*ret = (struct fancap_fanout_program){.mode = FANCAP_FANOUT_EBPF, .fd = fd};
	return 0;
}

int fancap_fanout_program_from_fd(int fd, struct fancap_fanout_program *ret, struct fancap_error *err)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0) {
		copy = -errno;
		fancap_error_set(err, "program fd %d: %s", fd, strerror(-copy));
		return copy;
	}
	*ret = (struct fancap_fanout_program){.mode = FANCAP_FANOUT_EBPF, .fd = copy};
	return 0;
}

void fancap_fanout_program_done(struct fancap_fanout_program *program)
{
	free(program->classic.filter);
	if (program->mode == FANCAP_FANOUT_EBPF && program->fd >= 0)
		close(program->fd);
	*program = (struct fancap_fanout_program){0};
}
