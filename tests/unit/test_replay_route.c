// SPDX-License-Identifier: BSD-3-Clause
/* Where default routes lead, as the kernel tells it. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
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

/* Whether the kernel can do what a test is about; says so if not. */
static bool can(const char *command)
{
	if (system(command) == 0)
		return true;
	print_message("the kernel cannot: %s; not tested\n", command);
	return false;
}

static void takes_no_other_route_for_one(void **state)
{
	(void)state;
	run("ip route add unreachable default");
	run("ip route add 10.0.0.0/8 via 192.0.2.2");
	expect(0, 0);
	run("ip route del 10.0.0.0/8");
	run("ip route del unreachable default");
}

/* What VPNs do: more special than the default route, so that it can stay. */
static void takes_halves_for_one_when_there_are_both(void **state)
{
	(void)state;
	run("ip route add 0.0.0.0/1 via 192.0.2.2");
	expect(0, 0);
	run("ip route add 128.0.0.0/1 via 198.51.100.2"); /* the other half elsewhere */
	expect(0, 0);
	run("ip route add 128.0.0.0/2 via 192.0.2.2");
	expect(0, 0);
	run("ip route add 192.0.0.0/3 via 192.0.2.2"); /* the rest, but for multicast */
	expect(1, 0);
	run("ip route del 192.0.0.0/3");
	run("ip route del 128.0.0.0/2");
	run("ip route replace 128.0.0.0/1 via 192.0.2.2");
	expect(1, 0);
	run("ip route del 0.0.0.0/1");
	run("ip route del 128.0.0.0/1");
}

static void finds_every_next_hop(void **state)
{
	(void)state;
	if (!can("ip route add default nexthop via 192.0.2.2 nexthop via 198.51.100.2"))
		return;
	expect(1, 1);
	run("ip route del default");
}

static void finds_next_hop_objects(void **state)
{
	(void)state;
	if (!can("ip nexthop add id 7 via 198.51.100.2 dev rt2"))
		return;
	run("ip route add default nhid 7");
	expect(0, 1);
	/* The kernel does not say what it is any more: better to refuse too much. */
	run("sysctl -qw net.ipv4.nexthop_compat_mode=0");
	assert_int_equal(route_is_default(ifindex_of("rt2")), 1);
	run("sysctl -qw net.ipv4.nexthop_compat_mode=1");
	run("ip route del default");
	run("ip nexthop del id 7");
}

static void looks_into_every_table(void **state)
{
	(void)state;
	if (!can("ip route add default via 198.51.100.2 table 100"))
		return;
	expect(0, 1);
	run("ip route flush table 100");
}

static void finds_default_routes_of_ipv6(void **state)
{
	(void)state;
	if (!can("test -e /proc/net/if_inet6 && sysctl -qw net.ipv6.conf.rt0.disable_ipv6=0"))
		return;
	run("ip -6 addr add 2001:db8::1/64 dev rt0 nodad");
	expect(0, 0);
	run("ip -6 route add default via 2001:db8::2 dev rt0");
	expect(1, 0);
	run("ip -6 route del default");
	expect(0, 0);
	run("ip -6 route add 8000::/1 via 2001:db8::2 dev rt0");
	expect(0, 0);
	run("ip -6 route add ::/1 via 2001:db8::2 dev rt0"); /* the half with all addresses in use */
	expect(1, 0);
	run("ip -6 route del ::/1");
	expect(0, 0);
	run("ip -6 route add 2000::/3 via 2001:db8::2 dev rt0");
	expect(1, 0);
	run("ip -6 route del 2000::/3");
	run("ip -6 route del 8000::/1");
	run("sysctl -qw net.ipv6.conf.rt0.disable_ipv6=1");
}

/* What a port sends is on the same network. */
static void a_port_leads_where_its_bridge_does(void **state)
{
	(void)state;
	if (!can("ip link add rtb type bridge"))
		return;
	run("ip link set rtb up");
	run("ip link set rt2 master rtb");
	run("ip addr add 203.0.113.1/24 dev rtb");
	run("ip route add default via 203.0.113.2");
	expect(0, 1);
	run("ip link set rt2 nomaster");
	expect(0, 0);
	link_delete("rtb");
}

static void check_stacked(const char *kind)
{
	run("ip link add link rt2 name rts %s", kind);
	run("ip link set rts up");
	run("ip addr add 203.0.113.1/24 dev rts");
	expect(0, 0);
	run("ip route add default via 203.0.113.2");
	expect(0, 1); /* by what is on it */
	run("ip route del default");
	run("ip route add default via 198.51.100.2");
	assert_int_equal(route_is_default(ifindex_of("rts")), 1); /* by what it is on */
	assert_int_equal(route_is_default(ifindex_of("rt0")), 0);
	run("ip route del default");
	link_delete("rts");
}

static void finds_what_lies_on_the_interface_or_under_it(void **state)
{
	static const char *const kinds[] = {"type vlan id 5", "type macvlan", "type ipvlan"};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
		char probe[128];

		snprintf(probe, sizeof(probe), "ip link add link rt2 name rts %s && ip link del rts", kinds[i]);
		if (can(probe))
			check_stacked(kinds[i]);
	}
}

/* rt2 is a port of a bridge, with another interface on the bridge, by which the default route leaves. */
static void finds_the_way_up_through_several(void **state)
{
	(void)state;
	if (!can("ip link add rtb type bridge"))
		return;
	run("ip link add link rtb name rts type macvlan");
	run("ip link set rt2 master rtb");
	run("ip link set rtb up");
	run("ip link set rts up");
	run("ip addr add 203.0.113.1/24 dev rts");
	run("ip route add default via 203.0.113.2");
	expect(0, 1);
	run("ip link set rt2 nomaster");
	expect(0, 0);
	link_delete("rts");
	link_delete("rtb");
}

/* Two VLANs of a trunk, say: neither is on the other's way. */
static void others_on_the_same_interface_are_apart(void **state)
{
	(void)state;
	if (!can("ip link add link rt2 name rts type macvlan"))
		return;
	run("ip link add link rt2 name rtt type macvlan");
	run("ip link set rts up");
	run("ip addr add 203.0.113.1/24 dev rts");
	run("ip route add default via 203.0.113.2");
	assert_int_equal(route_is_default(ifindex_of("rtt")), 0);
	assert_int_equal(route_is_default(ifindex_of("rts")), 1);
	link_delete("rts");
	link_delete("rtt");
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
		cmocka_unit_test(takes_halves_for_one_when_there_are_both),
		cmocka_unit_test(finds_every_next_hop),
		cmocka_unit_test(finds_next_hop_objects),
		cmocka_unit_test(looks_into_every_table),
		cmocka_unit_test(finds_default_routes_of_ipv6),
		cmocka_unit_test(a_port_leads_where_its_bridge_does),
		cmocka_unit_test(finds_what_lies_on_the_interface_or_under_it),
		cmocka_unit_test(finds_the_way_up_through_several),
		cmocka_unit_test(others_on_the_same_interface_are_apart),
		cmocka_unit_test(says_when_there_is_no_such_interface),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests_name("replay_route", tests, make_links, NULL);
}
