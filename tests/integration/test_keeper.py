# SPDX-License-Identifier: BSD-3-Clause
"""The storage keeper: files are finished, kept within their budget, recovered, compressed and given to whom they belong."""
from __future__ import annotations

import fcntl
import grp
import os
import pwd
import signal
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from faults import small_tmpfs
from harness import (FANCAPCTL, Fancapd, Frames, Json, Link, check_against_files, check_clean, children,
                     count_packets, descriptors, interface, is_alive, read_proc_status, run, verify, wait_until)

MIB = 1 << 20
OLD = "cap0/2020-01-0{day}/cap0-w0-2020010{day}T000000.{n:06}Z.pcapng"


def storage(fancapd: Fancapd) -> Json:
    return fancapd.status()["storage"]


def keeper_pid(fancapd: Fancapd) -> int:
    return wait_until(lambda: storage(fancapd)["keeper_pid"], "a keeper")


def room(folder: Path) -> int:
    """What files take, as a budget counts: written or allocated, whichever is more. A file being renamed counts once."""
    files: dict[int, int] = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            status = path.lstat()
            if path.is_file():
                files[status.st_ino] = max(status.st_size, status.st_blocks * 512)
    return sum(files.values())


class Sampler:
    """Looks ten times a second how much room a folder takes."""

    def __init__(self, folder: Path) -> None:
        self.samples: list[int] = []
        self._folder = folder
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._end.wait(0.1):
            self.samples.append(room(self._folder))

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def make_recording(path: Path, size: int = MIB, suffix: str = "") -> Path:
    """Something by the name of a recording."""
    path = path.with_name(path.name + suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\0" * size)
    return path


def old_recording(fancapd: Fancapd, n: int, day: int = 1) -> Path:
    return fancapd.recordings / OLD.format(day=day, n=n)


# --- the budget -------------------------------------------------------------------------------------------

def test_budget_is_kept_over_a_thousand_rotations(fancapd: Fancapd, link: Link, opened: ExitStack) -> None:
    """On a disk that keeps up with it: what waits to be synced cannot be removed."""
    opened.enter_context(small_tmpfs(fancapd.recordings, 512))
    budget, workers, rotations = 64 * MIB, 2, 1000
    frames = Frames({"min": 1400, "max": 1400})
    fancapd.configure(interface(link, workers), rotate={"size": "1MiB", "interval": "none"},
                      storage={"retain": {"size": "64MiB", "free": "none"}})
    fancapd.start()
    with Sampler(fancapd.recordings) as sampler:
        sender = link.flow(frames, pps=30_000)
        wait_until(lambda: storage(fancapd)["finished_files"] >= rotations, "a thousand rotations", 240)
    sent = sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    assert max(sampler.samples) <= budget + workers * MIB
    assert max(sampler.samples) > budget // 2  # what may be kept is kept
    assert total["packets_discarded"] == 0
    fancapd.stop()
    assert room(fancapd.recordings) <= budget + workers * MIB
    check_clean(verify(fancapd.files(), frames, sent))  # what is left is whole, and the newest
    assert len(fancapd.files()) >= 30


def test_what_was_there_before_is_counted(fancapd: Fancapd, link: Link) -> None:
    """The index is made from the folders: nothing is forgotten across restarts."""
    old = [make_recording(old_recording(fancapd, n, 1 + n % 2)) for n in range(8)]
    fancapd.configure(interface(link), rotate={"size": "1MiB"}, storage={"retain": {"size": "4MiB", "free": "none"}})
    fancapd.start()
    wait_until(lambda: sum(path.exists() for path in old) <= 4, "removal")
    now = wait_until(lambda: storage(fancapd)["scanned"] and storage(fancapd), "a look at all folders")
    assert now["files"] == now["removed_files"] == 4
    assert now["removed_bytes"] == 4 * MIB
    assert [path.exists() for path in old] == [n % 2 == 1 for n in range(8)]  # the first day's, gone with its folder
    assert not old[0].parent.exists()
    fancapd.stop()


def test_other_peoples_files_stay(fancapd: Fancapd, link: Link, opened: ExitStack) -> None:
    foreign = make_recording(fancapd.recordings / "cap0/2020-01-01/notes.pcapng")
    link_target = make_recording(fancapd.folder / "elsewhere/2020-01-01/cap9-w0-20200101T000000.000000Z.pcapng")
    (fancapd.recordings / "cap9").symlink_to(fancapd.folder / "elsewhere")
    held = make_recording(old_recording(fancapd, 1))
    make_recording(held, 0, ".hold")
    open_part = make_recording(old_recording(fancapd, 2), MIB, ".part")
    writer = opened.enter_context(open_part.open("r+b"))
    fcntl.flock(writer, fcntl.LOCK_EX)
    ours = [make_recording(old_recording(fancapd, n)) for n in range(3, 6)]
    fancapd.configure(interface(link), rotate={"size": "1MiB"}, storage={"retain": {"size": "2MiB", "free": "none"}})
    fancapd.start()
    wait_until(lambda: not any(path.exists() for path in ours[:-1]), "removal")
    wait_until(lambda: storage(fancapd)["scanned"], "a look at all folders")
    fancapd.stop_with_open_files([open_part])
    assert foreign.stat().st_size == held.stat().st_size == link_target.stat().st_size == MIB
    assert open_part.read_bytes() == b"\0" * MIB


def test_reload_changes_what_is_kept(fancapd: Fancapd, link: Link) -> None:
    old = [make_recording(old_recording(fancapd, n)) for n in range(8)]
    fancapd.configure(interface(link), rotate={"size": "1MiB"})
    fancapd.start()
    wait_until(lambda: storage(fancapd)["files"] == 8, "the index")
    fancapd.configure(interface(link), rotate={"size": "1MiB"}, storage={"retain": {"size": "3MiB", "free": "none"}})
    fancapd.process.send_signal(signal.SIGHUP)
    wait_until(lambda: storage(fancapd)["files"] == 3, "removal")
    assert sum(path.exists() for path in old) == 3
    fancapd.configure(interface(link), storage={"directory": str(fancapd.folder)})
    fancapd.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "storage.directory takes a restart" in fancapd.log(), "the refusal")
    fancapd.stop()


