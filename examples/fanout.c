// SPDX-License-Identifier: BSD-3-Clause
/*
 * fanout MODE MEMBERS SECONDS IFACE: share an interface's packets among processes, and count what each gets.
 *
 * What it shows: a group is set up with its gate closed, each member's process maps its own ring, the gate opens, and
 * nothing is counted twice.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <fancap/block.h>
#include <fancap/filter.h>
#include <fancap/group.h>
#include <fancap/link.h>
#include <fancap/ring.h>
#include <fancap/stats.h>

#define BLOCK_BYTES (256u << 10)
#define BLOCKS 16u
#define BLOCK_TIMEOUT_MS 20u

static int fail(const char *what, const struct fancap_error *err)
{
	fprintf(stderr, "fanout: %s: %s\n", what, err->text);
	return EXIT_FAILURE;
}

static unsigned long count_block(const void *block)
{
	struct fancap_packet packet;
	struct fancap_walk walk;
	unsigned long n = 0;

	if (fancap_walk_start(&walk, block, BLOCK_BYTES) < 0)
		return 0;
	while (fancap_walk_next(&walk, &packet) == 1)
		n++;
	return n;
}

/* A member: take blocks, look at every packet, hand the blocks back, until the time is over and the ring is empty. */
static int run_member(int fd, const struct fancap_geometry *geometry, unsigned number, time_t end)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	struct fancap_ring ring;
	unsigned long packets = 0;
	const void *block;

	if (fancap_ring_map(&ring, fd, geometry) < 0)
		return EXIT_FAILURE;
	while (time(NULL) < end) {
		poll(&readable, 1, 2 * (int)BLOCK_TIMEOUT_MS);
		while ((block = fancap_ring_acquire(&ring)) != NULL) {
			packets += count_block(block);
			fancap_ring_release(&ring, ring.next - 1);
		}
	}
	printf("member %u: %lu packets\n", number, packets);
	fancap_ring_unmap(&ring);
	return EXIT_SUCCESS;
}

static int start_members(const struct fancap_group *group, const struct fancap_geometry *geometry, time_t end)
{
	for (unsigned i = 0; i < group->members; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return -errno;
		if (pid == 0)
			exit(run_member(group->fds[i], geometry, i, end));
	}
	return 0;
}

static int wait_for_members(const struct fancap_group *group)
{
	struct fancap_stats stats = {0};
	int status, result = EXIT_SUCCESS;

	while (wait(&status) > 0) {
		if (status != 0)
			result = EXIT_FAILURE;
	}
	for (unsigned i = 0; i < group->members; i++)
		fancap_stats_read(group->fds[i], &stats);
	printf("the kernel: %llu packets, %llu of them dropped\n", (unsigned long long)stats.packets,
	       (unsigned long long)stats.drops);
	return result;
}

static int share(const char *interface, enum fancap_fanout_mode mode, unsigned members, unsigned seconds)
{
	const struct fancap_filter everything = {0};
	struct fancap_ring_params ring = {
		.size_bytes = (uint64_t)BLOCK_BYTES * BLOCKS,
		.block_bytes = BLOCK_BYTES,
		.block_timeout_ms = BLOCK_TIMEOUT_MS,
		.snaplen = FANCAP_SNAPLEN_MAX,
	};
	struct fancap_group_params params = {.interface = interface, .members = members, .mode = mode};
	struct fancap_geometry geometry;
	struct fancap_group group;
	struct fancap_error err;
	struct fancap_link link;
	int result = EXIT_FAILURE;

	if (fancap_link_query(interface, &link, &err) < 0)
		return fail(interface, &err);
	ring.reserve_bytes = link.reserve_bytes;
	if (fancap_geometry_plan(&ring, &geometry, &err) < 0)
		return fail("ring", &err);
	params.ifindex = link.ifindex;
	params.geometry = &geometry;
	if (fancap_group_open(&params, &group, &err) < 0)
		return fail("group", &err);
	if (start_members(&group, &geometry, time(NULL) + (time_t)seconds) < 0)
		perror("fork");
	else if (fancap_group_gate_open(&group, &everything, &err) < 0)
		fail(interface, &err);
	else {
		printf("group %u of %u members is open\n", group.id, group.members);
		result = wait_for_members(&group);
	}
	fancap_group_close(&group);
	return result;
}

int main(int argc, char **argv)
{
	enum fancap_fanout_mode mode;

	if (argc != 5 || fancap_fanout_mode_parse(argv[1], &mode) < 0) {
		fprintf(stderr, "usage: fanout hash|lb|cpu|rollover|rnd|qm MEMBERS SECONDS IFACE\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	return share(argv[4], mode, (unsigned)strtoul(argv[2], NULL, 10), (unsigned)strtoul(argv[3], NULL, 10));
}
