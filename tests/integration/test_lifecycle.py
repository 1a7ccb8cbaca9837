# SPDX-License-Identifier: BSD-3-Clause
"""Starting, stopping, refusing to start; what the processes may do, hold and use."""
from __future__ import annotations

import ctypes
import errno
import os
import re
import signal
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import pcapng
from harness import (HANG_S, SANITIZED, Fancapd, Frames, Json, Link, check_clean, check_closing_statistics, descriptors,
                     interface, read_proc_status, verify, wait_until)

MIB = 1 << 20


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_under_traffic_closes_the_account(fancapd: Fancapd, link: Link, number: signal.Signals) -> None:
    """The gate closes, the rings are drained, the files are finished; exit 0 within seconds."""
    frames = Frames()
    fancapd.configure(interface(link, 4))
    fancapd.start()
    sender = link.flow(frames, pps=100_000)
    fancapd.wait_for_packets(5000)
    fancapd.stop(number, limit_s=30)
    assert sender.running()
    result = verify(fancapd.files(), frames, sender.stop()["sent"])
    check_clean(result)
    check_closing_statistics(result)
    assert result["packets"] >= 5000
    check_last_words(fancapd.log(), result)


def check_last_words(log: str, result: Json) -> None:
    """The last line of the log has the same account as the files."""
    found = re.search(r"stopped: (\d+) packets seen, (\d+) dropped by the kernel, (\d+) written, (\d+) discarded, "
                      r"(\d+) left", log)
    assert found, log
    seen, dropped, written, discarded, left = (int(figure) for figure in found.groups())
    assert seen == dropped + written + discarded
    assert written == result["packets"]
    assert left == 0


def test_stop_says_so_to_systemd(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link))
    fancapd.start()
    notify = fancapd.notify
    assert notify
    frames = Frames()
    link.send(frames, 123)
    fancapd.settle(123)
    wait_until(lambda: notify.find(r"STATUS=.*\b123\b.*"), "STATUS= with the total")
    fancapd.stop()
    assert "STOPPING=1" in notify.messages


def test_systemd_that_does_not_listen_blocks_nothing(fancapd: Fancapd, link: Link) -> None:
    """Its queue is full: a state that finds no room is told later, and everything else goes on."""
    fancapd.configure(interface(link))
    fancapd.start()
    notify = fancapd.notify
    assert notify
    filler = notify.fill()
    os.kill(fancapd.pid, signal.SIGHUP)
    wait_until(lambda: "configuration reloaded" in fancapd.log(), "the reload")
    link.send(Frames(), 1000)
    fancapd.settle(1000)
    started = time.monotonic()
    while time.monotonic() - started < 2.5:  # two statuses at least
        fancapd.statistics()
    notify.receive()
    assert notify.messages.count("READY=1") == 1
    wait_until(lambda: notify.find(r"STATUS=.*\b1000\b.*"), "STATUS= again")
    assert notify.messages.count("READY=1") == 2
    assert notify.messages.count("filler") == filler
    fancapd.stop()


def test_stop_of_an_idle_daemon_leaves_valid_files(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 2))
    fancapd.start()
    fancapd.stop()
    assert verify(fancapd.files(), Frames(), 0)["packets"] == 0


def fail_to_start(fancapd: Fancapd) -> str:
    """@return what it says"""
    fancapd.spawn()
    status = fancapd.wait()
    assert status > 0, f"exit {status}"
    assert not fancapd.open_files()
    return fancapd.log()


def test_refused_hardware_timestamps_fall_back_with_one_warning(fancapd: Fancapd, link: Link) -> None:
    """The ends of a veth pair have no clock."""
    frames = Frames()
    fancapd.configure(interface(link, 2, timestamps="hardware"))
    fancapd.start()
    link.send(frames, 100)
    fancapd.settle(100)
    fancapd.stop()
    check_clean(verify(fancapd.files(), frames, 100))
    assert fancapd.log().count("timestamps: the device cannot stamp packets in hardware; packets get the kernel's") == 1


def test_refused_hardware_timestamps_fail_where_told_to(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, timestamps="hardware", **{"timestamps-fallback": "fail"}))
    assert f"{link.name}: timestamps: the device cannot stamp packets in hardware" in fail_to_start(fancapd)


