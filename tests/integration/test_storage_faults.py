# SPDX-License-Identifier: BSD-3-Clause
"""Disks that fill up, fail, hang, go away: no process ends, every packet is accounted for, and recording resumes."""
from __future__ import annotations

import errno
import os
import re
import shutil
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from faults import FaultyDisk, no_uring, small_ext4, small_tmpfs
from harness import (Fancapd, Frames, Json, Link, check_against_files, check_clean, count_packets, interface, run,
                     verify, wait_until)
from test_storage_load import check_space

WRITERS = ["direct", "staged"]
PPS = 20_000
DISK_MIB = 64
RING: Json = {"size": "16MiB", "block-size": "128KiB", "block-timeout": "20ms"}


def capturing(fancapd: Fancapd) -> list[int]:
    """The processes that nothing may end. The storage keeper is replaced when its directory is."""
    return [fancapd.pid, *(worker["pid"] for worker in fancapd.workers())]


class Run:
    """A daemon that records traffic for as long as the test likes, and the account at its end."""

    def __init__(self, fancapd: Fancapd, link: Link, storage: Json, *, rotate: Json | None = None, workers: int = 2,
                 shell: str = 'exec "$@"', pps: int = PPS) -> None:
        self.fancapd = fancapd
        self.frames = Frames({"min": 600})
        fancapd.configure(interface(link, workers, ring=RING), storage=storage, rotate=rotate)
        fancapd.start(shell=shell)
        self.pids = capturing(fancapd)
        self.sender = link.flow(self.frames, pps=pps)
        self.wait_for_writing()

    def total(self) -> Json:
        return self.fancapd.statistics()["total"]

    def wait_for_writing(self) -> None:
        """Until every worker writes, from now on."""
        before = self.fancapd.workers()
        wait_until(lambda: all(now["packets_written"] > then["packets_written"] + 100
                               for now, then in zip(self.fancapd.workers(), before)), "every worker to write")

    def wait_for_discards(self, reason: str) -> None:
        before = self.total()["discarded_by_reason"][reason]
        wait_until(lambda: self.total()["discarded_by_reason"][reason] > before + 100, f"packets discarded: {reason}")

    def finish(self, reason: str | None, unfinished: int = 0) -> tuple[Json, Json]:
        """Stop, and close the account. @return the counters and what is in the files"""
        self.sent = self.sender.stop()["sent"]
        total = self.fancapd.settle(self.sent)["total"]
        assert capturing(self.fancapd) == self.pids
        assert total["worker_restarts"] == 0
        discarded = {name: n for name, n in total["discarded_by_reason"].items() if n}
        assert list(discarded) == ([reason] if reason else [])
        parts = self.fancapd.open_files() if unfinished else []
        if unfinished:
            for path in parts:
                path.rename(path.with_suffix(""))
            assert len(parts) >= unfinished
        self.fancapd.stop()
        result = verify(self.fancapd.files(), self.frames, self.sent)
        return total, result

    def check(self, reason: str | None) -> Json:
        total, result = self.finish(reason)
        check_against_files(total, result, self.sent)
        assert sum(map(count_packets, self.fancapd.files())) == result["packets"]
        return total


@pytest.fixture
def faulty(fancapd: Fancapd, folder: Path, opened: ExitStack) -> FaultyDisk:
    """The recordings' disk."""
    (folder / "backing").mkdir()
    return opened.enter_context(FaultyDisk(fancapd.recordings, folder / "backing"))


# --- full ----------------------------------------------------------------------------------------------

def full_tmpfs(where: Path, folder: Path, opened: ExitStack) -> Callable[[], object]:
    opened.enter_context(small_tmpfs(where, DISK_MIB))
    return lambda: run("mount", "-o", f"remount,size={8 * DISK_MIB}m", where)


def full_ext4(where: Path, folder: Path, opened: ExitStack) -> Callable[[], object]:
    opened.enter_context(small_ext4(where, folder / "image", DISK_MIB))
    run("fallocate", "--length", f"{DISK_MIB // 2}M", where / "filler")
    return (where / "filler").unlink


