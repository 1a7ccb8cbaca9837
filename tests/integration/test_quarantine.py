# SPDX-License-Identifier: BSD-3-Clause
"""A part of the ring that no worker survives is given up, set aside, and can be looked at."""
from __future__ import annotations

import os
import re
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from faults import FaultyDisk
from harness import (FANCAPCTL, Fancapd, Frames, Link, check_clean, children, interface, is_alive, run, verify, wait_until)

COUNT = 2000


def die_in_a_block(fancapd: Fancapd, disk: FaultyDisk, deaths: int) -> None:
    """
    A worker that makes a file, with a block in its hands, is as good a victim as any, and holds still. A disk that answers lets
    it die; while the supervisor is frozen no other one comes, until the disk hangs again.
    """
    died = f"was killed by signal {signal.SIGUSR1:d}"  # not SIGKILL, which is somebody else's fault
    while fancapd.log().count(died) < deaths:
        wait_until(disk.hanging, "a worker in a block")
        os.kill(fancapd.pid, signal.SIGSTOP)
        worker = next(pid for pid in children(fancapd.pid)
                      if Path(f"/proc/{pid}/comm").read_text().startswith("fancapd-w"))
        os.kill(worker, signal.SIGUSR1)
        disk.heal()
        wait_until(lambda pid=worker: not is_alive(pid), "its death")
        disk.hang("create")
        os.kill(fancapd.pid, signal.SIGCONT)
        wait_until(lambda pid=worker: f"process {pid} was killed by" in fancapd.log(), "word of it")
    disk.heal()


@pytest.mark.parametrize("writer", ["direct", "staged"])
def test_a_block_that_kills_twice_is_set_aside(fancapd: Fancapd, link: Link, folder: Path, opened: ExitStack,
                                               writer: str) -> None:
    (folder / "backing").mkdir()
    disk = opened.enter_context(FaultyDisk(fancapd.recordings, folder / "backing"))
    frames = Frames({"min": 600, "vlan": True})
    fancapd.configure(interface(link), storage={"writer": writer})
    fancapd.start()
    disk.hang("create")
    link.send(frames, COUNT)
    die_in_a_block(fancapd, disk, 2)
    link.send(frames, COUNT, start=COUNT)
    total = fancapd.settle(2 * COUNT)["total"]
    lost = total["discarded_by_reason"]["worker_crash"]
    assert 0 < lost == total["packets_discarded"] <= COUNT
    assert total["packets_written"] == 2 * COUNT - lost
    fancapd.stop()
    aside, = (fancapd.recordings / "quarantine").iterdir()
    assert aside.stat().st_mode & 0o7777 == 0o640
    assert re.fullmatch(r"cap0-w0-\d{8}T\d{6}\.\d{6}Z\.block", aside.name)
    assert f"its {lost} packets are counted as discarded (worker_crash), and it is set aside as {aside}" in fancapd.log()
    recordings = fancapd.files()
    result = verify(recordings, frames, 2 * COUNT)
    check_clean(result)
    assert result["missing"] == lost
    # What is not in the recordings is in the block.
    said = run(FANCAPCTL, "recover", aside).stdout
    assert f"{lost} packets" in said
    result = verify([*recordings, aside.with_suffix(".recovered.pcapng")], frames, 2 * COUNT)
    check_clean(result)
    assert result["missing"] == 0
