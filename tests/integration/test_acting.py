# SPDX-License-Identifier: BSD-3-Clause
"""What fancapd is told to do over its control socket: Rotate and Reload."""
from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

import varlink
from faults import FaultyDisk
from harness import FANCAPCTL, Fancapd, Frames, Link, check_against_files, check_clean, interface, verify, wait_until

COUNT = 20_000
ROTATIONS = 25


def ctl(fancapd: Fancapd, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([FANCAPCTL, "--socket", fancapd.socket, *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)


def rotate(fancapd: Fancapd, **parameters: str) -> int:
    return varlink.call(fancapd.socket, "io.fancap.Rotate", **parameters)["workers"]


def all_published(fancapd: Fancapd) -> None:
    wait_until(lambda: not fancapd.open_files(), "files with their final names")


# --- Rotate ------------------------------------------------------------------------------------------------------

def test_rotation_under_load_keeps_every_packet_once(fancapd: Fancapd, link: Link) -> None:
    """By two callers at once, as often as they can; the workers are the same all the while."""
    frames = Frames()
    fancapd.configure(interface(link, 2))
    fancapd.start()
    pids = fancapd.processes()
    sender = link.flow(frames, pps=50_000)
    for _ in range(ROTATIONS):
        fancapd.wait_for_packets(2000)
        with subprocess.Popen([FANCAPCTL, "--socket", fancapd.socket, "rotate"], stdout=subprocess.PIPE,
                              text=True) as other:
            assert rotate(fancapd) == 2
            output, _ = other.communicate(timeout=60)
        assert (other.returncode, output) == (0, "2 workers have finished the open files\n")
    sent = sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    assert fancapd.processes() == pids
    fancapd.stop()
    result = verify(fancapd.files(), frames, sent)
    check_against_files(total, result, sent)
    for worker in (0, 1):
        files = [file for file in result["files"] if file["worker"] == worker]
        # Blocks arrive every 50 ms at least, and a rotation waits for 2000 packets.
        assert len(files) > ROTATIONS // 2
        assert all(one["last_ns"] <= next_["first_ns"] for one, next_ in pairwise(files)
                   if one["packets"] and next_["packets"])


def test_rotated_files_are_finished_and_new_packets_go_to_new_ones(fancapd: Fancapd, link: Link) -> None:
    frames = Frames()
    fancapd.configure(interface(link, 2))
    fancapd.start()
    link.send(frames, COUNT)
    fancapd.settle(COUNT)
    assert fancapd.open_files()
    assert rotate(fancapd) == 2
    all_published(fancapd)
    before = fancapd.files()
    contents = [path.read_bytes() for path in before]
    assert verify(before, frames, COUNT)["packets"] == COUNT
    # With nothing recorded since, there is nothing to finish, and no empty file.
    assert rotate(fancapd) == 2
    assert (fancapd.files(), fancapd.open_files()) == (before, [])
    link.send(frames, COUNT, start=COUNT)
    total = fancapd.settle(2 * COUNT)["total"]
    fancapd.stop()
    assert [path.read_bytes() for path in before] == contents
    check_against_files(total, verify(fancapd.files(), frames, 2 * COUNT), 2 * COUNT)


def test_rotation_of_one_interface_leaves_the_others(fancapd: Fancapd, make_link: Callable[..., Link]) -> None:
    links = [make_link("cap0"), make_link("cap1")]
    frames = [Frames(), Frames()]
    fancapd.configure(interface(links[0], 2), interface(links[1], 1))
    fancapd.start()
    for link, its in zip(links, frames, strict=True):
        link.send(its, COUNT)
    fancapd.settle(2 * COUNT)
    for words in (("rotate", "cap1"), ("--interface", "cap1", "rotate"), ("--json", "rotate", "cap1")):
        done = ctl(fancapd, *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == ('{\n  "format": 1,\n  "workers": 1\n}\n' if "--json" in words
                               else "1 worker has finished the open file\n")
    wait_until(lambda: fancapd.files(), "the file of cap1")
    assert {path.relative_to(fancapd.recordings).parts[0] for path in fancapd.files()} == {"cap1"}
    wait_until(lambda: len(fancapd.open_files()) == 2, "the open files of cap0 only")
    assert {path.relative_to(fancapd.recordings).parts[0] for path in fancapd.open_files()} == {"cap0"}
    done = ctl(fancapd, "rotate", "cap2")
    assert done.returncode == 1
    assert done.stderr == "fancapctl: fancapd does not capture from 'cap2'; see fancapctl status\n"
    fancapd.stop()


def worker_pid(fancapd: Fancapd, number: int) -> int:
    return fancapd.workers()[number]["pid"]


def test_rotation_waits_for_the_replacement_of_a_worker(fancapd: Fancapd, link: Link) -> None:
    """What was open when it died is finished, not gone on with for ever."""
    frames = Frames()
    fancapd.configure(interface(link, 2))
    fancapd.start()
    link.send(frames, COUNT)
    fancapd.settle(COUNT)
    os.kill(worker_pid(fancapd, 0), signal.SIGKILL)
    assert rotate(fancapd) == 2
    all_published(fancapd)
    assert verify(fancapd.files(), frames, COUNT)["packets"] == COUNT
    fancapd.stop()


def test_rotation_that_takes_too_long_is_said_so(fancapd: Fancapd, link: Link, folder: Path) -> None:
    """The disk does not answer. Others are served meanwhile, and those who leave are forgotten."""
    frames = Frames()
    (folder / "backing").mkdir()
    with FaultyDisk(fancapd.recordings, folder / "backing") as disk:
        fancapd.configure(interface(link, 1))
        fancapd.start()
        link.send(frames, COUNT)
        fancapd.settle(COUNT)
        disk.hang("write")
        try:
            for _ in range(40):  # more than there are places
                with varlink.Connection(fancapd.socket) as leaving:
                    leaving.send("io.fancap.Rotate")
                fancapd.status()
            waiting = subprocess.Popen([FANCAPCTL, "--socket", fancapd.socket, "rotate"], stderr=subprocess.PIPE, text=True)
            assert fancapd.status()["state"] == "running"
            _, errors = waiting.communicate(timeout=60)
            assert waiting.returncode == 5
            assert errors == "fancapctl: workers that have not done it yet: 1; see fancapctl workers\n"
        finally:
            disk.heal()
        all_published(fancapd)  # the one that takes its place does it
        assert rotate(fancapd) == 1
        fancapd.stop()
        assert verify(fancapd.files(), frames, COUNT)["packets"] == COUNT


def test_stopping_with_a_rotation_under_way(fancapd: Fancapd, link: Link) -> None:
    """It ends well, and whoever waits is not kept waiting."""
    frames = Frames()
    fancapd.configure(interface(link, 2))
    fancapd.start()
    link.send(frames, COUNT)
    fancapd.settle(COUNT)
    pid = worker_pid(fancapd, 1)
    os.kill(pid, signal.SIGSTOP)
    with varlink.Connection(fancapd.socket) as connection:
        connection.send("io.fancap.Rotate")
        wait_until(lambda: "io.fancap.Rotate {} called by user 0" in fancapd.log(), "the call")
        os.kill(fancapd.pid, signal.SIGTERM)
        wait_until(lambda: "stopping" in fancapd.log(), "stopping")
        with pytest.raises(varlink.VarlinkError, match="io.fancap.Unavailable"):
            rotate(fancapd)
        with pytest.raises(varlink.VarlinkError, match="io.fancap.Unavailable"):
            varlink.call(fancapd.socket, "io.fancap.Reload")
        os.kill(pid, signal.SIGCONT)
        assert connection.receive()["parameters"] == {"workers": 2}
    assert fancapd.wait() == 0
    assert verify(fancapd.files(), frames, COUNT)["packets"] == COUNT


# --- Reload ------------------------------------------------------------------------------------------------------

def test_reload_takes_effect_before_it_is_answered(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 2))
    fancapd.start()
    fancapd.configure(interface(link, 2, filter="ether proto 0x88b5"))
    done = ctl(fancapd, "reload")
    assert (done.returncode, done.stdout, done.stderr) == (0, "the configuration has been reloaded\n", "")
    link.send(Frames(), COUNT)
    fancapd.configure(interface(link, 2))
    assert json.loads(ctl(fancapd, "--json", "reload").stdout) == {"format": 1}
    frames = Frames()
    link.send(frames, COUNT)
    assert fancapd.settle(COUNT)["total"]["packets_seen"] == COUNT
    fancapd.stop()
    assert verify(fancapd.files(), frames, COUNT)["packets"] == COUNT
    assert fancapd.log().count("io.fancap.Reload {} called by user 0, process ") == 2


def test_reload_with_new_rings_is_answered_when_they_have_taken_over(fancapd: Fancapd, link: Link) -> None:
    frames = Frames()
    fancapd.all_there = False
    fancapd.configure(interface(link, 3))
    fancapd.start()
    sender = link.flow(frames, pps=10_000)
    before = fancapd.statistics()["interfaces"][0]["fanout_id"]
    fancapd.configure(interface(link, 2))
    done = ctl(fancapd, "reload")
    assert (done.returncode, done.stdout, done.stderr) == (0, "the configuration has been reloaded\n", "")
    assert fancapd.statistics()["interfaces"][0]["fanout_id"] != before
    wait_until(lambda: len(fancapd.workers()) == 2, "the old workers' end")
    sent = sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    fancapd.stop()
    assert total["packets_written"] == sent
    check_clean(verify(fancapd.files(), frames, sent))


def test_one_reload_at_a_time(fancapd: Fancapd, link: Link) -> None:
    """Whoever asks for another one is told so, and told at once: its workers cannot have started by then."""
    fancapd.configure(interface(link, 2))
    fancapd.start()
    fancapd.configure(interface(link, 3))
    with varlink.Connection(fancapd.socket) as one, varlink.Connection(fancapd.socket) as other:
        os.kill(fancapd.pid, signal.SIGSTOP)
        for client in (one, other):
            client.send("io.fancap.Reload")
        os.kill(fancapd.pid, signal.SIGCONT)
        answers = sorted((client.receive() for client in (one, other)), key=lambda answer: "error" in answer)
    assert "error" not in answers[0]
    assert answers[1]["error"] == "io.fancap.Unavailable"
    assert answers[1]["parameters"]["reason"] == "another reload is under way"
    fancapd.stop()


def test_refused_reload_tells_its_caller(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 2))
    fancapd.start()
    pids = fancapd.processes()
    fancapd.configure(interface(link, 2, snaplen="many", wrokers=1))
    done = ctl(fancapd, "reload")
    head, *lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert head == "fancapctl: the new configuration is wrong, nothing has changed:"
    assert len(lines) == 2
    assert all(line.startswith(f"{fancapd.config_path}:") for line in lines)
    assert "'many' is not a number" in "".join(lines) and "unknown key 'wrokers'" in "".join(lines)

    fancapd.configure(interface(link, 2, filter="not prot 22"))
    with pytest.raises(varlink.VarlinkError) as caught:
        varlink.call(fancapd.socket, "io.fancap.Reload")
    assert caught.value.name == "io.fancap.InvalidConfiguration"
    assert "syntax error" in caught.value.parameters["errors"][0]

    fancapd.configure(interface(link, 3), control={"socket": f"{fancapd.socket}2"})
    done = ctl(fancapd, "reload")
    assert done.returncode == 1
    assert done.stderr == ("fancapctl: the new configuration cannot be reloaded, nothing has changed: "
                           "control.socket takes a restart\n")
    assert fancapd.processes() == pids
    assert fancapd.log().count("reload refused, nothing has changed: ") >= 4
    fancapd.stop()