# --- full disks ----------------------------------------------------------------------------------------------

def free_part(folder: Path) -> float:
    status = os.statvfs(folder)
    return status.f_bavail / status.f_blocks


def test_keeper_makes_room_on_a_full_disk(fancapd: Fancapd, link: Link, opened: ExitStack) -> None:
    """First nobody may remove anything, and the disk fills up; then somebody may, and recording resumes by itself."""
    opened.enter_context(small_tmpfs(fancapd.recordings, 64))
    frames, count = Frames({"min": 1400, "max": 1400}), 60_000
    settings: Json = {"rotate": {"size": "1MiB"}}
    fancapd.configure(interface(link, 2), **settings)
    fancapd.start()
    link.send(frames, count)
    full = fancapd.settle(count)["total"]
    assert full["discarded_by_reason"]["disk_full"] == full["packets_discarded"] > 0
    assert storage(fancapd)["removed_files"] == 0

    fancapd.configure(interface(link, 2), **settings, storage={"retain": {"free": "25%"}})
    fancapd.process.send_signal(signal.SIGHUP)
    wait_until(lambda: free_part(fancapd.recordings) >= 0.25, "room")
    sent = count

    def resumed() -> bool:
        nonlocal sent
        link.send(frames, 1000, start=sent)
        sent += 1000
        workers = fancapd.settle(sent)["interfaces"][0]["workers"]
        return all(now["packets_written"] > then["packets_written"] for now, then in zip(workers, before))

    before = fancapd.workers()
    wait_until(resumed, "writing to resume")
    written = fancapd.settle(sent)["total"]
    for _ in range(10):  # twice the disk, at a pace that leaves the keeper time
        link.send(frames, 10_000, start=sent, pps=20_000)
        sent += 10_000
    total = fancapd.settle(sent)["total"]
    assert total["packets_discarded"] == written["packets_discarded"]
    assert storage(fancapd)["removed_files"] > 64
    fancapd.stop()
    result = verify(fancapd.files(), frames, sent)
    check_clean(result)
    assert 0 < result["packets"] < total["packets_written"]


