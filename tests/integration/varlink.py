# SPDX-License-Identifier: BSD-3-Clause
"""A plain Varlink client: JSON objects, each ended by NUL, over a Unix socket."""
from __future__ import annotations

import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any


class VarlinkError(Exception):
    """The service answered with an error."""

    def __init__(self, name: str, parameters: dict[str, Any]) -> None:
        super().__init__(f"{name} {parameters}")
        self.name = name
        self.parameters = parameters


class Connection:
    def __init__(self, path: Path, timeout_s: float = 30) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        self._socket.connect(str(path))
        self._buffer = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _receive_message(self) -> bytes:
        while b"\0" not in self._buffer:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the service closed the connection")
            self._buffer += data
        message, self._buffer = self._buffer.split(b"\0", 1)
        return message

    def send(self, method: str, **parameters: Any) -> None:
        request = {"method": method, "parameters": parameters}
        with suppress(BrokenPipeError):  # turned away already: what it says is there to be read
            self._socket.sendall(json.dumps(request).encode() + b"\0")

    def send_more(self, method: str, **parameters: Any) -> None:
        """To be answered by a stream of replies."""
        request = {"method": method, "parameters": parameters, "more": True}
        self._socket.sendall(json.dumps(request).encode() + b"\0")

    def receive(self) -> dict[str, Any]:
        return json.loads(self._receive_message())

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.send(method, **parameters)
        reply = self.receive()
        if "error" in reply:
            raise VarlinkError(reply["error"], reply.get("parameters", {}))
        return reply.get("parameters", {})


def call(path: Path, method: str, **parameters: Any) -> dict[str, Any]:
    with Connection(path) as connection:
        return connection.call(method, **parameters)
