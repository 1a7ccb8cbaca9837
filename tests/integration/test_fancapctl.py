# SPDX-License-Identifier: BSD-3-Clause
"""fancapctl as people have it: with a daemon that captures, on a terminal, from another machine."""
from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness import FANCAPCTL, FANCAPD, Fancapd, Frames, Json, Link, interface, run, wait_until

NOT_RUNNING, UNREACHABLE = 3, 7


@pytest.fixture
def running(fancapd: Fancapd, link: Link) -> Fancapd:
    fancapd.configure(interface(link, 2))
    fancapd.start()
    return fancapd


# --- against the real daemon ---------------------------------------------------------------------------------------

def ctl(fancapd: Fancapd, *arguments: object) -> str:
    return run(FANCAPCTL, "--socket", fancapd.socket, *arguments).stdout


def ctl_json(fancapd: Fancapd, *arguments: object) -> Json:
    answer = json.loads(ctl(fancapd, "--json", *arguments))
    assert answer.pop("format") == 1
    return answer


def follow(opened: ExitStack, fancapd: Fancapd, *arguments: object) -> Iterator[Json]:
    """What a command that goes on prints, line by line."""
    process = subprocess.Popen([str(word) for word in (FANCAPCTL, "--socket", fancapd.socket, "--json", *arguments)],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    opened.callback(process.wait)
    opened.callback(process.kill)
    assert process.stdout
    opened.callback(process.stdout.close)
    return (json.loads(line) for line in process.stdout)


def test_what_is_in_force_is_shown(running: Fancapd) -> None:
    shown = ctl_json(running, "interfaces")["interfaces"][0]
    assert (shown["interface"], shown["state"], shown["workers_running"], shown["filter"]) == ("cap0", "up", 2, None)
    assert re.search(r"^cap0 +up ", ctl(running, "interfaces", "cap0"), re.M)
    workers = ctl_json(running, "workers")["workers"]
    assert [worker["pid"] for worker in workers] == [worker["pid"] for worker in running.workers()]
    text = ctl(running, "config")
    assert text.startswith("# ") and "\ninterfaces:\n- name: \"cap0\"\n" in text
    (running.folder / "again.yaml").write_text(text)
    run(FANCAPD, "--check-config", running.folder / "again.yaml")


def test_filter_pause_restart(running: Fancapd, link: Link, opened: ExitStack) -> None:
    assert ctl(running, "filter", "cap0", "udp", "port", 9) == "recorded: what matches 'udp port 9'\n"
    assert ctl(running, "filter", "cap0") == "recorded: what matches 'udp port 9'\nconfigured: all packets\n"
    wrong = subprocess.run([FANCAPCTL, "--socket", running.socket, "filter", "cap0", "tpc"], capture_output=True, text=True,
                           check=False, timeout=60)
    assert wrong.returncode == 1 and "the filter 'tpc' is wrong, nothing has changed: " in wrong.stderr
    assert ctl(running, "filter", "cap0", "--reset") == "recorded: all packets\n"

    assert ctl(running, "pause", "cap0") == "1 interface is paused now\n"
    assert ctl_json(running, "interfaces")["interfaces"][0]["state"] == "paused"
    assert ctl(running, "pause") == "nothing has changed: paused before\n"
    assert ctl_json(running, "resume") == {"interfaces": 1}

    before = [worker["pid"] for worker in running.workers()]
    answer = ctl_json(running, "restart-worker", "cap0", 1)
    after = [worker["pid"] for worker in running.workers()]
    assert after == [before[0], answer["pid"]] and after[1] != before[1]
    wrong = subprocess.run([FANCAPCTL, "--socket", running.socket, "restart-worker", "cap0", "2"], capture_output=True,
                           text=True, check=False, timeout=60)
    assert (wrong.returncode, wrong.stderr) == (1, "fancapctl: 'cap0' has no worker 2; see fancapctl workers\n")
    assert ctl_json(running, "log-level", "debug") == {"previous": "info"}
    assert ctl(running, "log-level") == "debug\n"
    assert ctl(running, "log-level", "info") == "until the next reload; before it was debug\n"


def test_files_are_listed_held_and_released(running: Fancapd, link: Link) -> None:
    link.send(Frames(), 1000)
    running.settle(1000)
    ctl(running, "rotate")
    wait_until(lambda: not running.open_files(), "files with their final names")
    files = sorted(str(path) for path in running.files())

    def listed() -> list[Json]:
        return ctl_json(running, "segments", "--from", "-1h", "-i", "cap0")["segments"]

    wait_until(lambda: sorted(one["path"] for one in listed() if one["state"] == "finished") == files, "all files listed")
    assert sum(one["packets"] for one in listed()) == 1000
    assert ctl_json(running, "segments", "--to", "yesterday") == {"segments": [], "next": None}
    first = ctl_json(running, "segments", "--limit", 1)
    assert len(first["segments"]) == 1 and (first["next"] is not None) == (len(files) > 1)

    assert ctl_json(running, "hold", files[0]) == {"changed": 1}
    assert Path(files[0] + ".hold").exists()
    assert ctl_json(running, "hold", "--from", "-1h") == {"changed": len(files) - 1}
    assert all(one["held"] for one in listed())
    assert ctl_json(running, "release", "--from", "-1h", "--to", "now", "--interface", "cap0") == {"changed": len(files)}
    assert not list(running.folder.rglob("*.hold"))
    wrong = subprocess.run([FANCAPCTL, "--socket", running.socket, "hold", files[0], "/etc/passwd"], capture_output=True,
                           text=True, check=False, timeout=60)
    assert wrong.returncode == 1 and wrong.stderr.startswith("fancapctl: /etc/passwd: no recording of this fancapd")
    assert not list(running.folder.rglob("*.hold"))


def test_events_and_statistics_are_followed(running: Fancapd, link: Link, opened: ExitStack) -> None:
    events = follow(opened, running, "events", "--backlog", 100)
    assert any(event["kind"] == "started" for event in events)
    statistics = follow(opened, running, "statistics", "--watch", 0.2, "cap0")
    assert next(statistics)["total"]["packets_seen"] == 0
    link.send(Frames(), 100)
    assert any(one["total"]["packets_written"] == 100 for one in statistics)
    ctl(running, "restart-worker", "cap0", 0)
    assert any(event["interface"] == "cap0" and event["worker"] == 0 for event in events)


# --- on a terminal -----------------------------------------------------------------------------------------------

def on_terminal(*command: object, **environment: str) -> str:
    """What a terminal is given, without the returns before its newlines."""
    ours, theirs = pty.openpty()
    variables = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {"TERM": "xterm"} | environment
    with subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=theirs, env=variables) as process:
        os.close(theirs)
        text = b""
        # A terminal that nobody has open any more gives EIO.
        while piece := read_terminal(ours):
            text += piece
        os.close(ours)
    assert process.returncode == 0
    return text.decode().replace("\r\n", "\n")


