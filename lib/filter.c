// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fancap/filter.h"
#include "fancap/link.h"

/* The kernel's struct and libpcap's are the same bytes under two names. */
_Static_assert(sizeof(struct sock_filter) == sizeof(struct bpf_insn), "BPF instruction layout");

/* The LINKTYPE_LINUX_SLL2 header, which libpcap's program counts with and the kernel's packets do not have. */
#define SLL2_BYTES 20u

/* @return 0 or libpcap's PCAP_ERROR_*, with its text in err */
static int live_open(const char *interface, uint32_t snaplen, pcap_t **ret, struct fancap_error *err)
{
	char text[PCAP_ERRBUF_SIZE] = "";
	pcap_t *pcap = pcap_create(interface, text);
	int r;

	if (pcap == NULL) {
		fancap_error_set(err, "%s: libpcap: %s", interface, text);
		return PCAP_ERROR;
	}
	pcap_set_snaplen(pcap, (int)snaplen);
	pcap_set_buffer_size(pcap, 1 << 20);
	r = pcap_activate(pcap);
	if (r < 0) {
		fancap_error_set(err, "%s: libpcap: %s", interface, pcap_geterr(pcap));
		pcap_close(pcap);
		return r;
	}
	*ret = pcap;
	return 0;
}

static pcap_t *dead_open(int linktype, uint32_t snaplen, struct fancap_error *err)
{
	/* The one link type of ours whose number in files is not libpcap's own. */
	int dlt = linktype == FANCAP_LINKTYPE_RAW ? DLT_RAW : linktype;
	pcap_t *pcap = pcap_open_dead(dlt, (int)snaplen);

	if (pcap == NULL)
		fancap_error_set(err, "out of memory");
	return pcap;
}

/*
 * A handle to compile with. Only a live one makes libpcap look for the VLAN tag where the kernel puts it (beside the
 * packet); it captures nothing, and its ring is the least libpcap makes.
 *
 * libpcap activates no handle on a link that is down, which we do capture from. Loopback stands in for Ethernet: the
 * program depends on the link type and the kernel, not on the device. Other link types have no tags to look for; and
 * of those that we capture cooked, a live handle would have libpcap's own idea.
 */
static pcap_t *compiler_open(const char *interface, int linktype, uint32_t snaplen,
			     struct fancap_error *err)
{
	pcap_t *pcap = NULL;
	int r;

	if (interface == NULL || linktype == FANCAP_LINKTYPE_LINUX_SLL2)
		return dead_open(linktype, snaplen, err);
	r = live_open(interface, snaplen, &pcap, err);
	if (r == PCAP_ERROR_IFACE_NOT_UP && linktype != FANCAP_LINKTYPE_ETHERNET)
		return dead_open(linktype, snaplen, err);
	if (r == PCAP_ERROR_IFACE_NOT_UP)
		live_open("lo", snaplen, &pcap, err);
	return pcap;
}

static int copy_program(const struct sock_filter *insns, unsigned len, struct fancap_filter *ret)
{
	struct sock_filter *copy = calloc(len, sizeof(*copy));

	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, insns, len * sizeof(*copy));
	ret->prog = (struct sock_fprog){.len = (unsigned short)len, .filter = copy};
	return 0;
}

/* Where a program finds in the kernel what it expects in an SLL2 header. @return 0, or -EINVAL nowhere */
static int cook_header_load(struct sock_filter *insn)
{
	static const struct {
		uint32_t offset, size, ancillary;
	} fields[] = {
		{0, BPF_H, SKF_AD_PROTOCOL},
		{4, BPF_W, SKF_AD_IFINDEX},
		{8, BPF_H, SKF_AD_HATYPE},
		{10, BPF_B, SKF_AD_PKTTYPE},
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (insn->k == fields[i].offset && BPF_SIZE(insn->code) == fields[i].size) {
			insn->k = (uint32_t)SKF_AD_OFF + fields[i].ancillary;
			return 0;
		}
	}
	return -EINVAL;
}

static int cook_load(struct sock_filter *insn)
{
	unsigned mode = BPF_MODE(insn->code);

	if (mode != BPF_ABS && mode != BPF_IND && mode != BPF_MSH)
		return 0;
	if ((int32_t)insn->k < 0) /* beside the packet already */
		return 0;
	if (insn->k < SLL2_BYTES)
		return mode == BPF_ABS ? cook_header_load(insn) : -EINVAL;
	insn->k -= SLL2_BYTES;
	return 0;
}

/*
 * Make a program for SLL2 one for a SOCK_DGRAM socket, whose packets begin with the network header, as libpcap does
 * itself when it captures cooked. What an expression says of lengths is then of the packet without that header.
 */
