# SPDX-License-Identifier: BSD-3-Clause
"""Started by root, but somebody else afterwards; and a control socket that somebody else has made."""
from __future__ import annotations

import os
import pwd
import signal
import stat
from pathlib import Path

import pytest

from harness import Fancapd, Frames, Link, check_against_files, interface, read_proc_status, verify, wait_until

USER = pwd.getpwnam("nobody")
DAEMON = pwd.getpwnam("daemon")
SETS = ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")
CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_NET_RAW = (1 << number for number in (0, 1, 3, 13))
EX_CONFIG = 78
PASS_SOCKETS = Path(__file__).with_name("pass_sockets.py")


def ids(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


def capabilities(pid: int) -> dict[str, int]:
    return {name: int(value, 16) for name, value in read_proc_status(pid).items() if name in SETS}


@pytest.fixture
def droppable(fancapd: Fancapd) -> Fancapd:
    """What another user has to get at: the configuration. Its recordings' folder is made anew."""
    fancapd.folder.chmod(0o755)
    fancapd.folder.parent.chmod(0o755)
    fancapd.recordings.rmdir()
    return fancapd


# --- user and group --------------------------------------------------------------------------------------------------

def check_identity(fancapd: Fancapd, gid: int, supervisor: int) -> None:
    """Every process is the user, in all ids and groups, and has no capability but the supervisor's."""
    keeper = fancapd.status()["storage"]["keeper_pid"]
    workers = [worker["pid"] for worker in fancapd.workers()]
    for pid in (fancapd.pid, keeper, *workers):
        status = read_proc_status(pid)
        assert status["Uid"].split() == [str(USER.pw_uid)] * 4
        assert status["Gid"].split() == [str(gid)] * 4
        assert set(status["Groups"].split()) == {str(one) for one in os.getgrouplist("nobody", gid)}
        assert status["NoNewPrivs"] == "1"
        assert int(status["CapBnd"], 16) == 0
        assert status["Seccomp"] == ("0" if pid == fancapd.pid else "2")
        assert Path(f"/proc/{pid}/status").stat().st_uid == USER.pw_uid  # so it may leave a core dump
    assert capabilities(fancapd.pid) == {**dict.fromkeys(SETS, 0), "CapEff": supervisor, "CapPrm": supervisor}
    for pid in workers:
        assert set(capabilities(pid).values()) == {0}


@pytest.mark.parametrize("group", [None, "daemon"])
def test_root_becomes_the_user(droppable: Fancapd, link: Link, group: str | None) -> None:
    fancapd, frames, count = droppable, Frames(), 20_000
    gid = DAEMON.pw_gid if group else USER.pw_gid
    fancapd.socket = fancapd.folder / "run/io.fancap"
    fancapd.configure(interface(link, 2), rotate={"size": "1MiB"}, user="nobody", **({"group": group} if group else {}))
    fancapd.start()
    check_identity(fancapd, gid, CAP_NET_RAW)
    assert ids(fancapd.socket) == ids(fancapd.socket.parent) == (USER.pw_uid, gid)
    assert stat.S_IMODE(fancapd.socket.stat().st_mode) == 0o660
    link.send(frames, count)
    total = fancapd.settle(count)["total"]
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, count), count)
    made = [fancapd.recordings, *fancapd.recordings.rglob("*")]
    assert {ids(path) for path in made} == {(USER.pw_uid, gid)}
    assert len(fancapd.files()) > 2
    assert not fancapd.socket.exists()


def test_user_replaces_workers_and_reloads(droppable: Fancapd, link: Link) -> None:
    """What takes CAP_NET_RAW later on: libpcap compiles a filter on a packet socket of its own."""
    fancapd, frames, count = droppable, Frames({"vlan": True}), 5_000
    fancapd.configure(interface(link, 2), user="nobody")
    fancapd.start()
    os.kill(fancapd.workers()[0]["pid"], signal.SIGKILL)
    wait_until(lambda: "replaced by process" in fancapd.log(), "a new worker")
    new = fancapd.workers()[0]["pid"]
    wait_until(lambda: read_proc_status(new)["Seccomp"] == "2", "the end of its set-up")
    check_identity(fancapd, USER.pw_gid, CAP_NET_RAW)
    fancapd.configure(interface(link, 2, filter="vlan 5"), user="nobody")
    os.kill(fancapd.pid, signal.SIGHUP)
    wait_until(lambda: "configuration reloaded" in fancapd.log(), "the reload")
    link.send(frames, count)
    fancapd.settle(1)
    fancapd.configure(interface(link, 2), user="daemon")
    os.kill(fancapd.pid, signal.SIGHUP)
    wait_until(lambda: "user and group take a restart" in fancapd.log(), "the refusal")
    fancapd.stop()


def test_rings_are_opened_with_what_that_takes(droppable: Fancapd, link: Link) -> None:
    """CAP_BPF for a program, where not everybody may load one; it is gone when capturing begins."""
    fancapd, frames, count = droppable, Frames(), 5_000
    fancapd.configure(interface(link, 2, fanout={"mode": "ebpf"}), user="nobody")
    fancapd.start()
    check_identity(fancapd, USER.pw_gid, CAP_NET_RAW)
    link.send(frames, count)
    fancapd.settle(count)
    fancapd.stop()


