# SPDX-License-Identifier: BSD-3-Clause
"""Writes capture files: what fancap-replay is given."""
from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

ETHERNET = 1
NS_PER_S = 1_000_000_000
START_NS = 1_700_000_000 * NS_PER_S

Timed = tuple[int, bytes]  # nanoseconds since 1970, frame


def timed(frames: Iterable[bytes], gap_ns: int = 0) -> list[Timed]:
    return [(START_NS + i * gap_ns, frame) for i, frame in enumerate(frames)]


def write_pcap(path: Path, packets: Iterable[Timed], *, order: str = "<", nanoseconds: bool = True,
               link_type: int = ETHERNET, cut: int = 0) -> Path:
    """cut: bytes missing at the end of every packet."""
    magic, unit = (0xA1B23C4D, 1) if nanoseconds else (0xA1B2C3D4, 1000)
    parts = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 262144, link_type)]
    for time_ns, data in packets:
        kept = data[:len(data) - cut]
        parts += [struct.pack(f"{order}IIII", time_ns // NS_PER_S, time_ns % NS_PER_S // unit, len(kept), len(data)),
                  kept]
    path.write_bytes(b"".join(parts))
    return path


def _block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = len(body) + 12
    return struct.pack(f"{order}II", kind, length) + body + struct.pack(f"{order}I", length)


def _section(order: str) -> bytes:
    return _block(order, 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))


def _interface(order: str, link_type: int, resolution: int, offset_s: int) -> bytes:
    options = struct.pack(f"{order}HHBxxxHHqHH", 9, 1, resolution, 14, 8, offset_s, 0, 0)
    return _block(order, 1, struct.pack(f"{order}HHI", link_type, 0, 0) + options)


def _ticks(time_ns: int, resolution: int, offset_s: int) -> int:
    per_s = 1 << (resolution & 127) if resolution & 128 else 10 ** resolution
    return -(-(time_ns - offset_s * NS_PER_S) * per_s // NS_PER_S)


def _packet(order: str, interface: int, ticks: int, data: bytes) -> bytes:
    return _block(order, 6, struct.pack(f"{order}IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data)) + data)


# tsresol and tsoffset of the interfaces that write_pcapng() spreads packets over
CLOCKS = ((6, 0), (9, 1_000_000_000), (0x80 | 30, -5))


def write_pcapng(path: Path, packets: Sequence[Timed], sections: int = 2) -> Path:
    """Several sections of either byte order, each with interfaces of different clocks."""
    parts = []
    for section in range(sections):
        order = "<>"[section % 2]
        first, last = section * len(packets) // sections, (section + 1) * len(packets) // sections
        parts += [_section(order), *(_interface(order, ETHERNET, *clock) for clock in CLOCKS)]
        for i, (time_ns, data) in enumerate(packets[first:last]):
            clock = i % len(CLOCKS)
            parts.append(_packet(order, clock, _ticks(time_ns, *CLOCKS[clock]), data))
    path.write_bytes(b"".join(parts))
    return path