@pytest.mark.parametrize(("disk", "writer", "rotate"), [
    (full_tmpfs, "direct", {"size": "1MiB"}), (full_tmpfs, "staged", None),
    (full_ext4, "direct", None), (full_ext4, "direct", {"size": "1MiB"}), (full_ext4, "staged", {"size": "1MiB"}),
])
def test_full_disk(fancapd: Fancapd, link: Link, folder: Path, opened: ExitStack, disk: Callable[..., Callable[[], object]],
                   rotate: Json | None, writer: str) -> None:
    make_room = disk(fancapd.recordings, folder, opened)
    recording = Run(fancapd, link, {"writer": writer}, rotate=rotate)
    recording.wait_for_discards("disk_full")
    wait_until(lambda: fancapd.files(), "what was written to be published")
    make_room()
    recording.wait_for_writing()
    total = recording.check("disk_full")
    assert total["packets_written"] > 0
    assert "No space left on device" in fancapd.log() and "writing again, to" in fancapd.log()
    check_space(fancapd.files())


# --- errors ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("error", "reason", "writer"), [
    (errno.EIO, "disk_error", "direct"), (errno.EIO, "disk_error", "staged"), (errno.ENOSPC, "disk_full", "staged"),
    (errno.EROFS, "disk_error", "direct"), (errno.EDQUOT, "disk_full", "direct"),
])
def test_failing_writes(fancapd: Fancapd, link: Link, faulty: FaultyDisk, error: int, reason: str, writer: str) -> None:
    recording = Run(fancapd, link, {"writer": writer})
    for _ in range(2):
        faulty.fail(error, "write")
        recording.wait_for_discards(reason)
        faulty.heal()
        recording.wait_for_writing()
    recording.check(reason)
    assert len(fancapd.files()) >= 2 + 2  # a new one each time, of one worker at least
    assert os.strerror(error) in fancapd.log()


def test_files_cannot_be_made(fancapd: Fancapd, link: Link, faulty: FaultyDisk) -> None:
    recording = Run(fancapd, link, {}, rotate={"size": "1MiB"})
    faulty.fail(errno.EIO, "create")
    recording.wait_for_discards("disk_error")
    faulty.heal()
    recording.wait_for_writing()
    recording.check("disk_error")


@pytest.mark.parametrize("operation", ["rename", "fsync"])
def test_files_cannot_be_finished(fancapd: Fancapd, link: Link, faulty: FaultyDisk, operation: str) -> None:
    """They keep the name of unfinished ones, are whole, and recording goes on in others at once."""
    recording = Run(fancapd, link, {}, rotate={"size": "1MiB"})
    faulty.fail(errno.EIO, operation)
    wait_until(lambda: len(fancapd.open_files()) >= 6, "unfinished files")
    faulty.heal()
    recording.wait_for_writing()
    recording.sender.stop()
    total = fancapd.settle()["total"]
    assert total["packets_discarded"] == 0
    assert capturing(fancapd) == recording.pids
    fancapd.process.terminate()
    assert fancapd.wait() == 0
    paths = [*fancapd.files(), *fancapd.open_files()]
    check_against_files(total, verify(paths, recording.frames, total["packets_seen"]), total["packets_seen"])
    assert "cannot finish the file: Input/output error" in fancapd.log()


def test_room_that_cannot_be_reserved(fancapd: Fancapd, link: Link, faulty: FaultyDisk) -> None:
    """Reserving is a hint: without it, all is as before."""
    faulty.fail(errno.EOPNOTSUPP, "allocate")
    Run(fancapd, link, {"writer": "direct"}, rotate={"size": "4MiB"}).check(None)


# --- slow ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(("operation", "size"), [("write", "1MiB"), ("fsync", "none")])
def test_hanging_disk(fancapd: Fancapd, link: Link, faulty: FaultyDisk, operation: str, size: str, writer: str) -> None:
    """
    The rings fill up, the kernel drops and counts; who asks is answered meanwhile. Nobody can write to a file that is
    being synced: that takes one that is open for long.
    """
    recording = Run(fancapd, link, {"writer": writer}, rotate={"size": size})
    faulty.hang(operation)
    wait_until(lambda: recording.total()["packets_dropped"] > 1000, "drops")
    assert faulty.hanging() >= 1
    assert fancapd.status()
    faulty.heal()
    recording.wait_for_writing()
    total = recording.check(None)
    assert total["packets_dropped"] > 1000


