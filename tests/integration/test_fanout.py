# SPDX-License-Identifier: BSD-3-Clause
"""A million frames over a thousand flows: every one is accounted for, none is doubled, none is changed."""
from __future__ import annotations

import os
import signal
import time

import pytest

from harness import FANCAPCTL, Fancapd, Frames, Json, Link, check_against_files, interface, run, thaw, verify, wait_until

COUNT = 1_000_000


def record(fancapd: Fancapd, link: Link, count: int, workers: int, mode: str, *options: object,
           **traffic: object) -> tuple[Json, Json]:
    """Send, wait, stop. @return statistics when all was quiet, and what is in the files"""
    frames = Frames()
    since_ns = time.time_ns()
    fancapd.configure(interface(link, workers, fanout={"mode": mode}))
    fancapd.start()
    if traffic:
        link.send_split(frames, count, **traffic)
    else:
        link.send(frames, count)
    statistics = fancapd.settle(count)
    fancapd.stop()
    return statistics, verify(fancapd.files(), frames, count, "--since", since_ns, *options)


def check_workers(statistics: Json, result: Json) -> None:
    """What a worker says it wrote is in its files."""
    for worker in statistics["interfaces"][0]["workers"]:
        in_files = sum(file["packets"] for file in result["files"] if file["worker"] == worker["worker"])
        assert in_files == worker["packets_written"]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_hash_accounts_for_every_frame(fancapd: Fancapd, link: Link, workers: int) -> None:
    statistics, result = record(fancapd, link, COUNT, workers, "hash")
    check_against_files(statistics["total"], result, COUNT)
    check_workers(statistics, result)
    assert len(statistics["interfaces"][0]["workers"]) == workers
    assert result["flows_seen"] == 1000
    assert result["flows_split"] == 0
    assert result["wrong_direction"] == 0


def test_hash_uses_every_worker(fancapd: Fancapd, link: Link) -> None:
    """A thousand flows over four workers: none of them goes without a fair part."""
    statistics, _ = record(fancapd, link, 20_000, 4, "hash")
    for worker in statistics["interfaces"][0]["workers"]:
        assert worker["packets_seen"] > 20_000 / 4 / 2


@pytest.mark.parametrize("workers", [2, 4])
def test_hash_keeps_both_directions_together(fancapd: Fancapd, link: Link, workers: int) -> None:
    """Here one direction of each flow comes in and the other goes out."""
    count = 200_000
    statistics, result = record(fancapd, link, count, workers, "hash", "--out-is-reverse", reverse_via=link.name)
    check_against_files(statistics["total"], result, count)
    assert result["flows_split"] == 0
    assert result["flows_seen"] == 1000
    assert result["inbound"] > 0 and result["outbound"] > 0
    assert result["wrong_direction"] == 0


@pytest.mark.parametrize("mode", ["cbpf", "ebpf"])
def test_default_programs_keep_both_directions_together(fancapd: Fancapd, link: Link, mode: str) -> None:
    """As hash does; loading the eBPF program takes root (CAP_BPF)."""
    count = 50_000
    statistics, result = record(fancapd, link, count, 4, mode, "--out-is-reverse", reverse_via=link.name)
    check_against_files(statistics["total"], result, count)
    assert statistics["interfaces"][0]["fanout_mode"] == mode
    assert result["flows_split"] == 0
    assert result["flows_seen"] == 1000
    assert result["inbound"] > 0 and result["outbound"] > 0
    for worker in statistics["interfaces"][0]["workers"]:
        assert worker["packets_seen"] > count / 4 / 2


def test_lb_shares_evenly(fancapd: Fancapd, link: Link) -> None:
    statistics, result = record(fancapd, link, COUNT, 2, "lb")
    check_against_files(statistics["total"], result, COUNT)
    check_workers(statistics, result)
    for worker in statistics["interfaces"][0]["workers"]:
        assert worker["packets_seen"] == pytest.approx(COUNT / 2, rel=0.01)