def test_user_gives_files_away(droppable: Fancapd, link: Link) -> None:
    """Keepers need what that takes, and so does the supervisor that makes them; workers do not."""
    fancapd, frames, count = droppable, Frames(), 5_000
    fancapd.configure(interface(link), user="nobody", storage={"owner": "daemon", "group": "daemon"})
    fancapd.start()
    check_identity(fancapd, USER.pw_gid, CAP_NET_RAW | CAP_CHOWN | CAP_FOWNER | CAP_DAC_OVERRIDE)
    link.send(frames, count)
    total = fancapd.settle(count)["total"]
    fancapd.stop()
    check_against_files(total, verify(fancapd.files(), frames, count), count)
    assert {ids(path) for path in fancapd.files()} == {(DAEMON.pw_uid, DAEMON.pw_gid)}


def test_directory_of_root_is_a_clear_error(droppable: Fancapd, link: Link) -> None:
    """It is somebody's: it is not given away."""
    droppable.recordings.mkdir(mode=0o755)
    droppable.configure(interface(link), user="nobody")
    droppable.spawn()
    assert droppable.wait() == 1
    assert f"cannot record to {droppable.recordings}/{link.name}: Permission denied" in droppable.log()
    assert ids(droppable.recordings) == (0, 0)


def test_only_root_becomes_somebody_else(droppable: Fancapd, link: Link) -> None:
    droppable.folder.chmod(0o777)
    droppable.configure(interface(link), user="daemon")
    droppable.spawn('exec setpriv --reuid nobody --regid nogroup --clear-groups "$@"')
    assert droppable.wait() == 1
    assert "user 'daemon', group 1: only root can become that; this is user 65534, group 65534" in droppable.log()


def test_who_is_the_user_already_is_left_alone(droppable: Fancapd, link: Link) -> None:
    """As with systemd's User=."""
    fancapd, frames, count = droppable, Frames(), 1_000
    fancapd.folder.chmod(0o777)
    fancapd.configure(interface(link), user="nobody")
    fancapd.start(shell='exec setpriv --reuid nobody --regid nogroup --clear-groups --inh-caps=-all,+net_raw '
                        '--ambient-caps=-all,+net_raw "$@"')
    assert capabilities(fancapd.pid)["CapEff"] == CAP_NET_RAW
    link.send(frames, count)
    fancapd.settle(count)
    fancapd.stop()


def test_unknown_user_is_a_clear_error(fancapd: Fancapd, link: Link) -> None:
    fancapd.configure(interface(link), user="no-such-user")
    fancapd.spawn()
    assert fancapd.wait() == EX_CONFIG
    assert "user: there is no user 'no-such-user'" in fancapd.log()


# --- a socket that was passed ----------------------------------------------------------------------------------------

def passing(*sockets: str) -> str:
    """For spawn(): fancapd gets these sockets."""
    return f'exec /usr/bin/python3 {PASS_SOCKETS} {" ".join(sockets)} -- "$@"'


@pytest.mark.parametrize("name", ["control", "unknown", "my.socket"])
def test_passed_socket_is_used_and_left(fancapd: Fancapd, link: Link, name: str) -> None:
    """Its path is the manager's business, and so is its end. It has no lock, either."""
    configured = fancapd.socket
    fancapd.socket = fancapd.folder / "passed"
    fancapd.configure(interface(link), control={"socket": str(configured)})
    fancapd.start(shell=passing(f"{name}:stream:{fancapd.socket}"))
    frames, count = Frames(), 1000
    link.send(frames, count)
    fancapd.settle(count)
    fancapd.stop()
    assert fancapd.socket.is_socket()
    assert not configured.exists() and not list(fancapd.folder.glob("*.lock"))


@pytest.mark.parametrize(("kinds", "reason"), [
    (["control:stream", "control:stream"], "2 sockets were passed; allowed: one"),
    (["control:dgram"], "descriptor 3 is no listening Unix stream socket"),
    (["control:seqpacket"], "descriptor 3 is no listening Unix stream socket"),
    (["control:bound"], "descriptor 3 is no listening Unix stream socket"),
], ids=["two", "datagrams", "packets", "not-listening"])
def test_wrong_socket_is_a_clear_error(fancapd: Fancapd, link: Link, kinds: list[str], reason: str) -> None:
    fancapd.configure(interface(link))
    fancapd.spawn(passing(*(f"{kind}:{fancapd.folder}/passed{number}" for number, kind in enumerate(kinds))))
    assert fancapd.wait() == 1
    assert f"control socket: {reason}" in fancapd.log()


def test_what_is_no_use_is_said(fancapd: Fancapd, link: Link) -> None:
    """An administrator's mistake, or of a later version's store: no reason not to capture."""
    fancapd.configure(interface(link))
    fancapd.start(shell=passing(f"music:stream:{fancapd.folder}/passed"))
    assert "a descriptor named 'music' was passed, which is no use: closed" in fancapd.log()
    assert f"{fancapd.folder}/passed" not in Path(f"/proc/{fancapd.pid}/net/unix").read_text()
    fancapd.stop()


def test_sockets_of_another_process_are_not_ours(fancapd: Fancapd, link: Link) -> None:
    """$LISTEN_PID says whose they are: a shell's, say, that was started by a manager."""
    fancapd.configure(interface(link))
    fancapd.start(shell='LISTEN_PID=1 LISTEN_FDS=1 exec "$@"')
    assert fancapd.status()["state"] == "running"
    fancapd.stop()
