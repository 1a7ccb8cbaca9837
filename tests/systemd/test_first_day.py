# SPDX-License-Identifier: BSD-3-Clause
"""The first day with fancap, word by word as the README has it: installed on a bare Debian, used, and removed without a trace."""
from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness import Frames, Json, Link, run, wait_until
from machine import CONFIG, SOCKET, STATE, Machine
from trees import BASE, RUNTIME, debian_tree

COUNT = 2_000


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Machine]:
    """A Debian 12 that runs and has never heard of fancap."""
    with ExitStack() as stack:
        layer = tmp_path / "layer"
        layer.mkdir()
        machine = Machine(debian_tree("bookworm", BASE + RUNTIME), layer)
        stack.callback(machine.close)
        yield machine


def ctl(machine: Machine, *words: object) -> str:
    return machine.do("fancapctl", *words)


def ctl_json(machine: Machine, *words: object) -> Json:
    return json.loads(ctl(machine, "--json", *words))


def files_of(machine: Machine) -> set[str]:
    """All files and folders but what is always in motion, and what is there to stay."""
    listing = machine.do("find", "/", "-xdev", "(", "-path", "/var/log", "-o", "-path", "/var/lib/systemd", "-o", "-path", "/tmp",
                         "-o", "-path", "/etc/.pwd.lock", ")", "-prune", "-o", "-print")
    return set(listing.splitlines())


def segments(machine: Machine, *words: object) -> list[Json]:
    return ctl_json(machine, "segments", *words)["segments"]


def seen(machine: Machine) -> int:
    return ctl_json(machine, "statistics")["total"]["packets_seen"]


def settle(machine: Machine, packets: int) -> None:
    def settled() -> bool:
        total = ctl_json(machine, "statistics")["total"]
        return total["packets_seen"] >= packets and total["packets_in_ring"] == 0

    wait_until(settled, f"{packets} packets recorded", 60)


def rotate(machine: Machine) -> None:
    """Until what was open is finished, which takes the keeper a moment more."""
    ctl(machine, "rotate")
    wait_until(lambda: all(one["state"] == "finished" for one in segments(machine)), "the finished files", 60)


def count(machine: Machine, path: str, display_filter: str = "") -> int:
    words = ["tshark", "-n", "-r", str(machine.path(path)), *(["-Y", display_filter] if display_filter else [])]
    return len(run(*words).stdout.splitlines())


def test_first_day(bare: Machine, fancap_build: Path) -> None:
    machine = bare
    before = files_of(machine)
    link = Link(machine, "eth1")

    # Install.
    root = machine.path("/")
    run("make", "-C", fancap_build, "install", f"DESTDIR={root}")
    machine.do("ldconfig")
    machine.do("systemd-sysusers")
    machine.do("systemctl", "daemon-reload")
    assert "fancapd is not running" in machine.inside("fancapctl", "status").stderr + machine.inside("fancapctl", "status").stdout

    # Check the machine: a veth pair has what it takes; of what it lacks each finding says what to do.
    checked = machine.inside("fancapctl", "--json", "check", "eth1")
    findings = json.loads(checked.stdout)["findings"]
    assert not [one for one in findings if one["severity"] == "critical"], findings

    # Configure.
    machine.path(CONFIG).write_text("interfaces:\n  - name: eth1\n    workers: 2\n    ring: {size: 16MiB, block-size: 256KiB}\n")
    machine.do("fancapd", "--check-config", CONFIG)

    # Start, and watch.
    started = machine.inside("systemctl", "enable", "--now", "fancapd")
    assert started.returncode == 0, machine.do("journalctl", "-u", "fancapd", "-o", "cat")
    assert "eth1" in ctl(machine, "status") and ctl_json(machine, "status")["state"] == "running"
    link.send(Frames(), COUNT)
    settle(machine, COUNT)
    assert f"{COUNT:,}" in ctl(machine, "statistics")
    assert ctl_json(machine, "interfaces")["interfaces"][0]["state"] == "up"
    assert len(ctl_json(machine, "workers")["workers"]) == 2

    # Change the filter, live: nothing that is sent is TCP port 1.
    rotate(machine)
    ctl(machine, "filter", "eth1", "tcp port 1")
    link.send(Frames(), COUNT)
    ctl(machine, "filter", "eth1", "--reset")
    link.send(Frames(), COUNT)
    settle(machine, 2 * COUNT)
    assert seen(machine) == 2 * COUNT

    # Rotate, and hold one.
    rotate(machine)
    finished = segments(machine)
    assert sum(one["packets"] for one in finished) == 2 * COUNT
    held = finished[0]["path"]
    ctl(machine, "hold", held)
    assert [one["path"] for one in segments(machine) if one["held"]] == [held]

    # Read.
    assert sum(count(machine, one["path"]) for one in finished) == 2 * COUNT
    assert sum(count(machine, one["path"], "_ws.malformed") for one in finished) == 0

    # Uninstall: what is left is what was recorded, the configuration, and the user whose it is.
    machine.do("systemctl", "disable", "--now", "fancapd")
    run("make", "-C", fancap_build, "uninstall", f"DESTDIR={root}")
    machine.do("systemctl", "daemon-reload")
    kept = (STATE, CONFIG.rsplit("/", 1)[0], "/etc/systemd/system", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-",
            "/etc/subuid", "/etc/subgid", "/etc/ld.so.cache", "/var/cache/ldconfig")
    # Folders of the system's that were the first to be used are its own.
    left = {path for path in files_of(machine) - before
            if not path.startswith(kept) and ("fancap" in path or not machine.path(path).is_dir())}
    assert not left, sorted(left)
    assert not machine.path(SOCKET).exists()
    assert machine.path(held).exists()
