# SPDX-License-Identifier: BSD-3-Clause
"""Recordings whose daemon was killed, and capture files that end anywhere: what can be read of them is read by everybody."""
from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness import (FANCAPCTL, FANCAPD, SANITIZED, TRAFFIC, Fancapd, Frames, Json, Link, check_clean,
                     check_closing_statistics, count_packets, interface, run, verify, wait_until)

COUNT = 5000
CUTS = 10 if SANITIZED else 50  # it is other people's programs that take their time
TAIL = 64 << 10
OK, FAILED, USAGE = 0, 1, 2


def execute(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in command], text=True, capture_output=True, timeout=120, check=False)


def is_free(path: Path) -> bool:
    """Nobody holds a lock on it."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.fixture
def torn(fancapd: Fancapd, link: Link) -> Fancapd:
    """A daemon that was killed with all its workers, and the .part files that it left; COUNT packets are in them."""
    fancapd.configure(interface(link, 2))
    fancapd.start()
    link.send(Frames(run=1), COUNT)
    assert fancapd.settle(COUNT)["total"]["packets_written"] == COUNT
    for pid in fancapd.processes():
        os.kill(pid, signal.SIGSTOP)  # or the workers would finish their files
    for pid in reversed(fancapd.processes()):
        os.kill(pid, signal.SIGKILL)
    fancapd.wait()
    assert len(fancapd.open_files()) == 2 and not fancapd.files()
    # A worker that was killed is not dead yet; and then the kernel takes its writes apart.
    for path in fancapd.open_files():
        wait_until(lambda path=path: is_free(path), f"the lock on {path}")
    return fancapd


def readers_agree(path: Path, packets: int) -> None:
    """Each exits with 0, complains of nothing, and finds as many packets."""
    shown = run("tshark", "-n", "-r", path, "-T", "fields", "-e", "frame.number", "-e", "_ws.malformed")
    assert len(shown.stdout.splitlines()) == packets and "alformed" not in shown.stdout
    shown_stderr = [line for line in shown.stderr.splitlines() if not line.startswith("Running as user")]
    assert not shown_stderr, shown_stderr
    dumped = run("tcpdump", "-n", "-r", path)
    assert len(dumped.stdout.splitlines()) == packets
    assert "truncated" not in dumped.stderr and "error" not in dumped.stderr
    assert count_packets(path) == packets


def test_recordings_of_a_killed_daemon_are_published(torn: Fancapd) -> None:
    done = run(FANCAPD, "--recover", torn.recordings)
    assert len(done.stdout.splitlines()) == 2 and done.stderr == ""
    assert not torn.open_files()
    result = verify(torn.files(), Frames(run=1), COUNT)
    assert result["packets"] == COUNT and result["missing"] == 0
    check_clean(result)
    check_closing_statistics(result)
    for path in torn.files():
        readers_agree(path, count_packets(path))


def test_recovering_again_changes_nothing(torn: Fancapd) -> None:
    run(FANCAPD, "--recover", torn.recordings)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in torn.files()}
    done = run(FANCAPD, "--recover", torn.recordings)
    assert done.stdout == "" and done.stderr == ""
    for path in torn.files():
        assert "nothing to do" in run(FANCAPD, "--recover", path).stdout
        assert "nothing to do" in run(FANCAPCTL, "recover", path).stdout
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in torn.files()}
    assert torn.files() == [path for path in sorted(torn.recordings.rglob("*")) if path.is_file()]


def recover(path: Path, *options: object) -> Json:
    done = run(FANCAPCTL, "--json", "recover", *options, path)
    assert done.stderr == ""
    (found,) = json.loads(done.stdout)["files"]
    assert found["error"] is None and found["file"] == str(path)
    return found


def recover_and_read(whole: bytes, cut: int, folder: Path) -> None:
    part, result = folder / f"{cut}.pcapng.part", folder / f"{cut}.pcapng"
    part.write_bytes(whole[:cut])
    found = recover(part)
    assert found["output"] == str(result)
    inside = found["recovered"]
    assert inside["bytes_kept"] + inside["bytes_cut"] == cut
    assert result.read_bytes()[:inside["bytes_kept"]] == whole[:inside["bytes_kept"]]
    assert result.stat().st_size == inside["bytes"]
    assert part.read_bytes() == whole[:cut]
    readers_agree(result, inside["packets"])


def test_every_reader_reads_what_was_cut_anywhere(torn: Fancapd, folder: Path) -> None:
    whole = torn.open_files()[0].read_bytes()
    chance = random.Random(4)
    assert len(whole) > TAIL
    with ThreadPoolExecutor(os.cpu_count()) as readers:
        cuts = chance.sample(range(len(whole) - TAIL, len(whole)), CUTS)
        list(readers.map(lambda cut: recover_and_read(whole, cut, folder), cuts))


@pytest.mark.parametrize("tail", ["zeros", "garbage", "torn and zeros"])
def test_what_stands_at_the_end_is_cut_off(torn: Fancapd, folder: Path, tail: str) -> None:
    whole = torn.open_files()[0].read_bytes()
    packets = recover(torn.open_files()[0], "--output", folder / "whole.pcapng")["recovered"]["packets"]
    behind = {"zeros": bytes(8192), "garbage": random.Random(5).randbytes(5000), "torn and zeros": whole[-400:-3] + bytes(4096)}
    path = folder / "x.pcapng"
    path.write_bytes(whole + behind[tail])
    found = recover(path)
    assert found["output"] == str(folder / "x.recovered.pcapng")
    if tail != "torn and zeros":
        assert found["recovered"]["bytes_kept"] == len(whole)
        assert found["recovered"]["packets"] == packets
    assert found["recovered"]["bytes_cut"] > 0 and found["recovered"]["reason"]
    readers_agree(Path(found["output"]), found["recovered"]["packets"])


def test_what_others_write_is_recovered_too(folder: Path) -> None:
    """dumpcap's format by editcap, in either format; the last packet is torn."""
    source = folder / "source.pcap"
    run(TRAFFIC, "--pcap", source, "--count", 100)
    for kind in ("pcapng", "pcap", "nsecpcap"):
        path = folder / f"{kind}.{kind[-6:] if kind == 'pcapng' else 'pcap'}"
        run("editcap", "-F", kind, source, path)
        os.truncate(path, path.stat().st_size - 30)
        found = recover(path)
        assert found["recovered"]["packets"] == 99
        readers_agree(Path(found["output"]), 99)


