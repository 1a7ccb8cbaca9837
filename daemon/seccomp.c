// SPDX-License-Identifier: BSD-3-Clause
/*
 * What processes that only record and keep files have no use for. A list of what is denied, not of what is allowed: the
 * libraries below us may make other calls tomorrow, and a recorder that fails for that loses packets.
 *
 * A denied call fails with EPERM, and does not kill: it fails as it would for want of a capability, which every library
 * can take; killing would end in a worker that is replaced over and over, at every block that leads it there.
 */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <unistd.h>

#include "daemon/privileges.h"

/* By name: calls that this libseccomp does not know are left out, and are known after its next update. */
static const char *const denied[] = {
	/* other programs */
	"execve", "execveat",
	/* the network, and other processes' sockets; also the filters of our own */
	"socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "setsockopt", "socketcall",
	/* other processes: their memory, their descriptors, their life */
	"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease", "pidfd_open",
	"pidfd_getfd", "pidfd_send_signal", "kcmp", "kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
	/* what runs in the kernel, or looks into it */
	"bpf", "perf_event_open", "userfaultfd", "init_module", "finit_module", "delete_module", "kexec_load",
	"kexec_file_load", "lookup_dcookie", "syslog",
	/* another ring than the one that there is: no filter sees what is done through it */
	"io_uring_setup", "io_uring_register",
	/* the tree of files, and ways around it */
	"mount", "umount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "open_tree_attr", "fsopen",
	"fsconfig", "fsmount", "fspick", "mount_setattr", "open_by_handle_at", "quotactl", "quotactl_fd",
	"fanotify_init",
	/* namespaces; clone() below */
	"unshare", "setns",
	/* keys */
	"add_key", "request_key", "keyctl",
	/* the machine */
	"reboot", "swapon", "swapoff", "acct", "vhangup", "iopl", "ioperm", "sethostname", "setdomainname", "settimeofday",
	"stime", "clock_settime", "clock_settime64", "clock_adjtime", "clock_adjtime64", "adjtimex",
	/* who we are */
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid", "capset",
	"personality",
};

static int deny_all(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
		int number = seccomp_syscall_resolve_name(denied[i]), r;

		if (number == __NR_SCMP_ERROR)
			continue;
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Threads are made by clone(), too, and so are user namespaces, which come with all capabilities. */
static int deny_namespaces(scmp_filter_ctx filter)
{
	static const unsigned kinds[] = {CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWNET,   CLONE_NEWPID,
					 CLONE_NEWIPC,	CLONE_NEWUTS, CLONE_NEWCGROUP};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, kinds[i], kinds[i]));
	/* Its flags are in memory, where no filter looks. libc then does with clone(). */
	return r == 0 ? seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) : r;
}

/* abort() signals its own process by this one. */
static int deny_signals(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), 1,
				SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)getpid()));
}

static int set_attributes(scmp_filter_ctx filter)
{
	int r;

	/* Calls of another architecture (32 bits) have other numbers: all are denied. */
	r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
	/*
	 * Before 5.16 a filter switched a mitigation of speculation on, which makes everything slower. It is for those who
	 * run other people's code.
	 */
	if (r == 0 && seccomp_api_get() >= 4)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	return r == 0 ? seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) : r;
}

int privileges_seccomp(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (filter == NULL)
		return -ENOMEM;
	r = set_attributes(filter);
	if (r == 0)
		r = deny_all(filter);
	if (r == 0)
		r = deny_namespaces(filter);
	if (r == 0)
		r = deny_signals(filter);
	if (r == 0)
		r = seccomp_load(filter); /* sets no_new_privs as well */
	seccomp_release(filter);
	return r;
}
