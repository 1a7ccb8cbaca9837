# SPDX-License-Identifier: BSD-3-Clause
"""Interfaces whose link layer fancap does not know are recorded cooked."""
from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

import pcapng
from harness import HANG_S, Fancapd, Json, Namespace, interface, run

COUNT = 1000
LINKTYPE_LINUX_SLL2 = 276
ARPHRD_PPP = 512

# A tun device that claims to be PPP. Each line it reads is a packet: "in", from the device, or "out", through it.
TUNNEL = """
import fcntl, os, socket, struct, sys
fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"ppp7", 0x1001))  # TUNSETIFF, IFF_TUN | IFF_NO_PI
fcntl.ioctl(fd, 0x400454CD, %d)  # TUNSETLINK
print("ready", flush=True)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
header = bytes.fromhex("4500002400004000401100000a0700010a070002")
for line in sys.stdin:
    direction, number = line.split()
    payload = b"%%8d" %% int(number)
    if direction == "out":
        udp.sendto(payload, ("10.7.0.1", 40000))
    else:
        os.write(fd, header + struct.pack("!HHHH", 40000, 40001, 16, 0) + payload)
""" % ARPHRD_PPP


class Tunnel:
    name = "ppp7"

    def __init__(self, namespace: Namespace) -> None:
        self._process = subprocess.Popen(namespace.command(sys.executable, "-c", TUNNEL), text=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout and self._process.stdout.readline() == "ready\n"
        namespace.run("sysctl", "-qw", f"net.ipv6.conf.{self.name}.disable_ipv6=1")
        namespace.ip("address", "add", "10.7.0.2/24", "dev", self.name)
        namespace.ip("link", "set", self.name, "up")

    def send(self, count: int) -> None:
        """Packets 0 to count - 1: in and out by turns."""
        assert self._process.stdin
        for number in range(count):
            self._process.stdin.write(f"{'out' if number % 2 else 'in'} {number}\n")
        self._process.stdin.flush()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=HANG_S)


@pytest.fixture
def tunnel(namespace: Namespace) -> Iterator[Tunnel]:
    tunnel = Tunnel(namespace)
    yield tunnel
    tunnel.close()


def record(fancapd: Fancapd, tunnel: Tunnel, seen: int, **options: object) -> Json:
    fancapd.configure(interface(tunnel, **options))
    fancapd.start()
    tunnel.send(COUNT)
    total = fancapd.settle(seen)["total"]
    fancapd.stop()
    return total


def test_other_kinds_of_link_are_recorded_cooked(fancapd: Fancapd, tunnel: Tunnel) -> None:
    total = record(fancapd, tunnel, COUNT, workers=2)
    assert total["packets_written"] == COUNT
    recordings = [pcapng.read(path) for path in fancapd.files()]
    assert {recording.interface.link_type for recording in recordings} == {LINKTYPE_LINUX_SLL2}
    packets = [packet for recording in recordings for packet in recording.packets]
    assert all(len(packet.data) == packet.length == 20 + 36 for packet in packets)
    assert sorted(int(packet.data[-8:]) for packet in packets) == list(range(COUNT))
    for packet in packets:
        assert packet.data[:2] == b"\x08\x00" and packet.data[8:10] == ARPHRD_PPP.to_bytes(2, "big")
        outgoing = int(packet.data[-8:]) % 2 == 1
        assert packet.data[10] == (4 if outgoing else 0)
        assert packet.direction == (pcapng.OUTBOUND if outgoing else pcapng.INBOUND)


def test_readers_read_cooked_files(fancapd: Fancapd, tunnel: Tunnel) -> None:
    record(fancapd, tunnel, COUNT)
    counted = dict.fromkeys(("tshark", "tcpdump"), 0)
    for path in fancapd.files():
        counted["tshark"] += len(run("tshark", "-n", "-r", path, "-Y", "sll.hatype == 512 && udp.port == 40000 && "
                                     "!_ws.malformed").stdout.splitlines())
        counted["tcpdump"] += len(run("tcpdump", "-n", "-r", path, "udp port 40000").stdout.splitlines())
    assert counted == dict.fromkeys(counted, COUNT)


@pytest.mark.parametrize("expression", ["udp dst port 40000", "dst host 10.7.0.1", "outbound"])
def test_filter_fits_cooked_packets(fancapd: Fancapd, tunnel: Tunnel, expression: str) -> None:
    """Half of the packets: those that go out."""
    record(fancapd, tunnel, COUNT // 2, filter=expression)
    packets = pcapng.read_packets(fancapd.files())
    assert sorted(int(packet.data[-8:]) for packet in packets) == list(range(1, COUNT, 2))


def test_snaplen_counts_the_cooked_header(fancapd: Fancapd, tunnel: Tunnel) -> None:
    record(fancapd, tunnel, COUNT, snaplen=40)
    packets = pcapng.read_packets(fancapd.files())
    assert len(packets) == COUNT
    assert all(len(packet.data) == 40 and packet.length == 56 for packet in packets)


def test_filter_on_link_layer_addresses_is_refused(fancapd: Fancapd, tunnel: Tunnel) -> None:
    fancapd.configure(interface(tunnel, filter="ether host 02:00:00:00:00:01"))
    fancapd.spawn()
    assert fancapd.wait() != 0
    assert "ppp7: filter" in fancapd.log()
