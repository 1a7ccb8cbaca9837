# SPDX-License-Identifier: BSD-3-Clause
"""What the daemon says of its storage engine is what it does: how blocks get into files, by which calls, and how full rings were."""
from __future__ import annotations

import errno
import json
import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from faults import no_uring
from harness import (FANCAPCTL, Fancapd, Frames, Json, Link, check_against_files, interface, run, thaw, verify, wait_until)

NO_O_DIRECT = "takes no direct writes (O_DIRECT)"
NO_IO_URING = "refuses io_uring"
COUNT = 4000


def has_io_uring() -> bool:
    disabled = Path("/proc/sys/kernel/io_uring_disabled")
    return not disabled.exists() or disabled.read_text().strip() == "0"


def record(fancapd: Fancapd, link: Link, workers: int = 1, **storage: object) -> Json:
    """Record some packets of 1400 bytes. @return statistics"""
    frames = Frames({"min": 1400, "max": 1400})
    fancapd.configure(interface(link, workers), storage={"directory": str(fancapd.recordings), **storage})
    fancapd.start()
    link.send(frames, COUNT)
    statistics = fancapd.settle(COUNT)
    check_against_files(statistics["total"], verify([*fancapd.files(), *fancapd.open_files()], frames, COUNT), COUNT)
    return statistics


@pytest.mark.parametrize("writer, kind, other", [("direct", "blocks_direct", "blocks_staged"),
                                                 ("staged", "blocks_staged", "blocks_direct")])
def test_blocks_are_counted_by_how_they_were_written(fancapd: Fancapd, link: Link, writer: str, kind: str,
                                                     other: str) -> None:
    statistics = record(fancapd, link, writer=writer)
    total, worker = statistics["total"], statistics["interfaces"][0]["workers"][0]
    # 5.6 MB of packets, in blocks of 256 KiB. A block filled to its last byte cannot be rewritten in place.
    assert total[kind] >= 20
    assert total[other] <= total[kind] // 10
    assert total["writes"] > 0
    assert 0 < total["write_mean_ns"] <= total["write_max_ns"]
    assert worker["writer"] == ("io_uring" if has_io_uring() else "pwrite")
    assert 1 <= worker["ring_blocks_used_max"] <= worker["ring_blocks"]
    assert statistics["interfaces"][0]["flow_balance"] == 1.0
    fancapd.stop()


def test_nothing_is_told_of_what_was_not_yet(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 2))
    fancapd.start()
    statistics = fancapd.statistics()
    assert statistics["interfaces"][0]["flow_balance"] is None
    assert all(worker["direct_io"] is None for worker in fancapd.workers())
    assert statistics["total"]["writes"] == statistics["total"]["write_mean_ns"] == 0
    link.send(Frames(), 1000)
    fancapd.settle(1000)
    seen = [worker["packets_seen"] for worker in fancapd.workers()]
    assert fancapd.statistics()["interfaces"][0]["flow_balance"] == pytest.approx(max(seen) / (sum(seen) / 2))
    fancapd.stop()


def test_a_ring_that_was_full_says_so(fancapd: Fancapd, link: Link) -> None:
    """A worker that does nothing for a while finds its ring full. What waited for it counts."""
    small = {"size": "1MiB", "block-size": "64KiB", "block-timeout": "50ms"}
    fancapd.configure(interface(link, 1, ring=small, snaplen=2000))
    fancapd.start()
    worker = fancapd.workers()[0]
    os.kill(worker["pid"], signal.SIGSTOP)
    link.send(Frames({"min": 1400, "max": 1400}), COUNT)
    thaw(worker["pid"])
    total = fancapd.settle(COUNT)["total"]
    assert total["packets_dropped"] > 0
    worker = fancapd.workers()[0]
    assert worker["ring_blocks_used_max"] == worker["ring_blocks"] == 16
    fancapd.stop()


@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS], ids=["EPERM", "ENOSYS"])
def test_no_io_uring_is_said_once(fancapd: Fancapd, link: Link, error: int) -> None:
    frames = Frames()
    fancapd.configure(interface(link, 3))
    fancapd.start(shell=f'exec {" ".join(no_uring(error))} "$@"')
    workers = fancapd.workers()
    assert [worker["writer"] for worker in workers] == ["pwrite"] * 3
    assert f"refuses io_uring to 3 of 3 workers: {os.strerror(error)}" in fancapd.log()
    os.kill(workers[1]["pid"], signal.SIGKILL)
    wait_until(lambda: fancapd.workers()[1]["pid"] not in (None, workers[1]["pid"]), "a new worker")
    link.send(frames, 1000)
    total = fancapd.settle(1000)["total"]
    assert fancapd.workers()[1]["writer"] == "pwrite"
    fancapd.stop()
    assert fancapd.log().count(NO_IO_URING) == 1
    check_against_files(total, verify(fancapd.files(), frames, 1000), 1000)


def test_no_o_direct_is_said_once_per_directory(fancapd: Fancapd, link: Link, opened: ExitStack) -> None:
    """A ramfs has none; files go through the page cache there, and nothing else changes."""
    directories = [fancapd.folder / name for name in ("with", "without", "without2")]
    for directory in directories:
        directory.mkdir()
    for directory in directories[1:]:
        run("mount", "-t", "ramfs", "fancap-test", directory)
        opened.callback(run, "umount", "--lazy", directory)
    fancapd.configure(interface(link, 6), storage={"directories": [str(directory) for directory in directories],
                                                   "writer": "direct"})
    frames = Frames()
    fancapd.start()
    assert NO_O_DIRECT not in fancapd.log()
    link.send(frames, COUNT)
    total = fancapd.settle(COUNT)["total"]
    direct = [worker["direct_io"] for worker in fancapd.workers()]
    assert direct[1::3] == direct[2::3] == [False, False]
    for directory in directories[1:]:
        wait_until(lambda d=directory: f"{d}: the file system {NO_O_DIRECT}" in fancapd.log(), "a word about it")
    fancapd.stop()
    assert fancapd.log().count(NO_O_DIRECT) == 2 + (direct[0] is False)
    files = [path for directory in directories for path in directory.rglob("*.pcapng")]
    check_against_files(total, verify(files, frames, COUNT), COUNT)


def test_fancapctl_shows_it(fancapd: Fancapd, link: Link) -> None:
    record(fancapd, link, writer="direct")

    def ctl(*words: str) -> str:
        return run(FANCAPCTL, "--socket", fancapd.socket, *words).stdout

    def fields(table: str, key: str) -> list[str]:
        lines = table.splitlines()
        at = next(i for i, line in enumerate(lines) if key in line)
        return lines[at + 1].split()

    workers = ctl("workers")
    assert fields(workers, "WRITER")[5] == fancapd.workers()[0]["writer"]
    writes = fields(ctl("statistics"), "BLOCKS DIRECT")
    total = json.loads(ctl("--json", "statistics"))["total"]
    assert writes[2] == str(total["blocks_direct"])
    assert float(writes[4]) >= 90.0
    assert json.loads(ctl("--json", "workers"))["workers"][0]["ring_blocks_used_max"] >= 1
    fancapd.stop()
