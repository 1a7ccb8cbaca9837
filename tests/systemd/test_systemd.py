# SPDX-License-Identifier: BSD-3-Clause
"""fancapd as a service of systemd 252: start, stop, reload, restart, what the journal says, what the sandbox holds."""
from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Frames, Json, Link, Sender, add_veth, check_clean, expected_frames, verify, wait_until
from machine import CONFIG, SOCKET, STATE, UNIT, Machine, Service, assert_ended_well, connect

COUNT = 5_000
PPS = 20_000
CAP_NET_RAW = 1 << 13
SOCKET_UNIT = "fancapd.socket"
EXPOSURE_MAX = 1.4  # of `systemd-analyze security`
EX_CONFIG = 78
STOP_LIMIT_S = 30.0


def message_id(name: str) -> str:
    header = (Path(__file__).parents[2] / "daemon/messages.h").read_text()
    return re.search(rf'#define MESSAGE_{name} "(\w+)"', header)[1]


def record(service: Service, **options: object) -> Json:
    """Send frames; all of them are to be recorded. @return the totals"""
    frames = Frames(options)
    seen = service.statistics()["total"]["packets_seen"]
    service.link.send(frames, COUNT)
    return service.settle(seen + COUNT)


# --- starting --------------------------------------------------------------------------------------------------------

def test_active_means_capturing(service: Service) -> None:
    """`systemctl start` returns when READY was said; from then on no packet is missed."""
    service.start()
    frames = Frames()
    service.link.send(frames, COUNT)
    total = service.settle(COUNT)
    assert total["packets_seen"] == COUNT
    said = [(entry.get("MESSAGE_ID"), entry["MESSAGE"]) for entry in service.journal()]
    ids = [one for one, _ in said]
    started_by_systemd = next(i for i, (_, message) in enumerate(said) if message.startswith("Started "))
    assert ids.index(message_id("STARTED")) < started_by_systemd
    assert service.show("Type") == "notify" and service.show("NotifyAccess") == "main"


def test_packets_are_recorded_to_private_files(service: Service) -> None:
    service.start()
    frames = Frames()
    service.link.send(frames, COUNT)
    total = service.settle(COUNT)
    service.systemctl("stop")
    files = service.files()
    result = verify(files, frames, COUNT)
    check_clean(result)
    assert result["packets"] == total["packets_written"] == COUNT - total["packets_dropped"]

    def owners(*paths: object) -> set[str]:
        return set(service.machine.do("stat", "-c", "%U:%G %a", *paths).splitlines())

    inside = [f"/{path.relative_to(service.machine.path('/'))}" for path in files]
    assert all(path.startswith(f"{STATE}/cap0/") for path in inside)
    assert owners(*inside) == {"fancap:fancap 640"}
    assert owners(STATE, f"{STATE}/cap0", *{os.path.dirname(path) for path in inside}) == {"fancap:fancap 750"}


def test_status_text_has_the_totals(service: Service) -> None:
    service.start()
    record(service)
    text = f"{COUNT} packets seen"
    wait_until(lambda: text in service.show("StatusText"), f"StatusText with {text}", 60)
    assert f'Status: "{service.show("StatusText")}"' in service.machine.do("systemctl", "status", UNIT)


def test_vlan_filter_compiles_in_the_sandbox(service: Service, folder: Path) -> None:
    """libpcap opens the interface for that, with a socket of its own."""
    frames = Frames({"vlan": True})
    expected = expected_frames(folder, frames, COUNT, "vlan 5")
    assert 0 < expected < COUNT
    service.configure(filter="vlan 5", cpus=[0, 0])
    service.start()
    service.link.send(frames, COUNT)
    assert service.settle(expected)["packets_seen"] == expected
    assert "error" not in "".join(service.messages())


def test_wrong_configuration_fails_at_once_and_for_good(service: Service) -> None:
    service.write_config("interfaces:\n  - name: cap0\n    workers: many")
    assert service.machine.inside("systemctl", "start", UNIT).returncode != 0
    assert service.show("ExecMainStatus") == str(EX_CONFIG)
    assert service.show("Result") == "exit-code"
    assert f"{CONFIG}:3:14: " in service.wait_message("workers")
    # With Restart=on-failure it would be waiting to try again.
    assert (service.show("ActiveState"), service.show("SubState")) == ("failed", "failed")
    assert service.show("NRestarts") == "0"