# --- finishing -----------------------------------------------------------------------------------------------

def kill_keeper(fancapd: Fancapd) -> None:
    pid = keeper_pid(fancapd)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: storage(fancapd)["keeper_pid"] not in (None, pid), "another keeper")


def test_keeper_may_be_killed_at_any_time(fancapd: Fancapd, link: Link) -> None:
    frames = Frames({"min": 1400, "max": 1400})
    fancapd.configure(interface(link, 2), rotate={"size": "1MiB"})
    fancapd.start()
    sender = link.flow(frames, pps=10_000)  # what one leaves behind the next one has to read
    for _ in range(5):
        finished = storage(fancapd)["finished_files"]
        kill_keeper(fancapd)
        wait_until(lambda n=finished: storage(fancapd)["finished_files"] > n + 10, "files by the next one")
    sent = sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    assert total["worker_restarts"] == 0  # nobody else minds
    assert storage(fancapd)["keeper_restarts"] == 5
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, sent), sent)


def test_frozen_keeper_loses_nothing(fancapd: Fancapd, link: Link) -> None:
    """More files than its mailbox holds messages: the rest is found in the folders."""
    frames, count = Frames({"min": 1400, "max": 1400}), 400_000
    fancapd.configure(interface(link, 2), rotate={"size": "1MiB"})
    fancapd.start()
    pid = keeper_pid(fancapd)
    os.kill(pid, signal.SIGSTOP)
    link.send(frames, count, pps=100_000)
    total = fancapd.settle(count)["total"]
    assert len(fancapd.open_files()) > 400  # all but what it had finished
    os.kill(pid, signal.SIGCONT)
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, count), count)


def test_directory_made_anew_gets_a_new_keeper(fancapd: Fancapd, link: Link) -> None:
    """Where there is Landlock, the old one could open nothing in it."""
    frames, count = Frames(), 20_000
    fancapd.configure(interface(link, 2), rotate={"size": "1MiB"})
    fancapd.start()
    first = keeper_pid(fancapd)
    fancapd.recordings.rename(fancapd.folder / "elsewhere")
    link.send(frames, count, pps=20_000)
    wait_until(lambda: fancapd.files(), "files in the new one")
    fancapd.settle(count)
    if "leaving it to a new keeper" in fancapd.log():
        assert keeper_pid(fancapd) != first
    fancapd.stop()
    assert sorted((fancapd.folder / "elsewhere").rglob("*.part")) == []
    result = verify([*fancapd.files(), *(fancapd.folder / "elsewhere").rglob("*.pcapng")], frames, count)
    assert result["packets"] == count


def test_keeper_finishes_after_the_supervisors_death(fancapd: Fancapd, link: Link) -> None:
    frames, count = Frames(), 20_000
    fancapd.configure(interface(link, 2), rotate={"size": "1MiB"})
    fancapd.start()
    pids = fancapd.processes()
    link.send(frames, count)
    fancapd.settle(count)
    os.kill(fancapd.pid, signal.SIGKILL)
    fancapd.wait()
    wait_until(lambda: not any(is_alive(pid) for pid in pids), "the end of every process")
    assert not fancapd.open_files()
    result = verify(fancapd.files(), frames, count)
    assert result["packets"] == count
    check_clean(result)


