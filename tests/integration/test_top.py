# SPDX-License-Identifier: BSD-3-Clause
"""fancapctl top in a real terminal (tmux): live figures, other sizes, daemons that go and come, a terminal left as it was."""
from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from harness import FANCAPCTL, Fancapd, Frames, Link, interface, wait_until

_servers = count()


class Terminal:
    """A shell in a window of a tmux of its own."""

    def __init__(self, folder: Path, columns: int, rows: int, **environment: str) -> None:
        self.socket = folder / f"tmux-{next(_servers)}"
        self.log = folder / f"{self.socket.name}.bytes"
        clean = {name: value for name, value in os.environ.items()
                 if name not in ("TMUX", "NO_COLOR", "LINES", "COLUMNS")}
        self.environment = {**clean, "ENV": "/dev/null", **environment}
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), "sh -i")
        self.tmux("set-option", "-g", "status", "off")
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))
        wait_until(lambda: self.screen().strip() != "", "a prompt")

    def tmux(self, *arguments: str) -> str:
        result = subprocess.run(["tmux", "-S", self.socket, *arguments], env=self.environment, capture_output=True,
                                text=True, timeout=60, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True, timeout=60, check=False)

    def keys(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def run(self, line: str) -> None:
        self.tmux("send-keys", "-l", line)
        self.keys("Enter")

    def screen(self, *options: str) -> str:
        return self.tmux("capture-pane", "-p", *options)

    def shows(self, pattern: str) -> bool:
        return re.search(pattern, self.screen(), re.MULTILINE) is not None

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.screen(), f"'{text}' on the screen")

    def resize(self, columns: int, rows: int) -> None:
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def state(self) -> str:
        """What a program may leave behind: the cursor hidden, the other screen, odd modes of keys or the mouse."""
        return self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag} #{keypad_cursor_flag} #{keypad_flag} "
                         "#{mouse_any_flag} #{insert_flag} #{wrap_flag} #{origin_flag}")


@pytest.fixture
def make_terminal(folder: Path, opened: ExitStack) -> Callable[..., Terminal]:
    def make(columns: int = 80, rows: int = 24, **environment: str) -> Terminal:
        terminal = Terminal(folder, columns, rows, **environment)
        opened.callback(terminal.close)
        return terminal

    return make


@pytest.fixture
def terminal(make_terminal: Callable[..., Terminal]) -> Terminal:
    return make_terminal()


def last_line(terminal: Terminal) -> str:
    return terminal.screen().rstrip("\n").split("\n")[-1]


def top(terminal: Terminal, socket: Path) -> None:
    """Start it, between two looks at the settings of the terminal."""
    terminal.run("echo before; stty -g | cksum")
    terminal.wait_for("before\n")
    terminal.run(f"'{FANCAPCTL}' --socket '{socket}' top; echo status=$?; stty -g | cksum")
    terminal.wait_for("q quit")


def settings(terminal: Terminal) -> list[str]:
    """Checksums of them, once both have been printed."""
    sums = re.findall(r"^\d+ \d+$", terminal.screen(), re.MULTILINE)
    return sums if len(sums) == 2 else []


def assert_left_clean(terminal: Terminal, status: str) -> None:
    """Back at the shell's screen, with the settings of before."""
    terminal.wait_for(f"status={status}\n")
    before, after = wait_until(lambda: settings(terminal), "settings, before and after")
    assert before == after
    assert terminal.state().split() == "0 1 0 0 0 0 1 0".split()
    assert "q quit" not in terminal.screen()