def test_wrong_filter_is_said_clearly(service: Service) -> None:
    service.configure(filter="tcp prot 80")
    assert service.machine.inside("systemctl", "start", UNIT).returncode != 0
    assert f"{CONFIG}:" in service.wait_message("syntax error")


def test_missing_interface_is_said_and_awaited(service: Service) -> None:
    service.write_config('interfaces: [{name: late0, on-missing: fail}]')
    assert service.machine.inside("systemctl", "start", UNIT).returncode != 0
    assert service.wait_message("late0: no such interface")
    assert service.show("SubState") == "auto-restart"
    link = Link(service.machine, "late0")
    try:
        wait_until(lambda: service.show("ActiveState") == "active", "start by itself", 90)
        link.send(Frames(), 100)
        service.settle(100)
    finally:
        service.stop()
        service.machine.ip("link", "del", "late0")


# --- the journal -----------------------------------------------------------------------------------------------------

def test_journal_entries_have_fields(service: Service) -> None:
    service.start()
    worker = service.workers()[1]
    kill(service.machine, worker["pid"])
    service.wait_message("replaced by process")
    died = service.journal(MESSAGE_ID=message_id("WORKER_DIED"))
    assert [(entry["INTERFACE"], entry["WORKER"], entry["PRIORITY"]) for entry in died] == [("cap0", "1", "3")]
    assert died[0]["MESSAGE"] == f"cap0: worker 1: process {worker['pid']} was killed by signal 9 (Killed)"
    assert died[0]["_SYSTEMD_UNIT"] == UNIT and died[0]["SYSLOG_IDENTIFIER"] == "fancapd"
    capturing = [entry for entry in service.journal(INTERFACE="cap0") if "WORKER" not in entry]
    assert "capturing with 2 workers" in capturing[0]["MESSAGE"]


def test_journal_explains(service: Service) -> None:
    service.start()
    kill(service.machine, service.workers()[0]["pid"])
    service.wait_message("replaced by process")
    text = service.machine.do("journalctl", "-x", "-n", "30", "-u", UNIT)
    assert "Subject: Worker 0 of interface cap0 has died" in text
    assert "coredumpctl info fancapd" in text


# --- the sandbox -----------------------------------------------------------------------------------------------------

def capabilities(status: dict[str, str]) -> dict[str, int]:
    return {name: int(value, 16) for name, value in status.items() if name.startswith("Cap")}


def test_supervisor_has_one_capability(service: Service) -> None:
    service.start()
    status = service.machine.proc_status(service.main_pid)
    assert set(capabilities(status).values()) == {CAP_NET_RAW}
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    uid, gid = service.machine.do("id", "-u", "fancap").strip(), service.machine.do("id", "-g", "fancap").strip()
    assert status["Uid"].split() == [uid] * 4 and status["Gid"].split() == [gid] * 4
    assert uid != "0"


def keeper_pid(service: Service) -> int:
    return service.call("io.fancap.GetStatus")["storage"]["keeper_pid"]


def test_workers_and_keeper_have_none(service: Service) -> None:
    service.start()
    uid = service.machine.do("id", "-u", "fancap").strip()
    filters = int(service.machine.proc_status(service.main_pid)["Seccomp_filters"])
    pids = [*service.worker_pids(), keeper_pid(service)]
    assert len(pids) == 3
    for pid in pids:
        status = service.machine.proc_status(pid)
        sets = capabilities(status)
        # Emptying the bounding set takes CAP_SETPCAP; with NoNewPrivs nothing is ever taken from it.
        assert sets.pop("CapBnd") == CAP_NET_RAW
        assert set(sets.values()) == {0}
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        assert status["Uid"].split() == [uid] * 4
        assert int(status["Seccomp_filters"]) == filters + 1  # the unit's, and its own
    # libcap-ng says in the log what it could not drop.
    assert not any("libcap-ng" in message for message in service.messages())


