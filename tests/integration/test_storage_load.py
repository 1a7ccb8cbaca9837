# SPDX-License-Identifier: BSD-3-Clause
"""Under load: thousands of rotations' worth of files, workers that are killed all the time, somebody who follows."""
from __future__ import annotations

import contextlib
import os
import random
import signal
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from harness import (Fancapd, Frames, Json, Link, check_against_files, check_clean, check_closing_statistics,
                     descriptors, interface, verify, wait_until)
from test_rotation import by_worker

MIB = 1 << 20
JUMBO = 9014
RING: Json = {"size": "64MiB", "block-size": "128KiB", "block-timeout": "20ms"}


def check_statistics_add_up(result: Json, total: Json) -> None:
    """Each file tells what came since the one before: together they tell all."""
    told = [file["statistics"] for file in result["files"]]
    assert sum(one["usrdeliv"] for one in told) == total["packets_written"]
    assert sum(one["osdrop"] for one in told) == total["packets_dropped"]
    assert sum(one["filteraccept"] for one in told) == total["packets_seen"]
    assert result["dropcount"] <= total["packets_dropped"]


def check_order(result: Json) -> None:
    """No packet before one that was sent earlier, within a file or across a rotation."""
    for files in by_worker(result).values():
        assert all(file["reordered"] == 0 for file in files)
        assert all(one["last_seq"] < next_["first_seq"] for one, next_ in pairwise(files))


def check_space(paths: list[Path]) -> None:
    """What was reserved beyond a file's end has been given back; file systems need a little for themselves."""
    for path in paths:
        status = path.stat()
        assert status.st_blocks * 512 <= status.st_size + (32 << 10), path


def wait_until_idle(fancapd: Fancapd) -> None:
    wait_until(lambda: all(worker["ring_blocks_used"] == 0 for worker in fancapd.workers()), "blocks handed back")


@pytest.mark.parametrize("writer", ["direct", "staged"])
def test_a_thousand_rotations(fancapd: Fancapd, make_link: Callable[..., Link], writer: str) -> None:
    link, frames, files = make_link(mtu=9000), Frames({"max": JUMBO}), 1000
    fancapd.configure(interface(link, 2, ring=RING), rotate={"size": "1MiB"}, storage={"writer": writer})
    fancapd.start()
    sender = link.flow(frames)
    wait_until(lambda: len(fancapd.files()) > 2, "the first files")

    def counts() -> list[int]:
        return [len(descriptors(pid)) for pid in fancapd.processes()]

    fds = counts()
    wait_until(lambda: len(fancapd.files()) >= files, f"{files} files", 240)
    sent = sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    wait_until_idle(fancapd)
    wait_until(lambda: all(now <= then + 2 for now, then in zip(counts(), fds)),
               "no more descriptors than before")  # a file that is open, a client that is leaving
    fancapd.stop()
    result = verify(fancapd.files(), frames, sent)
    check_against_files(total, result, sent)
    check_order(result)
    check_statistics_add_up(result, total)
    check_space(fancapd.files())
    assert total["worker_restarts"] == total["packets_discarded"] == 0
    assert all(file["bytes"] <= MIB for file in result["files"])
    direct = sum(file["direct"] for file in result["files"])
    assert direct > result["packets"] * 3 / 4 if writer == "direct" else direct == 0


