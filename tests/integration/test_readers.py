# SPDX-License-Identifier: BSD-3-Clause
"""Other people's programs read what fancapd records."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

import pcapng
from harness import Fancapd, Frames, Link, count_packets, interface, run

COUNT = 20_000
CHECKSUMS = ("-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE")


@pytest.fixture
def recorded(fancapd: Fancapd, link: Link) -> list[Path]:
    """Both directions, two workers, several files each."""
    fancapd.configure(interface(link, 2, filter="udp or vlan", snaplen=2000), rotate={"size": "4MiB"})
    fancapd.start()
    link.send_split(Frames(), COUNT, reverse_via=link.name)
    total = fancapd.settle(COUNT)["total"]
    assert total["packets_written"] == COUNT, "a small run is recorded whole"
    fancapd.stop()
    assert len(fancapd.files()) > 2
    return fancapd.files()


def tshark(path: Path, *options: str) -> list[str]:
    return run("tshark", "-n", "-r", path, *options).stdout.splitlines()


def test_every_reader_reads_every_file(recorded: list[Path], folder: Path) -> None:
    counted = dict.fromkeys(("tshark", "tcpdump", "capinfos"), 0)
    for path in recorded:
        counted["tshark"] += len(tshark(path, "-T", "fields", "-e", "frame.number"))
        counted["tcpdump"] += len(run("tcpdump", "-n", "-r", path).stdout.splitlines())
        counted["capinfos"] += count_packets(path)
        assert "nanoseconds" in run("capinfos", "-t", "-A", path).stdout
    assert counted == dict.fromkeys(counted, COUNT)


def test_no_packet_is_malformed(recorded: list[Path]) -> None:
    bad = "_ws.malformed or _ws.expert.severity == error or ip.checksum.status == bad or udp.checksum.status == bad"
    for path in recorded:
        assert tshark(path, *CHECKSUMS, "-Y", bad) == []
        assert len(tshark(path, *CHECKSUMS, "-Y", "udp.checksum.status == good")) == count_packets(path)


def test_times_have_nanoseconds(recorded: list[Path]) -> None:
    """Were they microseconds, every time would end in three zeros."""
    for path in recorded:
        times = tshark(path, "-T", "fields", "-e", "frame.time_epoch")
        assert all(len(time.split(".")[1]) == 9 for time in times)
        assert sum(time.endswith("000") for time in times) < len(times) / 2 + 5


def test_file_tells_of_its_interface(recorded: list[Path]) -> None:
    for path in recorded:
        found = pcapng.read(path).interface
        assert found.text(pcapng.IF_NAME) == "cap0"
        assert found.options[pcapng.IF_FILTER] == b"\0udp or vlan"
        assert found.options[pcapng.IF_TSRESOL] == b"\x09"
        assert found.text(pcapng.IF_OS).startswith(os.uname().sysname)
        assert found.snaplen == 2000
        assert found.link_type == 1
    text = run("capinfos", recorded[0]).stdout
    assert "Name = cap0" in text and "Filter string = udp or vlan" in text


def test_direction_is_shown(recorded: list[Path]) -> None:
    seen: set[str] = set()
    for path in recorded:
        seen.update(tshark(path, "-T", "fields", "-e", "frame.packet_flags_direction"))
    assert {int(direction, 0) for direction in seen} == {pcapng.INBOUND, pcapng.OUTBOUND}
