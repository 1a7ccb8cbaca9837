# SPDX-License-Identifier: BSD-3-Clause
"""Namespaces, traffic, the daemon under test and the checks that every test makes.

Nothing here sleeps to let something happen: wait_until() polls for it, with a limit that only a hang reaches.
"""
from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import varlink

BUILDDIR = Path(os.environ.get("BUILDDIR", Path(__file__).parents[2] / "build")).resolve()
SANITIZED = os.environ.get("FANCAP_SANITIZED") == "1"
FANCAPD = BUILDDIR / "fancapd"
FANCAPCTL = BUILDDIR / "fancapctl"
EXPORTER = BUILDDIR / "fancap-exporter"
TRAFFIC = BUILDDIR / "tests/tools/traffic"
REPLAY = BUILDDIR / "fancap-replay"
VERIFY = BUILDDIR / "tests/tools/verify"

HANG_S = 60.0  # what never takes so long unless it hangs
CARRIER = "LOWER_UP"

T = TypeVar("T")
Json = dict[str, Any]
_numbers = itertools.count()


def wait_until(probe: Callable[[], T], what: str, limit_s: float = HANG_S) -> T:
    """Ask again and again until the answer is true; return it."""
    deadline = time.monotonic() + limit_s
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"{what}: not within {limit_s:.0f} s"
        time.sleep(0.01)
    return answer


