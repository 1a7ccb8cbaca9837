# SPDX-License-Identifier: BSD-3-Clause
"""The manual pages say what the programs do: every command, option, exit status and configuration option, and no other."""
from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from harness import BUILDDIR, EXPORTER, FANCAPCTL, FANCAPD, REPLAY, run

SOURCE = Path(__file__).parents[2]
PAGES = ["fancap.7", "fancapctl.1", "fancapd.8", "fancapd.yaml.5", "fancap-replay.1", "io.fancap.7", "fancap-exporter.8"]


def render(page: str) -> str:
    """As man shows it, but with lines that are never broken."""
    done = subprocess.run(["man", "--warnings", "--local-file", BUILDDIR / "doc/man" / page], capture_output=True, text=True,
                          env=os.environ | {"LC_ALL": "C", "MANWIDTH": "2000", "MANPAGER": "cat", "PAGER": "cat"},
                          check=True, timeout=60)
    assert done.stderr == "", f"{page} is not well formed"
    return done.stdout


def sections(text: str, indent: str = "") -> dict[str, str]:
    """Headings, and what stands below them; with an indent of three, those one level deeper."""
    parts = re.split(rf"^{indent}(?=\S)(.+)\n", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def entries(section: str) -> dict[str, str]:
    """What is explained, and how: at seven columns, and at eleven below."""
    return dict(re.findall(r"^ {7}(\S.*)\n {11}(\S.*)$", section, re.M))


def option_entries(section: str) -> dict[str, str]:
    return {name: text for name, text in entries(section).items() if name.startswith("-")}


def rows(text: str) -> dict[str, str]:
    """Two columns of --help; the right one may have several lines, or begin on the next one."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        left, _, right = line.strip().partition("  ") if re.match(r" {2,6}\S", line) else ("", "", line.strip())
        if left:
            name = left
        if name:
            found[name] = f"{found.get(name, '')} {right.strip()}".strip()
    return found


def help_part(text: str, title: str) -> dict[str, str]:
    """The rows below a title, up to an empty line."""
    match = re.search(rf"^{re.escape(title)}[^\n]*:\n((?:.+\n)+)", text, re.M)
    return rows(match[1]) if match else {}


@pytest.mark.parametrize("page", PAGES)
def test_page_is_well_formed(page: str) -> None:
    text = render(page)
    name, section = page.rsplit(".", 1)
    assert text.startswith(f"{name}({section})")
    assert not re.search(r"@\w+@|@\w+/manual", text), "something was not filled in"
    ours = {page.rsplit(".", 1)[0]: page.rsplit(".", 1)[1] for page in PAGES}
    for other, number in re.findall(r"(?<![\w.-])((?:fancap|io\.fancap)[\w.-]*)\((\d)\)", text):
        assert ours.get(other) == number, f"there is no {other}({number})"


def test_fancapctl_commands_and_options() -> None:
    page, text = sections(render("fancapctl.1")), run(FANCAPCTL, "--help").stdout
    assert option_entries(page["OPTIONS"]) == help_part(text, "Options")
    assert entries(page["EXIT STATUS"]) == help_part(text, "Exit codes")
    commands = help_part(text, "Commands")
    described = sections(page["COMMANDS"], "   ")
    assert len(commands) > 15 and list(described) == list(commands)
    for command, short in commands.items():
        details = run(FANCAPCTL, command.split()[0], "--help").stdout
        assert described[command].strip().startswith(short)
        assert option_entries(described[command]) == help_part(details, "Options of this command"), command
        explanation = re.findall(r"^ {7}(\S.*)$", described[command], re.M)[1:]
        # What --help says of it, whose lines are broken elsewhere.
        words = " ".join(line for line in explanation if not line.startswith("-")).split()
        assert " ".join(words) in " ".join(details.split()), command


@pytest.mark.parametrize(("page", "program", "title"), [
    ("fancapd.8", FANCAPD, ""), ("fancap-replay.1", REPLAY, "Options"),
    ("fancap-exporter.8", EXPORTER, "Options"),
], ids=["fancapd", "fancap-replay", "fancap-exporter"])
def test_options_of_programs(page: str, program: Path, title: str) -> None:
    text = run(program, "--help").stdout
    offered = help_part(text, title) if title else rows(re.search(r"\n\n((?: +-.+\n(?: {20,}.+\n)*)+)", text)[1])
    assert len(offered) > 5 and option_entries(sections(render(page))["OPTIONS"]) == offered


def yaml_paths(text: str) -> set[str]:
    """Paths of all keys in YAML of ours, where what is nested stands further to the right; a - counts as blank."""
    keys: dict[int, str] = {}
    found = set()
    for line in text.splitlines():
        if match := re.match(r"((?: |- )*)([a-z-]+):", line):
            indent = len(match[1])
            keys = {at: key for at, key in keys.items() if at < indent} | {indent: match[2]}
            found.add(".".join(keys.values()))
    return found


def test_configuration(folder: Path) -> None:
    named = entries(sections(render("fancapd.yaml.5"))["OPTIONS"])
    explained = {re.sub(r" \(.*", "", entry) for entry in named}
    # A unit test sees to it that this file has every option there is, and no other.
    shown = re.sub(r"^( *)#(?! )", r"\1", (SOURCE / "config/fancapd.yaml").read_text(), flags=re.M)
    assert explained == yaml_paths(shown) and len(explained) > 40
    small = folder / "small.yaml"
    small.write_text("interfaces:\n- name: lo\n")
    dumped = yaml_paths(run(FANCAPD, "--config", small, "--dump-config").stdout)
    assert "interfaces.ring.size" in dumped and dumped <= explained
    assert "interfaces.ring.size (size; default: 64MiB)" in named


def test_interface_description() -> None:
    page = sections(render("io.fancap.7"))
    source = (SOURCE / "doc/io.fancap.varlink").read_text()
    for kind, title in (("method", "METHODS"), ("type", "TYPES"), ("error", "ERRORS")):
        declared = re.findall(rf"^{kind} (\w+)", source, re.M)
        described = sections(page[title], "   ")
        assert declared and list(described) == declared
        for name, text in described.items():
            # Whole, in its lines.
            lines = re.search(rf"^{kind} {name}\b(?:.|\n)*?(?=\n\n|\Z)", source, re.M)[0].splitlines()
            assert "\n".join(f"           {line}" for line in lines) in text, name
