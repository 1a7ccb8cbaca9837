# SPDX-License-Identifier: BSD-3-Clause
"""Every kind of frame comes back as it was on the wire."""
from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pcapng
from harness import (HANG_S, Fancapd, Frames, Json, Link, Namespace, add_veth, check_against_files, check_clean,
                     count_packets, expected_frames, interface, run, verify)

COUNT = 20_000
TAGS: list[dict[str, object]] = [
    {"vlan": True},
    {"vlan": True, "tpid": "0x88a8"},
    {"vlan": True, "tpid": "0x9100"},  # a tag that the kernel does not know: stays in band
    {"vlan": True, "vlans": 1},  # VLAN 0, priorities only
    {"qinq": True},
]


def record(fancapd: Fancapd, link: Link, frames: Frames, seen: int, *, count: int = COUNT,
           source: str | None = None, **options: object) -> tuple[Json, Json]:
    """source: the interface to send on, if not the cable's other end. @return total counters, verify's result"""
    fancapd.configure(interface(link, **options))
    fancapd.start()
    link.send(frames, count, source=source)
    total = fancapd.settle(seen)["total"]
    fancapd.stop()
    return total, verify(fancapd.files(), frames, count)


def tag_name(options: dict[str, object]) -> str:
    return "-".join(f"{name}={value}" for name, value in options.items())


@pytest.mark.parametrize("options", TAGS, ids=tag_name)
def test_tag_stripped_by_kernel_is_put_back(fancapd: Fancapd, link: Link, options: dict[str, object]) -> None:
    """The kernel takes the outer 802.1Q or 802.1ad tag off every frame that comes in (skb_vlan_untag)."""
    total, result = record(fancapd, link, Frames(options), COUNT, workers=2)
    check_against_files(total, result, COUNT)
    assert result["inbound"] == COUNT - result["missing"]


@pytest.mark.parametrize("options", TAGS, ids=tag_name)
def test_tag_in_band_is_kept(fancapd: Fancapd, link: Link, options: dict[str, object]) -> None:
    """Frames that go out still have their tags in the data."""
    total, result = record(fancapd, link, Frames(options), COUNT, workers=2, source=link.name)
    check_against_files(total, result, COUNT)
    assert result["outbound"] == COUNT - result["missing"]


@pytest.mark.parametrize("options", TAGS, ids=tag_name)
def test_tagged_frame_is_cut_at_snaplen(fancapd: Fancapd, link: Link, options: dict[str, object]) -> None:
    """The tag that is put back counts: at most snaplen bytes are kept, and the length is that on the wire."""
    frames = Frames({"min": 60, "max": 300, **options})
    total, result = record(fancapd, link, frames, COUNT, snaplen=128)
    check_against_files(total, result, COUNT)
    assert result["truncated"] > 0
    assert {file["snaplen"] for file in result["files"]} == {128}


def test_vlan_device_frames_keep_their_tag(fancapd: Fancapd, link: Link) -> None:
    """A tag that the kernel adds itself (accelerated, so never in the data) is recorded outgoing too."""
    try:
        link.namespace.ip("link", "add", "link", link.name, "name", "cap0.7", "type", "vlan", "id", 7)
    except AssertionError as error:
        if "Unknown device type" not in str(error):
            raise
        pytest.skip("this kernel has no VLAN devices (CONFIG_VLAN_8021Q)")
    link.namespace.run("sysctl", "-qw", "net.ipv6.conf.cap0/7.disable_ipv6=1")
    link.namespace.ip("link", "set", "cap0.7", "up")
    fancapd.configure(interface(link))
    fancapd.start()
    frames = Frames({"max": 1000})
    link.send_split(frames, 100, interface="cap0.7", visible=True)
    fancapd.settle(100)
    fancapd.stop()
    packets = pcapng.read_packets(fancapd.files())
    assert len(packets) == 100
    assert all(packet.data[12:16] == b"\x81\x00\x00\x07" for packet in packets)
    assert all(len(packet.data) == packet.length for packet in packets)


@pytest.mark.parametrize("snaplen", [78, 79, 80, 81, 96, 1000])
def test_snaplen_keeps_the_length(fancapd: Fancapd, link: Link, snaplen: int) -> None:
    total, result = record(fancapd, link, Frames(), COUNT, snaplen=snaplen)
    check_against_files(total, result, COUNT)
    assert 0 < result["truncated"] < COUNT
    assert result["bytes"] <= COUNT * snaplen


def test_jumbo_frames(fancapd: Fancapd, make_link: Callable[..., Link]) -> None:
    link = make_link(mtu=9000)
    total, result = record(fancapd, link, Frames({"min": 5000, "max": 9014}), COUNT)
    check_against_files(total, result, COUNT)


def test_frames_of_one_size(fancapd: Fancapd, link: Link) -> None:
    """The smallest frames, back to back: as many slots to a block as there can be."""
    total, result = record(fancapd, link, Frames({"min": 60, "max": 60, "ipv6": 0}), COUNT)
    check_against_files(total, result, COUNT)


FILTERS = [("udp port 40003", {}), ("ip6", {}), ("not udp port 40003", {}), ("less 100", {}),
           ("ip and udp[16:4] != 0", {}), ("src net 10.1.0.0/16", {}), ("tcp", {}),
           ("vlan 5", {"vlan": True}), ("vlan 5 and ip6", {"vlan": True}), ("not vlan 0", {"vlan": True}),
           ("vlan and udp port 40003", {"vlan": True})]