def socket_options(pid: int, option: int) -> set[int]:
    """What an option of level SOL_SOCKET is set to on the packet sockets of a process."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    values = set()
    for number in descriptors(pid):
        fd = libc.syscall(438, process, number, 0)  # pidfd_getfd
        if fd < 0 and ctypes.get_errno() == errno.EBADF:
            continue  # closed meanwhile
        assert fd >= 0, os.strerror(ctypes.get_errno())
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            with socket.socket(fileno=fd) as taken:
                if taken.family == socket.AF_PACKET:
                    values.add(taken.getsockopt(socket.SOL_SOCKET, option))
        else:
            os.close(fd)
    os.close(process)
    return values


@pytest.mark.parametrize(("word", "asked"), [("kernel", 0), ("software", 1)])
def test_software_timestamps_are_asked_of_every_socket(fancapd: Fancapd, link: Link, word: str, asked: int) -> None:
    fancapd.configure(interface(link, 2, timestamps=word))
    fancapd.start()
    assert socket_options(fancapd.status()["pid"], 35) == {asked}  # SO_TIMESTAMPNS


def test_software_timestamps_are_the_same_in_every_ring(fancapd: Fancapd, make_daemon: Callable[..., Fancapd],
                                                        link: Link) -> None:
    """Two daemons record the same packets. The kernel begins with such stamps a moment after it was asked."""
    frames, recorded = Frames(), []
    daemons = (fancapd, make_daemon())
    for daemon in daemons:
        daemon.configure(interface(link, timestamps="software"))
        daemon.start()
    link.send(frames, 2000, pps=1000)
    for daemon in daemons:
        daemon.settle(2000)
        daemon.stop()
        recorded.append(pcapng.read_packets(daemon.files())[1000:])
    assert [(packet.time_ns, packet.data) for packet in recorded[0]] == [(packet.time_ns, packet.data) for packet in recorded[1]]


@pytest.mark.parametrize("text,reason", [
    ("/nonexistent/flow.bpf", "fanout program: /nonexistent/flow.bpf: No such file or directory"),
    ("/etc/hostname", "fanout program: /etc/hostname: does not begin with a number of instructions")])
def test_unusable_fanout_program_is_a_clear_error(fancapd: Fancapd, link: Link, text: str, reason: str) -> None:
    fancapd.configure(interface(link, fanout={"mode": "cbpf", "program": text}))
    assert f"{link.name}: {reason}" in fail_to_start(fancapd)


def test_missing_interface_is_a_clear_error(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, name="nosuch0", **{"on-missing": "fail"}))
    assert "nosuch0" in fail_to_start(fancapd)


def test_one_missing_interface_of_two_stops_the_start(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link), interface(link, name="nosuch0", **{"on-missing": "fail"}))
    assert "nosuch0" in fail_to_start(fancapd)
    assert link.namespace.packet_sockets() == 0


def test_unusable_directory_is_a_clear_error(fancapd: Fancapd, link: Link) -> None:
    """A file stands where the folder should be: not even root can make one there."""
    fancapd.recordings.rmdir()
    fancapd.recordings.write_text("")
    fancapd.configure(interface(link))
    assert str(fancapd.recordings) in fail_to_start(fancapd)


def test_directory_of_another_user_is_a_clear_error(fancapd: Fancapd, link: Link) -> None:
    """Root's workers have no capabilities: what root may do regardless of permissions they may not."""
    os.chown(fancapd.recordings, 65534, 65534)
    fancapd.recordings.chmod(0o700)
    fancapd.configure(interface(link))
    assert f"cannot record to {fancapd.recordings}/cap0: Permission denied" in fail_to_start(fancapd)


