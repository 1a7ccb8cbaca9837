# SPDX-License-Identifier: BSD-3-Clause
"""What is done to a running capture over the control socket, and what is told of it: all but Rotate and Reload."""
from __future__ import annotations

import os
import signal
from pathlib import Path

import varlink
from faults import FaultyDisk
from harness import Fancapd, Frames, Json, Link, act, check_against_files, interface, refused, verify, wait_until

COUNT = 20_000
OURS = "ether proto 0x88b5"


def described(fancapd: Fancapd, name: str = "cap0") -> Json:
    return next(one for one in act(fancapd, "ListInterfaces")["interfaces"] if one["interface"] == name)


def seen(fancapd: Fancapd) -> int:
    return act(fancapd, "GetStatistics")["total"]["packets_seen"]


def replace_device(link: Link) -> None:
    """The name stays, the device is another one."""
    for command in (f"del {link.name}", f"add {link.name} type veth peer name {link.sender}", f"set {link.sender} up",
                    f"set {link.name} up"):
        link.namespace.ip("link", *command.split())
    link.wait_up()


# --- what is told --------------------------------------------------------------------------------------------------

def test_interfaces_and_workers_are_as_they_are(fancapd: Fancapd, link: Link) -> None:
    frames = Frames()
    fancapd.configure(interface(link, 2, filter="udp or tcp or not udp"))
    fancapd.start()
    link.send(frames, COUNT)
    fancapd.settle(COUNT)
    cap0 = described(fancapd)
    assert (cap0["device"], cap0["state"], cap0["link_type"], cap0["mtu"]) == ("cap0", "up", "EN10MB", 1500)
    assert (cap0["workers"], cap0["workers_running"], cap0["fanout_mode"]) == (2, 2, "hash")
    assert cap0["ring_bytes"] == cap0["ring_blocks"] * cap0["block_bytes"] > 0
    assert cap0["filter"] == cap0["filter_configured"] == "udp or tcp or not udp"
    assert cap0["folders"] == [str(fancapd.recordings / "cap0")]
    workers = act(fancapd, "ListWorkers", interface="cap0")["workers"]
    assert [one["worker"] for one in workers] == [0, 1]
    assert {one["pid"] for one in workers} == {one["pid"] for one in fancapd.workers()}
    for one in workers:
        path = Path(one["segment"])
        assert path in fancapd.open_files()
        assert path.stat().st_size >= one["segment_bytes"] > 0
        assert one["heartbeat_ns"] < 60_000_000_000
    assert sum(one["segment_packets"] for one in workers) == COUNT
    fancapd.stop()


def test_configuration_is_what_was_loaded_last(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 1))
    fancapd.start()
    before = act(fancapd, "GetConfiguration")
    assert before["path"] == str(fancapd.config_path)
    assert "snaplen: 262144" in before["yaml"]
    fancapd.configure(interface(link, 1, snaplen=96))
    assert act(fancapd, "GetConfiguration") == before
    act(fancapd, "Reload")
    after = act(fancapd, "GetConfiguration")
    assert "snaplen: 96" in after["yaml"]
    assert after["loaded_ns"] > before["loaded_ns"]
    fancapd.stop()


def events(fancapd: Fancapd, backlog: int = 0) -> varlink.Connection:
    connection = varlink.Connection(fancapd.socket)
    connection.send_more("io.fancap.Events", backlog=backlog)
    return connection


def until(stream: varlink.Connection, kind: str, text: str = "") -> Json:
    """The next event of this kind with this in its text; their numbers have no gap."""
    number = None
    while True:
        reply = stream.receive()
        assert reply["continues"]
        event = reply["parameters"]
        assert number is None or event["number"] == number + 1
        number = event["number"]
        if event["kind"] == kind and text in event["text"]:
            return event


