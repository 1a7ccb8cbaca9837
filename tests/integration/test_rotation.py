# SPDX-License-Identifier: BSD-3-Clause
"""Files are closed by size and by the clock; every packet is in exactly one."""
from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from harness import Fancapd, Frames, Json, Link, check_against_files, check_clean, interface, verify, wait_until

MIB = 1 << 20
SECOND_NS = 10 ** 9


def by_worker(result: Json) -> dict[int, list[Json]]:
    """A worker's files with packets in them, in the order of their names."""
    files: dict[int, list[Json]] = {}
    for file in result["files"]:
        if file["packets"]:
            files.setdefault(file["worker"], []).append(file)
    return files


def check_order(result: Json) -> None:
    """The names sort as the packets do."""
    for files in by_worker(result).values():
        assert all(one["first_ns"] <= next_["first_ns"] for one, next_ in pairwise(files))


def check_names(paths: list[Path], folder: Path) -> None:
    """<dir>/<interface>/<YYYY-MM-DD>/<interface>-w<worker>-<UTC start>.pcapng"""
    pattern = re.compile(r"cap0/(\d{4})-(\d\d)-(\d\d)/cap0-w\d+-(\d{4})-?(\d\d)-?(\d\d)T[^/]*\.pcapng")
    for path in paths:
        found = pattern.fullmatch(str(path.relative_to(folder)))
        assert found, path
        assert found.groups()[:3] == found.groups()[3:], path


def test_rotation_by_size(fancapd: Fancapd, link: Link) -> None:
    frames, count = Frames(), 40_000
    fancapd.configure(interface(link, 2), rotate={"size": "1MiB"})
    fancapd.start()
    link.send(frames, count)
    total = fancapd.settle(count)["total"]
    fancapd.stop()
    result = verify(fancapd.files(), frames, count)
    check_against_files(total, result, count)
    check_order(result)
    check_names(fancapd.files(), fancapd.recordings)
    assert all(file["bytes"] <= MIB for file in result["files"])
    # A file is closed because the next record would not fit: but for the last ones they are nearly full.
    for files in by_worker(result).values():
        assert len(files) > 10
        assert all(file["bytes"] > MIB * 3 // 4 for file in files[:-1])
    assert sum(file["bytes"] for file in result["files"]) == sum(
        path.stat().st_size for path in fancapd.files())


def test_bytes_written_are_the_bytes_in_the_files(fancapd: Fancapd, link: Link) -> None:
    frames, count = Frames(), 10_000
    fancapd.configure(interface(link, 2), rotate={"size": "64MiB"})
    fancapd.start()
    link.send(frames, count)
    total = fancapd.settle(count)["total"]
    in_files = sum(path.stat().st_size for path in [*fancapd.files(), *fancapd.open_files()])
    fancapd.stop()
    # What stop() itself adds is a closing statistics block a file.
    assert in_files == total["bytes_written"]


def test_rotation_by_the_clock(fancapd: Fancapd, link: Link) -> None:
    """Intervals are aligned to the wall clock: all packets of a file are of one interval."""
    frames = Frames()
    fancapd.configure(interface(link, 2), rotate={"interval": "1s"})
    fancapd.start()
    sender = link.flow(frames, pps=10_000)
    wait_until(lambda: len(fancapd.files()) >= 6, "three intervals of two workers")
    sent = sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    fancapd.stop()
    result = verify(fancapd.files(), frames, sent)
    check_against_files(total, result, sent)
    check_order(result)
    tolerance_ns = SECOND_NS // 2  # a block is recorded into one file, even when the boundary falls within it
    for files in by_worker(result).values():
        assert len(files) >= 3
        for file in files:
            middle = (file["first_ns"] + file["last_ns"]) // 2 // SECOND_NS * SECOND_NS
            assert file["first_ns"] > middle - tolerance_ns
            assert file["last_ns"] < middle + SECOND_NS + tolerance_ns


def test_file_of_a_quiet_link_is_closed_at_the_boundary(fancapd: Fancapd, link: Link) -> None:
    """No packet comes to wake the worker up: the clock must."""
    frames = Frames()
    fancapd.configure(interface(link, 2), rotate={"interval": "1s"})
    fancapd.start()
    link.send(frames, 10)
    fancapd.settle(10)

    def published() -> int:
        return verify(fancapd.files(), frames, 10)["packets"]

    wait_until(lambda: published() == 10, "files with all packets")
    fancapd.stop()
    check_clean(verify(fancapd.files(), frames, 10))


def test_published_file_is_whole(fancapd: Fancapd, link: Link) -> None:
    """Whoever sees the final name sees a finished file, at any moment."""
    frames = Frames()
    fancapd.configure(interface(link, 2), rotate={"size": "1MiB"})
    fancapd.start()
    sender = link.flow(frames, pps=50_000)
    checked: set[Path] = set()

    def thirty_are_checked() -> bool:
        new = [path for path in fancapd.files() if path not in checked]
        check_clean(verify(new, frames, 10_000_000))
        checked.update(new)
        return len(checked) >= 30

    wait_until(thirty_are_checked, "thirty files")
    assert sender.running()
    sender.stop()
    fancapd.stop()
