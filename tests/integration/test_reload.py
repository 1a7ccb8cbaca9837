# SPDX-License-Identifier: BSD-3-Clause
"""SIGHUP: a good configuration takes effect without a packet lost; a bad one changes nothing."""
from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pcapng
from harness import (SANITIZED, Fancapd, Frames, Link, add_veth, check_against_files, children, descriptors, expected_frames,
                     interface, read_proc_status, verify, wait_until)


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


# --- with new rings --------------------------------------------------------------------------------------------------

# What lets all that is sent pass, and is another filter each time.
FILTERS = ["", "ip or ip6", "greater 1", "not port 9", "less 65535"]
GROUPS: list[dict[str, Any]] = [
    {"workers": 3},
    {"workers": 1, "ring": {"size": "8MiB", "block-size": "256KiB", "block-timeout": "20ms"}},
    {"workers": 2, "fanout": {"mode": "lb"}},
    {"workers": 4, "fanout": {"mode": "hash", "rollover": True}},
    {"workers": 2, "fanout": {"mode": "ebpf"}, "timestamps": "software"},
    {"workers": 2, "promiscuous": False},
    {"workers": 3, "fanout": {"mode": "cpu"}, "ring": {"size": "16MiB", "block-size": "1MiB", "block-timeout": "30ms"}},
]


def resident_kib(pid: int) -> int:
    return int(read_proc_status(pid)["VmRSS"].split()[0])


def comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_new_rings_take_over_under_load(fancapd: Fancapd, link: Link) -> None:
    """Fifty times, with filters changing at the same time: each packet is in one file, and nothing piles up."""
    frames = Frames()
    fancapd.all_there = False
    fancapd.configure(interface(link, 2))
    fancapd.start()
    sender = link.flow(frames, pps=20_000)
    others = fancapd.namespace.packet_sockets() - 2
    at_first: tuple[int, int] | None = None
    seen = 0
    for i in range(50):
        fancapd.configure(interface(link, **{**GROUPS[i % len(GROUPS)], "filter": FILTERS[i % len(FILTERS)]}))
        reload(fancapd, "configuration reloaded")
        total = fancapd.statistics()["total"]
        assert total["packets_seen"] >= seen
        seen = total["packets_seen"]
        fancapd.wait_for_packets(1000)
        if i == 14:
            at_first = len(descriptors(fancapd.pid)), resident_kib(fancapd.pid)
    sent = sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    last = GROUPS[49 % len(GROUPS)]["workers"]
    wait_until(lambda: len(fancapd.workers()) == last and fancapd.namespace.packet_sockets() <= last + others, "old sets gone")
    assert at_first is not None
    # In both there may be one set being drained: four sockets, ledgers and channels at most.
    assert len(descriptors(fancapd.pid)) <= at_first[0]
    assert SANITIZED or resident_kib(fancapd.pid) <= at_first[1] + 2048  # ASan keeps what was freed for a while
    fancapd.stop()
    assert total["packets_seen"] == sent
    check_against_files(total, verify(fancapd.files(), frames, sent), sent)


def test_a_killed_worker_does_not_spoil_a_takeover(fancapd: Fancapd, link: Link) -> None:
    """Old ones and new ones, at any moment of it."""
    frames = Frames()
    fancapd.all_there = False
    fancapd.configure(interface(link, 2))
    fancapd.start()
    sender = link.flow(frames, pps=20_000)
    for i in range(12):
        fancapd.configure(interface(link, 2 + i % 2))
        before = len(fancapd.log())
        os.kill(fancapd.pid, signal.SIGHUP)
        while "configuration reloaded" not in fancapd.log()[before:] and REFUSED not in fancapd.log()[before:]:
            workers = [pid for pid in children(fancapd.pid) if comm(pid).startswith("fancapd-w")]
            with suppress(ProcessLookupError):  # it left by itself
                if workers:
                    os.kill(workers[i % len(workers)], signal.SIGKILL)
            fancapd.wait_for_packets(200 * (i % 4))
        fancapd.wait_for_packets(1000)
    sent = sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    fancapd.stop()
    assert total["packets_seen"] == sent
    check_against_files(total, verify(fancapd.files(), frames, sent), sent)


