#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# examples/transmit on a veth pair of its own: what it says was sent has arrived.
set -u
transmit=$BUILDDIR/examples/transmit

if [ "${1-}" != inside ]; then
	unshare --net true 2>/dev/null || { echo "1..0 # SKIP no network namespace of its own (run as root)"; exit 0; }
	exec timeout 60 unshare --net --mount "$0" inside
fi

number=0
# check NAME COMMAND...: one test.
check() {
	name=$1
	shift
	number=$((number + 1))
	if "$@"; then echo "ok $number - $name"; else echo "not ok $number - $name"; fi
}

arrived() {
	cat /sys/class/net/ex1/statistics/rx_packets
}

sends() {
	before=$(arrived)
	[ "$("$transmit" --version "$1" --count "$2" ex0)" = "sent $2, wrong 0, not sent 0" ] || return 1
	[ $(($(arrived) - before)) = "$2" ]
}

fails_on() {
	! "$transmit" "$@" >/dev/null 2>&1
}

# sysfs shows the network namespace of whoever mounted it.
mount -t sysfs none /sys
for family in all default; do
	echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/$family/disable_ipv6
done
ip link add ex0 type veth peer name ex1
ip link set ex0 up
ip link set ex1 up
until ip -o link show ex0 | grep -q 'state UP'; do sleep 0.01; done

echo 1..8
check "sends 1000 frames by V1" sends 1 1000
check "sends 1000 frames by V2" sends 2 1000
check "sends 1000 frames by V3" sends 3 1000
check "sends none" sends 3 0
check "refuses version 4" fails_on --version 4 ex0
check "refuses a count that is none" fails_on --count 1x ex0
check "refuses an interface that is not there" fails_on nosuch0
ip link set ex0 down
check "fails on a link that is down" fails_on ex0