def test_what_is_being_written_or_foreign_is_left_alone(torn: Fancapd) -> None:
    busy, orphan = torn.open_files()
    foreign = torn.recordings / "download.part"
    foreign.write_bytes(orphan.read_bytes())
    link = torn.recordings / "link.pcapng.part"
    link.symlink_to(foreign)
    empty = torn.recordings / "empty.pcapng.part"
    empty.touch()
    before = busy.read_bytes()
    with busy.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = run(FANCAPD, "--recover", torn.recordings)
        assert f"{busy}: it is being written" in done.stderr and f"{empty}: the file is empty" in done.stderr
        for command in ([FANCAPD, "--recover", busy], [FANCAPCTL, "recover", busy]):
            asked = execute(*command)
            assert asked.returncode == FAILED and "it is being written" in asked.stderr
    assert busy.read_bytes() == before
    assert foreign.exists() and link.is_symlink() and empty.exists()
    assert torn.files() == [orphan.with_suffix("")]


@pytest.fixture
def small_disk(folder: Path, opened: ExitStack) -> Path:
    disk = folder / "disk"
    disk.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=8m", "fancap-test", disk)
    opened.callback(run, "umount", "--lazy", disk)
    return disk


@pytest.fixture
def large(small_disk: Path) -> Path:
    """Of more than half the disk, and torn."""
    path = small_disk / "x.pcap"
    run(TRAFFIC, "--pcap", path, "--count", 4000, "--min", 1400, "--max", 1400)
    os.truncate(path, path.stat().st_size - 1)
    assert 4 << 20 < path.stat().st_size < 7 << 20
    return path


def test_full_disk_leaves_the_original_alone(large: Path, folder: Path) -> None:
    before = large.read_bytes()
    done = execute(FANCAPCTL, "recover", large)
    assert done.returncode == FAILED and "No space left on device" in done.stderr
    assert [path.name for path in large.parent.iterdir()] == [large.name]
    assert large.read_bytes() == before
    # There is room elsewhere; or none is needed.
    assert recover(large, "--output", folder / "x.pcap")["recovered"]["packets"] == 3999
    part = large.with_name("y.pcap.part")
    large.rename(part)
    run(FANCAPD, "--recover", part)
    assert (large.parent / "y.pcap").read_bytes() == (folder / "x.pcap").read_bytes()


def test_read_only_folder(large: Path, folder: Path) -> None:
    part = large.with_name("y.pcapng.part")
    large.rename(part)
    run("mount", "-o", "remount,ro", large.parent)
    for command in ([FANCAPCTL, "recover", part], [FANCAPD, "--recover", part], [FANCAPD, "--recover", part.parent]):
        done = execute(*command)
        assert done.returncode == FAILED and "Read-only file system" in done.stderr, command
    assert recover(part, "--output", folder / "x.pcap")["recovered"]["packets"] == 3999


def test_exit_codes_and_what_is_told(torn: Fancapd, folder: Path) -> None:
    text, good = folder / "text", torn.open_files()[0]
    text.write_text("no capture file")
    done = execute(FANCAPCTL, "--json", "recover", text, good, folder / "none")
    assert done.returncode == FAILED
    found = json.loads(done.stdout)["files"]
    assert [one["error"] is None for one in found] == [False, True, False]
    assert [one["output"] for one in found] == [None, str(good.with_suffix("")), None]
    assert [one["recovered"] is None for one in found] == [True, False, True]
    assert "neither pcap nor pcapng" in found[0]["error"] and found[0]["error"] in done.stderr
    assert execute(FANCAPCTL, "recover", good).returncode == FAILED  # it is there already
    assert execute(FANCAPD, "--recover", text, torn.open_files()[1]).returncode == FAILED
    assert len(torn.files()) == 2, "one that fails does not keep others from being recovered"


@pytest.mark.parametrize("words", [["recover"], ["recover", "--output", "x", "a", "b"], ["status", "--output", "x"]])
def test_wrong_use_of_fancapctl_recover(words: list[str]) -> None:
    assert execute(FANCAPCTL, *words).returncode == USAGE


@pytest.mark.parametrize("words", [[], ["x", "--config", "y"], ["x", "--dump-config"], ["x", "--check-config", "y"]])
def test_wrong_use_of_fancapd_recover(words: list[str]) -> None:
    assert execute(FANCAPD, "--recover", *words).returncode == USAGE
