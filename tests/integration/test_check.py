# SPDX-License-Identifier: BSD-3-Clause
"""fancapctl check on real interfaces: what it finds is there, and goes away by the command that it names."""
from __future__ import annotations

import json
import subprocess
from typing import Any

from harness import FANCAPCTL, Fancapd, Frames, Link, Namespace, interface


def check(namespace: Namespace, *arguments: object) -> tuple[int, dict[tuple[str, str | None], dict[str, Any]]]:
    """@return exit status, and the findings by what they are about"""
    done = subprocess.run(namespace.command(FANCAPCTL, "check", "--json", "--write-test", "0", *arguments),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr == ""
    result = json.loads(done.stdout)
    assert result["fit"] == (done.returncode == 0)
    return done.returncode, {(row["about"], row["subject"]): row for row in result["findings"]}


def mend(namespace: Namespace, finding: dict[str, Any]) -> None:
    namespace.run("sh", "-c", finding["mend"])


def test_commands_that_mend_do(namespace: Namespace, link: Link) -> None:
    name = link.name
    namespace.ip("link", "set", name, "down")
    namespace.run("ethtool", "-K", name, "gro", "on")
    namespace.ip("link", "set", name, "mtu", "1280")
    status, found = check(namespace, "--no-selfcheck", name)
    assert status == 1
    for about, severity in (("link", "critical"), ("GRO", "warning"), ("MTU", "warning")):
        assert found[about, name]["severity"] == severity
        assert found[about, name]["why"]
        mend(namespace, found[about, name])
    link.wait_up()
    status, found = check(namespace, "--no-selfcheck", name)
    for about in ("link", "GRO", "MTU"):
        assert found[about, name]["severity"] == "ok", found[about, name]
        assert found[about, name]["mend"] is None


def test_kernel_keeps_flows_together(namespace: Namespace) -> None:
    """By traffic of its own, which no interface of the namespace sees, and which leaves nothing behind."""
    before = namespace.ip("-o", "link")
    _, found = check(namespace)
    finding = found["fanout self-check", None]
    assert finding["severity"] == "ok", finding
    assert finding["what"].startswith("800 packets, no flow split over 4 workers")
    assert namespace.ip("-o", "link") == before


def loss(fancapd: Fancapd, *arguments: str) -> tuple[int, str]:
    done = subprocess.run([FANCAPCTL, "--socket", fancapd.socket, "check", "loss", *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_daemon_is_checked(fancapd: Fancapd, namespace: Namespace, link: Link) -> None:
    frames = Frames()
    fancapd.configure(interface(link, 2))
    fancapd.start()
    link.send(frames, 1000)
    fancapd.settle(1000)
    _, found = check(namespace, "--socket", fancapd.socket, "--no-selfcheck")
    assert found["daemon", None]["severity"] == "ok"
    assert found["link", link.name]["severity"] == "ok"
    assert found["memory", None]["what"].startswith("64.0 MiB for rings, ")
    assert ("file system", str(fancapd.recordings)) in found
    status, line = loss(fancapd, "--max", "0.1%")
    assert (status, line) == (0, "OK - all interfaces: lost 0 of 1,000 packets (0.00 %)"
                                 "|loss=0.0000%;0.1;0.1;0;100 dropped=0c discarded=0c seen=1000c\n")
    assert loss(fancapd, "--interface", link.name)[0] == 0
    assert loss(fancapd, "--interface", "nosuch0") == (
        3, "UNKNOWN - fancapd does not capture from 'nosuch0'; see fancapctl status\n")
    fancapd.stop()
    assert loss(fancapd) == (3, f"UNKNOWN - fancapd is not running: nothing listens on {fancapd.socket}\n")
