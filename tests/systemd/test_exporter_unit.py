# SPDX-License-Identifier: BSD-3-Clause
"""fancap-exporter as a service of systemd 252: it serves what fancapd counts, and could do little else."""
from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from harness import Frames, wait_until
from machine import STATE, Machine, Service

COUNT = 1_000
UNIT = "fancap-exporter.service"
URL = "http://127.0.0.1:9847"
GET = """
import sys, urllib.error, urllib.request
try:
    reply = urllib.request.urlopen(sys.argv[1], timeout=30)
except urllib.error.HTTPError as error:
    reply = error
except OSError as error:
    sys.exit(str(error))
print(reply.status)
print(reply.read().decode(), end="")
"""


def get(machine: Machine, path: str) -> tuple[int, str]:
    """By a program of the host, in the machine's network."""
    status, text = machine.run("/usr/bin/python3", "-c", GET, URL + path).stdout.split("\n", 1)
    return int(status), text


def metric(machine: Machine, name: str) -> int:
    """The sum over all labels; 0 if there is none."""
    return sum(int(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\d+)$", get(machine, "/metrics")[1], re.M))


@pytest.fixture
def exporter(service: Service) -> Iterator[Service]:
    """Started, as `systemctl enable --now` would do; fancapd is not."""
    service.machine.do("systemctl", "start", UNIT)
    yield service
    service.machine.inside("systemctl", "stop", UNIT)
    service.machine.inside("systemctl", "reset-failed", UNIT)


def show(machine: Machine, name: str) -> str:
    return machine.do("systemctl", "show", "--property", name, "--value", UNIT).strip()


def test_it_serves_what_a_capturing_daemon_counts(exporter: Service) -> None:
    machine = exporter.machine
    assert show(machine, "ActiveState") == "active"
    assert f"Serving on {URL}/" in show(machine, "StatusText")
    assert metric(machine, "fancap_up") == 0
    status, text = get(machine, "/healthz")
    assert status == 503 and "fancapd is not running" in text
    exporter.start()
    exporter.link.send(Frames(), COUNT)
    exporter.settle(COUNT)
    assert metric(machine, "fancap_up") == 1
    assert metric(machine, "fancap_capture_packets_total") == COUNT
    assert get(machine, "/healthz") == (200, "ok\n")
    assert get(machine, "/")[1].startswith("<!DOCTYPE html>")
    exporter.systemctl("restart")
    assert metric(machine, "fancap_capture_packets_total") >= COUNT  # the rings were kept
    exporter.stop()
    assert metric(machine, "fancap_up") == 0
    machine.do("systemctl", "stop", UNIT)
    assert show(machine, "Result") == "success"


def test_it_has_no_rights(exporter: Service) -> None:
    machine = exporter.machine
    exporter.start()
    pid = int(show(machine, "MainPID"))
    status = machine.proc_status(pid)
    assert {int(value, 16) for name, value in status.items() if name.startswith("Cap")} == {0}
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    uid = status["Uid"].split()[0]
    assert uid not in ("0", machine.do("id", "-u", "fancap").strip())
    assert machine.do("id", "-g", "fancap").strip() in status["Groups"].split()
    # It may ask, and not tell.
    assert metric(machine, "fancap_up") == 1
    # It does not see recordings, though its group might read them.
    listing = machine.inside("nsenter", "-t", pid, "-m", "ls", STATE)
    assert listing.returncode != 0 or listing.stdout == ""
    assert machine.inside("nsenter", "-t", pid, "-m", "touch", "/run/fancap/probe").returncode != 0
    # The limit of connections that it sets itself is let through.
    limits = machine.path(f"/proc/{pid}/limits").read_text()
    assert 32 < int(re.search(r"Max open files +(\d+)", limits)[1]) < 64


def test_exposure_is_lower(machine: Machine) -> None:
    text = machine.do("systemd-analyze", "security", "--offline=true", "--no-pager", f"/usr/lib/systemd/system/{UNIT}")
    assert float(re.search(rf"Overall exposure level for {UNIT}: ([\d.]+)", text)[1]) <= 1.0, text


def test_it_comes_back(exporter: Service) -> None:
    machine = exporter.machine
    pid = show(machine, "MainPID")
    machine.do("systemctl", "kill", "--signal=KILL", UNIT)
    wait_until(lambda: show(machine, "MainPID") not in ("0", pid) and show(machine, "ActiveState") == "active", "a new one", 30)
    assert metric(machine, "fancap_up") == 0
