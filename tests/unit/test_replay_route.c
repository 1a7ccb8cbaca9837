// SPDX-License-Identifier: BSD-3-Clause
/* Where default routes lead, as the kernel tells it. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>

#include "replay/route.h"
#include "tests/unit/netns.h"

static int make_links(void **state)
{
	(void)state;
	veth_add("rt0", "rt1");
	veth_add("rt2", "rt3");
	run("ip addr add 192.0.2.1/24 dev rt0");
	run("ip addr add 198.51.100.1/24 dev rt2");
	return 0;
}

static void expect(int rt0, int rt2)
{
	assert_int_equal(route_is_default(ifindex_of("rt0")), rt0);
	assert_int_equal(route_is_default(ifindex_of("rt2")), rt2);
	assert_int_equal(route_is_default(ifindex_of("rt1")), 0);
}

static void finds_a_default_route(void **state)
{
	(void)state;
	expect(0, 0);
	run("ip route add default via 192.0.2.2");
	expect(1, 0);
	run("ip route del default");
	expect(0, 0);
}

static void takes_no_other_route_for_one(void **state)
{
	(void)state;
	run("ip route add 0.0.0.0/1 via 192.0.2.2");
	run("ip route add unreachable default");
	expect(0, 0);
	run("ip route del unreachable default");
	run("ip route del 0.0.0.0/1");
}

static void finds_every_next_hop(void **state)
{
	(void)state;
	if (system("ip route add default nexthop via 192.0.2.2 nexthop via 198.51.100.2") != 0)
		skip(); /* a kernel without CONFIG_IP_ROUTE_MULTIPATH */
	expect(1, 1);
	run("ip route del default");
}

static void looks_into_every_table(void **state)
{
	(void)state;
	if (system("ip route add default via 198.51.100.2 table 100") != 0)
		skip(); /* a kernel without CONFIG_IP_MULTIPLE_TABLES */
	expect(0, 1);
	run("ip route flush table 100");
}

static void finds_default_routes_of_ipv6(void **state)
{
	(void)state;
	if (system("test -e /proc/net/if_inet6 && sysctl -qw net.ipv6.conf.rt0.disable_ipv6=0") != 0)
		skip(); /* a kernel without IPv6 */
	run("ip -6 addr add 2001:db8::1/64 dev rt0 nodad");
	run("ip -6 route add default via 2001:db8::2 dev rt0");
	expect(1, 0);
	run("ip -6 route del default");
	expect(0, 0);
}

/* What a port sends is on the same network. */
static void a_port_leads_where_its_bridge_does(void **state)
{
	(void)state;
	if (system("ip link add rtb type bridge") != 0)
		skip(); /* a kernel without bridges */
	run("ip link set rtb up");
	run("ip link set rt2 master rtb");
	run("ip addr add 203.0.113.1/24 dev rtb");
	run("ip route add default via 203.0.113.2");
	expect(0, 1);
	run("ip link set rt2 nomaster");
	expect(0, 0);
	link_delete("rtb");
}

static void says_when_there_is_no_such_interface(void **state)
{
	(void)state;
	assert_int_equal(route_is_default(999999), -ENODEV);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_a_default_route),
		cmocka_unit_test(takes_no_other_route_for_one),
		cmocka_unit_test(finds_every_next_hop),
		cmocka_unit_test(looks_into_every_table),
		cmocka_unit_test(finds_default_routes_of_ipv6),
		cmocka_unit_test(a_port_leads_where_its_bridge_does),
		cmocka_unit_test(says_when_there_is_no_such_interface),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests_name("replay_route", tests, make_links, NULL);
}
