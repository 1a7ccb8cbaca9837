# SPDX-License-Identifier: BSD-3-Clause
"""Links go down, vanish, come back under another index, are renamed: the capture goes on, and the account is exact."""
from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path

import pytest

from harness import (SANITIZED, Fancapd, Frames, Json, Link, Namespace, check_against_files, children,
                     descriptors, interface, is_alive, run, verify, wait_until, wait_up)

WORKERS = 2
TIMES = 100
BURST = 20  # frames sent in each of these


@pytest.fixture
def quiet(namespace: Namespace) -> Namespace:
    """Devices made later are to be quiet as well."""
    namespace.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1", "net.ipv6.conf.all.disable_ipv6=1")
    return namespace


def batch(namespace: Namespace, *lines: str) -> None:
    """All at once: the daemon hears of it when it is over."""
    namespace.run("ip", "-batch", "-", input="".join(f"{line}\n" for line in lines))


def creation(link: Link, name: str | None = None, options: str = "") -> list[str]:
    name = name or link.name
    return [f"link add {name} {options} type veth peer name {link.sender}", f"link set {link.sender} up",
            f"link set {name} up"]


def ifindex(namespace: Namespace, name: str) -> int:
    return json.loads(namespace.ip("-j", "link", "show", name))[0]["ifindex"]


def status(fancapd: Fancapd, number: int = 0) -> Json:
    return fancapd.status()["interfaces"][number]


def wait_state(fancapd: Fancapd, state: str, index: int | None = None, number: int = 0) -> Json:
    def reached() -> Json | None:
        one = status(fancapd, number)
        return one if one["state"] == state and index in (None, one["ifindex"]) else None

    return wait_until(reached, f"{state} {index or ''}")


def wait_captured(fancapd: Fancapd, link: Link, name: str | None = None) -> int:
    """@return the index of the device that is captured from"""
    name = name or link.name
    for one in (name, link.sender):
        wait_up(link.namespace, one)
    return wait_state(fancapd, "up", ifindex(link.namespace, name))["ifindex"]


def recreate(fancapd: Fancapd, link: Link, options: str = "") -> int:
    batch(link.namespace, f"link del {link.name}", *creation(link, options=options))
    return wait_captured(fancapd, link)


def finish(fancapd: Fancapd, frames: Frames, sent: int) -> Json:
    """@return totals, after the account is closed and found to be exact"""
    total = fancapd.settle(sent)["total"]
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, sent), sent)
    assert total["packets_dropped"] == 0
    return total


def private_bytes(pid: int) -> int:
    """Memory of its own: neither rings nor ledgers, which come and go with devices."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous:"))


def freeze(fancapd: Fancapd) -> list[int]:
    pids = [worker["pid"] for worker in fancapd.workers()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    return pids


def thaw(pids: list[int], how: signal.Signals = signal.SIGCONT) -> None:
    """Or end them. Those that stood still for too long have been killed."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)


# --- down and up -----------------------------------------------------------------------------------------------------

def test_hundred_flaps(fancapd: Fancapd, link: Link) -> None:
    frames = Frames()
    fancapd.configure(interface(link, WORKERS))
    fancapd.start()
    before = len(descriptors(fancapd.pid))
    for number in range(TIMES):
        link.namespace.ip("link", "set", link.name, "down")
        link.namespace.ip("link", "set", link.name, "up")
        link.wait_up()
        link.send(frames, BURST, start=BURST * number)
    wait_state(fancapd, "up")
    assert fancapd.log().count("the interface is up") == TIMES
    wait_until(lambda: len(descriptors(fancapd.pid)) <= before, "the descriptors as before")
    assert finish(fancapd, frames, TIMES * BURST)["worker_restarts"] == 0


def test_down_and_without_carrier_is_said_and_shown(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, WORKERS))
    fancapd.start()
    link.namespace.ip("link", "set", link.sender, "down")
    wait_state(fancapd, "down")
    assert "the interface has no carrier" in fancapd.log()
    link.namespace.ip("link", "set", link.sender, "up")
    wait_state(fancapd, "up")
    link.namespace.ip("link", "set", link.name, "down")
    wait_state(fancapd, "down")
    assert "the interface is down" in fancapd.log()
    assert status(fancapd)["workers_running"] == WORKERS
    wait_until(lambda: fancapd.notify and fancapd.notify.find(r"STATUS=1 interface \(1 down\).*"), "status for systemd")
    fancapd.stop()


@pytest.mark.skipif(SANITIZED, reason="instrumented")
def test_a_link_that_is_down_costs_no_cpu(fancapd: Fancapd, link: Link) -> None:
    def used_ns() -> int:
        return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in fancapd.processes())

    fancapd.configure(interface(link, WORKERS), interface(link, name="nosuch0"))
    fancapd.start()
    link.namespace.ip("link", "set", link.name, "down")
    wait_state(fancapd, "down")
    before, since = used_ns(), time.monotonic()
    time.sleep(3)
    assert used_ns() - before < 0.01 * (time.monotonic() - since) * 1e9
    fancapd.stop()


