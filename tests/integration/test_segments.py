# SPDX-License-Identifier: BSD-3-Clause
"""Recorded files over the control socket: ListSegments, Hold, Release."""
from __future__ import annotations

import os
import signal
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import varlink
from harness import Fancapd, Frames, Json, Link, act, count_packets, interface, refused, wait_until

COUNT = 2_000
S = 1_000_000_000


def wait_scanned(fancapd: Fancapd) -> None:
    wait_until(lambda: fancapd.status()["storage"]["scanned"], "the keeper's first look")


def segments(fancapd: Fancapd, **query: Any) -> list[Json]:
    """All, page by page."""
    found: list[Json] = []
    page = act(fancapd, "ListSegments", **query)
    while True:
        found += page["segments"]
        if page["next"] is None:
            return found
        assert page["next"] == found[-1]["path"]
        page = act(fancapd, "ListSegments", **query, after=page["next"])


def record_files(fancapd: Fancapd, link: Link, files: int) -> None:
    """So many finished files of each of two workers."""
    before = len(fancapd.files())
    for i in range(files):
        link.send(Frames(), COUNT)
        fancapd.settle(COUNT * (i + 1))
        act(fancapd, "Rotate")
    wait_until(lambda: len(fancapd.files()) == before + 2 * files, "the files")
    wait_until(lambda: fancapd.status()["storage"]["files"] == before + 2 * files, "the index")


def test_files_are_listed_as_they_are(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 2))
    fancapd.start()
    wait_scanned(fancapd)
    record_files(fancapd, link, 3)
    link.send(Frames(), COUNT)
    fancapd.settle(4 * COUNT)
    listed = segments(fancapd)
    assert sorted(one["path"] for one in listed) == sorted(map(str, fancapd.files() + fancapd.open_files()))
    assert all(one["start_ns"] <= next_["start_ns"] for one, next_ in pairwise(listed))
    assert sum(one["packets"] for one in listed) == 4 * COUNT
    for one in listed:
        path = Path(one["path"])
        assert (one["state"] == "active") == path.name.endswith(".part")
        assert (one["interface"], one["held"], one["compressed"]) == ("cap0", False, False)
        assert path.name.startswith(f"cap0-w{one['worker']}-")
        if one["state"] == "finished":
            assert one["packets"] == count_packets(path)
            assert one["bytes"] >= path.stat().st_size
            assert one["start_ns"] <= one["end_ns"] < one["start_ns"] + 3600 * S
    for limit in (1, 3, 1000):
        assert segments(fancapd, limit=limit) == listed
    middle = listed[4]["start_ns"]
    assert segments(fancapd, to_ns=middle) == [one for one in listed if one["start_ns"] < middle]
    assert segments(fancapd, from_ns=middle) == [one for one in listed if one["end_ns"] is None or one["end_ns"] >= middle]
    assert segments(fancapd, interface="cap0", limit=5) == listed
    assert segments(fancapd, interface="cap1") == []
    fancapd.stop()

    # Another daemon knows nothing of them but what is in them.
    fancapd.start()
    wait_scanned(fancapd)
    after = {one["path"]: one for one in segments(fancapd)}
    for one in listed:
        assert one == after[one["path"]] if one["state"] == "finished" else one["path"][:-len(".part")] in after
    assert sum(one["packets"] for one in after.values()) == 4 * COUNT
    fancapd.stop()


def test_held_files_outlive_retention(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 2))
    fancapd.start()
    wait_scanned(fancapd)
    record_files(fancapd, link, 3)
    link.send(Frames(), COUNT)
    fancapd.settle(4 * COUNT)
    listed = [one["path"] for one in segments(fancapd)]
    active = listed[-1]
    keep = [listed[0], listed[3], active]
    assert active.endswith(".part")
    assert act(fancapd, "Hold", paths=keep) == {"changed": 3}
    assert act(fancapd, "Hold", paths=keep[:2]) == {"changed": 0}
    assert [one["path"] for one in segments(fancapd) if one["held"]] == keep

    # All or nothing.
    gone = listed[1].replace("-w", "-w7")
    error = refused(fancapd, "Hold", paths=[listed[1], listed[2], gone])
    assert (error.name, error.parameters) == ("io.fancap.NoSuchSegment", {"path": gone})
    error = refused(fancapd, "Hold", paths=[listed[1], "/etc/passwd"])
    assert (error.name, error.parameters) == ("io.fancap.NoSuchSegment", {"path": "/etc/passwd"})
    assert [one["path"] for one in segments(fancapd) if one["held"]] == keep

    act(fancapd, "Rotate")
    finished = active[:-len(".part")]
    wait_until(lambda: Path(finished).exists() and not fancapd.open_files(), "its final name")
    kept = {listed[0], listed[3], finished}
    fancapd.configure(interface(link, 2), storage={"retain": {"age": "1s", "free": "none"}})
    act(fancapd, "Reload")
    wait_until(lambda: {str(path) for path in fancapd.files()} == kept, "the others' end")
    assert act(fancapd, "Release", paths=[listed[0], finished]) == {"changed": 2}
    assert act(fancapd, "Release", paths=[finished, listed[3]] if Path(finished).exists() else [listed[3]])["changed"] == 1
    wait_until(lambda: not fancapd.files(), "the end of all")
    assert not list(fancapd.recordings.rglob("*.hold"))
    fancapd.stop()


