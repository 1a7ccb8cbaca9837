# SPDX-License-Identifier: BSD-3-Clause
"""Whatever way a block goes to the disk, rewritten in the ring or packed, the packets are those that were sent."""
from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import pcapfile
import pcapng
from harness import (REPLAY, Fancapd, Frames, Json, Link, Namespace, add_veth, check_against_files,
                     check_closing_statistics, count_packets, interface, run, verify)
from test_frames import reassemble, send_stream, stream_bytes, tcp_payload

WRITERS = ["direct", "staged", "auto"]
EPB_QUEUE = 6
COUNT = 8000
JUMBO = 9014


def ring(block: str, timeout: str = "20ms", size: str = "64MiB") -> Json:
    return {"size": size, "block-size": block, "block-timeout": timeout}


def direct_packets(result: Json) -> int:
    return sum(file["direct"] for file in result["files"])


def check_writer(writer: str, result: Json) -> None:
    """The blocks went the way that was asked for. Some of a direct writer's may have to be packed."""
    direct = direct_packets(result)
    assert direct == 0 if writer == "staged" else direct > 0 if writer == "direct" else True


def record(fancapd: Fancapd, link: Link, writer: str, frames: Frames, *, count: int = COUNT, source: str | None = None,
           pps: int | None = None, **options: object) -> Json:
    fancapd.configure(interface(link, **options), storage={"writer": writer})
    fancapd.start()
    link.send(frames, count, source=source, pps=pps)
    total = fancapd.settle(count)["total"]
    fancapd.stop()
    result = verify(fancapd.files(), frames, count)
    check_against_files(total, result, count)
    check_closing_statistics(result)
    return result


# --- all lengths, in order ---------------------------------------------------------------------------