def test_a_link_that_is_down_at_the_start_is_captured_when_it_comes_up(fancapd: Fancapd, link: Link) -> None:
    frames = Frames()
    link.namespace.ip("link", "set", link.name, "down")
    fancapd.configure(interface(link, WORKERS, **{"on-missing": "fail"}))
    fancapd.start()
    wait_state(fancapd, "down")
    link.namespace.ip("link", "set", link.name, "up")
    link.wait_up()
    wait_state(fancapd, "up")
    link.send(frames, 1000)
    finish(fancapd, frames, 1000)


# --- deleted and made again ------------------------------------------------------------------------------------------

def test_hundred_deletions(fancapd: Fancapd, link: Link, quiet: Namespace) -> None:
    """Each device gets frames, so each has rings with something in them when it is deleted."""
    frames = Frames()
    fancapd.configure(interface(link, WORKERS, ring={"size": "2MiB", "block-size": "256KiB", "block-timeout": "50ms"}))
    fancapd.start()
    descriptors_before = memory_before = 0
    for number in range(TIMES):
        recreate(fancapd, link)
        link.send(frames, BURST, start=BURST * number)
        if number == 10:  # what is allocated once is allocated
            descriptors_before, memory_before = len(descriptors(fancapd.pid)), private_bytes(fancapd.pid)
        # Until they have arrived: what a device still holds when it goes was not received by anybody.
        wait_until(lambda n=number: fancapd.statistics()["total"]["packets_seen"] >= BURST * (n + 1), "the frames")
    fancapd.settle(TIMES * BURST)
    wait_until(lambda: quiet.packet_sockets() == WORKERS, "old sockets gone")
    # then, an older group may have been closing
    wait_until(lambda: len(descriptors(fancapd.pid)) <= descriptors_before, "no more descriptors than before")
    assert SANITIZED or private_bytes(fancapd.pid) < memory_before + (1 << 20)
    assert len(children(fancapd.pid)) == len(fancapd.processes()) - 1
    assert finish(fancapd, frames, TIMES * BURST)["worker_restarts"] == 0


def test_rapid_changes_are_survived(fancapd: Fancapd, link: Link, quiet: Namespace) -> None:
    """A hundred devices in a blink: most are gone before anybody could look."""
    frames = Frames()
    fancapd.configure(interface(link, WORKERS, ring={"size": "2MiB", "block-size": "256KiB", "block-timeout": "50ms"}))
    fancapd.start()
    batch(quiet, *[line for _ in range(TIMES) for line in (f"link del {link.name}", *creation(link))])
    wait_captured(fancapd, link)
    link.send(frames, 1000)
    fancapd.settle(1000)
    wait_until(lambda: quiet.packet_sockets() == WORKERS, "old sockets gone")
    finish(fancapd, frames, 1000)


@pytest.mark.parametrize("options", ["index 4242", "same"])
def test_another_index_and_the_same_again(fancapd: Fancapd, link: Link, quiet: Namespace, options: str) -> None:
    frames = Frames()
    fancapd.configure(interface(link, WORKERS))
    fancapd.start()
    before = status(fancapd)["ifindex"]
    assert before == ifindex(quiet, link.name)
    link.send(frames, 1000)
    fancapd.settle(1000)
    wanted = 4242 if options != "same" else before
    assert recreate(fancapd, link, f"index {wanted}") == wanted
    wait_until(lambda: "the interface is there" in fancapd.log(), "word of it")
    wait_state(fancapd, "up")
    link.send(frames, 1000, start=1000)
    assert finish(fancapd, frames, 2000)["packets_seen"] == 2000


@pytest.mark.parametrize("end", [signal.SIGCONT, signal.SIGKILL])
def test_what_was_in_the_rings_is_recorded_while_new_ones_fill(fancapd: Fancapd, link: Link, quiet: Namespace,
                                                               end: signal.Signals) -> None:
    """The workers do not get on, or die: the device that comes is captured all the same, beside the old rings."""
    frames = Frames()
    fancapd.configure(interface(link, WORKERS))
    fancapd.start()
    pids = freeze(fancapd)
    link.send(frames, 1000)
    wait_until(lambda: fancapd.statistics()["total"]["packets_seen"] == 1000, "packets in the rings")
    recreate(fancapd, link)
    link.send(frames, 1000, start=1000)
    wait_until(lambda: fancapd.statistics()["total"]["packets_seen"] == 2000, "packets in the new rings")
    total = fancapd.statistics()["total"]
    if total["worker_restarts"] == 0:  # not found to hang yet
        assert total["packets_in_ring"] >= 1000 and total["packets_written"] <= 1000
    batch(quiet, f"link del {link.name}")  # the third has to wait until the first's rings are drained
    wait_state(fancapd, "missing")
    batch(quiet, *creation(link))
    thaw(pids, end)
    wait_captured(fancapd, link)
    link.send(frames, 1000, start=2000)
    assert finish(fancapd, frames, 3000)["worker_restarts"] in ([WORKERS] if end == signal.SIGKILL else [0, WORKERS])