def test_rotation_by_the_clock_of_blocks_that_are_not_packed(fancapd: Fancapd, link: Link) -> None:
    """A block with packets of two intervals is packed, others are not: each file has its own interval's only."""
    frames = Frames({"min": 1000})
    fancapd.configure(interface(link, 2, ring=RING), rotate={"interval": "1s"}, storage={"writer": "direct"})
    fancapd.start()
    sender = link.flow(frames, pps=10_000)
    wait_until(lambda: len(fancapd.files()) >= 4, "two intervals of two workers")
    sent = sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    fancapd.stop()
    result = verify(fancapd.files(), frames, sent)
    check_against_files(total, result, sent)
    check_order(result)
    check_statistics_add_up(result, total)
    assert all(file["first_ns"] // 10 ** 9 == file["last_ns"] // 10 ** 9 for file in result["files"] if file["packets"])
    assert sum(file["direct"] for file in result["files"]) > sent / 2


# --- somebody who follows --------------------------------------------------------------------------------

KINDS = {0x0A0D0D0A, 1, 5, 6}


class Follower:
    """Reads a file while it grows, up to its end each time; strict."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDONLY)
        self.at = 0  # all before it was whole
        self.packets = 0
        self.looks = 0

    def look(self) -> None:
        data = os.pread(self.fd, os.fstat(self.fd).st_size - self.at, self.at)
        at = 0
        while len(data) - at >= 8:
            kind, length = struct.unpack_from("<II", data, at)
            assert kind in KINDS and length >= 12 and length % 4 == 0, (
                f"{self.path}: at {self.at + at} of {self.at + len(data)}: {data[at:at + 16].hex()}")
            if length > len(data) - at:
                break
            assert data[at + length - 4:at + length] == data[at + 4:at + 8], (
                f"{self.path}: block of {length} at {self.at + at} of {self.at + len(data)} has no end")
            self.packets += kind == 6
            at += length
        self.looks += at > 0
        self.at += at

    def close(self) -> None:
        os.close(self.fd)


@pytest.mark.parametrize("writer", ["direct", "staged", "auto"])
def test_file_can_be_followed(fancapd: Fancapd, link: Link, writer: str) -> None:
    """At any moment a file is whole blocks and the beginning of one; never zeros, nor what is written again."""
    frames = Frames()
    fancapd.configure(interface(link, ring={**RING, "block-timeout": "5ms"}), storage={"writer": writer})
    fancapd.start()
    sender = link.flow(frames, pps=50_000)
    part, = wait_until(fancapd.open_files, "the file")
    follower = Follower(part)

    def followed() -> bool:
        for _ in range(20):
            follower.look()
        return follower.looks >= 100

    wait_until(followed, "100 looks at something new")
    sent = sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    follower.look()
    assert follower.packets == total["packets_written"]
    assert follower.at == part.stat().st_size
    follower.close()
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, sent), sent)


# --- workers that are killed -------------------------------------------------------------------------------

WORKERS, DEATHS_EACH = 16, 7  # a worker that dies again and again is replaced later and later


def test_a_hundred_deaths(fancapd: Fancapd, link: Link) -> None:
    """At any moment: between blocks, while one is rewritten, with writes under way, while files are finished."""
    frames, chance = Frames({"min": 200}), random.Random(4)
    fancapd.configure(interface(link, WORKERS, ring={**RING, "size": "16MiB", "block-size": "64KiB", "block-timeout": "100ms"},
                                snaplen=2000),
                      rotate={"size": "1MiB"}, storage={"writer": "direct"})
    fancapd.start()
    sender = link.flow(frames, pps=20_000)
    killed: set[int] = set()

    def all_have_died() -> bool:
        workers = fancapd.workers()
        for worker in workers:
            if worker["state"] == "running" and worker["worker_restarts"] < DEATHS_EACH and worker["pid"] not in killed:
                if chance.random() < 0.3:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(worker["pid"], signal.SIGKILL)
                    killed.add(worker["pid"])
        return all(worker["worker_restarts"] >= DEATHS_EACH for worker in workers)

    wait_until(all_have_died, f"{WORKERS * DEATHS_EACH} deaths")
    sent = sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    wait_until_idle(fancapd)
    fancapd.stop()
    assert len(killed) >= WORKERS * DEATHS_EACH > 100
    assert total["worker_restarts"] == len(killed)
    assert total["packets_discarded"] == 0
    result = verify(fancapd.files(), frames, sent)
    check_against_files(total, result, sent)
    check_order(result)
    check_statistics_add_up(result, total)
    check_space(fancapd.files())
    assert sum(file["direct"] for file in result["files"]) > 0
    check_clean(result)