def test_only_its_two_folders_are_writable(service: Service) -> None:
    """For root too: it is the mounts that say so."""
    service.start()
    machine, pid = service.machine, service.main_pid

    def write(folder: str) -> str:
        return machine.inside("nsenter", "-t", pid, "-m", "touch", f"{folder}/probe").stderr

    for folder in ("/", "/etc/fancap", "/usr", "/var", "/var/lib", "/var/log", "/home", "/root", "/run", "/dev", "/dev/shm",
                   "/sys/fs/cgroup", "/srv", "/opt"):
        assert "Read-only file system" in write(folder), folder
    # Its own /tmp; its own folders.
    for folder in (STATE, os.path.dirname(SOCKET), "/tmp"):
        assert write(folder) == "", folder
    assert not machine.path("/tmp/probe").exists()
    namespaces = {machine.do("readlink", f"/proc/{one}/ns/mnt") for one in (pid, *service.worker_pids())}
    assert len(namespaces) == 1 and machine.do("readlink", "/proc/1/ns/mnt") not in namespaces


def test_it_sees_no_other_processes_and_no_devices(service: Service) -> None:
    service.start()
    enter = ("nsenter", "-t", service.main_pid, "-m", "setpriv", "--reuid=fancap", "--regid=fancap",
             "--clear-groups", "--bounding-set=-all")
    assert "/proc/1\n" not in service.machine.do(*enter, "find", "/proc", "-maxdepth", "1")
    assert service.machine.do(*enter, "find", "/dev", "-maxdepth", "1", "-type", "b") == ""
    assert service.machine.inside(*enter, "test", "-e", "/dev/mem").returncode == 1


def test_sandbox_lets_processes_confine_themselves(service: Service) -> None:
    """Where the kernel has Landlock, the keeper says nothing of it."""
    service.write_config(json.dumps({"interfaces": [{"name": service.link.name}], "log": {"level": "debug"}}))
    service.start()
    keeper_pid(service)
    total = record(service)
    assert total["packets_written"] == COUNT
    assert not [message for message in service.messages() if "Landlock: " in message or "cannot start" in message]


def test_sandbox_lets_workers_write_as_they_want_to(service: Service) -> None:
    """Through io_uring, past the page cache; and what was written is right."""
    service.configure(workers=1)
    service.start()
    frames = Frames()
    service.link.send(frames, COUNT)
    service.settle(COUNT)
    (worker,) = service.workers()
    assert (worker["writer"], worker["direct_io"]) == ("io_uring", True)
    service.systemctl("stop")
    check_clean(verify(service.files(), frames, COUNT))


def shipped(machine: Machine, suffix: str) -> list[str]:
    return sorted(path.name for path in machine.path("/usr/lib/systemd/system").glob(f"fancap*.{suffix}"))


def test_units_are_clean(machine: Machine) -> None:
    units = shipped(machine, "service") + shipped(machine, "socket")
    assert units == ["fancap-exporter.service", UNIT, SOCKET_UNIT]
    for unit in units:
        done = machine.inside("systemd-analyze", "verify", unit)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_exposure_is_low(machine: Machine) -> None:
    for unit in shipped(machine, "service"):
        text = machine.do("systemd-analyze", "security", "--offline=true", "--no-pager", f"/usr/lib/systemd/system/{unit}")
        exposure = float(re.search(rf"Overall exposure level for {unit}: ([\d.]+)", text)[1])
        assert exposure <= EXPOSURE_MAX, text


def test_example_lets_it_record_elsewhere(service: Service) -> None:
    """directories.conf as it is shipped, used as it says."""
    machine = service.machine
    drop_in = f"/etc/systemd/system/{UNIT}.d/directories.conf"
    try:
        service.write_config(json.dumps({"interfaces": [{"name": service.link.name, "workers": 2}],
                                         "storage": {"directory": "/srv/capture"}}))
        machine.do("install", "-d", "-o", "fancap", "-g", "fancap", "-m", "0750", "/srv/capture")
        assert machine.inside("systemctl", "start", UNIT).returncode != 0
        assert service.wait_message("cannot record to /srv/capture/cap0: Read-only file system")
        service.stop()
        machine.do("install", "-D", "-m", "0644", "/usr/share/doc/fancap/examples/directories.conf", drop_in)
        machine.do("systemctl", "daemon-reload")
        assert "/srv/capture" in service.show("RequiresMountsFor")
        service.start()
        assert record(service)["packets_written"] == COUNT
        assert list(machine.path("/srv/capture/cap0").rglob("*.pcapng*"))
        service.stop()
        assert list(machine.path("/srv/capture/cap0").rglob("*.pcapng"))
    finally:
        service.stop()
        machine.do("rm", "-rf", drop_in, "/srv/capture")
        machine.do("systemctl", "daemon-reload")