def test_a_worker_that_hangs_over_a_device_that_has_gone_is_replaced(fancapd: Fancapd, link: Link,
                                                                     quiet: Namespace) -> None:
    """Nobody thaws it: the capture does not wait for it."""
    frames = Frames()
    fancapd.configure(interface(link, WORKERS))
    fancapd.start()
    freeze(fancapd)
    link.send(frames, 1000)
    for _ in range(2):  # the second device has rings beside the first's, the third needs those drained
        batch(quiet, f"link del {link.name}", *creation(link))
        wait_captured(fancapd, link)
    link.send(frames, 1000, start=1000)
    assert finish(fancapd, frames, 2000)["worker_restarts"] == WORKERS


def test_stop_while_new_rings_wait(fancapd: Fancapd, link: Link, quiet: Namespace) -> None:
    frames = Frames()
    fancapd.configure(interface(link, WORKERS))
    fancapd.start()
    pids = freeze(fancapd)
    link.send(frames, 1000)
    recreate(fancapd, link)
    link.send(frames, 1000, start=1000)
    wait_until(lambda: fancapd.statistics()["total"]["packets_seen"] == 2000, "packets in the rings")
    os.kill(fancapd.pid, signal.SIGTERM)
    wait_until(lambda: fancapd.notify and fancapd.notify.find("STOPPING=1"), "stopping")
    thaw(pids)
    assert fancapd.wait() == 0
    assert "stopped: 2000 packets seen, 0 dropped by the kernel, 2000 written" in fancapd.log()
    result = verify(fancapd.files(), frames, 2000)
    assert (result["missing"], result["duplicates"]) == (0, 0)


def test_a_missing_interface_holds_nothing(fancapd: Fancapd, link: Link, quiet: Namespace) -> None:
    frames = Frames()
    fancapd.configure(interface(link, WORKERS))
    fancapd.start()
    workers = [worker["pid"] for worker in fancapd.workers()]
    link.send(frames, 1000)
    fancapd.settle(1000)
    batch(quiet, f"link del {link.name}")
    wait_state(fancapd, "missing")
    wait_until(lambda: not any(is_alive(pid) for pid in workers), "the workers' end")
    wait_until(lambda: quiet.packet_sockets() == 0, "the sockets' end")
    wait_until(lambda: not fancapd.open_files(), "the files' end")
    one = fancapd.statistics()["interfaces"][0]
    assert (one["device"], one["ifindex"], one["fanout_id"], one["nic"]) == (None, None, None, None)
    assert [(worker["state"], worker["pid"]) for worker in one["workers"]] == [("waiting", None)] * WORKERS
    assert one["packets_written"] == 1000
    assert "the interface is gone" in fancapd.log()
    finish(fancapd, frames, 1000)  # and stops at once


# --- missing at the start --------------------------------------------------------------------------------------------

def test_an_interface_that_is_missing_at_the_start_is_awaited(fancapd: Fancapd, link: Link, quiet: Namespace) -> None:
    """The other one is captured meanwhile; `fail` is tested with the rest of what keeps fancapd from starting."""
    frames, late = Frames(), Frames()
    fancapd.configure(interface(link, WORKERS), interface(link, WORKERS, name="late0"))
    fancapd.start()
    assert "late0: no such interface; waiting for it" in fancapd.log()
    assert [one["state"] for one in fancapd.status()["interfaces"]] == ["up", "missing"]
    link.send(frames, 1000)
    fancapd.settle(1000)
    # Under another name first, as udev does it.
    batch(quiet, "link add eth0 type veth peer name late0p", "link set late0p up", "link set eth0 name late0",
          "link set late0 up")
    wait_state(fancapd, "up", ifindex(quiet, "late0"), 1)
    sender = link.start(late, count=1000, interface="late0p")
    assert sender.result()["sent"] == 1000
    total = fancapd.settle(2000)["total"]
    assert total["packets_written"] == 2000
    fancapd.stop()
    files = fancapd.files()
    assert verify([path for path in files if path.name.startswith("late0-")], late, 1000)["missing"] == 0
    assert verify([path for path in files if path.name.startswith(link.name)], frames, 1000)["missing"] == 0


