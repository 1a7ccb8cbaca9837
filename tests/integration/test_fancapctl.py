# SPDX-License-Identifier: BSD-3-Clause
"""fancapctl as people have it: on a terminal, from another machine."""
from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import FANCAPCTL, Fancapd, Link, interface, run

NOT_RUNNING, UNREACHABLE = 3, 7


@pytest.fixture
def running(fancapd: Fancapd, link: Link) -> Fancapd:
    fancapd.configure(interface(link, 2))
    fancapd.start()
    return fancapd


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
