# SPDX-License-Identifier: BSD-3-Clause
"""The faults are faults: shown by plain reads and writes, without fancapd."""
from __future__ import annotations

import contextlib
import errno
import json
import mmap
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults import FaultyDisk, no_uring, small_ext4, small_tmpfs
from harness import run, wait_until

MIB = 1 << 20
SYS_IO_URING_SETUP = 425


def page_aligned(n: int) -> mmap.mmap:
    """Memory that O_DIRECT takes, none of it zero."""
    memory = mmap.mmap(-1, n)
    memory.write(bytes(1 + i % 251 for i in range(4096)) * (n // 4096))
    return memory


def write_until_error(path: Path, limit_mib: int, flags: int = 0) -> tuple[int, int]:
    """Write 64 KiB at a time. @return bytes written and the errno that ended it, 0 if none did"""
    memory = page_aligned(64 << 10)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600)
    written = 0
    try:
        while written < limit_mib * MIB:
            written += os.pwrite(fd, memory, written)
        return written, 0
    except OSError as error:
        return written, error.errno
    finally:
        os.close(fd)


def is_mounted(where: Path) -> bool:
    return any(line.split()[4] == str(where) for line in Path("/proc/self/mountinfo").read_text().splitlines())


@pytest.fixture
def where(folder: Path) -> Path:
    path = folder / "mounted"
    path.mkdir()
    return path


@pytest.fixture
def backing(folder: Path) -> Path:
    path = folder / "backing"
    path.mkdir()
    return path


@pytest.fixture
def disk(where: Path, backing: Path) -> Iterator[FaultyDisk]:
    with FaultyDisk(where, backing) as disk:
        yield disk
    assert not is_mounted(where)


@pytest.fixture(params=[0, os.O_DIRECT], ids=["buffered", "direct"])
def file(request: pytest.FixtureRequest, disk: FaultyDisk) -> Iterator[int]:
    """A file on the disk."""
    fd = os.open(disk.where / "file", os.O_RDWR | os.O_CREAT | request.param, 0o640)
    yield fd
    with contextlib.suppress(OSError):  # the disk may have gone
        os.close(fd)


# --- small disks -------------------------------------------------------------------------------------


def test_tmpfs_fills_up_and_has_room_again(where: Path) -> None:
    with small_tmpfs(where, 4):
        assert write_until_error(where / "file", 16) == (4 * MIB, errno.ENOSPC)
        run("mount", "-o", "remount,size=8m", where)
        assert write_until_error(where / "file", 16) == (8 * MIB, errno.ENOSPC)
        (where / "file").unlink()
        assert write_until_error(where / "file", 4) == (4 * MIB, 0)
    assert not is_mounted(where)


def test_ext4_fills_up_by_direct_writes(where: Path, folder: Path) -> None:
    image = folder / "image"
    with small_ext4(where, image, 16):
        assert run("stat", "--file-system", "--format=%T", where).stdout == "ext2/ext3\n"
        written, error = write_until_error(where / "file", 32, os.O_DIRECT)
        assert error == errno.ENOSPC
        assert 8 * MIB < written < 16 * MIB
        (where / "file").unlink()
        assert write_until_error(where / "file", 8, os.O_DIRECT) == (8 * MIB, 0)
    assert not is_mounted(where)
    assert not image.exists()


def test_cleaned_up_after_a_failure_with_files_open(where: Path, folder: Path, backing: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        with small_tmpfs(where, 1), (where / "open").open("w"):
            raise ZeroDivisionError
    assert not is_mounted(where)
    image = folder / "image"
    with pytest.raises(ZeroDivisionError):
        with small_ext4(where, image, 16):
            fd = os.open(where / "open", os.O_WRONLY | os.O_CREAT, 0o600)
            raise ZeroDivisionError
    assert not is_mounted(where)
    os.close(fd)
    wait_until(lambda: str(image) not in run("losetup", "--list").stdout, "the loop device to go")
    with pytest.raises(ZeroDivisionError):
        with FaultyDisk(where, backing):
            raise ZeroDivisionError
    assert not is_mounted(where)


# --- a disk that fails on command ------------------------------------------------------------------------


def test_healthy_disk_is_the_folder(disk: FaultyDisk, backing: Path) -> None:
    folder = disk.where / "2026-01-01"
    folder.mkdir(mode=0o750)
    part, whole = folder / "a.part", folder / "a"
    fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_DIRECT, 0o640)
    run("fallocate", "--keep-size", "--length", "4M", part)
    memory = page_aligned(MIB)
    assert os.pwrite(fd, memory, 0) == MIB
    os.ftruncate(fd, MIB - 7)
    os.fsync(fd)
    with pytest.raises(FileExistsError):
        os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    part.rename(whole)
    os.close(fd)
    at = os.open(folder, os.O_RDONLY)
    os.fsync(at)
    os.close(at)
    same = backing / "2026-01-01/a"
    assert same.read_bytes() == whole.read_bytes() == bytes(memory)[:-7]
    assert same.stat().st_mode == whole.stat().st_mode == 0o100640
    assert (backing / "2026-01-01").stat().st_mode == folder.stat().st_mode == 0o40750
    assert [entry.name for entry in folder.iterdir()] == ["a"]
    assert os.statvfs(disk.where).f_blocks == os.statvfs(backing).f_blocks
    whole.unlink()
    folder.rmdir()
    assert not list(backing.iterdir())


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_writes_fail_and_the_rest_goes_on(disk: FaultyDisk, file: int, error: int) -> None:
    memory = page_aligned(8192)
    assert os.pwrite(file, memory, 0) == 8192
    disk.fail(error, "write")
    for _ in range(3):
        with pytest.raises(OSError) as raised:
            os.pwrite(file, memory, 8192)
        assert raised.value.errno == error
    os.fsync(file)
    assert (disk.where / "file").read_bytes() == bytes(memory)
    disk.heal()
    assert os.pwrite(file, memory, 8192) == 8192
    assert (disk.where / "file").read_bytes() == 2 * bytes(memory)


def test_each_operation_fails_for_itself(disk: FaultyDisk, file: int) -> None:
    path = disk.where / "file"
    at = os.open(disk.where, os.O_RDONLY)
    tries = {
        "write": lambda: os.pwrite(file, page_aligned(4096), 0),
        "fsync": lambda: (os.fsync(file), os.fdatasync(file), os.fsync(at)),
        "create": lambda: (disk.where / "new").touch(),
        "rename": lambda: path.rename(path.with_name("other")).rename(path),
        "allocate": lambda: os.posix_fallocate(file, 0, MIB),
    }
    for failing in tries:
        (disk.where / "new").unlink(missing_ok=True)
        disk.fail(errno.EIO, failing)
        for operation, attempt in tries.items():
            if operation != failing:
                attempt()
                continue
            with pytest.raises(OSError) as raised:
                attempt()
            assert raised.value.errno == errno.EIO
        disk.heal()
    disk.fail(errno.EIO, "create")
    with pytest.raises(OSError):
        (disk.where / "folder").mkdir()
    os.close(at)


def test_short_writes(disk: FaultyDisk, file: int) -> None:
    memory = page_aligned(8192)
    disk.write_half()
    n = os.pwrite(file, memory, 0)  # the kernel tries again what was direct
    assert 0 < n < 8192
    assert (disk.where / "file").read_bytes() == bytes(memory)[:n]


def test_hanging_writes_end_when_it_heals(disk: FaultyDisk, file: int) -> None:
    memory = page_aligned(4096)
    written: list[int] = []
    disk.hang("write")
    writer = threading.Thread(target=lambda: written.append(os.pwrite(file, memory, 0)), daemon=True)
    writer.start()
    wait_until(lambda: disk.hanging() == 1, "the write to hang")
    (disk.where / "other").touch()  # nothing else hangs
    assert (disk.where / "file").stat().st_size == 0
    assert not written
    disk.heal()
    writer.join(60)
    assert written == [4096]
    assert disk.hanging() == 0
    assert (disk.where / "file").read_bytes() == bytes(memory)


def test_hanging_write_fails_when_the_disk_goes(where: Path, backing: Path) -> None:
    """Also of a process that nobody waits for: a test that ends leaves none behind."""
    with FaultyDisk(where, backing) as disk:
        disk.hang("write")
        writer = subprocess.Popen(["dd", "if=/dev/zero", f"of={where}/file", "bs=4096", "count=1"],
                                  stderr=subprocess.DEVNULL)
        wait_until(lambda: disk.hanging() == 1, "the write to hang")
        assert writer.poll() is None
    assert writer.wait(60) == 1
    assert not is_mounted(where)


def test_slow_disk(disk: FaultyDisk, file: int) -> None:
    memory = page_aligned(4096)
    disk.delay(30, "write")
    start = time.monotonic()
    for i in range(3):
        assert os.pwrite(file, memory, 4096 * i) == 4096
    assert time.monotonic() - start >= 0.09


def test_disk_vanishes(disk: FaultyDisk, file: int) -> None:
    disk.vanish()
    for attempt in (lambda: os.pwrite(file, page_aligned(4096), 0), lambda: (disk.where / "new").touch()):
        with pytest.raises(OSError) as raised:
            attempt()
        assert raised.value.errno in (errno.ENOTCONN, errno.ECONNABORTED)


def test_command_that_is_none_is_refused(disk: FaultyDisk) -> None:
    with pytest.raises(AssertionError, match="no such command"):
        disk.fail(errno.EIO, "read")


# --- io_uring --------------------------------------------------------------------------------------------

TRY_IO_URING = f"""
import ctypes, json, os
call = ctypes.CDLL(None, use_errno=True).syscall
def attempt():
    params = ctypes.create_string_buffer(120)
    return ctypes.get_errno() if call({SYS_IO_URING_SETUP}, 1, params) < 0 else 0
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, str(attempt()).encode())
    os._exit(0)
print(json.dumps([attempt(), int(os.read(read, 10))]))
"""


@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS])
def test_io_uring_is_refused_to_all_children(error: int) -> None:
    assert json.loads(run(*no_uring(error), sys.executable, "-c", TRY_IO_URING).stdout) == [error, error]


def test_io_uring_is_there_otherwise() -> None:
    """Else the test above would show nothing; where the kernel refuses it, it says why itself."""
    results = json.loads(run(sys.executable, "-c", TRY_IO_URING).stdout)
    if results != [0, 0]:
        pytest.skip(f"no io_uring here: {os.strerror(results[0])}")
