# SPDX-License-Identifier: BSD-3-Clause
"""Workers killed at random instants, again and again: what they leave is gone on with, to the packet."""
from __future__ import annotations

import os
import random
import signal
import statistics
import time
from dataclasses import dataclass, field

from harness import SANITIZED, Fancapd, Frames, Json, Link, check_against_files, interface, verify, wait_until
from test_storage_load import check_order, check_space, check_statistics_add_up, wait_until_idle

WORKERS = 2
KILLS = 100 if SANITIZED else 1000
LIFE_S = 0.03  # the longest: some die before they have recorded anything, most while they write
# So often in a row one may die before it has recorded anything. Beyond that the pauses between replacements grow, and on a
# busy machine nothing is recorded between two of them, ever: then it lives until it has.
BARREN = 4
GROWING = ("packets_seen", "packets_dropped", "packets_written", "packets_discarded", "bytes_written", "blocks_direct",
           "blocks_staged", "writes", "worker_restarts")


@dataclass
class Target:
    """A worker, whatever its process."""

    chance: random.Random
    pids: set[int] = field(default_factory=set)  # that have been killed
    dies_at: float | None = None  # None: dead, or not to die yet
    is_new: bool = True  # its process has not been seen yet
    barren: int = 0  # killed so often since it was last seen to have committed
    killed_at: float = 0
    last: Json = field(default_factory=dict)
    started_after: list[float] = field(default_factory=list)
    committed_after: list[float] = field(default_factory=list)
    written: int | None = None  # when it was found dead: more, and its replacement has committed

    def look(self, worker: Json, now: float) -> None:
        assert all(worker[name] >= self.last.get(name, 0) for name in GROWING), (self.last, worker)
        self.last = worker
        if worker["pid"] in self.pids or worker["state"] != "running":
            self.written = worker["packets_written"]
            return
        if self.is_new and self.pids:
            self.started_after.append(now - self.killed_at)
        self.is_new = False
        if self.written is not None and worker["packets_written"] > self.written:
            self.written = None
            self.committed_after.append(now - self.killed_at)
        if self.written is None:
            self.barren = 0
        if self.dies_at is None and self.barren < BARREN:
            self.dies_at = now + self.chance.uniform(0, LIFE_S)

    def is_due(self, now: float) -> bool:
        return self.dies_at is not None and now >= self.dies_at

    def kill(self) -> None:
        os.kill(self.last["pid"], signal.SIGKILL)
        self.killed_at = time.monotonic()
        self.pids.add(self.last["pid"])
        self.dies_at = None
        self.is_new = True
        self.barren += 1


def kill_all_the_time(fancapd: Fancapd, targets: list[Target], kills: int) -> None:
    """A look at the statistics, whose identity holds each time, and then whose time has come."""
    def done() -> bool:
        for _ in range(10):
            workers, now = fancapd.workers(), time.monotonic()
            for target, worker in zip(targets, workers):
                target.look(worker, now)
                if target.is_due(now) and sum(len(one.pids) for one in targets) < kills:
                    target.kill()
        return sum(len(one.pids) for one in targets) >= kills

    wait_until(done, f"{kills} kills", limit_s=300)


def describe(times: list[float]) -> str:
    """The median is what is promised; it is no matter of passing or failing here."""
    return f"median {statistics.median(times) * 1000:.1f} ms, longest {max(times) * 1000:.0f} ms, of {len(times)}"


def test_a_thousand_kills(fancapd: Fancapd, link: Link) -> None:
    """Between blocks, while one is rewritten, with writes under way, while files are finished, while taking over."""
    frames, seed = Frames({"min": 200}), random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    ring = {"size": "64MiB", "block-size": "64KiB", "block-timeout": "20ms"}
    fancapd.configure(interface(link, WORKERS, ring=ring, snaplen=2000),
                      rotate={"size": "4MiB"}, storage={"writer": "direct"})
    fancapd.start()
    on_the_wire = link.packets_sent()
    sender = link.flow(frames, pps=20_000)
    targets = [Target(random.Random(chance.random())) for _ in range(WORKERS)]
    kill_all_the_time(fancapd, targets, KILLS)
    wait_until(lambda: fancapd.statistics()["total"]["worker_restarts"] == KILLS, "the last replacement")
    sent = sender.stop()["sent"]
    fancapd.settle(sent)
    wait_until_idle(fancapd)
    total = fancapd.statistics()["total"]
    assert total["bytes_written"] == sum(path.stat().st_size for path in [*fancapd.files(), *fancapd.open_files()])
    assert link.packets_sent() - on_the_wire == sent
    fancapd.stop()
    result = verify(fancapd.files(), frames, sent)
    check_against_files(total, result, sent)
    check_order(result)
    check_statistics_add_up(result, total)
    check_space(fancapd.files())
    assert total["worker_restarts"] == KILLS
    assert total["packets_discarded"] == 0
    assert sum(file["direct"] for file in result["files"]) > sent / 2
    print(f"{KILLS} kills, {sent} packets, {total['packets_dropped']} dropped")
    print("killed to a new process:", describe([one for target in targets for one in target.started_after]))
    print("killed to the next commit:", describe([one for target in targets for one in target.committed_after]))