def test_interfaces_come_and_go_under_load(fancapd: Fancapd, link: Link) -> None:
    frames, other = Frames(), Frames()
    add_veth(fancapd.namespace, "late0", fancapd.namespace, "late0p")
    fancapd.all_there = False
    fancapd.configure(interface(link, 2))
    fancapd.start()
    sender = link.flow(frames, pps=20_000)
    recorded = 0
    for i in range(4):
        fancapd.configure(interface(link, 2), interface(link, 1 + i % 2, name="late0"))
        reload(fancapd, "configuration reloaded")
        assert [one["interface"] for one in fancapd.statistics()["interfaces"]] == [link.name, "late0"]
        sent = link.start(other, count=1000, start=1000 * i, interface="late0p").result()["sent"]
        recorded += sent
        fancapd.configure(interface(link, 2))
        reload(fancapd, "configuration reloaded")
        wait_until(lambda: len(fancapd.statistics()["interfaces"]) == 1, "the end of late0")
    sent = sender.stop()["sent"]
    total = fancapd.settle(sent + recorded)["total"]
    assert total["packets_written"] == sent + recorded
    fancapd.stop()
    mine = [path for path in fancapd.files() if path.name.startswith(link.name)]
    theirs = [path for path in fancapd.files() if path.name.startswith("late0")]
    for files, sequence, count in ((mine, frames, sent), (theirs, other, recorded)):
        result = verify(files, sequence, count)
        assert (result["missing"], result["duplicates"]) == (0, 0)


def test_the_storage_keeper_learns_of_new_rings(fancapd: Fancapd, link: Link) -> None:
    """It is replaced by one that knows their ledgers, and has not died."""
    frames = Frames()
    fancapd.all_there = False
    fancapd.configure(interface(link, 2))
    fancapd.start()
    before = fancapd.status()["storage"]["keeper_pid"]
    fancapd.configure(interface(link, 1))
    reload(fancapd, "configuration reloaded")
    wait_until(lambda: fancapd.status()["storage"]["keeper_pid"] not in (before, None), "another keeper")
    assert fancapd.status()["storage"]["keeper_restarts"] == 0
    link.send(frames, 1000)
    fancapd.settle(1000)
    fancapd.configure(interface(link, 2))
    reload(fancapd, "configuration reloaded")
    fancapd.stop()  # while it is being replaced, perhaps: all is finished all the same
    assert verify(fancapd.files(), frames, 1000)["missing"] == 0


def test_an_interface_that_cannot_be_had_changes_nothing(fancapd: Fancapd, link: Link) -> None:
    """Whatever else the configuration asks for."""
    frames = Frames()
    fancapd.configure(interface(link, 2))
    fancapd.start()
    sender = link.flow(frames, pps=5_000)
    sockets = fancapd.namespace.packet_sockets()
    fancapd.configure(interface(link, 4), interface(link, name="nosuch0", **{"on-missing": "fail"}))
    assert "nosuch0" in reload(fancapd, REFUSED)
    wait_until(lambda: fancapd.namespace.packet_sockets() == sockets, "the new sockets gone")
    assert [one["interface"] for one in fancapd.statistics()["interfaces"]] == [link.name]
    assert len(fancapd.workers()) == 2
    sent = sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, sent), sent)


def test_workers_move_to_other_cpus(fancapd: Fancapd, link: Link) -> None:
    """Without new rings."""
    fancapd.configure(interface(link, 2))
    fancapd.start()
    pids = [worker["pid"] for worker in fancapd.workers()]
    everywhere = os.sched_getaffinity(pids[0])
    one = min(everywhere)
    fancapd.configure(interface(link, 2, cpus=[one, one]))
    reload(fancapd, "configuration reloaded")
    assert [worker["pid"] for worker in fancapd.workers()] == pids
    assert [worker["cpu"] for worker in fancapd.workers()] == [one, one]
    assert [os.sched_getaffinity(pid) for pid in pids] == [{one}] * 2
    fancapd.configure(interface(link, 2))
    reload(fancapd, "configuration reloaded")
    assert [os.sched_getaffinity(pid) for pid in pids] == [everywhere] * 2
    fancapd.stop()


# --- refused ---------------------------------------------------------------------------------------------------------

def rewrite(**changes: object) -> Callable[[Fancapd, Link], None]:
    return lambda fancapd, link: fancapd.configure(interface(link, **{"workers": 2, **changes}))


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
    "CPU": (rewrite(cpus=[0, 1023]), "CPU 1023 is not there"),
    "ring": (rewrite(workers=3, fanout={"mode": "ebpf", "program": "/nonexistent"}), "fanout program"),
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