def test_live_figures_at_any_size(fancapd: Fancapd, link: Link, terminal: Terminal) -> None:
    frames = Frames()
    fancapd.configure(interface(link, 2))
    fancapd.start()
    sender = link.flow(frames, pps=2000)
    top(terminal, fancapd.socket)
    # eth0 up 2.00k 0 0.00 1.2 MiB ...: packets and bytes a second, nothing lost.
    wait_until(lambda: terminal.shows(rf"^{link.name} +up +\d\.\d\dk +0 +0\.00 +\d+\.\d [KM]iB .*\[[# ]+\] +\d+%$"),
               "rates of the interface")
    assert terminal.shows(r"^Packets: \d\.\d\dk/s, lost 0/s; since the start .*, lost 0 \(0\.00 %\)$")
    assert last_line(terminal).startswith("q quit")
    terminal.keys("w")
    wait_until(lambda: terminal.shows(rf"^{link.name} +0 running") and terminal.shows(rf"^{link.name} +1 running"),
               "rows of workers")
    terminal.resize(200, 60)
    wait_until(lambda: terminal.shows(r"DISCARDED/S.*RESTARTS") and terminal.screen().count("\n") == 60 and
               last_line(terminal).startswith("q quit"), "more columns in a wide window")
    terminal.resize(40, 10)
    terminal.wait_for("The window is too small:\n40x10, 60x8 needed\n")
    terminal.resize(80, 24)
    wait_until(lambda: terminal.screen().count("\n") == 24 and last_line(terminal).startswith("q quit"), "80x24 again")
    assert not terminal.shows("RESTARTS")
    terminal.keys("d")
    terminal.wait_for(f"DIRECTORY")
    assert terminal.shows(r"^recordings ")
    terminal.keys("Right", "i", "s")
    terminal.wait_for("sorted by INTERFACE")
    terminal.keys("-")
    terminal.wait_for("every 0.5 s")
    wait_until(lambda: terminal.shows(rf"^{link.name} +up +\d\.\d\dk"), "rates at another interval")
    terminal.keys("q")
    assert_left_clean(terminal, "0")
    sender.stop()
    fancapd.stop()


def test_daemon_goes_and_comes_back(fancapd: Fancapd, link: Link, terminal: Terminal) -> None:
    fancapd.configure(interface(link, 1))
    top(terminal, fancapd.socket)
    terminal.wait_for("fancapd is not running: waiting for it")
    for _ in range(2):
        fancapd.start()
        wait_until(lambda: terminal.shows(rf"^fancapd .*running for") and terminal.shows(rf"^{link.name} +up +0 "),
                   "the daemon on the screen")
        fancapd.stop()
        terminal.wait_for("fancapd is not running: waiting for it")
        # What was last known stays.
        assert terminal.shows(rf"^{link.name} +up")
    terminal.keys("q")
    assert_left_clean(terminal, "0")


def pid_of_top(terminal: Terminal) -> int:
    shell = int(terminal.tmux("display-message", "-p", "#{pane_pid}"))
    children = Path(f"/proc/{shell}/task/{shell}/children").read_text(encoding="ascii").split()
    return int(children[-1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_the_terminal_clean(folder: Path, terminal: Terminal, number: signal.Signals) -> None:
    top(terminal, folder / "nobody")
    os.kill(pid_of_top(terminal), number)
    if number == signal.SIGINT: # which the shell takes for the whole line's
        wait_until(lambda: terminal.state().startswith("0 1 "), "the end of top")
        terminal.run("echo status=$?; stty -g | cksum")
    assert_left_clean(terminal, str(128 + number))


def test_stopped_and_continued(folder: Path, terminal: Terminal) -> None:
    top(terminal, folder / "nobody")
    terminal.keys("C-z")
    terminal.wait_for("Stopped")
    assert terminal.state().split() == "0 1 0 0 0 0 1 0".split()
    terminal.resize(90, 30)
    terminal.run("fg")
    wait_until(lambda: terminal.screen().count("\n") == 30 and last_line(terminal).startswith("q quit"),
               "top again, in the new size")
    terminal.keys("q")
    wait_until(lambda: terminal.state().split() == "0 1 0 0 0 0 1 0".split(), "the terminal as it was")


def colors(terminal: Terminal) -> set[str]:
    return set(re.findall(r"\x1b\[[\d;]*m", terminal.screen("-e")))


def test_colours_only_where_they_are_wanted(folder: Path, make_terminal: Callable[..., Terminal]) -> None:
    coloured, plain, old = (make_terminal(), make_terminal(NO_COLOR="1"), make_terminal())
    top(coloured, folder / "nobody")
    top(plain, folder / "nobody")
    old.run("export TERM=vt100")
    top(old, folder / "nobody")
    for terminal in (coloured, plain, old):
        terminal.wait_for("fancapd is not running")
    red = re.compile(r"\x1b\[[\d;]*31m")
    assert any(red.search(code) for code in colors(coloured))
    for terminal in (plain, old):
        assert not any(re.search(r"[34][0-7]", code) for code in colors(terminal))
        # What matters is seen all the same.
        assert any(re.search(r"[\[;]7m", code) for code in colors(terminal))


def test_no_terminal_is_told(folder: Path, terminal: Terminal) -> None:
    result = subprocess.run([FANCAPCTL, "--socket", folder / "nobody", "top"], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert "have to be a terminal" in result.stderr
    terminal.run(f"TERM=nonsense '{FANCAPCTL}' top; echo status=$?")
    terminal.wait_for("status=1\n")
    assert "set TERM" in terminal.screen("-J")
