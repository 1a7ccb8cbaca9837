// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ctl/check/gather.h"

#define ONE_END "fancap0"
#define OTHER_END "fancap1"
#define FLOWS 200
#define CARRIER_TRIES 200
#define CARRIER_WAIT_NS 10000000l

/** What the process in the other namespace says. */
struct outcome {
	bool made;
	char why_not[160];
	struct fancap_selfcheck result;
};

/* --- a veth pair ------------------------------------------------------------------------------------------ */

static struct nlmsghdr *request_new(void *buffer, uint16_t flags)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);

	header->nlmsg_type = RTM_NEWLINK;
	header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	header->nlmsg_seq = 1;
	return header;
}

static struct ifinfomsg *info_put(struct nlmsghdr *header)
{
	return mnl_nlmsg_put_extra_header(header, sizeof(struct ifinfomsg));
}

/* @return 0 or -errno */
static int request_send(const struct nlmsghdr *header)
{
	char buffer[8192];
	struct mnl_socket *socket = mnl_socket_open(NETLINK_ROUTE);
	ssize_t n = -1;
	int r = 0;

	if (socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    mnl_socket_sendto(socket, header, header->nlmsg_len) >= 0)
		n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
	if (n < 0 || mnl_cb_run(buffer, (size_t)n, 1, mnl_socket_get_portid(socket), NULL, NULL) < 0)
		r = -errno;
	if (socket)
		mnl_socket_close(socket);
	return r;
}

/* Both ends. Not up: neither comes up before the other is there. */
static int veth_add(void)
{
	char buffer[8192];
	struct nlmsghdr *header = request_new(buffer, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *info, *data, *peer;

	info_put(header);
	mnl_attr_put_strz(header, IFLA_IFNAME, ONE_END);
	info = mnl_attr_nest_start(header, IFLA_LINKINFO);
	mnl_attr_put_strz(header, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(header, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(header, VETH_INFO_PEER);
	info_put(header);
	mnl_attr_put_strz(header, IFLA_IFNAME, OTHER_END);
	mnl_attr_nest_end(header, peer);
	mnl_attr_nest_end(header, data);
	mnl_attr_nest_end(header, info);
	return request_send(header);
}

static int link_up(const char *name)
{
	char buffer[1024];
	struct nlmsghdr *header = request_new(buffer, 0);
	struct ifinfomsg *info = info_put(header);

	info->ifi_index = (int)if_nametoindex(name);
	info->ifi_flags = info->ifi_change = IFF_UP;
	return request_send(header);
}

/* The carrier comes a little later than the link; frames are dropped until then. */
static bool carrier_await(const char *name)
{
	const struct timespec moment = {.tv_nsec = CARRIER_WAIT_NS};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_flags = 0};
	bool there = false;

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	for (int i = 0; i < CARRIER_TRIES && !there; i++) {
		there = ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_RUNNING);
		if (!there)
			nanosleep(&moment, NULL);
	}
	close(fd);
	return there;
}

/* --- in the other namespace ------------------------------------------------------------------------------- */

static void why_not(struct outcome *outcome, const char *what, int error)
{
	(void)snprintf(outcome->why_not, sizeof(outcome->why_not), "%s: %s", what, strerror(error));
}

/* Who is not root may still be in a user namespace. @return false: why is said */
static bool namespace_enter(struct outcome *outcome)
{
	if (unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0)
		return true;
	why_not(outcome, "no network namespace of its own", errno);
	return false;
}

static void selfcheck_make(struct outcome *outcome)
{
	const struct fancap_selfcheck_params params = {
		.interface = ONE_END,
		.peer = OTHER_END,
		.members = FACTS_SELFCHECK_MEMBERS,
		.mode = FANCAP_FANOUT_HASH,
		.flows = FLOWS,
	};
	struct fancap_error err = {""};
	int r;

	if (!namespace_enter(outcome))
		return;
	r = veth_add();
	if (r == 0)
		r = link_up(ONE_END);
	if (r == 0)
		r = link_up(OTHER_END);
	if (r < 0) {
		why_not(outcome, "no veth pair", -r);
		return;
	}
	if (!carrier_await(ONE_END) || !carrier_await(OTHER_END)) {
		why_not(outcome, "the veth pair does not come up", ETIMEDOUT);
		return;
	}
	r = fancap_selfcheck(&params, &outcome->result, &err);
	if (r < 0)
		(void)snprintf(outcome->why_not, sizeof(outcome->why_not), "%s", err.text);
	outcome->made = r == 0;
}

void gather_selfcheck(struct facts *facts)
{
	struct outcome outcome = {.why_not = "its process ended early"};
	int pipe_fds[2];
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		selfcheck_make(&outcome);
		_exit(write(pipe_fds[1], &outcome, sizeof(outcome)) == (ssize_t)sizeof(outcome) ? 0 : 1);
	}
	close(pipe_fds[1]);
	if (pid < 0 || read(pipe_fds[0], &outcome, sizeof(outcome)) != (ssize_t)sizeof(outcome))
		outcome = (struct outcome){.why_not = "its process ended early"};
	close(pipe_fds[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	facts->selfcheck.made = outcome.made;
	facts->selfcheck.result = outcome.result;
	memcpy(facts->selfcheck.why_not, outcome.why_not, sizeof(facts->selfcheck.why_not));
}