# --- the socket unit -------------------------------------------------------------------------------------------------

@pytest.fixture
def socket_unit(service: Service) -> Iterator[Service]:
    """systemd listens; the service is not started."""
    service.machine.do("systemctl", "start", SOCKET_UNIT)
    yield service
    service.machine.do("systemctl", "stop", SOCKET_UNIT)


def socket_inode(machine: Machine) -> int:
    return machine.path(SOCKET).stat().st_ino


def test_whoever_asks_starts_it(socket_unit: Service) -> None:
    service, machine = socket_unit, socket_unit.machine
    assert machine.do("stat", "-c", "%U:%G %a", SOCKET).strip() == "fancap:fancap 660"
    assert service.show("ActiveState") == "inactive"
    # A member of the group, before it ever ran: /run/fancap lets it through.
    status, text = ask_as(machine, "member", "status")
    assert status == 0, text
    wait_until(lambda: service.show("ActiveState") == "active", "the service", 90)
    assert record(service)["packets_seen"] == COUNT


def test_socket_outlives_the_service(socket_unit: Service) -> None:
    service, machine = socket_unit, socket_unit.machine
    service.start()
    inode, main = socket_inode(machine), service.main_pid
    # Asked while nobody is there to answer: the question waits in the socket's queue.
    service.systemctl("kill", "--signal=STOP", "--kill-who=main")
    with connect(machine) as sock:
        sock.sendall(b'{"method":"io.fancap.GetStatus"}\0')
        service.systemctl("kill", "--signal=KILL", "--kill-who=main")
        reply = json.loads(sock.recv(65536).rstrip(b"\0"))
    assert reply["parameters"]["pid"] not in (0, main)
    service.systemctl("restart")
    assert service.call("io.fancap.GetStatus")["pid"] == service.main_pid
    assert socket_inode(machine) == inode
    service.systemctl("stop")
    assert socket_inode(machine) == inode
    machine.do("systemctl", "stop", SOCKET_UNIT)
    assert not machine.path(SOCKET).exists()
    # And without the unit it makes its own, as ever.
    service.start()
    assert service.call("io.fancap.GetStatus")["pid"] == service.main_pid
    service.systemctl("stop")


# --- reload ----------------------------------------------------------------------------------------------------------

def test_reload_changes_the_filter(service: Service, folder: Path) -> None:
    service.start()
    before = record(service)["packets_seen"]
    pids = (service.main_pid, service.worker_pids())
    service.configure(filter="ip6")
    service.systemctl("reload")
    service.wait_message("configuration reloaded")
    assert len(service.journal(MESSAGE_ID=message_id("RELOADED"))) == 1
    frames = Frames()
    expected = expected_frames(folder, frames, COUNT, "ip6")
    assert 0 < expected < COUNT
    service.link.send(frames, COUNT)
    assert service.settle(before + expected)["packets_seen"] == before + expected
    assert (service.main_pid, service.worker_pids()) == pids
    assert service.show("ActiveState") == "active"