def patterned(n: int) -> bytes:
    """A frame of n bytes, to an address nobody has; each length has bytes of its own, none of them zero."""
    return (bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xB5]) +
            bytes(1 + (n * 7 + i) % 255 for i in range(255)) * (n // 255 + 1))[:n]


def replay(link: Link, folder: Path, frames: list[bytes], speed: str = "top") -> None:
    source = pcapfile.write_pcap(folder / "source.pcap", pcapfile.timed(frames))
    link.namespace.run(REPLAY, "--speed", speed, source, link.sender)
    source.unlink()


def record_lengths(fancapd: Fancapd, link: Link, folder: Path, writer: str, lengths: range,
                   **options: object) -> list[pcapng.Packet]:
    """@return what was recorded of one frame of each length"""
    fancapd.configure(interface(link, **options), storage={"writer": writer})
    fancapd.start()
    replay(link, folder, [patterned(n) for n in lengths], "20000pps")
    total = fancapd.settle(len(lengths))["total"]
    fancapd.stop()
    packets = pcapng.read_packets(fancapd.files())
    assert total["packets_written"] == len(packets) == len(lengths)
    assert [packet.length for packet in packets] == list(lengths)
    return packets


@pytest.mark.parametrize("writer", WRITERS)
def test_every_length_from_14_to_9000(fancapd: Fancapd, make_link: Callable[..., Link], folder: Path,
                                      writer: str) -> None:
    """Some before the first of a block, some last; in blocks that end with any of them."""
    lengths = range(14, JUMBO + 1)
    packets = record_lengths(fancapd, make_link(mtu=9000), folder, writer, lengths, ring=ring("128KiB"))
    assert [packet.data for packet in packets] == [patterned(n) for n in lengths]
    direct = sum(EPB_QUEUE in packet.options for packet in packets)
    assert direct == 0 if writer == "staged" else direct > len(lengths) / 2 if writer == "direct" else True


@pytest.mark.parametrize("writer", WRITERS)
def test_blocks_filled_to_the_last_byte(fancapd: Fancapd, make_link: Callable[..., Link], folder: Path,
                                        writer: str) -> None:
    """In blocks of 8 KiB: one packet to a block, with room left, just fitting, and too long, which the kernel cuts."""
    lengths, most = range(7900, 8101), 8046
    packets = record_lengths(fancapd, make_link(mtu=9000), folder, writer, lengths, snaplen=most,
                             ring=ring("8KiB", size="8MiB"))
    assert [packet.data for packet in packets] == [patterned(n)[:most] for n in lengths]
    in_place = [EPB_QUEUE in packet.options for packet in packets]
    assert not any(in_place[8040 - 7900:])  # there is no room behind them for what ends a pcapng block
    assert all(in_place[:8000 - 7900]) if writer == "direct" else not any(in_place)


@pytest.mark.parametrize("writer", WRITERS)
def test_single_packets_in_blocks_and_empty_blocks(fancapd: Fancapd, link: Link, writer: str) -> None:
    """Slow traffic: the kernel gives a block up for each packet. What is padded to whole pages stays small."""
    result = record(fancapd, link, writer, Frames(), count=300, pps=300, ring=ring("128KiB", "1ms"))
    check_writer(writer, result)
    assert sum(file["bytes"] for file in result["files"]) <= 300 * (4096 + 1514) + 4096


@pytest.mark.parametrize("writer", ["direct", "auto"])
@pytest.mark.parametrize("block", ["16KiB", "64KiB", "1MiB", "4MiB"])
def test_blocks_of_all_sizes(fancapd: Fancapd, make_link: Callable[..., Link], writer: str, block: str) -> None:
    link = make_link(mtu=9000)
    result = record(fancapd, link, writer, Frames({"max": JUMBO}), workers=2, ring=ring(block), snaplen=JUMBO + 4)
    check_writer(writer, result)
    if writer == "direct" or block.endswith("MiB"):
        assert direct_packets(result) > 0


def test_small_packets_are_packed_and_large_ones_are_not(fancapd: Fancapd, link: Link) -> None:
    """
    auto: by what is cheaper, so a file has both; nobody has to know. Blocks are given up when they are full, not half full
    after a time that a slow sender may take: those would be packed.
    """
    frames = [Frames({"min": 60, "max": 60, "ipv6": 0}), Frames({"min": 1514}), Frames({"min": 60, "max": 60, "ipv6": 0})]
    fancapd.configure(interface(link, ring=ring("256KiB", "500ms")))
    fancapd.start()
    for n, some in enumerate(frames):
        link.send(some, COUNT)
        fancapd.settle((n + 1) * COUNT)
    fancapd.stop()
    packets = pcapng.read_packets(fancapd.files())
    assert len(packets) == 3 * COUNT
    for first in (0, 2 * COUNT):
        assert not any(EPB_QUEUE in packet.options for packet in packets[first:first + COUNT])
    assert sum(EPB_QUEUE in packet.options for packet in packets[COUNT:2 * COUNT]) > COUNT * 3 / 4


# --- tags, cut packets, merged packets -----------------------------------------------------------------

TAGS: list[dict[str, object]] = [{"vlan": True}, {"vlan": True, "tpid": "0x9100"}, {"qinq": True}]


@pytest.mark.parametrize("writer", ["direct", "auto"])
@pytest.mark.parametrize("in_band", [False, True], ids=["stripped", "in band"])
@pytest.mark.parametrize("tags", TAGS, ids=["vlan", "unknown", "qinq"])
def test_tags(fancapd: Fancapd, link: Link, writer: str, in_band: bool, tags: dict[str, object]) -> None:
    """A tag that the kernel took off is put back in the ring; one that is in the data leaves it aligned as it was."""
    frames = Frames({"min": 600, **tags})
    result = record(fancapd, link, writer, frames, source=link.name if in_band else None)
    if in_band and "qinq" in tags:
        return  # its longer header leaves no room for statistics before it: packed
    check_writer(writer, result)
    assert direct_packets(result) > COUNT / 2


@pytest.mark.parametrize("writer", WRITERS)
def test_cut_packets(fancapd: Fancapd, link: Link, writer: str) -> None:
    """Blocks with one that has to be cut are packed; the others need not be."""
    frames = Frames({"min": 400, "max": 1001, "vlan": True})
    result = record(fancapd, link, writer, frames, snaplen=1000, ring=ring("8KiB", size="32MiB"))
    check_writer(writer, result)
    assert 0 < result["truncated"] < COUNT
    assert {file["snaplen"] for file in result["files"]} == {1000}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("block", ["32KiB", "1MiB"])
def test_merged_packets(fancapd: Fancapd, make_namespace: Callable[[], Namespace], writer: str, block: str) -> None:
    """TCP with segmentation offload and GRO: packets of up to 64 KiB, more than a small block holds."""
    near, far = fancapd.namespace, make_namespace()
    add_veth(near, "cap0", far, "cap0p", offload=True)
    near.ip("address", "add", "10.9.0.1/24", "dev", "cap0")
    far.ip("address", "add", "10.9.0.2/24", "dev", "cap0p")
    fancapd.configure({"name": "cap0", "workers": 2, "filter": "tcp", "ring": ring(block),
                       "snaplen": 32622 if block == "32KiB" else 262144}, storage={"writer": writer})
    fancapd.start()
    send_stream(near, far)
    total = fancapd.settle()["total"]
    fancapd.stop()
    assert total["packets_dropped"] == total["packets_discarded"] == 0
    packets = sorted(pcapng.read_packets(fancapd.files()), key=lambda packet: packet.time_ns)
    assert len(packets) == total["packets_written"] == sum(count_packets(path) for path in fancapd.files())
    assert max(packet.length for packet in packets) > 60_000
    in_place = any(EPB_QUEUE in packet.options for packet in packets)
    assert in_place if writer == "direct" else not in_place if writer == "staged" else True
    if block == "1MiB":
        assert all(len(packet.data) == packet.length for packet in packets)
        assert reassemble(packets) == stream_bytes()
    else:
        check_cut_segments(packets)


def check_cut_segments(packets: list[pcapng.Packet]) -> None:
    """Cut by the kernel, or by us, to what a small block holds: what is there is right."""
    assert any(len(packet.data) < packet.length for packet in packets)
    stream = stream_bytes()
    segments = [segment for packet in packets if (segment := tcp_payload(packet))]
    first = next(number for number, payload in segments if not payload) + 1
    for number, payload in segments:
        at = (number - first) & 0xFFFFFFFF
        assert not payload or payload == stream[at:at + len(payload)]


# --- other people's readers ----------------------------------------------------------------------------

def tshark(path: Path, *options: str) -> list[str]:
    return run("tshark", "-n", "-r", path, *options).stdout.splitlines()


def nanoseconds(text: str) -> int:
    seconds, fraction = text.split(".")
    assert len(fraction) == 9
    return int(seconds) * 10 ** 9 + int(fraction)


@pytest.mark.parametrize("writer", WRITERS)
def test_readers_agree(fancapd: Fancapd, make_link: Callable[..., Link], writer: str) -> None:
    """
    tshark, tcpdump and capinfos find the packets that we find, of the same times and lengths, and nothing wrong.

    A block with one that has to be cut is packed. Some in ten have to be, so of blocks of a few packets most need not.
    """
    link = make_link(mtu=9000)
    frames = Frames({"max": JUMBO, "vlan": True})
    result = record(fancapd, link, writer, frames, count=2000, snaplen=8000, ring=ring("16KiB"))
    check_writer(writer, result)
    path, = fancapd.files()
    packets = pcapng.read(path).packets
    ours = [(packet.time_ns, packet.length, len(packet.data)) for packet in packets]
    fields = [line.split("\t") for line in tshark(path, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len",
                                                  "-e", "frame.cap_len")]
    assert [(nanoseconds(when), int(length), int(kept)) for when, length, kept in fields] == ours
    bad = "_ws.malformed or _ws.expert.severity == error or udp.checksum.status == bad"
    assert tshark(path, "-o", "udp.check_checksum:TRUE", "-Y", bad) == []
    found = re.findall(r"^(\d+\.\d{9}) .*?, length (\d+):", run(
        "tcpdump", "-n", "-tt", "-e", "--nano", "-r", path).stdout, re.MULTILINE)
    assert [(nanoseconds(when), int(length)) for when, length in found] == [one[:2] for one in ours]
    text = run("capinfos", "-M", path).stdout
    assert re.search(r"Number of packets:\s+2000$", text, re.MULTILINE)
    assert re.search(rf"Data size:\s+{sum(one[1] for one in ours)} ", text)