def run(*command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command that must succeed."""
    settings: Json = {"timeout": 5 * HANG_S, **({} if "stdin" in options else {"input": ""}), **options}
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True, check=False, **settings)
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


class Namespace:
    """A network namespace of its own; removed with all that runs in it."""

    def __init__(self) -> None:
        self.name = f"fancap-{os.getpid()}-{next(_numbers)}"
        run("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def close(self) -> None:
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        run("ip", "netns", "del", self.name)

    def pids(self) -> list[int]:
        return [int(pid) for pid in run("ip", "netns", "pids", self.name).stdout.split()]

    def command(self, *command: object) -> list[str]:
        return ["ip", "netns", "exec", self.name, *(str(word) for word in command)]

    def run(self, *command: object, **options: Any) -> subprocess.CompletedProcess[str]:
        return run(*self.command(*command), **options)

    def ip(self, *arguments: object) -> str:
        return run("ip", "-n", self.name, *arguments).stdout

    def packet_sockets(self) -> int:
        return len(self.run("cat", "/proc/net/packet").stdout.splitlines()) - 1


def _is_up(namespace: Namespace, interface: str) -> bool:
    return CARRIER in json.loads(namespace.ip("-j", "link", "show", interface))[0]["flags"]


def wait_up(namespace: Namespace, interface: str) -> None:
    wait_until(lambda: _is_up(namespace, interface), f"carrier of {interface}")


def add_veth(near: Namespace, name: str, far: Namespace, peer: str, mtu: int = 1500,
             offload: bool = False) -> None:
    """A cable from near/name to far/peer: quiet (no IPv6 chatter), up, with or without segmentation offload."""
    near.ip("link", "add", name, "mtu", mtu, "type", "veth", "peer", "name", peer, "netns", far.name, "mtu", mtu)
    for namespace, interface in ((near, name), (far, peer)):
        namespace.run("sysctl", "-qw", f"net.ipv6.conf.{interface}.disable_ipv6=1")
        switch = "on" if offload else "off"
        namespace.run("ethtool", "-K", interface, "tso", switch, "gso", switch, "gro", switch)
        namespace.ip("link", "set", interface, "up")
    for namespace, interface in ((near, name), (far, peer)):
        wait_up(namespace, interface)


@dataclass
class Frames:
    """The command-line options that sender and checker must agree on."""

    options: dict[str, object] = field(default_factory=dict)
    run: int = field(default_factory=lambda: (os.getpid() << 10 | next(_numbers)) & 0xFFFFFFFF)

    def arguments(self) -> list[str]:
        words = ["--run", str(self.run)]
        for name, value in self.options.items():
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
        return words


class Sender:
    """Traffic that flows until stop()."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> Json:
        self._process.send_signal(signal.SIGTERM)
        return self.result()

    def result(self) -> Json:
        output, _ = self._process.communicate(timeout=2 * HANG_S)
        assert self._process.returncode == 0, f"traffic: exit {self._process.returncode}"
        return json.loads(output)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


class Link:
    """A namespace with a cable in it: what goes in at `sender` comes out at `name`, where fancapd listens."""

    def __init__(self, namespace: Namespace, name: str = "cap0", **options: Any) -> None:
        self.namespace = namespace
        self.name = name
        self.sender = f"{name}p"
        self._senders: list[Sender] = []
        add_veth(namespace, name, namespace, self.sender, **options)

    def close(self) -> None:
        for sender in self._senders:
            sender.kill()

    def _command(self, frames: Frames, arguments: dict[str, object]) -> list[str]:
        words = ["--interface", self.sender] if "interface" not in arguments else []
        return self.namespace.command(TRAFFIC, *words, *Frames(arguments, frames.run).arguments(),
                                      *frames.arguments())

    def start(self, frames: Frames, **arguments: object) -> Sender:
        sender = Sender(self._command(frames, {name.replace("_", "-"): value for name, value in arguments.items()}))
        self._senders.append(sender)
        return sender

    def send(self, frames: Frames, count: int, *, start: int = 0, pps: int | None = None,
             source: str | None = None) -> Json:
        """Send frames `start` to start + count - 1, every one of them, as fancap-replay does.

        source: an interface that is captured from; its own taps see only what goes through the queueing discipline.
        """
        words = ["--json", "--speed", f"{pps}pps" if pps else "top", *(["--qdisc"] if source else [])]
        generator = subprocess.Popen([str(word) for word in (TRAFFIC, "--pcap", "-", "--count", count, "--start", start,
                                                             *frames.arguments())], stdout=subprocess.PIPE)
        with generator:
            done = run(*self.namespace.command(REPLAY, *words, "-", source or self.sender), stdin=generator.stdout)
        assert generator.returncode == 0
        sent = json.loads(done.stdout)
        assert sent["sent"] == count, sent
        return sent

    def send_split(self, frames: Frames, count: int, **arguments: object) -> Json:
        """The same by the test tool, which can do what a replay does not: send some out of another interface."""
        sent = self.start(frames, count=count, **arguments).result()
        assert sent["sent"] == count
        return sent

    def flow(self, frames: Frames, **arguments: object) -> Sender:
        """Start traffic that does not stop by itself, and wait until it flows."""
        before = self.packets_sent()
        sender = self.start(frames, loop_until_signal=True, **arguments)
        wait_until(lambda: self.packets_sent() > before, "the first frame")
        return sender

    def wait_up(self) -> None:
        for name in (self.name, self.sender):
            wait_up(self.namespace, name)

    def packets_sent(self) -> int:
        link = json.loads(self.namespace.ip("-j", "-s", "link", "show", self.sender))[0]
        return link["stats64"]["tx"]["packets"]


def count_packets(path: Path) -> int:
    """By capinfos' word."""
    return int(run("capinfos", "-M", "-c", path).stdout.split("Number of packets:")[1].split()[0])


def expected_frames(tmp: Path, frames: Frames, count: int, expression: str) -> int:
    """How many of the frames a filter lets through, by tcpdump's word for it."""
    source, kept = tmp / "all.pcap", tmp / "kept.pcap"
    run(TRAFFIC, "--pcap", source, "--count", count, *frames.arguments())
    run("tcpdump", "-r", source, "-w", kept, expression)
    return count_packets(kept)


def verify(files: Sequence[Path], frames: Frames, count: int, *options: object) -> Json:
    """Read every file strictly and compare every packet with what was sent."""
    names = "".join(f"{path}\n" for path in files)
    done = run(VERIFY, "--count", count, *options, *frames.arguments(), input=names)
    return json.loads(done.stdout)


COUNTERS = ("packets_seen", "packets_dropped", "packets_delivered", "packets_written", "packets_discarded",
            "packets_in_ring", "bytes_written", "ring_freezes", "ring_rollovers", "ring_rollovers_huge",
            "ring_rollovers_failed", "blocks_direct", "blocks_staged", "writes", "write_ns", "worker_restarts")


def check_counters(counters: Json) -> None:
    """The identity: every packet is accounted for."""
    assert counters["packets_seen"] == counters["packets_dropped"] + counters["packets_delivered"], counters
    assert counters["packets_delivered"] == (counters["packets_written"] + counters["packets_discarded"] +
                                             counters["packets_in_ring"]), counters
    assert counters["packets_discarded"] == sum(counters["discarded_by_reason"].values()), counters
    assert all(counters[name] >= 0 for name in COUNTERS), counters
    assert counters["write_mean_ns"] == counters["write_ns"] // max(counters["writes"], 1), counters
    assert counters["write_mean_ns"] <= counters["write_max_ns"], counters


def check_statistics(statistics: Json, all_there: bool = True) -> None:
    """
    The identity per worker, per interface and in total; each level is the sum of the one below: if all there ever were
    are there, for one that is no more counts in the sums only.
    """
    def check_sum(whole: Json, parts: list[Json]) -> None:
        check_counters(whole)
        for name in COUNTERS:
            rest = whole[name] - sum(part[name] for part in parts)
            assert rest >= 0 if not all_there else rest == 0, name
        most = max((part["write_max_ns"] for part in parts), default=0)
        assert whole["write_max_ns"] >= most if not all_there else whole["write_max_ns"] == most

    check_sum(statistics["total"], statistics["interfaces"])
    for interface in statistics["interfaces"]:
        check_sum(interface, interface["workers"])
        for worker in interface["workers"]:
            check_counters(worker)


def check_against_files(counters: Json, result: Json, sent: int) -> None:
    """sent = written + dropped + discarded; what is in the files is what was written, once, and unchanged."""
    assert counters["packets_in_ring"] == 0
    assert counters["packets_seen"] == sent
    assert (counters["packets_written"] + counters["packets_dropped"] + counters["packets_discarded"]) == sent
    assert result["packets"] == counters["packets_written"]
    assert result["missing"] == counters["packets_dropped"] + counters["packets_discarded"]
    check_clean(result)


def check_clean(result: Json) -> None:
    for name in ("duplicates", "corrupt", "foreign", "implausible_times"):
        assert result[name] == 0, f"{name}: {result[name]}"


def check_closing_statistics(result: Json) -> None:
    """The last statistics block of each file closes its account: what it says was recorded is there."""
    last = [file["statistics"] for file in result["files"]]
    assert sum(one["usrdeliv"] for one in last) == result["packets"]
    assert all(one["filteraccept"] >= one["osdrop"] + one["usrdeliv"] for one in last)


class NotifySocket:
    """The receiving end of sd_notify."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.messages: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        path.chmod(0o777)  # whoever the daemon is
        self._socket.setblocking(False)

    def close(self) -> None:
        self._socket.close()
        self.path.unlink(missing_ok=True)

    def receive(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self.messages += self._socket.recv(65536).decode().splitlines()

    def fill(self) -> int:
        """Send until there is no room for more. @return how many that took"""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            for n in itertools.count():
                try:
                    sender.sendto(b"filler", str(self.path))
                except BlockingIOError:
                    return n
        raise AssertionError

    def find(self, pattern: str) -> bool:
        self.receive()
        return any(re.fullmatch(pattern, message) for message in self.messages)


def read_proc_status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


def is_alive(pid: int) -> bool:
    """Whether it runs: a zombie does not."""
    try:
        return read_proc_status(pid)["State"][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def descriptors(pid: int) -> dict[int, str]:
    """What a process has open, but for what it closes while we look."""
    found = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[int(entry.name)] = os.readlink(entry)
    return found


def thaw(pid: int) -> None:
    """Let one go on that was frozen (SIGSTOP): on a slow machine the supervisor's patience may have ended before."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


class Fancapd:
    """The daemon under test, in a namespace, with a folder of its own."""

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        self.namespace = namespace
        self.folder = folder
        self.recordings = folder / "recordings"
        self.socket = folder / "io.fancap"
        self.config_path = folder / "fancapd.yaml"
        self.log_path = folder / "fancapd.log"
        self.notify: NotifySocket | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self._pids: set[int] = set()
        self.all_there = True  # a test that has workers or interfaces removed says no
        self.recordings.mkdir()

    # --- configuration -----------------------------------------------------------------------------
    def configure(self, *interfaces: Json, rotate: Json | None = None, storage: Json | None = None,
                  **sections: Any) -> None:
        """
        Write the configuration. JSON is YAML. Nothing is removed unless storage asks for it, and no minute ends a file unless
        rotate does: a test may run through one.
        """
        place: Json = {"directory": str(self.recordings), "retain": {"free": "none"}, **(storage or {})}
        place["rotate"] = {"interval": "none", **place.get("rotate", {}), **(rotate or {})}
        if "directories" in place:
            del place["directory"]
        config = {"interfaces": list(interfaces), "storage": place,
                  "control": {"socket": str(self.socket)}, **sections}
        self.config_path.write_text(json.dumps(config, indent=1) + "\n")

    # --- life ------------------------------------------------------------------------------------------
    def spawn(self, shell: str = 'exec "$@"') -> subprocess.Popen[bytes]:
        """Start it, without waiting for anything. shell: what runs the command line."""
        self.notify = NotifySocket(self.folder / f"notify-{next(_numbers)}")
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("JOURNAL_STREAM", "WATCHDOG_USEC", "LISTEN_FDS")}
        environment["NOTIFY_SOCKET"] = str(self.notify.path)
        with self.log_path.open("ab") as log:
            command = self.namespace.command("sh", "-c", shell, "sh", FANCAPD, "--config", self.config_path)
            self.process = subprocess.Popen(command,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        return self.process

    def _ready(self) -> bool:
        assert self.process and self.notify
        status = self.process.poll()
        assert status is None, f"fancapd ended with {status} before it was ready:\n{self.log()}"
        return self.notify.find("READY=1")

    def start(self, **options: str) -> Fancapd:
        """Start it and wait until it says that it captures."""
        self.spawn(**options)
        wait_until(self._ready, f"READY of fancapd\n{self.log()}")
        self._pids.update(self.processes())
        return self

    def wait(self, limit_s: float = HANG_S) -> int:
        """Wait for its end. @return exit status"""
        assert self.process
        status = self.process.wait(limit_s)
        if self.notify:
            self.notify.receive()
            self.notify.close()
        self.process = None
        return status

    def stop(self, number: signal.Signals = signal.SIGTERM, limit_s: float = HANG_S) -> None:
        """Ask it to end; it must end with 0, without leaving open files or processes."""
        self.stop_with_open_files([], number, limit_s)

    def stop_with_open_files(self, expected: list[Path], number: signal.Signals = signal.SIGTERM,
                             limit_s: float = HANG_S) -> None:
        """The same, when there are .part files that are not its own or cannot be finished."""
        assert self.process
        pids = self._pids | set(self.processes())
        self.process.send_signal(number)
        status = self.wait(limit_s)
        assert status == 0, f"exit {status}\n{self.log()}"
        assert self.open_files() == sorted(expected)
        wait_until(lambda: not any(is_alive(pid) for pid in pids), "the end of every process")
        self._pids.clear()

    def close(self) -> None:
        """Clean up after a test, however it ended."""
        if self.process:
            for pid in [*self.processes(), self.process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.wait()

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def processes(self) -> list[int]:
        """Supervisor first, then its children."""
        return [self.pid, *children(self.pid)]

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    # --- questions -------------------------------------------------------------------------------------
    def statistics(self) -> Json:
        statistics = varlink.call(self.socket, "io.fancap.GetStatistics")
        check_statistics(statistics, self.all_there)
        return statistics

    def status(self) -> Json:
        return varlink.call(self.socket, "io.fancap.GetStatus")

    def workers(self) -> list[Json]:
        return [worker for interface in self.statistics()["interfaces"] for worker in interface["workers"]]

    def settle(self, seen: int | None = None) -> Json:
        """Wait until the rings are empty and, if given, all that was sent has been seen. @return statistics"""
        last: list[Json] = []

        def settled() -> Json | None:
            last[:] = [self.statistics()]
            total = last[0]["total"]
            done = total["packets_in_ring"] == 0 and (seen is None or total["packets_seen"] >= seen)
            return last[0] if done else None

        try:
            return wait_until(settled, "rings empty")
        except AssertionError as error:
            raise AssertionError(f"{error}: expected {seen} seen, have {last}") from error

    def wait_for_packets(self, more: int = 1) -> None:
        """Wait until traffic is being written."""
        before = self.statistics()["total"]["packets_seen"]
        wait_until(lambda: self.statistics()["total"]["packets_seen"] >= before + more, "packets")

    # --- files -----------------------------------------------------------------------------------------
    def files(self) -> list[Path]:
        return sorted(self.recordings.rglob("*.pcapng"))

    def open_files(self) -> list[Path]:
        return sorted(self.recordings.rglob("*.part"))


def act(fancapd: Fancapd, method: str, **parameters: Any) -> Json:
    """Call a method of io.fancap."""
    return varlink.call(fancapd.socket, f"io.fancap.{method}", **parameters)


def refused(fancapd: Fancapd, method: str, **parameters: Any) -> varlink.VarlinkError:
    """The same, of a call that has to fail."""
    try:
        answer = act(fancapd, method, **parameters)
    except varlink.VarlinkError as error:
        return error
    raise AssertionError(f"{method} was not refused: {answer}")


def interface(link: Link, workers: int = 1, **options: Any) -> Json:
    """An entry of `interfaces:`: small blocks and a short timeout, so that tests need not wait."""
    entry: Json = {"name": link.name, "workers": workers,
                   "ring": {"size": "32MiB", "block-size": "256KiB", "block-timeout": "50ms"}}
    entry.update(options)
    return entry