@pytest.mark.parametrize(("text", "reason"), [
    ("interfaces:\n  - name: cap0\n    snaplen: none", f"{CONFIG}:3:14: "),
    ('interfaces: [{name: cap0, workers: 2, filter: "ip6 and (", '
     'ring: {size: 16MiB, block-size: 256KiB, block-timeout: 50ms}}]', "syntax error"),
    ("interfaces: [{name: cap0}]\nstorage: {directory: /var/lib/fancap/elsewhere}", "storage.directory takes a restart"),
], ids=["value", "filter", "storage"])
def test_refused_reload_changes_nothing(service: Service, text: str, reason: str) -> None:
    service.start()
    pids = (service.main_pid, service.worker_pids())
    service.write_config(text)
    assert service.machine.inside("systemctl", "reload", UNIT).returncode != 0
    assert service.show("ReloadResult") == "exit-code"
    assert reason in service.wait_message("reload refused, nothing has changed")
    assert service.journal(MESSAGE_ID=message_id("RELOAD_REFUSED"))
    assert record(service)["packets_seen"] == COUNT
    assert (service.main_pid, service.worker_pids()) == pids
    assert (service.show("ActiveState"), service.show("SubState")) == ("active", "running")
    service.configure()
    service.systemctl("reload")
    assert service.show("ReloadResult") == "success"


def test_reload_by_signal(service: Service) -> None:
    """As well as ever; systemd is told when it begins and when it is over."""
    service.start()
    service.configure(filter="ip6")
    service.machine.do("systemctl", "kill", "--kill-who=main", "--signal=HUP", UNIT)
    service.wait_message("configuration reloaded")
    wait_until(lambda: (service.show("ActiveState"), service.show("SubState")) == ("active", "running"), "running", 10)


# --- the end ---------------------------------------------------------------------------------------------------------

def closing_totals(service: Service) -> list[dict[str, int]]:
    """Of each MESSAGE_STOPPED."""
    entries = service.journal(MESSAGE_ID=message_id("STOPPED"))
    pattern = (r"stopped: (?P<seen>\d+) packets seen, (?P<dropped>\d+) dropped by the kernel, (?P<written>\d+) written, "
               r"(?P<discarded>\d+) discarded, (?P<left>\d+) left in the rings, which the service manager keeps .*")
    return [{name: int(value) for name, value in re.fullmatch(pattern, entry["MESSAGE"]).groupdict().items()}
            for entry in entries]


def test_stop_under_traffic_closes_the_account(service: Service) -> None:
    service.start()
    frames = Frames()
    sender = service.link.flow(frames, pps=PPS)
    service.wait_for_packets(COUNT)
    began = time.monotonic()
    service.systemctl("stop")
    assert time.monotonic() - began < STOP_LIMIT_S
    assert sender.running()
    assert_ended_well(service)
    result = verify(service.files(), frames, sender.stop()["sent"])
    check_clean(result)
    (totals,) = closing_totals(service)
    assert totals["seen"] >= COUNT
    assert totals["seen"] == totals["dropped"] + totals["written"] + totals["discarded"] + totals["left"]
    assert result["packets"] == totals["written"]


def assert_nothing_lost(service: Service, frames: Frames, sender: Sender, pids: set[int]) -> None:
    """All that was sent is in the files once, and the counters say so, whichever process counted it."""
    sent = sender.stop()["sent"]
    total = service.settle(sent)
    assert (total["packets_seen"], total["packets_dropped"], total["packets_written"]) == (sent, 0, sent)
    pids.add(service.main_pid)
    service.systemctl("stop")
    assert_ended_well(service)
    result = verify(service.files(), frames, sent)
    check_clean(result)
    assert result["packets"] == sent


def test_restarts_under_traffic_lose_nothing(service: Service) -> None:
    service.start()
    frames = Frames()
    sender = service.link.flow(frames, pps=PPS)
    pids = {service.main_pid}
    for _ in range(3):
        service.wait_for_packets(COUNT)
        service.systemctl("restart")
        assert service.show("ActiveState") == "active"
        pids.add(service.main_pid)
    service.wait_for_packets(COUNT)
    assert_nothing_lost(service, frames, sender, pids)
    assert len(pids) == 4