def read_terminal(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def test_colours_are_for_terminals_only(running: Fancapd) -> None:
    status = [FANCAPCTL, "--socket", running.socket, "status"]
    plain = run(*status).stdout
    assert "\x1b" not in plain and re.search(r"^\S+ +up ", plain, re.M)
    assert "\x1b[32mup\x1b[0m" in on_terminal(*status)
    assert "\x1b" not in on_terminal(*status, NO_COLOR="1")
    assert "\x1b" not in on_terminal(*status, TERM="dumb")
    assert "\x1b" not in on_terminal(*status, "--color=never")
    assert "\x1b" not in on_terminal(*status, "--json")
    assert "\x1b[32mup\x1b[0m" in on_terminal(*status, "--color=always", NO_COLOR="1")
    assert "\x1b[32mup\x1b[0m" in run(*status, "--color", "always").stdout
    assert json.loads(run(*status, "--color", "always", "--json").stdout)["format"] == 1


# --- completion --------------------------------------------------------------------------------------------------

class Shell:
    """An interactive shell on a terminal of its own, typed into."""

    def __init__(self, *command: object) -> None:
        self.terminal, theirs = pty.openpty()
        # Wide enough for no line to be broken.
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 50, 1000, 0, 0))
        self.text = ""
        self.process = subprocess.Popen([str(word) for word in command], stdin=theirs, stdout=theirs, stderr=theirs,
                                        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
                                        env=os.environ | {"TERM": "dumb", "PATH": f"{FANCAPCTL.parent}:{os.environ['PATH']}"})
        os.close(theirs)

    def type(self, keys: str) -> None:
        os.write(self.terminal, keys.encode())

    def expect(self, part: str) -> None:
        def came() -> bool:
            if select.select([self.terminal], [], [], 0)[0]:
                self.text += read_terminal(self.terminal).decode()
            return part in self.text
        wait_until(came, f"{part!r} of {self.process.args}")
        self.text = self.text.split(part, 1)[1]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_shells_complete(running: Fancapd, opened: ExitStack, shell: str) -> None:
    options = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"]}
    typed = Shell(shell, *options[shell])
    opened.callback(typed.close)
    typed.type("unset zle_bracketed_paste; PS1='prom''pt '; autoload -U compinit && compinit -D\n" if shell == "zsh" else
               "PS1='prom''pt '; bind 'set enable-bracketed-paste off'\n")
    typed.expect("prompt ")
    typed.type(f". <(fancapctl completion {shell})\n")
    typed.expect("prompt ")
    typed.type("fancapctl interf\t")
    typed.expect("fancapctl interfaces ")
    typed.type(f"--so\t{running.socket} ca\t")
    typed.expect("--socket ")
    typed.expect(f"{running.socket} cap0 ")
    typed.type("--color=ne\t")
    typed.expect("--color=never ")
    typed.type("--json\n")
    typed.expect('"interface": "cap0"')
    typed.expect("prompt ")