@pytest.mark.parametrize("fanout", [
    {"mode": "cpu"}, {"mode": "rollover"}, {"mode": "rnd"}, {"mode": "qm"}, {"mode": "hash", "rollover": True},
    {"mode": "lb", "defragment": True}, {"mode": "cpu", "rollover": True, "defragment": True},
], ids=lambda fanout: "-".join(f"{name}={value}" for name, value in fanout.items()))
def test_every_mode_and_flag_accounts_for_every_frame(fancapd: Fancapd, link: Link, fanout: Json) -> None:
    count, frames = 100_000, Frames()
    fancapd.configure(interface(link, 3, fanout=fanout))
    fancapd.start()
    link.send(frames, count)
    statistics = fancapd.settle(count)
    fancapd.stop()
    result = verify(fancapd.files(), frames, count)
    check_against_files(statistics["total"], result, count)
    check_workers(statistics, result)
    assert statistics["interfaces"][0]["fanout_mode"] == fanout["mode"]


def test_rollover_uses_the_next_ring(fancapd: Fancapd, link: Link) -> None:
    """The first worker is stopped: what its ring cannot take is for the second."""
    count, frames = 20_000, Frames()
    small = {"size": "1MiB", "block-size": "128KiB", "block-timeout": "50ms"}
    fancapd.configure(interface(link, 2, ring=small, fanout={"mode": "rollover"}))
    fancapd.start()
    first = fancapd.workers()[0]["pid"]
    os.kill(first, signal.SIGSTOP)
    link.send(frames, count, pps=20_000)
    assert all(worker["packets_seen"] > 0 for worker in fancapd.workers())
    thaw(first)
    total = fancapd.settle()["total"]
    rollovers = [(worker["ring_rollovers"], worker["ring_rollovers_failed"]) for worker in fancapd.workers()]
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, count), count)
    # In this mode every packet is the first worker's to hand on.
    assert sum(rollovers[0]) == total["packets_seen"] and rollovers[1] == (0, 0)


def test_what_a_full_ring_hands_on_is_counted(fancapd: Fancapd, link: Link) -> None:
    """Round robin, and the first worker is stopped: its half goes to the second, as far as there is room."""
    count, frames = 20_000, Frames()
    small = {"size": "1MiB", "block-size": "128KiB", "block-timeout": "50ms"}
    fancapd.configure(interface(link, 2, ring=small, fanout={"mode": "lb", "rollover": True}))
    fancapd.start()
    first = fancapd.workers()[0]["pid"]
    os.kill(first, signal.SIGSTOP)
    link.send(frames, count, pps=20_000)
    thaw(first)
    total = fancapd.settle(count)["total"]
    workers, text = fancapd.workers(), run(FANCAPCTL, "--socket", fancapd.socket, "statistics").stdout
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, count), count)
    assert workers[0]["ring_rollovers"] > 0
    # What the first handed on, the second has; but for what it handed back.
    handed_on = workers[0]["ring_rollovers"] - workers[1]["ring_rollovers"]
    assert workers[1]["packets_seen"] == pytest.approx(count / 2 + handed_on, abs=1)
    assert "ROLLED OVER" in text and f"{workers[0]['ring_rollovers']:,}" in text


def test_full_ring_drops_are_counted(fancapd: Fancapd, link: Link) -> None:
    """A ring far too small for the traffic: what does not fit is counted, and marked in the files."""
    count = 300_000
    frames = Frames()
    fancapd.configure(interface(link, 1, ring={"size": "512KiB", "block-size": "256KiB", "block-timeout": "50ms"}))
    fancapd.start()
    link.send(frames, count)
    total = fancapd.settle(count)["total"]
    fancapd.stop()
    result = verify(fancapd.files(), frames, count)
    check_against_files(total, result, count)
    assert total["packets_dropped"] > 0
    assert total["ring_freezes"] > 0
    last = result["files"][-1]["statistics"]
    assert (last["filteraccept"], last["osdrop"], last["usrdeliv"]) == (
        total["packets_seen"], total["packets_dropped"], total["packets_written"])


@pytest.mark.parametrize("blocks", [2, 8])
def test_stalled_worker_records_nothing_twice(fancapd: Fancapd, link: Link, blocks: int) -> None:
    """It comes back to a ring full of nearly empty blocks, which all fit its buffer: it must not go round again."""
    frames = Frames({"max": 100})
    size = f"{blocks * 128}KiB"
    fancapd.configure(interface(link, 1, ring={"size": size, "block-size": "128KiB", "block-timeout": "10ms"}))
    fancapd.start()
    pid = fancapd.workers()[0]["pid"]
    os.kill(pid, signal.SIGSTOP)
    sender = link.flow(frames, pps=100)
    wait_until(lambda: fancapd.statistics()["total"]["packets_dropped"] > 0, "a full ring")
    thaw(pid)
    sent = sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, sent), sent)