def test_restarts_with_other_rings_lose_nothing(service: Service) -> None:
    """What was in the old rings is in files, and nothing is in both; killed as it goes over, too."""
    service.all_there = False
    service.configure(ring={"size": "64MiB"})
    service.start()
    frames = Frames()
    sender = service.link.flow(frames, pps=PPS)
    changes = [{"workers": 3, "ring": {"size": "64MiB"}},
               {"workers": 1, "ring": {"size": "128MiB", "block-size": "256KiB", "block-timeout": "30ms"}},
               {"workers": 2, "fanout": {"mode": "lb"}, "ring": {"size": "64MiB"}}]
    for options in changes:
        service.wait_for_packets(COUNT)
        service.configure(**options)
        service.systemctl("restart")
    service.wait_for_packets(COUNT)
    for options in changes:
        main = service.main_pid
        service.configure(**options)
        service.systemctl("kill", "--signal=HUP", "--kill-who=main")
        kill(service.machine, main)
        wait_until(lambda: service.main_pid not in (0, main) and service.show("ActiveState") == "active", "restart", 30)
        service.wait_for_packets(COUNT)
    wait_until(lambda: len(service.workers()) == 2, "the old sets' end", 30)
    sent = sender.stop()["sent"]
    wait_until(lambda: service.statistics()["total"]["packets_in_ring"] == 0, "rings empty", 30)
    service.stop()
    result = verify(service.files(), frames, sent)
    check_clean(result)
    assert (result["packets"], result["missing"]) == (sent, 0)


def test_rings_of_an_interface_that_is_not_configured_any_more_are_drained(service: Service) -> None:
    service.all_there = False
    service.start()
    frames = Frames()
    service.link.send(frames, COUNT)
    service.configure(name="lo")
    service.systemctl("restart")
    service.wait_message("the interface is not in the configuration")
    wait_until(lambda: len(service.statistics()["interfaces"]) == 1, "the end of it", 30)
    assert service.statistics()["interfaces"][0]["interface"] == "lo"
    service.stop()
    files = [path for path in service.files() if path.name.startswith(service.link.name)]
    assert verify(files, frames, COUNT)["missing"] == 0


def test_a_killed_supervisor_loses_nothing(service: Service) -> None:
    """Not even with all workers killed beside it."""
    service.start()
    frames = Frames()
    sender = service.link.flow(frames, pps=PPS)
    pids = {service.main_pid}
    for beside in (False, True):
        service.wait_for_packets(COUNT)
        main = service.main_pid
        kill(service.machine, main, *(service.worker_pids() if beside else []))
        wait_until(lambda: service.main_pid not in (0, main) and service.show("ActiveState") == "active", "restart", 90)
        pids.add(service.main_pid)
    service.wait_for_packets(COUNT)
    assert_nothing_lost(service, frames, sender, pids)
    assert len(pids) == 3


def test_a_device_replaced_while_nobody_ran_loses_nothing(service: Service) -> None:
    """What is in the rings of the old one is recorded, and the new one is captured."""
    service.start()
    frames = Frames()
    main, workers = service.main_pid, service.worker_pids()
    kill(service.machine, main, *workers, signal="STOP")
    service.link.send(frames, COUNT)
    service.machine.ip("link", "del", service.link.name)
    add_veth(service.machine, service.link.name, service.machine, service.link.sender)
    kill(service.machine, main, *workers)
    wait_until(lambda: service.main_pid not in (0, main) and service.show("ActiveState") == "active", "restart", 90)
    wait_until(lambda: service.call("io.fancap.GetStatus")["interfaces"][0]["state"] == "up", "the new device", 90)
    service.link.send(frames, COUNT, start=COUNT)
    assert service.settle(2 * COUNT)["packets_written"] == 2 * COUNT
    service.systemctl("stop")
    result = verify(service.files(), frames, 2 * COUNT)
    check_clean(result)
    assert result["packets"] == 2 * COUNT


def counted(service: Service) -> tuple[int, int]:
    """Packets seen and written, but for those of "lo": it has some of its own."""
    statistics = service.statistics()
    of_lo = [interface for interface in statistics["interfaces"] if interface["interface"] == "lo"]
    seen, written = (statistics["total"][name] - sum(interface[name] for interface in of_lo)
                     for name in ("packets_seen", "packets_written"))
    return seen, written