static int cook_program(const struct fancap_filter *filter, struct fancap_error *err)
{
	for (unsigned i = 0; i < filter->prog.len; i++) {
		struct sock_filter *insn = &filter->prog.filter[i];
		unsigned class = BPF_CLASS(insn->code);

		if ((class == BPF_LD || class == BPF_LDX) && cook_load(insn) < 0) {
			fancap_error_set(err, "the filter looks for what the link layer of this interface does "
					 "not tell");
			return -EINVAL;
		}
	}
	return 0;
}

static int compile_expression(const char *expression, int linktype, uint32_t snaplen,
			      const char *interface, struct fancap_filter *ret,
			      struct fancap_error *err)
{
	pcap_t *pcap = compiler_open(interface, linktype, snaplen, err);
	struct bpf_program program = {0};
	struct fancap_filter filter = {0};
	int r;

	if (pcap == NULL)
		return interface == NULL ? -ENOMEM : -EIO;
	if (pcap_compile(pcap, &program, expression, 1, PCAP_NETMASK_UNKNOWN) < 0) {
		fancap_error_set(err, "%s", pcap_geterr(pcap));
		r = -EINVAL;
	} else if (program.bf_len > BPF_MAXINSNS) {
		fancap_error_set(err, "the filter takes %u instructions, the kernel %d at most",
				 program.bf_len, BPF_MAXINSNS);
		r = -EINVAL;
	} else {
		r = copy_program((const struct sock_filter *)program.bf_insns, program.bf_len, &filter);
	}
	if (r == 0 && linktype == FANCAP_LINKTYPE_LINUX_SLL2)
		r = cook_program(&filter, err);
	if (r == 0)
		*ret = filter;
	else
		fancap_filter_done(&filter);
	pcap_freecode(&program);
	pcap_close(pcap);
	return r;
}

int fancap_filter_compile(const char *expression, int linktype, uint32_t snaplen,
			  const char *interface, struct fancap_filter *ret,
			  struct fancap_error *err)
{
	const struct sock_filter keep = BPF_STMT(BPF_RET | BPF_K, snaplen);

	if (snaplen == 0 || snaplen > FANCAP_SNAPLEN_MAX) {
		fancap_error_set(err, "snaplen %u: 1 to %u bytes are allowed", snaplen,
				 FANCAP_SNAPLEN_MAX);
		return -EINVAL;
	}
	if (expression != NULL && expression[0] != '\0')
		return compile_expression(expression, linktype, snaplen, interface, ret, err);
	if (snaplen < FANCAP_SNAPLEN_MAX)
		return copy_program(&keep, 1, ret);
	*ret = (struct fancap_filter){0};
	return 0;
}

void fancap_filter_done(struct fancap_filter *filter)
{
	free(filter->prog.filter);
	*filter = (struct fancap_filter){0};
}

int fancap_filter_incoming(const struct fancap_filter *filter, struct fancap_filter *ret)
{
	const struct sock_filter prologue[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_LD | BPF_IMM, 0), /* as programs begin */
	};
	const struct sock_filter keep = BPF_STMT(BPF_RET | BPF_K, FANCAP_SNAPLEN_MAX);
	const struct sock_filter *insns = filter->prog.len != 0 ? filter->prog.filter : &keep;
	const unsigned before = sizeof(prologue) / sizeof(prologue[0]);
	const unsigned n = filter->prog.len != 0 ? filter->prog.len : 1;
	struct sock_filter *copy;

	if (before + n > BPF_MAXINSNS)
		return -EINVAL;
	copy = calloc(before + n, sizeof(*copy));
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, prologue, sizeof(prologue));
	memcpy(copy + before, insns, n * sizeof(*copy)); /* jumps are relative */
	ret->prog = (struct sock_fprog){.len = (unsigned short)(before + n), .filter = copy};
	return 0;
}

bool fancap_filter_matches(const struct fancap_filter *filter, const uint8_t *data, uint32_t caplen, uint32_t len)
{
	return filter->prog.len == 0 ||
	       bpf_filter((const struct bpf_insn *)filter->prog.filter, data, len, caplen) != 0;
}

int fancap_filter_attach(int fd, const struct fancap_filter *filter)
{
	int unused = 0;

	if (filter->prog.len == 0) {
		/* ENOENT: there was none, which is what was asked for. */
		if (setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) < 0 &&
		    errno != ENOENT)
			return -errno;
		return 0;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter->prog, sizeof(filter->prog)) < 0)
		return -errno;
	return 0;
}

int fancap_filter_attach_drop_all(int fd)
{
	struct sock_filter reject = BPF_STMT(BPF_RET | BPF_K, 0);
	struct fancap_filter filter = {.prog = {.len = 1, .filter = &reject}};

	return fancap_filter_attach(fd, &filter);
}

int fancap_filter_lock(int fd)
{
	int on = 1;

	return setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) < 0 ? -errno : 0;
}