def test_failing_start_does_not_wait_for_the_rings(fancapd: Fancapd, link: Link) -> None:
    """The workers are there when the gate does not open: there is no room for its filter. They leave at once."""
    if "optmem_max" not in link.namespace.run("ls", "/proc/sys/net/core").stdout:
        pytest.skip("a kernel before 6.8 has no net.core.optmem_max of a namespace's own")
    link.namespace.run("sysctl", "-qw", "net.core.optmem_max=300")
    expression = " or ".join(f"port {port}" for port in range(1, 40))
    fancapd.configure(interface(link, 2, filter=expression, ring={
        "size": "1MiB", "block-size": "256KiB", "block-timeout": "60s"}))
    before = time.monotonic()
    assert "SO_ATTACH_FILTER" in fail_to_start(fancapd)
    assert time.monotonic() - before < 20


def test_closed_standard_descriptors_are_not_reused(fancapd: Fancapd, link: Link) -> None:
    """Started without stdin, stdout and stderr, no socket may take their place."""
    fancapd.configure(interface(link))
    fancapd.start(shell='exec "$@" <&- >&- 2>&-')
    for pid in fancapd.processes():
        assert [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)] == ["/dev/null"] * 3
    fancapd.stop()


def test_start_says_how_long_the_rings_last(fancapd: Fancapd, link: Link) -> None:
    """63 blocks of 1 MiB, two workers that share a veth's 10 Gbit/s: 63 x 1 MiB x 8 / 5 Gbit/s, less what headers take."""
    fancapd.configure(interface(link, 2, ring={"size": "64MiB", "block-size": "1MiB", "block-timeout": "100ms"}))
    fancapd.start()
    said = re.search(r"cap0: at the link's 10000 Mbit/s, .* may stall for (\d+) ms", fancapd.log())
    assert said and 85 <= int(said[1]) <= 106
    fancapd.stop()


def test_missing_configuration_is_a_clear_error(fancapd: Fancapd) -> None:
    assert str(fancapd.config_path) in fail_to_start(fancapd)


def test_second_daemon_on_the_same_socket_is_refused(make_daemon: Callable[[], Fancapd], link: Link) -> None:
    first, second = make_daemon(), make_daemon()
    first.configure(interface(link))
    first.start()
    second.socket = first.socket
    second.configure(interface(link))
    assert str(first.socket) in fail_to_start(second)
    frames = Frames()
    link.send(frames, 100)
    assert first.settle(100)["total"]["packets_written"] == 100
    first.stop()


def shared_memory() -> set[str]:
    return {name for name in os.listdir("/dev/shm") if "fancap" in name}


def test_fifty_starts_and_stops_leave_nothing_behind(fancapd: Fancapd, link: Link) -> None:
    """stop() itself checks that no process is left."""
    fancapd.configure(interface(link, 2))
    before = shared_memory()
    counts: set[int] = set()
    for _ in range(50):
        fancapd.start()
        counts.add(len(descriptors(fancapd.pid)))
        fancapd.stop()
        assert link.namespace.packet_sockets() == 0
        assert not fancapd.socket.exists()
    assert max(counts) - min(counts) <= 1, counts  # one may be a client being served
    assert shared_memory() == before
    assert link.namespace.pids() == []


def rss_bytes(pid: int) -> int:
    """Resident memory, but for the ring: pages of the packet socket count as such in every process that maps it."""
    total, counted = 0, True
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            counted = not (len(words) > 5 and words[5].startswith("socket:"))
        elif words[0] == "Rss:" and counted:
            total += int(words[1]) * 1024
    return total


@pytest.mark.skipif(SANITIZED, reason="ASan's shadow memory is not ours")
def test_memory_is_small_and_does_not_grow(fancapd: Fancapd, link: Link) -> None:
    frames = Frames()
    fancapd.configure(interface(link, 2))
    fancapd.start()
    pids = fancapd.processes()
    sizes = [0] * len(pids)
    # Buffers are touched when they are first needed, so it takes a while until all have been. One byte a packet would be
    # seen in every round.
    for sent in range(0, 4_000_000, 500_000):
        link.send(frames, 500_000, start=sent)
        fancapd.settle(sent + 500_000)
        before, sizes = sizes, [rss_bytes(pid) for pid in pids]
        if all(new - old < MIB // 4 for old, new in zip(before, sizes)):
            break
    else:
        pytest.fail(f"it grows: {before}, {sizes}")
    fancapd.stop()
    assert all(size < 24 * MIB for size in sizes), sizes


def test_worker_has_no_privileges(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 2))
    fancapd.start()
    for worker in fancapd.workers():
        status = read_proc_status(worker["pid"])
        for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
            assert int(status[name], 16) == 0, name
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    fancapd.stop()


