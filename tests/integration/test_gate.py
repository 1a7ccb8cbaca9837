# SPDX-License-Identifier: BSD-3-Clause
"""Starting while traffic flows: no packet is captured twice, and from the first on all are accounted for."""
from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import Fancapd, Frames, Link, check_clean, check_closing_statistics, interface, verify

STARTS = 8


@pytest.mark.parametrize("mode", ["hash", "lb"])
def test_start_under_traffic_duplicates_nothing(make_daemon: Callable[..., Fancapd], link: Link, mode: str) -> None:
    """Without the gate a socket sees everything between its bind and its joining the group."""
    frames = Frames()
    sender = link.flow(frames, pps=100_000)
    daemons = []
    for _ in range(STARTS):
        daemon = make_daemon()
        daemon.configure(interface(link, 4, fanout={"mode": mode}))
        daemon.start()
        daemon.wait_for_packets(2000)
        daemon.stop()
        daemons.append(daemon)
    sent = sender.stop()["sent"]
    for daemon in daemons:
        result = verify(daemon.files(), frames, sent)
        check_clean(result)
        assert result["packets"] >= 2000
        check_closing_statistics(result)


def test_first_packet_after_ready_is_captured(make_daemon: Callable[..., Fancapd], link: Link) -> None:
    """READY means that the gate is open."""
    for _ in range(STARTS):
        frames = Frames()
        daemon = make_daemon()
        daemon.configure(interface(link, 4))
        daemon.start()
        link.send(frames, 10)
        daemon.settle(10)
        daemon.stop()
        result = verify(daemon.files(), frames, 10)
        assert result["missing"] == 0
        check_clean(result)