def test_what_happens_is_told(fancapd: Fancapd, link: Link) -> None:
    """Also when the log has none of it; to more than one, and of what was before."""
    fancapd.configure(interface(link, 2), log={"level": "error"})
    fancapd.start()
    with events(fancapd) as stream, events(fancapd, 256) as late:
        assert until(late, "started")["priority"] == "notice"
        link.send(Frames(), COUNT)
        fancapd.settle(COUNT)
        victim = fancapd.workers()[1]["pid"]
        os.kill(victim, signal.SIGKILL)
        died = until(stream, "worker_died")
        assert (died["interface"], died["worker"], died["priority"]) == ("cap0", 1, "error")
        assert str(victim) in died["text"]
        assert until(stream, "worker_ready")["worker"] == 1
        act(fancapd, "Rotate")
        assert until(stream, "acted")["text"].startswith("io.fancap.Rotate {} called by user 0")
        assert until(stream, "rotation")["text"].endswith("bytes")
        act(fancapd, "Reload")
        assert until(stream, "reload")
        fancapd.configure(interface(link, 2, snaplen="many"))
        refused(fancapd, "Reload")
        assert "many" in until(stream, "reload_refused")["text"]
        link.namespace.ip("link", "set", link.name, "down")
        assert until(stream, "link")["interface"] == "cap0"
        assert until(late, "worker_died")["number"] == died["number"]
        os.kill(fancapd.pid, signal.SIGTERM)
        assert until(stream, "stopping")
    assert fancapd.wait() == 0


def test_statistics_as_a_stream(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 2))
    fancapd.start()
    with varlink.Connection(fancapd.socket) as stream:
        stream.send_more("io.fancap.GetStatistics", interval_ms=100)
        first = stream.receive()["parameters"]
        assert first["total"]["packets_seen"] == 0
        link.send(Frames(), COUNT)
        while (last := stream.receive())["parameters"]["total"]["packets_seen"] < COUNT:
            assert last["continues"]
        assert last["parameters"]["time_ns"] > first["time_ns"]
    fancapd.stop()


# --- SetFilter -------------------------------------------------------------------------------------------------------

def test_filter_holds_until_a_reload(fancapd: Fancapd, link: Link) -> None:
    """Under traffic, and in the headers of the files that are begun with it."""
    frames = Frames()
    fancapd.configure(interface(link, 2, filter=f"not {OURS}"))
    fancapd.start()
    pids = fancapd.processes()
    link.send(Frames(), COUNT)  # they are let in as a control: their protocol is another
    before = fancapd.settle(COUNT)["total"]["packets_seen"]
    assert act(fancapd, "SetFilter", interface="cap0", filter=OURS) == {"filter": OURS}
    link.send(Frames(), COUNT)
    assert (described(fancapd)["filter"], described(fancapd)["filter_configured"]) == (OURS, f"not {OURS}")
    assert act(fancapd, "SetFilter", interface="cap0") == {"filter": None}
    assert seen(fancapd) == before
    link.send(frames, COUNT, start=COUNT)
    fancapd.settle(2 * COUNT)
    error = refused(fancapd, "SetFilter", interface="cap0", filter="not prot 22")
    assert error.name == "io.fancap.InvalidFilter"
    assert "syntax error" in error.parameters["reason"]
    assert described(fancapd)["filter"] is None
    assert refused(fancapd, "SetFilter", interface="cap0", filter="x" * 5000).name == "io.fancap.InvalidFilter"
    assert act(fancapd, "SetFilter", interface="cap0", configured=True) == {"filter": f"not {OURS}"}
    assert act(fancapd, "SetFilter", interface="cap0", filter="udp") == {"filter": "udp"}
    act(fancapd, "Reload")
    assert described(fancapd)["filter"] == f"not {OURS}"
    assert fancapd.processes() == pids
    fancapd.stop()


def test_filter_holds_for_a_device_that_comes_back(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 1))
    fancapd.start()
    act(fancapd, "SetFilter", interface="cap0", filter=OURS)
    replace_device(link)
    wait_until(lambda: described(fancapd)["state"] == "up", "the device")
    link.send(Frames(), COUNT)
    assert seen(fancapd) == 0
    act(fancapd, "SetFilter", interface="cap0")
    link.send(Frames(), COUNT)
    fancapd.settle(COUNT)
    fancapd.stop()


# --- Pause and Resume ------------------------------------------------------------------------------------------------

