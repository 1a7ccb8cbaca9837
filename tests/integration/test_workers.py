# SPDX-License-Identifier: BSD-3-Clause
"""A process dies at any moment: the others go on, and what was lost is counted."""
from __future__ import annotations

import mmap
import os
import signal
import struct
import time
from pathlib import Path

import pytest

from harness import (Fancapd, Frames, Json, Link, Sender, check_against_files, check_clean, children,
                     descriptors, interface, is_alive, verify, wait_until)

WORKERS = 4
PPS = 30_000


def start(fancapd: Fancapd, link: Link, workers: int = WORKERS) -> tuple[Frames, Sender]:
    frames = Frames()
    fancapd.configure(interface(link, workers))
    fancapd.start()
    sender = link.flow(frames, pps=PPS)
    wait_until(lambda: all(worker["packets_written"] for worker in fancapd.workers()), "packets of every worker")
    return frames, sender


def wait_for_new_worker(fancapd: Fancapd, number: int, old_pid: int) -> Json:
    def replaced() -> Json | None:
        worker = fancapd.workers()[number]
        return worker if worker["pid"] not in (None, 0, old_pid) else None

    return wait_until(replaced, f"a new worker {number}")


def kill_worker(fancapd: Fancapd, number: int) -> Json:
    """@return the worker that took over"""
    pid = fancapd.workers()[number]["pid"]
    os.kill(pid, signal.SIGKILL)
    return wait_for_new_worker(fancapd, number, pid)


def finish(fancapd: Fancapd, frames: Frames, sender: Sender) -> Json:
    """@return totals, after the account is closed"""
    sent = sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, sent), sent)
    return total


def test_a_frozen_worker_is_found_and_replaced(fancapd: Fancapd, link: Link) -> None:
    """By its silence: nothing is lost, since its ring has room, and the others are not disturbed."""
    frames, sender = start(fancapd, link, workers=2)
    frozen, other = (worker["pid"] for worker in fancapd.workers())
    os.kill(frozen, signal.SIGSTOP)
    wait_for_new_worker(fancapd, 0, frozen)
    assert f"cap0: worker 0: process {frozen} has made no progress for " in fancapd.log()
    assert fancapd.workers()[1]["pid"] == other
    total = finish(fancapd, frames, sender)
    assert total["worker_restarts"] == 1


def spoil_ledgers(pid: int) -> int:
    """As a worker may that has gone wrong: each says that its latest file is in a folder that there is not."""
    spoilt = 0
    for number, name in descriptors(pid).items():
        if not name.startswith("/memfd:fancap-ledger"):
            continue
        with Path(f"/proc/{pid}/fd/{number}").open("r+b") as file, mmap.mmap(file.fileno(), 0) as ledger:
            # struct ledger_writer, on a cache line of its own: io_uring, o_direct, error, folder; none yet
            places = [at for at in range(0, 1 << 14, 64)
                      if ledger[at + 1] == 0 and ledger[at + 4:at + 8] == b"\xff" * 4 and ledger[at + 8:at + 64] == bytes(56)]
            assert len(places) == 1
            ledger[places[0] + 4:places[0] + 8] = struct.pack("=i", 0x7fffffff)
            spoilt += 1
    return spoilt


def test_the_supervisor_does_not_trust_a_ledger(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 2))
    fancapd.start()
    supervisor = fancapd.status()["pid"]
    assert spoil_ledgers(supervisor) == 2
    frozen = fancapd.workers()[0]["pid"]
    os.kill(frozen, signal.SIGSTOP)
    wait_for_new_worker(fancapd, 0, frozen)  # the supervisor has looked at them, second by second
    assert fancapd.status()["pid"] == supervisor
    fancapd.stop()


def test_a_silent_link_is_healthy(fancapd: Fancapd, link: Link) -> None:
    """Heartbeats go by time, not by traffic."""
    fancapd.configure(interface(link, 2))
    fancapd.start()
    before = [worker["pid"] for worker in fancapd.workers()]
    time.sleep(6)
    assert [worker["pid"] for worker in fancapd.workers()] == before
    assert "no progress" not in fancapd.log()


def test_others_go_on_when_a_worker_dies(fancapd: Fancapd, link: Link) -> None:
    frames, sender = start(fancapd, link)
    before = fancapd.workers()
    os.kill(before[1]["pid"], signal.SIGKILL)
    for number in (0, 2, 3):
        wait_until(lambda n=number: fancapd.workers()[n]["packets_written"] > before[n]["packets_written"],
                   f"packets of worker {number}")
    worker = wait_for_new_worker(fancapd, 1, before[1]["pid"])
    assert worker["worker_restarts"] == 1
    assert is_alive(worker["pid"])
    after = fancapd.workers()
    assert [after[n]["pid"] for n in (0, 2, 3)] == [before[n]["pid"] for n in (0, 2, 3)]
    wait_until(lambda: fancapd.workers()[1]["packets_written"] > worker["packets_written"],
               "packets of the new worker")
    assert finish(fancapd, frames, sender)["worker_restarts"] == 1


