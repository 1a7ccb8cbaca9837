# SPDX-License-Identifier: BSD-3-Clause
"""fancap-replay: what it sends, when, and what it refuses."""
from __future__ import annotations

import json
import os
import pty
import signal
import statistics
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import pcapng
from harness import BUILDDIR, HANG_S, REPLAY, SANITIZED, Fancapd, Json, Link, interface, run, wait_until
from pcapfile import START_NS, timed, write_pcap, write_pcapng

RECEIVE = BUILDDIR / "examples/receive"
MTU = 9000
MAC = bytes.fromhex("02facaca0002") + bytes.fromhex("02facaca0001")


def replay_command(link: Link, *arguments: object) -> list[str]:
    return link.namespace.command(REPLAY, *arguments, link.sender)


def replay(link: Link, *arguments: object, **options: object) -> Json:
    """Send to the end, with success. @return its report"""
    return json.loads(run(*replay_command(link, "--json", *arguments), **options).stdout)


def replay_any(link: Link, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(replay_command(link, *arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=HANG_S, check=False)


# --- frames -----------------------------------------------------------------------------------------------
def fill(number: int, length: int) -> bytes:
    """Bytes that follow from a number, so that no frame is like another."""
    seed = struct.pack("!I", number)
    return (seed * (length // 4 + 1))[:length]


def frame(number: int, length: int, header: bytes = b"\x88\xb5") -> bytes:
    head = MAC + header
    return (head + fill(number, length))[:max(length, len(head))]


def ipv4(number: int, payload: bytes, fragment: int = 0) -> bytes:
    return MAC + b"\x08\x00" + struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), number & 0xFFFF, fragment, 64, 17,
                                           0, b"\x0a\x01\x00\x01", b"\x0a\x02\x00\x01") + payload


def odd_frames() -> list[bytes]:
    """Every length there is, and every kind of frame that is not plain IPv4.

    But for a tag with less than two bytes behind it: the receiving kernel drops that (skb_vlan_untag).
    """
    frames = [frame(length, length) for length in range(14, MTU + 14 + 1)]
    number = len(frames)
    for header in (b"\x81\x00\x00\x05\x08\x00", b"\x81\x00\xf0\x00\x08\x00", b"\x88\xa8\x00\x07\x81\x00\x20\x08\x86\xdd",
                   b"\x91\x00\x00\x01\x08\x00", b"\x86\xdd\x60\x00\x00\x00", b"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01",
                   b"\x88\x47\x00\x01\x01\xff", b"\x88\x48\x00\x01\x00\xff\x00\x02\x01\xff", b"\x88\x63", b"\x89\x02", b"\xff\xff"):
        for length in (max(len(header) + 12, 20), 60, 61, 64, 1500, 1514, 1518, MTU + 14):
            number += 1
            frames.append(frame(number, length, header))
    frames.append(frame(0, MTU + 18, b"\x81\x00\x00\x05\x08\x00"))  # a tag is not counted
    for size in (0, 3, 46, 100, 1500):  # 802.3: the length stands where the type would; too long and too short as well
        for claimed in (size, size + 1):
            number += 1
            frames.append(frame(number, 14 + size, struct.pack("!H", claimed) + b"\xaa\xaa\x03")[:max(14 + size, 17)])
    for i in range(8):  # fragments, in and out of order
        frames.append(ipv4(77, fill(i, 1480), 0x2000 | i * 185))
    frames.append(ipv4(77, fill(9, 100), 8 * 185))
    return frames


def record(fancapd: Fancapd, link: Link, packets: int) -> list[pcapng.Packet]:
    fancapd.settle(packets)
    fancapd.stop()
    return pcapng.read_packets(fancapd.files())


FORMATS: dict[str, Callable[[Path, list[tuple[int, bytes]]], Path]] = {
    "pcap": write_pcap,
    "pcap-us-big-endian": lambda path, packets: write_pcap(path, packets, order=">", nanoseconds=False),
    "pcapng": write_pcapng,
}


@pytest.mark.parametrize("arguments", [(), ("--preload",)], ids=["streamed", "preloaded"])
@pytest.mark.parametrize("form", FORMATS)
def test_odd_packets_come_back_byte_for_byte(fancapd: Fancapd, make_link: Callable[..., Link], folder: Path,
                                             form: str, arguments: tuple[str, ...]) -> None:
    link = make_link(mtu=MTU)
    frames = odd_frames()
    path = FORMATS[form](folder / "odd", timed(frames, 1000))
    fancapd.configure(interface(link, ring={"size": "64MiB"}))  # has room for all, however slow the disk is
    fancapd.start()
    report = replay(link, "--speed", "top", *arguments, path)
    assert report["sent"] == len(frames)
    assert report["bytes"] == sum(map(len, frames))
    packets = record(fancapd, link, len(frames))
    assert [packet.data for packet in packets] == frames
    assert all(packet.length == len(packet.data) for packet in packets)


def is_tagged(data: bytes) -> bool:
    return data[12:14] in (b"\x81\x00", b"\x88\xa8")


@pytest.mark.parametrize("version", [1, 2, 3])
def test_odd_packets_reach_receivers_of_every_version(make_link: Callable[..., Link], folder: Path, version: int) -> None:
    """As above, by libfancap's own receive rings; V1 has no place to say that the kernel took a tag off."""
    link = make_link(mtu=MTU)
    frames = [data for data in odd_frames() if version > 1 or not is_tagged(data)]
    written = folder / "received.pcapng"
    # Frames of 16 KiB take all of these packets. Slow enough for the ring to ride out a busy machine.
    receiver = subprocess.Popen(link.namespace.command(RECEIVE, "--version", version, "--count", len(frames), "--frame",
                                                       16384, "--write", written, link.name), stderr=subprocess.PIPE)
    try:
        wait_until(lambda: written.exists(), "the receiver")
        assert replay(link, "--speed", "4000pps", write_pcap(folder / "odd", timed(frames, 1000)))["sent"] == len(frames)
        _, said = receiver.communicate(timeout=HANG_S)
    finally:
        receiver.kill()
        receiver.wait()
    assert receiver.returncode == 0 and said.decode() == f"receive: {len(frames)} packets, 0 dropped\n"
    packets = pcapng.read_packets([written])
    assert [packet.data for packet in packets] == frames
    assert all(packet.length == len(packet.data) for packet in packets)


def test_what_fancapd_recorded_can_be_replayed(fancapd: Fancapd, make_daemon: Callable[..., Fancapd], link: Link,
                                               folder: Path) -> None:
    """Several files of one recording, merged by time, come out in the order in which they came in."""
    frames = [frame(i, 60 + i % 1000) for i in range(3000)]
    recorded = []
    for daemon in (fancapd, make_daemon()):
        if not recorded:
            sources = [write_pcap(folder / "first.pcap", timed(frames, 1000))]
        daemon.configure(interface(link), rotate={"size": "1MiB"})
        daemon.start()
        report = replay(link, "--speed", "top", *sources)
        assert report["sent"] == len(frames)
        recorded = [packet.data for packet in record(daemon, link, len(frames))]
        assert recorded == frames
        sources = daemon.files()
        assert len(sources) > 1


def test_files_are_merged_by_time_and_loops_repeat(fancapd: Fancapd, link: Link, folder: Path) -> None:
    frames = [frame(i, 60) for i in range(300)]
    packets = timed(frames, 1000)
    paths = [write(folder / f"{i}", packets[i::3]) for i, write in enumerate(FORMATS.values())]
    fancapd.configure(interface(link))
    fancapd.start()
    assert replay(link, "--speed", "top", "--loop", 3, *paths)["sent"] == 900
    assert [packet.data for packet in record(fancapd, link, 900)] == 3 * frames


def test_threads_keep_each_flow_in_order(fancapd: Fancapd, link: Link, folder: Path) -> None:
    """20 pairs of addresses, both directions of each in one lane; everything arrives, each pair in order."""
    frames = []
    for i in range(2000):
        data = bytearray(ipv4(i, fill(i, 30)))
        ends = [b"\x0a\x01\x00" + bytes([i % 20]), b"\x0a\x02\x00\x01"]
        data[26:34] = b"".join(reversed(ends) if i % 3 == 0 else ends)
        frames.append(bytes(data))
    paths = [write_pcap(folder / "flows.pcap", timed(frames)), write_pcap(folder / "ip.pcap", timed([b"E"] * 7), link_type=101)]
    fancapd.configure(interface(link))
    fancapd.start()
    report = replay(link, "--speed", "top", "--preload", "--threads", 3, "--loop", 2, *paths)
    assert (report["sent"], report["unsent"], report["skipped"]["link_type"]) == (4000, 0, 14)
    packets = [packet.data for packet in record(fancapd, link, 4000)]
    for end in range(20):
        expected = [data for i, data in enumerate(frames) if i % 20 == end]
        assert [data for data in packets if (data[29] if data[27] == 1 else data[33]) == end] == 2 * expected


def test_filter_sees_tags_in_the_data(fancapd: Fancapd, link: Link, folder: Path) -> None:
    frames = [frame(i, 100, b"\x81\x00\x00\x05\x08\x00" if i % 3 == 0 else b"\x08\x00") for i in range(300)]
    path = write_pcap(folder / "tags.pcap", timed(frames))
    fancapd.configure(interface(link))
    fancapd.start()
    report = replay(link, "--speed", "top", "--filter", "vlan 5", path)
    assert (report["sent"], report["skipped"]["filter"]) == (100, 200)
    assert [packet.data for packet in record(fancapd, link, 100)] == frames[::3]


def test_taps_see_what_goes_through_the_qdisc(fancapd: Fancapd, link: Link, folder: Path) -> None:
    """Replayed on the very interface that is captured from."""
    frames = [frame(i, 100) for i in range(500)]
    path = write_pcap(folder / "a.pcap", timed(frames))
    fancapd.configure(interface(link))
    fancapd.start()
    link.namespace.run(REPLAY, "--qdisc", "--speed", "top", path, link.name)
    packets = record(fancapd, link, 500)
    assert [packet.data for packet in packets] == frames
    assert all(packet.direction == pcapng.OUTBOUND for packet in packets)


def test_raw_ip_on_a_tun_interface(link: Link, folder: Path) -> None:
    """A tun device takes packets without link-layer header, and nothing else."""
    link.namespace.ip("tuntap", "add", "dev", "tun0", "mode", "tun")
    holder = subprocess.Popen(link.namespace.command("python3", "-c", TUN_READER), stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout and holder.stdout.readline() == "attached\n"
        link.namespace.ip("link", "set", "tun0", "up")
        packets = [ipv4(i, fill(i, 100))[14:] for i in range(20)]
        path = write_pcap(folder / "raw.pcap", timed(packets), link_type=101)
        done = json.loads(link.namespace.run(REPLAY, "--json", "--speed", "top", path, "tun0").stdout)
        assert done["sent"] == len(packets)
        received = [bytes.fromhex(holder.stdout.readline()) for _ in packets]
        assert received == packets
        other = link.namespace.run(REPLAY, "--json", path, write_pcap(folder / "e.pcap", timed([frame(0, 60)])), "tun0")
        assert json.loads(other.stdout)["skipped"]["link_type"] == 1
    finally:
        holder.kill()
        holder.communicate()


TUN_READER = """
import fcntl, os, struct
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"tun0", 0x1001))
print("attached", flush=True)
while True:
    packet = os.read(tun, 65536)
    if packet[0] >> 4 == 4:
        print(packet.hex(), flush=True)
"""


# --- speed ------------------------------------------------------------------------------------------------
def check_times(packets: list[pcapng.Packet], expected_ns: list[int]) -> None:
    """Against the recorded times, with a tolerance for a busy machine; no packet may come early."""
    start = packets[0].time_ns
    for packet, expected in zip(packets, expected_ns, strict=True):
        assert -5e6 < packet.time_ns - start - expected < 250e6


def test_recorded_gaps_are_kept(fancapd: Fancapd, link: Link, folder: Path) -> None:
    offsets = [0, 1_000_000, 1_500_000, 300_000_000, 300_000_000, 900_000_000]
    frames = [frame(i, 60) for i in range(len(offsets))]
    path = write_pcap(folder / "gaps.pcap", [(START_NS + at, data) for at, data in zip(offsets, frames, strict=True)])
    fancapd.configure(interface(link))
    fancapd.start()
    report = replay(link, path)
    assert 0.9 <= report["seconds"] < HANG_S
    check_times(record(fancapd, link, len(frames)), offsets)


def lateness_ns(packets: list[pcapng.Packet], expected_ns: list[int]) -> float:
    """The median, against the packet that was least late."""
    late = [packet.time_ns - expected for packet, expected in zip(packets, expected_ns, strict=True)]
    return statistics.median(late) - min(late)


def test_gaps_are_right_to_a_fraction_of_a_millisecond(fancapd: Fancapd, link: Link, folder: Path) -> None:
    """In the calmest of ten passes: a busy machine makes packets late, but nothing makes a coarse clock right."""
    offsets = [i * 1_300_000 for i in range(40)]
    path = write_pcap(folder / "gaps.pcap", [(START_NS + at, frame(i, 60)) for i, at in enumerate(offsets)])
    fancapd.configure(interface(link))
    fancapd.start()
    replay(link, "--loop", 10, path)
    packets = record(fancapd, link, 10 * len(offsets))
    passes = [packets[i:i + len(offsets)] for i in range(0, len(packets), len(offsets))]
    assert min(lateness_ns(each, offsets) for each in passes) < 300_000


@pytest.mark.parametrize(("speed", "gap_ns"), [("0.5x", 100_000_000), ("5x", 10_000_000), ("40pps", 25_000_000),
                                               ("16kbit", 50_000_000)])
def test_speeds_other_than_recorded(fancapd: Fancapd, link: Link, folder: Path, speed: str, gap_ns: int) -> None:
    """20 packets of 100 bytes, recorded 50 ms apart."""
    path = write_pcap(folder / "even.pcap", timed([frame(i, 100) for i in range(20)], 50_000_000))
    fancapd.configure(interface(link))
    fancapd.start()
    replay(link, "--speed", speed, path)
    check_times(record(fancapd, link, 20), [i * gap_ns for i in range(20)])


# --- what is not sent --------------------------------------------------------------------------------------
def test_frames_that_do_not_fit_are_counted_not_cut(fancapd: Fancapd, link: Link, folder: Path) -> None:
    good = [frame(i, 1514) for i in range(10)]
    tagged = frame(1, 1518, b"\x81\x00\x00\x05\x08\x00")
    paths = [write_pcap(folder / "good.pcap", timed(good)),
             write_pcap(folder / "long.pcap", timed([frame(1, 1515), tagged + b"x", frame(2, 65535)])),
             write_pcap(folder / "tagged.pcap", timed([tagged])),
             write_pcap(folder / "short.pcap", timed([frame(1, 60)[:13], b""])),
             write_pcap(folder / "cut.pcap", timed([frame(1, 100)] * 5), cut=1),
             write_pcap(folder / "ip.pcap", timed([frame(1, 100)] * 6), link_type=101)]
    fancapd.configure(interface(link))
    fancapd.start()
    report = replay(link, "--speed", "top", *paths)
    assert report["sent"] == 11
    assert report["skipped"] == {"filter": 0, "link_type": 6, "cut": 5, "too_long": 3, "too_short": 2, "refused": 0}
    assert sorted(packet.data for packet in record(fancapd, link, 11)) == sorted([*good, tagged])
    text = replay_any(link, "--speed", "top", *paths).stdout
    assert "skipped  3 packets: too long for the interface\n" in text
    assert "skipped  5 packets: truncated in the file\n" in text


def test_longest_packets_of_all(link: Link, folder: Path) -> None:
    """lo and dummy interfaces may have any MTU; 64 KiB is what a ring always sends."""
    longest = 65536 + 14
    path = write_pcap(folder / "long.pcap", timed([frame(i, length) for i, length in enumerate((longest - 1, longest) * 20)]))
    beyond = write_pcap(folder / "beyond.pcap", timed([frame(1, longest + 1), frame(2, 200_000)]))
    link.namespace.ip("link", "set", "lo", "mtu", 300_000)
    done = link.namespace.run(REPLAY, "--json", "--speed", "top", path, beyond, "lo")
    report = json.loads(done.stdout)
    assert (report["sent"], report["skipped"]["too_long"], report["skipped"]["refused"]) == (40, 2, 0)
    statistics = json.loads(link.namespace.ip("-j", "-s", "link", "show", "lo"))[0]["stats64"]
    # Loopback counts them without their link-layer header.
    assert (statistics["tx"]["packets"], statistics["tx"]["bytes"]) == (40, 20 * (2 * longest - 1) - 40 * 14)
    text = link.namespace.run(REPLAY, "--speed", "top", path, beyond, "lo").stdout
    assert "(on lo packets have 65536 bytes at most, beside their link-layer header)" in text


def test_nothing_is_sent_past_the_damage(fancapd: Fancapd, link: Link, folder: Path) -> None:
    frames = [frame(i, 100) for i in range(100)]
    path = write_pcap(folder / "torn.pcap", timed(frames))
    content = bytearray(path.read_bytes())
    at = 24 + 60 * 116
    content[at + 8:at + 12] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    fancapd.configure(interface(link))
    fancapd.start()
    preloaded = replay_any(link, "--speed", "top", "--preload", path)
    assert (preloaded.returncode, preloaded.stdout) == (1, "")
    done = replay_any(link, "--speed", "top", path)
    assert done.returncode == 1
    assert f"torn.pcap: offset {at}: a packet of 4294967295 bytes: 262144 at most\n" in done.stderr
    assert "sent     60 packets" in done.stdout
    assert [packet.data for packet in record(fancapd, link, 60)] == frames[:60]


def test_torn_pcapng_ends_with_its_last_whole_packet(fancapd: Fancapd, link: Link, folder: Path) -> None:
    frames = [frame(i, 100) for i in range(100)]
    path = write_pcapng(folder / "torn.pcapng", timed(frames))
    path.write_bytes(path.read_bytes()[:-1])
    fancapd.configure(interface(link))
    fancapd.start()
    done = replay_any(link, "--speed", "top", path)
    assert done.returncode == 1
    assert "the file ends after 131 of the 132 bytes of a block" in done.stderr
    assert [packet.data for packet in record(fancapd, link, 99)] == frames[:99]


# --- refusals ------------------------------------------------------------------------------------------------
ROUTES = [("-4", "192.0.2.1/24", ("default", "via", "192.0.2.2")), ("-6", "2001:db8::1/64", ("default", "via", "2001:db8::2"))]


@pytest.mark.parametrize(("family", "address", "route"), ROUTES, ids=["ipv4", "ipv6"])
def test_refuses_the_default_route(link: Link, folder: Path, family: str, address: str, route: tuple[str, ...]) -> None:
    path = write_pcap(folder / "a.pcap", timed([frame(0, 60)]))
    link.namespace.run("sysctl", "-qw", f"net.ipv6.conf.{link.sender}.disable_ipv6=0")
    link.namespace.ip(family, "address", "add", address, "dev", link.sender)
    assert replay_any(link, path).returncode == 0
    link.namespace.ip(family, "route", "add", *route, "dev", link.sender)
    done = replay_any(link, path)
    assert done.returncode == 1
    assert f"{link.sender}: a default route of this machine leads through it; --force" in done.stderr
    assert done.stdout == ""
    assert replay_any(link, "--force", path).returncode == 0


def test_exit_statuses(link: Link, folder: Path) -> None:
    good = write_pcap(folder / "good.pcap", timed([frame(0, 60)]))
    empty = write_pcap(folder / "empty.pcap", [])
    (folder / "text").write_text("no capture file\n")
    (folder / "nothing").write_bytes(b"")
    cases: list[tuple[int, str, tuple[object, ...]]] = [
        (0, "", (good,)),
        (0, "", ("--loop", 2, "--preload", good, empty)),
        (1, "no packet was sent", (empty,)),
        (1, "no packet was sent", ("--loop", 0, empty)),
        (1, "no packet was sent", ("--filter", "tcp", good)),
        (1, "text: offset 0: neither pcap nor pcapng", (folder / "text",)),
        (1, "nothing: offset 0: the file is empty", (good, folder / "nothing")),
        (1, "missing: No such file", (folder / "missing",)),
        (1, "filter 'nonsense ('", ("--filter", "nonsense (", good)),
        (2, "speed 'fast': allowed are recorded", ("--speed", "fast", good)),
        (2, "at least one FILE", ()),
    ]
    for status, text, arguments in cases:
        done = replay_any(link, *arguments)
        assert (done.returncode, text in done.stderr) == (status, True), (arguments, done)
    link.namespace.ip("link", "set", link.sender, "down")
    assert "is down" in replay_any(link, good).stderr
    done = subprocess.run(link.namespace.command(REPLAY, good, "none0"), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "fancap-replay: none0: no such interface\n")
    assert run(REPLAY, "--version").stdout.startswith("fancap-replay ")
    assert "--speed SPEED" in run(REPLAY, "--help").stdout


def test_standard_input(link: Link, folder: Path) -> None:
    path = write_pcap(folder / "a.pcap", timed([frame(i, 60) for i in range(7)]))
    command = " ".join(replay_command(link, "--json", "-"))
    assert json.loads(run("sh", "-c", f"cat {path} | {command}").stdout)["sent"] == 7
    command = " ".join(replay_command(link, "--json", "--preload", "--loop", 3, "-"))
    assert json.loads(run("sh", "-c", f"cat {path} | {command}").stdout)["sent"] == 21
    command = " ".join(replay_command(link, "--loop", 3, "-"))
    done = subprocess.run(["sh", "-c", f"cat {path} | {command}"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "standard input: beginning again: Illegal seek" in done.stderr


# --- stopping -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("arguments", [("--loop", 0, "--speed", "1000pps"), ("--loop", 0, "--speed", "top", "--preload"),
                                       ("--loop", 0, "--speed", "top", "--preload", "--threads", 2),
                                       ("--speed", "0.000001x")], ids=["paced", "top", "threads", "waiting"])
def test_stops_at_a_signal_and_reports(link: Link, folder: Path, number: signal.Signals, status: int,
                                       arguments: tuple[object, ...]) -> None:
    path = write_pcap(folder / "a.pcap", timed([frame(i, 60) for i in range(100)], 1_000_000_000))
    before = link.packets_sent()
    process = subprocess.Popen(replay_command(link, "--json", *arguments, path), stdout=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: link.packets_sent() > before, "the first packet")
        process.send_signal(number)
        output, _ = process.communicate(timeout=HANG_S)
    finally:
        process.kill()
    assert process.returncode == status
    report = json.loads(output)
    assert report["sent"] == link.packets_sent() - before
    assert report["unsent"] == 0


RACE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

ssize_t read(int fd, void *data, size_t n)
{
	static ssize_t (*next)(int, void *, size_t);
	struct stat status;

	next = next ? next : (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
	if (RACE_READ && fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode))
		raise(SIGTERM);
	return next(fd, data, n);
}

int open(const char *path, int flags, ...)
{
	static int (*next)(const char *, int, ...);
	struct stat status;

	next = next ? next : (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
	if (!RACE_READ && stat(path, &status) == 0 && S_ISFIFO(status.st_mode))
		raise(SIGTERM);
	return next(path, flags, 0600);
}
"""


@pytest.mark.skipif(SANITIZED, reason="the sanitizers' library wants to be the first one")
@pytest.mark.parametrize("call", ["open", "read"])
def test_a_signal_just_before_it_waits_for_a_pipe_is_not_lost(link: Link, folder: Path, call: str) -> None:
    """The signal comes in between: behind the last look at it, before the system call that nothing else would end."""
    (folder / "race.c").write_text(RACE)
    run("cc", "-shared", "-fPIC", f"-DRACE_READ={int(call == 'read')}", "-o", folder / "race.so", folder / "race.c")
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    process = subprocess.Popen(replay_command(link, pipe), env={**os.environ, "LD_PRELOAD": str(folder / "race.so")},
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    writer = os.open(pipe, os.O_RDWR) if call == "read" else None
    try:
        process.communicate(timeout=HANG_S)
    finally:
        process.kill()
        process.wait()
        if writer is not None:
            os.close(writer)
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("arguments", [(), ("--qdisc",)], ids=["bypass", "qdisc"])
@pytest.mark.parametrize(("lost", "error"), [("sender", "sending: Network is down"), ("name", "has no carrier")],
                         ids=["down", "unplugged"])
def test_link_going_down_is_an_error(link: Link, folder: Path, lost: str, error: str, arguments: tuple[str, ...]) -> None:
    path = write_pcap(folder / "a.pcap", timed([frame(i, 60) for i in range(100)]))
    before = link.packets_sent()
    process = subprocess.Popen(replay_command(link, "--loop", 0, "--speed", "1000pps", *arguments, path),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: link.packets_sent() > before, "the first packet")
        link.namespace.ip("link", "set", getattr(link, lost), "down")
        output, errors = process.communicate(timeout=HANG_S)
    finally:
        process.kill()
    assert process.returncode == 1
    assert f"{link.sender}: {error}" in errors
    assert output.startswith("sent ")
    done = replay_any(link, *arguments, path)  # nor does it begin
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{link.sender}: {'is down' if lost == 'sender' else error}" in done.stderr


def test_progress_is_shown_on_a_terminal_only(link: Link, folder: Path) -> None:
    path = write_pcap(folder / "a.pcap", timed([frame(i, 60) for i in range(5)], 100_000_000))
    ours, theirs = pty.openpty()
    try:
        run_options = {"stdout": subprocess.PIPE, "stderr": theirs, "timeout": HANG_S, "check": True}
        subprocess.run(replay_command(link, path), **run_options)
        assert b" packets, " in os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)
    assert replay_any(link, path).stderr == ""