def test_counters_outlive_rings_and_daemon(service: Service) -> None:
    """Those of a device that was made anew, of a reload with new rings, of workers and of an interface that are no more."""
    def wait_kept(fds: int) -> None:
        wait_until(lambda: service.show("NFileDescriptorStore") == str(fds), f"{fds} descriptors kept", 90)

    def assert_counted(packets: int) -> None:
        assert counted(service) == (packets, packets)
        service.systemctl("restart")
        assert counted(service) == (packets, packets)
        main = service.main_pid
        kill(service.machine, main)
        wait_until(lambda: service.main_pid not in (0, main) and service.show("ActiveState") == "active", "restart", 90)
        assert counted(service) == (packets, packets)

    service.all_there = False
    service.start()
    record(service)
    service.machine.ip("link", "del", service.link.name)
    add_veth(service.machine, service.link.name, service.machine, service.link.sender)
    wait_until(lambda: service.call("io.fancap.GetStatus")["interfaces"][0]["state"] == "up", "the new device", 90)
    wait_kept(4 + 1)
    record(service)
    assert_counted(2 * COUNT)
    service.configure(workers=1)
    service.systemctl("reload")
    wait_kept(2 + 1)
    record(service)
    assert_counted(3 * COUNT)
    service.configure(name="lo")
    service.systemctl("reload")
    wait_kept(4 + 1)
    assert_counted(3 * COUNT)


def test_a_frozen_supervisor_is_killed_by_the_watchdog(service: Service) -> None:
    """And nothing is lost: the workers go on meanwhile, and the rings after them."""
    drop_in = service.machine.path("/run/systemd/system/fancapd.service.d/test.conf")
    assert service.show("WatchdogUSec") == "30s"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nWatchdogSec=6s\n")
    try:
        service.machine.do("systemctl", "daemon-reload")
        service.start()
        frames = Frames()
        sender = service.link.flow(frames, pps=PPS)
        service.wait_for_packets(COUNT)
        time.sleep(7)  # longer than that it lives, being fed
        main = service.main_pid
        assert service.show("NRestarts") == "0"
        service.machine.do("bash", "-c", f"kill -STOP {main}")
        wait_until(lambda: service.main_pid not in (0, main) and service.show("ActiveState") == "active", "restart", 60)
        assert any("Watchdog timeout" in entry for entry in service.messages())
        service.wait_for_packets(COUNT)
        assert_nothing_lost(service, frames, sender, set())
    finally:
        drop_in.unlink()
        drop_in.parent.rmdir()
        service.machine.do("systemctl", "daemon-reload")


def test_stop_lets_the_rings_go(service: Service) -> None:
    """systemd keeps them across restarts only; the next start counts from nothing."""
    service.start()
    assert record(service)["packets_seen"] == COUNT
    assert service.show("NFileDescriptorStore") == "4"
    service.systemctl("stop")
    assert service.show("NFileDescriptorStore") == "0"
    service.start()
    assert service.statistics()["total"]["packets_seen"] == 0


def kill(machine: Machine, *pids: int, signal: str = "KILL") -> None:
    machine.do("bash", "-c", f"kill -{signal} {' '.join(map(str, pids))}")


def test_killed_worker_is_replaced(service: Service) -> None:
    service.start()
    main, (victim, other) = service.main_pid, service.worker_pids()
    kill(service.machine, victim)
    service.wait_message("replaced by process")
    wait_until(lambda: service.workers()[0]["state"] == "running", "the new worker", 60)
    workers = service.workers()
    assert workers[0]["pid"] != victim and workers[0]["worker_restarts"] == 1
    assert workers[1]["pid"] == other and workers[1]["worker_restarts"] == 0
    assert service.main_pid == main and service.show("NRestarts") == "0"
    assert record(service)["packets_seen"] == COUNT
    # The new one is held as the old one was.
    sets = capabilities(service.machine.proc_status(workers[0]["pid"]))
    assert sets["CapEff"] == sets["CapPrm"] == sets["CapAmb"] == 0


