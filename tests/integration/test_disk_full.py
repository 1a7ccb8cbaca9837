# SPDX-License-Identifier: BSD-3-Clause
"""A disk that fills up: capture goes on, what does not fit is counted as such, and writing resumes by itself."""
from __future__ import annotations

import errno
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness import Fancapd, Frames, Json, Link, check_against_files, interface, run, verify, wait_until

SIZE_MIB = 8
COUNT = 50_000  # of 60 to 1514 bytes: some 40 MB


@pytest.fixture
def small_disk(fancapd: Fancapd, opened: ExitStack) -> Path:
    """The daemon's recordings are on a file system of their own, of a few MiB."""
    run("mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "fancap-test", fancapd.recordings)
    opened.callback(run, "umount", "--lazy", fancapd.recordings)
    return fancapd.recordings


@pytest.mark.parametrize("rotate", [None, {"size": "1MiB"}], ids=["one file", "rotation"])
def test_full_disk_is_counted_and_overcome(fancapd: Fancapd, link: Link, small_disk: Path,
                                           rotate: Json | None) -> None:
    frames = Frames()
    fancapd.configure(interface(link, 2), rotate=rotate)
    fancapd.start()
    link.send(frames, COUNT)
    full = fancapd.settle(COUNT)["total"]
    assert 0 < full["packets_written"] < COUNT
    assert full["discarded_by_reason"]["disk_full"] == full["packets_discarded"] > 0
    assert full["worker_restarts"] == 0
    assert "No space left on device" in fancapd.log()

    run("mount", "-o", f"remount,size={10 * SIZE_MIB}m", small_disk)
    sent = COUNT

    def resumed() -> bool:
        nonlocal sent
        link.send(frames, 1000, start=sent)
        sent += 1000
        workers = fancapd.settle(sent)["interfaces"][0]["workers"]
        return all(now["packets_written"] > then["packets_written"] for now, then in zip(workers, before))

    before = fancapd.workers()
    wait_until(resumed, "writing to resume")
    total = fancapd.settle(sent)["total"]
    assert total["packets_discarded"] == total["discarded_by_reason"]["disk_full"]
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, sent), sent)


def test_disk_full_from_the_start(fancapd: Fancapd, link: Link, small_disk: Path) -> None:
    """Not even the first file finds room; stopping is no different then."""
    run("fallocate", "--length", f"{SIZE_MIB}M", small_disk / "filler")
    frames = Frames()
    fancapd.configure(interface(link, 2))
    fancapd.start()
    link.send(frames, 1000)
    total = fancapd.settle(1000)["total"]
    assert total["packets_discarded"] == total["discarded_by_reason"]["disk_full"] == 1000
    fancapd.stop()


def test_disk_filled_by_others_is_made_room_on(fancapd: Fancapd, link: Link, small_disk: Path) -> None:
    """Nothing is said of free space, but an age: recordings may go, and the oldest do when a write finds no room."""
    frames, sent = Frames(), 4000
    fancapd.configure(interface(link, 1), rotate={"size": "1MiB"}, storage={"retain": {"free": "none", "age": "36500d"}})
    fancapd.start()
    link.send(frames, sent)
    fancapd.settle(sent)
    wait_until(lambda: len(fancapd.files()) >= 2, "finished files")
    oldest, filler = min(fancapd.files()), small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC

    def resumed() -> bool:
        nonlocal sent
        link.send(frames, 1000, start=sent)
        sent += 1000
        before = fancapd.workers()[0]["packets_written"]
        return fancapd.settle(sent)["total"]["packets_written"] > before and not oldest.exists()

    wait_until(resumed, "writing to resume")
    assert filler.exists()
    assert "the disk is full; " in fancapd.log()
    fancapd.stop()