def test_paused_interface_records_what_it_has_and_sees_no_more(fancapd: Fancapd, link: Link) -> None:
    frames = Frames()
    fancapd.configure(interface(link, 2))
    fancapd.start()
    link.send(frames, COUNT)
    assert act(fancapd, "Pause") == {"interfaces": 1}
    assert act(fancapd, "Pause", interface="cap0") == {"interfaces": 0}
    fancapd.settle(COUNT)
    assert described(fancapd)["state"] == "paused"
    os.kill(fancapd.workers()[0]["pid"], signal.SIGKILL)
    act(fancapd, "Reload")
    act(fancapd, "SetFilter", interface="cap0", filter="")
    link.send(frames, COUNT, start=COUNT)
    wait_until(lambda: described(fancapd)["workers_running"] == 2, "the replacement")
    assert seen(fancapd) == COUNT
    assert refused(fancapd, "Pause", interface="cap9").name == "io.fancap.NoSuchInterface"
    assert act(fancapd, "Resume") == {"interfaces": 1}
    assert described(fancapd)["state"] == "up"
    link.send(frames, COUNT, start=COUNT)
    total = fancapd.settle(2 * COUNT)["total"]
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, 2 * COUNT), 2 * COUNT)


def test_pause_holds_for_a_device_that_comes_back(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 1))
    fancapd.start()
    act(fancapd, "Pause")
    replace_device(link)
    wait_until(lambda: described(fancapd)["state"] == "paused" and described(fancapd)["workers_running"] == 1, "the device")
    link.send(Frames(), COUNT)
    assert seen(fancapd) == 0
    act(fancapd, "Resume")
    link.send(Frames(), COUNT)
    fancapd.settle(COUNT)
    fancapd.stop()


# --- RestartWorker ---------------------------------------------------------------------------------------------------

def test_worker_is_replaced_under_load_without_loss(fancapd: Fancapd, link: Link) -> None:
    frames = Frames()
    fancapd.configure(interface(link, 2))
    fancapd.start()
    pids = [one["pid"] for one in fancapd.workers()]
    sender = link.flow(frames, pps=50_000)
    for i in range(10):
        fancapd.wait_for_packets(2000)
        new = act(fancapd, "RestartWorker", interface="cap0", worker=i % 2)["pid"]
        assert new not in pids
        pids[i % 2] = new
        assert [one["pid"] for one in fancapd.workers()] == pids
    sent = sender.stop()["sent"]
    total = fancapd.settle(sent)["total"]
    assert total["worker_restarts"] == 10
    assert "killed by signal" not in fancapd.log()
    for parameters in ({"worker": 2}, {"worker": -1}):
        assert refused(fancapd, "RestartWorker", interface="cap0", **parameters).name == "io.fancap.NoSuchWorker"
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, sent), sent)


def test_worker_that_cannot_be_replaced_is_said_so(fancapd: Fancapd, link: Link, folder: Path) -> None:
    """Its disk does not answer, so it does not even end."""
    (folder / "backing").mkdir()
    with FaultyDisk(fancapd.recordings, folder / "backing") as disk:
        fancapd.configure(interface(link, 1))
        fancapd.start()
        disk.hang("write")
        try:
            link.send(Frames(), COUNT)
            error = refused(fancapd, "RestartWorker", interface="cap0", worker=0)
            assert (error.name, error.parameters) == ("io.fancap.Timeout", {"workers": 1})
        finally:
            disk.heal()
        fancapd.settle(COUNT)
        fancapd.stop()


# --- SetLogLevel -----------------------------------------------------------------------------------------------------

def test_log_level_holds_until_a_reload(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link, 1), log={"level": "warning"})
    fancapd.start()
    assert "is capturing" not in fancapd.log()
    assert act(fancapd, "SetLogLevel", level="debug") == {"previous": "warning"}
    link.send(Frames(), 100)
    fancapd.settle(100)
    act(fancapd, "Rotate")
    wait_until(lambda: "is complete: 100 packets" in fancapd.log(), "the worker's debug message")
    act(fancapd, "Reload")
    assert act(fancapd, "SetLogLevel", level="info") == {"previous": "warning"}
    assert refused(fancapd, "SetLogLevel", level="loud").name == "org.varlink.service.InvalidParameter"
    fancapd.stop()
