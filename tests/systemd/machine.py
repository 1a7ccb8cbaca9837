# SPDX-License-Identifier: BSD-3-Clause
"""A booted Debian in namespaces of its own, and fancapd as a service in it."""
from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from harness import Json, Link, Namespace, check_statistics, run, wait_until

BOOT = Path(__file__).with_name("boot")
CANNOT = 77
UNIT = "fancapd.service"
CONFIG = "/etc/fancap/fancapd.yaml"
STATE = "/var/lib/fancap"
SOCKET = "/run/fancap/io.fancap"


class Machine(Namespace):
    """Also a network namespace: the harness's cables and traffic work in it."""

    def __init__(self, tree: Path, layer: Path) -> None:
        self._boot = subprocess.Popen([BOOT, tree, layer], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)
        assert self._boot.stdout and self._boot.stderr
        pid = self._boot.stdout.readline().strip()
        if not pid:
            text = self._boot.stderr.read()
            if self._boot.wait() == CANNOT:
                pytest.skip(text)
            pytest.fail(text)
        self.pid = int(pid)
        self.name = pid  # what `ip link ... netns` takes
        # So far it spoke to the console, which boot shows if it does not come up.
        self.do("systemctl", "log-target", "journal")

    def close(self) -> None:
        """All that runs in it ends with it."""
        self._boot.communicate()
        assert self._boot.returncode == 0

    def command(self, *command: object) -> list[str]:
        """A program of the host, in the machine's network."""
        return ["nsenter", "-t", str(self.pid), "-n", *(str(word) for word in command)]

    def ip(self, *arguments: object) -> str:
        return self.run("ip", *arguments).stdout

    def inside_command(self, *command: object) -> list[str]:
        """A program of the machine, in the machine."""
        return ["nsenter", "-t", str(self.pid), "-a", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                "SYSTEMD_PAGER=cat", "SYSTEMD_COLORS=0", *(str(word) for word in command)]

    def inside(self, *command: object) -> subprocess.CompletedProcess[str]:
        """It may fail."""
        return subprocess.run(self.inside_command(*command), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=240, check=False)

    def do(self, *command: object) -> str:
        """It must succeed. @return what it says"""
        return run(*self.inside_command(*command)).stdout

    def path(self, path: object) -> Path:
        return Path(f"/proc/{self.pid}/root/{str(path).lstrip('/')}")

    def proc_status(self, pid: int) -> dict[str, str]:
        lines = self.path(f"/proc/{pid}/status").read_text().splitlines()
        return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


