# SPDX-License-Identifier: BSD-3-Clause
"""What the tests need to look at inside of a recorded file; tests/tools/verify is the strict reader."""
from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SHB, IDB, ISB, EPB = 0x0A0D0D0A, 1, 5, 6
IF_NAME, IF_TSRESOL, IF_FILTER, IF_OS = 2, 9, 11, 12
EPB_FLAGS, EPB_DROPCOUNT = 2, 4
INBOUND, OUTBOUND = 1, 2


@dataclass
class Packet:
    time_ns: int
    data: bytes
    length: int
    options: dict[int, bytes]

    @property
    def direction(self) -> int:
        return int.from_bytes(self.options.get(EPB_FLAGS, b""), "little") & 3


@dataclass
class Interface:
    link_type: int
    snaplen: int
    options: dict[int, bytes]

    def text(self, code: int) -> str:
        return self.options[code].decode()


@dataclass
class Recording:
    interface: Interface
    packets: list[Packet] = field(default_factory=list)


def _options(data: bytes) -> dict[int, bytes]:
    options = {}
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from("<HH", data, at)
        if code == 0:
            break
        options[code] = data[at + 4:at + 4 + length]
        at += 4 + (length + 3) // 4 * 4
    return options


def _blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        yield kind, data[at + 8:at + length - 4]
        at += length


def _packet(body: bytes) -> Packet:
    _, high, low, caplen, length = struct.unpack_from("<IIIII", body)
    options = _options(body[20 + (caplen + 3) // 4 * 4:])
    return Packet(high << 32 | low, body[20:20 + caplen], length, options)


def read(path: Path) -> Recording:
    interface = None
    packets = []
    for kind, body in _blocks(path.read_bytes()):
        if kind == IDB:
            link_type, _, snaplen = struct.unpack_from("<HHI", body)
            interface = Interface(link_type, snaplen, _options(body[8:]))
        elif kind == EPB:
            packets.append(_packet(body))
    assert interface, f"{path}: no interface description"
    return Recording(interface, packets)


def read_packets(paths: list[Path]) -> list[Packet]:
    return [packet for path in paths for packet in read(path).packets]