def shared_mappings(pid: int) -> dict[str, list[list[str]]]:
    """The VmFlags of what a process has mapped of sockets (rings) and memfds (ledgers)."""
    found: dict[str, list[list[str]]] = {"socket": [], "memfd": []}
    kind = None
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if re.fullmatch(r"[0-9a-f]+-[0-9a-f]+", words[0]):
            name = words[5] if len(words) > 5 else ""
            kind = "socket" if name.startswith("socket:") else "memfd" if name.startswith("/memfd:") else None
        elif words[0] == "VmFlags:" and kind:
            found[kind].append(words[1:])
    return found


def test_core_dumps_have_no_packets(fancapd: Fancapd, link: Link) -> None:
    """Rings and ledgers are left out of them (dd: do not dump), whoever has them mapped."""
    fancapd.configure(interface(link, 2))
    fancapd.start()
    for pid in fancapd.processes():
        mappings = shared_mappings(pid)
        assert len(mappings["memfd"]) == 2
        for flags in (*mappings["socket"], *mappings["memfd"]):
            assert "dd" in flags
    assert all(len(shared_mappings(worker["pid"])["socket"]) == 1 for worker in fancapd.workers())
    fancapd.stop()


def packet_inodes(link: Link) -> set[str]:
    lines = link.namespace.run("cat", "/proc/net/packet").stdout.splitlines()
    return {f"socket:[{line.split()[-1]}]" for line in lines[1:]}


def test_worker_holds_only_its_own_descriptors(fancapd: Fancapd, link: Link) -> None:
    """One ring each, and not the control socket, a listener or another worker's."""
    fancapd.configure(interface(link, 3))
    fancapd.start()
    rings = packet_inodes(link)
    held: list[str] = []
    for worker in fancapd.workers():
        links = list(descriptors(worker["pid"]).values())
        own = rings.intersection(links)
        assert len(own) == 1, links
        held += own
        # the ring, the supervisor's channel, the keeper's mailbox
        assert sum(name.startswith("socket:") for name in links) <= 3, links
        assert len(links) <= 16, links
        assert not any(name.startswith("/") and not name.startswith((str(fancapd.folder), "/dev/", "/memfd:"))
                       for name in links), links
    assert len(set(held)) == 3
    fancapd.stop()


def test_workers_run_where_they_are_told(fancapd: Fancapd, link: Link) -> None:
    usable = sorted(os.sched_getaffinity(0))
    cpus = [usable[-1], usable[0]]
    fancapd.configure(interface(link, 2, cpus=cpus))
    fancapd.start()
    for worker, cpu in zip(fancapd.workers(), cpus):
        assert worker["cpu"] == cpu
        assert read_proc_status(worker["pid"])["Cpus_allowed_list"] == str(cpu)
    fancapd.stop()


def test_promiscuous_mode_follows_the_configuration(fancapd: Fancapd, link: Link) -> None:
    def is_promiscuous() -> bool:
        return "promiscuity 0" not in link.namespace.ip("-d", "link", "show", link.name)

    for wanted in (True, False):
        fancapd.configure(interface(link, 2, promiscuous=wanted))
        fancapd.start()
        assert is_promiscuous() == wanted
        fancapd.stop()
        assert not is_promiscuous()


def test_link_going_down_and_up_is_survived(fancapd: Fancapd, link: Link) -> None:
    frames = Frames()
    fancapd.configure(interface(link, 2))
    fancapd.start()
    link.send(frames, 1000)
    fancapd.settle(1000)
    link.namespace.ip("link", "set", link.name, "down")
    wait_until(lambda: "the interface is down" in fancapd.log(), "word of it")
    link.namespace.ip("link", "set", link.name, "up")
    link.wait_up()
    link.send(frames, 1000, start=1000)
    total = fancapd.settle(2000)["total"]
    assert total["worker_restarts"] == 0
    fancapd.stop(limit_s=HANG_S)
    assert verify(fancapd.files(), frames, 2000)["missing"] == 0