class Service:
    """fancapd.service in a machine. A test begins with it stopped, no recordings, and a cable to record."""

    def __init__(self, machine: Machine, link: Link) -> None:
        self.machine = machine
        self.link = link
        self.all_there = True  # as of harness.Fancapd
        self.stop()
        machine.do("rm", "-rf", STATE)
        self._began_us = time.monotonic_ns() // 1000
        self.configure()

    # --- configuration -------------------------------------------------------------------------------
    def configure(self, **options: Any) -> None:
        """Write a configuration for the cable. JSON is YAML."""
        entry = {"name": self.link.name, "workers": 2,
                 "ring": {"size": "16MiB", "block-size": "256KiB", "block-timeout": "50ms"}, **options}
        self.write_config(json.dumps({"interfaces": [entry]}, indent=1))

    def write_config(self, text: str) -> None:
        self.machine.path(CONFIG).write_text(text + "\n")

    # --- systemd's view ------------------------------------------------------------------------------
    def systemctl(self, verb: str, *arguments: object) -> str:
        return self.machine.do("systemctl", verb, *arguments, UNIT)

    def start(self) -> Service:
        self.systemctl("start")
        return self

    def stop(self) -> None:
        """Whatever state it is in, waiting to be started again included."""
        self.systemctl("stop")
        self.machine.inside("systemctl", "reset-failed", UNIT)

    def show(self, name: str) -> str:
        return self.machine.do("systemctl", "show", "--property", name, "--value", UNIT).strip()

    @property
    def main_pid(self) -> int:
        """As the machine counts."""
        return int(self.show("MainPID"))

    def worker_pids(self) -> list[int]:
        return [worker["pid"] for worker in self.workers()]

    def processes(self) -> list[int]:
        """All that the service has, as we count, who read it."""
        group = self.show("ControlGroup")
        if not group:  # it would be all of the machine's
            return []
        return [int(pid) for pid in self.machine.path(f"/sys/fs/cgroup{group}/cgroup.procs").read_text().split()]

    def journal(self, **fields: str) -> list[Json]:
        """What the journal has of this service, since the test began, in order; with these fields, if given."""
        # Not --after-cursor: journalctl 252 leaves out the first entry after it if it also has to filter.
        lines = self.machine.do("journalctl", "-o", "json", "-u", UNIT).splitlines()
        entries = [entry for entry in map(json.loads, lines)
                   if int(entry["__MONOTONIC_TIMESTAMP"]) >= self._began_us]
        return [entry for entry in entries if all(entry.get(name) == value for name, value in fields.items())]

    def messages(self) -> list[str]:
        return [entry["MESSAGE"] for entry in self.journal()]

    def wait_message(self, text: str) -> str:
        """Wait for a message that has this in it; return it."""
        def find() -> str | None:
            return next((message for message in self.messages() if text in message), None)

        return wait_until(find, f"message {text!r}\n{self.messages()}", 90)

    # --- fancapd's view ------------------------------------------------------------------------------
    def call(self, method: str, **parameters: Any) -> Json:
        """As root of the machine."""
        with connect(self.machine) as sock:
            sock.sendall(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")
            data = b""
            while not data.endswith(b"\0"):
                data += sock.recv(65536)
        return json.loads(data[:-1])["parameters"]

    def statistics(self) -> Json:
        statistics = self.call("io.fancap.GetStatistics")
        check_statistics(statistics, self.all_there)
        return statistics

    def workers(self) -> list[Json]:
        return self.statistics()["interfaces"][0]["workers"]

    def settle(self, seen: int) -> Json:
        """Wait until so many packets have been seen, and recorded."""
        def settled() -> Json | None:
            total = self.statistics()["total"]
            return total if total["packets_seen"] >= seen and total["packets_in_ring"] == 0 else None

        return wait_until(settled, f"{seen} packets seen", 90)

    def wait_for_packets(self, more: int) -> None:
        """Wait until so many more packets have been seen."""
        before = self.statistics()["total"]["packets_seen"]
        wait_until(lambda: self.statistics()["total"]["packets_seen"] >= before + more, f"{more} packets more", 90)

    # --- files -----------------------------------------------------------------------------------------
    def _recordings(self, pattern: str) -> list[Path]:
        return sorted(self.machine.path(STATE).rglob(pattern))

    def files(self) -> list[Path]:
        return self._recordings("*.pcapng")

    def open_files(self) -> list[Path]:
        return self._recordings("*.part")


def assert_ended_well(service: Service) -> None:
    assert service.show("ActiveState") == "inactive"
    assert (service.show("Result"), service.show("ExecMainStatus")) == ("success", "0")
    assert service.open_files() == []
    assert not service.machine.path(SOCKET).exists()


def connect(machine: Machine, uid: int = 0, gid: int = 0, groups: tuple[int, ...] = ()) -> socket.socket:
    """
    A connection to the control socket, made by such a user in the machine.

    A child does it and sends us the connection: what the kernel checks are its own permissions, on the way from /run.
    """
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.chdir(machine.path("/run"))
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(uid)
            sock = socket.socket(socket.AF_UNIX)
            sock.connect("fancap/io.fancap")
            socket.send_fds(theirs, [b"."], [sock.fileno()])
            code = 0
        except OSError as error:
            code = error.errno or 1
        finally:
            os._exit(code)
    theirs.close()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with ours:
        if code != 0:
            raise OSError(code, os.strerror(code))
        _, fds, _, _ = socket.recv_fds(ours, 1, 1)
    sock = socket.socket(fileno=fds[0])
    sock.settimeout(30)
    return sock
