# SPDX-License-Identifier: BSD-3-Clause
"""What hostile, broken and slow clients do to the daemon while it captures: nothing that others would notice."""
from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

import pytest

import varlink
from harness import (HANG_S, SANITIZED, Fancapd, Frames, Json, Link, check_against_files, descriptors, interface,
                     read_proc_status, verify, wait_until)

COUNT = 200_000
PPS = 50_000
CLIENTS = 32
REQUEST_BYTES = 64 * 1024
# What another client may have to wait: generous for a busy machine, and far below what a blocked loop would take.
OTHERS_S = 4.0
T = TypeVar("T")
GET_STATISTICS = b'{"method":"io.fancap.GetStatistics"}\0'



def dial(fancapd: Fancapd) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(HANG_S)
    connection.connect(str(fancapd.socket))
    return connection


def send(connection: socket.socket, data: bytes) -> None:
    """As much as the daemon takes: it may have seen enough before the end."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(data)


def receive_all(connection: socket.socket) -> list[Json]:
    """@return all messages until the daemon closes the connection"""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(1 << 20):
            data += piece
    return [json.loads(message) for message in data.split(b"\0") if message]


def call(method: str, **fields: object) -> bytes:
    return json.dumps({"method": method, **fields}).encode() + b"\0"


REFUSED = {
    "oversized": b'{"method":"' + b"a" * (2 * REQUEST_BYTES),
    "oversized without end": b"\xff" * (16 * REQUEST_BYTES),
    "nested": b'{"method":"io.fancap.GetStatus","parameters":' + b'{"a":' * 100 + b"1" + b"}" * 101 + b"\0",
    "nested as deep as fits": b"[" * (REQUEST_BYTES - 1) + b"\0",
    "truncated JSON": b'{"method":"io.fancap.Get\0',
    "binary": bytes(range(1, 256)) * 100 + b"\0",
    "nothing but NUL": b"\0",
    "not an object": b"[]\0",
    "a key that stands twice": b'{"method":"io.fancap.GetStatus","method":"io.fancap.GetStatistics"}\0',
    "half-sent": b'{"method":"io.fancap.GetStatus"',
}


class Others:
    """A well-behaved client, that notes how long it had to wait."""

    def __init__(self, fancapd: Fancapd) -> None:
        self.fancapd = fancapd
        self.slowest_s = 0.0

    def ask(self) -> Json:
        started = time.monotonic()
        answer = varlink.call(self.fancapd.socket, "io.fancap.GetStatus")
        self.slowest_s = max(self.slowest_s, time.monotonic() - started)
        return answer


Abuse = Callable[[Callable[[Others], None]], None]


@pytest.fixture
def abused(fancapd: Fancapd, link: Link) -> Abuse:
    """Run an attack on a daemon that captures: all packets are accounted for, and others are served meanwhile."""
    def run(attack: Callable[[Others], None]) -> None:
        frames = Frames()
        fancapd.configure(interface(link, 2))
        fancapd.start()
        others = Others(fancapd)
        sender = link.start(frames, count=COUNT, pps=PPS)
        fancapd.wait_for_packets()
        attack(others)
        assert others.ask()["state"] == "running"
        assert others.slowest_s < OTHERS_S
        assert sender.result()["sent"] == COUNT
        total = fancapd.settle(COUNT)["total"]
        assert total["worker_restarts"] == 0
        fancapd.stop()
        check_against_files(total, verify(fancapd.files(), frames, COUNT), COUNT)

    return run


def test_requests_without_sense_are_refused(abused: Abuse) -> None:
    """Each is answered with a typed error, and its connection closed."""
    def attack(others: Others) -> None:
        for name, data in REFUSED.items():
            with dial(others.fancapd) as connection:
                send(connection, data)
                connection.shutdown(socket.SHUT_WR)
                replies = receive_all(connection)
            assert [reply["error"] for reply in replies] == ["io.fancap.ProtocolError"], name
            others.ask()

    abused(attack)


def test_while_others_stand_still_or_die(fancapd: Fancapd, link: Link, opened: ExitStack) -> None:
    """A worker frozen, the keeper killed, the supervisor frozen: and clients that talk nonsense all the while."""
    frames = Frames()
    fancapd.configure(interface(link, 2))
    fancapd.start()
    others = Others(fancapd)
    sender = link.flow(frames, pps=PPS)
    fancapd.wait_for_packets()
    frozen, keeper = fancapd.workers()[0]["pid"], others.ask()["storage"]["keeper_pid"]
    os.kill(frozen, signal.SIGSTOP)
    os.kill(keeper, signal.SIGKILL)
    os.kill(fancapd.pid, signal.SIGSTOP)
    for data in REFUSED.values():
        connection = opened.enter_context(dial(fancapd))
        connection.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            connection.sendall(data)
    os.kill(fancapd.pid, signal.SIGCONT)
    wait_until(lambda: others.ask()["storage"]["keeper_pid"] not in (None, keeper), "another keeper")
    wait_until(lambda: fancapd.workers()[0]["pid"] not in (None, 0, frozen), "another worker")
    sent = sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    assert total["worker_restarts"] == 1
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, sent), sent)


def test_slow_senders_keep_nobody_waiting(abused: Abuse, opened: ExitStack) -> None:
    """All places but one taken by clients that send a byte at a time: after 5 s they are told so."""
    def attack(others: Others) -> None:
        slow = [opened.enter_context(dial(others.fancapd)) for _ in range(CLIENTS - 1)]
        started = time.monotonic()
        for byte in GET_STATISTICS[:20]:
            for connection in slow:
                connection.send(bytes([byte]))
            others.ask()
        for connection in slow:
            reasons = [reply["parameters"]["reason"] for reply in receive_all(connection)]
            assert reasons == ["the request was not complete in time"]
        assert time.monotonic() - started >= 4

    abused(attack)


def test_pipelined_requests_are_answered_in_order(abused: Abuse, opened: ExitStack) -> None:
    """Ten thousand at once; other clients get their turn between them."""
    def attack(others: Others) -> None:
        requests = 10_000
        connection = opened.enter_context(dial(others.fancapd))
        kinds = [call("io.fancap.GetStatus"), call("org.varlink.service.GetInfo"), call("io.fancap.No"),
                 call("io.fancap.GetStatus", oneway=True)]
        data = b"".join(kinds[i % len(kinds)] for i in range(requests))
        received = b""
        expected = requests // len(kinds) * 3
        connection.setblocking(False)
        while received.count(b"\0") < expected:
            with contextlib.suppress(BlockingIOError):
                if data:
                    data = data[connection.send(data):]
            with contextlib.suppress(BlockingIOError):
                received += connection.recv(1 << 20)
            if len(data) % 7 == 0:
                others.ask()
        replies = [json.loads(message) for message in received.split(b"\0") if message]
        assert len(replies) == expected
        assert all("state" in reply["parameters"] for reply in replies[0::3])
        assert all("product" in reply["parameters"] for reply in replies[1::3])
        assert all(reply["error"] == "org.varlink.service.MethodNotFound" for reply in replies[2::3])

    abused(attack)


def rss_bytes(pid: int) -> int:
    return int(read_proc_status(pid)["VmRSS"].split()[0]) * 1024


def test_slow_readers_are_bounded(abused: Abuse, opened: ExitStack) -> None:
    """They ask for much and read none of it: the daemon stops asking for more, and holds little for them."""
    def attack(others: Others) -> None:
        before = rss_bytes(others.fancapd.pid)
        for _ in range(CLIENTS - 1):
            connection = opened.enter_context(dial(others.fancapd))
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(1000):
                    connection.send(GET_STATISTICS * 100)
            others.ask()
        for _ in range(20):
            others.ask()
        if not SANITIZED:  # ASan keeps what was freed
            assert rss_bytes(others.fancapd.pid) - before < CLIENTS * (256 << 10)

    abused(attack)


def test_clients_that_leave_are_forgotten(abused: Abuse) -> None:
    """In the middle of a request, of a reply, or before either."""
    def attack(others: Others) -> None:
        before = len(descriptors(others.fancapd.pid))
        for i in range(300):
            with dial(others.fancapd) as connection:
                if i % 3 == 0:
                    send(connection, GET_STATISTICS * 50)
                elif i % 3 == 1:
                    send(connection, GET_STATISTICS[:10])
            if i % 30 == 0:
                others.ask()
        wait_until(lambda: len(descriptors(others.fancapd.pid)) <= before, "the descriptors as before")

    abused(attack)


def test_one_client_too_many_is_told_so(abused: Abuse, opened: ExitStack) -> None:
    """If something is under way for all others. And when one of them leaves, there is room again."""
    def attack(others: Others) -> None:
        connections = [opened.enter_context(dial(others.fancapd)) for _ in range(CLIENTS)]
        for connection in connections:
            connection.sendall(call("io.fancap.GetStatistics", more=True))
            assert connection.recv(65536)
        with pytest.raises(varlink.VarlinkError) as caught:
            others.ask()
        assert caught.value.name == "io.fancap.TooManyClients"
        assert caught.value.parameters == {"limit": CLIENTS}
        connections[0].close()

        def served() -> Json | None:
            with contextlib.suppress(varlink.VarlinkError):
                return others.ask()
            return None

        assert wait_until(served, "room for another client")
        for connection in connections:
            connection.close()
        wait_until(served, "room for another client")

    abused(attack)


def test_flood_of_connections_keeps_nobody_out(abused: Abuse) -> None:
    """Ten thousand that say nothing, many of them at a time: they make room for each other, and for who has something to say."""
    def patiently(connect: Callable[[], T]) -> T:
        """The queue of those not accepted yet may be full: a socket that does not block is told so."""
        while True:
            with contextlib.suppress(BlockingIOError):
                return connect()
            time.sleep(0.001)

    def attack(others: Others) -> None:
        silent: deque[socket.socket] = deque()
        for i in range(10_000):
            silent.append(patiently(lambda: dial(others.fancapd)))
            if len(silent) > 200:
                silent.popleft().close()
            if i % 500 == 0:
                patiently(others.ask)
        for connection in silent:
            connection.close()
        print(f"a call took {others.slowest_s * 1000:.0f} ms at most")

    abused(attack)
