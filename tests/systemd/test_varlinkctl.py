# SPDX-License-Identifier: BSD-3-Clause
"""varlinkctl of systemd 257, as an operator has it on Debian 13, against a running fancapd."""
from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness import Fancapd, Frames, Json, Link, Namespace, check_statistics, interface

COUNT = 1_000
DOC = Path(__file__).parents[2] / "doc"
# Binds what it needs into the tree in a mount namespace of its own, so that the tree stays as it is.
ENTER = """
mount --make-rprivate /
mount -t tmpfs tmpfs "$1/mnt" && mkdir "$1/mnt/socket" "$1/mnt/doc" &&
mount --bind "$2" "$1/mnt/socket" && mount --bind "$3" "$1/mnt/doc" && mount -t proc proc "$1/proc" || exit 99
tree=$1; shift 3
exec env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 SYSTEMD_COLORS=0 SYSTEMD_PAGER=cat chroot "$tree" varlinkctl "$@"
"""
SOCKET = "/mnt/socket/io.fancap"

Varlinkctl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def fancapd(trixie: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fancapd]:
    """One that has recorded COUNT packets."""
    with ExitStack() as stack:
        namespace = Namespace()
        stack.callback(namespace.close)
        link = Link(namespace)
        stack.callback(link.close)
        daemon = Fancapd(namespace, tmp_path_factory.mktemp("fancapd"))
        stack.callback(daemon.close)
        daemon.configure(interface(link, 2))
        daemon.start()
        link.send(Frames(), COUNT)
        daemon.settle(COUNT)
        yield daemon
        daemon.stop()