def test_with_all_interfaces_missing_it_is_ready_and_stops(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, WORKERS, name="nosuch0"), interface(link, name="nosuch1"))
    fancapd.start()
    assert [one["state"] for one in fancapd.status()["interfaces"]] == ["missing", "missing"]
    fancapd.stop()


def test_reload_while_missing_counts_when_it_comes(fancapd: Fancapd, link: Link, quiet: Namespace) -> None:
    frames = Frames()
    batch(quiet, f"link del {link.name}")
    fancapd.configure(interface(link, WORKERS))
    fancapd.start()
    fancapd.configure(interface(link, WORKERS, filter="tcp port 1"))
    os.kill(fancapd.pid, signal.SIGHUP)
    wait_until(lambda: "configuration reloaded" in fancapd.log(), "the reload")
    batch(quiet, *creation(link))
    wait_captured(fancapd, link)
    link.send(frames, 100)
    wait_until(lambda: fancapd.statistics()["interfaces"][0]["nic"]["rx_packets"] >= 100, "the device's count")
    assert fancapd.statistics()["total"]["packets_seen"] == 0
    fancapd.stop()


# --- renamed ---------------------------------------------------------------------------------------------------------

def names_in(path: Path) -> list[str]:
    lines = run("capinfos", "-M", path).stdout.splitlines()
    return [line.split("=")[1].strip() for line in lines if line.strip().startswith("Name =")]


def test_a_renamed_device_is_followed_until_it_goes(fancapd: Fancapd, link: Link, quiet: Namespace) -> None:
    frames = Frames()
    fancapd.configure(interface(link, WORKERS))
    fancapd.start()
    link.send(frames, 1000)
    fancapd.settle(1000)
    batch(quiet, f"link set {link.name} down", f"link set {link.name} name wan0", "link set wan0 up")
    index = wait_captured(fancapd, link, "wan0")
    wait_until(lambda: status(fancapd)["device"] == "wan0", "the new name")
    assert status(fancapd)["interface"] == link.name  # by which one asks for it
    link.send(frames, 1000, start=1000)
    fancapd.settle(2000)
    assert {name for path in fancapd.files() for name in names_in(path)} >= {link.name}

    # Another device takes the configured name: not ours, for now.
    batch(quiet, f"link add {link.name} type veth peer name other0", f"link set {link.name} up", "link set other0 up")
    wait_until(lambda: fancapd.statistics()["interfaces"][0]["nic"]["rx_packets"] == 2000, "the device's count")
    assert status(fancapd)["ifindex"] == index
    batch(quiet, "link del wan0")
    wait_state(fancapd, "up", ifindex(quiet, link.name))
    assert status(fancapd)["device"] == link.name
    assert link.start(frames, count=1000, start=2000, interface="other0").result()["sent"] == 1000
    finish(fancapd, frames, 3000)
    files = fancapd.files()
    assert all(path.name.startswith(f"{link.name}-w") for path in files)  # by which retention knows them
    assert {name for path in files for name in names_in(path)} == {link.name, "wan0"}


# --- what the device counted -----------------------------------------------------------------------------------------

def test_nic_counters_are_the_devices_own(fancapd: Fancapd, link: Link, quiet: Namespace) -> None:
    def nic() -> Json:
        return wait_until(lambda: fancapd.statistics()["interfaces"][0]["nic"], "counters of the device")

    frames = Frames()
    link.send(frames, 500)  # before anybody captures
    fancapd.configure(interface(link, WORKERS, filter="tcp port 1"))
    fancapd.start()
    wait_until(lambda: nic()["rx_packets"] == 500, "what was before")
    link.send(frames, 1000)
    wait_until(lambda: nic()["rx_packets"] == 1500, "what came since")
    assert fancapd.statistics()["total"]["packets_seen"] == 0
    files = {"rx_packets": "rx_packets", "rx_errors": "rx_errors", "rx_dropped": "rx_dropped",
             "rx_missed": "rx_missed_errors", "rx_fifo": "rx_fifo_errors", "rx_nohandler": "rx_nohandler"}
    folder = f"/sys/class/net/{link.name}/statistics"
    assert nic() == {name: int(quiet.run("cat", f"{folder}/{file}").stdout) for name, file in files.items()}
    recreate(fancapd, link)
    assert nic()["rx_packets"] == 0
    fancapd.stop()


# --- degraded --------------------------------------------------------------------------------------------------------

def test_an_interface_without_all_its_workers_is_degraded(fancapd: Fancapd, link: Link) -> None:
    def degraded() -> bool:
        for worker in fancapd.workers():
            if worker["worker"] == 0 and worker["pid"]:
                thaw([worker["pid"]], signal.SIGKILL)
        return status(fancapd)["state"] == "degraded"

    fancapd.configure(interface(link, WORKERS))
    fancapd.start()
    wait_until(degraded, "degraded")
    wait_state(fancapd, "up")
    fancapd.stop()