def test_finished_files_wait_for_a_hanging_disk(fancapd: Fancapd, link: Link, faulty: FaultyDisk) -> None:
    """Not to be synced, and not renamed before that; what comes is recorded in others."""
    recording = Run(fancapd, link, {"sync-interval": "none"}, rotate={"size": "1MiB"})
    faulty.hang("fsync")
    wait_until(lambda: len(fancapd.open_files()) >= 12, "files that wait")
    assert faulty.hanging() == 1
    recording.wait_for_writing()
    faulty.heal()
    recording.check(None)


def test_slow_disk(fancapd: Fancapd, link: Link, faulty: FaultyDisk) -> None:
    recording = Run(fancapd, link, {"writer": "direct"})
    faulty.delay(200)
    wait_until(lambda: recording.total()["packets_dropped"] > 1000, "drops")
    faulty.heal()
    recording.wait_for_writing()
    recording.check(None)


def test_who_waits_for_a_disk_is_no_dead_worker(fancapd: Fancapd, link: Link, folder: Path, opened: ExitStack) -> None:
    """A pause of the disk longer than the supervisor's patience: it ends when it has lost that with one that is dead."""
    fancapd.recordings.mkdir(parents=True, exist_ok=True)
    opened.enter_context(small_ext4(fancapd.recordings, folder / "image", 512))
    recording = Run(fancapd, link, {"writer": "direct"}, rotate={"size": "256MiB"})
    waiting, dead = (worker["pid"] for worker in fancapd.workers())
    run("fsfreeze", "--freeze", fancapd.recordings)
    try:
        wait_until(lambda: fancapd.workers()[0]["packets_dropped"] > 1000, "drops")
        os.kill(dead, signal.SIGSTOP)
        wait_until(lambda: f"worker 1: process {dead} has made no progress" in fancapd.log(), "the end of patience")
    finally:
        run("fsfreeze", "--unfreeze", fancapd.recordings)
    recording.wait_for_writing()
    assert fancapd.workers()[0]["pid"] == waiting
    sent = recording.sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), recording.frames, sent), sent)


# --- gone ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("all_of_it", [False, True], ids=["interface", "directory"])
def test_removed_under_load(fancapd: Fancapd, link: Link, writer: str, all_of_it: bool) -> None:
    """What was written to a file that somebody removes is gone with it, and said; what comes then is in a new one."""
    recording = Run(fancapd, link, {"writer": writer}, rotate={"size": "none", "interval": "none"})
    shutil.rmtree(fancapd.recordings if all_of_it else fancapd.recordings / link.name)
    wait_until(lambda: len(fancapd.open_files()) == 2, "new files")
    recording.wait_for_writing()
    total, result = recording.finish(None)
    removed = [int(n) for n in re.findall(r"took the file away, with (\d+) packets", fancapd.log())]
    assert len(removed) == 2
    assert result["packets"] + sum(removed) == total["packets_written"]
    check_clean(result)


def test_disk_is_pulled_out(fancapd: Fancapd, link: Link, faulty: FaultyDisk) -> None:
    """It does not come back. Packets are counted, orders are heard, and fancapd ends when it is told to."""
    recording = Run(fancapd, link, {"writer": "direct"})
    faulty.vanish()
    recording.wait_for_discards("disk_error")
    sent = recording.sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    assert capturing(fancapd) == recording.pids
    assert total["packets_discarded"] == total["discarded_by_reason"]["disk_error"]
    fancapd.process.terminate()
    assert fancapd.wait() == 0


# --- what is not there -------------------------------------------------------------------------------------

