# SPDX-License-Identifier: BSD-3-Clause
"""Disks that are full, slow, or fail. Context managers; all is cleaned up when they end, also with the test's process.

Mount before the daemon starts: `ip netns exec` gives it a mount namespace of its own, which later mounts do not reach.

Device-mapper (error, flakey, delay, dust) would fail below the page cache; not every kernel has it. FaultyDisk fails
between kernel and file instead: a write fails when it is made, a failed write-back is simulated by a failed fsync.
"""
from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import BUILDDIR, run

FAULTY_DISK = BUILDDIR / "tests/tools/faulty_disk"
NO_URING = BUILDDIR / "tests/tools/no_uring"

OPERATIONS = ("write", "fsync", "create", "rename", "allocate")


@contextlib.contextmanager
def _mounted(where: Path, *arguments: object) -> Iterator[Path]:
    run("mount", *arguments, where)
    try:
        yield where
    finally:
        run("umount", "--lazy", where)  # a daemon may still have files open there


def small_tmpfs(where: Path, mib: int) -> contextlib.AbstractContextManager[Path]:
    """A tmpfs of so many MiB. A larger one: `mount -o remount,size=`."""
    return _mounted(where, "-t", "tmpfs", "-o", f"size={mib}m", "fancap-test")


@contextlib.contextmanager
def small_ext4(where: Path, image: Path, mib: int) -> Iterator[Path]:
    """An ext4 of so many MiB, with its journal, on a loop device; the image goes with it."""
    with image.open("xb") as file:
        file.truncate(mib << 20)
    try:
        run("mkfs.ext4", "-q", "-m", "0", image)
        with _mounted(where, "-o", "loop", image):
            yield where
    finally:
        image.unlink()


class FaultyDisk:
    """A folder seen through a file system that fails on command, at another place."""

    def __init__(self, where: Path, folder: Path) -> None:
        if not FAULTY_DISK.exists():
            pytest.skip("no faulty_disk: install libfuse3-dev, then configure and make again")
        self.where = where
        self.process = subprocess.Popen([FAULTY_DISK, folder, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        try:
            assert self._answer() == "ready"
        except BaseException:
            self.close()
            raise

    def _answer(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().rstrip("\n")

    def _ask(self, command: str) -> str:
        assert self.process.stdin
        self.process.stdin.write(f"{command}\n")
        return self._answer()

    def _fault(self, operations: tuple[str, ...], kind: str, value: int = 0) -> None:
        for operation in operations:
            answer = self._ask(f"{operation} {kind} {value}")
            assert answer == "ok", f"{operation} {kind} {value}: {answer}"

    def fail(self, error: int, *operations: str) -> None:
        """From now on these operations (all, unless named) end in this errno."""
        self._fault(operations or OPERATIONS, "error", error)

    def hang(self, *operations: str) -> None:
        """From now on they do not end; those that do are as they are after heal(), fail() ..."""
        self._fault(operations or OPERATIONS, "hang")

    def delay(self, milliseconds: int, *operations: str) -> None:
        """A slow disk: each takes that much longer. The kernel cuts what is written into pieces of 1 MiB at most."""
        self._fault(operations or OPERATIONS, "delay", milliseconds)

    def write_half(self) -> None:
        """Every write of more than a byte is a short one."""
        self._fault(("write",), "half")

    def heal(self) -> None:
        self._fault(OPERATIONS, "none")

    def hanging(self) -> int:
        """How many operations hang at the moment."""
        return int(self._ask("hanging"))

    def vanish(self) -> None:
        """The disk is pulled out: whatever is tried fails from now on (ENOTCONN)."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()  # it takes its mount away
        self.process.wait()
        self.process.stdout.close()
        subprocess.run(["umount", "--quiet", "--lazy", self.where], check=False)  # or it could not

    def __enter__(self) -> FaultyDisk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def no_uring(error: int) -> list[str]:
    """Words before a command: io_uring_setup() fails with this errno, for its children too.

    For the daemon: `fancapd.start(shell=f'exec {" ".join(no_uring(errno.EPERM))} "$@"')`.
    """
    return [str(NO_URING), str(error)]
