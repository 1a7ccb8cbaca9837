# SPDX-License-Identifier: BSD-3-Clause
"""SIGHUP: a good configuration takes effect without a packet lost; a bad one changes nothing."""
from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pcapng
from harness import (Fancapd, Frames, Link, check_against_files, descriptors, expected_frames, interface, verify,
                     wait_until)


COUNT = 20_000
REFUSED = "reload refused, nothing has changed: "


def reload(fancapd: Fancapd, answer: str) -> str:
    """Send SIGHUP and wait until the daemon says how that went. @return what it said, from the answer on"""
    before = len(fancapd.log())
    os.kill(fancapd.pid, signal.SIGHUP)
    wait_until(lambda: answer in fancapd.log()[before:], f"'{answer}'")
    return fancapd.log()[before:].split(answer, 1)[1].splitlines()[0]


def test_reload_under_traffic_loses_nothing(fancapd: Fancapd, link: Link) -> None:
    """Again and again, with other snaplens and rotation: all is accounted for, once, by the same processes."""
    frames = Frames()
    fancapd.configure(interface(link, 2))
    fancapd.start()
    pids = fancapd.processes()
    sender = link.flow(frames, pps=30_000)
    for i in range(10):
        fancapd.configure(interface(link, 2, snaplen=2000 + i), rotate={"size": f"{i + 1}MiB"})
        reload(fancapd, "configuration reloaded")
        fancapd.wait_for_packets(1000)
    sent = sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    assert fancapd.processes() == pids
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, sent), sent)


def test_reload_changes_filter_and_snaplen(fancapd: Fancapd, link: Link, folder: Path) -> None:
    """Files from then on say so themselves."""
    frames = Frames()
    fancapd.configure(interface(link, 2))
    fancapd.start()
    fancapd.configure(interface(link, 2, filter="ip6", snaplen=100))
    reload(fancapd, "configuration reloaded")
    expected = expected_frames(folder, frames, COUNT, "ip6")
    assert 0 < expected < COUNT
    link.send(frames, COUNT)
    total = fancapd.settle(expected)["total"]
    fancapd.stop()
    assert total["packets_seen"] == total["packets_written"] == expected
    packets = [packet for path in fancapd.files() for packet in pcapng.read(path).packets]
    assert len(packets) == expected
    assert all(len(packet.data) == min(packet.length, 100) for packet in packets)
    for path in fancapd.files():
        found = pcapng.read(path)
        if found.packets:
            assert found.interface.options[pcapng.IF_FILTER] == b"\0ip6"


def test_reload_changes_the_log_level(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link), log={"level": "error"})
    fancapd.start()
    assert "is capturing" not in fancapd.log()
    fancapd.configure(interface(link), log={"level": "info"})
    reload(fancapd, "configuration reloaded")
    fancapd.stop()
    assert "stopped: 0 packets seen" in fancapd.log()


def rewrite(**changes: object) -> Callable[[Fancapd, Link], None]:
    return lambda fancapd, link: fancapd.configure(interface(link, **{"workers": 2, **changes}))


def add_interface(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 2), interface(link, name="lo"))


def move_socket(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 2), control={"socket": f"{fancapd.socket}2"})


def move_recordings(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 2), storage={"directory": f"{fancapd.recordings}2"})


BAD: dict[str, tuple[Callable[[Fancapd, Link], None], str]] = {
    "missing": (lambda fancapd, _: fancapd.config_path.unlink(), "cannot be read: No such file"),
    "not YAML": (lambda fancapd, _: fancapd.config_path.write_text("interfaces: [") and None, ":1:"),
    "unknown key": (rewrite(wrokers=2), "unknown key 'wrokers', did you mean 'workers'?"),
    "wrong value": (rewrite(snaplen="many"), "'many' is not a number"),
    "wrong filter": (rewrite(filter="not prot 22"), "syntax error"),
    "workers": (rewrite(workers=3), "workers takes a restart"),
    "fanout": (rewrite(fanout={"mode": "lb"}), "fanout takes a restart"),
    "ring": (rewrite(ring={"size": "16MiB"}), "ring takes a restart"),
    "cpus": (rewrite(cpus=[0, 0]), "cpus takes a restart"),
    "promiscuous": (rewrite(promiscuous=False), "promiscuous takes a restart"),
    "direction": (rewrite(direction="in"), "direction takes a restart"),
    "interface": (add_interface, "adding or removing interfaces takes a restart"),
    "other interface": (rewrite(name="lo"), "adding or removing interfaces (cap0) takes a restart"),
    "socket": (move_socket, "control.socket takes a restart"),
    "directory": (move_recordings, "storage.directory takes a restart"),
}


def test_bad_reload_changes_nothing(fancapd: Fancapd, link: Link) -> None:
    """It is said on one line why, and the daemon goes on as before."""
    frames = Frames()
    fancapd.configure(interface(link, 2))
    fancapd.start()
    pids = fancapd.processes()
    for name, (change, reason) in BAD.items():
        fancapd.configure(interface(link, 2))
        change(fancapd, link)
        assert reason in reload(fancapd, REFUSED), name
        assert fancapd.processes() == pids, name
    link.send(frames, COUNT)
    total = fancapd.settle(COUNT)["total"]
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, COUNT), COUNT)
    assert total["packets_written"] == COUNT


def test_reloads_leak_nothing(fancapd: Fancapd, link: Link) -> None:
    """Good and bad ones, with filters that compile and others."""
    fancapd.configure(interface(link, 2))
    fancapd.start()

    def counts() -> list[int]:
        return [len(descriptors(pid)) for pid in fancapd.processes()]

    before = counts()
    for i in range(50):
        fancapd.configure(interface(link, 2, filter="udp" if i % 2 else "not prot 22"))
        reload(fancapd, "configuration reloaded" if i % 2 else REFUSED)
    wait_until(lambda: counts() == before, "the descriptors as before")
    fancapd.stop()