@pytest.mark.parametrize(("error", "writer"), [(errno.EPERM, "direct"), (errno.EPERM, "staged"), (errno.ENOSYS, "direct")])
def test_no_io_uring(fancapd: Fancapd, link: Link, error: int, writer: str) -> None:
    recording = Run(fancapd, link, {"writer": writer}, rotate={"size": "1MiB"},
                    shell=f'exec {" ".join(no_uring(error))} "$@"')
    recording.wait_for_writing()
    recording.check(None)
    assert sum("io_uring" in line and os.strerror(error) in line for line in fancapd.log().splitlines()) == 1


@pytest.mark.parametrize("writer", WRITERS)
def test_no_direct_writes(fancapd: Fancapd, link: Link, opened: ExitStack, writer: str) -> None:
    """A file system that has no O_DIRECT: the same files, through the page cache."""
    run("mount", "-t", "ramfs", "fancap-test", fancapd.recordings)
    opened.callback(run, "umount", "--lazy", fancapd.recordings)
    with pytest.raises(OSError):
        os.open(fancapd.recordings / "file", os.O_WRONLY | os.O_CREAT | os.O_DIRECT)
    recording = Run(fancapd, link, {"writer": writer}, rotate={"size": "1MiB"})
    recording.wait_for_writing()
    recording.check(None)


# --- several directories -----------------------------------------------------------------------------------

@pytest.fixture
def two(fancapd: Fancapd) -> tuple[Path, Path]:
    """Worker 0 has the first, worker 1 the second."""
    paths = fancapd.recordings / "one", fancapd.recordings / "two"
    for path in paths:
        path.mkdir()
    return paths


def storage_of(two: tuple[Path, Path]) -> Json:
    return {"writer": "direct", "directories": [str(path) for path in two]}


def wait_for_worker_in(recording: Run, worker: int, where: Path) -> None:
    """Until it finishes another file there."""
    def finished() -> int:
        return len(list(where.rglob(f"*-w{worker}-*.pcapng")))

    before = finished()
    wait_until(lambda: finished() > before + 1, f"files of worker {worker} in {where.name}")


def test_another_disk_stands_in_for_one_that_fails(fancapd: Fancapd, link: Link, folder: Path, opened: ExitStack,
                                                   two: tuple[Path, Path]) -> None:
    (folder / "backing").mkdir()
    disk = opened.enter_context(FaultyDisk(two[0], folder / "backing"))
    recording = Run(fancapd, link, storage_of(two), rotate={"size": "1MiB"})
    wait_for_worker_in(recording, 0, two[0])
    wait_for_worker_in(recording, 1, two[1])
    assert not list(two[1].rglob("*-w0-*"))
    disk.fail(errno.EIO, "write")
    wait_for_worker_in(recording, 0, two[1])
    # What was on its way: at first that may be the closing statistics, and no packet.
    wait_until(lambda: recording.total()["packets_discarded"] > 0, "packets discarded")
    wait_for_worker_in(recording, 0, two[1])
    disk.heal()
    wait_for_worker_in(recording, 0, two[0])
    wait_for_worker_in(recording, 1, two[1])
    for path in (folder / "backing").rglob("*.part"):  # could not be cut and renamed when it failed
        path.rename(path.with_name(path.name + ".kept"))
    recording.finish("disk_error")
    assert not list(two[0].rglob("*-w1-*"))


def test_another_disk_stands_in_for_one_that_is_full(fancapd: Fancapd, link: Link, opened: ExitStack,
                                                     two: tuple[Path, Path]) -> None:
    opened.enter_context(small_tmpfs(two[0], 16))
    recording = Run(fancapd, link, storage_of(two), rotate={"size": "1MiB"})
    wait_for_worker_in(recording, 0, two[0])
    wait_for_worker_in(recording, 0, two[1])
    run("mount", "-o", f"remount,size={16 * DISK_MIB}m", two[0])
    wait_for_worker_in(recording, 0, two[0])
    recording.check("disk_full")


def test_a_directory_that_was_removed_is_made_again(fancapd: Fancapd, link: Link, two: tuple[Path, Path]) -> None:
    recording = Run(fancapd, link, storage_of(two), rotate={"size": "1MiB"})
    wait_for_worker_in(recording, 0, two[0])
    shutil.rmtree(two[0])
    wait_for_worker_in(recording, 0, two[0])
    _, result = recording.finish(None)
    check_clean(result)
