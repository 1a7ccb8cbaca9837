# SPDX-License-Identifier: BSD-3-Clause
"""Several interfaces at once: each has a group of its own, and figures of its own."""
from __future__ import annotations

from collections.abc import Callable

from harness import Fancapd, Frames, Link, check_against_files, interface, verify


def test_two_interfaces_do_not_mix(fancapd: Fancapd, make_link: Callable[..., Link]) -> None:
    links = [make_link("capa"), make_link("capb")]
    counts = [50_000, 30_000]
    frames = [Frames(), Frames()]
    fancapd.configure(interface(links[0], 2), interface(links[1], 1, fanout={"mode": "lb"}))
    fancapd.start()
    senders = [link.start(frame, count=count) for link, frame, count in zip(links, frames, counts)]
    for sender in senders:
        sender.result()
    statistics = fancapd.settle(sum(counts))
    fancapd.stop()
    assert [one["interface"] for one in statistics["interfaces"]] == ["capa", "capb"]
    assert [len(one["workers"]) for one in statistics["interfaces"]] == [2, 1]
    for link, frame, count, counters in zip(links, frames, counts, statistics["interfaces"]):
        files = sorted((fancapd.recordings / link.name).rglob("*.pcapng"))
        check_against_files(counters, verify(files, frame, count), count)


def test_two_daemons_on_one_interface_see_the_same(make_daemon: Callable[[], Fancapd], link: Link) -> None:
    """Their groups have ids of their own: neither steals from the other."""
    frames, count = Frames(), 20_000
    daemons = [make_daemon(), make_daemon()]
    for daemon in daemons:
        daemon.configure(interface(link, 2))
        daemon.start()
    link.send(frames, count)
    for daemon in daemons:
        total = daemon.settle(count)["total"]
        daemon.stop()
        check_against_files(total, verify(daemon.files(), frames, count), count)
