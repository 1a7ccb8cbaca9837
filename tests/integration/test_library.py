# SPDX-License-Identifier: BSD-3-Clause
"""libfancap as others find it: installed, with its headers and pkg-config file, showing what the headers declare."""
from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from harness import BUILDDIR

SOURCE = Path(__file__).resolve().parents[2]


def run(*command: object, **options: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make install` makes, below a folder of its own."""
    root = tmp_path_factory.mktemp("installed")
    run("make", "-C", BUILDDIR, "-s", "install", f"DESTDIR={root}")
    return root


def find(root: Path, name: str) -> Path:
    found = sorted(root.rglob(name))
    assert found, f"{name} is not installed"
    return found[0]


def pkg_config(root: Path, *arguments: str) -> list[str]:
    environment = {**os.environ, "PKG_CONFIG_PATH": str(find(root, "libfancap.pc").parent),
                   "PKG_CONFIG_SYSROOT_DIR": str(root)}
    return run("pkg-config", *arguments, "libfancap", env=environment).split()


def declared(root: Path) -> set[str]:
    names: set[str] = set()
    for header in find(root, "ring.h").parent.glob("*.h"):
        text = re.sub(r"/\*.*?\*/|//[^\n]*", "", header.read_text(), flags=re.S)
        names.update(re.findall(r"\b(fancap_\w+)\s*\([^;{]*\)[^;{]*;", text))
    return names


def test_the_library_shows_what_the_headers_declare(installed: Path) -> None:
    symbols = run("nm", "-D", "--defined-only", find(installed, "libfancap.so"))
    shown = {name.split("@")[0] for _, kind, name in (line.split() for line in symbols.splitlines()) if kind != "A"}
    assert shown == declared(installed)


def test_every_function_is_documented(installed: Path) -> None:
    """A comment stands before each declaration, or before the first of a few without a blank line between."""
    for header in find(installed, "ring.h").parent.glob("*.h"):
        for paragraph in re.split(r"\n\s*\n(?!\s*\*)", header.read_text()):
            if re.search(r"^[a-z].*\bfancap_\w+\([^{]*;", paragraph, flags=re.M):
                assert "/**" in paragraph, f"{header.name}: {paragraph}"


@pytest.mark.parametrize("compiler", [("gcc", "-xc", "-std=gnu11"), ("g++", "-xc++", "-std=c++17")])
def test_each_header_stands_alone(installed: Path, compiler: tuple[str, ...], tmp_path: Path) -> None:
    for header in find(installed, "ring.h").parent.glob("*.h"):
        source = tmp_path / "alone.c"
        source.write_text(f"#include <fancap/{header.name}>\n")
        run(*compiler, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", *pkg_config(installed, "--cflags"), source)


@pytest.mark.skipif(os.environ.get("FANCAP_SANITIZED") == "1", reason="the sanitizer's runtime must be linked first")
@pytest.mark.parametrize("example", ["receive", "fanout", "transmit"])
def test_examples_build_against_what_is_installed(installed: Path, example: str, tmp_path: Path) -> None:
    program = tmp_path / example
    run("gcc", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", SOURCE / "examples" / f"{example}.c", "-o", program,
        *pkg_config(installed, "--cflags", "--libs"))
    libraries = find(installed, "libfancap.so").parent
    done = subprocess.run([program], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "LD_LIBRARY_PATH": str(libraries)})
    assert done.returncode == 2 and f"usage: {example}" in done.stderr
    assert "libfancap.so.0" in run("readelf", "-d", program)