def test_orphans_are_recovered_at_the_next_start(fancapd: Fancapd, link: Link) -> None:
    frames, count = Frames(), 20_000
    fancapd.configure(interface(link, 2), rotate={"size": "64MiB"})
    fancapd.start()
    link.send(frames, count)
    fancapd.settle(count)
    pids = fancapd.processes()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)  # so that none finishes while the others die
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    fancapd.wait()
    wait_until(lambda: not any(is_alive(pid) for pid in pids), "the end of every process")
    orphans = fancapd.open_files()
    assert len(orphans) == 2 and not fancapd.files()
    with orphans[0].open("ab") as torn:
        torn.write(b"\x06\0\0\0\x40\0\0\0half a block")
    junk = make_recording(old_recording(fancapd, 1), 100, ".part")

    fancapd.start()
    wait_until(lambda: storage(fancapd)["recovered_files"] == 2, "recovery")
    assert "without a torn end" in fancapd.log()
    wait_until(lambda: storage(fancapd)["errors"] == 1, "a word about what cannot be read")
    assert str(junk) in storage(fancapd)["last_error"]
    fancapd.stop_with_open_files([junk])
    result = verify(fancapd.files(), frames, count)
    assert result["packets"] == count
    check_clean(result)


def test_files_are_synced_while_they_grow(fancapd: Fancapd, link: Link) -> None:
    frames = Frames()
    fancapd.configure(interface(link), rotate={"size": "none", "interval": "none"}, storage={"sync-interval": "100ms"})
    fancapd.start()
    assert storage(fancapd)["synced_files"] == 0
    sender = link.flow(frames, pps=1000)
    wait_until(lambda: storage(fancapd)["synced_files"] >= 10, "ten times")
    sent = sender.stop()["sent"]
    fancapd.settle(sent)
    # What has not grown is not synced again: it comes to rest.
    seen = [-1]

    def at_rest() -> bool:
        seen.append(storage(fancapd)["synced_files"])
        return len(seen) > 60 and len(set(seen[-60:])) == 1

    wait_until(at_rest, "rest")
    fancapd.stop()


# --- whose they are ----------------------------------------------------------------------------------------------

def test_files_are_given_away(fancapd: Fancapd, link: Link) -> None:
    nobody, daemon = pwd.getpwnam("nobody").pw_uid, grp.getgrnam("daemon").gr_gid
    frames, count = Frames(), 20_000
    fancapd.configure(interface(link, 2), rotate={"size": "1MiB"}, storage={"owner": "nobody", "group": "daemon"})
    fancapd.start()
    link.send(frames, count)
    total = fancapd.settle(count)["total"]
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, count), count)
    for path in fancapd.files():
        status = path.stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (nobody, daemon, 0o640)
        for folder in (path.parent, path.parent.parent):
            status = folder.stat()
            assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (0, daemon, 0o750)


def test_modes_without_an_owner(fancapd: Fancapd, link: Link) -> None:
    frames, count = Frames(), 1000
    fancapd.configure(interface(link))
    fancapd.start()
    link.send(frames, count)
    fancapd.settle(count)
    fancapd.stop()
    for path in fancapd.files():
        assert path.stat().st_mode & 0o7777 == 0o640
        assert path.parent.stat().st_mode & 0o7777 == path.parent.parent.stat().st_mode & 0o7777 == 0o750


def test_keeper_has_no_privileges(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link))
    fancapd.start()
    pid = keeper_pid(fancapd)
    # The last that it gives up: it is there before that.
    wait_until(lambda: read_proc_status(pid)["Seccomp"] == "2", "the keeper's filter")
    status = read_proc_status(pid)
    for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert Path(f"/proc/{pid}/comm").read_text() == "fancapd-keeper\n"
    sockets = list(descriptors(pid).values())
    assert sum(name.startswith("socket:") for name in sockets) == 2, sockets  # its mailbox, the supervisor's channel
    assert pid in children(fancapd.pid)
    fancapd.stop()


def test_owner_that_takes_privileges_is_refused(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link), storage={"owner": "nobody"})
    fancapd.spawn('exec setpriv --bounding-set -chown --inh-caps -chown "$@"')
    assert fancapd.wait() == 1
    assert "giving files to nobody takes CAP_CHOWN" in fancapd.log()


# --- compressing -------------------------------------------------------------------------------------------------