@pytest.fixture
def varlinkctl(trixie: Path, fancapd: Fancapd) -> Varlinkctl:
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["unshare", "-m", "sh", "-c", ENTER, "enter", str(trixie), str(fancapd.socket.parent), str(DOC)]
        done = subprocess.run([*command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode != 99, done.stderr
        return done

    return call


def answer(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_it_is_systemd_257(varlinkctl: Varlinkctl) -> None:
    assert "systemd 257" in answer(varlinkctl("--version"))


def test_info(varlinkctl: Varlinkctl) -> None:
    text = answer(varlinkctl("info", SOCKET))
    assert "Product: fancapd" in text
    assert "io.fancap" in text and "org.varlink.service" in text


def test_list_interfaces(varlinkctl: Varlinkctl) -> None:
    assert set(answer(varlinkctl("list-interfaces", SOCKET)).split()) == {"io.fancap", "org.varlink.service"}


@pytest.mark.parametrize(("name", "members"), [
    ("io.fancap", ("method GetStatus()", "method GetStatistics(", "method Rotate(", "error PermissionDenied(")),
    ("org.varlink.service", ("method GetInfo()", "method GetInterfaceDescription(", "error MethodNotFound")),
])
def test_introspect(varlinkctl: Varlinkctl, name: str, members: tuple[str, ...]) -> None:
    """It parses what it gets, and prints it in its own way."""
    text = " ".join(answer(varlinkctl("introspect", SOCKET, name)).split())
    assert f"interface {name}" in text
    for member in members:
        assert member in text.replace(" (", "("), text


@pytest.mark.parametrize("name", ["io.fancap", "org.varlink.service"])
def test_descriptions_are_valid(varlinkctl: Varlinkctl, name: str) -> None:
    answer(varlinkctl("validate-idl", f"/mnt/doc/{name}.varlink"))


def call(varlinkctl: Varlinkctl, method: str, **parameters: object) -> Json:
    return json.loads(answer(varlinkctl("--json=short", "call", SOCKET, method, json.dumps(parameters))))


def test_call_get_status(varlinkctl: Varlinkctl, fancapd: Fancapd) -> None:
    status = call(varlinkctl, "io.fancap.GetStatus")
    assert status["state"] == "running" and status["pid"] == fancapd.pid
    assert status["packets_seen"] == COUNT
    assert [one["interface"] for one in status["interfaces"]] == ["cap0"]


@pytest.mark.parametrize("parameters", [{}, {"interface": "cap0"}], ids=["all", "one"])
def test_call_get_statistics(varlinkctl: Varlinkctl, parameters: dict[str, str]) -> None:
    statistics = call(varlinkctl, "io.fancap.GetStatistics", **parameters)
    check_statistics(statistics)
    assert statistics["total"]["packets_seen"] == COUNT
    assert len(statistics["interfaces"][0]["workers"]) == 2


def test_call_rotate(varlinkctl: Varlinkctl) -> None:
    assert call(varlinkctl, "io.fancap.Rotate") == {"workers": 2}
    assert call(varlinkctl, "io.fancap.Rotate", interface="cap0") == {"workers": 2}


def test_call_reload(varlinkctl: Varlinkctl) -> None:
    assert call(varlinkctl, "io.fancap.Reload") == {}


@pytest.mark.parametrize(("method", "member"), [
    ("ListInterfaces", "interfaces"), ("ListWorkers", "workers"), ("GetConfiguration", "yaml"), ("ListSegments", "segments")])
def test_call_other_read_methods(varlinkctl: Varlinkctl, method: str, member: str) -> None:
    assert call(varlinkctl, f"io.fancap.{method}")[member]


@pytest.mark.parametrize(("method", "parameters", "expected"), [
    ("Pause", {}, {"interfaces": 1}),
    ("Resume", {"interface": "cap0"}, {"interfaces": 1}),
    ("SetFilter", {"interface": "cap0", "filter": "udp"}, {"filter": "udp"}),
    ("SetFilter", {"interface": "cap0", "configured": True}, {}),
    ("SetLogLevel", {"level": "info"}, {"previous": "info"}),
    ("Hold", {"paths": []}, {"changed": 0}),
    ("Release", {"paths": []}, {"changed": 0}),
])
def test_call_acting_methods(varlinkctl: Varlinkctl, method: str, parameters: Json, expected: Json) -> None:
    answered = call(varlinkctl, f"io.fancap.{method}", **parameters)
    assert {key: value for key, value in answered.items() if value is not None} == expected


def test_call_restart_worker(varlinkctl: Varlinkctl, fancapd: Fancapd) -> None:
    pid = call(varlinkctl, "io.fancap.RestartWorker", interface="cap0", worker=1)["pid"]
    assert fancapd.workers()[1]["pid"] == pid


@pytest.mark.parametrize(("method", "parameters", "member"), [
    ("GetStatistics", {"interval_ms": 100}, "total"), ("Events", {"backlog": 3}, "number")])
def test_streams(varlinkctl: Varlinkctl, fancapd: Fancapd, method: str, parameters: Json, member: str) -> None:
    """Until somebody has had enough of it."""
    call(varlinkctl, "io.fancap.Rotate")
    done = varlinkctl("--timeout=5s", "--json=short", "--more", "call", SOCKET, f"io.fancap.{method}", json.dumps(parameters))
    # A JSON text sequence (RFC 7464). Cut off by the time limit, its last one may be torn.
    replies = [json.loads(text) for text in done.stdout.split("\x1e")[1:-1]]
    assert len(replies) >= 2
    assert all(member in reply for reply in replies)


def test_events_need_more(varlinkctl: Varlinkctl) -> None:
    done = varlinkctl("call", SOCKET, "io.fancap.Events", "{}")
    assert done.returncode != 0 and "ExpectedMore" in done.stderr


def test_errors_have_their_names(varlinkctl: Varlinkctl) -> None:
    for method, parameters, name in (
            ("io.fancap.GetStatistics", '{"interface": "nosuch0"}', "io.fancap.NoSuchInterface"),
            ("io.fancap.GetNothing", "{}", "org.varlink.service.MethodNotFound"),
            ("io.nothing.GetStatus", "{}", "org.varlink.service.InterfaceNotFound"),
            ("io.fancap.GetStatistics", '{"interface": 7}', "org.varlink.service.InvalidParameter")):
        done = varlinkctl("call", SOCKET, method, parameters)
        assert done.returncode != 0
        assert name in done.stderr, done.stderr