def test_killed_supervisor_is_started_again(service: Service) -> None:
    """Its workers finish what they have; none of them is left when the next supervisor comes."""
    service.start()
    frames = Frames()
    service.link.send(frames, COUNT)
    written = service.settle(COUNT)["packets_written"]
    main = service.main_pid
    service.systemctl("kill", "--signal=KILL", "--kill-who=main")
    wait_until(lambda: service.main_pid not in (0, main) and service.show("ActiveState") == "active",
               "the new supervisor", 90)
    assert service.show("NRestarts") == "1"
    result = verify(service.files(), frames, COUNT)
    check_clean(result)
    assert result["packets"] == written
    assert len(service.processes()) == 2 + len(service.workers())  # the supervisor and the storage keeper
    assert service.wait_message("going on with the rings of an earlier fancapd")
    assert record(service)["packets_seen"] == 2 * COUNT  # the counters go on, too


# --- who may ask -----------------------------------------------------------------------------------------------------

def user(machine: Machine, name: str) -> tuple[int, int, tuple[int, ...]]:
    """@return uid, gid, groups"""
    words = [machine.do("id", option, name).split() for option in ("-u", "-g", "-G")]
    return int(words[0][0]), int(words[1][0]), tuple(int(word) for word in words[2])


def test_socket_is_for_root_and_the_group(service: Service) -> None:
    service.start()
    machine = service.machine
    assert machine.do("stat", "-c", "%U:%G %a", SOCKET, os.path.dirname(SOCKET)).splitlines() == [
        "fancap:fancap 660", "fancap:fancap 750"]
    connect(machine).close()
    connect(machine, *user(machine, "member")).close()
    with pytest.raises(PermissionError):
        connect(machine, *user(machine, "stranger"))


def ask_as(machine: Machine, name: str, *arguments: str) -> tuple[int, str]:
    """@return exit status and all that fancapctl says"""
    done = machine.inside("setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups", "fancapctl", *arguments)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["root", "member"])
def test_fancapctl_answers(service: Service, name: str) -> None:
    service.start()
    for command in ("status", "statistics", "workers"):
        status, text = ask_as(service.machine, name, command)
        assert status == 0, text
        assert "cap0" in text


ALLOWED, DENIED = 0, 4


@pytest.mark.parametrize(("name", "reading", "acting"), [
    ("root", ALLOWED, ALLOWED),
    ("fancap", ALLOWED, ALLOWED),  # as ExecReload= runs
    ("admin", ALLOWED, ALLOWED),
    ("member", ALLOWED, DENIED),
    ("stranger", DENIED, DENIED),
])
def test_who_may_do_what(service: Service, name: str, reading: int, acting: int) -> None:
    service.start()
    commands = {"status": reading, "statistics": reading, "workers": reading, "rotate": acting, "reload": acting}
    for command, expected in commands.items():
        status, text = ask_as(service.machine, name, command)
        assert status == expected, (command, text)
    uid = service.machine.do("id", "-u", name).strip()
    called = [entry["MESSAGE"] for entry in service.journal(MESSAGE_ID=message_id("CALLED"))]
    denied = [entry["MESSAGE"] for entry in service.journal(MESSAGE_ID=message_id("CALL_DENIED"))]
    by_user = rf"io\.fancap\.(Rotate|Reload) .*user {uid}, process [1-9]\d*.*"
    assert all(re.fullmatch(by_user, message) for message in called + denied)
    assert len(called) == (2 if acting == ALLOWED else 0)
    assert len(denied) == (2 if (reading, acting) == (ALLOWED, DENIED) else 0)


def test_group_made_later_counts_from_the_next_reload(service: Service) -> None:
    machine = service.machine
    machine.do("groupdel", "fancap-admin")
    try:
        service.start()
        assert ask_as(machine, "root", "rotate")[0] == ALLOWED
        assert ask_as(machine, "admin", "rotate")[0] == DENIED
    finally:
        machine.do("groupadd", "--system", "fancap-admin")
        machine.do("usermod", "--append", "--groups", "fancap-admin", "admin")
    assert ask_as(machine, "admin", "rotate")[0] == DENIED
    service.systemctl("reload")
    assert ask_as(machine, "admin", "rotate")[0] == ALLOWED


def test_fancapctl_is_denied_to_others(service: Service) -> None:
    service.start()
    status, text = ask_as(service.machine, "stranger", "status")
    assert status == 4, text


def test_fancapctl_says_that_the_service_is_stopped(service: Service) -> None:
    status, text = ask_as(service.machine, "root", "status")
    assert status == 3, text
