# SPDX-License-Identifier: BSD-3-Clause
"""What an operator types."""
from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

import varlink
from harness import COUNTERS, FANCAPCTL, FANCAPD, Fancapd, Frames, Link, interface, run

EX_CONFIG = 78
OK, FAILED, USAGE, NOT_RUNNING = 0, 1, 2, 3
GOOD = """\
interfaces:
  - name: eth1
    workers: 4
    fanout: {mode: hash, defragment: true}
    ring: {size: 256MiB, block-size: 1MiB, block-timeout: 100ms}
    filter: "not port 22"
storage:
  directory: /var/lib/fancap
  rotate: {size: 1GiB, interval: 60s}
"""


def execute(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in command], text=True, capture_output=True, timeout=60, check=False)


@pytest.fixture
def config(folder: Path) -> Path:
    folder.chmod(0o755)
    path = folder / "good.yaml"
    path.write_text(GOOD)
    return path


def test_good_configuration_passes(config: Path) -> None:
    done = execute(FANCAPD, "--check-config", config)
    assert (done.returncode, done.stderr) == (0, "")


BAD = [
    ("workers: 4", "workers: 0", 3),
    ("workers: 4", "workers: many", 3),
    ("mode: hash", "mode: hsah", 4),
    ("size: 256MiB", "size: 256XiB", 5),
    ("block-size: 1MiB", "block-size: 1000", 5),
    ("not port 22", "not prot 22", 6),
    ("rotate:", "rotated:", 9),
    ("interval: 60s", "interval: 60", 9),
    ("directory: /var/lib/fancap", "directory: [", None),
]


@pytest.mark.parametrize(("good", "bad", "line"), BAD, ids=[bad for _, bad, _ in BAD])
def test_bad_configuration_is_refused_with_its_place(config: Path, good: str, bad: str, line: int | None) -> None:
    config.write_text(GOOD.replace(good, bad))
    done = execute(FANCAPD, "--check-config", config)
    assert done.returncode == EX_CONFIG
    place = re.match(rf"{re.escape(str(config))}:(\d+):(\d+): \S", done.stderr)
    assert place, done.stderr
    assert line is None or int(place[1]) == line, done.stderr


def test_unreadable_configuration_is_refused(folder: Path) -> None:
    for path in (folder / "none.yaml", folder):
        done = execute(FANCAPD, "--check-config", path)
        assert done.returncode == EX_CONFIG
        assert str(path) in done.stderr


def test_forbidden_configuration_is_refused(config: Path) -> None:
    config.chmod(0)
    done = execute("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", FANCAPD, "--check-config", config)
    assert done.returncode == EX_CONFIG
    assert done.stderr == f"{config}: cannot be read: Permission denied\n"


@pytest.mark.parametrize("words", [["--config", "CONFIG"], ["--dump-config"], ["extra"]])
def test_check_goes_with_nothing_else(config: Path, folder: Path, words: list[str]) -> None:
    """Which file would be checked?"""
    others = [str(config) if word == "CONFIG" else word for word in words]
    for command in ([*others, "--check-config", folder / "none"], ["--check-config", folder / "none", *others]):
        assert execute(FANCAPD, *command).returncode == USAGE


def test_dumped_configuration_is_a_configuration(config: Path, folder: Path) -> None:
    """Dumping what was dumped gives the same."""
    dumped = run(FANCAPD, "--config", config, "--dump-config").stdout
    again = folder / "again.yaml"
    again.write_text(dumped)
    assert execute(FANCAPD, "--check-config", again).returncode == 0
    assert run(FANCAPD, "--config", again, "--dump-config").stdout == dumped
    assert "eth1" in dumped and "snaplen" in dumped and "promiscuous" in dumped


@pytest.mark.parametrize("program", [FANCAPD, FANCAPCTL])
def test_version_is_told(program: Path) -> None:
    done = run(program, "--version")
    assert re.search(r"\b\d+\.\d+\.\d+\b", done.stdout)
    assert "tpacket-v3" in done.stdout


@pytest.mark.parametrize("program", [FANCAPD, FANCAPCTL])
def test_unknown_option_is_a_usage_error(program: Path) -> None:
    done = execute(program, "--no-such-option")
    assert done.returncode == USAGE
    assert done.stderr


@pytest.mark.parametrize("words", [[], ["no-such-command"], ["status", "extra"]])
def test_wrong_command_is_a_usage_error(words: list[str]) -> None:
    assert execute(FANCAPCTL, *words).returncode == USAGE


@pytest.mark.parametrize("command", ["status", "statistics", "workers"])
def test_no_daemon_has_an_exit_code_of_its_own(folder: Path, command: str) -> None:
    done = execute(FANCAPCTL, "--socket", folder / "none", command)
    assert done.returncode == NOT_RUNNING
    assert str(folder / "none") in done.stderr
    assert done.stdout == ""


@pytest.fixture
def running(fancapd: Fancapd, link: Link) -> Fancapd:
    fancapd.configure(interface(link, 2))
    fancapd.start()
    link.send(Frames(), 1000)
    fancapd.settle(1000)
    return fancapd


def control(daemon: Fancapd, *words: str) -> str:
    return run(FANCAPCTL, "--socket", daemon.socket, *words).stdout


def test_statistics_for_people_and_programs(running: Fancapd) -> None:
    text = control(running, "statistics")
    assert "cap0" in text and "1000" in text.replace(",", "").replace("'", "")
    statistics = json.loads(control(running, "--json", "statistics"))
    expected = running.statistics()
    for name in COUNTERS:
        assert statistics["total"][name] == expected["total"][name]
    assert [one["interface"] for one in statistics["interfaces"]] == ["cap0"]
    assert [one["worker"] for one in statistics["interfaces"][0]["workers"]] == [0, 1]


def test_status_and_workers_for_people_and_programs(running: Fancapd) -> None:
    status = json.loads(control(running, "--json", "status"))
    assert status["state"] == running.status()["state"]
    assert status["state"] in control(running, "status")
    workers = control(running, "workers")
    listed = json.dumps(json.loads(control(running, "--json", "workers")))
    for worker in running.workers():
        assert str(worker["pid"]) in workers
        assert str(worker["pid"]) in listed
    running.stop()


def test_service_describes_itself(running: Fancapd) -> None:
    info = varlink.call(running.socket, "org.varlink.service.GetInfo")
    assert {"io.fancap", "org.varlink.service"} <= set(info["interfaces"])
    described = varlink.call(running.socket, "org.varlink.service.GetInterfaceDescription", interface="io.fancap")
    assert "method GetStatistics" in described["description"]


def test_unknown_method_is_a_typed_error(running: Fancapd) -> None:
    with pytest.raises(varlink.VarlinkError) as caught:
        varlink.call(running.socket, "io.fancap.NoSuchMethod")
    assert caught.value.name == "org.varlink.service.MethodNotFound"
    running.status()