def test_hold_that_fails_halfway_is_undone(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 1))
    fancapd.start()
    wait_scanned(fancapd)
    for i in range(3):
        link.send(Frames(), COUNT)
        fancapd.settle(COUNT * (i + 1))
        act(fancapd, "Rotate")
    wait_until(lambda: fancapd.status()["storage"]["files"] == 3, "the index")
    paths = [one["path"] for one in segments(fancapd)]
    Path(paths[2]).unlink()  # behind the keeper's back
    error = refused(fancapd, "Hold", paths=paths)
    assert (error.name, error.parameters) == ("io.fancap.NoSuchSegment", {"path": paths[2]})
    assert not list(fancapd.recordings.rglob("*.hold"))
    Path(f"{paths[1]}.hold").mkdir()  # a marker of somebody's own making, which takes more than unlink() to remove
    assert act(fancapd, "Hold", paths=paths[:1]) == {"changed": 1}
    assert refused(fancapd, "Release", paths=paths[:2]).name == "io.fancap.Unavailable"
    assert Path(f"{paths[0]}.hold").exists()
    fancapd.stop()


def test_compressed_files_keep_their_figures(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 2))
    fancapd.start()
    wait_scanned(fancapd)
    record_files(fancapd, link, 1)
    plain = segments(fancapd)
    assert act(fancapd, "Hold", paths=[plain[0]["path"]]) == {"changed": 1}
    fancapd.configure(interface(link, 2), storage={"compress": "zstd"})
    act(fancapd, "Reload")
    wait_until(lambda: fancapd.status()["storage"]["compressed_files"] == 1, "the one that is not held")
    held, other = segments(fancapd)
    assert (held["path"], held["held"], held["compressed"]) == (plain[0]["path"], True, False)
    assert (other["path"], other["compressed"]) == (plain[1]["path"] + ".zst", True)
    assert (other["packets"], other["end_ns"]) == (plain[1]["packets"], plain[1]["end_ns"])
    # By the name that it had when it was listed.
    assert act(fancapd, "Hold", paths=[plain[1]["path"]]) == {"changed": 1}
    assert all(one["held"] for one in segments(fancapd))
    fancapd.stop()


def test_many_files_are_told_page_by_page(fancapd: Fancapd, link: Link) -> None:
    """Of several workers and days, and of an interface that is not captured any more; nothing can be read of them."""
    names = []
    for day in range(1, 6):
        folder = fancapd.recordings / "old0" / f"2020-01-0{day}"
        folder.mkdir(parents=True)
        for i in range(600):
            for worker in (0, 10):
                name = folder / f"old0-w{worker}-2020010{day}T00{i // 60:02}{i % 60:02}.000000Z.pcapng"
                name.touch()
                names.append(str(name))
    fancapd.configure(interface(link, 1))
    fancapd.start()
    wait_scanned(fancapd)
    listed = segments(fancapd, limit=1000)
    assert len(listed) == len(names) and {one["path"] for one in listed} == set(names)
    assert all(one["packets"] is None and one["end_ns"] is None for one in listed)
    assert [one["path"] for one in segments(fancapd, limit=700)] == [one["path"] for one in listed]
    assert act(fancapd, "Hold", paths=names[:250]) == {"changed": 250}
    assert sum(one["held"] for one in segments(fancapd, limit=1000)) == 250
    fancapd.stop()


def test_keeper_that_is_not_there_is_said_so(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 1))
    fancapd.start()
    wait_scanned(fancapd)
    keeper = fancapd.status()["storage"]["keeper_pid"]
    os.kill(keeper, signal.SIGSTOP)
    with varlink.Connection(fancapd.socket) as waiting:
        waiting.send("io.fancap.ListSegments")
        for _ in range(10):  # more than it is asked at once; these leave
            with varlink.Connection(fancapd.socket) as leaving:
                leaving.send("io.fancap.ListSegments")
        assert fancapd.status()["state"] == "running"
        wait_until(lambda: refused_fast(fancapd), "that it has enough to do")
        os.kill(keeper, signal.SIGKILL)
        reply = waiting.receive()
        assert reply["error"] == "io.fancap.Unavailable"
        assert "died" in reply["parameters"]["reason"]

    def answered() -> bool:
        try:
            return act(fancapd, "ListSegments")["next"] is None
        except varlink.VarlinkError as error:
            assert error.name == "io.fancap.Unavailable"
            time.sleep(0.05)
            return False

    wait_until(answered, "its replacement")
    fancapd.stop()


def refused_fast(fancapd: Fancapd) -> bool:
    error = refused(fancapd, "ListSegments")
    return error.name == "io.fancap.Unavailable" and "earlier calls" in error.parameters["reason"]