def compressed(fancapd: Fancapd) -> list[Path]:
    return sorted(fancapd.recordings.rglob("*.pcapng.zst"))


def has_zstd() -> bool:
    return "zstd" in run(FANCAPCTL, "--version").stdout


def test_finished_files_are_compressed(fancapd: Fancapd, link: Link) -> None:
    if not has_zstd():
        pytest.skip("built without zstd")
    frames, count = Frames(), 20_000
    fancapd.configure(interface(link, 2), rotate={"size": "1MiB"}, storage={"compress": "zstd"})
    fancapd.start()
    link.send(frames, count)
    total = fancapd.settle(count)["total"]
    wait_until(lambda: storage(fancapd)["compressed_files"] >= 10 and not fancapd.files(), "compression")
    # Not at once: what is written in full may wait to be finished, and comes to stand there uncompressed any time.
    wait_until(lambda: storage(fancapd)["bytes"] == sum(max(path.stat().st_size, path.stat().st_blocks * 512)
                                                        for path in compressed(fancapd)), "the room that they take")
    fancapd.stop()
    files = [*compressed(fancapd), *fancapd.files()]
    assert len(compressed(fancapd)) >= 10
    assert sum(count_packets(path) for path in files) == total["packets_written"] == count
    first = compressed(fancapd)[0]
    lines = run("tshark", "-r", first, "-T", "fields", "-e", "frame.len").stdout.splitlines()
    assert len(lines) == count_packets(first)


def test_interrupted_compression_is_begun_anew(fancapd: Fancapd, link: Link) -> None:
    if not has_zstd():
        pytest.skip("built without zstd")
    frames, count = Frames(), 5000
    fancapd.configure(interface(link))
    fancapd.start()
    link.send(frames, count)
    fancapd.settle(count)
    fancapd.stop()
    original, = fancapd.files()
    held = make_recording(old_recording(fancapd, 1))
    make_recording(held, 0, ".hold")
    # As a keeper leaves it that is killed before its temporary file is complete, or before the original is removed.
    make_recording(original, 1000, ".zst.part")
    make_recording(original, 1000, ".zst")
    make_recording(old_recording(fancapd, 2), 1000, ".zst.part")
    fancapd.configure(interface(link), storage={"compress": "zstd"})
    fancapd.start()
    wait_until(lambda: not original.exists() and compressed(fancapd), "compression")
    wait_until(lambda: not list(fancapd.recordings.rglob("*.zst.part")), "no leftovers")
    fancapd.stop()
    assert count_packets(compressed(fancapd)[0]) == count
    assert held.exists()  # whoever holds a file wants it as it is


# --- several disks -----------------------------------------------------------------------------------------------

def test_workers_are_spread_over_directories(fancapd: Fancapd, link: Link) -> None:
    places = [fancapd.recordings / name for name in ("one", "two")]
    for place in places:
        place.mkdir()
    frames, count = Frames(), 20_000
    fancapd.configure(interface(link, 3), rotate={"size": "1MiB"}, storage={
        "directories": [str(place) for place in places], "retain": {"size": "8MiB", "free": "none"}})
    fancapd.start()
    link.send(frames, count)
    fancapd.settle(count)
    status = storage(fancapd)
    assert [entry["path"] for entry in status["directories"]] == [str(place) for place in places]
    assert all(entry["free_bytes"] > 0 for entry in status["directories"])
    fancapd.stop()
    workers = [{path.name.split("-")[1] for path in place.rglob("*.pcapng")} for place in places]
    assert workers[0] <= {"w0", "w2"} and workers[1] == {"w1"}
    assert room(places[0]) + room(places[1]) <= (8 + 3) * MIB
    check_clean(verify(fancapd.files(), frames, count))


def test_status_is_shown(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link))
    fancapd.start()
    wait_until(lambda: storage(fancapd)["scanned"], "a look at all folders")
    shown = run(FANCAPCTL, "--socket", fancapd.socket, "status").stdout
    assert "RECORDINGS" in shown and str(fancapd.recordings) in shown
    fancapd.stop()