def test_counters_never_go_back(fancapd: Fancapd, link: Link) -> None:
    frames, sender = start(fancapd, link, 1)
    growing = ("packets_seen", "packets_dropped", "packets_delivered", "packets_written", "packets_discarded",
               "bytes_written")
    last = fancapd.statistics()["total"]

    def replaced(old_pid: int) -> bool:
        nonlocal last
        total = fancapd.statistics()["total"]
        assert all(total[name] >= last[name] for name in growing), (last, total)
        last = total
        return fancapd.workers()[0]["pid"] not in (None, 0, old_pid)

    for _ in range(3):
        pid = fancapd.workers()[0]["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda old=pid: replaced(old), "a new worker")
    finish(fancapd, frames, sender)


def test_workers_die_again_and_again(fancapd: Fancapd, link: Link) -> None:
    """Ten deaths: the account closes to the packet, and no descriptor is left behind."""
    frames, sender = start(fancapd, link)
    supervisor_fds = len(descriptors(fancapd.pid))
    worker_fds = [len(descriptors(worker["pid"])) for worker in fancapd.workers()]
    for death in range(10):
        kill_worker(fancapd, death % WORKERS)
    fancapd.wait_for_packets(1000)
    assert all(worker["worker_restarts"] >= 2 for worker in fancapd.workers())
    total = fancapd.statistics()["total"]
    assert total["worker_restarts"] == 10
    # A client that is just leaving, a file that is being opened or closed: a descriptor more for a moment, then or now.
    wait_until(lambda: len(descriptors(fancapd.pid)) <= supervisor_fds, "the supervisor's descriptors as before")
    wait_until(lambda: max(len(descriptors(worker["pid"])) for worker in fancapd.workers()) <= max(worker_fds),
               "the workers' descriptors as before")
    finish(fancapd, frames, sender)


def test_all_workers_die_at_once(fancapd: Fancapd, link: Link) -> None:
    frames, sender = start(fancapd, link)
    pids = [worker["pid"] for worker in fancapd.workers()]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for number, pid in enumerate(pids):
        wait_for_new_worker(fancapd, number, pid)
    assert finish(fancapd, frames, sender)["worker_restarts"] == WORKERS


def test_worker_dies_while_all_is_quiet(fancapd: Fancapd, link: Link) -> None:
    """Nothing was under way, so nothing may be lost."""
    frames = Frames()
    fancapd.configure(interface(link, 2))
    fancapd.start()
    link.send(frames, 1000)
    fancapd.settle(1000)
    for number in range(2):
        kill_worker(fancapd, number)
    link.send(frames, 1000, start=1000)
    total = fancapd.settle(2000)["total"]
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, 2000), 2000)
    assert total["packets_written"] == 2000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_while_a_worker_is_dead(fancapd: Fancapd, link: Link, number: signal.Signals) -> None:
    """Its ring is still full when the daemon is told to end."""
    frames, sender = start(fancapd, link)
    os.kill(fancapd.workers()[0]["pid"], signal.SIGKILL)
    fancapd.stop(number)
    sent = sender.stop()["sent"]
    check_clean(verify(fancapd.files(), frames, sent))


def test_stop_does_not_wait_for_a_replacement_that_is_due_later(fancapd: Fancapd, link: Link) -> None:
    """After ten deaths without a packet recorded it would be 5 s."""
    frames = Frames()
    fancapd.configure(interface(link))
    fancapd.start()
    for _ in range(9):
        kill_worker(fancapd, 0)
    os.kill(fancapd.workers()[0]["pid"], signal.SIGKILL)
    wait_until(lambda: "replacing it in 5120 ms" in fancapd.log(), "the tenth death")
    assert fancapd.workers()[0]["state"] == "degraded"
    link.send(frames, 5000)
    before = time.monotonic()
    fancapd.stop()
    assert time.monotonic() - before < 4
    check_clean(verify(fancapd.files(), frames, 5000))


def test_worker_that_hangs_does_not_hang_the_stop(fancapd: Fancapd, link: Link) -> None:
    """It is killed after 20 s, and the exit status says that not all went well."""
    fancapd.configure(interface(link, 2))
    fancapd.start()
    os.kill(fancapd.workers()[0]["pid"], signal.SIGSTOP)
    os.kill(fancapd.pid, signal.SIGTERM)
    notify = fancapd.notify
    assert notify and fancapd.wait() == 1
    assert "does not finish: killing it" in fancapd.log()
    assert any(message.startswith("EXTEND_TIMEOUT_USEC=") for message in notify.messages)  # it was waited for


def test_death_of_the_supervisor_ends_the_workers(fancapd: Fancapd, link: Link) -> None:
    """They finish their files first."""
    frames, sender = start(fancapd, link)
    assert fancapd.process
    pids = children(fancapd.pid)
    fancapd.process.kill()
    assert fancapd.wait() == -signal.SIGKILL
    wait_until(lambda: not any(is_alive(pid) for pid in pids), "the end of every worker")
    sent = sender.stop()["sent"]
    assert fancapd.open_files() == []
    result = verify(fancapd.files(), frames, sent)
    check_clean(result)
    assert result["packets"] > 0
    assert link.namespace.packet_sockets() == 0


def test_start_again_after_the_supervisor_was_killed(fancapd: Fancapd, link: Link) -> None:
    """The socket file it left is no hindrance; the files it left are kept."""
    start(fancapd, link)
    assert fancapd.process
    pids = children(fancapd.pid)
    fancapd.process.kill()
    fancapd.wait()
    wait_until(lambda: not any(is_alive(pid) for pid in pids), "the end of every worker")
    kept: dict[Path, int] = {path: path.stat().st_size for path in fancapd.files()}
    fancapd.start()
    fancapd.wait_for_packets(1000)
    fancapd.stop()
    assert {path: path.stat().st_size for path in kept} == kept
    assert len(fancapd.files()) > len(kept)
