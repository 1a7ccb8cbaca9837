// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fancap/link.h"
#include "tests/unit/netns.h"

static struct fancap_link query(const char *name)
{
	struct fancap_link link;
	struct fancap_error err;

	if (fancap_link_query(name, &link, &err) < 0)
		fail_msg("%s: %s", name, err.text);
	return link;
}

static void check_failure(const char *name, int error, const char *text)
{
	struct fancap_link link = {.ifindex = -7};
	struct fancap_error err = {""};
	unsigned fds = fd_count();

	assert_int_equal(fancap_link_query(name, &link, &err), error);
	assert_string_equal(err.text, text);
	assert_int_equal(link.ifindex, -7); /* untouched */
	assert_int_equal(fancap_link_query(name, &link, NULL), error);
	assert_int_equal(fd_count(), fds);
}

static void knows_loopback(void **state)
{
	struct fancap_link link = query("lo");

	(void)state;
	assert_int_equal(link.ifindex, 1);
	assert_true(link.up);
	assert_true(link.carrier);
	assert_int_equal(link.mtu, 65536);
	assert_int_equal(link.linktype, FANCAP_LINKTYPE_ETHERNET);
	assert_int_equal(link.reserve_bytes, 2);
}

static void knows_ethernet_up_and_down(void **state)
{
	struct fancap_link link;
	unsigned fds = fd_count();

	(void)state;
	run("ip link add lk0 mtu 1400 type veth peer name lk1");
	link = query("lk0");
	assert_int_equal(link.ifindex, ifindex_of("lk0"));
	assert_false(link.up);
	assert_int_equal(link.mtu, 1400);
	assert_int_equal(link.linktype, FANCAP_LINKTYPE_ETHERNET);
	assert_int_equal(link.type, FANCAP_RAW);
	assert_int_equal(link.reserve_bytes, 2);
	assert_int_equal(link.speed_mbit, 10000); /* what the driver says of itself */
	assert_int_equal(query("lo").speed_mbit, 0);
	run("ip link set lk0 up");
	assert_true(query("lk0").up);
	assert_false(query("lk0").carrier);
	run("ip link set lk1 up");
	assert_true(query("lk0").carrier);
	run("ip link set lk0 down");
	assert_false(query("lk0").carrier);
	link_delete("lk0");
	assert_int_equal(fd_count(), fds);
}

/* @return the tun device's descriptor, -1 where there are none */
static int tun_open(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		print_message("no /dev/net/tun: not tested\n");
		return -1;
	}
	strncpy(ifr.ifr_name, name, sizeof(ifr.ifr_name) - 1);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

static void knows_a_tunnel_without_link_layer(void **state)
{
	int fd = tun_open("lktun");
	struct fancap_link link;

	(void)state;
	if (fd < 0)
		return;
	link = query("lktun");
	assert_false(link.carrier);
	run("ip link set lktun up");
	assert_true(query("lktun").carrier);
	assert_int_equal(link.linktype, FANCAP_LINKTYPE_RAW);
	assert_int_equal(link.type, FANCAP_RAW);
	assert_int_equal(link.reserve_bytes, 0);
	close(fd);
}

static void captures_other_kinds_of_link_cooked(void **state)
{
	static const unsigned long kinds[] = {ARPHRD_PPP, ARPHRD_SIT, ARPHRD_IPGRE, ARPHRD_INFINIBAND, ARPHRD_VOID};
	int fd = tun_open("lktun");

	(void)state;
	if (fd < 0)
		return;
	for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
		struct fancap_link link;

		assert_int_equal(ioctl(fd, TUNSETLINK, kinds[i]), 0);
		link = query("lktun");
		assert_int_equal(link.linktype, FANCAP_LINKTYPE_LINUX_SLL2);
		assert_int_equal(link.type, FANCAP_DGRAM);
		assert_int_equal(link.reserve_bytes, 0);
	}
	close(fd);
}

static void tells_of_an_interface_that_is_not_there(void **state)
{
	(void)state;
	check_failure("nonesuch", -ENODEV, "no such interface");
	check_failure("", -ENODEV, "no such interface");
	check_failure("fifteen-letters", -ENODEV, "no such interface"); /* the longest name */
}

static void refuses_a_name_too_long(void **state)
{
	(void)state;
	check_failure("sixteen-letters!", -EINVAL,
		      "interface name \"sixteen-letters!\" is longer than 15 characters");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_loopback),
		cmocka_unit_test(knows_ethernet_up_and_down),
		cmocka_unit_test(knows_a_tunnel_without_link_layer),
		cmocka_unit_test(captures_other_kinds_of_link_cooked),
		cmocka_unit_test(tells_of_an_interface_that_is_not_there),
		cmocka_unit_test(refuses_a_name_too_long),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