# --- from another machine ------------------------------------------------------------------------------------------

class Ssh:
    """A real sshd for one connection at a time, without a port: ssh talks to it through a pipe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("host", "client"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name)
        shutil.copy(folder / "client.pub", folder / "authorized")
        (folder / "known").write_text("* " + (folder / "host.pub").read_text())
        (folder / "sshd_config").write_text(
            f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
            f"PermitRootLogin prohibit-password\nPasswordAuthentication no\nSetEnv PATH={FANCAPCTL.parent}:/usr/bin:/bin\n")
        (folder / "ssh_config").write_text(
            f"Host sensor\n  ProxyCommand /usr/sbin/sshd -i -e -f {folder}/sshd_config 2>>{folder}/sshd.log\n"
            f"  IdentityFile {folder}/client\n  IdentitiesOnly yes\n  UserKnownHostsFile {folder}/known\n  BatchMode yes\n"
            "Host nowhere\n  ProxyCommand false\n")
        self.program = folder / "ssh"
        self.program.write_text(f'#!/bin/sh\nexec ssh -F {folder}/ssh_config "$@"\n')
        self.program.chmod(0o755)
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)

    def ctl(self, host: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([FANCAPCTL, "--host", host, *(str(word) for word in arguments)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, check=False,
                              env=os.environ | {"FANCAPCTL_SSH": str(self.program)})


def test_host_is_reached_by_ssh(running: Fancapd, folder: Path) -> None:
    ssh = Ssh(folder)
    done = ssh.ctl("root@sensor", "--socket", running.socket, "--timeout", 60, "--json", "status")
    assert done.returncode == 0, done.stderr + (folder / "sshd.log").read_text()
    assert json.loads(done.stdout)["pid"] == running.pid
    assert json.loads(ssh.ctl("sensor", "--socket", running.socket, "rotate", "--json").stdout)["workers"] == 2

    done = ssh.ctl("root@sensor", "--socket", folder / "it's not there", "status")
    assert (done.returncode, done.stdout) == (NOT_RUNNING, "")
    assert done.stderr == "fancapctl: fancapd is not running on root@sensor: nothing listens there\n"
    done = ssh.ctl("nowhere", "status")
    assert (done.returncode, done.stdout) == (UNREACHABLE, "")
    assert done.stderr.endswith("fancapctl: nowhere cannot be reached by ssh\n")