@pytest.mark.parametrize(("expression", "options"), FILTERS, ids=[expression for expression, _ in FILTERS])
def test_filter_keeps_exactly_what_it_should(fancapd: Fancapd, link: Link, folder: Path, expression: str,
                                             options: dict[str, object]) -> None:
    """tcpdump says, over the same frames in a file, how many there are to be."""
    frames = Frames(options)
    expected = expected_frames(folder, frames, COUNT, expression)
    total, result = record(fancapd, link, frames, expected, filter=expression)
    check_clean(result)
    assert total["packets_seen"] == expected
    assert total["packets_written"] == result["packets"] == expected - total["packets_dropped"]
    assert COUNT - result["missing"] == result["packets"]
    for path in fancapd.files():
        assert run("tcpdump", "-n", "-r", path, f"not ({expression})").stdout == ""


def test_filter_and_snaplen_together(fancapd: Fancapd, link: Link, folder: Path) -> None:
    frames = Frames()
    expected = expected_frames(folder, frames, COUNT, "ip6")
    total, result = record(fancapd, link, frames, expected, filter="ip6", snaplen=100)
    check_clean(result)
    assert total["packets_seen"] == expected
    assert result["truncated"] > 0


def test_direction_in_leaves_outgoing_out(fancapd: Fancapd, link: Link) -> None:
    frames = Frames()
    fancapd.configure(interface(link, 2, direction="in"))
    fancapd.start()
    sent = link.send_split(frames, COUNT, reverse_via=link.name)
    total = fancapd.settle(sent["forward"])["total"]
    fancapd.stop()
    result = verify(fancapd.files(), frames, COUNT, "--out-is-reverse")
    check_clean(result)
    assert total["packets_seen"] == sent["forward"] < COUNT
    assert result["outbound"] == 0
    assert result["inbound"] == sent["forward"] - total["packets_dropped"]


# --- frames above the MTU ------------------------------------------------------------------------------
STREAM_BYTES = 8 << 20
RECEIVER = """
import socket, sys
with socket.create_server((sys.argv[1], 5001)) as server:
    print("listening", flush=True)
    connection, _ = server.accept()
    total = 0
    while data := connection.recv(1 << 20):
        total += len(data)
print(total)
"""


def stream_bytes() -> bytes:
    """Bytes whose every window is different, so that a shifted segment is seen."""
    return b"".join(i.to_bytes(8, "little") for i in range(STREAM_BYTES // 8))


def send_stream(near: Namespace, far: Namespace) -> None:
    """Send stream_bytes() over TCP from far to near, which fancapd watches."""
    receiver = subprocess.Popen(near.command(sys.executable, "-c", RECEIVER, "10.9.0.1"), stdout=subprocess.PIPE,
                                text=True)
    try:
        assert receiver.stdout and receiver.stdout.readline() == "listening\n"
        code = ("import socket, sys; s = socket.create_connection(('10.9.0.1', 5001)); "
                f"s.sendall(b''.join(i.to_bytes(8, 'little') for i in range({STREAM_BYTES} // 8)))")
        far.run(sys.executable, "-c", code)
        assert int(receiver.communicate(timeout=HANG_S)[0]) == STREAM_BYTES
    finally:
        receiver.kill()
        receiver.wait()


def tcp_payload(packet: pcapng.Packet) -> tuple[int, bytes] | None:
    """Sequence number and payload of a segment to port 5001."""
    ip = packet.data[14:]
    if packet.data[12:14] != b"\x08\x00" or ip[9] != socket.IPPROTO_TCP:
        return None
    tcp = ip[(ip[0] & 15) * 4:]
    if int.from_bytes(tcp[2:4], "big") != 5001:
        return None
    length = int.from_bytes(ip[2:4], "big") or len(ip)  # 0: longer than the field can say
    payload = ip[:length][(ip[0] & 15) * 4 + (tcp[12] >> 4) * 4:]
    return int.from_bytes(tcp[4:8], "big"), payload


def reassemble(packets: list[pcapng.Packet]) -> bytes:
    segments = [segment for packet in packets if (segment := tcp_payload(packet))]
    first = next(number for number, payload in segments if not payload) + 1  # the SYN
    stream = bytearray(STREAM_BYTES)
    for number, payload in segments:
        at = (number - first) & 0xFFFFFFFF
        if payload:
            stream[at:at + len(payload)] = payload
    return bytes(stream)


def test_segments_above_the_mtu_are_recorded_whole(fancapd: Fancapd, make_namespace: Callable[[], Namespace],
                                                   folder: Path) -> None:
    """With segmentation offload the kernel passes frames of up to 64 KiB along, and captures them so."""
    near, far = fancapd.namespace, make_namespace()
    add_veth(near, "cap0", far, "cap0p", offload=True)
    near.ip("address", "add", "10.9.0.1/24", "dev", "cap0")
    far.ip("address", "add", "10.9.0.2/24", "dev", "cap0p")
    fancapd.configure({"name": "cap0", "workers": 2, "filter": "tcp",
                       "ring": {"size": "64MiB", "block-size": "1MiB", "block-timeout": "50ms"}})
    fancapd.start()
    send_stream(near, far)
    total = fancapd.settle()["total"]
    fancapd.stop()
    assert total["packets_dropped"] == total["packets_discarded"] == 0
    packets = sorted(pcapng.read_packets(fancapd.files()), key=lambda packet: packet.time_ns)
    assert len(packets) == total["packets_written"]
    assert max(len(packet.data) for packet in packets) > 1514
    assert all(len(packet.data) == packet.length for packet in packets)
    assert reassemble(packets) == stream_bytes()
    assert sum(count_packets(path) for path in fancapd.files()) == len(packets)
